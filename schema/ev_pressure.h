/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * PSI of one cgroup during one tick (deltas of the totals), from its *.pressure files. -1: not
 * available. subject.cg: the cgroup; none: the host.
 */
#ifndef KWHY_SCHEMA_EV_PRESSURE_H
#define KWHY_SCHEMA_EV_PRESSURE_H

#include "schema/event.h"

struct kw_pressure {
	__u64 span_ns;
	__s64 cpu_some_ns;
	__s64 cpu_full_ns;
	__s64 memory_some_ns;
	__s64 memory_full_ns;
	__s64 io_some_ns;
	__s64 io_full_ns;
};

_Static_assert(sizeof(struct kw_pressure) == 56, "kw_pressure");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_pressure(F) \
	F(span_ns, U64, NS, "length of the tick") \
	F(cpu_some_ns, S64, NS, "some task waited for CPU") \
	F(cpu_full_ns, S64, NS, "all did") \
	F(memory_some_ns, S64, NS, "some task waited for memory") \
	F(memory_full_ns, S64, NS, "all did") \
	F(io_some_ns, S64, NS, "some task waited for I/O") \
	F(io_full_ns, S64, NS, "all did")

#endif
