// SPDX-License-Identifier: GPL-2.0-only
/* contention_begin and contention_end; what a wait is made of stands in bpf/lock.bpf.h. */
#include "bpf/lock.bpf.h"
#include "bpf/irq.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define SPIN_SLOTS 4

struct spin_wait {
	u64 lock;
	u64 since;
	u32 flags;
	u32 _pad;
};

struct spin_waits {
	struct spin_wait slot[SPIN_SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct spin_waits);
} spin_waits SEC(".maps");

static __always_inline bool is_spin(u32 flags)
{
	return (flags & LCB_F_SPIN) && !(flags & LCB_F_MUTEX);
}

static __always_inline struct spin_wait *spin_slot(u64 lock)
{
	u32 zero = 0;
	struct spin_waits *all = bpf_map_lookup_elem(&spin_waits, &zero);

	return all ? &all->slot[lock >> 6 & (SPIN_SLOTS - 1)] : NULL;
}

/*
 * Is this rwsem one of the three in super_block.s_writers?  The address alone cannot tell, so every candidate must look
 * like a super block that is being frozen at that level.  To be asked when the wait begins: the level is back at 0
 * before the writers are let go.
 */
static __noinline int lock_of_fs(u64 lock, struct kw_fs_lock *ret)
{
	u64 size = bpf_core_type_size(struct percpu_rw_semaphore);
	u64 base = bpf_core_field_offset(struct super_block, s_writers) +
		   bpf_core_field_offset(struct sb_writers, rw_sem);
	u32 level;

	if (!ret)
		return 0;
	for (level = 0; level < 3; level++) {
		u64 at = lock - base - level * size;

		if (kw_is_super_block((struct super_block *)at) &&
		    BPF_CORE_READ((struct super_block *)at, s_writers.frozen) > level) {
			ret->sb = at;
			ret->level = BPF_CORE_READ((struct super_block *)at, s_writers.frozen);
			ret->dev = BPF_CORE_READ((struct super_block *)at, s_dev);
			return 1;
		}
	}
	return 0;
}

static __noinline int sleep_begin(u64 lock, u32 flags)
{
	struct task_struct *self = bpf_get_current_task_btf();
	struct kw_task_state *st;
	struct kw_lock_wait *w;
	u64 now;

	if (self->flags & PF_KTHREAD)
		return 0;
	st = kw_task_state(self, true);
	w = kw_lock_waits_of(self, true);
	if (!st || !w) {
		kw_count_lost_other(KW_KIND_lock);
		return 0;
	}
	now = bpf_ktime_get_boot_ns();
	/* A mutex says so twice: when it begins to spin and when it goes to sleep; maybe several times. */
	if (!st->lock_since || w->lock != lock) {
		st->lock_since = now;
		st->lock_accounted = 0;
		w->lock = lock;
		w->runq_ns = st->runq_total_ns;
		w->holder_frames = 0;
		w->holder_state = 0;
		w->holder_on_cpu = 0;
		__builtin_memset(&w->holder, 0, sizeof(w->holder));
		__builtin_memset(&w->fs, 0, sizeof(w->fs));
		if ((flags & LCB_F_PERCPU) && (flags & LCB_F_READ))
			lock_of_fs(lock, &w->fs);
	}
	w->flags = flags;
	if (!w->holder.pid)
		holder_note(w, now, !(flags & LCB_F_SPIN));
	return 0;
}

SEC("tp_btf/contention_begin")
int BPF_PROG(lock_wait_begin, void *lock, unsigned int flags)
{
	struct spin_wait *spin;

	if (kw_is_off())
		return 0;
	if (!is_spin(flags))
		return sleep_begin((u64)lock, flags);
	spin = spin_slot((u64)lock);
	if (spin) {
		spin->lock = (u64)lock;
		spin->since = bpf_ktime_get_boot_ns();
		spin->flags = flags;
	}
	return 0;
}

/* Only a task's own spinning: in an interrupt, current is somebody else. */
static __noinline int spin_long(struct spin_wait *spin, u64 now)
{
	struct task_struct *self = bpf_get_current_task_btf();
	struct kw_irq_now *irq = kw_irq_here();
	struct kw_lock_wait *w;
	struct kw_party party;
	u64 ns;

	if (!spin || !irq || irq->action || irq->vector || irq->softirq || (self->flags & PF_KTHREAD))
		return 0;
	ns = now - spin->since;
	w = kw_lock_waits_of(self, true);
	if (!w) {
		kw_count_lost_other(KW_KIND_lock);
		return 0;
	}
	/* A spin inside a sleeping lock's slow path must not overwrite that wait. */
	if (w->lock && w->lock != spin->lock)
		return 0;
	__builtin_memset(w, 0, sizeof(*w));
	w->lock = spin->lock;
	w->flags = spin->flags;
	kw_party_of(self, &party);
	if (!kw_is_own(party.pid)) {
		lock_sums(&party, w, ns, false);
		if (ns >= kw_settings.lock_threshold_ns)
			lock_record(self, &party, w, ns, 0);
	}
	w->lock = 0;
	return 0;
}

static __noinline int sleep_end(u64 lock)
{
	struct task_struct *self = bpf_get_current_task_btf();
	struct kw_task_state *st = kw_task_state(self, false);
	struct kw_lock_wait *w;
	u64 now;

	if (!st || !st->lock_since)
		return 0;
	w = kw_lock_waits_of(self, false);
	if (!w || w->lock != lock)
		return 0;
	now = bpf_ktime_get_boot_ns();
	if (now - st->lock_since >= KW_LOCK_FLOOR_NS) {
		struct task_struct *owner = (struct task_struct *)w->owner;

		if (w->holder.tid && !w->holder.pid && BPF_CORE_READ(owner, pid) == w->holder.tid &&
		    BPF_CORE_READ(owner, start_boottime) == w->holder.start_ns)
			kw_party_of(owner, &w->holder);
		lock_account(self, st, w, now, 0);
	}
	st->lock_since = 0;
	w->lock = 0;
	return 0;
}

SEC("tp_btf/contention_end")
int BPF_PROG(lock_wait_end, void *lock, int ret)
{
	struct spin_wait *spin = spin_slot((u64)lock);
	u64 now;

	if (!spin || spin->lock != (u64)lock)
		return sleep_end((u64)lock);
	now = bpf_ktime_get_boot_ns();
	spin->lock = 0;
	if (now - spin->since >= KW_LOCK_FLOOR_NS) {
		spin->lock = (u64)lock;
		spin_long(spin, now);
		spin->lock = 0;
	}
	return 0;
}
