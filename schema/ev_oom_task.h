/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A task that had a 64th or more of the memory when the OOM killer chose, 32 at most. subject: that task; peer.cg:
 * the memcg at its limit, none when the node was short.
 */
#ifndef KWHY_SCHEMA_EV_OOM_TASK_H
#define KWHY_SCHEMA_EV_OOM_TASK_H

#include "schema/event.h"

struct kw_oom_task {
	__u64 anon_bytes;
	__u64 file_bytes;
	__u64 shmem_bytes;
	__s32 oom_score_adj;
	__u32 chosen;
};

_Static_assert(sizeof(struct kw_oom_task) == 32, "kw_oom_task");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_oom_task(F) \
	F(anon_bytes, U64, BYTES, "anonymous memory") \
	F(file_bytes, U64, BYTES, "file memory") \
	F(shmem_bytes, U64, BYTES, "shared memory") \
	F(oom_score_adj, S32, NONE, "its oom_score_adj") \
	F(chosen, U32, NONE, "1 this is the one that was killed")

#endif
