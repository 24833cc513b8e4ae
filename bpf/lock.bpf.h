/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Waits for kernel locks, from contention_begin to contention_end.
 *
 * Sleeping locks keep what they know in task storage, because the scan reports those that never end.  Spinning ones
 * stay on their CPU and may interrupt each other and a sleeping wait: they have a few slots per CPU.
 *
 * The holder is who owned the lock when the waiter went to sleep (the first one when the lock changes hands before the
 * waiter gets it).  A lock that stores no owner (semaphores, spin locks, per-CPU rwsems) has none.
 */
#ifndef KWHY_BPF_LOCK_H
#define KWHY_BPF_LOCK_H

#include "bpf/freeze.bpf.h"

/* include/trace/events/lock.h */
#define LCB_F_SPIN 1
#define LCB_F_READ 2
#define LCB_F_WRITE 4
#define LCB_F_RT 8
#define LCB_F_PERCPU 16
#define LCB_F_MUTEX 32

#define KW_LOCK_FLOOR_NS 1000000ULL /* shorter waits are not in the sums */
#define KW_HOLDER_STACKS 50         /* a second and CPU: 2 us each */

enum kw_lock_type {
	KW_LOCK_MUTEX = 1, KW_LOCK_RWSEM_READ, KW_LOCK_RWSEM_WRITE, KW_LOCK_SPIN, KW_LOCK_RWLOCK,
	KW_LOCK_PERCPU_READ, KW_LOCK_PERCPU_WRITE, KW_LOCK_RT, KW_LOCK_OTHER,
};

/* A file system whose writers wait for its thaw; sb 0: the lock is of no file system. */
struct kw_fs_lock {
	u64 sb;
	u32 level;
	u32 dev;
};

/* One task's present wait for a sleeping lock; begun when kw_task_state.lock_since is set. */
struct kw_lock_wait {
	u64 lock;
	u64 runq_ns; /* kw_task_state.runq_total_ns at the beginning */
	u64 owner;   /* task_struct */
	u32 flags;
	u32 holder_state;
	u32 holder_on_cpu;
	u32 holder_frames;
	struct kw_fs_lock fs;
	struct kw_party holder;
	u64 holder_stack[KW_STACK_FRAMES_MAX];
};

KW_TASK_STORAGE(kw_lock_waits, struct kw_lock_wait, 16) /* contention_begin is of 5.19, and so are all but those */

struct stack_tokens {
	u64 second;
	u64 taken;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stack_tokens);
} stack_tokens SEC(".maps");

/* 6.2; without them there are no holders' stacks, but for those the scan takes. */
extern struct task_struct *bpf_task_from_pid(s32 pid) __ksym __weak;
extern void bpf_task_release(struct task_struct *task) __ksym __weak;

KW_RECORD_STACKS(lock);

static __always_inline u32 lock_type(u32 flags)
{
	if (flags & LCB_F_MUTEX)
		return KW_LOCK_MUTEX;
	if (flags & LCB_F_RT)
		return KW_LOCK_RT;
	if (flags & LCB_F_PERCPU)
		return flags & LCB_F_WRITE ? KW_LOCK_PERCPU_WRITE : KW_LOCK_PERCPU_READ;
	if (flags & LCB_F_SPIN)
		return flags & (LCB_F_READ | LCB_F_WRITE) ? KW_LOCK_RWLOCK : KW_LOCK_SPIN;
	if (flags & LCB_F_READ)
		return KW_LOCK_RWSEM_READ;
	return flags & LCB_F_WRITE ? KW_LOCK_RWSEM_WRITE : KW_LOCK_OTHER;
}

/* The lower three bits of both owner words are flags (kernel/locking/mutex.h, rwsem.c). */
static __always_inline struct task_struct *lock_owner(u64 lock, u32 flags)
{
	u64 owner = 0;

	if (flags & LCB_F_MUTEX)
		owner = BPF_CORE_READ((struct mutex *)lock, owner.counter);
	else if ((flags & (LCB_F_READ | LCB_F_WRITE)) && !(flags & (LCB_F_SPIN | LCB_F_PERCPU | LCB_F_RT)))
		owner = BPF_CORE_READ((struct rw_semaphore *)lock, owner.counter);
	return (struct task_struct *)(owner & ~7ULL);
}

