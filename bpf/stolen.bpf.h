/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time that interrupts take from the task they interrupt.  The scheduler counts it as the task's own run time unless
 * the kernel was built with IRQ_TIME_ACCOUNTING, and even then does not say whose it was.
 *
 * Sums are gathered per CPU for the container that runs there, and move to the shared map when another one is
 * interrupted, or a tenth of a second is over: at a hundred thousand interrupts a second a look-up each would cost more
 * than the short ones take.
 */
#ifndef KWHY_BPF_STOLEN_H
#define KWHY_BPF_STOLEN_H

#include "bpf/drift.bpf.h"
#include "bpf/irq.bpf.h"
#include "bpf/runq.bpf.h"

#define KW_STOLEN_GATHER_NS 100000000ULL
#define KW_STOLEN_DOUBTED_NS 1000000ULL /* so long ones are compared with what a hypervisor took, the next time too */
#define KW_STOLEN_PAUSE_NS 20000000ULL  /* no handler of the timer runs so long: a virtual machine was paused in it */

#define KW_NET_RX 3 /* include/linux/interrupt.h */

KW_RECORD(irq);

/* Soft interrupts under their vector, the rest behind them. */
enum { KW_STOLEN_TIMER = 10, KW_STOLEN_IPI, KW_STOLEN_DEVICE, KW_STOLEN_DAEMON, KW_STOLEN_SLOTS };

#define KW_STOLEN_PLACES 16 /* a power of two: a mask is what every verifier believes */

struct kw_stolen {
	u64 set; /* of the container that is interrupted: address of the css_set */
	u64 v2;
	u64 action; /* whose time is in KW_STOLEN_DEVICE */
	u64 since;
	u64 steal; /* kw_rq_steal() at the end of the latest one */
	u64 seen;  /* 1: that is known */
	u64 doubted_ns; /* in doubted_slot, of the latest one: what the scheduler had not yet accounted for may be in it */
	u64 doubted_slot;
	struct {
		u64 count, ns, max_ns;
	} slot[KW_STOLEN_PLACES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct kw_stolen);
} kw_stolen_here SEC(".maps");

/* include/linux/interrupt.h, softirq_to_name[]; ksoftirqd: those that ran in that thread, once more */
static const char stolen_names[16][24] = {
	"softirq:hi",	   "softirq:timer", "softirq:net_tx",  "softirq:net_rx", "softirq:block", "softirq:irqpoll",
	"softirq:tasklet", "softirq:sched", "softirq:hrtimer", "softirq:rcu",	 "irq:timer",	  "irq:ipi",
	"",		   "ksoftirqd",
};

static __always_inline void stolen_name(u32 slot, u64 action, char *ret)
{
	if (slot != KW_STOLEN_DEVICE) {
		bpf_probe_read_kernel(ret, 24, stolen_names[slot & 15]);
		return;
	}
	__builtin_memcpy(ret, "irq:", 4);
	bpf_probe_read_kernel_str(ret + 4, 20, BPF_CORE_READ((struct irqaction *)action, name));
}

struct stolen_flush {
	struct kw_stolen *s;
	struct kw_tally_key k;
	u64 ns, count, max_ns;
};

/* KW_LOOP() callback: one kind of interrupt into the shared sums. */
static int stolen_flush_step(u32 i, void *data)
{
	struct stolen_flush *f = data;
	struct kw_tally_sum add = {};

	if (i >= KW_STOLEN_SLOTS)
		return 1;
	add.count = f->s->slot[i].count;
	if (!add.count)
		return 0;
	add.ns = f->s->slot[i].ns;
	add.max_ns = f->s->slot[i].max_ns;
	__builtin_memset(f->k.name, 0, sizeof(f->k.name));
	stolen_name(i, f->s->action, f->k.name);
	kw_sum_tally(&f->k, &add);
	if (i == KW_STOLEN_DAEMON)
		return 0; /* counted under its vector */
	f->ns += add.ns;
	f->count += add.count;
	if (add.max_ns > f->max_ns)
		f->max_ns = add.max_ns;
	return 0;
}

