// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hot scheduler hooks: one program each, which calls what every probe has to do there.  Handlers live in the
 * probes' headers; one that is off is removed by the verifier.
 */
#include "bpf/nosched.bpf.h"
#include "bpf/blocked.bpf.h"
#include "bpf/offcpu.bpf.h"
#include "bpf/runq.bpf.h"
#include "bpf/stolen.bpf.h"
#include "bpf/throttle.bpf.h"
#include "bpf/tickgap.bpf.h"
#include "bpf/wakeup.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* next had to wait for long: first what of it was throttled, the rest was waiting for a CPU. */
static __noinline int wait_ended(struct task_struct *next, u64 queued, u64 now)
{
	struct kw_task_state *st;

	if (next->flags & PF_KTHREAD)
		return 0;
	st = kw_task_state(next, false);
	if (runq_is_stale(st, queued))
		return 0;
	queued += throttle_end(next, st, queued, now);
	if (!kw_settings.runq_on || (s64)(now - queued) < (s64)kw_settings.runq_blame_ns)
		return 0;
	return runq_wait(next, st, queued, now, 0);
}

/*
 * A switch that a tick found wanted comes.  It was wanted since then, or, where next was queued within the tick before,
 * most likely since next was.
 */
static __always_inline void wanted_ended(struct kw_slices *s, struct task_struct *prev, struct task_struct *next,
					 u64 queued, u64 now)
{
	u64 found = s->resched_since, wanted = found;

	if (!kw_settings.nosched_on || !found)
		return;
	s->resched_since = 0;
	if (queued && queued < found && found - queued < kw_settings.tick_ns)
		wanted = queued;
	if ((s64)(now - wanted) >= (s64)kw_settings.nosched_threshold_ns)
		nosched_over(s, prev, next, found, now - wanted);
}

static __always_inline int switched(bool preempt, struct task_struct *prev, struct task_struct *next, u32 prev_state)
{
	struct kw_slices *s;
	u64 now, queued;

	if (kw_is_off())
		return 0;
	if (kw_settings.offcpu_on)
		offcpu_switch_out(prev, preempt, prev_state);
	if (!kw_settings.runq_on && !kw_settings.throttle_on && !kw_settings.nosched_on && !kw_settings.tickgap_on)
		return 0;
	s = kw_cpu_slices_here();
	if (!s)
		return 0;
	now = kw_rq_clock(next);
	if (kw_settings.throttle_on && !prev_state && kw_throttled(prev))
		throttle_begin(prev, now);
	kw_slice_end(s, prev, now);
	queued = next->sched_info.last_queued;
	if (queued && (s64)(now - queued) >= (s64)kw_settings.runq_blame_ns)
		wait_ended(next, queued, now);
	wanted_ended(s, prev, next, queued, now);
	kw_slice_begin(s, prev, next, now);
	return 0;
}

#ifdef KW_PLAIN
/* Before 5.18 the tracepoint itself read the state at the switch. */
SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switched, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	return switched(preempt, prev, next, kw_state_direct(prev));
}
#else
SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switched, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
	return switched(preempt, prev, next, prev_state);
}
#endif

/* The argument that is none keeps a program from kernels where it would find nothing: the verifier refuses it. */
SEC("tp_btf/local_timer_exit")
int BPF_PROG(sched_looked, int vector)
{
	if (!kw_knows_need_resched() && !nosched_learns())
		return ctx[7];
	if (kw_settings.nosched_on && !kw_is_off())
		nosched_look();
	return 0;
}

SEC("tp_btf/sched_set_need_resched_tp")
int BPF_PROG(sched_wanted, struct task_struct *curr, int cpu, int tif)
{
	if (!nosched_learns())
		return ctx[7];
	nosched_learn(tif);
	return 0;
}

