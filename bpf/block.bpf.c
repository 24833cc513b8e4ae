// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block requests from insertion to completion, and who had the device
 * meanwhile.
 *
 * A request belongs to the blkcg of its bio, not to current, which is often a
 * kernel worker.  For each disk a running integral is kept per cgroup: while n
 * requests are in the device, of which k belong to a cgroup, that cgroup's
 * integral grows by k/n of the time.  A request notes all integrals when it
 * arrives; when it completes, the differences are the exact shares of its wait,
 * whatever came and went in between, at a cost that does not depend on it.
 *
 * What a kernel worker writes back is kept apart from what a cgroup asks for
 * itself: the one is io.writeback, the other io.neighbor.  Bios that wait for a
 * limit have no request yet; the throttle worker that lets them go is seen.
 * What does not come back at all is looked for once a tick.
 *
 * A probe that is over its budget follows only some requests: shares stay right on average, and what fails is told all
 * the same.
 */
#include "bpf/bio.bpf.h"
#include "bpf/dirtier.bpf.h"
#include "bpf/iolimit.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define SLOTS 16             /* cgroups a disk tells apart; the last one is "all further" */
#define OVERFLOW (SLOTS - 1)
#define DISKS_MAX 256
#define REQUESTS_MAX 8192
#define BLAME_NS 1000000ULL  /* waits from here on are blamed */
#define OCCUPANTS 4          /* occ1 to occ4 of the record */

struct slot {
	struct kw_cg cg;
	u64 acc_ns;          /* integral of its share of the device */
	u64 alone_ns;        /* time its only request was the only one in the device */
	u64 bytes;           /* completed */
	u64 born_ns;         /* 0: free.  Integrals begin at 0 here */
	u64 used_ns;
	u32 inflight;
	u32 writeback;       /* 1: data it had made dirty, written by a kernel worker */
	u32 pid;             /* who submitted last, if a process did */
	u32 reserved;
	u64 start_ns;
	char comm[KW_COMM_LEN];
};

struct disk {
	struct bpf_spin_lock lock;
	u32 inflight;
	u32 latest;          /* slot of the latest request: most likely the next one's, too */
	u32 reserved;
	u64 last_ns;
	u64 busy_ns;         /* time anything was in the device */
	struct slot slot[SLOTS];
};

struct snapshot {
	u64 busy_ns;
	u64 alone_ns;
	u64 acc_ns[SLOTS];
	u64 bytes[SLOTS];
};

struct request_state {
	u64 begin_ns;        /* insert, or issue when there was no insert */
	u64 issue_ns;        /* 0: not in the device */
	u32 dev;
	u32 slot;
	u32 inflight;        /* when it arrived */
	u32 inflight_other;
	u32 requeued;        /* the driver gave it back: the same wait goes on */
	u32 requeues;        /* so often */
	u32 writeback;
	u32 reserved;
	struct kw_party owner;
	struct snapshot at;
};

struct share {
	struct kw_party party;
	u64 ns;
	u64 bytes;
	u32 taken;           /* 1: already named in the record */
	u32 writeback;
};

struct shares {
	struct snapshot now;
	struct share of[SLOTS];
	u64 self_ns;
	u64 other_ns;
	u64 unknown_ns;      /* the part of other_ns whose cgroup lost its slot meanwhile */
	u64 alone_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DISKS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, struct disk);
} disks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, REQUESTS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct request_state);
} requests SEC(".maps");

/* Scratch: these do not fit the stack.  One per program: an interrupt may issue a request while a task inserts one. */
enum { SCRATCH_INSERT, SCRATCH_ISSUE, SCRATCH_FAILED, SCRATCH_MAX };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_MAX);
	__type(key, u32);
	__type(value, struct request_state);
} fresh_requests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct shares);
} scratch_shares SEC(".maps");

/* A new disk's value; of another type because a lock may not be read. */
struct empty_disk {
	u8 bytes[sizeof(struct disk)];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct empty_disk);
} empty_disk SEC(".maps");

