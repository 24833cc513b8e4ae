/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between kernels, one accessor each.  They ask whether the member exists, never for a version.
 *
 * Not handled here: sched_switch passes prev_state as its fourth argument from 5.18 on (fa2c3254d7cf).  It must be
 * taken from there, because a remote wakeup may already have changed prev's state; older kernels refuse the program.
 */
#ifndef KWHY_BPF_DRIFT_H
#define KWHY_BPF_DRIFT_H

#include "bpf/kwhy.bpf.h"

/* 2f064a59a11f (5.14): task_struct.state became __state. */
struct task_struct___before_5_14 {
	volatile long state;
} __attribute__((preserve_access_index));

static __always_inline u32 kw_state_of(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return BPF_CORE_READ(task, __state);
	return BPF_CORE_READ((struct task_struct___before_5_14 *)task, state);
}

/* The same by direct access, for a pointer the verifier trusts: 3 ns, where a probe read costs 30. */
static __always_inline u32 kw_state_direct(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return ((struct task_struct___before_5_14 *)task)->state;
}

/* An int before 7.x, a byte since; of both the lowest byte tells (little-endian machines only). */
static __always_inline bool kw_on_cpu(struct task_struct *task)
{
	u8 on_cpu = 0;

	bpf_core_read(&on_cpu, sizeof(on_cpu), &task->on_cpu);
	return on_cpu != 0;
}

/* cgroup_enter_frozen() sets the bit: in the v2 freezer's trap, but also in a stop, under ptrace and after vfork(). */
static __always_inline bool kw_frozen_bit(struct task_struct *task)
{
	return bpf_core_field_exists(task->frozen) && BPF_CORE_READ_BITFIELD(task, frozen);
}

/*
 * e1fad12dcb66 (6.18): a task is taken off the run queue when it returns to user mode under a used-up quota, and
 * task_struct.throttled says so.  Before, the whole group stayed queued below a throttled entity.
 */
static __always_inline bool kw_throttled(struct task_struct *task)
{
	if (bpf_core_field_exists(task->throttled))
		return task->throttled;
	if (bpf_core_field_exists(struct cfs_rq, throttle_count))
		return task->se.cfs_rq->throttle_count > 0;
	return false;
}

/* Clock of the run queue the task is on: what sched_info.last_queued was taken from.  Needs FAIR_GROUP_SCHED. */
static __always_inline u64 kw_rq_clock(struct task_struct *task)
{
	if (!bpf_core_field_exists(struct cfs_rq, rq))
		return 0;
	return task->se.cfs_rq->rq->clock;
}

/* The same of the CPU this runs on. */
static __always_inline u64 kw_rq_clock_here(void)
{
	if (!bpf_core_field_exists(struct cfs_rq, rq))
		return 0;
#ifdef KW_PLAIN
	return BPF_CORE_READ(kw_current(), se.cfs_rq, rq, clock);
#else
	return kw_current()->se.cfs_rq->rq->clock;
#endif
}

/*
 * Time the hypervisor took from the CPU of that run queue so far, as the scheduler itself has accounted for it
 * (update_rq_clock_task(), kernel/sched/core.c; CONFIG_PARAVIRT_TIME_ACCOUNTING).  0 where it does not.
 */
static __always_inline u64 kw_rq_steal(struct task_struct *task)
{
	if (!bpf_core_field_exists(struct cfs_rq, rq) || !bpf_core_field_exists(struct rq, prev_steal_time_rq))
		return 0;
	return task->se.cfs_rq->rq->prev_steal_time_rq;
}

static __always_inline u64 kw_rq_steal_here(void)
{
#ifdef KW_PLAIN
	if (!bpf_core_field_exists(struct cfs_rq, rq) || !bpf_core_field_exists(struct rq, prev_steal_time_rq))
		return 0;
	return BPF_CORE_READ(kw_current(), se.cfs_rq, rq, prev_steal_time_rq);
#else
	return kw_rq_steal(kw_current());
#endif
}

