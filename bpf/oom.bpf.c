// SPDX-License-Identifier: GPL-2.0-only
/* The OOM killer marked its victim: current is the task whose allocation could not go on. */
#define KW_VITAL
#include "bpf/memcg.bpf.h"

char LICENSE[] SEC("license") = "GPL";

KW_RECORD(oom);
KW_RECORD(oom_task);

enum { CONSTRAINT_NODE = 1, CONSTRAINT_MEMCG = 4 };
enum { RSS_FILE = 0, RSS_ANON = 1, RSS_SHMEM = 3 };

/* The sum is kept per CPU and folded in batches: this reads low or high by at most a batch per CPU. */
static __always_inline u64 rss_bytes(struct mm_struct *mm, u32 which)
{
	struct percpu_counter *counter;
	s64 pages;

	if (bpf_core_type_exists(struct mm_rss_stat___old)) {
		pages = BPF_CORE_READ((struct mm_struct___old *)mm, rss_stat.count[which].counter);
	} else {
		/* Not rss_stat[which]: the compiler would take the size of our cut-down struct for the step. */
		counter = (void *)mm + bpf_core_field_offset(mm->rss_stat) +
			  which * bpf_core_type_size(struct percpu_counter);
		pages = BPF_CORE_READ(counter, count);
	}
	return pages > 0 ? pages * KW_PAGE_SIZE : 0;
}

/* Of the allocation that current reclaimed for before it gave up; 0 without the reclaim probe. */
static __always_inline u32 wanted_gfp(void)
{
	struct kw_task_state *st = kw_task_state(kw_current(), false);

	return st ? st->reclaim_gfp : 0;
}

static __always_inline void fill(struct kw_oom_record *r, struct task_struct *victim)
{
	struct kw_memcg_limit limit = {};
	struct mm_struct *mm = BPF_CORE_READ(victim, mm);

	kw_memcg_find(victim, &limit);
	kw_party_of((struct task_struct *)bpf_get_current_task(), &r->e.peer);
	if (kw_cg_same(&r->e.subject.cg, &r->e.peer.cg))
		r->e.flags |= KW_FLAG_PEER_SELF;
	r->p.constraint = limit.limit_bytes ? CONSTRAINT_MEMCG : CONSTRAINT_NODE;
	r->p.limit = limit.cg;
	r->p.usage_bytes = limit.usage_bytes;
	r->p.limit_bytes = limit.limit_bytes;
	r->p.own_limit = limit.own;
	r->p.gfp = wanted_gfp();
	r->p.oom_score_adj = BPF_CORE_READ(victim, signal, oom_score_adj);
	if (!mm)
		return;
	r->p.victim_anon_bytes = rss_bytes(mm, RSS_ANON);
	r->p.victim_file_bytes = rss_bytes(mm, RSS_FILE);
	r->p.victim_shmem_bytes = rss_bytes(mm, RSS_SHMEM);
}

