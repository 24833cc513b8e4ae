/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether an interrupt is being served on this CPU, and which; bpf/sched.bpf.c keeps it. */
#ifndef KWHY_BPF_IRQ_H
#define KWHY_BPF_IRQ_H

#include "bpf/kwhy.bpf.h"

/*
 * What interrupts this CPU, from the entry and exit tracepoints.  The preemption count would say whether, but it is a
 * per-CPU variable, and those have no address on kernels without KALLSYMS_ALL.
 */
struct kw_irq_now {
	u64 action;  /* struct irqaction of the handler that runs; 0 none */
	u32 softirq; /* vector + 1; 0 none */
	u32 vector;  /* enum kw_vector: interrupts without a handler of that kind */
	/* Only with the irq probe; monotonic clock */
	u64 hard_since, soft_since;
	u64 hard_ns;    /* hard interrupts on this CPU so far */
	u64 soft_hard_ns; /* the same when the soft interrupt began */
	u64 soft_steal;   /* stolen_away() then */
	u32 soft_gaps, reserved;
	u64 rx_raised; /* packets wait for the soft interrupt since; 0 none do */
};

enum kw_vector { KW_VECTOR_NONE, KW_VECTOR_TIMER, KW_VECTOR_IPI };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct kw_irq_now);
} kw_irqs SEC(".maps");

static __always_inline struct kw_irq_now *kw_irq_here(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&kw_irqs, &zero);
}

#endif
