/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Podman's API on its socket (https://docs.podman.io/en/latest/_static/api.html): GET /libpod/containers/ID/json,
 * GET /libpod/events.
 */
#include <string.h>

#include "aggregate/docker.h"

/* As Docker's inspect, with more. */
static void facts(const json_t *container, json_t *found)
{
	docker_facts(container, found);
	docker_limits(json_object_get(container, "HostConfig"), found);
	metadata_set(found, "runtime", "podman");
	metadata_set(found, "image", metadata_text(container, "ImageName"));
	metadata_set(found, "pod_uid", metadata_text(container, "Pod"));
	if (json_is_true(json_object_get(container, "IsInfra")))
		metadata_set(found, "role", "sandbox");
}

static const struct docker_api api = { "podman.sock", "/run/podman/podman.sock", "/v4.0.0/libpod", "podman", "service",
				       facts };

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
	       (!strcmp(l->what.runtime, "podman") || !strcmp(l->what.runtime, "oci"));
}

const struct metadata_source source_podman_api = {
	.wants = wants, .look = look, .listen = hear, .start = metadata_start_http, .stop = metadata_stop_http
};
