/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's API on its socket (https://docs.docker.com/engine/api): GET /containers/ID/json, GET /events. */
#include <string.h>

#include "aggregate/docker.h"

static void facts(const json_t *container, json_t *found)
{
	docker_facts(container, found);
	docker_limits(json_object_get(container, "HostConfig"), found);
}

static const struct docker_api api = { "docker.sock", "/var/run/docker.sock", "", "dockerd", NULL, facts };

static int look(struct lookup *l, json_t *found)
{
	return docker_api_look(&api, l, found);
}

static void hear(struct listener *l)
{
	docker_api_listen(&api, l);
}

static bool wants(const struct lookup *l)
{
	return l->what.kind == CONTAINER_RUNTIME && strlen(l->id) == 64 &&
	       (!strcmp(l->what.runtime, "docker") || !strcmp(l->what.runtime, "oci"));
}

const struct metadata_source source_docker_api = {
	.wants = wants, .look = look, .listen = hear, .start = metadata_start_http, .stop = metadata_stop_http
};
