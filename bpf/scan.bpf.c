// SPDX-License-Identifier: GPL-2.0-only
/*
 * Once a tick over all tasks: waits that have not ended are invisible to the hooks at their end.  What they have cost
 * since the last tick goes into the sums, long ones give a record marked pending.
 *
 * Runs beside the hooks without a lock.  A wait that ends while the scan looks at it may be counted twice for the
 * microseconds both take.
 */
#include "bpf/lock.bpf.h"
#include "bpf/offcpu.bpf.h"
#include "bpf/runq.bpf.h"
#include "bpf/throttle.bpf.h"
#include "bpf/blocked.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* shorter ones are over soon and then counted */
#define PENDING_RUNQ_NS 100000000ULL
#define PENDING_BLOCKED_NS 100000000ULL

#define WAITING_STATES (TASK_INTERRUPTIBLE | __TASK_STOPPED | __TASK_TRACED)

/* task_struct.blocker's low bits (include/linux/hung_task.h) as flags of contention_begin. */
static __always_inline u32 blocker_flags(u64 blocker)
{
	switch (blocker & 3) {
	case 0:
		return LCB_F_MUTEX;
	case 2:
		return LCB_F_READ;
	case 3:
		return LCB_F_WRITE;
	default:
		return 0;
	}
}

/* A lock wait that began before the hooks were there, where the kernel remembers the lock. */
static __noinline int lock_adopt(struct task_struct *task, u64 blocker)
{
	struct kw_lock_wait *w = kw_lock_waits_of(task, true);
	struct kw_task_state *st = kw_task_state(task, true);

	if (!w || !st)
		return 0;
	__builtin_memset(w, 0, sizeof(*w));
	w->lock = blocker & ~3ULL;
	w->flags = blocker_flags(blocker);
	w->runq_ns = st->runq_total_ns;
	st->lock_accounted = 0;
	st->lock_since = bpf_ktime_get_boot_ns();
	return 0;
}

static __noinline int scan_lock(struct task_struct *task, struct kw_task_state *st)
{
	struct kw_lock_wait *w = kw_lock_waits_of(task, false);
	u64 now = bpf_ktime_get_boot_ns();
	struct super_block *sb;

	if (!st || !w || !w->lock || (s64)(now - st->lock_since) < (s64)kw_settings.lock_threshold_ns)
		return 0;
	sb = (struct super_block *)w->fs.sb;
	if (sb)
		w->fs.level = BPF_CORE_READ(sb, s_writers.frozen);
	else
		holder_refresh(w, now);
	return lock_account(task, st, w, now, KW_FLAG_PENDING);
}

static __noinline int scan_blocked(struct task_struct *task, u32 state)
{
	struct kw_task_state *st = kw_task_state(task, true);
	u64 now = bpf_ktime_get_boot_ns();

	if (!st)
		return 0;
	if (!st->off_since) {
		/* Since before the hooks were there, or frozen while it slept: no switch told. */
		st->off_accounted = 0;
		st->off_state = state;
		st->off_estimated = 1;
		st->off_since = now;
		return 0;
	}
	return offcpu_account(task, st, state, now, KW_FLAG_PENDING);
}

static __noinline int scan_runnable(struct task_struct *task, struct kw_task_state *st)
{
	u64 queued = BPF_CORE_READ(task, sched_info.last_queued), now = kw_rq_clock(task);

	if (!queued || (s64)(now - queued) < (s64)PENDING_RUNQ_NS || runq_is_stale(st, queued))
		return 0;
	if (st && st->throttle_since == queued && kw_throttled(task))
		return kw_settings.throttle_on ? throttle_account(task, st, now - queued, KW_FLAG_PENDING) : 0;
	/* Off the queue and in storage under a quota: throttle_end() will tell how much of it was a wait for the CPU. */
	if ((st && st->throttle_since == queued) || kw_throttled(task) || !kw_settings.runq_on)
		return 0;
	st = kw_task_state(task, true);
	return runq_wait(task, st, queued, now, KW_FLAG_PENDING);
}

/* A voluntary sleep of a container's task, once: context for whoever waits for it, never a wait in the sums. */
static __noinline int scan_sleep(struct task_struct *task)
{
	u64 switches = BPF_CORE_READ(task, nvcsw) + BPF_CORE_READ(task, nivcsw);
	struct kw_task_state *st;
	struct kw_party self;
	u64 now;

	kw_cg_of_task(task, &self.cg);
	if (self.cg.v2 <= 1 && !self.cg.v1)
		return 0;
	st = kw_task_state(task, true);
	if (!st)
		return 0;
	now = bpf_ktime_get_boot_ns();
	if (st->sleep_switches != switches || !st->sleep_seen) {
		st->sleep_switches = switches;
		st->sleep_seen = now;
		st->sleep_reported = 0;
		return 0;
	}
	if (st->sleep_reported || now - st->sleep_seen < kw_settings.offcpu_sleep_threshold_ns)
		return 0;
	st->sleep_reported = 1;
	kw_party_of(task, &self);
	if (kw_is_own(self.pid))
		return 0;
	return offcpu_record(task, &self, kw_state_of(task), 0, now - st->sleep_seen, KW_FLAG_PENDING | KW_FLAG_ESTIMATED);
}

