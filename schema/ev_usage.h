/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What one cgroup used during one tick, from the cgroup files. Counters are deltas over span_ns,
 * gauges the last value; -1: not available. subject.cg: the cgroup.
 */
#ifndef KWHY_SCHEMA_EV_USAGE_H
#define KWHY_SCHEMA_EV_USAGE_H

#include "schema/event.h"

struct kw_usage {
	__u64 span_ns;
	__s64 cpu_ns;
	__s64 cpu_user_ns;
	__s64 cpu_system_ns;
	__s64 cpu_periods;
	__s64 cpu_throttled_periods;
	__s64 cpu_throttled_ns;
	__s64 cpu_quota_ns;
	__s64 cpu_period_ns;
	__s64 memory_bytes;
	__s64 memory_limit_bytes;
	__s64 memory_anon_bytes;
	__s64 memory_file_bytes;
	__s64 memory_limit_hits;
	__s64 memory_oom_kills;
	__s64 major_faults;
	__s64 refaults;
	__s64 io_read_bytes;
	__s64 io_write_bytes;
	__s64 io_reads;
	__s64 io_writes;
	__s64 pids;
	__s64 pids_limit;
	__s64 frozen;
	__s64 faults;
	__s64 refaults_anon;
	__s64 memory_kernel_bytes;
	__s64 memory_dirty_bytes;
	__s64 memory_swap_bytes;
	__s64 memory_socket_bytes;
	__s64 memory_socket_limit_bytes;
};

_Static_assert(sizeof(struct kw_usage) == 248, "kw_usage");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_usage(F) \
	F(span_ns, U64, NS, "length of the tick") \
	F(cpu_ns, S64, NS, "CPU time") \
	F(cpu_user_ns, S64, NS, "of that in user mode") \
	F(cpu_system_ns, S64, NS, "of that in the kernel") \
	F(cpu_periods, S64, COUNT, "CFS periods") \
	F(cpu_throttled_periods, S64, COUNT, "of those throttled") \
	F(cpu_throttled_ns, S64, NS, "throttled time, summed over CPUs") \
	F(cpu_quota_ns, S64, NS, "quota per period") \
	F(cpu_period_ns, S64, NS, "period") \
	F(memory_bytes, S64, BYTES, "memory charged") \
	F(memory_limit_bytes, S64, BYTES, "limit") \
	F(memory_anon_bytes, S64, BYTES, "anonymous") \
	F(memory_file_bytes, S64, BYTES, "page cache") \
	F(memory_limit_hits, S64, COUNT, "failcnt, or memory.events.local max + high") \
	F(memory_oom_kills, S64, COUNT, "kills") \
	F(major_faults, S64, COUNT, "major faults") \
	F(refaults, S64, COUNT, "workingset refaults") \
	F(io_read_bytes, S64, BYTES, "read") \
	F(io_write_bytes, S64, BYTES, "written") \
	F(io_reads, S64, COUNT, "read requests") \
	F(io_writes, S64, COUNT, "write requests") \
	F(pids, S64, COUNT, "tasks") \
	F(pids_limit, S64, COUNT, "limit") \
	F(frozen, S64, NONE, "1 frozen, 0 not") \
	F(faults, S64, COUNT, "page faults, minor and major") \
	F(refaults_anon, S64, COUNT, "of the refaults those of anonymous pages, read back from swap") \
	F(memory_kernel_bytes, S64, BYTES, "kernel memory charged: dentries, inodes, stacks, page tables") \
	F(memory_dirty_bytes, S64, BYTES, "page cache not yet written back") \
	F(memory_swap_bytes, S64, BYTES, "swapped out") \
	F(memory_socket_bytes, S64, BYTES, "buffers of sockets; with cgroup v1 only where they have a limit") \
	F(memory_socket_limit_bytes, S64, BYTES, "limit of that: memory.kmem.tcp.limit_in_bytes")

#endif