/* Of any request, by an address alone, too. */
static __always_inline struct gendisk *disk_of(struct request *rq)
{
#ifdef KW_PLAIN
	if (bpf_core_field_exists(struct request___old, rq_disk))
		return BPF_CORE_READ((struct request___old *)rq, rq_disk);
#endif
	return BPF_CORE_READ(rq, q, disk);
}

/* Of a tracepoint's argument. */
static __always_inline struct gendisk *disk_of_hit(struct request *rq)
{
#ifdef KW_PLAIN
	return disk_of(rq);
#else
	return rq->q->disk;
#endif
}

static __always_inline struct disk *disk_get(u32 dev)
{
	struct disk *d = bpf_map_lookup_elem(&disks, &dev);
	struct empty_disk *empty;
	u32 zero = 0;

	if (d)
		return d;
	empty = bpf_map_lookup_elem(&empty_disk, &zero);
	if (!empty)
		return NULL;
	bpf_map_update_elem(&disks, &dev, empty, BPF_NOEXIST);
	return bpf_map_lookup_elem(&disks, &dev);
}

/*
 * With the lock held: brings the integrals to now.  Without branches in the loop, each of which the verifier would go
 * both ways; what is rounded off is less than a nanosecond a request in the device.
 */
static __always_inline void advance(struct disk *d, u64 now)
{
	u64 dt = now > d->last_ns ? now - d->last_ns : 0;

	if (dt && d->inflight && d->last_ns) {
		u64 each = dt / d->inflight;

		d->busy_ns += dt;
		for (u32 i = 0; i < SLOTS; i++)
			d->slot[i].acc_ns += each * d->slot[i].inflight;
		if (d->inflight == 1)
			for (u32 i = 0; i < SLOTS; i++)
				d->slot[i].alone_ns += dt * d->slot[i].inflight;
	}
	if (dt)
		d->last_ns = now;
}

/* For whom a slot is looked for, and which: its own, or the one that was idle longest. */
struct slot_search {
	const struct disk *d;
	struct kw_cg cg;
	u64 oldest;
	u32 writeback;
	u32 at;
};

static __always_inline bool slot_is_of(const struct slot *s, const struct kw_cg *cg, u32 writeback)
{
	return s->born_ns && s->cg.v1 == cg->v1 && s->cg.v2 == cg->v2 && s->writeback == writeback;
}

/* KW_LOOP() callback. */
static int slot_look(u32 i, void *data)
{
	struct slot_search *c = data;
	const struct slot *s = &c->d->slot[i & OVERFLOW];

	if (slot_is_of(s, &c->cg, c->writeback)) {
		c->at = i;
		return 1;
	}
	if (!s->inflight && s->used_ns < c->oldest) {
		c->oldest = s->used_ns;
		c->at = i;
	}
	return 0;
}

/*
 * Without the lock, under which there are no calls, and the verifier would go through each way of each step.  At worst
 * two CPUs give a cgroup a slot each: both go by its name.
 */
static __always_inline u32 slot_find(const struct disk *d, const struct kw_cg *cg, u32 writeback)
{
	struct slot_search c = { .d = d, .cg = *cg, .oldest = ~0ULL, .writeback = writeback, .at = OVERFLOW };
	u32 latest = d->latest & OVERFLOW;

	if (slot_is_of(&d->slot[latest], cg, writeback))
		return latest;
	KW_LOOP(OVERFLOW, slot_look, &c);
	return c.at & OVERFLOW;
}

/* With the lock held: the slot that was found, unless somebody has a request in it meanwhile. */
static __always_inline u32 slot_get(struct disk *d, u32 at, const struct kw_cg *cg, u32 writeback, u64 now)
{
	struct slot *s = &d->slot[at & OVERFLOW];

	if (at == OVERFLOW || slot_is_of(s, cg, writeback))
		return at;
	if (s->inflight)
		return OVERFLOW;
	s->cg = *cg;
	s->writeback = writeback;
	s->acc_ns = 0;
	s->alone_ns = 0;
	s->bytes = 0;
	s->pid = 0;
	s->born_ns = now;
	return at;
}

