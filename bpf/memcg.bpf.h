/* SPDX-License-Identifier: GPL-2.0-only */
/* Which memory cgroup is at its limit. */
#ifndef KWHY_BPF_MEMCG_H
#define KWHY_BPF_MEMCG_H

#include "bpf/kwhy.bpf.h"

#define KW_MEMCG_DEPTH_MAX 16
/* Charges are taken in batches of 64 pages (MEMCG_CHARGE_BATCH): a memcg can be "full" that far below its limit. */
#define KW_MEMCG_SLACK_PAGES 64

struct kw_memcg_limit {
	struct kw_cg cg; /* 0: none at its limit */
	u64 usage_bytes;
	u64 limit_bytes;
	u64 css; /* address */
	u32 own; /* 1: the memcg the walk began at */
	u32 depth;
};

static __always_inline struct cgroup_subsys_state *kw_memory_css(struct task_struct *task)
{
	struct cgroup_subsys_state *css = NULL;
	struct mem_cgroup *active;
	struct css_set *set;

	/* Kernel threads that work for a container (loop devices) charge it through active_memcg. */
	if (bpf_core_field_exists(task->active_memcg)) {
		active = BPF_CORE_READ(task, active_memcg);
		if (active)
			return (void *)active + bpf_core_field_offset(active->css);
	}
	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return NULL;
	set = BPF_CORE_READ(task, cgroups);
	bpf_core_read(&css, sizeof(css),
		      &set->subsys[bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id)]);
	return css;
}

/* The lower of max and high.  Unset limits are near LONG_MAX. */
static __always_inline u64 kw_memcg_limit_pages(struct mem_cgroup *memcg)
{
	u64 max = BPF_CORE_READ(memcg, memory.max), high;

	if (!bpf_core_field_exists(memcg->memory.high))
		return max;
	high = BPF_CORE_READ(memcg, memory.high);
	return high && high < max ? high : max;
}

static __always_inline bool kw_memcg_full(u64 usage, u64 limit, u64 gap)
{
	return gap <= KW_MEMCG_SLACK_PAGES || usage >= limit - limit / 50;
}

/* Of the walk below. */
struct kw_memcg_walk {
	u64 css;
	u64 best;
	struct kw_memcg_limit found;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct kw_memcg_walk);
} memcg_walk SEC(".maps");

/*
 * One memcg of the walk; 1 ends it.  A global function is verified once for all calls; inside the loop the branches
 * would multiply, for minutes before 6.4.
 */
__noinline int kw_memcg_step(u32 depth)
{
	u32 zero = 0;
	struct kw_memcg_walk *w = bpf_map_lookup_elem(&memcg_walk, &zero);
	struct cgroup_subsys_state *css;
	struct mem_cgroup *memcg;
	u64 usage, limit, gap;

	if (!w || !w->css)
		return 1;
	css = (struct cgroup_subsys_state *)w->css;
	memcg = (void *)css - bpf_core_field_offset(struct mem_cgroup, css);
	usage = BPF_CORE_READ(memcg, memory.usage.counter);
	limit = kw_memcg_limit_pages(memcg);
	gap = limit > usage ? limit - usage : 0;
	if (gap < w->best && kw_memcg_full(usage, limit, gap)) {
		w->best = gap;
		kw_cg_of_cgroup(BPF_CORE_READ(css, cgroup), &w->found.cg);
		w->found.usage_bytes = usage * KW_PAGE_SIZE;
		w->found.limit_bytes = limit * KW_PAGE_SIZE;
		w->found.css = w->css;
		w->found.own = depth == 0;
		w->found.depth = depth;
	}
	w->css = (u64)BPF_CORE_READ(css, parent);
	return 0;
}

/*
 * From the memcg of the task upwards: the one closest to its limit (in pages) among those within 2 % of it or within
 * one batch; the most specific of equals.  The kernel does not hand the memcg to these tracepoints, which run with
 * preemption off (include/linux/tracepoint.h), so that the walk has its CPU's place to itself.
 */
static __noinline __attribute__((unused)) int kw_memcg_find(struct task_struct *task, struct kw_memcg_limit *ret)
{
	u32 zero = 0;
	struct kw_memcg_walk *w = bpf_map_lookup_elem(&memcg_walk, &zero);

	if (!ret || !w)
		return 0;
	__builtin_memset(w, 0, sizeof(*w));
	w->css = (u64)kw_memory_css(task);
	w->best = ~0ULL;
	for (u32 i = 0; i < KW_MEMCG_DEPTH_MAX; i++)
		if (kw_memcg_step(i))
			break;
	*ret = w->found;
	return 0;
}

/* Whether the task's memory is charged below that css (0: anywhere). */
static __noinline __attribute__((unused)) bool kw_memcg_below(struct task_struct *task, u64 limit)
{
	struct cgroup_subsys_state *css = kw_memory_css(task);

	if (!limit)
		return true;
	for (u32 i = 0; i < KW_MEMCG_DEPTH_MAX && css; i++) {
		if ((u64)css == limit)
			return true;
		css = BPF_CORE_READ(css, parent);
	}
	return false;
}

#endif
