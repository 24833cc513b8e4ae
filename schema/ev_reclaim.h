/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A task had to free memory itself before its allocation went on. subject: the worker; peer.cg: the
 * memcg under its limit (same or an ancestor, by the most specific at its limit), none when the node
 * was short.
 */
#ifndef KWHY_SCHEMA_EV_RECLAIM_H
#define KWHY_SCHEMA_EV_RECLAIM_H

#include "schema/event.h"

struct kw_reclaim {
	__u32 scope;
	__u32 order;
	__u32 gfp;
	__u32 own_limit;
	__u64 reclaimed_pages;
	__u64 usage_bytes;
	__u64 limit_bytes;
};

_Static_assert(sizeof(struct kw_reclaim) == 40, "kw_reclaim");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_reclaim(F) \
	F(scope, U32, NONE, "1 memcg limit, 2 node, 3 compaction") \
	F(order, U32, NONE, "allocation order") \
	F(gfp, U32, NONE, "allocation flags") \
	F(own_limit, U32, NONE, "1 the limit is of the subject cgroup itself") \
	F(reclaimed_pages, U64, COUNT, "pages freed") \
	F(usage_bytes, U64, BYTES, "memory of that memcg") \
	F(limit_bytes, U64, BYTES, "its limit")

#endif
