/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Heartbeat of the collector, the last record of each tick: everything that ended before ts_ns and was
 * not lost stands before it. Analysis runs once per tick, so a replay runs as the live system did.
 */
#ifndef KWHY_SCHEMA_EV_TICK_H
#define KWHY_SCHEMA_EV_TICK_H

#include "schema/event.h"

struct kw_tick {
	__u64 seq;
	__s64 wall_ns;
	__u64 emitted;
	__u64 stored;
	__u64 lost;
	__u64 started_ns;
	__u32 bpf;
	__u32 probes_missing;
	__u32 off;
	__u32 _pad;
};

_Static_assert(sizeof(struct kw_tick) == 64, "kw_tick");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_tick(F) \
	F(seq, U64, NONE, "ticks since the collector started") \
	F(wall_ns, S64, NS, "wall clock minus boot clock at this tick") \
	F(emitted, U64, COUNT, "records that programs produced since start") \
	F(stored, U64, COUNT, "records handed to the store since start") \
	F(lost, U64, COUNT, "records lost for any reason since start") \
	F(started_ns, U64, NS, "boot time of the collector start") \
	F(bpf, U32, NONE, "1 when at least one BPF program is attached") \
	F(probes_missing, U32, COUNT, "probes wanted but not attached") \
	F(off, U32, NONE, "1 while everything is switched off")

#endif
