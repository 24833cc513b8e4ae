/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Waits for a CPU and who had it meanwhile.
 *
 * The wait of the task switched in is rq->clock - sched_info.last_queued: the tracepoint runs before
 * sched_info_arrive() clears it (kernel/sched/stats.h), so nothing has to be kept at wakeup.  A queued task that is
 * moved to another CPU starts anew there, since dequeue clears the field: such a wait reads shorter, never longer.
 *
 * Occupants come from a ring of the latest slices per CPU, written at every switch from plain pointer reads and
 * walked only when a wait was long.
 */
#ifndef KWHY_BPF_RUNQ_H
#define KWHY_BPF_RUNQ_H

#include "bpf/drift.bpf.h"

#define KW_SLICES 128
#define KW_SLICE_STEAL_NS 1000000ULL /* a slice with more of it ends: the walk has to know when it was */
#define KW_GAP_NS 5000000ULL /* so late is no timer interrupt that only had to wait for its turn */
#define KW_GAP_UNIT 1024
#define KW_OCCUPANTS 8       /* kept apart during a walk; what is more goes to unknown */
#define KW_OCCUPANTS_SHOWN 6 /* in the record */
#ifdef KW_PLAIN
#define KW_CPUS_ASKED 4 /* the verifier goes through every step */
#else
#define KW_CPUS_ASKED 16 /* of those a waiter may not use, whether they idled */
#endif

/*
 * From t0 to the t0 of the next slice: one task, or several of the same container and class one after the other, so that
 * a storm of short processes does not overrun the ring.  One cache line.  What a wait must know for sure is stored, the
 * rest is read from the task when a wait was long: one that is gone by then keeps its container and numbers, not its name.
 */
struct kw_slice {
	u64 t0; /* run-queue clock */
	u64 steal; /* kw_rq_steal() at t0 */
	u64 set; /* address of its css_set, for the v1 part of its identity; 0: idle */
	u64 v2;
	u64 task; /* address of the one that ran longest at a time */
	u32 longest; /* so long, in 1024 ns */
	u32 pid;
	u32 tid; /* 0: idle */
	u32 last_tid; /* who ran at its end */
	u32 realtime;
	u32 gaps; /* kw_slices.gaps at t0 */
};
_Static_assert(sizeof(struct kw_slice) == 64, "kw_slice");

struct kw_slices {
	u32 head; /* the slice that runs now */
	u32 gaps; /* time without a timer interrupt that was due, so far, in KW_GAP_UNIT ns; wraps */
	u64 since; /* run-queue clock: the task that runs now began */
	u64 resched_since; /* run-queue clock: a tick found that a switch is wanted; 0: none did */
	/* The latest timer interrupt, 0: the CPU has idled since; monotonic clock. */
	u64 tick;
	u64 tick_steal; /* kw_rq_steal() then */
	u64 tick_hard;  /* kw_irq_now.hard_ns then */
	u64 reserved[2];
	struct kw_slice slot[KW_SLICES];
};

KW_EACH_CPU(kw_cpu_slices, struct kw_slices)

struct kw_occupant {
	u64 ns;        /* of the whole wait */
	u64 fresh_ns;  /* of what no scan has counted yet */
	u64 longest_ns;
	u64 set;
	u64 task; /* of the longest slice */
	u64 realtime;
	struct kw_party party; /* cg.v1, and what is read from the task, are filled in after the walk */
};

/* Too large for the stack: one for the switch path, one for the scan. */
struct kw_walk {
	u64 from; /* all run-queue clock */
	u64 fresh_from;
	u64 end;
	u32 head;
	u32 waiter_tid;
	u32 preempted;
	u32 count;
	u64 idle_ns, idle_fresh_ns;
	u64 unknown_ns, unknown_fresh_ns;
	u64 stolen_ns, stolen_fresh_ns;
	u64 steal; /* kw_rq_steal() at end */
	u64 steal_left; /* stolen by the account of newer slices than they are long: of older ones then */
	u32 gaps; /* kw_slices.gaps at end */
	u32 _pad;
	u64 self_ns, other_ns;
	struct kw_party victim;
	struct kw_occupant occ[KW_OCCUPANTS];
};

#define TASK_ON_RQ_MIGRATING 2
#define KW_STALE_NS 4000000LL

/*
 * A sleeper whose dequeue the scheduler put off (152e11f6df29, 6.12) can be moved to another CPU while it sleeps.  The
 * move sets last_queued, the dequeue that follows there does not clear it, and the next wakeup leaves it alone: sleep
 * would look like a wait.  Such a wait is left out; when it really began is not known.
 */