static __always_inline bool stack_allowed(u64 now)
{
	u32 zero = 0;
	struct stack_tokens *t = bpf_map_lookup_elem(&stack_tokens, &zero);
	u64 second = now / 1000000000ULL;

	if (!t)
		return false;
	if (t->second != second) {
		t->second = second;
		t->taken = 0;
	}
	return t->taken++ < KW_HOLDER_STACKS;
}

/* Where the holder is.  Of one that runs on another CPU the unwinder gives nothing, which is the answer. */
static __noinline int holder_stack(struct kw_lock_wait *w)
{
	struct task_struct *holder;
	long bytes;

	if (!w || !bpf_task_from_pid || !bpf_task_release)
		return 0;
	holder = bpf_task_from_pid(w->holder.tid);
	if (!holder)
		return 0;
	__builtin_memset(w->holder_stack, 0, sizeof(w->holder_stack));
	bytes = bpf_get_task_stack(holder, w->holder_stack, sizeof(w->holder_stack), 0);
	bpf_task_release(holder);
	w->holder_frames = bytes > 0 ? bytes / sizeof(u64) : 0;
	return 0;
}

/* asleep: the waiter stops spinning, so there is time to look closely. */
static __always_inline void holder_note(struct kw_lock_wait *w, u64 now, bool asleep)
{
	struct task_struct *owner = lock_owner(w->lock, w->flags);

	w->owner = (u64)owner;
	if (!owner) {
		w->holder.tid = 0;
		return;
	}
	if (!asleep) {
		w->holder.tid = BPF_CORE_READ(owner, pid);
		w->holder.start_ns = BPF_CORE_READ(owner, start_boottime);
		w->holder.pid = 0; /* the rest follows at the end, if it is still that task */
		return;
	}
	kw_party_of(owner, &w->holder);
	w->holder_state = kw_state_of(owner);
	w->holder_on_cpu = kw_on_cpu(owner);
	if (!w->holder_on_cpu && stack_allowed(now))
		holder_stack(w);
}

/* The scan looks again: where a holder that is still the same is now, or who has it when that was not known. */
static __always_inline void holder_refresh(struct kw_lock_wait *w, u64 now)
{
	struct task_struct *owner = lock_owner(w->lock, w->flags);

	if (!owner || (w->holder.pid && BPF_CORE_READ(owner, pid) != w->holder.tid))
		return;
	holder_note(w, now, true);
}

/* The holder of a frozen file system's lock is who froze it, when a hook told. */
static __always_inline void lock_freezer(struct kw_lock_wait *w)
{
	u64 sb = w->fs.sb;
	struct kw_freezer *f = bpf_map_lookup_elem(&kw_freezers, &sb);

	if (f)
		w->holder = f->by;
}

/* Adds a wait of from .. now to the sums, less what of it was waiting for a CPU. */
static __always_inline void lock_sums(const struct kw_party *self, const struct kw_lock_wait *w, u64 ns,
				      bool in_reclaim)
{
	const struct kw_fs_lock *fs = &w->fs;
	const struct kw_party *holder = w->holder.tid ? &w->holder : NULL;

	if (!in_reclaim) /* reclaim's own sum has the locks it waits for */
		kw_sum_wait(&self->cg, fs->sb ? KW_WAIT_FSFROZEN : KW_WAIT_LOCK, ns);
	kw_sum_blame(fs->sb ? KW_RES_FS : KW_RES_LOCK, &self->cg, holder,
		     holder ? KW_SINK_CONTAINER : KW_SINK_UNKNOWN, fs->sb ? fs->dev : w->lock, ns);
}

static __always_inline void fs_name(const struct kw_fs_lock *fs, char *ret)
{
	struct super_block *sb = (struct super_block *)fs->sb;

	__builtin_memcpy(ret, "fs:", 3);
	bpf_probe_read_kernel_str(ret + 3, 32, &sb->s_id);
}

/*
 * What a rwsem belongs to, where that can be proved: an inode's mapping points back to the inode, an address space's
 * owner to the address space.  Any address may be asked: reads are checked.
 */
