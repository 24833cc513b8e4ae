// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hot scheduler hooks: one program each, which calls what every probe has to do there.  Handlers live in the
 * probes' headers; one that is off is removed by the verifier.
 */
#include "bpf/offcpu.bpf.h"
#include "bpf/runq.bpf.h"
#include "bpf/throttle.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* next had to wait for long: first what of it was throttled, the rest was waiting for a CPU. */
static __noinline int wait_ended(struct task_struct *next, u64 queued, u64 now)
{
	struct kw_task_state *st;
	u32 zero = 0;

	if (next->flags & PF_KTHREAD)
		return 0;
	st = kw_task_state(next, false);
	if (runq_is_stale(st, queued))
		return 0;
	queued += throttle_end(next, st, queued, now);
	if (!kw_settings.runq_on || (s64)(now - queued) < (s64)kw_settings.runq_blame_ns)
		return 0;
	return runq_wait(next, st, bpf_map_lookup_elem(&kw_cpu_slices, &zero), KW_WALK_SWITCH, queued, now, 0);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switched, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
	u64 now, queued;

	if (kw_is_off())
		return 0;
	if (kw_settings.offcpu_on)
		offcpu_switch_out(prev, preempt, prev_state);
	if (!kw_settings.runq_on && !kw_settings.throttle_on)
		return 0;
	now = kw_rq_clock(next);
	if (kw_settings.throttle_on && !prev_state && kw_throttled(prev))
		throttle_begin(prev, now);
	queued = next->sched_info.last_queued;
	if (queued && (s64)(now - queued) >= (s64)kw_settings.runq_blame_ns)
		wait_ended(next, queued, now);
	if (kw_settings.runq_on)
		kw_slice_begin(next, now);
	return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(sched_woken, struct task_struct *task)
{
	if (kw_settings.offcpu_on)
		offcpu_waking(task);
	return 0;
}

SEC("tp_btf/sched_migrate_task")
int BPF_PROG(sched_moved, struct task_struct *task, int cpu)
{
	if (kw_settings.runq_on)
		runq_moved(task);
	return 0;
}

/* Which interrupt wakes somebody: seldom against switches, two stores each. */
static __always_inline int irq_is(u64 action)
{
	struct kw_irq *irq = kw_irq_here();

	if (irq)
		irq->action = action;
	return 0;
}

static __always_inline int softirq_is(u32 vector)
{
	struct kw_irq *irq = kw_irq_here();

	if (irq)
		irq->softirq = vector;
	return 0;
}

static __always_inline int vector_is(u32 vector)
{
	struct kw_irq *irq = kw_irq_here();

	if (irq)
		irq->vector = vector;
	return 0;
}

SEC("tp_btf/irq_handler_entry")
int BPF_PROG(irq_entered, int irq, struct irqaction *action)
{
	return irq_is((u64)action);
}

SEC("tp_btf/irq_handler_exit")
int BPF_PROG(irq_left, int irq, struct irqaction *action, int ret)
{
	return irq_is(0);
}

SEC("tp_btf/softirq_entry")
int BPF_PROG(softirq_entered, unsigned int vector)
{
	return softirq_is(vector + 1);
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(softirq_left, unsigned int vector)
{
	return softirq_is(0);
}

SEC("tp_btf/local_timer_entry")
int BPF_PROG(timer_entered, int vector)
{
	return vector_is(KW_VECTOR_TIMER);
}

SEC("tp_btf/local_timer_exit")
int BPF_PROG(timer_left, int vector)
{
	return vector_is(KW_VECTOR_NONE);
}

SEC("tp_btf/call_function_single_entry")
int BPF_PROG(ipi_entered, int vector)
{
	return vector_is(KW_VECTOR_IPI);
}

SEC("tp_btf/call_function_single_exit")
int BPF_PROG(ipi_left, int vector)
{
	return vector_is(KW_VECTOR_NONE);
}