static __always_inline void runq_moved(struct task_struct *task)
{
	struct kw_task_state *st;

	if (task->on_rq != TASK_ON_RQ_MIGRATING || !kw_state_direct(task))
		return;
	st = kw_task_state(task, true);
	if (st)
		st->runq_stale = kw_rq_clock(task);
	else
		kw_count_lost_other(KW_KIND_runq);
}

/* The clocks of the two CPUs may have been read a tick apart. */
static __always_inline bool runq_is_stale(const struct kw_task_state *st, u64 queued)
{
	s64 off = st ? (s64)(queued - st->runq_stale) : KW_STALE_NS;

	return off > -KW_STALE_NS && off < KW_STALE_NS;
}

enum { KW_WALK_SWITCH, KW_WALK_SCAN, KW_WALKS };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KW_WALKS);
	__type(key, u32);
	__type(value, struct kw_walk);
} kw_walks SEC(".maps");

KW_RECORD(runq);

/* As the occupants lie in struct kw_runq. */
struct kw_runq_occ {
	struct kw_cg cg;
	u64 ns;
	u32 pid;
	u32 pad;
	char comm[KW_COMM_LEN];
};
_Static_assert(__builtin_offsetof(struct kw_runq, occ2) - __builtin_offsetof(struct kw_runq, occ1) ==
		       sizeof(struct kw_runq_occ), "kw_runq_occ");

/* At every switch, as the next: all direct reads of trusted pointers.  prev ends. */
static __always_inline void kw_slice_end(struct kw_slices *s, struct task_struct *prev, u64 now)
{
	struct kw_slice *slot = &s->slot[s->head % KW_SLICES];
	u32 ran = (now - s->since) / KW_GAP_UNIT;

	s->since = now;
	if (ran <= slot->longest)
		return;
	slot->longest = ran;
	slot->task = (u64)prev;
	slot->pid = prev->tgid;
	slot->tid = prev->pid;
}

static __always_inline void kw_slice_begin(struct kw_slices *s, struct task_struct *prev, struct task_struct *next,
					   u64 now)
{
	struct kw_slice *slot = &s->slot[s->head % KW_SLICES];
	struct css_set *set = next->cgroups;
	u64 steal = kw_rq_steal(next);
	u32 realtime = next->prio < MAX_RT_PRIO;

	if (slot->set == (u64)set && slot->realtime == realtime && slot->gaps == s->gaps && next->pid &&
	    steal - slot->steal < KW_SLICE_STEAL_NS)
		return;
	slot->last_tid = prev->pid;
	slot = &s->slot[++s->head % KW_SLICES];
	slot->t0 = now;
	slot->steal = steal;
	slot->gaps = s->gaps;
	slot->longest = 0;
	slot->task = (u64)next;
	slot->pid = next->tgid;
	slot->tid = next->pid;
	slot->realtime = realtime;
	slot->set = 0;
	if (!slot->tid) {
		s->tick = 0;
		return;
	}
	slot->set = (u64)set;
	slot->v2 = set->dfl_cgrp->kn->id;
}

/*
 * At the end of each timer interrupt: for how long after it was due none came.  A CPU that runs a task has one every tick.
 * One that comes late in a virtual machine without steal to account for it was taken away by a hypervisor that does not
 * tell, or interrupts were off: the occupant is not blamed for it here (see bpf/tickgap.bpf.h).
 */
static __always_inline u64 kw_slices_tick(struct kw_slices *s, struct task_struct *task, u64 now, u64 steal)
{
	s64 late = now - s->tick - (steal - s->tick_steal) - kw_settings.tick_ns;

	if (!s->tick || late < 0)
		late = 0;
	if (kw_settings.is_virtual && late >= (s64)KW_GAP_NS)
		s->gaps += late / KW_GAP_UNIT;
	s->tick = KW_READ(task, pid) ? now : 0;
	s->tick_steal = steal;
	return late;
}

static __always_inline u64 overlap(u64 a0, u64 a1, u64 b0)
{
	u64 from = a0 > b0 ? a0 : b0;

	return a1 > from ? a1 - from : 0;
}

static __always_inline void occupant_add(struct kw_occupant *o, const struct kw_slice *slice, u64 ns, u64 fresh)
{
	o->ns += ns;
	o->fresh_ns += fresh;
	if (ns <= o->longest_ns)
		return;
	o->longest_ns = ns;
	o->task = slice->task;
	o->party.pid = slice->pid;
	o->party.tid = slice->tid;
}

struct walk_ctx {
	struct kw_walk *w;
	struct kw_slices *s;
};

