/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tasks stopped by a CFS quota: from the switch that takes a throttled task off the CPU to the unthrottling.
 *
 * The end is not an event.  When the task is switched in again, cfs_rq.throttled_clock_self_time of its queue has grown
 * by the time the queue was throttled (tg_unthrottle_up(), kernel/sched/fair.c), so the rest of the gap was an
 * ordinary wait for the CPU and is handed on as such.  Kernels without the counter, and tasks that come back on
 * another CPU, count the whole gap as throttled.
 */
#ifndef KWHY_BPF_THROTTLE_H
#define KWHY_BPF_THROTTLE_H

#include "bpf/drift.bpf.h"

#define KW_GROUP_DEPTH 8

KW_RECORD(throttle);

/* The nearest throttled queue upwards belongs to the group that ran out; without one, the nearest with a quota. */
static __noinline int throttle_owner(struct task_struct *task, struct kw_task_state *st)
{
	struct task_group *tg, *owner = NULL;
	struct sched_entity *se = &task->se;
	struct cfs_rq *queue;
	int i;

	if (!st)
		return 0;
	for (i = 0; i < KW_GROUP_DEPTH && se; i++) {
		queue = BPF_CORE_READ(se, cfs_rq);
		tg = BPF_CORE_READ(queue, tg);
		if (!owner && BPF_CORE_READ(tg, cfs_bandwidth.quota) != ~0ULL)
			owner = tg;
		if (bpf_core_field_exists(queue->throttled) && BPF_CORE_READ_BITFIELD_PROBED(queue, throttled)) {
			owner = tg;
			break;
		}
		se = BPF_CORE_READ(se, parent);
	}
	st->throttle_quota_ns = 0;
	st->throttle_period_ns = 0;
	st->throttle_cg.v2 = 0;
	st->throttle_cg.v1 = 0;
	if (!owner)
		return 0;
	st->throttle_quota_ns = BPF_CORE_READ(owner, cfs_bandwidth.quota);
	st->throttle_period_ns = BPF_CORE_READ(owner, cfs_bandwidth.period);
	kw_cg_of_cgroup(BPF_CORE_READ(owner, css.cgroup), &st->throttle_cg);
	return 0;
}

static __noinline __attribute__((unused)) int throttle_begin(struct task_struct *task, u64 now)
{
	struct kw_task_state *st = kw_task_state(task, true);
	struct cfs_rq *queue = BPF_CORE_READ(task, se.cfs_rq);
	u64 since;

	if (!st) {
		kw_count_lost_other(KW_KIND_throttle);
		return 0;
	}
	st->throttle_since = now;
	st->throttle_accounted = 0;
	st->throttle_cfs_rq = 0;
	if (bpf_core_field_exists(queue->throttled_clock_self_time)) {
		since = BPF_CORE_READ(queue, throttled_clock_self);
		st->throttle_cfs_rq = (u64)queue;
		/*
		 * The queue may have been throttled before this task noticed: that part of the growth is not its own.
		 */
		st->throttle_self_ns = BPF_CORE_READ(queue, throttled_clock_self_time) + (since ? now - since : 0);
	}
	throttle_owner(task, st);
	return 0;
}

/* How much of queued .. now the task was throttled. */
static __always_inline u64 throttle_span(struct task_struct *task, const struct kw_task_state *st, u64 now)
{
	struct cfs_rq *queue = BPF_CORE_READ(task, se.cfs_rq);
	u64 gap = now - st->throttle_since;
	u64 grown;

	if (st->throttle_cfs_rq != (u64)queue || !bpf_core_field_exists(queue->throttled_clock_self_time))
		return gap;
	grown = BPF_CORE_READ(queue, throttled_clock_self_time) - st->throttle_self_ns;
	return grown < gap ? grown : gap;
}

/* ns of the interval so far; the part that the sums do not have yet is added to them. */
static __noinline int throttle_account(struct task_struct *task, struct kw_task_state *st, u64 ns, u32 flags)
{
	struct kw_throttle_record *r;
	struct kw_party self;
	u64 end, counted;

	if (!st)
		return 0;
	end = st->throttle_since + ns;
	counted = st->throttle_accounted > st->throttle_since ? st->throttle_accounted : st->throttle_since;
	kw_party_of(task, &self);
	if (kw_is_own(self.pid))
		return 0;
	if (end > counted)
		kw_sum_wait(&self.cg, KW_WAIT_THROTTLED, end - counted);
	st->throttle_accounted = end;
	if (ns < kw_settings.throttle_threshold_ns)
		return 0;
	r = kw_begin(KW_KIND_throttle, &self.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.flags = flags;
	r->e.duration_ns = ns;
	r->e.subject = self;
	r->e.peer.cg = st->throttle_cg;
	if (st->throttle_cg.v2 ? st->throttle_cg.v2 == self.cg.v2 : st->throttle_cg.v1 == self.cg.v1)
		r->e.flags |= KW_FLAG_PEER_SELF;
	r->p.quota_ns = st->throttle_quota_ns;
	r->p.period_ns = st->throttle_period_ns;
	r->p.source = 1;
	kw_submit(r, false);
	return 0;
}

/* The task is switched in after a gap that began at queued.  Returns how much of it was throttled. */
static __noinline __attribute__((unused)) u64 throttle_end(struct task_struct *task, struct kw_task_state *st,
							  u64 queued, u64 now)
{
	u64 ns;

	/* A shorter gap is not looked at when it ends and leaves its mark behind: it belongs to another gap. */
	if (!st || !st->throttle_since || st->throttle_since != queued)
		return 0;
	ns = throttle_span(task, st, now);
	if (kw_settings.throttle_on)
		throttle_account(task, st, ns, 0);
	st->throttle_since = 0;
	return ns;
}

#endif
