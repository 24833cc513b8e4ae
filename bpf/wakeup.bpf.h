/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who wakes whom: tasks of one container that a task of another one wakes after a long sleep, summed per pair.  Most
 * wakeups stay within a container, and two loads tell that (tasks of the same cgroups share one css_set).
 */
#ifndef KWHY_BPF_WAKEUP_H
#define KWHY_BPF_WAKEUP_H

#include "bpf/blocked.bpf.h"

static __always_inline void wakeup_add(struct kw_wakeup_key *k, const struct kw_party *waker, u64 ns)
{
	struct kw_wakeup_sum one = { .count = 1, .sum_ns = ns, .max_ns = ns, .waker = *waker };
	struct kw_wakeup_sum *s;

	k->epoch = kw_epoch();
	s = bpf_map_lookup_elem(&kw_wakeup_sums, k);
	if (!s) {
		if (!bpf_map_update_elem(&kw_wakeup_sums, k, &one, BPF_NOEXIST))
			return;
		s = bpf_map_lookup_elem(&kw_wakeup_sums, k);
		if (!s) {
			kw_count_lost_other(KW_KIND_wakeup);
			return;
		}
	}
	__sync_fetch_and_add(&s->count, 1);
	__sync_fetch_and_add(&s->sum_ns, ns);
	if (ns > s->max_ns)
		s->max_ns = ns;
}

static __noinline int wakeup_between(struct task_struct *task, u64 ns)
{
	struct kw_irq_now *irq = kw_irq_here();
	struct kw_wakeup_key k = {};
	struct kw_party waker;

	if (kw_is_off() || (irq && (irq->action || irq->vector || irq->softirq)))
		return 0; /* the task that an interrupt interrupted has nothing to do with it */
	kw_party_of((struct task_struct *)bpf_get_current_task(), &waker);
	if (!waker.tid || kw_is_own(waker.pid) || kw_is_own(BPF_CORE_READ(task, tgid)))
		return 0;
	kw_cg_of_task(task, &k.woken);
	k.waker = waker.cg;
	if (!kw_cg_same(&k.woken, &k.waker))
		wakeup_add(&k, &waker, ns);
	return 0;
}

static __always_inline void wakeup_waking(struct task_struct *task)
{
	u64 ns;

	if (task->cgroups == KW_READ(kw_current(), cgroups) || (task->flags & PF_KTHREAD))
		return;
	ns = blocked_for(task);
	if (ns >= kw_settings.wakeup_threshold_ns)
		wakeup_between(task, ns);
}

#endif
