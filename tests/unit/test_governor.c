/* SPDX-License-Identifier: Apache-2.0 */
/* What the governor decides over made-up costs; that programs follow is tested on the running kernel (tests/bpf). */
#include "tests/unit/unit.h"

#include <string.h>

#include "base/cleanup.h"
#include "collect/governor.h"

#define SEC NSEC_PER_SEC
#define HOLD (60 * SEC)

enum { CHEAP, HOT, THRESHOLD, PROBES };

struct bench {
	struct governed list[PROBES];
	int64_t now_ns;
	bool hurry;
	struct govern_step step;
};

static const struct govern_limits limits = { .probe_ppm = 1000, .total_ppm = 3000, .hold_ns = HOLD };

static void bench_new(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->now_ns = 1000 * SEC;
	b->list[THRESHOLD].has_threshold = true;
}

/* One window of one second. */
static bool decide(struct bench *b)
{
	b->now_ns += SEC;
	return governor_decide(b->list, PROBES, &limits, b->now_ns, &b->step, &b->hurry);
}

static void assert_step(struct bench *b, unsigned int probe, enum probe_level level)
{
	assert_true(decide(b));
	assert_int_equal(b->step.probe, probe);
	assert_int_equal(b->step.level, level);
	assert_int_equal(b->list[probe].level, level);
}

/* What is over now and stays so: the step comes with the fifth window. */
static void assert_step_after_five(struct bench *b, unsigned int probe, enum probe_level level)
{
	for (int i = 1; i < 5; i++)
		assert_false(decide(b));
	assert_step(b, probe, level);
}

static void test_quiet(void **state)
{
	struct bench b;

	(void)state;
	bench_new(&b);
	b.list[HOT].cost_ppm = 1000; /* exactly its budget */
	for (int i = 0; i < 100; i++)
		assert_false(decide(&b));
	assert_false(b.hurry);
}

static void test_four_windows_are_a_burst(void **state)
{
	struct bench b;

	(void)state;
	bench_new(&b);
	for (int i = 0; i < 20; i++) {
		b.list[HOT].cost_ppm = i % 5 ? 2000 : 0;
		assert_false(decide(&b));
		assert_int_equal(b.hurry, i % 5 != 0);
	}
}

static void test_far_over(void **state)
{
	struct bench b;

	(void)state;
	bench_new(&b);
	b.list[HOT].cost_ppm = 5010;
	assert_false(decide(&b));
	assert_step(&b, HOT, LEVEL_SAMPLED);
}

static void test_step_by_step(void **state)
{
	struct bench b;

	(void)state;
	bench_new(&b);
	b.list[THRESHOLD].cost_ppm = 2000;
	assert_step_after_five(&b, THRESHOLD, LEVEL_RAISED);
	assert_int_equal(b.step.former, LEVEL_WHOLE);
	assert_int_equal(b.step.budget_ppm, limits.probe_ppm);
	assert_step_after_five(&b, THRESHOLD, LEVEL_SAMPLED);
	assert_step_after_five(&b, THRESHOLD, LEVEL_DETACHED);
	assert_int_equal(b.step.hold_ns, HOLD); /* it has not come back in between */
	b.list[THRESHOLD].cost_ppm = 0;
	assert_false(decide(&b));
	assert_false(b.hurry);
	assert_int_equal(b.list[CHEAP].level + b.list[HOT].level, 0);
}

static void test_without_threshold(void **state)
{
	struct bench b;

	(void)state;
	bench_new(&b);
	b.list[HOT].cost_ppm = 2000;
	assert_step_after_five(&b, HOT, LEVEL_SAMPLED);
	b.list[HOT].cost_ppm = 10;
	for (int i = 1; i < 60; i++)
		assert_false(decide(&b));
	assert_step(&b, HOT, LEVEL_WHOLE);
}

/* Where the verifier is too slow to load anything anew there is one step, which needs no loading. */
static void test_one_that_stays(void **state)
{
	struct bench b;

	(void)state;
	bench_new(&b);
	b.list[HOT].stays = true;
	b.list[HOT].cost_ppm = 2000;
	assert_step_after_five(&b, HOT, LEVEL_SAMPLED);
	for (int i = 1; i < 60; i++)
		assert_false(decide(&b));
	assert_false(b.hurry);
	assert_step(&b, HOT, LEVEL_WHOLE);
}

static void test_comes_back_later_each_time(void **state)
{
	int64_t hold = HOLD;
	struct bench b;

	(void)state;
	bench_new(&b);
	for (int round = 0; round < 10; round++) {
		b.list[HOT].cost_ppm = 2000;
		assert_step_after_five(&b, HOT, LEVEL_SAMPLED);
		assert_int_equal(b.step.hold_ns, hold);
		b.list[HOT].cost_ppm = 10;
		assert_false(decide(&b));
		b.now_ns += hold;
		assert_step(&b, HOT, LEVEL_WHOLE);
		hold = MIN(hold * 2, GOVERN_HOLD_MAX_NS);
	}
	/* Good for as long as it was held: all is forgotten. */
	b.now_ns += hold;
	assert_false(decide(&b));
	b.list[HOT].cost_ppm = 2000;
	assert_step_after_five(&b, HOT, LEVEL_SAMPLED);
	assert_int_equal(b.step.hold_ns, HOLD);
}

static void test_all_together(void **state)
{
	struct bench b;

	(void)state;
	bench_new(&b);
	b.list[CHEAP].cost_ppm = 999;
	b.list[HOT].cost_ppm = 1000;
	b.list[THRESHOLD].cost_ppm = 1000;
	assert_false(decide(&b)); /* 2999 */
	assert_false(b.hurry);
	b.list[CHEAP].cost_ppm = 1001; /* the dearest, but not to be touched */
	b.list[CHEAP].fixed = true;
	assert_step_after_five(&b, HOT, LEVEL_SAMPLED);
	assert_int_equal(b.step.budget_ppm, limits.total_ppm);
}

static void test_fixed_ones_stay(void **state)
{
	struct bench b;

	(void)state;
	bench_new(&b);
	for (int i = 0; i < PROBES; i++) {
		b.list[i].fixed = true;
		b.list[i].cost_ppm = 1000000;
	}
	for (int i = 0; i < 10; i++)
		assert_false(decide(&b));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_four_windows_are_a_burst),
		cmocka_unit_test(test_far_over),
		cmocka_unit_test(test_step_by_step),
		cmocka_unit_test(test_without_threshold),
		cmocka_unit_test(test_one_that_stays),
		cmocka_unit_test(test_comes_back_later_each_time),
		cmocka_unit_test(test_all_together),
		cmocka_unit_test(test_fixed_ones_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
