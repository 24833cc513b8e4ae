/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Long kernel sections: the scheduler asked a CPU to switch (sched_set_need_resched_tp) and the switch came late.  A
 * task in user mode leaves at once, so the time between was spent in the kernel where it cannot be preempted.  Its
 * stack is taken at a timer tick meanwhile.
 * Without that tracepoint each timer tick looks whether a switch is wanted: a section then counts from the first tick
 * that finds so, and is up to a tick longer than it seems.
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

/*
 * The scheduler wants curr, the task that runs on that CPU, to leave it, and sets that bit of its thread_info.flags.  It
 * says so once until schedule() is reached (__resched_curr(), kernel/sched/core.c): the latest counts.
 */
static __always_inline void nosched_wanted(struct task_struct *curr, int cpu, int tif)
{
	struct kw_slices *s;

	if (!curr->pid)
		return; /* idle */
	/* Nearly always this one, and of another one only a helper can tell. */
	s = cpu == (int)bpf_get_smp_processor_id() ? kw_cpu_slices_here() : kw_cpu_slices_on(cpu);
	if (!s)
		return;
	s->resched_since = kw_rq_clock(curr);
	s->resched_flag = 1UL << (tif & 31);
}

/* At the end of each timer tick, which itself may want the switch. */
static __always_inline void nosched_look(void)
{
	struct kw_slices *s = kw_cpu_slices_here();

	if (!s || s->resched_since || !kw_need_resched() || !KW_READ(kw_current(), pid))
		return;
	s->resched_since = kw_rq_clock_here();
	s->resched_flag = 0;
}

static __always_inline bool nosched_pending(struct kw_slices *s)
{
	if (s->resched_flag)
		return BPF_CORE_READ(kw_current(), thread_info.flags) & s->resched_flag;
	return kw_need_resched();
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
	if (!nosched_pending(s)) {
		s->resched_since = 0;
		return;
	}
	if ((s64)(kw_rq_clock_here() - since) < (s64)(kw_settings.nosched_threshold_ns / 2))
		return;
	k = bpf_map_lookup_elem(&kw_nosched_stacks, &zero);
	if (!k || k->since == since)
		return;
	k->frames = kw_stack(ctx, k->stack);
	k->since = since;
}

/* The switch has come, ns after it was asked for at since. */
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
