/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory rules with the fault, a look-alike, and a probe missing.  What takes
 * minutes (leaks) or all memory of the machine (compaction) is only known from here: made up.
 */
#include "tests/unit/unit.h"

#include "aggregate/aggregate.h" /* what the made-up host writes through */
#include "analyze/analyzer.h"
#include "tests/synth/story.h"
#include "tests/synth/synth.c" /* NOLINT(bugprone-suspicious-include): unit tests have no library of their own */

#define MIB (INT64_C(1) << 20)

enum { POD = 1, WEB, BATCH, SIDE };

static void pod_of_three(struct synth *s)
{
	synth_container(s, "pod");
	synth_container(s, "pod/web");
	synth_container(s, "pod/batch");
	synth_container(s, "pod/side");
}

static const struct stage pod_stage = { pod_of_three, "/test/pod/web", 5, NULL };

/* The batch container grows beside two that do not. */
static void batch_grows(struct synth *s, int second)
{
	synth_usage(s, WEB)->memory_bytes = (60 - 5 * second) * MIB;
	synth_usage(s, BATCH)->memory_bytes = (20 + 50 * second) * MIB;
	synth_usage(s, SIDE)->memory_bytes = 10 * MIB;
}

static void oom_task(struct synth *s, int container, int64_t bytes, uint32_t chosen)
{
	struct kw_event *e = synth_event(s, KW_KIND_oom_task, container, POD, 498 * MS, 0);

	*(struct kw_oom_task *)synth_payload(e) = (struct kw_oom_task){ .anon_bytes = (uint64_t)bytes,
									 .chosen = chosen };
	synth_send(s, e);
}

/* In the second second; without the probe only the kernel's count of it is there. */
static bool oom_kill(struct synth *s, enum variant v, int second, struct kw_oom oom)
{
	struct kw_event *e;

	if (second != 2)
		return false;
	synth_usage(s, WEB)->memory_oom_kills = 1;
	if (v == MISSING)
		return false;
	e = synth_event(s, KW_KIND_oom, WEB, BATCH, 499 * MS, 0);
	*(struct kw_oom *)synth_payload(e) = oom;
	synth_send(s, e);
	return true;
}

static void oom_ancestor(struct synth *s, enum variant v, int second)
{
	batch_grows(s, MIN(second, 2));
	if (!oom_kill(s, v, second, (struct kw_oom){ .constraint = 4,
						     .own_limit = v == ALIKE,
						     .limit = synth_cg(v == ALIKE ? WEB : POD),
						     .limit_bytes = 192 * MIB,
						     .usage_bytes = 192 * MIB }))
		return;
	oom_task(s, WEB, 60 * MIB, 1);
	oom_task(s, BATCH, 120 * MIB, 0);
	oom_task(s, SIDE, 10 * MIB, 0);
}

/* The pod has what its containers have; the node, not the pod, has no more. */
static void node_fills(struct synth *s, int second)
{
	batch_grows(s, second);
	synth_usage(s, SIDE)->memory_bytes = (10 + 20 * second) * MIB;
	synth_usage(s, POD)->memory_bytes = (90 + 65 * second) * MIB;
}

static void oom_global(struct synth *s, enum variant v, int second)
{
	node_fills(s, MIN(second, 2));
	oom_kill(s, v, second, (struct kw_oom){ .constraint = v == ALIKE ? 4 : 1,
						.own_limit = v == ALIKE,
						.limit = v == ALIKE ? synth_cg(WEB) : (struct kw_cg){ 0 },
						.limit_bytes = v == ALIKE ? 60 * MIB : 0 });
}

static void reclaim_event(struct synth *s, int limit, uint32_t scope)
{
	struct kw_event *e = synth_event(s, KW_KIND_reclaim, WEB, limit, 700 * MS, 30 * MS);

	*(struct kw_reclaim *)synth_payload(e) = (struct kw_reclaim){ .scope = scope,
								      .own_limit = limit == WEB,
								      .order = scope == 3 ? 9 : 0,
								      .reclaimed_pages = 32,
								      .limit_bytes = limit == SYNTH_NOBODY ? 0 : 192 * MIB };
	synth_send(s, e);
}

