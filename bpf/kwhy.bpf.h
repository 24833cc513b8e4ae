/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every program shares: maps, settings, identity of tasks, books, the way
 * a record leaves the kernel.  The loader gives all objects the same instance
 * of each map below (by name), and fills kw_settings before loading.
 *
 * A handler does, in this order and no other (design: threshold, bucket, stack, reserve):
 *	1. compare with its threshold, return at once when below;
 *	2. kw_sum_wait() / kw_sum_blame() where the kind has sums;
 *	3. struct kw_X_record *r = kw_begin(KW_KIND_X, &cg, sizeof(*r)): counts it, asks the token bucket, reserves;
 *	4. fill r->e.subject, r->p, optionally kw_stack();
 *	5. kw_submit(r, urgent).
 */
#ifndef KWHY_BPF_KWHY_H
#define KWHY_BPF_KWHY_H

#include "bpf/plain.bpf.h"

#include <bpf/bpf_tracing.h>

#include "schema/payloads.h"

#include "schema/kernel_maps.h"

enum kw_kind {
#define KW_EVENT(number, name, class, title) KW_KIND_##name = (number),
#include "schema/events.def"
#undef KW_EVENT
};

#define KW_PAGE_SIZE 4096ULL

/* Filled by the loader before load; the verifier then removes what is off. */
const volatile struct kw_settings kw_settings = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024); /* collect.ring_size */
} kw_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct kw_books);
} kw_books SEC(".maps");

/* [0]: epoch of the sums, the switch that turns everything off at once, and the governor's word to kw_admit(). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct kw_control);
} kw_control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KW_WAIT_SUMS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct kw_wait_key);
	__type(value, struct kw_wait_sum);
} kw_wait_sums SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KW_BLAME_SUMS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct kw_blame_key);
	__type(value, struct kw_blame_sum);
} kw_blame_sums SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KW_TALLY_SUMS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct kw_tally_key);
	__type(value, struct kw_tally_sum);
} kw_tally_sums SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KW_WAKEUP_SUMS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct kw_wakeup_key);
	__type(value, struct kw_wakeup_sum);
} kw_wakeup_sums SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, KW_BUCKETS_MAX);
	__type(key, struct kw_bucket_key);
	__type(value, struct kw_bucket);
} kw_buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KW_HELD_SUMS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct kw_held_key);
	__type(value, u64);
} kw_held_sums SEC(".maps");

/* Thread groups of kwhy itself: left out of everything. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, u32);
	__type(value, u8);
} kw_own_pids SEC(".maps");

/*
 * What is known of a task's present wait, shared by all probes so that nothing is counted twice: the scan adds an
 * unfinished wait to the sums each tick and notes up to when in ..._accounted; who ends the wait adds the rest.
 * Times are boot time unless they say run-queue clock.  All 0 when nothing is pending.
 */
struct kw_task_state {
	u64 off_since;          /* left the CPU uninterruptible or frozen */
	u64 off_accounted;
	u64 lock_since;         /* contention_begin of a sleeping lock */
	u64 lock_accounted;
	u64 reclaim_since;      /* set and cleared by the reclaim probe: its span includes sleeps and locks inside */
	u64 runq_total_ns; /* run-queue waits counted so far: lock and reclaim subtract what fell into their span */
	u64 other_total_ns;     /* uninterruptible sleeps counted as KW_WAIT_OTHER so far: fsync takes its part */
	u64 runq_accounted;     /* run-queue clock */
	u64 runq_stale;         /* run-queue clock: sched_info.last_queued from about then is of no wakeup */
	u64 throttle_since;     /* run-queue clock; valid only while equal to sched_info.last_queued */
	u64 throttle_accounted; /* run-queue clock */
	u64 throttle_cfs_rq;    /* address, to know that it came back to the same one */
	u64 throttle_self_ns;   /* throttled_clock_self_time at the start, less what was over before */
	u64 throttle_quota_ns;
	u64 throttle_period_ns;
	struct kw_cg throttle_cg; /* of the task group whose quota it is */
	u64 sleep_switches;     /* nvcsw + nivcsw when the scan first saw this sleep */
	u64 sleep_seen;
	u64 blocked_switches;   /* the same, of the sleep that blocked_ns is about */
	u64 blocked_ns;         /* of this sleep, in the sums already */
	u32 off_state;
	u32 off_estimated;      /* off_since is when the scan first saw it */
	u32 sleep_reported;     /* this sleep has its record */
	u32 reclaim_gfp;        /* of the last reclaim: what an OOM kill after it was for */
	u32 reclaim_asked;      /* no limit above the task is near: somebody asked for the last reclaim */
	u32 _pad;
};

