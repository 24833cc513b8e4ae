// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reclaim done by the task that needs the memory: under the limit of a memcg,
 * because the node is short, or because what is free lies in too small pieces
 * (direct compaction).  The worker is always current; all begin and end in
 * process context, and where one runs inside another the outermost counts.
 */
#include "bpf/memcg.bpf.h"

char LICENSE[] SEC("license") = "GPL";

enum { SCOPE_MEMCG = 1, SCOPE_NODE = 2, SCOPE_COMPACTION = 3 };

struct reclaim_begin {
	u64 begin_ns;
	u32 scope;
	u32 order;
	u32 gfp;
	u32 depth;
	u64 runq_ns; /* kw_task_state.runq_total_ns then */
	struct kw_memcg_limit limit;
};

/* By thread; entries of threads killed inside reclaim age out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct reclaim_begin);
} reclaiming SEC(".maps");

KW_RECORD_STACK(reclaim);

/* ---- who filled a shared limit ------------------------------------------------------------------------------------ */

#define CHILDREN_MAX 32
#define FLOOR_AGE_NS 60000000000ULL

/* The least memory of a child of a shared limit since about a minute ago, by id of its cgroup. */
struct floor {
	u64 pages;
	u64 since_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct floor);
} floors SEC(".maps");

/* Of one walk over the children; programs of these tracepoints run with preemption off. */
struct growth {
	u64 next, head; /* list nodes */
	u64 now_ns;
	u64 total;      /* pages */
	u64 ns;         /* to be shared out */
	u32 count;
	u32 _pad;
	struct kw_cg victim;
	u64 grew[CHILDREN_MAX];
	struct kw_cg cg[CHILDREN_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct growth);
} growths SEC(".maps");

static __always_inline struct growth *growth_here(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&growths, &zero);
}

static __always_inline u64 risen(u64 id, u64 pages, u64 now_ns)
{
	struct floor fresh = { pages, now_ns }, *f = bpf_map_lookup_elem(&floors, &id);

	if (f && pages >= f->pages && now_ns - f->since_ns < FLOOR_AGE_NS)
		return pages - f->pages;
	bpf_map_update_elem(&floors, &id, &fresh, BPF_ANY);
	return 0;
}

/* One child; 1 ends the walk.  A global function is verified once for all calls. */
__noinline int growth_step(u32 i)
{
	struct growth *g = growth_here();
	struct cgroup_subsys_state *css;
	struct mem_cgroup *memcg;

	if (!g || i >= CHILDREN_MAX || g->next == g->head || !g->next)
		return 1;
	css = (void *)g->next - bpf_core_field_offset(struct cgroup_subsys_state, sibling);
	memcg = (void *)css - bpf_core_field_offset(struct mem_cgroup, css);
	kw_cg_of_cgroup(BPF_CORE_READ(css, cgroup), &g->cg[i]);
	g->grew[i] = risen(BPF_CORE_READ(css, cgroup, kn, id), BPF_CORE_READ(memcg, memory.usage.counter), g->now_ns);
	g->total += g->grew[i];
	g->count = i + 1;
	g->next = (u64)BPF_CORE_READ(css, sibling.next);
	return 0;
}

__noinline int growth_blame(u32 i)
{
	struct growth *g = growth_here();
	struct kw_party culprit = {};

	if (!g || i >= CHILDREN_MAX || i >= g->count)
		return 1;
	culprit.cg = g->cg[i];
	if (g->grew[i])
		kw_sum_blame(KW_RES_MEMORY, &g->victim, &culprit, KW_SINK_CONTAINER, 0, g->ns * g->grew[i] / g->total);
	return 0;
}

/* Shares ns out among the children of that memcg by how much each has grown.  False: none has. */
static __always_inline bool blame_growth(u64 limit_css, const struct kw_cg *victim, u64 ns)
{
	struct cgroup_subsys_state *css = (struct cgroup_subsys_state *)limit_css;
	struct growth *g = growth_here();

	if (!g)
		return false;
	g->head = limit_css + bpf_core_field_offset(css->children);
	g->next = (u64)BPF_CORE_READ(css, children.next);
	g->now_ns = bpf_ktime_get_boot_ns();
	g->total = g->count = 0;
	g->ns = ns;
	g->victim = *victim;
	for (u32 i = 0; i < CHILDREN_MAX; i++)
		if (growth_step(i))
			break;
	if (!g->total)
		return false;
	for (u32 i = 0; i < CHILDREN_MAX; i++)
		if (growth_blame(i))
			break;
	return true;
}

/* A limit of its own is its own doing, one above it of who grew, and failing that of who has the limit. */
static __always_inline void blame(const struct kw_memcg_limit *limit, const struct kw_cg *victim, u64 ns)
{
	struct kw_party owner = { .cg = limit->cg };

	if (!limit->limit_bytes)
		kw_sum_blame(KW_RES_MEMORY, victim, NULL, KW_SINK_UNKNOWN, 0, ns);
	else if (limit->own || !blame_growth(limit->css, victim, ns))
		kw_sum_blame(KW_RES_MEMORY, victim, &owner, KW_SINK_CONTAINER, 0, ns);
}