static void reclaim_ancestor(struct synth *s, enum variant v, int second)
{
	batch_grows(s, second);
	synth_wait(s, WEB, KW_WAIT_RECLAIM, 400 * MS, 30 * MS, 40);
	if (v == MISSING)
		return;
	reclaim_event(s, v == ALIKE ? WEB : POD, 1);
	synth_blame(s, KW_RES_MEMORY, WEB, v == ALIKE ? WEB : BATCH, KW_SINK_CONTAINER, 380 * MS, 0);
}

static void reclaim_global(struct synth *s, enum variant v, int second)
{
	node_fills(s, second);
	synth_wait(s, WEB, KW_WAIT_RECLAIM, 400 * MS, 30 * MS, 40);
	if (v != MISSING)
		reclaim_event(s, v == ALIKE ? WEB : SYNTH_NOBODY, v == ALIKE ? 1 : 2);
}

/* Samples fall between two fillings: what the kernel has not freed yet is all that they see of its objects. */
static void slab_refills(struct synth *s, enum variant v, int second)
{
	struct kw_usage *u = synth_usage(s, WEB);

	if (v == MISSING)
		return;
	u->memory_limit_bytes = 192 * MIB;
	u->memory_bytes = 16 * MIB;
	u->memory_kernel_bytes = v == ALIKE || !second ? MIB : 15 * MIB;
	u->memory_anon_bytes = MIB;
	if (!second)
		return;
	synth_wait(s, WEB, KW_WAIT_RECLAIM, 400 * MS, 310 * MS, 2);
	reclaim_event(s, WEB, 1);
}

static void compaction(struct synth *s, enum variant v, int second)
{
	(void)second;
	synth_wait(s, WEB, KW_WAIT_RECLAIM, 400 * MS, 30 * MS, 40);
	if (v != MISSING)
		reclaim_event(s, SYNTH_NOBODY, v == ALIKE ? 2 : 3);
}

static const struct story in_a_pod[] = {
	{ "mem.oom.ancestor", oom_ancestor, "oom", "/test/pod/batch", "grew", "critical", "confirmed", "mem.oom.memcg",
	  NULL },
	{ "mem.reclaim.ancestor", reclaim_ancestor, "reclaim", "/test/pod/batch", "grew", "warning", "confirmed",
	  "mem.reclaim.memcg", NULL },
	{ "mem.oom.global", oom_global, "oom", "/test/pod/batch", "grew", "critical", "probable", "mem.oom.memcg", NULL },
	{ "mem.reclaim.global", reclaim_global, "reclaim", "/test/pod/batch", "grew", "warning", "probable",
	  "mem.reclaim.memcg", NULL },
	{ "mem.slab", slab_refills, "usage", "/test/pod/web", NULL, "warning", "probable", "mem.reclaim.memcg", NULL },
	{ "mem.compaction", compaction, "reclaim", NULL, "fragmented", "warning", "confirmed", "mem.reclaim.global", NULL },
};

/* ---- page cache -------------------------------------------------------------------------------------------------- */

static void waits_for_disk(struct synth *s)
{
	struct kw_event *e;

	synth_wait(s, VICTIM, KW_WAIT_BLOCK, 600 * MS, 200 * MS, 6);
	e = synth_event(s, KW_KIND_block, VICTIM, SYNTH_NOBODY, 600 * MS, 200 * MS);
	*(struct kw_block *)synth_payload(e) = (struct kw_block){ .dev = 7 << 20,
								  .bytes = 65536,
								  .device_ns = 200 * MS,
								  .alone_ns = 200 * MS,
								  .inflight = 1,
								  .disk = "loop0" };
	synth_send(s, e);
	synth_usage(s, VICTIM)->io_read_bytes = 16 * MIB;
	synth_usage(s, VICTIM)->memory_bytes = 15 * MIB;
	synth_usage(s, VICTIM)->memory_limit_bytes = 16 * MIB;
	synth_usage(s, VICTIM)->refaults_anon = 0;
}

/* A slow disk is not enough: a cold cache that is read looks the same but for the refaults. */
static void refault(struct synth *s, enum variant v, int second)
{
	(void)second;
	waits_for_disk(s);
	if (v != MISSING)
		synth_usage(s, VICTIM)->refaults = v == ALIKE ? 20 : 3000;
}

