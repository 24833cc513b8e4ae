/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's words for a container, on disk (config.v2.json, hostconfig.json) and over its API (inspect), and the API
 * itself, which Podman has as well.
 */
#ifndef KWHY_AGGREGATE_DOCKER_H
#define KWHY_AGGREGATE_DOCKER_H

#include <jansson.h>

#include "aggregate/metadata.h"

/* Both spell name, state, image and labels alike.  Podman's compatible API too. */
void docker_facts(const json_t *container, json_t *found);
/* "HostConfig" of the API, hostconfig.json on disk. */
void docker_limits(const json_t *host, json_t *found);

/* Where such an API is. */
struct docker_api {
	const char *name;   /* as people call it */
	const char *socket; /* path below the root */
	const char *prefix; /* of its resources */
	const char *daemon; /* program that answers there */
	const char *argument; /* one it must have been given to be that; NULL: any will do */
	void (*facts)(const json_t *container, json_t *found);
};

/* look() and listen() of a source. */
int docker_api_look(const struct docker_api *api, struct lookup *l, json_t *found);
void docker_api_listen(const struct docker_api *api, struct listener *l);

#endif
