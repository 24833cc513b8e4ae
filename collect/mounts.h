/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which container has which file system mounted, and the announcements of that ("mount" records): journals, write-back
 * and the like work for a device, not for a task.
 *
 * Known of containers, which have a root directory of their own; of the host's file systems, and of single directories
 * that are shared with a container, nobody is the owner.
 */
#ifndef KWHY_COLLECT_MOUNTS_H
#define KWHY_COLLECT_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "collect/cgroups.h"

#define MOUNTS_DEVICES_MAX 16 /* of one container */

struct mounts;

/* proc: "/proc".  NULL when out of memory. */
struct mounts *mounts_new(const char *proc, cgroups_emit_fn emit, void *emit_ctx);
void mounts_free(struct mounts *m);

/* Announces what the process of that cgroup has mounted, unless its mount namespace is known. */
void mounts_look(struct mounts *m, const struct kw_cg *cg, int32_t pid, uint64_t now_ns);
/* The cgroup was removed. */
void mounts_gone(struct mounts *m, const struct kw_cg *cg);
/* The only container that has the device mounted; false when there is none, or more than one. */
bool mounts_owner(const struct mounts *m, uint32_t dev, struct kw_cg *ret_cg);

#endif
