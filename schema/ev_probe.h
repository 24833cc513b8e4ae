/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * State and books of one probe: emitted = stored + lost for records; cost from kernel run-time statistics,
 * which are on for short windows only (collect.run_stats).  A tick has a record of each probe of which
 * anything changed, and of each whose last one is KW_PROBE_EVERY_NS old.
 */
#ifndef KWHY_SCHEMA_EV_PROBE_H
#define KWHY_SCHEMA_EV_PROBE_H

#include "schema/event.h"

#define KW_PROBE_EVERY_NS 10000000000ULL

struct kw_probe {
	__u32 state;
	__u32 cost_ppm;
	__u64 emitted;
	__u64 stored;
	__u64 lost_ring;
	__u64 suppressed;
	__u64 lost_other;
	__u64 run_ns;
	__u64 run_count;
	char name[32];
	char attach[64];
	char why[128];
};

_Static_assert(sizeof(struct kw_probe) == 288, "kw_probe");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_probe(F)                                                                              \
	F(state, U32, NONE,                                                                             \
	  "1 attached, 2 degraded (an alternative or part of its hooks), 3 off (not wanted), 4 failed;" \
	  " over its budget: 5 thresholds raised, 6 fewer records, 7 detached")                         \
	F(cost_ppm, U32, NONE, "kernel time in the last window measured, millionths of one CPU")        \
	F(emitted, U64, COUNT, "records past the threshold that the program tried to send since start") \
	F(stored, U64, COUNT, "records that reached user space")                                        \
	F(lost_ring, U64, COUNT, "ring buffer full")                                                    \
	F(suppressed, U64, COUNT, "held back by the token bucket")                                      \
	F(lost_other, U64, COUNT, "refused by the decoder or a map was full")                           \
	F(run_ns, U64, NS, "kernel time of its programs since start, from the windows measured")        \
	F(run_count, U64, COUNT, "runs of its programs since start, from the windows measured")         \
	F(name, STR, NONE, "probe")                                                                     \
	F(attach, STR, NONE, "hooks in use")                                                            \
	F(why, STR, NONE, "what is missing and why")

#endif
