/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the container runtime interface (kubernetes, cri-api, runtime/v1/api.proto).  Pure. */
#ifndef KWHY_AGGREGATE_CRI_H
#define KWHY_AGGREGATE_CRI_H

#include <jansson.h>
#include <stddef.h>

/*
 * The container with that id in a ListContainersResponse: 1, 0 it is not there, -EBADMSG.  ret_sandbox: the id of its
 * sandbox, room for 128 bytes.
 */
int cri_container(const void *message, size_t len, const char *id, json_t *found, char ret_sandbox[128]);
/* The sandbox with that id in a ListPodSandboxResponse, likewise; its labels are the pod's and join those in found. */
int cri_sandbox(const void *message, size_t len, const char *id, json_t *found);
/* How it ended, in a ContainerStatusResponse. */
void cri_ended(const void *message, size_t len, json_t *found);

#endif
