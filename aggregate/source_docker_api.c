/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's API on its socket (https://docs.docker.com/engine/api): GET /containers/ID/json. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "aggregate/docker.h"
#include "aggregate/httpc.h"
#include "aggregate/metadata.h"

static int look(struct lookup *l, json_t *found)
{
	AUTO(strbuf) struct strbuf body = STRBUF_INIT;
	char socket[PATH_MAX], url[256];
	json_t *container;
	int r;

	snprintf(socket, sizeof(socket), "%.4000s/var/run/docker.sock", l->root);
	snprintf(url, sizeof(url), "http://localhost/containers/%s/json", l->id);
	r = httpc_get(l->state, socket, url, NULL, &body);
	if (r)
		return metadata_absent(l, "docker.sock", r);
	r = metadata_parse_json(l, "docker.sock", strbuf_str(&body), body.len, &container);
	if (r)
		return r;
	docker_facts(container, found);
	docker_limits(json_object_get(container, "HostConfig"), found);
	json_decref(container);
	return 1;
}

static bool wants(const struct lookup *l)
{
	return l->what.kind == CONTAINER_RUNTIME && strlen(l->id) == 64 &&
	       (!strcmp(l->what.runtime, "docker") || !strcmp(l->what.runtime, "oci"));
}

const struct metadata_source source_docker_api = {
	.wants = wants, .look = look, .start = metadata_start_http, .stop = metadata_stop_http
};
