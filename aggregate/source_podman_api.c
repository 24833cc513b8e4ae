/* SPDX-License-Identifier: Apache-2.0 */
/* Podman's API on its socket (https://docs.podman.io/en/latest/_static/api.html): GET /libpod/containers/ID/json. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "aggregate/docker.h"
#include "aggregate/httpc.h"
#include "aggregate/metadata.h"

/* As Docker's inspect, with more. */
static void podman_facts(const json_t *container, json_t *found)
{
	docker_facts(container, found);
	docker_limits(json_object_get(container, "HostConfig"), found);
	metadata_set(found, "runtime", "podman");
	metadata_set(found, "image", metadata_text(container, "ImageName"));
	metadata_set(found, "pod_uid", metadata_text(container, "Pod"));
	if (json_is_true(json_object_get(container, "IsInfra")))
		metadata_set(found, "role", "sandbox");
}

static int look(struct lookup *l, json_t *found)
{
	AUTO(strbuf) struct strbuf body = STRBUF_INIT;
	char socket[PATH_MAX], url[256];
	json_t *container;
	int r;

	snprintf(socket, sizeof(socket), "%.4000s/run/podman/podman.sock", l->root);
	snprintf(url, sizeof(url), "http://localhost/v4.0.0/libpod/containers/%s/json", l->id);
	r = httpc_get(l->state, socket, url, NULL, &body);
	if (r)
		return metadata_absent(l, "podman.sock", r);
	r = metadata_parse_json(l, "podman.sock", strbuf_str(&body), body.len, &container);
	if (r)
		return r;
	podman_facts(container, found);
	json_decref(container);
	return 1;
}

static bool wants(const struct lookup *l)
{
	return l->what.kind == CONTAINER_RUNTIME && strlen(l->id) == 64 &&
	       (!strcmp(l->what.runtime, "podman") || !strcmp(l->what.runtime, "oci"));
}

const struct metadata_source source_podman_api = {
	.wants = wants, .look = look, .start = metadata_start_http, .stop = metadata_stop_http
};