/* Since 6.9 (72ba14deb40a, "mm: update mark_victim tracepoints fields") the argument is the task. */
SEC("tp_btf/mark_victim")
int BPF_PROG(oom_victim, struct task_struct *victim)
{
	/* A direct read on purpose: the verifier refuses this program where the argument is a pid. */
	u32 pid = victim->tgid;
	struct kw_oom_record *r;
	struct kw_party self;

	if (!pid || kw_is_off())
		return 0;
	kw_party_of(victim, &self);
	r = kw_begin(KW_KIND_oom, &self.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject = self;
	fill(r, victim);
	kw_submit(r, true);
	return 0;
}

/* Older: only the pid.  The limit is looked for from the task that asked, which is in the same subtree. */
SEC("tp_btf/mark_victim")
int BPF_PROG(oom_victim_pid, int pid)
{
	struct kw_memcg_limit limit = {};
	struct kw_oom_record *r;
	struct kw_party peer;

	if (kw_is_off())
		return 0;
	kw_party_of((struct task_struct *)bpf_get_current_task(), &peer);
	r = kw_begin(KW_KIND_oom, &peer.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	kw_memcg_find((struct task_struct *)bpf_get_current_task(), &limit);
	r->e.subject.pid = pid;
	r->e.subject.tid = pid;
	if (peer.pid == pid)
		r->e.subject = peer;
	r->e.peer = peer;
	r->p.constraint = limit.limit_bytes ? CONSTRAINT_MEMCG : CONSTRAINT_NODE;
	r->p.limit = limit.cg;
	r->p.usage_bytes = limit.usage_bytes;
	r->p.limit_bytes = limit.limit_bytes;
	r->p.own_limit = limit.own;
	r->p.gfp = wanted_gfp();
	kw_submit(r, true);
	return 0;
}

/* ---- who else stood for choice ---------------------------------------------------------------------------------- */

#ifdef KW_PLAIN
#define TASKS_MAX 2048 /* the verifier goes through all of them */
#else
#define TASKS_MAX (1 << 20)
#endif
#define ROWS_MAX 32
#define PART 64 /* of the limit: who has less is not worth a row */
#define NODE_LEAST_BYTES (64ULL << 20)
#define TABLE_EVERY_NS 1000000000ULL /* a storm of kills must not walk all tasks again and again */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} oom_last_table SEC(".maps");

/* Task pointers as numbers: a callback may not keep trusted ones. */
struct table {
	u64 task, first;
	u64 limit; /* css */
	struct kw_cg limit_cg;
	u64 least_bytes;
	u32 chosen; /* thread group */
	u32 rows;
};

/* Of the walk that runs: these programs run with preemption off. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct table);
} tables SEC(".maps");

static __noinline int table_row(struct task_struct *task, struct table *t)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	u64 anon, file, shmem;
	struct kw_oom_task_record *r;
	struct kw_party self;

	if (!t || !mm)
		return 0;
	anon = rss_bytes(mm, RSS_ANON);
	file = rss_bytes(mm, RSS_FILE);
	shmem = rss_bytes(mm, RSS_SHMEM);
	if (anon + file + shmem < t->least_bytes || !kw_memcg_below(task, t->limit))
		return 0;
	t->rows++;
	kw_party_of(task, &self);
	r = kw_begin(KW_KIND_oom_task, &self.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	r->e.subject = self;
	r->e.peer.cg = t->limit_cg;
	r->p.anon_bytes = anon;
	r->p.file_bytes = file;
	r->p.shmem_bytes = shmem;
	r->p.oom_score_adj = BPF_CORE_READ(task, signal, oom_score_adj);
	r->p.chosen = self.pid == t->chosen;
	kw_submit(r, false);
	return 0;
}

/*
 * One task; 1 ends the walk.  The list of thread groups is a ring: any of them is a place to begin.  A global function is
 * verified once for all calls.
 */
__noinline int table_next(void)
{
	u32 zero = 0;
	struct table *t = bpf_map_lookup_elem(&tables, &zero);
	struct task_struct *task;

	if (!t)
		return 1;
	task = (struct task_struct *)t->task;
	table_row(task, t);
	task = (void *)BPF_CORE_READ(task, tasks.next) - bpf_core_field_offset(task->tasks);
	t->task = (u64)task;
	return t->task == t->first || t->rows >= ROWS_MAX;
}

/* KW_LOOP() callback.  The verifier wants to see that it returns 0 or 1. */
static long table_step(u32 i, void *data)
{
	return table_next() ? 1 : 0;
}

static __noinline int table(struct task_struct *leader, u32 chosen)
{
	u64 now = bpf_ktime_get_boot_ns(), *last;
	struct kw_memcg_limit limit = {};
	u32 zero = 0;
	struct table *t = bpf_map_lookup_elem(&tables, &zero);

	last = bpf_map_lookup_elem(&oom_last_table, &zero);
	if (!leader || !last || !t || kw_is_off())
		return 0;
	if (now - *last < TABLE_EVERY_NS) {
		kw_count_lost_other(KW_KIND_oom_task);
		return 0;
	}
	*last = now;
	kw_memcg_find(leader, &limit);
	__builtin_memset(t, 0, sizeof(*t));
	t->task = t->first = (u64)leader;
	t->chosen = chosen;
	t->limit = limit.css;
	t->limit_cg = limit.cg;
	t->least_bytes = limit.limit_bytes ? limit.limit_bytes / PART : NODE_LEAST_BYTES;
	KW_LOOP(TASKS_MAX, table_step, NULL);
	return 0;
}

SEC("tp_btf/mark_victim")
int BPF_PROG(oom_table, struct task_struct *victim)
{
	u32 pid = victim->tgid; /* direct, as above */

	return table(BPF_CORE_READ(victim, group_leader), pid);
}

SEC("tp_btf/mark_victim")
int BPF_PROG(oom_table_pid, int pid)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return table(BPF_CORE_READ(task, group_leader), pid);
}
