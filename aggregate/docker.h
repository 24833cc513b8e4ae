/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's words for a container, on disk (config.v2.json, hostconfig.json) and over its API (inspect).  Pure. */
#ifndef KWHY_AGGREGATE_DOCKER_H
#define KWHY_AGGREGATE_DOCKER_H

#include <jansson.h>

/* Both spell name, state, image and labels alike.  Podman's compatible API too. */
void docker_facts(const json_t *container, json_t *found);
/* "HostConfig" of the API, hostconfig.json on disk. */
void docker_limits(const json_t *host, json_t *found);

#endif