/* With the lock held. */
static __always_inline void note(const struct disk *d, struct snapshot *ret, u32 slot)
{
	ret->busy_ns = d->busy_ns;
	ret->alone_ns = d->slot[slot & OVERFLOW].alone_ns;
	for (u32 i = 0; i < SLOTS; i++) {
		ret->acc_ns[i] = d->slot[i].acc_ns;
		ret->bytes[i] = d->slot[i].bytes;
	}
}

/* With the lock held: a request leaves the device. */
static __always_inline void leave(struct disk *d, u32 slot, u64 bytes)
{
	struct slot *s = &d->slot[slot & OVERFLOW];

	if (d->inflight)
		kw_locked_add(&d->inflight, -1);
	if (s->inflight)
		kw_locked_add(&s->inflight, -1);
	s->bytes += bytes;
}

/* Occupants are told apart by what the bio carries, which is there for every request. */
static __always_inline struct kw_cg occupant_key(const struct kw_cg *cg)
{
	struct kw_cg key = *cg;

	if (key.v1)
		key.v2 = 0;
	return key;
}

/* jbd2/DISK-N writes what others changed, as the write-back worker does; it has no function to know it by. */
static __always_inline bool in_journal_thread(void)
{
	struct task_struct *task = kw_current();
	char comm[5] = {};

	if (!(KW_READ(task, flags) & PF_KTHREAD))
		return false;
	bpf_probe_read_kernel(comm, sizeof(comm), task->comm);
	return comm[0] == 'j' && comm[1] == 'b' && comm[2] == 'd' && comm[3] == '2' && comm[4] == '/';
}

/* With the lock held. */
static __always_inline void enter(struct disk *d, u32 slot)
{
	kw_locked_add(&d->inflight, 1);
	kw_locked_add(&d->slot[slot & OVERFLOW].inflight, 1);
}

static __always_inline void request_begin(struct request_state *st, struct request *rq, struct gendisk *gd, u64 now)
{
	st->begin_ns = now;
	st->issue_ns = 0;
	st->requeued = 0;
	st->requeues = 0;
	st->reserved = 0;
	st->dev = (u32)KW_READ(gd, major) << 20 | (u32)KW_READ(gd, first_minor);
	owner_of_bio(KW_READ(rq, bio), &st->owner);
	st->writeback = kw_worker_runs(&wb_workfn) || in_journal_thread();
}

/*
 * First sight of a request; a former one at the same address never completed before our eyes.  issue: the device gets it
 * at once.
 */
static __always_inline int arrive(struct request *rq, u64 now, u32 scratch, bool issue)
{
	struct gendisk *gd = disk_of_hit(rq);
	u64 id = (u64)rq;
	struct request_state *st = bpf_map_lookup_elem(&fresh_requests, &scratch);
	struct kw_cg key;
	struct slot *s;
	struct disk *d;
	u32 at;

	if (!gd || !st)
		return 0;
	request_begin(st, rq, gd, now);
	key = occupant_key(&st->owner.cg);
	d = disk_get(st->dev);
	if (!d) {
		kw_count_lost_other(KW_KIND_block);
		return 0;
	}
	at = slot_find(d, &key, st->writeback);
	kw_spin_lock(&d->lock);
	advance(d, now);
	at = slot_get(d, at, &key, st->writeback, now) & OVERFLOW;
	s = &d->slot[at];
	st->slot = at;
	st->inflight = d->inflight;
	st->inflight_other = d->inflight - s->inflight;
	d->latest = at;
	s->used_ns = now;
	if (st->owner.pid) {
		s->pid = st->owner.pid;
		s->start_ns = st->owner.start_ns;
		__builtin_memcpy(s->comm, st->owner.comm, KW_COMM_LEN);
	}
	note(d, &st->at, at);
	if (issue) {
		st->issue_ns = now;
		enter(d, at);
	}
	kw_spin_unlock(&d->lock);
	if (!bpf_map_update_elem(&requests, &id, st, BPF_ANY))
		return 0;
	kw_count_lost_other(KW_KIND_block);
	if (!issue)
		return 0;
	kw_spin_lock(&d->lock);
	leave(d, at, 0);
	kw_spin_unlock(&d->lock);
	return 0;
}

