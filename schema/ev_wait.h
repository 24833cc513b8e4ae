/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Sum over one tick: waits of the tasks of a cgroup for one reason. Waits below the accounting
 * threshold of the probe are not in it. subject.cg: the cgroup.
 */
#ifndef KWHY_SCHEMA_EV_WAIT_H
#define KWHY_SCHEMA_EV_WAIT_H

#include "schema/event.h"

struct kw_wait {
	__u64 span_ns;
	__u32 reason;
	__u32 _pad;
	__u64 count;
	__u64 sum_ns;
	__u64 max_ns;
};

_Static_assert(sizeof(struct kw_wait) == 40, "kw_wait");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_wait(F) \
	F(span_ns, U64, NS, "length of the tick") \
	F(reason, U32, NONE, "enum kw_wait_reason") \
	F(count, U64, COUNT, "waits") \
	F(sum_ns, U64, NS, "their sum") \
	F(max_ns, U64, NS, "the longest")

#endif
