// SPDX-License-Identifier: GPL-2.0-only
/*
 * Failing system calls, by container, call and error.
 *
 * A program at the end of every system call costs each of them, and the mere presence of one sends all calls through
 * the slow way out of the kernel (36 ns).  So the collector attaches this one for some milliseconds after some ticks only
 * (probe.errors.window): a storm of errors shows in any window, and nothing else is looked for.  Counts become records
 * at the next tick, when the window is long closed.
 */
#include "bpf/drift.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define CALLS_MAX 4096
#define ERRORS_LEAST 200 /* a second... */
#define COUNT_LEAST 4    /* ...and in a window */
#define MAX_ERRNO 133    /* EHWPOISON; beyond are those that user space never sees (ERESTARTSYS) */
/* include/uapi/asm-generic/errno.h */
enum { EINTR = 4, EAGAIN = 11, ETIMEDOUT = 110, EALREADY = 114, EINPROGRESS = 115 };

KW_RECORD(errors);

/* error 0: all calls. */
struct call_key {
	u64 set; /* css_set: the container, cheaply */
	u32 number;
	u32 error;
};

struct call_count {
	u64 count;
	struct kw_party first;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CALLS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct call_key);
	__type(value, struct call_count);
} call_counts SEC(".maps");

/* First and last failure in the window. */
struct window {
	u64 first_ns;
	u64 last_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct window);
} windows SEC(".maps");

/*
 * Calls that ended on a CPU one after the other, all of one container.  Every call counts: of a program whose calls fail
 * in bursts one in so many is no fair sample, and its share of failures decides.
 */
struct call_run {
	u64 set;
	u64 count;
};

KW_EACH_CPU(call_runs, struct call_run)

static __always_inline struct window *window_here(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&windows, &zero);
}

static __noinline int call_is_new(const struct call_key *key, u64 count)
{
	struct call_count fresh = { .count = count };

	if (!key)
		return 0;
	kw_party_of((struct task_struct *)bpf_get_current_task(), &fresh.first);
	if (bpf_map_update_elem(&call_counts, key, &fresh, BPF_ANY))
		kw_count_lost_other(KW_KIND_errors);
	return 0;
}

static __always_inline void call_add(const struct call_key *key, u64 count)
{
	struct call_count *known = bpf_map_lookup_elem(&call_counts, key);

	if (known)
		__sync_fetch_and_add(&known->count, count);
	else
		call_is_new(key, count);
}

static __always_inline bool asks_again(u32 error)
{
	return error == EAGAIN || error == EINTR || error == EINPROGRESS || error == EALREADY || error == ETIMEDOUT;
}

static __noinline int call_failed(struct task_struct *task, u32 error)
{
	struct call_key key = { .set = (u64)task->cgroups, .error = error };
	struct window *w = window_here();
	struct kw_syscall call = {};
	u64 now = bpf_ktime_get_ns();

	if (!w || kw_is_own(task->tgid))
		return 0;
	if (!w->first_ns)
		w->first_ns = now;
	w->last_ns = now;
	kw_syscall_of(task, &call);
	key.number = call.number;
	call_add(&key, 1);
	return 0;
}

static __noinline int call_run_over(struct call_run *run)
{
	struct call_key every = {};

	if (!run || !run->count)
		return 0;
	every.set = run->set;
	call_add(&every, run->count);
	run->count = 0;
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_left, struct pt_regs *regs, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct call_run *run = call_runs_here();
	u64 set = (u64)task->cgroups;

	if (!run || kw_is_off())
		return 0;
	if (run->set != set) {
		call_run_over(run);
		run->set = set;
	}
	run->count++;
	if (ret < 0 && ret >= -MAX_ERRNO && !asks_again(-ret))
		call_failed(task, -ret);
	return 0;
}

static __noinline int errors_record(const struct call_key *key, struct call_count *count, u64 window_ns, u64 rate)
{
	struct call_key every = {};
	struct kw_errors_record *r;
	struct call_count *calls;

	if (!key || !count)
		return 0;
	r = kw_begin(KW_KIND_errors, &count->first.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	every.set = key->set;
	calls = bpf_map_lookup_elem(&call_counts, &every);
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject = count->first;
	r->e.error = key->error;
	r->p.count = count->count;
	r->p.calls = calls && calls->count > count->count ? calls->count : count->count;
	r->p.window_ns = window_ns;
	r->p.rate = rate;
	r->p.syscall = key->number;
	kw_submit(r, false);
	return 0;
}

/* bpf_for_each_map_elem() callbacks */
static long tell(struct bpf_map *map, struct call_key *key, struct call_count *count, void *data)
{
	struct window *w = window_here();
	u64 window_ns, rate;

	if (!w || !key->error || count->count < COUNT_LEAST)
		return 0;
	/* The collector may have been late to close it. */
	window_ns = w->last_ns - w->first_ns;
	if ((s64)window_ns < (s64)kw_settings.errors_window_ns)
		window_ns = kw_settings.errors_window_ns;
	rate = count->count * 1000000000ULL / (window_ns ? window_ns : 1);
	if (rate >= ERRORS_LEAST)
		errors_record(key, count, window_ns, rate);
	return 0;
}

static long forget(struct bpf_map *map, struct call_key *key, struct call_count *count, void *data)
{
	bpf_map_delete_elem(map, key);
	return 0;
}

/* KW_LOOP() callback: the window is closed, so no CPU adds to its run. */
static int settle_step(u32 cpu, void *data)
{
	return call_run_over(call_runs_on(cpu));
}

SEC("iter/task")
int errors_of_tick(struct bpf_iter__task *ctx)
{
	struct window *w = window_here();

	kw_iter_stop(ctx->meta);
	if (!w || kw_is_off())
		return 0;
	KW_LOOP(kw_settings.cpus, settle_step, NULL);
	if (kw_map_is_empty(call_counts))
		return 0;
	bpf_for_each_map_elem(&call_counts, tell, NULL, 0);
	bpf_for_each_map_elem(&call_counts, forget, NULL, 0);
	w->first_ns = w->last_ns = 0;
	return 0;
}
