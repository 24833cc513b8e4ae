/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A step of the governor: a probe took more kernel time than its budget, or may do more again.  Made by the collector.
 */
#ifndef KWHY_SCHEMA_EV_GOVERN_H
#define KWHY_SCHEMA_EV_GOVERN_H

#include "schema/event.h"

struct kw_govern {
	__u32 level;
	__u32 former;
	__u32 cost_ppm;
	__u32 budget_ppm;
	__u64 runs;
	__u64 hold_ns;
	char probe[32];
	char what[96];
};

_Static_assert(sizeof(struct kw_govern) == 160, "kw_govern");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_govern(F)                                                                                  \
	F(level, U32, NONE, "from now on: 0 whole, 1 thresholds raised, 2 fewer records, 3 detached")        \
	F(former, U32, NONE, "level until now")                                                              \
	F(cost_ppm, U32, NONE, "kernel time of its programs in the window that decided, millionths of one CPU") \
	F(budget_ppm, U32, NONE, "its own budget, or that of all when it is the dearest of them") \
	F(runs, U64, COUNT, "runs of its programs a second in that window")                                  \
	F(hold_ns, U64, NS, "how long this level stays at least")                                            \
	F(probe, STR, NONE, "probe")                                                                         \
	F(what, STR, NONE, "what that means for the evidence; what failed, when error is set")

#endif