static __noinline struct kw_occupant *occupant_of(struct kw_walk *w, const struct kw_slice *slice)
{
	u32 i;

	for (i = 0; i < KW_OCCUPANTS; i++) {
		struct kw_occupant *o = &w->occ[i];

		if (i >= w->count) {
			w->count = i + 1;
			o->set = slice->set;
			o->realtime = slice->realtime;
			o->party.cg.v2 = slice->v2;
			return o;
		}
		if (o->set == slice->set && o->party.cg.v2 == slice->v2 && o->realtime == slice->realtime)
			return o;
	}
	return NULL;
}

/* Time of a slice that nobody in it had.  Where in the slice is not known: in the part of it that the wait saw. */
static __always_inline u64 take_part(u64 lost, u64 ns, u64 *sum)
{
	u64 part = lost < ns ? lost : ns;

	*sum += part;
	return part;
}

/* bpf_loop() callback: one slice further back; 1 ends the walk. */
static int walk_step(u32 i, void *data)
{
	struct walk_ctx *c = data;
	struct kw_walk *w = c->w;
	struct kw_slice *slice = &c->s->slot[(w->head - i) % KW_SLICES];
	u64 t0 = slice->t0, ns, fresh, stolen, gap;
	struct kw_occupant *o;

	if (!t0 || t0 > w->end)
		return 1;
	if (w->end <= w->from) {
		/* The slice that ended exactly where the wait began: the waiter's own, when it was preempted. */
		w->preempted = w->end == w->from && slice->last_tid == w->waiter_tid;
		return 1;
	}
	ns = overlap(t0, w->end, w->from);
	fresh = overlap(t0, w->end, w->fresh_from);
	stolen = w->steal_left + (w->steal > slice->steal ? w->steal - slice->steal : 0);
	/* The scheduler accounts for it when the CPU is back, which may be in the next slice already. */
	w->steal_left = slice->tid && stolen > ns ? stolen - ns : 0;
	gap = (u64)(w->gaps - slice->gaps) * KW_GAP_UNIT;
	w->end = t0;
	w->steal = slice->steal;
	w->gaps = slice->gaps;
	if (slice->tid) {
		ns -= take_part(stolen, ns, &w->stolen_ns);
		fresh -= take_part(stolen, fresh, &w->stolen_fresh_ns);
		ns -= take_part(gap, ns, &w->unknown_ns);
		fresh -= take_part(gap, fresh, &w->unknown_fresh_ns);
	}
	if (!slice->tid) {
		w->idle_ns += ns;
		w->idle_fresh_ns += fresh;
		return 0;
	}
	o = occupant_of(w, slice);
	if (o) {
		occupant_add(o, slice, ns, fresh);
	} else {
		w->unknown_ns += ns;
		w->unknown_fresh_ns += fresh;
	}
	return 0;
}

/* A task that has gone since may have left its memory to another one: believe it only while the numbers fit. */
static __always_inline void occupant_name(struct kw_occupant *o)
{
	struct task_struct *task = (struct task_struct *)o->task;

	if (BPF_CORE_READ(task, pid) != o->party.tid || BPF_CORE_READ(task, tgid) != o->party.pid)
		return;
	o->party.start_ns = BPF_CORE_READ(task, start_boottime);
	BPF_CORE_READ_STR_INTO(&o->party.comm, task, comm);
}

/* One occupant's full identity and its share in the sums. */
static __noinline int occupant_finish(struct kw_walk *w, u32 i)
{
	struct kw_occupant *o;
	struct css_set *set;
	u64 v2;

	if (!w || i >= KW_OCCUPANTS)
		return 0;
	o = &w->occ[i];
	v2 = o->party.cg.v2;
	set = (struct css_set *)o->set;
	/* The css_set may be gone by now and its memory used again: believe it only while it still fits. */
	if (BPF_CORE_READ(set, dfl_cgrp, kn, id) == v2)
		kw_cg_of_set(set, &o->party.cg);
	occupant_name(o);
	if (kw_cg_same(&o->party.cg, &w->victim.cg))
		w->self_ns += o->ns;
	else
		w->other_ns += o->ns;
	if (o->fresh_ns)
		kw_sum_blame(KW_RES_CPU, &w->victim.cg, &o->party, KW_SINK_CONTAINER,
			     o->realtime ? KW_CPU_REALTIME : KW_CPU_FAIR, o->fresh_ns);
	return 0;
}

static int finish_step(u32 i, void *data)
{
	struct walk_ctx *c = data;

	if (i >= c->w->count)
		return 1;
	occupant_finish(c->w, i);
	return 0;
}

