/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a task is, asked after the fact: for tasks that only a text names. */
#ifndef KWHY_COLLECT_TASKCG_H
#define KWHY_COLLECT_TASKCG_H

#include <stdint.h>

#include "collect/cgroups.h"

/*
 * Fills pid, tid and cg of a thread that lives, and its comm unless ret has one already; of one that is gone only tid
 * and pid (its own).  proc: "/proc".  The identity is put together as BPF programs do it (kw_cg_of_set()).
 */
void task_party(const struct cgroups *c, const char *proc, int32_t tid, struct kw_party *ret);

#endif