/* ---- the hooks ------------------------------------------------------------------------------------------------------ */

static __always_inline int begin(u32 scope, int order, u32 gfp)
{
	u64 self = bpf_get_current_pid_tgid();
	struct reclaim_begin fresh = { .scope = scope, .order = order, .gfp = gfp, .depth = 1 };
	struct kw_task_state *st;
	struct reclaim_begin *now;
	u32 tid = self;

	if (kw_is_own(self >> 32) || kw_is_off())
		return 0;
	now = bpf_map_lookup_elem(&reclaiming, &tid);
	if (now) {
		now->depth++;
		return 0;
	}
	fresh.begin_ns = bpf_ktime_get_boot_ns();
	if (scope == SCOPE_MEMCG)
		kw_memcg_find((struct task_struct *)bpf_get_current_task(), &fresh.limit);
	st = kw_task_state(kw_current(), true);
	fresh.runq_ns = st ? st->runq_total_ns : 0;
	if (st) {
		st->reclaim_gfp = gfp;
		st->reclaim_asked = scope == SCOPE_MEMCG && !fresh.limit.limit_bytes;
	}
	if (bpf_map_update_elem(&reclaiming, &tid, &fresh, BPF_ANY))
		kw_count_lost_other(KW_KIND_reclaim);
	else if (st)
		st->reclaim_since = fresh.begin_ns;
	return 0;
}

static __always_inline void emit(void *ctx, const struct kw_party *self, const struct reclaim_begin *b, u64 reclaimed,
				 u64 duration_ns)
{
	struct kw_reclaim_record *r = kw_begin(KW_KIND_reclaim, &self->cg, sizeof(*r), sizeof(r->p));

	if (!r)
		return;
	r->e.subject = *self;
	r->e.peer.cg = b->limit.cg;
	r->e.flags = b->limit.own ? KW_FLAG_PEER_SELF : 0;
	r->e.duration_ns = duration_ns;
	r->p.scope = b->scope;
	r->p.order = b->order;
	r->p.gfp = b->gfp;
	r->p.own_limit = b->limit.own;
	r->p.reclaimed_pages = reclaimed;
	r->p.usage_bytes = b->limit.usage_bytes;
	r->p.limit_bytes = b->limit.limit_bytes;
	r->e.frames = kw_stack(ctx, r->stack);
	kw_submit(r, false);
}

static __always_inline int end(void *ctx, u64 reclaimed)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct reclaim_begin *b = bpf_map_lookup_elem(&reclaiming, &tid);
	struct kw_task_state *st;
	struct kw_party self;
	u64 duration_ns, own_ns;

	if (b && b->depth > 1) {
		b->depth--;
		return 0;
	}
	st = kw_task_state(kw_current(), false);
	if (!b) { /* it aged out, or began before us */
		if (st)
			st->reclaim_since = 0;
		return 0;
	}
	duration_ns = bpf_ktime_get_boot_ns() - b->begin_ns;
	own_ns = duration_ns;
	if (st) {
		/* Waits for a CPU in between are in the sums already. */
		u64 waited = st->runq_total_ns - b->runq_ns;

		own_ns = duration_ns > waited ? duration_ns - waited : 0;
		st->reclaim_since = 0;
	}
	kw_party_of((struct task_struct *)bpf_get_current_task(), &self);
	kw_sum_wait(&self.cg, KW_WAIT_RECLAIM, own_ns);
	blame(&b->limit, &self.cg, own_ns);
	if (duration_ns >= kw_settings.reclaim_threshold_ns)
		emit(ctx, &self, b, reclaimed, duration_ns);
	bpf_map_delete_elem(&reclaiming, &tid);
	return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int BPF_PROG(reclaim_memcg_begin, int order, u32 gfp)
{
	return begin(SCOPE_MEMCG, order, gfp);
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(reclaim_memcg_end, unsigned long reclaimed)
{
	return end(ctx, reclaimed);
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int BPF_PROG(reclaim_direct_begin, int order, u32 gfp)
{
	return begin(SCOPE_NODE, order, gfp);
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(reclaim_direct_end, unsigned long reclaimed)
{
	return end(ctx, reclaimed);
}

/* Direct reads: kernels before 5.14 hand over no struct, and the verifier then refuses this. */
SEC("tp_btf/mm_compaction_begin")
int BPF_PROG(compaction_begin, struct compact_control *cc)
{
	if (KW_READ(kw_current(), flags) & PF_KTHREAD)
		return 0;
	return begin(SCOPE_COMPACTION, cc->order, cc->gfp_mask);
}

#ifdef KW_PLAIN
SEC("tp_btf/mm_compaction_begin")
int BPF_PROG(compaction_begin_span)
{
	if (KW_READ(kw_current(), flags) & PF_KTHREAD)
		return 0;
	return begin(SCOPE_COMPACTION, 0, 0);
}
#endif

SEC("tp_btf/mm_compaction_end")
int BPF_PROG(compaction_end, struct compact_control *cc)
{
	if (KW_READ(kw_current(), flags) & PF_KTHREAD)
		return 0;
	return end(ctx, 0);
}