#ifdef KW_PLAIN
/* One step of each walk; 1 ends it.  Global functions are verified once for all their calls, but take only numbers. */
__noinline int walk_at(u32 walk, u32 cpu, u32 i)
{
	struct walk_ctx c = { .w = bpf_map_lookup_elem(&kw_walks, &walk), .s = kw_cpu_slices_on(cpu) };

	return c.w && c.s ? walk_step(i, &c) : 1;
}

__noinline int finish_at(u32 walk, u32 i)
{
	struct walk_ctx c = { .w = bpf_map_lookup_elem(&kw_walks, &walk) };

	return c.w ? finish_step(i, &c) : 1;
}
#endif

static __always_inline void runq_walk(struct kw_walk *w, struct kw_slices *s, u32 walk, u32 cpu)
{
#ifdef KW_PLAIN
	for (u32 i = 0; i < KW_SLICES; i++)
		if (walk_at(walk, cpu, i))
			break;
#else
	struct walk_ctx c = { .w = w, .s = s };

	bpf_loop(KW_SLICES, walk_step, &c, 0);
#endif
}

static __always_inline void runq_finish(struct kw_walk *w, u32 walk)
{
#ifdef KW_PLAIN
	for (u32 i = 0; i < KW_OCCUPANTS; i++)
		if (finish_at(walk, i))
			break;
#else
	struct walk_ctx c = { .w = w };

	bpf_loop(KW_OCCUPANTS, finish_step, &c, 0);
#endif
}

/* Moves the i-th largest occupant into the i-th place of the record. */
static int show_step(u32 i, void *data)
{
	struct { struct kw_walk *w; struct kw_runq_record *r; } *c = data;
	struct kw_occupant *best = NULL;
	struct kw_runq_occ *to;
	u32 k;

	if (i >= KW_OCCUPANTS_SHOWN)
		return 1;
	for (k = 0; k < KW_OCCUPANTS; k++) {
		struct kw_occupant *o = &c->w->occ[k];

		if (o->ns && (!best || o->ns > best->ns))
			best = o;
	}
	if (!best)
		return 1;
	if (!i)
		c->r->e.peer = best->party;
	to = &((struct kw_runq_occ *)&c->r->p.occ1)[i];
	to->cg = best->party.cg;
	to->ns = best->ns;
	to->pid = best->party.pid;
	__builtin_memcpy(to->comm, best->party.comm, KW_COMM_LEN);
	c->r->p.occupants = i + 1;
	best->ns = 0;
	return 0;
}

/* Integrates the occupants of a CPU over a wait into the sums, and leaves them in w. */
static __always_inline void runq_blame(struct kw_walk *w, struct kw_slices *s, u32 walk, u32 cpu)
{
	runq_walk(w, s, walk, cpu);
	if (w->end > w->from) {
		w->unknown_ns += w->end - w->from;
		w->unknown_fresh_ns += overlap(w->from, w->end, w->fresh_from);
	}
	runq_finish(w, walk);
	if (w->idle_fresh_ns)
		kw_sum_blame(KW_RES_CPU, &w->victim.cg, NULL, KW_SINK_IDLE, 0, w->idle_fresh_ns);
	if (w->unknown_fresh_ns)
		kw_sum_blame(KW_RES_CPU, &w->victim.cg, NULL, KW_SINK_UNKNOWN, 0, w->unknown_fresh_ns);
	if (w->stolen_fresh_ns)
		kw_sum_blame(KW_RES_CPU, &w->victim.cg, NULL, KW_SINK_STEAL, 0, w->stolen_fresh_ns);
}

struct elsewhere {
	struct kw_slices *s;
	u64 from, end, idle_ns;
};

/* KW_LOOP() callback: one slice of another CPU further back. */
static int elsewhere_step(u32 i, void *data)
{
	struct elsewhere *x = data;
	struct kw_slice *slice = &x->s->slot[(x->s->head - i) % KW_SLICES];
	u64 t0 = slice->t0;

	if (!t0 || x->end <= x->from)
		return 1;
	if (t0 > x->end)
		return 0; /* began after the wait */
	if (!slice->tid)
		x->idle_ns += overlap(t0, x->end, x->from);
	x->end = t0;
	return 0;
}

struct outside {
	const unsigned long *mask;
	u64 from, end, idle_ns;
	u32 cpu;
};