static __noinline int stolen_flush(struct kw_stolen *s)
{
	struct stolen_flush f = { .s = s };
	struct css_set *set;

	if (!s || !s->set)
		return 0;
	set = (struct css_set *)s->set;
	f.k.cg.v2 = s->v2;
	/* It may be gone and its memory used again: believe it only while it still fits. */
	if (BPF_CORE_READ(set, dfl_cgrp, kn, id) == s->v2)
		kw_cg_of_set(set, &f.k.cg);
	KW_LOOP(KW_STOLEN_SLOTS, stolen_flush_step, &f);
	if (f.ns)
		kw_sum_waits(&f.k.cg, KW_WAIT_STOLEN, f.count, f.ns, f.max_ns);
	__builtin_memset(s->slot, 0, sizeof(s->slot));
	s->action = 0;
	s->doubted_ns = 0;
	return 0;
}

static __noinline int stolen_record(struct task_struct *task, u32 slot, u64 action, u64 ns)
{
	struct kw_irq_record *r;
	struct kw_party self;

	kw_party_of(task, &self);
	r = kw_begin(KW_KIND_irq, &self.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.duration_ns = ns;
	r->e.subject = self;
	/* A pause that the scheduler has not accounted for yet may be in it. */
	r->e.flags = kw_settings.is_virtual ? KW_FLAG_ESTIMATED : 0;
	r->p.hard = slot >= KW_STOLEN_TIMER;
	r->p.daemon = !r->p.hard && (BPF_CORE_READ(task, flags) & PF_KTHREAD);
	stolen_name(slot, action, r->p.name);
	kw_submit(r, false);
	return 0;
}

/*
 * The CPU was away for paused ns since the latest interrupt ended, by accounts that the scheduler makes with its next
 * clock update: first it may have been during that one already.  Returns what is left for the present one.
 */
static __always_inline u64 stolen_correct(struct kw_stolen *s, u64 paused)
{
	u64 i = s->doubted_slot & (KW_STOLEN_PLACES - 1), taken = paused < s->doubted_ns ? paused : s->doubted_ns;

	s->doubted_ns = 0;
	if (!taken)
		return paused;
	if (s->slot[i].ns >= taken)
		s->slot[i].ns -= taken;
	if (s->slot[i].max_ns > s->slot[i].ns)
		s->slot[i].max_ns = s->slot[i].ns;
	return paused - taken;
}

static __always_inline bool stolen_is_daemon(struct task_struct *task, u32 slot)
{
	return slot < KW_STOLEN_TIMER && KW_READ(task, flags) & PF_KTHREAD && KW_READ(task, comm[0]) == 'k' &&
	       KW_READ(task, comm[1]) == 's' && KW_READ(task, comm[2]) == 'o' && KW_READ(task, comm[3]) == 'f';
}

static __always_inline void stolen_count(struct kw_stolen *s, u32 slot, u64 ns)
{
	asm volatile("" : "+r"(slot)); /* the compiler knows, and leaves the mask out; the verifier forgets what is spilled */
	slot &= KW_STOLEN_PLACES - 1;
	s->slot[slot].count++;
	s->slot[slot].ns += ns;
	if (ns > s->slot[slot].max_ns)
		s->slot[slot].max_ns = ns;
}

/* paused: nobody had the CPU for so long meanwhile; of hard interrupts that is not known when they end. */
static __noinline int stolen_add(u32 slot, u64 action, u64 ns, u64 now, u64 paused)
{
	struct task_struct *task = kw_current();
	u64 set, steal = kw_rq_steal_here(), late;
	struct kw_stolen *s;
	u32 zero = 0;

	if (!KW_READ(task, pid) || slot >= KW_STOLEN_DAEMON)
		return 0; /* an idle CPU loses nothing */
	s = bpf_map_lookup_elem(&kw_stolen_here, &zero);
	if (!s)
		return 0;
	late = stolen_correct(s, s->seen ? steal - s->steal : 0);
	s->steal = steal;
	s->seen = 1;
	if (slot >= KW_STOLEN_TIMER)
		paused = late;
	if (ns >= KW_STOLEN_DOUBTED_NS)
		ns -= paused < ns ? paused : ns;
	if (kw_settings.is_virtual && slot == KW_STOLEN_TIMER && ns >= KW_STOLEN_PAUSE_NS)
		return 0;
	set = (u64)KW_READ(task, cgroups);
	if (s->set != set || now - s->since > KW_STOLEN_GATHER_NS ||
	    (slot == KW_STOLEN_DEVICE && s->action && s->action != action)) {
		stolen_flush(s);
		s->set = set;
		s->v2 = kw_v2_here();
		s->since = now;
	}
	if (slot == KW_STOLEN_DEVICE)
		s->action = action;
	stolen_count(s, slot, ns);
	if (stolen_is_daemon(task, slot))
		stolen_count(s, KW_STOLEN_DAEMON, ns);
	if (kw_settings.is_virtual && ns >= KW_STOLEN_DOUBTED_NS) {
		s->doubted_ns = ns;
		s->doubted_slot = slot;
	}
	if (ns >= kw_settings.irq_threshold_ns)
		stolen_record(task, slot, action, ns);
	return 0;
}

static __always_inline void stolen_hard_begin(struct kw_irq_now *irq)
{
	irq->hard_since = bpf_ktime_get_ns();
}

static __always_inline void stolen_hard_end(struct kw_irq_now *irq, u32 slot, u64 action)
{
	u64 now = bpf_ktime_get_ns(), ns = now - irq->hard_since;

	if (!irq->hard_since)
		return; /* began before the probe */
	irq->hard_since = 0;
	irq->hard_ns += ns;
	stolen_add(slot, action, ns, now, 0);
}

/* What a hypervisor took from this CPU so far: what the scheduler accounted for, and ticks that did not come. */
static __always_inline u64 stolen_away(u32 *ret_gaps)
{
	struct kw_slices *slices = kw_cpu_slices_here();

	*ret_gaps = slices ? slices->gaps : 0;
	return kw_rq_steal_here();
}

static __always_inline void stolen_soft_begin(struct kw_irq_now *irq)
{
	irq->soft_since = bpf_ktime_get_ns();
	irq->soft_hard_ns = irq->hard_ns;
	irq->soft_steal = stolen_away(&irq->soft_gaps);
}

/*
 * Without the hard interrupts inside.  A pause shows in the timer interrupt that follows it, which comes while the soft
 * one still runs when it was long.
 */
static __always_inline void stolen_soft_end(struct kw_irq_now *irq, u32 vector)
{
	u64 now = bpf_ktime_get_ns(), ns = now - irq->soft_since, hard = irq->hard_ns - irq->soft_hard_ns, paused;
	u32 gaps;

	if (!irq->soft_since)
		return;
	irq->soft_since = 0;
	paused = stolen_away(&gaps) - irq->soft_steal;
	paused += (u64)(gaps - irq->soft_gaps) * KW_GAP_UNIT;
	stolen_add(vector < KW_STOLEN_TIMER ? vector : 0, 0, ns > hard ? ns - hard : 0, now, paused);
}

/* A device, or the sender in the same host, has handed packets to this CPU. */
static __always_inline void stolen_raised(u32 vector)
{
	struct kw_irq_now *irq = vector == KW_NET_RX ? kw_irq_here() : NULL;

	if (irq && !irq->rx_raised)
		irq->rx_raised = bpf_ktime_get_ns();
}

static __noinline int stolen_rx_late(u64 ns)
{
	struct kw_tally_key k = { .cg.v2 = 1, .name = "rx:softirq" };
	struct kw_tally_sum add = { .count = 1, .ns = ns, .max_ns = ns };

	if (!kw_is_off())
		kw_sum_tally(&k, &add);
	return 0;
}

/* They are looked at now.  Whose they are nobody knows yet: it is the host's. */
static __always_inline void stolen_rx_begin(struct kw_irq_now *irq)
{
	u64 ns = irq->soft_since - irq->rx_raised;

	if (irq->rx_raised && ns >= kw_settings.irq_threshold_ns)
		stolen_rx_late(ns);
	irq->rx_raised = 0;
}

#endif
