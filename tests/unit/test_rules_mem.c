/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory rules with the fault, a look-alike, and a probe missing.  What a development machine must not be made to
 * suffer (swapping, compaction, failed allocations) and what takes minutes (leaks) is only known from here: made up.
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

static void oom_ancestor(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	batch_grows(s, MIN(second, 2));
	if (second != 2)
		return;
	synth_usage(s, WEB)->memory_oom_kills = 1;
	if (v == MISSING)
		return;
	e = synth_event(s, KW_KIND_oom, WEB, BATCH, 499 * MS, 0);
	*(struct kw_oom *)synth_payload(e) = (struct kw_oom){ .constraint = 4,
							      .own_limit = v == ALIKE,
							      .limit = synth_cg(v == ALIKE ? WEB : POD),
							      .limit_bytes = 192 * MIB,
							      .usage_bytes = 192 * MIB };
	synth_send(s, e);
	oom_task(s, WEB, 60 * MIB, 1);
	oom_task(s, BATCH, 120 * MIB, 0);
	oom_task(s, SIDE, 10 * MIB, 0);
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
	if (v != MISSING)
		reclaim_event(s, v == ALIKE ? WEB : POD, 1);
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
	{ "mem.reclaim.ancestor", reclaim_ancestor, "reclaim", "/test/pod/batch", "grew", "warning", "probable",
	  "mem.reclaim.memcg", NULL },
	{ "mem.compaction", compaction, "reclaim", NULL, "fragmented", "warning", "confirmed", "mem.reclaim.global", NULL },
};

int main(void)
{
	return stories_run(in_a_pod, ARRAY_SIZE(in_a_pod), &pod_stage);
}
