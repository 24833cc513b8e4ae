// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits that are reached, and children that nobody waits for, looked for once a tick over all processes.
 *
 * Why not at the system call that fails: the only hook for errors is the one on all system calls, and having it at all
 * sends every call of every task through the slow way out of the kernel (36 ns each), single calls' tracepoints
 * included.  A table that is full stays full until something is closed, so looking finds it; refused forks are counted
 * by the pids controller itself.
 */
#include "bpf/drift.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* include/uapi/asm-generic/resource.h */
enum { RLIM_NPROC = 6, RLIM_NOFILE = 7 };
#define PIDS_UNLIMITED (4 * 1024 * 1024) /* PIDS_MAX of kernel/cgroup/pids.c is one more */
#define LEVELS 8
/* A process that allows itself fewer locked itself in on purpose, as sandboxes do. */
#define FDS_LEAST 16
#define ZOMBIES_LEAST 20
#define ZOMBIES_TICKS 3
#define CGROUPS_MAX 16384
#define FULL_CGROUPS_MAX 256
#define CGROUP_ROUNDS 4 /* the way up from each task's cgroup is only walked in every fourth round */
#define NAMESPACES 4    /* users have limits in each namespace up to the first */
#define FDS_LOOKED_AT 256
#define WATCHES_COUNTED 16384 /* of one instance: 0.5 ms, and only while its user has no more */
#define PARENTS_MAX 1024

KW_RECORD(limit);
KW_RECORD(zombies);

/* Refused forks of a cgroup as last seen, by address of its pids state. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CGROUPS_MAX);
	__type(key, u64);
	__type(value, u64);
} fork_failures SEC(".maps");

/* In which round a cgroup was last reported, by its address: many tasks have the same one above them. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FULL_CGROUPS_MAX);
	__type(key, u64);
	__type(value, u64);
} full_cgroups SEC(".maps");

struct parent {
	struct kw_party party;
	u64 dead;  /* counted in this round */
	u64 ticks; /* rounds with many of them */
};

/* By address of the parent's task. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PARENTS_MAX);
	__type(key, u64);
	__type(value, struct parent);
} parents SEC(".maps");

/* [0]: rounds so far. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} rounds SEC(".maps");

static __always_inline u64 *rounds_here(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&rounds, &zero);
}

static __noinline int limit_record(const struct kw_party *self, const struct kw_limit *limit, const struct kw_cg *of)
{
	struct kw_limit_record *r;

	if (!self || !limit)
		return 0;
	r = kw_begin(KW_KIND_limit, &self->cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	r->e.subject = *self;
	if (of) {
		r->e.peer.cg = *of;
		r->e.flags = kw_cg_same(&self->cg, of) ? KW_FLAG_PEER_SELF : 0;
	}
	r->p = *limit;
	kw_submit(r, false);
	return 0;
}

/* ---- tasks of a cgroup ------------------------------------------------------------------------------------------- */

/* Of the walk below. */
struct level {
	struct pids_cgroup *pids;
	struct pids_cgroup *fullest;
	u64 share; /* of the fullest, in thousandths */
	u64 used;
	u64 max;
};

/* One level of the walk; 1 ends it.  A global function is verified once for all calls. */
KW_GLOBAL int fuller_level(struct level *w)
{
	struct pids_cgroup *pids = w ? w->pids : NULL;
	struct cgroup_subsys_state *parent;
	u64 share, used, max;

	if (!w || !pids)
		return 1;
	used = BPF_CORE_READ(pids, counter.counter);
	max = BPF_CORE_READ(pids, limit.counter);
	share = max && max <= PIDS_UNLIMITED ? used * 1000 / max : 0;
	if (share > w->share) {
		w->share = share;
		w->fullest = pids;
		w->used = used;
		w->max = max;
	}
	parent = BPF_CORE_READ(pids, css.parent);
	w->pids = parent ? (void *)parent - bpf_core_field_offset(struct pids_cgroup, css) : NULL;
	return share >= 1000;
}

