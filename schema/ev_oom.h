/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The OOM killer chose a victim. subject: the victim; peer: the task whose allocation could not go on.
 */
#ifndef KWHY_SCHEMA_EV_OOM_H
#define KWHY_SCHEMA_EV_OOM_H

#include "schema/event.h"

struct kw_oom {
	__u32 constraint;
	__s32 oom_score_adj;
	struct kw_cg limit;
	__u64 usage_bytes;
	__u64 limit_bytes;
	__u64 victim_anon_bytes;
	__u64 victim_file_bytes;
	__u64 victim_shmem_bytes;
	__u32 own_limit;
	__u32 gfp;
};

_Static_assert(sizeof(struct kw_oom) == 72, "kw_oom");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_oom(F) \
	F(constraint, U32, NONE, "0 unknown, 1 node, 2 cpuset, 3 memory policy, 4 memcg") \
	F(oom_score_adj, S32, NONE, "of the victim") \
	F(limit, CG, CONTAINER, "owner of the limit that was hit, none for the node") \
	F(usage_bytes, U64, BYTES, "memory under that limit") \
	F(limit_bytes, U64, BYTES, "that limit") \
	F(victim_anon_bytes, U64, BYTES, "anonymous memory of the victim") \
	F(victim_file_bytes, U64, BYTES, "file memory of the victim") \
	F(victim_shmem_bytes, U64, BYTES, "shared memory of the victim") \
	F(own_limit, U32, NONE, "1 the limit is of the victim cgroup itself") \
	F(gfp, U32, NONE, "flags of the reclaim that did not help, 0 unknown; for a memcg those of a user page are added")

#endif