/* KW_LOOP() callback: the i-th CPU after the one waited for.  Keeps the longest idle time of one it may not use. */
static int outside_step(u32 i, void *data)
{
	struct outside *o = data;
	u32 cpu = (o->cpu + 1 + i) % kw_settings.cpus;
	struct elsewhere x = { .from = o->from, .end = o->end };
	unsigned long word = 0;

	if (bpf_probe_read_kernel(&word, sizeof(word), o->mask + cpu / 64) || word >> (cpu % 64) & 1)
		return 0;
	x.s = kw_cpu_slices_on(cpu);
	if (!x.s)
		return 0;
	KW_LOOP(KW_SLICES, elsewhere_step, &x);
	if (x.idle_ns > o->idle_ns)
		o->idle_ns = x.idle_ns;
	return 0;
}

/* A task that may not use every CPU waited from .. end: did one that it may not use idle meanwhile? */
static __noinline int runq_elsewhere(struct task_struct *task, struct kw_walk *w, u32 cpu, u64 end)
{
	struct outside o = { .from = w->fresh_from, .end = end, .cpu = cpu };
	struct kw_tally_key k = { .name = "affinity" };
	struct kw_tally_sum add = { .count = 1 };

	if (!kw_settings.cpus || BPF_CORE_READ(task, nr_cpus_allowed) >= kw_settings.cpus || end <= w->fresh_from)
		return 0;
	o.mask = (const unsigned long *)BPF_CORE_READ(task, cpus_ptr);
	KW_LOOP(kw_settings.cpus < KW_CPUS_ASKED ? kw_settings.cpus : KW_CPUS_ASKED, outside_step, &o);
	k.cg = w->victim.cg;
	add.ns = add.max_ns = end - w->fresh_from;
	add.part_ns = o.idle_ns;
	kw_sum_tally(&k, &add);
	return 0;
}

static __noinline int runq_record(struct task_struct *task, struct kw_walk *w, u64 ns, u32 flags)
{
	struct { struct kw_walk *w; struct kw_runq_record *r; } c = { .w = w };
	struct kw_runq_record *r;

	r = kw_begin(KW_KIND_runq, &w->victim.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.flags = flags;
	r->e.duration_ns = ns;
	r->e.subject = w->victim;
	r->p.self_ns = w->self_ns;
	r->p.other_ns = w->other_ns;
	r->p.idle_ns = w->idle_ns;
	r->p.unknown_ns = w->unknown_ns;
	r->p.stolen_ns = w->stolen_ns;
	r->p.preempted = w->preempted;
	r->p.allowed_cpus = BPF_CORE_READ(task, nr_cpus_allowed);
	r->p.priority = BPF_CORE_READ(task, prio);
	c.r = r;
	KW_LOOP(KW_OCCUPANTS_SHOWN, show_step, &c);
	if (r->p.occupants && kw_cg_same(&r->e.subject.cg, &r->e.peer.cg))
		r->e.flags |= KW_FLAG_PEER_SELF;
	kw_submit(r, false);
	return 0;
}

/*
 * A wait of task from .. now (run-queue clock, at least the blame threshold) on the task's CPU: this one, when the
 * wait is over.
 * pending: it goes on; only what the sums do not have yet is added to them.
 */
static __noinline int runq_wait(struct task_struct *task, struct kw_task_state *st, u64 from, u64 now, u32 flags)
{
	u32 walk = flags & KW_FLAG_PENDING ? KW_WALK_SCAN : KW_WALK_SWITCH;
	u32 cpu = kw_cpu_of(task);
	struct kw_slices *s = flags & KW_FLAG_PENDING ? kw_cpu_slices_on(cpu) : kw_cpu_slices_here();
	struct kw_walk *w = bpf_map_lookup_elem(&kw_walks, &walk);
	u64 fresh_from = from;

	if (!w || !s || now <= from)
		return 0;
	if (st && st->runq_accounted > from && st->runq_accounted <= now)
		fresh_from = st->runq_accounted;
	__builtin_memset(w, 0, sizeof(*w));
	kw_party_of(task, &w->victim);
	if (kw_is_own(w->victim.pid))
		return 0;
	w->from = from;
	w->fresh_from = fresh_from;
	w->end = now;
	w->steal = kw_rq_steal(task);
	w->gaps = s->gaps;
	w->head = s->head;
	w->waiter_tid = w->victim.tid;
	kw_sum_wait(&w->victim.cg, KW_WAIT_CPU, now - fresh_from);
	if (st) {
		st->runq_total_ns += now - fresh_from;
		st->runq_accounted = flags & KW_FLAG_PENDING ? now : 0;
	}
	runq_blame(w, s, walk, cpu);
	runq_elsewhere(task, w, cpu, now);
	if (now - from >= kw_settings.runq_threshold_ns)
		runq_record(task, w, now - from, flags);
	return 0;
}

#endif