static void evicted(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	(void)second;
	waits_for_disk(s);
	synth_usage(s, VICTIM)->refaults = v == ALIKE ? 3000 : 0;
	if (v != FAULT)
		return;
	e = synth_event(s, KW_KIND_evict, VICTIM, CULPRIT, 100 * MS, 0);
	*(struct kw_evict *)synth_payload(e) = (struct kw_evict){ .bytes = 10 * MIB, .inode = 12, .dev = 77 };
	synth_send(s, e);
}

/* Page cache that comes back looks alike. */
static void swap(struct synth *s, enum variant v, int second)
{
	struct kw_usage *u = synth_usage(s, VICTIM);

	(void)second;
	waits_for_disk(s);
	if (v == MISSING)
		return;
	u->refaults = 3000;
	u->refaults_anon = v == ALIKE ? 100 : 2800;
	u->memory_swap_bytes = 40 * MIB;
}

static void dirty_pause(struct synth *s, int container, int64_t dirtied, int at_ms)
{
	struct kw_event *e = synth_event(s, KW_KIND_dirty, container, SYNTH_NOBODY, at_ms * MS, 0);

	*(struct kw_dirty *)synth_payload(e) = (struct kw_dirty){ .bdi = "7:0",
								  .dirtied_bytes = (uint64_t)dirtied,
								  .device_dirty_bytes = 9 * MIB,
								  .device_limit_bytes = 8 * MIB,
								  .rate_bytes = 1 * MIB };
	synth_send(s, e);
}

/* The same waits elsewhere in the kernel are those of a slow disk. */
static void dirty_throttle(struct synth *s, enum variant v, int second)
{
	struct kw_event *e = synth_event(s, KW_KIND_offcpu, VICTIM, SYNTH_NOBODY, 500 * MS, 200 * MS);
	struct kw_offcpu *o = synth_payload(e);

	(void)second;
	*o = (struct kw_offcpu){ .state = 2, .reason = KW_WAIT_BLOCK, .iowait = 1, .wait_class = "io" };
	snprintf(o->wait_place, sizeof(o->wait_place), "%s", v == ALIKE ? "folio_wait_bit" : "balance_dirty_pages");
	synth_send(s, e);
	waits_for_disk(s);
	synth_usage(s, VICTIM)->refaults = 0;
	if (v == MISSING)
		return;
	dirty_pause(s, VICTIM, 64 << 10, 300);
	dirty_pause(s, CULPRIT, 3 * MIB, 400);
	dirty_pause(s, CULPRIT, 3 * MIB, 700);
}

static const struct story page_cache[] = {
	{ "mem.refault", refault, "usage", "/test/web", "more than", "warning", "confirmed", "io.device_slow", NULL },
	{ "mem.evicted", evicted, "evict", "/test/batch", "threw out", "warning", "confirmed", "mem.refault", NULL },
	{ "mem.swap", swap, "usage", "/test/web", "more than", "warning", "confirmed", "mem.refault", NULL },
	{ "mem.dirty_throttle", dirty_throttle, "dirty", "/test/batch", "dirtied", "warning", "confirmed",
	  "io.device_slow", NULL },
};

/* ---- what a container does to itself ------------------------------------------------------------------------------ */

/* A program that grows faults once for each page, too. */
static void fault_storm(struct synth *s, enum variant v, int second)
{
	struct kw_usage *u = synth_usage(s, VICTIM);

	u->cpu_ns = 950 * MS;
	u->cpu_system_ns = 700 * MS;
	u->major_faults = 0;
	if (v == MISSING)
		return;
	u->faults = 200000;
	u->memory_bytes = v == ALIKE ? (100 + 780 * second) * MIB : 100 * MIB;
}

/* Processes that grow fill a limit as well. */
static void slab(struct synth *s, enum variant v, int second)
{
	struct kw_usage *u = synth_usage(s, VICTIM);

	u->memory_limit_bytes = 64 * MIB;
	u->memory_bytes = (12 + 10 * second) * MIB;
	if (v == MISSING)
		return;
	u->memory_kernel_bytes = (v == ALIKE ? 2 : 10 + 10 * second) * MIB;
	u->memory_anon_bytes = (v == ALIKE ? 10 + 10 * second : 2) * MIB;
}