#ifndef KW_PLAIN
static __always_inline void lock_owner_name(struct task_struct *task, u64 lock, struct kw_lock *ret)
{
	struct inode *inode = (void *)(lock - bpf_core_field_offset(struct inode, i_rwsem));
	struct mm_struct *mm = (void *)(lock - bpf_core_field_offset(struct mm_struct, mmap_lock));
	struct task_struct *owner = task;
	struct super_block *sb;

	if (BPF_CORE_READ(inode, i_data.host) == inode) {
		sb = BPF_CORE_READ(inode, i_sb);
		ret->dev = BPF_CORE_READ(sb, s_dev);
		BPF_SNPRINTF(ret->name, sizeof(ret->name), "inode:%lu@%s", BPF_CORE_READ(inode, i_ino), &sb->s_id);
		return;
	}
	if (BPF_CORE_READ(task, mm) != mm && bpf_core_field_exists(mm->owner))
		owner = BPF_CORE_READ(mm, owner);
	if (BPF_CORE_READ(owner, mm) == mm)
		BPF_SNPRINTF(ret->name, sizeof(ret->name), "mmap:%s", &owner->comm);
}
#else
static __always_inline void lock_owner_name(struct task_struct *task, u64 lock, struct kw_lock *ret)
{
}
#endif

static __noinline int lock_record(struct task_struct *task, const struct kw_party *self, const struct kw_lock_wait *w,
				  u64 ns, u32 flags)
{
	struct kw_lock_record *r;
	long bytes;

	if (!self || !w)
		return 0;
	r = kw_begin(KW_KIND_lock, &self->cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.flags = flags;
	r->e.duration_ns = ns;
	r->e.subject = *self;
	r->e.peer = w->holder;
	if (w->holder.tid && kw_cg_same(&self->cg, &w->holder.cg))
		r->e.flags |= KW_FLAG_PEER_SELF;
	r->p.address = w->lock;
	r->p.contention_flags = w->flags;
	r->p.type = lock_type(w->flags);
	r->p.holder_state = w->holder_state;
	r->p.holder_on_cpu = w->holder_on_cpu;
	if (w->fs.sb) {
		r->p.fs_freeze_level = w->fs.level;
		r->p.dev = w->fs.dev;
		fs_name(&w->fs, r->p.name);
	} else if (r->p.type == KW_LOCK_RWSEM_READ || r->p.type == KW_LOCK_RWSEM_WRITE) {
		lock_owner_name(task, w->lock, &r->p);
	}
	bytes = bpf_get_task_stack(task, r->stack, sizeof(r->stack), 0);
	r->e.frames = bytes > 0 ? bytes / sizeof(u64) : 0;
	if (w->holder_frames) {
		__builtin_memcpy(r->peer_stack, w->holder_stack, sizeof(r->peer_stack));
		r->e.peer_frames = w->holder_frames;
	}
	kw_submit(r, false);
	return 0;
}

/*
 * A sleeping wait that ends (or goes on) at now.  fresh: what of it the sums do not have yet, without the time it was
 * waiting for a CPU, which the run-queue probe has counted.
 */
static __noinline int lock_account(struct task_struct *task, struct kw_task_state *st, struct kw_lock_wait *w, u64 now,
				   u32 flags)
{
	struct kw_party self;
	u64 from, fresh, waited_cpu;

	if (!st || !w)
		return 0;
	from = st->lock_accounted > st->lock_since ? st->lock_accounted : st->lock_since;
	waited_cpu = st->runq_total_ns - w->runq_ns;
	w->runq_ns = st->runq_total_ns;
	fresh = now - from;
	fresh = fresh > waited_cpu ? fresh - waited_cpu : 0;
	kw_party_of(task, &self);
	if (kw_is_own(self.pid))
		return 0;
	if (w->fs.sb)
		lock_freezer(w);
	if (fresh)
		lock_sums(&self, w, fresh, st->reclaim_since != 0);
	st->lock_accounted = now;
	if (now - st->lock_since >= kw_settings.lock_threshold_ns)
		lock_record(task, &self, w, now - st->lock_since, flags);
	return 0;
}

#endif
