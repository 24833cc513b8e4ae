/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Sum over one tick: tasks of one container that slept for longer than probe.wakeup.threshold and were woken by a task
 * of another one. subject.cg: who slept; peer: who woke (cgroup, and the task seen first).
 */
#ifndef KWHY_SCHEMA_EV_WAKEUP_H
#define KWHY_SCHEMA_EV_WAKEUP_H

#include "schema/event.h"

struct kw_wakeup {
	__u64 span_ns;
	__u64 count;
	__u64 sum_ns;
	__u64 max_ns;
};

_Static_assert(sizeof(struct kw_wakeup) == 32, "kw_wakeup");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_wakeup(F) \
	F(span_ns, U64, NS, "length of the tick") \
	F(count, U64, COUNT, "wakeups") \
	F(sum_ns, U64, NS, "how long the woken had slept, in all") \
	F(max_ns, U64, NS, "the longest")

#endif