/* By its place on the disk: the same answer at a request's insertion and at its issue. */
static __always_inline bool is_left_out(struct request *rq)
{
	u32 zero = 0, shift;
	struct kw_control *c = bpf_map_lookup_elem(&kw_control, &zero);

	if (!c || c->off)
		return true;
	shift = c->fewer[KW_KIND_block] & 7;
	return shift && KW_READ(rq, __sector) * 0x9e3779b97f4a7c15ULL >> (64 - shift);
}

/* A request is no longer in the device, and nobody asks who was there meanwhile. */
static __always_inline void depart(struct disk *d, const struct request_state *st, u64 now, u64 bytes)
{
	kw_spin_lock(&d->lock);
	advance(d, now);
	leave(d, st->slot, bytes);
	kw_spin_unlock(&d->lock);
}

/* A request we believed to be in the device is seen anew, or goes back to the queue. */
static __always_inline void take_back(struct request_state *st, u64 now)
{
	struct disk *d;

	if (!st->issue_ns)
		return;
	st->issue_ns = 0;
	d = bpf_map_lookup_elem(&disks, &st->dev);
	if (d)
		depart(d, st, now, 0);
}

static __always_inline int inserted(struct request *rq)
{
	struct request_state *st;
	u64 id = (u64)rq, now;

	if (is_left_out(rq))
		return 0;
	now = bpf_ktime_get_boot_ns();
	st = bpf_map_lookup_elem(&requests, &id);
	if (st && st->requeued)
		return 0;
	if (st)
		take_back(st, now);
	return arrive(rq, now, SCRATCH_INSERT, false);
}

static __always_inline int issued(struct request *rq)
{
	struct request_state *st;
	struct kw_cg key;
	u64 id = (u64)rq, now;
	struct disk *d;
	u32 at;

	if (is_left_out(rq))
		return 0;
	now = bpf_ktime_get_boot_ns();
	st = bpf_map_lookup_elem(&requests, &id);
	if (st && st->issue_ns) {
		take_back(st, now);
		st = NULL;
	}
	if (!st)
		return arrive(rq, now, SCRATCH_ISSUE, true);
	d = bpf_map_lookup_elem(&disks, &st->dev);
	if (!d)
		return 0;
	st->issue_ns = now;
	st->requeued = 0;
	key = occupant_key(&st->owner.cg);
	/* Its slot may have been given away while it was queued. */
	at = st->slot & OVERFLOW;
	if (!slot_is_of(&d->slot[at], &key, st->writeback))
		at = slot_find(d, &key, st->writeback);
	kw_spin_lock(&d->lock);
	advance(d, now);
	st->slot = slot_get(d, at, &key, st->writeback, now);
	enter(d, st->slot);
	d->slot[st->slot & OVERFLOW].used_ns = now;
	kw_spin_unlock(&d->lock);
	return 0;
}

/* What slot i gained since the request arrived; a slot that was born later gained all it has. */
static __always_inline void divide(const struct request_state *st, struct shares *sh, u64 wait_ns)
{
	u64 seen = 0, busy = sh->now.busy_ns - st->at.busy_ns, own;

	for (u32 i = 0; i < SLOTS; i++)
		seen += sh->of[i].ns;
#ifdef KW_PLAIN /* two CPUs may have added the same moment: no share of it is longer than all of it */
	for (u32 i = 0; i < SLOTS; i++)
		if (seen > wait_ns)
			sh->of[i].ns = sh->of[i].ns * wait_ns / seen;
	seen = seen < wait_ns ? seen : wait_ns;
#endif
	sh->unknown_ns = busy > seen ? busy - seen : 0;
	own = sh->of[st->slot & OVERFLOW].ns;
	sh->other_ns = seen - own + sh->unknown_ns;
	sh->alone_ns = sh->now.alone_ns - st->at.alone_ns;
	if (sh->alone_ns > own)
		sh->alone_ns = own;
	sh->self_ns = own - sh->alone_ns;
	/* Nothing was in the device at all: the queue or the driver held the request. */
	if (wait_ns > busy)
		sh->alone_ns += wait_ns - busy;
}

