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

#define KW_STOLEN_GATHER_NS 100000000ULL
#define KW_STOLEN_DOUBTED_NS 1000000ULL /* so long ones are compared with what a hypervisor took */
#define KW_STOLEN_PAUSE_NS 20000000ULL  /* no handler of the timer runs so long: a virtual machine was paused in it */

KW_RECORD(irq);

/* Soft interrupts under their vector, the rest behind them. */
enum { KW_STOLEN_TIMER = 10, KW_STOLEN_IPI, KW_STOLEN_DEVICE, KW_STOLEN_SLOTS };

struct kw_stolen {
	u64 set; /* of the container that is interrupted: address of the css_set */
	u64 v2;
	u64 action; /* whose time is in KW_STOLEN_DEVICE */
	u64 since;
	u64 steal; /* kw_rq_steal() at the end of the latest one; 0 unknown */
	struct {
		u64 count, ns, max_ns;
	} slot[KW_STOLEN_SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct kw_stolen);
} kw_stolen_here SEC(".maps");

/* include/linux/interrupt.h, softirq_to_name[] */
static const char stolen_names[16][24] = {
	"softirq:hi",	   "softirq:timer", "softirq:net_tx",  "softirq:net_rx", "softirq:block", "softirq:irqpoll",
	"softirq:tasklet", "softirq:sched", "softirq:hrtimer", "softirq:rcu",	 "irq:timer",	  "irq:ipi",
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
	__builtin_memset(s, 0, sizeof(*s));
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
	r->p.hard = slot >= KW_STOLEN_TIMER;
	r->p.daemon = !r->p.hard && (BPF_CORE_READ(task, flags) & PF_KTHREAD);
	stolen_name(slot, action, r->p.name);
	kw_submit(r, false);
	return 0;
}

static __noinline int stolen_add(u32 slot, u64 action, u64 ns, u64 now)
{
	struct task_struct *task = kw_current();
	u64 set, steal = kw_rq_steal_here(), paused;
	struct kw_stolen *s;
	u32 zero = 0;

	if (!KW_READ(task, pid) || slot >= KW_STOLEN_SLOTS)
		return 0; /* an idle CPU loses nothing */
	s = bpf_map_lookup_elem(&kw_stolen_here, &zero);
	if (!s)
		return 0;
	paused = s->steal ? steal - s->steal : 0;
	s->steal = steal;
	if (ns >= KW_STOLEN_DOUBTED_NS)
		ns -= paused < ns ? paused : ns;
	if (kw_settings.tick_ns && slot == KW_STOLEN_TIMER && ns >= KW_STOLEN_PAUSE_NS)
		return 0;
	set = (u64)KW_READ(task, cgroups);
	if (s->set != set || now - s->since > KW_STOLEN_GATHER_NS ||
	    (slot == KW_STOLEN_DEVICE && s->action && s->action != action)) {
		stolen_flush(s);
		s->set = set;
		s->v2 = kw_v2_here();
		s->since = now;
		s->steal = steal;
	}
	if (slot == KW_STOLEN_DEVICE)
		s->action = action;
	s->slot[slot].count++;
	s->slot[slot].ns += ns;
	if (ns > s->slot[slot].max_ns)
		s->slot[slot].max_ns = ns;
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
	stolen_add(slot, action, ns, now);
}

static __always_inline void stolen_soft_begin(struct kw_irq_now *irq)
{
	irq->soft_since = bpf_ktime_get_ns();
	irq->soft_hard_ns = irq->hard_ns;
}

/* Without the hard interrupts inside. */
static __always_inline void stolen_soft_end(struct kw_irq_now *irq, u32 vector)
{
	u64 now = bpf_ktime_get_ns(), ns = now - irq->soft_since, hard = irq->hard_ns - irq->soft_hard_ns;

	if (!irq->soft_since)
		return;
	irq->soft_since = 0;
	stolen_add(vector < KW_STOLEN_TIMER ? vector : 0, 0, ns > hard ? ns - hard : 0, now);
}

#endif
