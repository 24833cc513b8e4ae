/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A task was runnable but did not run for duration_ns (its own throttled time left out). peer: the
 * occupant with the largest share. The shares below add up to the wait.
 */
#ifndef KWHY_SCHEMA_EV_RUNQ_H
#define KWHY_SCHEMA_EV_RUNQ_H

#include "schema/event.h"

struct kw_runq {
	__u64 self_ns;
	__u64 other_ns;
	__u64 idle_ns;
	__u64 unknown_ns;
	__u64 stolen_ns;
	__u32 preempted;
	__u32 allowed_cpus;
	__u32 priority;
	__u32 occupants;
	struct kw_cg occ1;
	__u64 occ1_ns;
	__u32 occ1_pid;
	__u32 _pad1;
	char occ1_comm[16];
	struct kw_cg occ2;
	__u64 occ2_ns;
	__u32 occ2_pid;
	__u32 _pad2;
	char occ2_comm[16];
	struct kw_cg occ3;
	__u64 occ3_ns;
	__u32 occ3_pid;
	__u32 _pad3;
	char occ3_comm[16];
	struct kw_cg occ4;
	__u64 occ4_ns;
	__u32 occ4_pid;
	__u32 _pad4;
	char occ4_comm[16];
	struct kw_cg occ5;
	__u64 occ5_ns;
	__u32 occ5_pid;
	__u32 _pad5;
	char occ5_comm[16];
	struct kw_cg occ6;
	__u64 occ6_ns;
	__u32 occ6_pid;
	__u32 _pad6;
	char occ6_comm[16];
};

_Static_assert(sizeof(struct kw_runq) == 344, "kw_runq");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_runq(F) \
	F(self_ns, U64, NS, "CPU held by tasks of its own cgroup") \
	F(other_ns, U64, NS, "CPU held by other cgroups") \
	F(idle_ns, U64, NS, "CPU idle meanwhile") \
	F(unknown_ns, U64, NS, "older than the ring of slices, on a CPU waited on before, or in a virtual machine without a timer interrupt") \
	F(stolen_ns, U64, NS, "the hypervisor ran something else on that CPU, not counted to any occupant") \
	F(preempted, U32, NONE, "1 it was running until the wait began, 0 it was woken or another of its container went on") \
	F(allowed_cpus, U32, COUNT, "CPUs it may run on") \
	F(priority, U32, NONE, "task_struct.prio") \
	F(occupants, U32, COUNT, "occupants below") \
	F(occ1, CG, CONTAINER, "occupant 1, by time") \
	F(occ1_ns, U64, NS, "its time on the CPU during the wait") \
	F(occ1_pid, U32, NONE, "its longest-running process") \
	F(occ1_comm, STR, NONE, "that process") \
	F(occ2, CG, CONTAINER, "occupant 2, by time") \
	F(occ2_ns, U64, NS, "its time on the CPU during the wait") \
	F(occ2_pid, U32, NONE, "its longest-running process") \
	F(occ2_comm, STR, NONE, "that process") \
	F(occ3, CG, CONTAINER, "occupant 3, by time") \
	F(occ3_ns, U64, NS, "its time on the CPU during the wait") \
	F(occ3_pid, U32, NONE, "its longest-running process") \
	F(occ3_comm, STR, NONE, "that process") \
	F(occ4, CG, CONTAINER, "occupant 4, by time") \
	F(occ4_ns, U64, NS, "its time on the CPU during the wait") \
	F(occ4_pid, U32, NONE, "its longest-running process") \
	F(occ4_comm, STR, NONE, "that process") \
	F(occ5, CG, CONTAINER, "occupant 5, by time") \
	F(occ5_ns, U64, NS, "its time on the CPU during the wait") \
	F(occ5_pid, U32, NONE, "its longest-running process") \
	F(occ5_comm, STR, NONE, "that process") \
	F(occ6, CG, CONTAINER, "occupant 6, by time") \
	F(occ6_ns, U64, NS, "its time on the CPU during the wait") \
	F(occ6_pid, U32, NONE, "its longest-running process") \
	F(occ6_comm, STR, NONE, "that process")

#endif