static __always_inline void gain(const struct slot *s, const struct request_state *st, struct share *ret, u32 i)
{
	bool younger = s->born_ns > st->begin_ns;

	ret->party.cg = s->cg;
	ret->party.pid = s->pid;
	ret->party.tid = s->pid;
	ret->party.start_ns = s->start_ns;
	__builtin_memcpy(ret->party.comm, s->comm, KW_COMM_LEN);
	ret->taken = 0;
	ret->writeback = s->writeback;
	ret->ns = younger ? s->acc_ns : s->acc_ns - st->at.acc_ns[i];
	ret->bytes = younger ? s->bytes : s->bytes - st->at.bytes[i];
}

/* Rounding of k/n leaves a few ns a step; below 1 us nobody is named. */
#define WORTH_NS 1000

static __always_inline bool is_root(const struct kw_cg *cg)
{
	return cg->v1 ? (cg->v1 & KW_CG_ID_MASK) == 1 : cg->v2 <= 1;
}

/*
 * The functions from here to blame_share() are global: verified once, not for every call on every way to it, which
 * before 6.4 takes minutes and fills the verifier's log.  Only the innermost one has much on its stack: 512 bytes are
 * for all of them.
 */
KW_GLOBAL int blame_one(u32 sink, const struct kw_cg *victim, const struct kw_party *culprit, u32 dev, u64 ns)
{
	if (victim && ns >= WORTH_NS)
		kw_sum_blame(KW_RES_BLOCK, victim, culprit, sink, dev, ns);
	return 0;
}

/* Data written back on nobody's account: divided among those who lately made the disk's pages dirty. */
KW_GLOBAL int blame_dirtiers(const struct kw_cg *victim, u32 dev, u64 ns, const struct kw_party *root)
{
	struct kw_dirtiers *d = bpf_map_lookup_elem(&dirtiers, &dev);
	u64 pages = 0;

	if (!victim || !root)
		return 0;
	if (d && (bpf_ktime_get_boot_ns() >> 30) - d->second > KW_DIRTY_AGE)
		d = NULL; /* it is not theirs any more */
	for (u32 i = 0; d && i < KW_DIRTIERS; i++)
		pages += d->of[i].pages;
	if (!d || !pages)
		return blame_one(KW_SINK_WRITEBACK, victim, root, dev, ns);
	/* Read without the lock: at worst a name changes under us.  Unrolled as in blame(). */
#pragma clang loop unroll(full)
	for (u32 i = 0; i < KW_DIRTIERS; i++)
		blame_one(KW_SINK_WRITEBACK, victim, &d->of[i].party, dev, ns * d->of[i].pages / pages);
	return 0;
}

KW_GLOBAL int blame_share(const struct request_state *st, const struct share *of)
{
	struct kw_cg victim;

	if (!st || !of || of->ns < WORTH_NS)
		return 0;
	victim = occupant_key(&st->owner.cg);
	if (of->writeback && is_root(&of->party.cg))
		return blame_dirtiers(&victim, st->dev, of->ns, &of->party);
	return blame_one(of->writeback ? KW_SINK_WRITEBACK : KW_SINK_CONTAINER, &victim, &of->party, st->dev, of->ns);
}

