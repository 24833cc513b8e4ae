/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interruptible waits for another task: a lock in user space or on a file that is taken, a pipe or local socket that
 * is full, a stop, a page that a program in user space provides.  Most interruptible sleeps are nothing of the kind, so nothing is noted when one begins.  At its end
 * (sched_waking, in the waker's context) the scheduler's own se.exec_start tells its length, and only for a long one
 * the system call in the sleeper's registers tells what it was.  Who ends such a wait is who had the lock, or who reads.
 */
#ifndef KWHY_BPF_BLOCKED_H
#define KWHY_BPF_BLOCKED_H

#include "bpf/drift.bpf.h"
#include "bpf/irq.bpf.h"

#define KW_BLOCKED_FLOOR_NS 2000000ULL /* shorter ones are not in the sums; stops always are */
#define KW_BLOCKED_DOUBTED_NS 1000000000LL /* from here on compared with the thread's life */
#define KW_READERS_MAX 64
#define KW_READER_FDS 64 /* descriptors of a process searched for the other end of what is full */
#define KW_READER_SEARCH_NS 5000000000ULL

/* include/uapi/linux/futex.h */
enum { FUTEX_WAIT = 0, FUTEX_LOCK_PI = 6, FUTEX_WAIT_BITSET = 9, FUTEX_LOCK_PI2 = 13, FUTEX_PRIVATE_FLAG = 128 };
#define FUTEX_CMD_MASK 0x7f
#define FUTEX_WAITERS 0x80000000U
#define FUTEX_TID_MASK 0x3fffffffU
#define FUTEX_TAKEN_WAITERS 2
#define PID_MAX_LIMIT (4 * 1024 * 1024) /* include/linux/threads.h */
/* include/uapi/asm-generic/fcntl.h */
enum { F_SETLKW = 7, F_OFD_SETLKW = 38 };
/* include/uapi/linux/stat.h, include/linux/fs.h */
#define S_IFMT 0170000
#define S_IFIFO 0010000
#define S_IFSOCK 0140000
#define FMODE_READ 1

/* fs/userfaultfd.c */
extern const void handle_userfault __ksym __weak;
#define KW_USERFAULT_SIZE 4096 /* its code is no longer than that: 2 KiB in 6.18 */
#define KW_USERFAULT_DEPTH 6   /* it calls schedule() itself */

enum { KW_PEER_UNKNOWN, KW_PEER_WAKER, KW_PEER_NAMED };

KW_RECORD(blocked);

/* One wait, as far as the sleeper's registers and descriptors tell. */
struct kw_blocked_wait {
	struct kw_blocked p;
	struct file *file; /* NULL: none */
	u64 object;
	bool same_process; /* a futex that only threads of the sleeper's process can hold */
	bool uncertain;    /* a futex that may be no lock */
};

/* Who has open what others are stuck at, by address of the pipe, of the socket at the other end, of the locked file, of the
   address space whose faults it handles. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, KW_READERS_MAX);
	__type(key, u64);
	__type(value, struct kw_party);
} kw_readers SEC(".maps");

/* [0]: when the scan last asked for a reader, boot time. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} kw_readers_asked SEC(".maps");

enum kw_call { KW_CALL_NONE, KW_CALL_WRITE, KW_CALL_SPLICE, KW_CALL_FLOCK, KW_CALL_FCNTL, KW_CALL_FUTEX };

/* arch/x86/entry/syscalls/syscall_64.tbl */
static __always_inline enum kw_call call_x86(s64 number)
{
	switch (number) {
	case 1: case 20: case 40: case 44: case 46: /* write writev sendfile sendto sendmsg */
		return KW_CALL_WRITE;
	case 275:
		return KW_CALL_SPLICE;
	case 72:
		return KW_CALL_FCNTL;
	case 73:
		return KW_CALL_FLOCK;
	case 202:
		return KW_CALL_FUTEX;
	default:
		return KW_CALL_NONE;
	}
}

/* include/uapi/asm-generic/unistd.h */
static __always_inline enum kw_call call_generic(s64 number)
{
	switch (number) {
	case 64: case 66: case 71: case 206: case 211:
		return KW_CALL_WRITE;
	case 76:
		return KW_CALL_SPLICE;
	case 25:
		return KW_CALL_FCNTL;
	case 32:
		return KW_CALL_FLOCK;
	case 98:
		return KW_CALL_FUTEX;
	default:
		return KW_CALL_NONE;
	}
}

static __always_inline struct file *file_of(struct task_struct *task, u64 fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *file = NULL;

	if (fd < BPF_CORE_READ(table, max_fds))
		bpf_probe_read_kernel(&file, sizeof(file), &files[fd]);
	return file;
}

/*
 * A futex is only a word; what it is for is the business of user space.  A lock is known by what its waiter expects in
 * the word: 2 for "taken, with waiters" (U. Drepper, "Futexes Are Tricky"; glibc, Go and Rust do so), or the holder's
 * thread with FUTEX_WAITERS (robust and PI locks, musl).  Everything else is a wait for work.  Rust waits on the
 * counter of a condition variable in the same way: that it is 2, too, shows only in what becomes of it.
 */
static __always_inline u32 futex_is_lock(const struct kw_syscall *call, struct kw_blocked_wait *w)
{
	u32 op = call->arg[1] & FUTEX_CMD_MASK, expected = call->arg[2], tid = expected & FUTEX_TID_MASK;

	w->object = call->arg[0];
	w->same_process = call->arg[1] & FUTEX_PRIVATE_FLAG;
	w->uncertain = op == FUTEX_WAIT_BITSET && expected == FUTEX_TAKEN_WAITERS;
	if (op == FUTEX_LOCK_PI || op == FUTEX_LOCK_PI2)
		return KW_BLOCKED_FUTEX;
	if (op != FUTEX_WAIT && op != FUTEX_WAIT_BITSET)
		return 0;
	if (expected == FUTEX_TAKEN_WAITERS || ((expected & FUTEX_WAITERS) && tid && tid < PID_MAX_LIMIT))
		return KW_BLOCKED_FUTEX;
	return 0;
}

/* In the waker's context: a lock is free or taken again, a counter has gone on. */
static __always_inline bool futex_was_lock(const struct kw_blocked_wait *w)
{
	u32 word = ~0U;

	return !w->uncertain || (bpf_probe_read_user(&word, sizeof(word), (void *)w->object) == 0 &&
				 word <= FUTEX_TAKEN_WAITERS);
}

static __always_inline u32 full_of(struct kw_blocked_wait *w)
{
	struct file *file = w->file; /* CO-RE would take our own struct for the kernel's in "w->file" */
	u32 type = BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT;
	struct socket *socket;
	struct sock *sk;

	w->object = (u64)BPF_CORE_READ(file, private_data);
	if (type == S_IFIFO)
		return KW_BLOCKED_PIPE;
	if (type != S_IFSOCK)
		return 0;
	socket = (struct socket *)w->object;
	sk = BPF_CORE_READ(socket, sk);
	w->object = (u64)sk;
	return BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX ? KW_BLOCKED_SOCKET : 0;
}

static __always_inline u32 blocked_in_file(struct task_struct *task, enum kw_call kind, const struct kw_syscall *call,
					   struct kw_blocked_wait *w)
{
	struct file *file = file_of(task, kind == KW_CALL_SPLICE ? call->arg[2] : call->arg[0]);
	struct super_block *sb;
	struct inode *inode;
	u32 what = 0;

	w->file = file;
	if (!file)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	w->object = (u64)inode;
	if (kind == KW_CALL_FLOCK)
		what = KW_BLOCKED_FLOCK;
	else if (kind != KW_CALL_FCNTL)
		what = full_of(w);
	else if (call->arg[1] == F_SETLKW || call->arg[1] == F_OFD_SETLKW)
		what = KW_BLOCKED_POSIX;
	if (!what)
		return 0;
	sb = BPF_CORE_READ(inode, i_sb);
	w->p.inode = BPF_CORE_READ(inode, i_ino);
	w->p.dev = BPF_CORE_READ(sb, s_dev);
	bpf_probe_read_kernel_str(w->p.name, sizeof(w->p.name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
	return what;
}

/*
 * A task that entered the kernel by an exception sleeps in a page fault: for a disk uninterruptibly, for a user-space
 * handler in this function.  Faults of the kernel on behalf of a system call are not looked for: that would take a stack
 * of every long sleep.
 */
static __always_inline u32 blocked_in_fault(struct task_struct *task, struct kw_blocked_wait *w)
{
	u64 frames[KW_USERFAULT_DEPTH] = {}, start = (u64)&handle_userfault;

	if (!start || bpf_get_task_stack(task, frames, sizeof(frames), 0) <= 0)
		return 0;
#pragma unroll
	for (int i = 0; i < KW_USERFAULT_DEPTH; i++) {
		if (frames[i] - start < KW_USERFAULT_SIZE) {
			w->object = (u64)BPF_CORE_READ(task, mm);
			return KW_BLOCKED_FAULT;
		}
	}
	return 0;
}

/* What the sleeping task waits for; 0: nothing of this kind. */
static __noinline u32 blocked_what(struct task_struct *task, u32 state, struct kw_blocked_wait *w)
{
	struct kw_syscall call = {};
	enum kw_call kind;

	if (!w)
		return 0;
	if (state & __TASK_TRACED)
		return KW_BLOCKED_TRACED;
	if (state & __TASK_STOPPED)
		return KW_BLOCKED_STOPPED;
	kw_syscall_of(task, &call);
	if (call.number == -1)
		return blocked_in_fault(task, w);
	kind = call.arm64 ? call_generic(call.number) : call_x86(call.number);
	if (kind == KW_CALL_NONE)
		return 0;
	if (kind != KW_CALL_FUTEX)
		return blocked_in_file(task, kind, &call, w);
	return futex_is_lock(&call, w);
}

static __always_inline u32 blocked_reason(u32 what)
{
	switch (what) {
	case KW_BLOCKED_FUTEX:
		return KW_WAIT_FUTEX;
	case KW_BLOCKED_FLOCK: case KW_BLOCKED_POSIX:
		return KW_WAIT_FILELOCK;
	case KW_BLOCKED_STOPPED:
		return KW_WAIT_STOPPED;
	case KW_BLOCKED_TRACED:
		return KW_WAIT_TRACED;
	case KW_BLOCKED_FAULT:
		return KW_WAIT_FAULT;
	default:
		return KW_WAIT_PEER;
	}
}

/* 0: nobody is blamed by time. */
static __always_inline u32 blocked_resource(u32 what)
{
	switch (what) {
	case KW_BLOCKED_FUTEX:
		return KW_RES_FUTEX;
	case KW_BLOCKED_FLOCK: case KW_BLOCKED_POSIX:
		return KW_RES_FILELOCK;
	case KW_BLOCKED_STOPPED:
		return 0;
	case KW_BLOCKED_TRACED:
		return KW_RES_TRACE;
	case KW_BLOCKED_FAULT:
		return KW_RES_FAULT;
	default:
		return KW_RES_PEER;
	}
}

/*
 * How long the sleeper has been off its CPU.  exec_start is in the clock_task of the run queue it left, which lags
 * behind clock by what interrupts and the hypervisor took.  The waker's own queue has a fresh clock, that of an idle CPU may
 * be old; both only ever make the sleep look shorter.  Threads with an exec_start of 0 that slept nevertheless were seen:
 * a sleep longer than the thread's life is not known.
 */
static __always_inline u64 blocked_for(struct task_struct *task)
{
	struct rq *left;
	s64 ns;

	if (!bpf_core_field_exists(struct cfs_rq, rq))
		return 0;
	left = task->se.cfs_rq->rq;
	ns = kw_rq_clock_here() - (left->clock - left->clock_task) - task->se.exec_start;
	if (ns > KW_BLOCKED_DOUBTED_NS && ns > (s64)(bpf_ktime_get_boot_ns() - task->start_boottime))
		return 0;
	return ns > 0 ? ns : 0;
}

/* The part of a sleep of ns that the sums do not have yet; from now on they have all of it. */
static __always_inline u64 blocked_fresh(struct task_struct *task, u64 ns, bool goes_on)
{
	u64 switches = BPF_CORE_READ(task, nvcsw) + BPF_CORE_READ(task, nivcsw);
	struct kw_task_state *st = kw_task_state(task, goes_on);
	u64 counted = 0;

	if (!st)
		return ns;
	if (st->blocked_switches == switches)
		counted = st->blocked_ns;
	st->blocked_switches = switches;
	st->blocked_ns = ns;
	return ns > counted ? ns - counted : 0;
}

static __noinline int blocked_account(struct task_struct *task, struct kw_blocked_wait *w, const struct kw_party *peer,
				      u64 ns, u32 flags)
{
	struct kw_blocked_record *r;
	struct kw_party self;
	u64 fresh;
	u32 what;

	if (!w || !peer)
		return 0;
	what = w->p.what;
	kw_party_of(task, &self);
	if (kw_is_own(self.pid))
		return 0;
	fresh = blocked_fresh(task, ns, flags & KW_FLAG_PENDING);
	if (fresh) {
		kw_sum_wait(&self.cg, blocked_reason(what), fresh);
		if (blocked_resource(what))
			kw_sum_blame(blocked_resource(what), &self.cg, peer->pid ? peer : NULL,
				     peer->pid ? KW_SINK_CONTAINER : KW_SINK_UNKNOWN, w->object, fresh);
	}
	if (ns < kw_settings.blocked_threshold_ns)
		return 0;
	r = kw_begin(KW_KIND_blocked, &self.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	r->p = w->p;
	r->p.object = w->object;
	r->e.flags = flags;
	r->e.duration_ns = ns;
	r->e.subject = self;
	r->e.peer = *peer;
	if (peer->pid && kw_cg_same(&self.cg, &peer->cg))
		r->e.flags |= KW_FLAG_PEER_SELF;
	kw_submit(r, false);
	return 0;
}

/* Who lets it go: nobody when an interrupt does (a timeout) or when another task only ends a stop. */
static __always_inline void blocked_waker(struct task_struct *task, struct kw_blocked_wait *w, struct kw_party *ret)
{
	struct kw_irq_now *irq = kw_irq_here();

	__builtin_memset(ret, 0, sizeof(*ret));
	if (w->p.what == KW_BLOCKED_TRACED) {
		kw_party_of(BPF_CORE_READ(task, parent), ret); /* ptrace makes the tracer the parent */
		w->p.peer_from = KW_PEER_NAMED;
	} else if (w->p.what != KW_BLOCKED_STOPPED && !(irq && (irq->action || irq->vector || irq->softirq))) {
		kw_party_of((struct task_struct *)bpf_get_current_task(), ret);
		w->p.peer_from = KW_PEER_WAKER;
	}
}

static __noinline int blocked_woken(struct task_struct *task, u32 state, u64 ns)
{
	struct kw_blocked_wait w = {};
	struct kw_party peer;

	if (kw_is_off())
		return 0;
	w.p.what = blocked_what(task, state, &w);
	if (!w.p.what || !futex_was_lock(&w))
		return 0;
	blocked_waker(task, &w, &peer);
	return blocked_account(task, &w, &peer, ns, 0);
}

static __always_inline void blocked_waking(struct task_struct *task)
{
	u32 state = kw_state_direct(task);
	u64 ns;

	if (!(state & (TASK_INTERRUPTIBLE | __TASK_STOPPED | __TASK_TRACED)))
		return;
	ns = blocked_for(task);
	if ((ns >= KW_BLOCKED_FLOOR_NS || (state & __TASK_TRACED)) && !(task->flags & PF_KTHREAD))
		blocked_woken(task, state, ns);
}

#endif