/* One more task or thread of the container that forks. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched_forked, struct task_struct *parent, struct task_struct *child)
{
	struct kw_tally_key k = { .name = "fork" };
	struct kw_tally_sum add = { .count = 1 };

	if (kw_is_off() || kw_is_own(parent->tgid))
		return 0;
	kw_cg_of_task(parent, &k.cg);
	kw_sum_tally(&k, &add);
	return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(sched_woken, struct task_struct *task)
{
	if (kw_settings.offcpu_on)
		offcpu_waking(task);
	if (kw_settings.blocked_on)
		blocked_waking(task);
	if (kw_settings.wakeup_on)
		wakeup_waking(task);
	return 0;
}

SEC("tp_btf/sched_migrate_task")
int BPF_PROG(sched_moved, struct task_struct *task, int cpu)
{
	if (kw_settings.runq_on)
		runq_moved(task);
	return 0;
}

/* Requests to other CPUs, by whose task asks: packets handed over (RPS), and all but wakeups (rare: not on the hot path). */
extern const void rps_trigger_softirq __ksym __weak;
extern const void sched_ttwu_pending __ksym __weak;

/* Raw: the verifier lets no BTF program read an argument that is a function. */
SEC("raw_tp/csd_queue_cpu")
int BPF_PROG(ipi_queued, unsigned int cpu, unsigned long callsite, u64 func, void *csd)
{
	struct kw_irq_now *irq = kw_irq_here();
	struct task_struct *task = kw_current();
	struct kw_tally_key k = {};
	struct kw_tally_sum add = { .count = 1 };

	if (func == (u64)&sched_ttwu_pending || !KW_READ(task, pid) || kw_is_off())
		return 0;
	if (func == (u64)&rps_trigger_softirq)
		__builtin_memcpy(k.name, "rps", 4);
	else if (irq && (irq->action || irq->vector || irq->softirq))
		return 0; /* nothing that the interrupted task asked for */
	else
		__builtin_memcpy(k.name, "ipi", 4);
	kw_cg_of_task(task, &k.cg);
	kw_sum_tally(&k, &add);
	return 0;
}

/* Which interrupt wakes somebody, and how long it keeps the task it interrupted from running. */
static __always_inline int irq_is(u64 action)
{
	struct kw_irq_now *irq = kw_irq_here();

	if (!irq)
		return 0;
	if (kw_settings.irq_on && action)
		stolen_hard_begin(irq);
	else if (kw_settings.irq_on)
		stolen_hard_end(irq, KW_STOLEN_DEVICE, irq->action);
	irq->action = action;
	return 0;
}

static __always_inline int softirq_is(u32 vector)
{
	struct kw_irq_now *irq = kw_irq_here();

	if (!irq)
		return 0;
	if (kw_settings.irq_on && vector)
		stolen_soft_begin(irq);
	else if (kw_settings.irq_on)
		stolen_soft_end(irq, irq->softirq - 1);
	if (kw_settings.irq_on && vector == KW_NET_RX + 1)
		stolen_rx_begin(irq);
	irq->softirq = vector;
	return 0;
}

static __always_inline int vector_is(u32 vector)
{
	struct kw_irq_now *irq = kw_irq_here();

	if (!irq)
		return 0;
	if (kw_settings.irq_on && vector)
		stolen_hard_begin(irq);
	else if (kw_settings.irq_on)
		stolen_hard_end(irq, irq->vector == KW_VECTOR_TIMER ? KW_STOLEN_TIMER : KW_STOLEN_IPI, 0);
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

SEC("tp_btf/softirq_raise")
int BPF_PROG(softirq_raised, unsigned int vector)
{
	if (kw_settings.irq_on)
		stolen_raised(vector);
	return 0;
}

SEC("tp_btf/local_timer_entry")
int BPF_PROG(timer_entered, int vector)
{
	if (kw_settings.nosched_on)
		nosched_tick(ctx);
	return vector_is(KW_VECTOR_TIMER);
}

SEC("tp_btf/local_timer_exit")
int BPF_PROG(timer_left, int vector)
{
	if (kw_settings.tick_ns)
		tickgap_tick(ctx);
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

SEC("tp_btf/call_function_entry")
int BPF_PROG(ipi_many_entered, int vector)
{
	return vector_is(KW_VECTOR_IPI);
}

SEC("tp_btf/call_function_exit")
int BPF_PROG(ipi_many_left, int vector)
{
	return vector_is(KW_VECTOR_NONE);
}