static __always_inline void blame(const struct request_state *st, struct shares *sh)
{
	struct kw_cg victim = occupant_key(&st->owner.cg);
	struct kw_party self = st->owner;

	self.cg = victim;
	/* Unrolled: before 6.4 the verifier takes some layouts of a loop that ends with a call for endless. */
#pragma clang loop unroll(full)
	for (u32 i = 0; i < OVERFLOW; i++)
		if (i != st->slot)
			blame_share(st, &sh->of[i]);
	blame_one(KW_SINK_CONTAINER, &victim, &self, st->dev, sh->self_ns);
	blame_one(KW_SINK_DEVICE, &victim, NULL, st->dev, sh->alone_ns);
	blame_one(KW_SINK_UNKNOWN, &victim, NULL, st->dev, sh->unknown_ns);
}

struct share_search {
	const struct shares *sh;
	u64 most;
	u32 best;
};

/* KW_LOOP() callback. */
static int share_look(u32 i, void *data)
{
	struct share_search *c = data;
	const struct share *s = &c->sh->of[i & OVERFLOW];

	if (s->ns >= c->most && !s->taken) {
		c->most = s->ns;
		c->best = i;
	}
	return 0;
}

/*
 * The largest share not yet taken; takes it.  SLOTS when there is none left worth naming.  A function of its own,
 * verified once, because the four calls multiply the verifier's paths.
 */
__noinline int largest_share(void)
{
	u32 zero = 0;
	struct shares *sh = bpf_map_lookup_elem(&scratch_shares, &zero);
	struct share_search c = { .most = WORTH_NS, .best = SLOTS };

	if (!sh)
		return SLOTS;
	c.sh = sh;
	KW_LOOP(OVERFLOW, share_look, &c);
	if (c.best >= OVERFLOW)
		return SLOTS;
	sh->of[c.best].taken = 1;
	return c.best;
}

#define OCCUPANT(n)                                                                                             \
	do {                                                                                                    \
		u32 at_ = largest_share();                                                                      \
		if (at_ < SLOTS) {                                                                              \
			r->p.occ##n = sh->of[at_].party.cg;                                                     \
			r->p.occ##n##_ns = sh->of[at_].ns;                                                      \
			r->p.occ##n##_bytes = sh->of[at_].bytes;                                                \
			if (at_ != st->slot && !r->e.peer.cg.v1 && !r->e.peer.cg.v2)                            \
				r->e.peer = sh->of[at_].party;                                                  \
		}                                                                                               \
	} while (0)

static __always_inline void emit(struct request *rq, const struct request_state *st, struct shares *sh, u64 now,
				 s32 error)
{
	struct kw_block_record *r = kw_begin(KW_KIND_block, &st->owner.cg, sizeof(*r), sizeof(r->p));
	struct gendisk *gd;

	if (!r)
		return;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.ts_ns = now;
	r->e.subject = st->owner;
	r->e.duration_ns = now - st->begin_ns;
	r->e.error = error;
	r->p.dev = st->dev;
	r->p.op = BPF_CORE_READ(rq, cmd_flags) & ((1U << REQ_OP_BITS) - 1);
	r->p.sector = BPF_CORE_READ(rq, __sector);
	r->p.bytes = BPF_CORE_READ(rq, __data_len);
	r->p.queue_ns = st->issue_ns - st->begin_ns;
	r->p.device_ns = now - st->issue_ns;
	r->p.inflight = st->inflight;
	r->p.inflight_other = st->inflight_other;
	r->p.self_ns = sh->self_ns;
	r->p.other_ns = sh->other_ns;
	r->p.alone_ns = sh->alone_ns;
	r->p.requeues = st->requeues;
	r->p.writeback = st->writeback;
	OCCUPANT(1);
	OCCUPANT(2);
	OCCUPANT(3);
	OCCUPANT(4);
	gd = disk_of(rq);
	BPF_CORE_READ_STR_INTO(&r->p.disk, gd, disk_name);
	kw_submit(r, error != 0);
}