KW_TASK_STORAGE(kw_task_states, struct kw_task_state, 16384)

/* NULL: nothing known (create false), or no memory, or the storage is busy on this CPU. */
static __always_inline struct kw_task_state *kw_task_state(struct task_struct *task, bool create)
{
	return kw_task_states_of(task, create);
}

static __always_inline bool kw_is_own(u32 tgid)
{
	return bpf_map_lookup_elem(&kw_own_pids, &tgid) != NULL;
}

static __always_inline bool kw_is_off(void)
{
	u32 zero = 0;
	struct kw_control *c = bpf_map_lookup_elem(&kw_control, &zero);

	return !c || c->off;
}

/*
 * For what is to be done once a tick, the first object that an iterator shows will do.  What is written fills the
 * buffer of the reader, which has room for a byte, and so ends the walk (kernel/bpf/bpf_iter.c, bpf_seq_read()).
 */
static __always_inline void kw_iter_stop(struct bpf_iter_meta *meta)
{
	char any = '.';

	bpf_seq_write(meta->seq, &any, sizeof(any));
}

/* Programs missed for a moment how waits ended: what is known of them must not grow old. */
static __always_inline bool kw_is_forgetting(void)
{
	u32 zero = 0;
	struct kw_control *c = bpf_map_lookup_elem(&kw_control, &zero);

	return c && c->forget;
}

/* v1 part of an identity; 0 for the root and for cgroups of the default hierarchy. */
static __always_inline u64 kw_v1_of(struct cgroup *cgrp)
{
	u64 id = BPF_CORE_READ(cgrp, kn, id);
	u64 hierarchy = BPF_CORE_READ(cgrp, root, hierarchy_id);

	if (!hierarchy || id == 1)
		return 0;
	return hierarchy << KW_CG_V1_SHIFT | (id & KW_CG_ID_MASK);
}

/* Of a cgroup's id and its hierarchy's number, which is 0 for the default one. */
static __always_inline void kw_cg_of_id(u64 id, u64 hierarchy, struct kw_cg *ret)
{
	ret->v1 = hierarchy ? hierarchy << KW_CG_V1_SHIFT | (id & KW_CG_ID_MASK) : 0;
	ret->v2 = hierarchy ? 0 : id;
}

/* Any cgroup (of a css, a socket, an argument of a tracepoint), in whichever hierarchy it lives. */
static __always_inline void kw_cg_of_cgroup(struct cgroup *cgrp, struct kw_cg *ret)
{
	kw_cg_of_id(BPF_CORE_READ(cgrp, kn, id), BPF_CORE_READ(cgrp, root, hierarchy_id), ret);
}