/* The nearest cgroup upwards that is full, or nearly so: some tasks may have ended since. */
static __noinline int full_level(struct pids_cgroup *own, struct kw_limit *limit, struct kw_cg *ret)
{
	struct level w = { .pids = own };
	struct pids_cgroup *fullest;

	if (!limit || !ret)
		return 0;
	/* Unrolled: before 6.4 the verifier takes some layouts of a loop with calls for endless. */
#pragma clang loop unroll(full)
	for (int i = 0; i < LEVELS; i++)
		if (fuller_level(&w))
			break;
	limit->used = w.used;
	limit->limit = w.max;
	fullest = w.fullest;
	if (fullest)
		kw_cg_of_cgroup(BPF_CORE_READ(fullest, css.cgroup), ret);
	return fullest == own ? 1 : 0;
}

static __noinline int forks_refused(struct task_struct *task, struct pids_cgroup *pids, u64 failures)
{
	struct kw_limit limit = { .what = KW_LIMIT_PIDS, .failures = failures };
	struct kw_party self = {};
	struct kw_cg of = {};

	kw_cg_of_task(task, &self.cg);
	if (full_level(pids, &limit, &of))
		of = self.cg; /* by the same name, whatever hierarchy the controller lives in */
	return limit_record(&self, &limit, &of);
}

static __always_inline void check_forks(struct task_struct *task, u64 round)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_subsys_state *css = NULL;
	struct pids_cgroup *pids;
	u64 key, now, *seen;

	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		return;
	bpf_core_read(&css, sizeof(css), &set->subsys[bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id)]);
	if (!css)
		return;
	pids = (void *)css - bpf_core_field_offset(struct pids_cgroup, css);
	key = (u64)pids;
	now = kw_fork_failures(pids);
	seen = bpf_map_lookup_elem(&fork_failures, &key);
	if (seen ? now > *seen : now && round > 1)
		forks_refused(task, pids, now - (seen ? *seen : 0));
	if (!seen || now != *seen)
		bpf_map_update_elem(&fork_failures, &key, &now, BPF_ANY);
}

/* ---- tables of a process ----------------------------------------------------------------------------------------- */

static __noinline int process_record(struct task_struct *task, const struct kw_limit *limit)
{
	struct kw_party self;

	kw_party_of(task, &self);
	return kw_is_own(self.pid) ? 0 : limit_record(&self, limit, NULL);
}

static __always_inline void check_fds(struct task_struct *task)
{
	struct kw_limit limit = { .what = KW_LIMIT_FDS };

	limit.used = BPF_CORE_READ(task, files, next_fd); /* the lowest that is free */
	limit.limit = BPF_CORE_READ(task, signal, rlim[RLIM_NOFILE].rlim_cur);
	if (limit.used >= limit.limit && limit.limit >= FDS_LEAST)
		process_record(task, &limit);
}

static __always_inline void check_maps(struct task_struct *task)
{
	struct kw_limit limit = { .what = KW_LIMIT_MAPS, .limit = kw_settings.max_map_count };

	limit.used = BPF_CORE_READ(task, mm, map_count);
	if (limit.limit && limit.used >= limit.limit)
		process_record(task, &limit);
}

/* The first user is exempt (kernel/fork.c, copy_process()). */
static __always_inline void check_nproc(struct task_struct *task)
{
	struct kw_limit limit = { .what = KW_LIMIT_NPROC };
	const struct cred *cred = BPF_CORE_READ(task, real_cred);

	if (!bpf_core_field_exists(cred->ucounts))
		return;
	limit.uid = BPF_CORE_READ(cred, uid.val);
	limit.used = BPF_CORE_READ(cred, ucounts, rlimit[0].counter);
	limit.limit = BPF_CORE_READ(task, signal, rlim[RLIM_NPROC].rlim_cur);
	if (limit.uid && limit.limit && limit.used >= limit.limit)
		process_record(task, &limit);
}

/* ---- inotify ----------------------------------------------------------------------------------------------------- */

#ifndef KW_PLAIN /* walks too long for the verifier of those kernels */
struct inotify_held {
	struct file **files; /* where to look */
	u64 instances;
	u64 watches;
	u64 head, next; /* of an instance's list of watches */
};

/* Not on the stack: counters there keep the verifier from seeing that a loop's rounds are alike. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct inotify_held);
} inotify_here SEC(".maps");

/* KW_LOOP() callback: one watch.  Nothing keeps the list from changing: the count may be a little off. */
static int watch_step(u32 i, void *data)
{
	u32 zero = 0;
	struct inotify_held *held = bpf_map_lookup_elem(&inotify_here, &zero);
	struct list_head *at;

	if (!held || !held->next || held->next == held->head)
		return 1;
	at = (struct list_head *)held->next; /* CO-RE would take our own struct for the kernel's */
	held->watches++;
	held->next = (u64)BPF_CORE_READ(at, next);
	return 0;
}

