/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Uninterruptible and frozen sleeps.  The beginning is noted at the switch, only for such sleeps; everything else
 * happens at sched_waking, in the waker's context, where the sleeper's state and stack are still those of the sleep
 * (try_to_wake_up() sets TASK_WAKING after the tracepoint) and the waker is current.  The wait for a CPU that
 * follows belongs to the run-queue probe.
 */
#ifndef KWHY_BPF_OFFCPU_H
#define KWHY_BPF_OFFCPU_H

#include "bpf/drift.bpf.h"
#include "bpf/irq.bpf.h"

#define KW_OFFCPU_FLOOR_NS 1000000ULL /* shorter ones are not in the sums */

KW_RECORD_STACK(offcpu);

enum { KW_WAKE_TASK, KW_WAKE_HARDIRQ, KW_WAKE_SOFTIRQ, KW_WAKE_NONE };

/* include/linux/interrupt.h, softirq_to_name[]; one ahead, as kw_irq.softirq */
static const char kw_softirq_names[16][16] = {
	"softirq",	   "softirq:hi",      "softirq:timer", "softirq:net_tx",  "softirq:net_rx", "softirq:block",
	"softirq:irqpoll", "softirq:tasklet", "softirq:sched", "softirq:hrtimer", "softirq:rcu",
};
static const char kw_vector_names[4][8] = { "", "timer", "ipi", "" };

/* The v2 freezer's trap is an interruptible sleep; other sleeps with that bit are no freezing. */
static __always_inline bool offcpu_frozen(struct task_struct *task, u32 state)
{
	return (state & TASK_FROZEN) || ((state & TASK_INTERRUPTIBLE) && kw_frozen_bit(task));
}

/* An involuntary wait.  The bit on an uninterruptible sleep is vfork(): the parent waits for its own child. */
static __always_inline bool offcpu_is_wait(struct task_struct *task, u32 state)
{
	if (offcpu_frozen(task, state))
		return true;
	return (state & TASK_UNINTERRUPTIBLE) && !(state & TASK_NOLOAD) && !kw_frozen_bit(task);
}

static __always_inline void offcpu_switch_out(struct task_struct *prev, bool preempt, u32 state)
{
	struct kw_task_state *st;

	/* A preempted task may have set its state already and still be runnable. */
	if (preempt || !state || !offcpu_is_wait(prev, state) || (prev->flags & PF_KTHREAD))
		return;
	st = kw_task_state(prev, true);
	if (!st) {
		kw_count_lost_other(KW_KIND_offcpu);
		return;
	}
	st->off_since = bpf_ktime_get_boot_ns();
	st->off_accounted = 0;
	st->off_state = state;
	st->off_estimated = 0;
}

static __always_inline u32 offcpu_reason(struct task_struct *task, const struct kw_task_state *st, u32 state)
{
	if (offcpu_frozen(task, state))
		return KW_WAIT_FROZEN;
	if (st->lock_since)
		return KW_WAIT_LOCK;
	if (st->reclaim_since)
		return KW_WAIT_RECLAIM;
	return BPF_CORE_READ_BITFIELD(task, in_iowait) ? KW_WAIT_BLOCK : KW_WAIT_OTHER;
}

static __always_inline void offcpu_waker(struct kw_offcpu_record *r)
{
	struct kw_irq_now *irq = kw_irq_here();
	struct irqaction *action = irq ? (struct irqaction *)irq->action : NULL;

	if (action) {
		r->p.wake_context = KW_WAKE_HARDIRQ;
		bpf_probe_read_kernel_str(r->p.wake_source, sizeof(r->p.wake_source),
					  BPF_CORE_READ(action, name));
	} else if (irq && irq->vector) {
		r->p.wake_context = KW_WAKE_HARDIRQ;
		bpf_probe_read_kernel(r->p.wake_source, 8, kw_vector_names[irq->vector & 3]);
	} else if (irq && irq->softirq) {
		r->p.wake_context = KW_WAKE_SOFTIRQ;
		bpf_probe_read_kernel(r->p.wake_source, 16, kw_softirq_names[irq->softirq & 15]);
	} else {
		r->p.wake_context = KW_WAKE_TASK;
		kw_party_of((struct task_struct *)bpf_get_current_task(), &r->e.peer);
		if (kw_cg_same(&r->e.peer.cg, &r->e.subject.cg))
			r->e.flags |= KW_FLAG_PEER_SELF;
	}
}

/* The record of one wait; flags with KW_FLAG_PENDING: nobody has woken it yet. */
static __always_inline int offcpu_record(struct task_struct *task, const struct kw_party *self, u32 state, u32 reason,
					 u64 ns, u32 flags)
{
	struct kw_offcpu_record *r;
	long bytes;

	if (!self)
		return 0;
	r = kw_begin(KW_KIND_offcpu, &self->cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.flags = flags;
	r->e.duration_ns = ns;
	r->e.subject = *self;
	r->p.state = state;
	r->p.reason = reason;
	r->p.iowait = BPF_CORE_READ_BITFIELD_PROBED(task, in_iowait);
	if (flags & KW_FLAG_PENDING)
		r->p.wake_context = KW_WAKE_NONE;
	else
		offcpu_waker(r);
	bytes = bpf_get_task_stack(task, r->stack, sizeof(r->stack), 0);
	r->e.frames = bytes > 0 ? bytes / sizeof(u64) : 0;
	kw_submit(r, false);
	return 0;
}

/*
 * A wait of ns that ends (or goes on) at now.  Locks and reclaim account for the sleeps inside them; of those a lock's
 * has its own record.
 */
static __noinline int offcpu_account(struct task_struct *task, struct kw_task_state *st, u32 state, u64 now, u32 flags)
{
	struct kw_party self;
	u64 since, from;
	u32 reason;

	if (!st)
		return 0;
	since = st->off_since;
	from = st->off_accounted > since ? st->off_accounted : since;
	if (now < since + KW_OFFCPU_FLOOR_NS)
		return 0;
	reason = offcpu_reason(task, st, state);
	if (reason == KW_WAIT_LOCK)
		return 0;
	kw_party_of(task, &self);
	if (kw_is_own(self.pid))
		return 0;
	if (reason != KW_WAIT_RECLAIM && now > from)
		kw_sum_wait(&self.cg, reason, now - from);
	if (reason == KW_WAIT_OTHER && now > from)
		st->other_total_ns += now - from;
	st->off_accounted = now;
	if (now - since >= kw_settings.offcpu_threshold_ns)
		offcpu_record(task, &self, state, reason, now - since,
			      flags | (st->off_estimated ? KW_FLAG_ESTIMATED : 0));
	return 0;
}

static __noinline int offcpu_woken(struct task_struct *task, u32 state)
{
	struct kw_task_state *st = kw_task_state(task, false);

	if (!st || !st->off_since || kw_is_off())
		return 0;
	offcpu_account(task, st, state, bpf_ktime_get_boot_ns(), 0);
	st->off_since = 0;
	return 0;
}

static __always_inline void offcpu_waking(struct task_struct *task)
{
	u32 state = kw_state_direct(task);

	if (offcpu_is_wait(task, state) && !(task->flags & PF_KTHREAD))
		offcpu_woken(task, state);
}

#endif