#define KW_SUBSYS_V1(css_set, name)                                                                             \
	({                                                                                                      \
		u64 v1_ = 0;                                                                                    \
		if (bpf_core_enum_value_exists(enum cgroup_subsys_id, name##_cgrp_id)) {                        \
			struct cgroup_subsys_state *css_ = NULL;                                                \
			bpf_core_read(&css_, sizeof(css_), &(css_set)->subsys[bpf_core_enum_value(             \
							      enum cgroup_subsys_id, name##_cgrp_id)]);         \
			if (css_)                                                                               \
				v1_ = kw_v1_of(BPF_CORE_READ(css_, cgroup));                                    \
		}                                                                                               \
		v1_;                                                                                            \
	})

/*
 * Identity of any task, trusted or not.  The v1 part is the first of cpu, memory, freezer, pids, io in which the task
 * is below the root: on hosts where only some controllers are delegated the most specific one known decides.
 */
static __noinline int kw_cg_of_set(struct css_set *set, struct kw_cg *ret)
{
	if (!ret)
		return 0;
	ret->v2 = BPF_CORE_READ(set, dfl_cgrp, kn, id);
	ret->v1 = KW_SUBSYS_V1(set, cpu);
	if (!ret->v1)
		ret->v1 = KW_SUBSYS_V1(set, memory);
	if (!ret->v1)
		ret->v1 = KW_SUBSYS_V1(set, freezer);
	if (!ret->v1)
		ret->v1 = KW_SUBSYS_V1(set, pids);
	if (!ret->v1)
		ret->v1 = KW_SUBSYS_V1(set, io);
	return 0;
}

static __always_inline int kw_cg_of_task(struct task_struct *task, struct kw_cg *ret)
{
	return kw_cg_of_set(BPF_CORE_READ(task, cgroups), ret);
}

/* Fills a party from any task pointer, NULL gives nobody. */
static __always_inline void kw_party_of(struct task_struct *task, struct kw_party *ret)
{
	__builtin_memset(ret, 0, sizeof(*ret));
	if (!task)
		return;
	kw_cg_of_task(task, &ret->cg);
	ret->pid = BPF_CORE_READ(task, tgid);
	ret->tid = BPF_CORE_READ(task, pid);
	ret->start_ns = BPF_CORE_READ(task, start_boottime);
	BPF_CORE_READ_STR_INTO(&ret->comm, task, comm);
}

static __always_inline bool kw_cg_same(const struct kw_cg *a, const struct kw_cg *b)
{
	return a->v2 == b->v2 && a->v1 == b->v1;
}

static __always_inline struct kw_book *kw_book_of(u32 kind)
{
	u32 zero = 0;
	struct kw_books *books = bpf_map_lookup_elem(&kw_books, &zero);

	return books && kind < KW_KINDS_MAX ? &books->kind[kind] : NULL;
}

static __always_inline void kw_count_lost_other(u16 kind)
{
	struct kw_book *book = kw_book_of(kind);

	if (book)
		__sync_fetch_and_add(&book->lost_other, 1);
}

/* Counts a record that its bucket held back, under its kind and container. */
static __always_inline void kw_hold(u16 kind, const struct kw_cg *cg, u32 epoch)
{
	struct kw_held_key key = { .cg = *cg, .kind = kind, .epoch = epoch };
	u64 one = 1, *held = bpf_map_lookup_elem(&kw_held_sums, &key);

	if (!held) {
		if (!bpf_map_update_elem(&kw_held_sums, &key, &one, BPF_NOEXIST))
			return;
		held = bpf_map_lookup_elem(&kw_held_sums, &key);
	}
	if (held)
		__sync_fetch_and_add(held, 1);
	else
		kw_count_lost_other(KW_KIND_held);
}

/*
 * Token bucket per kind and container: collect.rate records at once, then as many a second.  Its whole state is the
 * time at which it is full again (the virtual scheduling algorithm, ITU-T I.371 annex A), so two CPUs that meet in it let
 * at worst one record too many through.
 */
static __noinline int kw_admit(u32 kind, const struct kw_cg *cg, u64 now)
{
	u64 interval = kw_settings.interval_ns, due = now;
	struct kw_bucket_key key = { .kind = kind };
	struct kw_bucket *b, next;
	u32 zero = 0;
	struct kw_control *c = bpf_map_lookup_elem(&kw_control, &zero);

	if (!c || !cg || kind >= KW_KINDS_MAX)
		return 0;
	interval <<= c->fewer[kind] & 7;
	key.cg = *cg;
	b = bpf_map_lookup_elem(&kw_buckets, &key);
	if (b && b->due_ns > now)
		due = b->due_ns;
	next.due_ns = due + interval;
	if (next.due_ns - now > 1000000000ULL && due != now) {
		kw_hold(kind, cg, c->epoch);
		return 0;
	}
	if (b)
		b->due_ns = next.due_ns;
	else
		bpf_map_update_elem(&kw_buckets, &key, &next, BPF_ANY);
	return 1;
}

/*
 * When the reader does not get to run, waits of all kinds fill the ring.  Its last quarter is for objects that define
 * KW_VITAL before they include this: without who lives and who died the rest says little.
 */
static __always_inline bool kw_has_room(void)
{
#ifdef KW_VITAL
	return true;
#else
	return bpf_ringbuf_query(&kw_events, BPF_RB_AVAIL_DATA) <= kw_settings.ring_size / 4 * 3;
#endif
}

/* Books are per CPU, yet atomic: an interrupt's program may count the same kind while a task's is at it. */
static __always_inline void *kw_reserve(struct kw_book *book, u16 kind, u64 size, u64 payload_size, u64 now)
{
	struct kw_event *e = kw_has_room() ? bpf_ringbuf_reserve(&kw_events, size, 0) : NULL;

	if (!e) {
		__sync_fetch_and_add(&book->lost_ring, 1);
		return NULL;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->payload_size = payload_size;
	e->cpu = bpf_get_smp_processor_id();
	e->ts_ns = now;
	return e;
}

/* Counts, asks the bucket, reserves and fills the envelope.  NULL: held back or no room, already counted. */
static __always_inline void *kw_begin(u16 kind, const struct kw_cg *cg, u64 size, u64 payload_size)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct kw_book *book = kw_book_of(kind);

	if (!book)
		return NULL;
	__sync_fetch_and_add(&book->emitted, 1);
	if (!kw_admit(kind, cg, now)) {
		__sync_fetch_and_add(&book->suppressed, 1);
		return NULL;
	}
	return kw_reserve(book, kind, size, payload_size, now);
}

/* The same for what comes at the rate of a clock, and so needs no bucket. */
static __always_inline void *kw_begin_clocked(u16 kind, u64 size, u64 payload_size)
{
	struct kw_book *book = kw_book_of(kind);

	if (!book)
		return NULL;
	__sync_fetch_and_add(&book->emitted, 1);
	return kw_reserve(book, kind, size, payload_size, bpf_ktime_get_boot_ns());
}

/* KW_BEGIN(runq, r, &cg): declares the record type's variable r and goes on only inside "if (r)". */
#define KW_RECORD(name)                                                                                         \
	struct kw_##name##_record {                                                                             \
		struct kw_event e;                                                                              \
		struct kw_##name p;                                                                             \
	}
#define KW_RECORD_STACK(name)                                                                                   \
	struct kw_##name##_record {                                                                             \
		struct kw_event e;                                                                              \
		struct kw_##name p;                                                                             \
		u64 stack[KW_STACK_FRAMES_MAX];                                                                 \
	}
#define KW_RECORD_STACKS(name)                                                                                  \
	struct kw_##name##_record {                                                                             \
		struct kw_event e;                                                                              \
		struct kw_##name p;                                                                             \
		u64 stack[KW_STACK_FRAMES_MAX];                                                                 \
		u64 peer_stack[KW_STACK_FRAMES_MAX];                                                            \
	}

/*
 * Wakes the reader when it must hurry or the ring is a quarter full; it polls four times a second anyway
 * (a wakeup each costs three times the record itself).  Records keep their full size: frames beyond
 * e.frames are not read.
 */
static __always_inline void kw_submit(void *record, bool urgent)
{
	u64 flags = BPF_RB_NO_WAKEUP;

	if (urgent || bpf_ringbuf_query(&kw_events, BPF_RB_AVAIL_DATA) > kw_settings.ring_size / 4)
		flags = BPF_RB_FORCE_WAKEUP;
	bpf_ringbuf_submit(record, flags);
}

/* Kernel stack of current (2 us) into a record's frames; returns their number. */
static __always_inline u16 kw_stack(void *ctx, u64 *ret_frames)
{
	long bytes = bpf_get_stack(ctx, ret_frames, KW_STACK_FRAMES_MAX * sizeof(u64), 0);

	return bytes > 0 ? bytes / sizeof(u64) : 0;
}

static __always_inline u32 kw_epoch(void)
{
	u32 zero = 0;
	struct kw_control *c = bpf_map_lookup_elem(&kw_control, &zero);

	return c ? c->epoch : 0;
}

/* Adds waits of ns in all to the sums of this tick. */
static __always_inline void kw_sum_waits(const struct kw_cg *cg, u32 reason, u64 count, u64 ns, u64 max_ns)
{
	struct kw_wait_key key = { .cg = *cg, .reason = reason, .epoch = kw_epoch() };
	struct kw_wait_sum one = { .count = count, .sum_ns = ns, .max_ns = max_ns };
	struct kw_wait_sum *s = bpf_map_lookup_elem(&kw_wait_sums, &key);

	if (!s) {
		if (!bpf_map_update_elem(&kw_wait_sums, &key, &one, BPF_NOEXIST))
			return;
		s = bpf_map_lookup_elem(&kw_wait_sums, &key);
		if (!s) {
			kw_count_lost_other(KW_KIND_wait);
			return;
		}
	}
	__sync_fetch_and_add(&s->count, count);
	__sync_fetch_and_add(&s->sum_ns, ns);
	if (max_ns > s->max_ns)
		s->max_ns = max_ns; /* may lose a race by a hair; the sums do not */
}

static __always_inline void kw_sum_wait(const struct kw_cg *cg, u32 reason, u64 ns)
{
	kw_sum_waits(cg, reason, 1, ns, ns);
}

/* Adds blame of one wait; culprit NULL with a sink other than KW_SINK_CONTAINER. */
static __always_inline void kw_sum_blame(u32 resource, const struct kw_cg *victim, const struct kw_party *culprit,
					 u32 sink, u64 object, u64 ns)
{
	struct kw_blame_key key = { .victim = *victim, .resource = resource, .sink = sink, .object = object };
	struct kw_blame_sum one = { .count = 1, .ns = ns };
	struct kw_blame_sum *s;

	key.epoch = kw_epoch();
	if (culprit) {
		key.culprit = culprit->cg;
		one.culprit = *culprit;
	}
	s = bpf_map_lookup_elem(&kw_blame_sums, &key);
	if (!s) {
		if (!bpf_map_update_elem(&kw_blame_sums, &key, &one, BPF_NOEXIST))
			return;
		s = bpf_map_lookup_elem(&kw_blame_sums, &key);
		if (!s) {
			kw_count_lost_other(KW_KIND_blame);
			return;
		}
	}
	__sync_fetch_and_add(&s->count, 1);
	__sync_fetch_and_add(&s->ns, ns);
}

/* Adds to what is counted under k->cg and k->name; the epoch is filled in here. */
static __always_inline void kw_sum_tally(struct kw_tally_key *k, const struct kw_tally_sum *add)
{
	struct kw_tally_sum *s;

	k->epoch = kw_epoch();
	s = bpf_map_lookup_elem(&kw_tally_sums, k);
	if (!s) {
		if (!bpf_map_update_elem(&kw_tally_sums, k, add, BPF_NOEXIST))
			return;
		s = bpf_map_lookup_elem(&kw_tally_sums, k);
		if (!s) {
			kw_count_lost_other(KW_KIND_tally);
			return;
		}
	}
	__sync_fetch_and_add(&s->count, add->count);
	__sync_fetch_and_add(&s->ns, add->ns);
	__sync_fetch_and_add(&s->part_ns, add->part_ns);
	if (add->max_ns > s->max_ns)
		s->max_ns = add->max_ns;
}

#endif