/* The task a process id of the first namespace belongs to, as a party. */
static __noinline int party_of_pid(s32 pid, struct kw_party *ret, u32 *ret_state)
{
	struct task_struct *task;

	if (!ret || !ret_state || !pid || !bpf_task_from_pid || !bpf_task_release)
		return 0;
	task = bpf_task_from_pid(pid);
	if (!task)
		return 0;
	kw_party_of(task, ret);
	*ret_state = kw_state_of(task);
	bpf_task_release(task);
	return 1;
}

/* Who has this end open, when a former scan has found it; else the next one looks. */
static __always_inline void reader_of(u64 end, struct kw_party *ret)
{
	struct kw_party *known = bpf_map_lookup_elem(&kw_readers, &end), nobody = {};
	u64 now = bpf_ktime_get_boot_ns();
	u32 zero = 0;

	if (known && known->pid) {
		*ret = *known;
		return;
	}
	bpf_map_update_elem(&kw_readers, &end, &nobody, BPF_ANY);
	bpf_map_update_elem(&kw_readers_asked, &zero, &now, BPF_ANY);
}

/* A lock outlives who took it (flock(1) on a shell's descriptor): then it is whose who has that file open. */
static __always_inline void lock_holder_of(struct list_head *list, struct kw_party *ret, u32 *ret_state)
{
	struct kw_file_lock lock = {};

	if (kw_file_lock_of(list, &lock) && !party_of_pid(lock.pid, ret, ret_state))
		reader_of(lock.file, ret);
}

/* Whom a wait that goes on is for, as its object tells. */
static __noinline int blocked_named(struct task_struct *task, struct kw_blocked_wait *w, struct kw_party *ret)
{
	struct file_lock_context *locks;
	struct list_head *list;
	struct inode *inode;
	struct sock *sk;
	u32 state = 0;

	if (!w || !ret)
		return 0;
	inode = (struct inode *)w->object;
	sk = (struct sock *)w->object;
	switch (w->p.what) {
	case KW_BLOCKED_FUTEX:
		if (w->same_process)
			kw_party_of(BPF_CORE_READ(task, group_leader), ret);
		break;
	case KW_BLOCKED_FLOCK: case KW_BLOCKED_POSIX:
		locks = BPF_CORE_READ(inode, i_flctx);
		list = w->p.what == KW_BLOCKED_FLOCK ? &locks->flc_flock : &locks->flc_posix;
		if (locks)
			lock_holder_of(list, ret, &state);
		break;
	case KW_BLOCKED_PIPE:
		reader_of(w->object, ret);
		break;
	case KW_BLOCKED_SOCKET: /* not sk_peer_pid: that is who made it */
		if (bpf_core_type_exists(struct unix_sock))
			reader_of((u64)BPF_CORE_READ((struct unix_sock *)sk, peer, sk_socket), ret);
		break;
	case KW_BLOCKED_TRACED:
		kw_party_of(BPF_CORE_READ(task, parent), ret);
		break;
	case KW_BLOCKED_FAULT:
		reader_of(w->object, ret);
		break;
	}
	w->p.holder_state = state;
	w->p.peer_from = ret->pid ? KW_PEER_NAMED : KW_PEER_UNKNOWN;
	return 0;
}

/* A wait for another task that goes on.  0: it is no such wait. */
static __noinline int scan_waiting(struct task_struct *task, u32 state)
{
	u64 ns = blocked_for(task);
	struct kw_blocked_wait w = {};
	struct kw_party peer = {};

	if (ns < PENDING_BLOCKED_NS)
		return 0;
	w.p.what = blocked_what(task, state, &w);
	if (!w.p.what || w.uncertain)
		return 0;
	blocked_named(task, &w, &peer);
	blocked_account(task, &w, &peer, ns, KW_FLAG_PENDING);
	return 1;
}

static __always_inline void found(struct task_struct *task, u64 what)
{
	struct kw_party holder;

	if (!what || !bpf_map_lookup_elem(&kw_readers, &what))
		return;
	kw_party_of(task, &holder);
	bpf_map_update_elem(&kw_readers, &what, &holder, BPF_ANY);
}

/*
 * Whose faults are handled through this file.  Only the file's name says that it is a userfaultfd: that is asked for
 * what would be an address space somebody waits in.  The process itself may keep a copy of what it gave to its handler.
 */