/*
 * Whether the scheduler wants the task that runs here to leave.  x86 keeps that as the topmost bit of the CPU's preempt
 * count, inverted (arch/x86/include/asm/preempt.h): of 32 bits in a variable of its own, from 6.2 to 6.14 in struct
 * pcpu_hot (64701838bf05), and of 64 bits since interrupts that are off are counted there, too (7.x).  By address and not
 * by type: a variable in BTF without a symbol has the whole program refused (CONFIG_KALLSYMS_ALL).
 */
extern const void __per_cpu_offset __ksym __weak;
extern const void __preempt_count __ksym __weak;
extern const void pcpu_hot __ksym __weak;
extern const void local_interrupt_disable_state __ksym __weak;

static __always_inline bool kw_knows_need_resched(void)
{
	return &__per_cpu_offset && (bpf_core_type_exists(struct pcpu_hot) ? !!&pcpu_hot : !!&__preempt_count);
}

/* False where that is not known. */
static __always_inline bool kw_need_resched(void)
{
	const u64 *offsets = (const u64 *)&__per_cpu_offset;
	u64 offset = 0, at;
	u8 top = 0x80;

	if (!kw_knows_need_resched())
		return false;
	if (bpf_core_type_exists(struct pcpu_hot))
		at = (u64)&pcpu_hot + bpf_core_field_offset(struct pcpu_hot, preempt_count) + 3;
	else
		at = (u64)&__preempt_count + (&local_interrupt_disable_state ? 7 : 3);
	bpf_probe_read_kernel(&offset, sizeof(offset), offsets + bpf_get_smp_processor_id());
	bpf_probe_read_kernel(&top, sizeof(top), (const void *)(offset + at));
	return !(top & 0x80);
}

/* Cgroup of the default hierarchy that current is in. */
static __always_inline u64 kw_v2_here(void)
{
#ifdef KW_PLAIN
	return BPF_CORE_READ(kw_current(), cgroups, dfl_cgrp, kn, id);
#else
	return kw_current()->cgroups->dfl_cgrp->kn->id;
#endif
}

/* bcf9033e5449 (5.16): the CPU moved from task_struct into thread_info everywhere. */
struct task_struct___before_5_16 {
	unsigned int cpu;
} __attribute__((preserve_access_index));

static __always_inline u32 kw_cpu_of(struct task_struct *task)
{
	if (bpf_core_field_exists(task->thread_info.cpu))
		return BPF_CORE_READ(task, thread_info.cpu);
	return BPF_CORE_READ((struct task_struct___before_5_16 *)task, cpu);
}

/* 4bf62b7b2f55 (6.15) and before: a large folio's size had other names, and none without 64 bits. */
struct folio___before_6_15 {
	unsigned int _folio_nr_pages;
} __attribute__((preserve_access_index));

/* The flags are the first word of a folio, whatever type they have.  folio: as the tracepoint had it. */
static __always_inline u64 kw_folio_pages(struct folio *folio)
{
	u64 flags = *(u64 *)folio;

	if (!(flags & 1ULL << bpf_core_enum_value(enum pageflags, PG_head)))
		return 1;
	if (bpf_core_field_exists(folio->_nr_pages))
		return BPF_CORE_READ(folio, _nr_pages);
	if (bpf_core_field_exists(struct folio___before_6_15, _folio_nr_pages))
		return BPF_CORE_READ((struct folio___before_6_15 *)folio, _folio_nr_pages);
	return 1;
}

#define KW_STACK_SIZE (16 * 1024) /* THREAD_SIZE */

/* A system call and its first three arguments, as in the registers the task entered the kernel with. */
struct kw_syscall {
	s64 number;
	u64 arg[3];
	bool arm64;
};