/* KW_LOOP() callback: one descriptor.  The name is all that tells such a file. */
static int inotify_step(u32 i, void *data)
{
	u32 zero = 0;
	struct inotify_held *held = bpf_map_lookup_elem(&inotify_here, &zero);
	struct fsnotify_group *group;
	struct file *file = NULL;
	u64 name = 0;

	if (!held)
		return 1;
	bpf_probe_read_kernel(&file, sizeof(file), &held->files[i]);
	if (!file)
		return 0;
	bpf_probe_read_kernel(&name, sizeof(name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
	if (__builtin_memcmp(&name, "inotify", sizeof(name)))
		return 0;
	group = BPF_CORE_READ(file, private_data);
	held->instances++;
	held->head = (u64)group + bpf_core_field_offset(group->marks_list);
	held->next = (u64)BPF_CORE_READ(group, marks_list.next);
	KW_LOOP(WATCHES_COUNTED, watch_step, NULL);
	return 0;
}

/* What of it a process has, as far as its first descriptors show. */
static __always_inline struct inotify_held *inotify_of(struct task_struct *task)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	u32 count = BPF_CORE_READ(table, max_fds), zero = 0;
	struct inotify_held *held = bpf_map_lookup_elem(&inotify_here, &zero);

	if (!held)
		return NULL;
	__builtin_memset(held, 0, sizeof(*held));
	held->files = BPF_CORE_READ(table, fd);
	if (held->files)
		KW_LOOP(count < FDS_LOOKED_AT ? count : FDS_LOOKED_AT, inotify_step, NULL);
	return held;
}

/* Of the walk below. */
struct user {
	struct ucounts *counts;
	u64 type;
	u64 used;
	u64 max;
};

/* One namespace (inc_ucount() of kernel/ucount.c); 1 ends the walk: none further, or used >= max. */
KW_GLOBAL int user_level(struct user *w)
{
	struct ucounts *counts = w ? w->counts : NULL;
	struct user_namespace *ns;

	if (!w || !counts)
		return 1;
	ns = BPF_CORE_READ(counts, ns);
	bpf_probe_read_kernel(&w->used, sizeof(w->used),
			      (void *)counts + bpf_core_field_offset(counts->ucount) + w->type * sizeof(w->used));
	bpf_probe_read_kernel(&w->max, sizeof(w->max),
			      (void *)ns + bpf_core_field_offset(ns->ucount_max) + w->type * sizeof(w->max));
	w->counts = BPF_CORE_READ(ns, ucounts);
	return w->used >= w->max;
}

/* Whether a user may have no more of that type, in one of its namespaces. */
static __always_inline bool user_is_full(struct ucounts *counts, u64 type, struct kw_limit *limit)
{
	struct user w = { .counts = counts, .type = type };

#pragma clang loop unroll(full)
	for (int i = 0; i < NAMESPACES; i++)
		if (user_level(&w))
			break;
	limit->used = w.used;
	limit->limit = w.max;
	return w.max && w.used >= w.max; /* 0: forbidden on purpose */
}

static __noinline int inotify_full(struct task_struct *task, struct kw_limit *limit)
{
	struct inotify_held *held = inotify_of(task);

	if (!limit || !held || !held->instances)
		return 0;
	limit->own = limit->what == KW_LIMIT_WATCHES ? held->watches : held->instances;
	return process_record(task, limit);
}

static __always_inline void check_inotify(struct task_struct *task)
{
	const struct cred *cred = BPF_CORE_READ(task, real_cred);
	struct kw_limit limit = { .what = KW_LIMIT_WATCHES };
	struct ucounts *counts;

	if (!bpf_core_field_exists(cred->ucounts) ||
	    !bpf_core_enum_value_exists(enum ucount_type, UCOUNT_INOTIFY_WATCHES))
		return;
	counts = BPF_CORE_READ(cred, ucounts);
	limit.uid = BPF_CORE_READ(cred, uid.val);
	if (user_is_full(counts, bpf_core_enum_value(enum ucount_type, UCOUNT_INOTIFY_WATCHES), &limit))
		inotify_full(task, &limit);
	limit.what = KW_LIMIT_INSTANCES;
	if (user_is_full(counts, bpf_core_enum_value(enum ucount_type, UCOUNT_INOTIFY_INSTANCES), &limit))
		inotify_full(task, &limit);
}

#endif

/* ---- cgroups below a cgroup -------------------------------------------------------------------------------------- */

static __noinline int cgroup_full(struct cgroup *cgroup, u64 used, u64 max, u64 round)
{
	struct kw_limit limit = { .what = KW_LIMIT_CGROUPS, .used = used, .limit = max };
	u64 key = (u64)cgroup, *reported = bpf_map_lookup_elem(&full_cgroups, &key);
	struct kw_party self = {};

	if (reported && *reported == round)
		return 0;
	bpf_map_update_elem(&full_cgroups, &key, &round, BPF_ANY);
	kw_cg_of_cgroup(cgroup, &self.cg);
	return limit_record(&self, &limit, &self.cg);
}

/* Of the walk below. */
struct up {
	struct cgroup *cgroup;
	u64 round;
};

/* One level: cgroup_check_hierarchy_limits() of kernel/cgroup/cgroup.c.  1 ends the walk. */
KW_GLOBAL int cgroup_level(struct up *w)
{
	struct cgroup *cgroup = w ? w->cgroup : NULL;
	int used, max;

	if (!w || !cgroup)
		return 1;
	used = BPF_CORE_READ(cgroup, nr_descendants);
	max = BPF_CORE_READ(cgroup, max_descendants);
	if (max > 0 && used >= max) /* 0: forbidden on purpose */
		cgroup_full(cgroup, used, max, w->round);
	w->cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
	return 0;
}

static __always_inline void check_cgroups(struct task_struct *task, u64 round)
{
	struct up w = { .cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp), .round = round };

	if (round % CGROUP_ROUNDS)
		return;
#pragma clang loop unroll(full)
	for (int i = 0; i < LEVELS; i++)
		if (cgroup_level(&w))
			break;
}