static __always_inline void found_handler(struct task_struct *task, struct file *file)
{
	struct userfaultfd_ctx *ctx = BPF_CORE_READ(file, private_data);
	u64 mm = (u64)BPF_CORE_READ(ctx, mm);
	struct kw_party *known;
	u64 name = 0;

	if (!mm)
		return;
	known = bpf_map_lookup_elem(&kw_readers, &mm);
	if (!known || (known->pid && (u64)BPF_CORE_READ(task, mm) == mm))
		return;
	bpf_probe_read_kernel(&name, sizeof(name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
	if (!__builtin_memcmp(&name, "[userfaultfd]", sizeof(name)))
		found(task, mm);
}

static __always_inline void scan_file(struct task_struct *task, struct file **at)
{
	struct file *file = NULL;

	bpf_probe_read_kernel(&file, sizeof(file), at);
	if (!file)
		return;
	found(task, (u64)file);
	if (BPF_CORE_READ(file, f_mode) & FMODE_READ)
		found(task, (u64)BPF_CORE_READ(file, private_data));
	if (bpf_core_type_exists(struct userfaultfd_ctx))
		found_handler(task, file);
}

#ifndef KW_PLAIN
struct open_files {
	struct task_struct *task;
	struct file **files;
};

/* bpf_loop() callback: one descriptor. */
static int scan_file_step(u32 i, void *data)
{
	struct open_files *c = data;

	scan_file(c->task, &c->files[i]);
	return 0;
}
#endif

/* Whether this process has open what somebody waits at: a locked file, the other end of a pipe or socket. */
static __noinline int scan_files(struct task_struct *task)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd);
	u32 count = BPF_CORE_READ(table, max_fds);

	if (!files)
		return 0;
#ifdef KW_PLAIN /* here a context of the loop costs the verifier more than it has steps */
	for (u32 i = 0; i < KW_READER_FDS && i < count; i++)
		scan_file(task, &files[i]);
#else
	struct open_files c = { .task = task, .files = files };

	bpf_loop(count < KW_READER_FDS ? count : KW_READER_FDS, scan_file_step, &c, 0);
#endif
	return 0;
}

static __always_inline bool readers_wanted(void)
{
	u32 zero = 0;
	u64 *asked = bpf_map_lookup_elem(&kw_readers_asked, &zero);

	return asked && *asked && bpf_ktime_get_boot_ns() - *asked < KW_READER_SEARCH_NS;
}

#ifndef KW_PLAIN /* there, no hook tells of one that is frozen */
/* bpf_for_each_map_elem() callback: a file system that was frozen and no longer is. */
static long freezer_check(struct bpf_map *map, u64 *sb, struct kw_freezer *f, void *data)
{
	struct super_block *block = (struct super_block *)*sb;
	struct kw_freeze_record *r;

	if (BPF_CORE_READ(block, s_writers.frozen) && BPF_CORE_READ(block, s_dev) == f->dev)
		return 0;
	r = kw_begin(KW_KIND_freeze, &f->by.cg, sizeof(*r), sizeof(r->p));
	if (r) {
		__builtin_memset(&r->p, 0, sizeof(r->p));
		r->e.duration_ns = r->e.ts_ns - f->since;
		r->e.flags = KW_FLAG_ESTIMATED;
		r->p.what = 4;
		r->p.dev = f->dev;
		__builtin_memcpy(r->p.target, f->id, sizeof(f->id));
		kw_submit(r, true);
	}
	bpf_map_delete_elem(map, sb);
	return 0;
}
#endif

static __always_inline void scan_one(struct task_struct *task)
{
	u32 state = kw_state_direct(task);
	struct kw_task_state *st = kw_task_state(task, false);
	bool blocked = offcpu_is_wait(task, state);
	u64 blocker;

	if (task->on_cpu)
		return;
	if (st && !blocked)
		st->off_since = 0; /* thawed without a wakeup: it sleeps on */
	if (kw_settings.lock_on && blocked) {
		blocker = kw_blocker(task);
		if (blocker && !(st && st->lock_since)) {
			lock_adopt(task, blocker);
			return;
		}
	}
	if (kw_settings.lock_on && st && st->lock_since)
		scan_lock(task, st);
	else if (kw_settings.offcpu_on && blocked)
		scan_blocked(task, state);
	else if (!state)
		scan_runnable(task, st);
	else if (kw_settings.blocked_on && (state & WAITING_STATES) && scan_waiting(task, state))
		return;
	else if (kw_settings.offcpu_on && (state & TASK_INTERRUPTIBLE))
		scan_sleep(task);
}

SEC("iter/task")
int scan_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task && kw_is_forgetting()) {
		kw_task_states_forget(task);
		return 0;
	}
	if (!task || kw_is_off())
		return 0;
#ifndef KW_PLAIN
	if (!ctx->meta->seq_num)
		bpf_for_each_map_elem(&kw_freezers, freezer_check, NULL, 0);
#endif
	if (task->flags & PF_KTHREAD)
		return 0;
	scan_one(task);
	if (kw_settings.blocked_on && task->pid == task->tgid && readers_wanted())
		scan_files(task);
	return 0;
}
