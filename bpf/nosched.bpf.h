/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Long kernel sections: the scheduler wants a CPU to switch and the switch comes late.  A task in user mode leaves at
 * once, so the time between was spent in the kernel where it cannot be preempted.  Each timer tick looks whether a
 * switch is wanted, and a later one takes the stack of the task that should have left.
 *
 * Why not sched_set_need_resched_tp (6.10) for that: it comes with every wakeup that preempts, and a program there made a
 * ping-pong 1.5 % slower.  It only tells, for a second, which of thread_info.flags say that a switch is wanted, where the
 * preempt count cannot be read.
 */
#ifndef KWHY_BPF_NOSCHED_H
#define KWHY_BPF_NOSCHED_H

#include "bpf/runq.bpf.h"

KW_RECORD_STACKS(nosched);

struct kw_nosched_stack {
	u64 since; /* the request it belongs to */
	u64 frames;
	u64 stack[KW_STACK_FRAMES_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct kw_nosched_stack);
} kw_nosched_stacks SEC(".maps");

/* The flags of thread_info that the scheduler has been seen to set: TIF_NEED_RESCHED, TIF_NEED_RESCHED_LAZY. */
volatile u64 nosched_flags;

typedef void (*btf_trace_sched_set_need_resched_tp)(void *, struct task_struct *, int, int);
extern const void rcu_read_unlock_special __ksym __weak;
extern const void init_srcu_struct_fast __ksym __weak;

/*
 * rcu_read_unlock() of a preemptible kernel may ask for a switch itself (rcu_read_unlock_special()), and so come by this
 * tracepoint.  Since tracepoints rest on SRCU-fast, BPF takes rcu_read_lock() before it sees that it is there already:
 * such a kernel (7.3) recursed until its stack was full.  There no program must be attached to it.
 */
static __always_inline bool nosched_learns(void)
{
	return bpf_core_type_exists(btf_trace_sched_set_need_resched_tp) && !kw_knows_need_resched() &&
	       !(&rcu_read_unlock_special && &init_srcu_struct_fast);
}

static __always_inline void nosched_learn(int tif)
{
	u64 flag = 1UL << (tif & 31);

	if (!(nosched_flags & flag))
		__sync_fetch_and_or(&nosched_flags, flag);
}

static __always_inline bool nosched_pending(void)
{
	if (nosched_learns())
		return BPF_CORE_READ(kw_current(), thread_info.flags) & nosched_flags;
	return kw_need_resched();
}

/* At the end of each timer tick, which itself may want the switch. */
static __always_inline void nosched_look(void)
{
	struct kw_slices *s = kw_cpu_slices_here();

	if (s && !s->resched_since && nosched_pending() && KW_READ(kw_current(), pid))
		s->resched_since = kw_rq_clock_here();
}

/*
 * When a timer tick begins: where is the task that should have left for a while?  schedule() may have been reached and
 * have let the same task go on, which no tracepoint shows; the bit is gone then.
 */
static __always_inline void nosched_tick(void *ctx)
{
	struct kw_slices *s = kw_cpu_slices_here();
	struct kw_nosched_stack *k;
	u64 since = s ? s->resched_since : 0;
	u32 zero = 0;

	if (!since)
		return;
	if (!nosched_pending()) {
		s->resched_since = 0;
		return;
	}
	if ((s64)(kw_rq_clock_here() + kw_settings.tick_ns - since) < (s64)(kw_settings.nosched_threshold_ns / 2))
		return;
	k = bpf_map_lookup_elem(&kw_nosched_stacks, &zero);
	if (!k || k->since == since)
		return;
	k->frames = kw_stack(ctx, k->stack);
	k->since = since;
}

/* The switch has come, ns after it was wanted; since: when a tick found so. */
static __noinline int nosched_over(struct kw_slices *s, struct task_struct *prev, struct task_struct *next, u64 since,
				   u64 ns)
{
	u32 zero = 0;
	struct kw_nosched_stack *k = bpf_map_lookup_elem(&kw_nosched_stacks, &zero);
	struct kw_nosched_record *r;
	struct kw_party self;
	struct kw_slice *slot;
	u64 lost;

	/* Without a tick that found the request pending it may long have been answered. */
	if (!k || !s || k->since != since)
		return 0;
	/* Perhaps the hypervisor held the CPU, not the task. */
	slot = &s->slot[s->head % KW_SLICES];
	lost = kw_rq_steal(next) - slot->steal + (u64)(s->gaps - slot->gaps) * KW_GAP_UNIT;
	if (lost * 2 > ns)
		return 0;
	kw_party_of(next, &self);
	r = kw_begin(KW_KIND_nosched, &self.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.duration_ns = ns;
	r->e.subject = self;
	kw_party_of(prev, &r->e.peer);
	if (kw_cg_same(&r->e.peer.cg, &self.cg))
		r->e.flags |= KW_FLAG_PEER_SELF;
	if (k->frames) {
		__builtin_memcpy(r->peer_stack, k->stack, sizeof(r->peer_stack));
		r->e.peer_frames = k->frames;
	}
	kw_submit(r, false);
	return 0;
}

#endif