/* ---- unreaped children ------------------------------------------------------------------------------------------- */

static __noinline int count_dead(struct task_struct *task)
{
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	struct parent fresh = { .dead = 1 }, *known;
	u64 key = (u64)parent;

	known = bpf_map_lookup_elem(&parents, &key);
	if (known && known->party.start_ns == BPF_CORE_READ(parent, start_boottime)) {
		known->dead++;
		return 0;
	}
	kw_party_of(parent, &fresh.party);
	if (bpf_map_update_elem(&parents, &key, &fresh, BPF_ANY))
		kw_count_lost_other(KW_KIND_zombies);
	return 0;
}

#ifndef KW_PLAIN /* nothing goes over a map there */
/* bpf_for_each_map_elem() callback at the end of a round. */
static long round_ended(struct bpf_map *map, u64 *key, struct parent *p, void *data)
{
	struct kw_zombies_record *r;

	p->ticks = p->dead >= ZOMBIES_LEAST ? p->ticks + 1 : 0;
	if (!p->dead) {
		bpf_map_delete_elem(map, key);
		return 0;
	}
	if (p->ticks >= ZOMBIES_TICKS) {
		r = kw_begin(KW_KIND_zombies, &p->party.cg, sizeof(*r), sizeof(r->p));
		if (r) {
			r->e.subject = p->party;
			r->p.count = p->dead;
			r->p.ticks = p->ticks;
			kw_submit(r, false);
		}
	}
	p->dead = 0;
	return 0;
}
#endif

SEC("iter/task")
int limits_of_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	u64 *round = rounds_here();

	if (!round || kw_is_off())
		return 0;
	if (!task) { /* the end */
#ifndef KW_PLAIN
		bpf_for_each_map_elem(&parents, round_ended, NULL, 0);
#endif
		return 0;
	}
	if (!ctx->meta->seq_num)
		++*round;
	if ((task->flags & PF_KTHREAD) || task->pid != task->tgid)
		return 0;
	if (task->exit_state == EXIT_ZOMBIE) {
		count_dead(task);
		return 0;
	}
	check_forks(task, *round);
	check_fds(task);
	check_maps(task);
	check_nproc(task);
#ifndef KW_PLAIN
	check_inotify(task);
#endif
	check_cgroups(task, *round);
	return 0;
}
