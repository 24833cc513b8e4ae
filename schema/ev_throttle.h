/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A task was stopped because the CFS quota of its task group, or of one above, was used up. peer.cg:
 * the task group that owns the quota where known.
 */
#ifndef KWHY_SCHEMA_EV_THROTTLE_H
#define KWHY_SCHEMA_EV_THROTTLE_H

#include "schema/event.h"

struct kw_throttle {
	__u64 quota_ns;
	__u64 period_ns;
	__u32 source;
	__u32 periods;
};

_Static_assert(sizeof(struct kw_throttle) == 24, "kw_throttle");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_throttle(F) \
	F(quota_ns, U64, NS, "quota per period, 0 unknown") \
	F(period_ns, U64, NS, "period") \
	F(source, U32, NONE, "1 seen at a context switch, 2 cpu.stat") \
	F(periods, U32, COUNT, "periods throttled when from cpu.stat")

#endif