static __always_inline void finish(struct request *rq, struct request_state *st, u32 bytes, s32 error)
{
	u64 now = bpf_ktime_get_boot_ns(), wait_ns = now - st->begin_ns;
	struct disk *d = bpf_map_lookup_elem(&disks, &st->dev);
	struct shares *sh;
	u32 zero = 0;

	if (!d)
		return;
	sh = bpf_map_lookup_elem(&scratch_shares, &zero);
	if (!sh || (wait_ns < BLAME_NS && wait_ns < kw_settings.block_threshold_ns && !error)) {
		depart(d, st, now, bytes);
		return;
	}
	kw_spin_lock(&d->lock);
	advance(d, now);
	sh->now.busy_ns = d->busy_ns;
	sh->now.alone_ns = d->slot[st->slot & OVERFLOW].alone_ns;
	for (u32 i = 0; i < SLOTS; i++)
		gain(&d->slot[i], st, &sh->of[i], i);
	leave(d, st->slot, bytes);
	kw_spin_unlock(&d->lock);

	divide(st, sh, wait_ns);
	if (wait_ns >= BLAME_NS)
		blame(st, sh);
	if (wait_ns >= kw_settings.block_threshold_ns || error)
		emit(rq, st, sh, now, error);
}

/* A completion may be of a part only, with the rest still in the device; a failed one is final. */
static __always_inline int completed(struct request *rq, s32 error, u32 bytes)
{
	u64 id = (u64)rq;
	struct request_state *st = bpf_map_lookup_elem(&requests, &id);

	/*
	 * Was left out, or is older than we are; what is known may be of a former request there that was merged and never
	 * completed.
	 */
	if ((!st || !st->issue_ns) && error && !kw_is_off()) {
		arrive(rq, bpf_ktime_get_boot_ns(), SCRATCH_FAILED, true);
		st = bpf_map_lookup_elem(&requests, &id);
	}
	if (!st)
		return 0;
	if (!error && bytes < KW_READ(rq, __data_len))
		return 0;
	if (st->issue_ns)
		finish(rq, st, bytes, error);
	bpf_map_delete_elem(&requests, &id);
	return 0;
}

static __always_inline int requeued(struct request *rq)
{
	u64 id = (u64)rq;
	struct request_state *st = bpf_map_lookup_elem(&requests, &id);

	if (st) {
		take_back(st, bpf_ktime_get_boot_ns());
		st->requeued = 1;
		st->requeues++;
	}
	return 0;
}

#define BLOCK_PROGRAM(name, hook, does)                                                                         \
	SEC("tp_btf/" hook)                                                                                     \
	int BPF_PROG(name, struct request *rq)                                                                  \
	{                                                                                                       \
		return does(rq);                                                                                \
	}

#ifndef KW_PLAIN
BLOCK_PROGRAM(block_insert, "block_rq_insert", inserted)
BLOCK_PROGRAM(block_issue, "block_rq_issue", issued)
BLOCK_PROGRAM(block_requeue, "block_rq_requeue", requeued)
#else
/* Before 5.11 (a54895fa057c) the queue came first; later kernels refuse a program that reads a second argument. */
#define BLOCK_PROGRAM_QUEUE(name, hook, does)                                                                   \
	SEC("tp_btf/" hook)                                                                                     \
	int BPF_PROG(name, struct request_queue *q, struct request *rq)                                         \
	{                                                                                                       \
		return does(rq);                                                                                \
	}

BLOCK_PROGRAM_QUEUE(block_insert, "block_rq_insert", inserted)
BLOCK_PROGRAM_QUEUE(block_issue, "block_rq_issue", issued)
BLOCK_PROGRAM_QUEUE(block_requeue, "block_rq_requeue", requeued)
BLOCK_PROGRAM(block_insert_alone, "block_rq_insert", inserted)
BLOCK_PROGRAM(block_issue_alone, "block_rq_issue", issued)
BLOCK_PROGRAM(block_requeue_alone, "block_rq_requeue", requeued)
#endif