/* ---- what the kernel says ------------------------------------------------------------------------------------------ */

/* As collect/klog.def reads a line that another host's kernel has written. */
static void alloc_fail(struct synth *s, enum variant v, int second)
{
	struct kw_klog log = { .priority = 4, .on_cpu = -1, .count = 1, .stuck_ns = -1, .class = "memory" };
	struct kw_event *e = synth_event(s, KW_KIND_klog, VICTIM, SYNTH_NOBODY, 500 * MS, 0);

	if (second != 1 || v == MISSING)
		return;
	snprintf(log.sign, sizeof(log.sign), "%s", v == ALIKE ? "mem_killed" : "alloc_fail");
	snprintf(log.object, sizeof(log.object), "0x1f3a2");
	snprintf(log.detail, sizeof(log.detail), "order:4, mode:0x40cc0(GFP_KERNEL|__GFP_COMP)");
	snprintf(log.text, sizeof(log.text), "worker: page allocation failure: %s", log.detail);
	*(struct kw_klog *)synth_payload(e) = log;
	synth_send(s, e);
}

static const struct story alone[] = {
	{ "mem.fault_storm", fault_storm, "usage", "/test/web", NULL, "info", "confirmed", NULL, NULL },
	{ "mem.slab", slab, "usage", "/test/web", NULL, "info", "probable", NULL, NULL },
	{ "mem.alloc_fail", alloc_fail, "kmsg", NULL, "fragmented", "warning", "confirmed", "hw.memory", NULL },
};

/* ---- the host ------------------------------------------------------------------------------------------------------ */

enum { JOBS = 1, JOB };

static void jobs(struct synth *s)
{
	synth_container(s, "jobs");
	synth_container(s, "jobs/1");
	synth_container(s, "other");
}

/* Cgroups come and go on a busy host: what lingers must be many and grow. */
static void zombies(struct synth *s, enum variant v, int second)
{
	struct kw_event *e = synth_event(s, KW_KIND_cgroup, JOB, SYNTH_NOBODY, 500 * MS, 0);
	struct kw_cgroup *c = synth_payload(e);

	if (v != MISSING)
		synth_host(s)->memory_cgroups_dying = v == ALIKE ? 300 + 10 * second : 300 + 200 * second;
	if (second)
		return;
	*c = (struct kw_cgroup){ .op = 3, .id = synth_cg(JOB).v2, .path = "/test/jobs/1" };
	synth_send(s, e);
}

static const struct stage jobs_stage = { jobs, "", 5, NULL }; /* the host has no name */

static const struct story of_the_host[] = {
	{ "mem.zombie_cgroups", zombies, "host", "/test/jobs", "removes", "info", "probable", NULL, NULL },
};

/* ---- minutes -------------------------------------------------------------------------------------------------------- */

/* A step up, and then no more: a cache was filled, a worker was added. */
static void leak(struct synth *s, enum variant v, int second)
{
	struct kw_usage *u = synth_usage(s, VICTIM);
	int64_t grown = v == ALIKE ? (second >= 100) * 40 * MIB : second * MIB / 5;

	u->memory_limit_bytes = 256 * MIB;
	if (v != MISSING)
		u->memory_anon_bytes = u->memory_bytes = 64 * MIB + grown;
}

static const struct stage minutes_stage = { usual_containers, "/test/web", 260, NULL };

static const struct story minutes[] = {
	{ "mem.leak", leak, "usage", "/test/web", NULL, "warning", "probable", NULL, NULL },
};

int main(void)
{
	return stories_run(in_a_pod, ARRAY_SIZE(in_a_pod), &pod_stage) +
	       stories_run(page_cache, ARRAY_SIZE(page_cache), NULL) + stories_run(alone, ARRAY_SIZE(alone), NULL) +
	       stories_run(of_the_host, ARRAY_SIZE(of_the_host), &jobs_stage) +
	       stories_run(minutes, ARRAY_SIZE(minutes), &minutes_stage);
}
