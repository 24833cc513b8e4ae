/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/governor.h"

#include "base/cleanup.h"

/* What is over soon is a burst, and what it would show is gone for as long as the hold; far over nobody can wait. */
#define OVER_WINDOWS 5
#define FAR_OVER_WINDOWS 2
#define FAR_OVER 5 /* times the budget */

static bool can_step_up(const struct governed *g)
{
	return !g->fixed && g->level < (g->stays ? LEVEL_SAMPLED : LEVEL_DETACHED);
}

static enum probe_level next_up(const struct governed *g)
{
	return g->level == LEVEL_WHOLE && !g->has_threshold ? LEVEL_SAMPLED : g->level + 1;
}

static enum probe_level next_down(const struct governed *g)
{
	return g->level == LEVEL_SAMPLED && !g->has_threshold ? LEVEL_WHOLE : g->level - 1;
}

/* The one that pays when all together are over their budget; count: they are not, or nothing can be done. */
static unsigned int find_dearest(const struct governed *list, unsigned int count, const struct govern_limits *limits)
{
	unsigned int dearest = count;
	uint64_t total = 0;

	for (unsigned int i = 0; i < count; i++) {
		total += list[i].cost_ppm;
		if (can_step_up(&list[i]) && (dearest == count || list[i].cost_ppm > list[dearest].cost_ppm))
			dearest = i;
	}
	return total > limits->total_ppm ? dearest : count;
}

static unsigned int patience(const struct governed *g, const struct govern_limits *limits)
{
	return g->cost_ppm / FAR_OVER > limits->probe_ppm ? FAR_OVER_WINDOWS : OVER_WINDOWS;
}

/* The dearest of those that were over often enough; count: none was. */
static unsigned int count_over(struct governed *list, unsigned int count, const struct govern_limits *limits,
			       unsigned int dearest, bool *ret_hurry)
{
	unsigned int worst = count;

	*ret_hurry = false;
	for (unsigned int i = 0; i < count; i++) {
		struct governed *g = &list[i];

		if (!can_step_up(g) || (g->cost_ppm <= limits->probe_ppm && i != dearest)) {
			g->over = 0;
			continue;
		}
		*ret_hurry = true;
		if (++g->over >= patience(g, limits) && (worst == count || g->cost_ppm > list[worst].cost_ppm))
			worst = i;
	}
	return worst;
}

static void move(struct governed *list, unsigned int i, enum probe_level level, uint32_t budget_ppm, int64_t now_ns,
		 struct govern_step *ret)
{
	struct governed *g = &list[i];

	*ret = (struct govern_step){
		.probe = i, .level = level, .former = g->level, .budget_ppm = budget_ppm, .hold_ns = g->hold_ns
	};
	g->level = level;
	g->since_ns = now_ns;
	g->over = 0;
}

/* The first whose hold is over may do more again; when it is whole that long the hold itself is forgotten. */
static bool let_go(struct governed *list, unsigned int count, const struct govern_limits *limits, int64_t now_ns,
		   struct govern_step *ret)
{
	for (unsigned int i = 0; i < count; i++) {
		struct governed *g = &list[i];

		if (!g->hold_ns || g->over || now_ns - g->since_ns < g->hold_ns)
			continue;
		if (g->level != LEVEL_WHOLE) {
			move(list, i, next_down(g), limits->probe_ppm, now_ns, ret);
			g->tried = true;
			return true;
		}
		g->hold_ns = 0;
		g->tried = false;
	}
	return false;
}

bool governor_decide(struct governed *list, unsigned int count, const struct govern_limits *limits, int64_t now_ns,
		     struct govern_step *ret_step, bool *ret_hurry)
{
	unsigned int dearest = find_dearest(list, count, limits);
	unsigned int worst = count_over(list, count, limits, dearest, ret_hurry);
	struct governed *g;

	if (worst == count)
		return let_go(list, count, limits, now_ns, ret_step);
	g = &list[worst];
	if (!g->hold_ns)
		g->hold_ns = limits->hold_ns;
	else if (g->tried)
		g->hold_ns = MIN(g->hold_ns * 2, GOVERN_HOLD_MAX_NS);
	g->tried = false;
	move(list, worst, next_up(g), g->cost_ppm > limits->probe_ppm ? limits->probe_ppm : limits->total_ppm, now_ns,
	     ret_step);
	return true;
}
