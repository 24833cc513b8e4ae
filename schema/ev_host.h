/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Host counters over one tick, from /proc. Deltas unless gauges; -1: not available.
 */
#ifndef KWHY_SCHEMA_EV_HOST_H
#define KWHY_SCHEMA_EV_HOST_H

#include "schema/event.h"

struct kw_host {
	__u64 span_ns;
	__s64 cpus;
	__s64 user_ns;
	__s64 system_ns;
	__s64 idle_ns;
	__s64 iowait_ns;
	__s64 irq_ns;
	__s64 softirq_ns;
	__s64 steal_ns;
	__s64 running;
	__s64 blocked;
	__s64 context_switches;
	__s64 forks;
	__s64 memory_available_bytes;
	__s64 memory_total_bytes;
	__s64 reclaim_direct_pages;
	__s64 oom_kills;
	__s64 swap_in_pages;
	__s64 swap_out_pages;
	__s64 softnet_drops;
	__s64 softnet_squeezes;
	__s64 dirty_bytes;
	__s64 writeback_bytes;
	__s64 memory_cgroups_dying;
};

_Static_assert(sizeof(struct kw_host) == 192, "kw_host");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_host(F) \
	F(span_ns, U64, NS, "length of the tick") \
	F(cpus, S64, COUNT, "online CPUs") \
	F(user_ns, S64, NS, "user time of all CPUs") \
	F(system_ns, S64, NS, "kernel time") \
	F(idle_ns, S64, NS, "idle time") \
	F(iowait_ns, S64, NS, "idle with I/O outstanding") \
	F(irq_ns, S64, NS, "hard interrupts") \
	F(softirq_ns, S64, NS, "soft interrupts") \
	F(steal_ns, S64, NS, "stolen by the hypervisor") \
	F(running, S64, COUNT, "runnable tasks now") \
	F(blocked, S64, COUNT, "tasks in I/O wait now") \
	F(context_switches, S64, COUNT, "context switches") \
	F(forks, S64, COUNT, "forks") \
	F(memory_available_bytes, S64, BYTES, "MemAvailable") \
	F(memory_total_bytes, S64, BYTES, "MemTotal") \
	F(reclaim_direct_pages, S64, COUNT, "pgscan_direct") \
	F(oom_kills, S64, COUNT, "oom_kill") \
	F(swap_in_pages, S64, COUNT, "pswpin") \
	F(swap_out_pages, S64, COUNT, "pswpout") \
	F(softnet_drops, S64, COUNT, "backlog drops") \
	F(softnet_squeezes, S64, COUNT, "time_squeeze") \
	F(dirty_bytes, S64, BYTES, "Dirty") \
	F(writeback_bytes, S64, BYTES, "Writeback") \
	F(memory_cgroups_dying, S64, COUNT, "memory cgroups that were removed and are still held by pages charged to them")

#endif
