/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUs without timer interrupts.  While interrupts are off nothing on that CPU goes on: timers end late, no wakeup and no
 * request of another CPU gets through, and none of it shows as a wait.  The interrupt that was held back comes when they
 * are let on again, so it finds the one who had them off.
 */
#ifndef KWHY_BPF_TICKGAP_H
#define KWHY_BPF_TICKGAP_H

#include "bpf/irq.bpf.h"
#include "bpf/runq.bpf.h"

KW_RECORD_STACK(tickgap);

static __noinline int tickgap_record(void *ctx, struct task_struct *task, u64 late, u64 stolen, u64 handler)
{
	struct kw_tickgap_record *r;
	struct kw_party self;

	if (kw_is_off())
		return 0;
	kw_party_of(task, &self);
	r = kw_begin(KW_KIND_tickgap, &self.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.duration_ns = late;
	r->e.subject = self;
	r->p.stolen_ns = stolen;
	r->p.handler_ns = handler;
	r->p.irqs_off = !kw_settings.is_virtual;
	r->e.frames = kw_stack(ctx, r->stack);
	kw_submit(r, false);
	return 0;
}

/* At the end of each timer interrupt. */
static __always_inline void tickgap_tick(void *ctx)
{
	struct task_struct *task = kw_current();
	struct kw_slices *s = kw_cpu_slices_here();
	struct kw_irq_now *irq = kw_irq_here();
	u64 now = bpf_ktime_get_ns(), steal = kw_rq_steal_here(), stolen, handler, hard, late;

	if (!s || !irq)
		return;
	hard = irq->hard_ns + (irq->hard_since ? now - irq->hard_since : 0);
	stolen = steal - s->tick_steal;
	handler = hard - s->tick_hard;
	late = kw_slices_tick(s, task, now, steal);
	s->tick_hard = hard;
	if (kw_settings.tickgap_on && late >= kw_settings.tickgap_threshold_ns)
		tickgap_record(ctx, task, late, stolen, handler);
}

#endif
