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

/*
 * From the memcg of the task upwards: the one closest to its limit (in pages) among those within 2 % of it or within
 * one batch; the most specific of equals.  The kernel does not hand the memcg to these tracepoints.
 */
static __noinline __attribute__((unused)) int kw_memcg_find(struct task_struct *task, struct kw_memcg_limit *ret)
{
	struct cgroup_subsys_state *css = kw_memory_css(task);
	u64 best = ~0ULL;

	if (!ret)
		return 0;
	for (u32 i = 0; i < KW_MEMCG_DEPTH_MAX && css; i++) {
		struct mem_cgroup *memcg = (void *)css - bpf_core_field_offset(struct mem_cgroup, css);
		u64 usage = BPF_CORE_READ(memcg, memory.usage.counter);
		u64 limit = kw_memcg_limit_pages(memcg);
		u64 gap = limit > usage ? limit - usage : 0;

		if (gap < best && kw_memcg_full(usage, limit, gap)) {
			best = gap;
			kw_cg_of_cgroup(BPF_CORE_READ(css, cgroup), &ret->cg);
			ret->usage_bytes = usage * KW_PAGE_SIZE;
			ret->limit_bytes = limit * KW_PAGE_SIZE;
			ret->css = (u64)css;
			ret->own = i == 0;
			ret->depth = i;
		}
		css = BPF_CORE_READ(css, parent);
	}
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