/* The registers lie at the top of a task's stack (task_pt_regs()), which is of 16 KiB on x86-64 and arm64. */
static __always_inline struct pt_regs *kw_regs_of(struct task_struct *task)
{
#ifdef KW_PLAIN
	return (void *)BPF_CORE_READ(task, stack) + KW_STACK_SIZE - bpf_core_type_size(struct pt_regs);
#else
	return (struct pt_regs *)bpf_task_pt_regs(task);
#endif
}

/* task must be one the verifier trusts. */
static __always_inline void kw_syscall_of(struct task_struct *task, struct kw_syscall *ret)
{
	struct pt_regs *regs = kw_regs_of(task);
	struct pt_regs___arm64 *arm64 = (struct pt_regs___arm64 *)regs;

	ret->number = -1;
	ret->arm64 = false;
	if (bpf_core_field_exists(regs->orig_ax)) {
		ret->number = BPF_CORE_READ(regs, orig_ax);
		ret->arg[0] = BPF_CORE_READ(regs, di);
		ret->arg[1] = BPF_CORE_READ(regs, si);
		ret->arg[2] = BPF_CORE_READ(regs, dx);
	} else if (bpf_core_field_exists(arm64->syscallno)) {
		ret->arm64 = true;
		ret->number = BPF_CORE_READ(arm64, syscallno);
		ret->arg[0] = BPF_CORE_READ(arm64, orig_x0);
		ret->arg[1] = BPF_CORE_READ(arm64, regs[1]);
		ret->arg[2] = BPF_CORE_READ(arm64, regs[2]);
	}
}

/* The first lock of a list in struct file_lock_context: the process that took it, and the open file it is on. */
struct kw_file_lock {
	u32 pid;
	u64 file;
};

static __always_inline bool kw_file_lock_of(struct list_head *list, struct kw_file_lock *ret)
{
	struct list_head *first = BPF_CORE_READ(list, next);
	struct file_lock___old *old;
	struct file_lock_core *core;

	if (!first || first == list)
		return false;
	if (bpf_core_type_exists(struct file_lock_core)) {
		core = (void *)first - bpf_core_field_offset(struct file_lock_core, flc_list);
		ret->pid = BPF_CORE_READ(core, flc_pid);
		ret->file = (u64)BPF_CORE_READ(core, flc_file);
	} else {
		old = (void *)first - bpf_core_field_offset(struct file_lock___old, fl_list);
		ret->pid = BPF_CORE_READ(old, fl_pid);
		ret->file = (u64)BPF_CORE_READ(old, fl_file);
	}
	return true;
}

/* Forks that the pids controller refused to tasks of this very cgroup. */
static __always_inline u64 kw_fork_failures(struct pids_cgroup *pids)
{
	if (bpf_core_field_exists(pids->events_local))
		return BPF_CORE_READ(pids, events_local[1].counter);
	return BPF_CORE_READ((struct pids_cgroup___old *)pids, events_limit.counter);
}

/*
 * The connection a FUSE request goes through, and the device of its file system.  Since 7.x a request knows only the
 * channel to its server, not the mount it came by: what is mounted below by itself (virtiofs) counts as the whole.
 */
static __always_inline u64 kw_fuse_conn(struct fuse_req *req, u32 *ret_dev)
{
	struct fuse_conn *conn;

	if (bpf_core_field_exists(req->fm)) {
		*ret_dev = BPF_CORE_READ(req, fm, sb, s_dev);
		return (u64)BPF_CORE_READ(req, fm, fc);
	}
	conn = BPF_CORE_READ((struct fuse_req___chan *)req, chan, conn);
	*ret_dev = BPF_CORE_READ(conn, dev);
	return (u64)conn;
}

/* Since 6.16: the lock a task sleeps on, its kind in the low two bits; with DETECT_HUNG_TASK_BLOCKER. */
static __always_inline u64 kw_blocker(struct task_struct *task)
{
	if (bpf_core_field_exists(task->blocker))
		return BPF_CORE_READ(task, blocker);
	return 0;
}

#endif