/* error: blk_status_t since 5.16, before that a negative errno; user space tells them apart by the sign. */
SEC("tp_btf/block_rq_complete")
int BPF_PROG(block_complete, struct request *rq, int error, unsigned int bytes)
{
	return completed(rq, error, bytes);
}

SEC("tp_btf/writeback_dirty_folio")
int BPF_PROG(page_dirtied, struct folio *folio, struct address_space *mapping)
{
	u64 pages = kw_folio_pages(folio);

	if (!is_dirty_sample(pages) || !mapping || kw_is_off() || (KW_READ(kw_current(), flags) & PF_KTHREAD))
		return 0;
	return dirtied(BPF_CORE_READ(mapping, host), pages);
}

#ifdef KW_PLAIN
/* As above, before 5.16 (203a31516616). */
SEC("tp_btf/writeback_dirty_page")
int BPF_PROG(page_dirtied_page, void *page, struct address_space *mapping)
{
	if (!is_dirty_sample(1) || !mapping || kw_is_off() || (KW_READ(kw_current(), flags) & PF_KTHREAD))
		return 0;
	return dirtied(BPF_CORE_READ(mapping, host), 1);
}
#else
/* What a worker runs is not known on older kernels. */
/* Every bio comes by here; one that a limit held back does so in the throttle's worker. */
SEC("tp_btf/block_bio_queue")
int BPF_PROG(bio_queued, struct bio *bio)
{
	bio_begun(bio);
	if (!kw_in_worker() || kw_is_off() || !kw_worker_runs(&blk_throtl_dispatch_work_fn))
		return 0;
	return limit_let_go(bio);
}

SEC("tp_btf/block_bio_complete")
int BPF_PROG(bio_completed, struct request_queue *q, struct bio *bio)
{
	return bio_ended(q, bio);
}

/*
 * bpf_for_each_map_elem() callback.  Only those in the device, and as the block layer sees it, too: one that was merged
 * into another has no end of its own.
 */
static long request_hangs(struct bpf_map *map, u64 *id, struct request_state *st, struct hung *h)
{
	struct request *rq = (struct request *)*id;
	struct kw_block_record *r;
	struct gendisk *gd;

	if (!st->issue_ns || h->now < st->issue_ns + KW_HUNG_NS || BPF_CORE_READ(rq, state) != MQ_RQ_IN_FLIGHT)
		return 0;
	r = kw_begin(KW_KIND_block, &st->owner.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.ts_ns = h->now;
	r->e.subject = st->owner;
	r->e.duration_ns = h->now - st->begin_ns;
	r->e.flags = KW_FLAG_PENDING;
	r->p.dev = st->dev;
	r->p.op = BPF_CORE_READ(rq, cmd_flags) & ((1U << REQ_OP_BITS) - 1);
	r->p.sector = BPF_CORE_READ(rq, __sector);
	r->p.bytes = BPF_CORE_READ(rq, __data_len);
	r->p.queue_ns = st->issue_ns - st->begin_ns;
	r->p.device_ns = h->now - st->issue_ns;
	r->p.inflight = st->inflight;
	r->p.inflight_other = st->inflight_other;
	r->p.requeues = st->requeues;
	r->p.writeback = st->writeback;
	gd = disk_of(rq);
	BPF_CORE_READ_STR_INTO(&r->p.disk, gd, disk_name);
	kw_submit(r, false);
	return ++h->told >= h->enough;
}

SEC("iter/task")
int block_pending(struct bpf_iter__task *ctx)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct hung h = { .now = now, .told = now, .enough = now + KW_HUNG_MAX };

	if (!kw_is_off() && !kw_is_forgetting()) {
		if (!kw_map_is_empty(requests))
			bpf_for_each_map_elem(&requests, request_hangs, &h, 0);
		if (!kw_map_is_empty(kw_bios))
			bpf_for_each_map_elem(&kw_bios, bio_hangs, &h, 0);
	}
	kw_iter_stop(ctx->meta);
	return 0;
}
#endif
