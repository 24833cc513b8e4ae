/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's own files: DATA-ROOT/containers/ID/config.v2.json and hostconfig.json (moby, daemon/container).  Written
 * before the container starts, at its start, and when it ends.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "aggregate/docker.h"
#include "aggregate/metadata.h"
#include "base/cleanup.h"

static int read_container(struct lookup *l, const char *data_root, json_t *found)
{
	char path[PATH_MAX];
	json_t *config, *host;
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s/containers/%s/config.v2.json", data_root, l->id) >= sizeof(path))
		return 0;
	r = metadata_read_json(l, path, &config);
	if (r)
		return r == -EBADMSG ? r : 0;
	docker_facts(config, found);
	json_decref(config);
	snprintf(path, sizeof(path), "%s/containers/%s/hostconfig.json", data_root, l->id);
	if (!metadata_read_json(l, path, &host)) {
		docker_limits(host, found);
		json_decref(host);
	}
	return 1;
}

static int look(struct lookup *l, json_t *found)
{
	int r = read_container(l, "/var/lib/docker", found);
	json_t *daemon;

	if (r || metadata_read_json(l, "/etc/docker/daemon.json", &daemon))
		return r;
	if (metadata_text(daemon, "data-root")[0] == '/')
		r = read_container(l, metadata_text(daemon, "data-root"), found);
	json_decref(daemon);
	return r;
}

static bool wants(const struct lookup *l)
{
	return l->what.kind == CONTAINER_RUNTIME && strlen(l->id) == 64;
}

const struct metadata_source source_docker = { .wants = wants, .look = look };
