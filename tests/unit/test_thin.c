/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of long ago are folded to ten seconds a row, without changing any sum, but not around what went wrong. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "aggregate/aggregate.h"
#include "aggregate/thin.h"
#include "analyze/reader.h"
#include "tests/unit/store_fixture.h"

#define WEB 100
#define FROM_S 1000
#define SECONDS 900
#define WRONG_S 1150 /* a long wait */

static int take(void *ctx, int count, const char *const *names, const struct query_value *v)
{
	(void)count;
	(void)names;
	*(int64_t *)ctx = v[0].type == VALUE_INT ? v[0].integer : -2;
	return 0;
}

/* One integer about [from, to] seconds. */
static int64_t ask(struct fixture *f, const char *what, const char *view, int from_s, int to_s)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct reader *r = NULL;
	int64_t value = -1;
	char sql[256];

	assert_int_equal(reader_open(f->dir, &r, &error), 0);
	assert_true(reader_select(r, 0, INT64_MAX) >= 0);
	snprintf(sql, sizeof(sql), "SELECT %s FROM %s WHERE ts_ns > %lld AND ts_ns <= %lld", what, view,
		 (long long)WALL(SEC(from_s)), (long long)WALL(SEC(to_s)));
	if (reader_query(r, sql, NULL, 0, NULL, take, &value, &error) < 0)
		fail_msg("%s: %s", sql, strbuf_str(&error));
	reader_free(r);
	return value;
}

static void put_usage(struct fixture *f, int second)
{
	union record r;

	make_record(&r, KW_KIND_usage, SEC(second - 0.5));
	memset(PAYLOAD(&r, usage), 0xff, sizeof(struct kw_usage));
	r.event.subject.cg.v2 = WEB;
	PAYLOAD(&r, usage)->span_ns = SEC(1);
	PAYLOAD(&r, usage)->cpu_ns = 1000;
	PAYLOAD(&r, usage)->pids = second;
	put(f, &r);
}

static void put_profile(struct fixture *f, int second, uint32_t pid, uint64_t stack)
{
	union record r;

	make_record(&r, KW_KIND_profile, SEC(second - 0.5));
	r.event.subject = (struct kw_party){ .cg.v2 = WEB, .pid = pid, .tid = pid, .comm = "work" };
	r.event.stack = stack;
	*PAYLOAD(&r, profile) = (struct kw_profile){ .span_ns = SEC(1), .samples = 2, .ns = 2000 };
	put(f, &r);
}

/* A quarter of an hour of a container that works, with one long wait. */
static int setup(void **state)
{
	static struct fixture f;

	fixture_new(&f);
	if (*state)
		fixture_set(&f, "store.detail", *state);
	fixture_open(&f);
	put_tick(&f, SEC(FROM_S), 1);
	put_cgroup(&f, SEC(FROM_S), CG_SEEN, 0, WEB, "/web");
	for (int s = FROM_S + 1; s <= FROM_S + SECONDS; s++) {
		put_wait(&f, SEC(s - 0.5), WEB, KW_WAIT_CPU, s == WRONG_S ? 300000000 : 1000);
		put_wait(&f, SEC(s - 0.5), WEB, KW_WAIT_BLOCK, 500);
		put_usage(&f, s);
		put_profile(&f, s, 7, 5);
		put_profile(&f, s, 7, 0);
		put_profile(&f, s, 8 + s % 2, 5);
		put_runq(&f, SEC(s - 0.5), WEB, 0, 2000000);
		put_tick(&f, SEC(s), s);
	}
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static void sums_stay(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "sum(wait_ns)", "v_wait", 0, 9999), 300000000 + (SECONDS - 1) * 1000 + SECONDS * 500);
	assert_int_equal(ask(f, "sum(span_ns)", "v_usage", 0, 9999), SEC(SECONDS));
	assert_int_equal(ask(f, "sum(cpu_ns)", "v_usage", 0, 9999), SECONDS * 1000);
	assert_int_equal(ask(f, "sum(samples)", "v_profile", 0, 9999), SECONDS * 6);
	assert_int_equal(ask(f, "count(*)", "v_runq", 0, 9999), SECONDS); /* single occurrences stay */
	assert_int_equal(ask(f, "count(*)", "v_tick", 0, 9999), SECONDS + 1);
}

static void old_seconds_become_ten(void **state)
{
	struct fixture *f = *state;

	/* The first span after the first tick begins at 1010. */
	assert_int_equal(ask(f, "count(*)", "v_usage", 1010, 1070), 6);
	assert_int_equal(ask(f, "count(*)", "v_wait", 1010, 1070), 12); /* reasons are kept apart */
	assert_int_equal(ask(f, "count(*)", "v_profile", 1010, 1070), 24); /* and processes, and stacks */
	assert_int_equal(ask(f, "min(span_ns)", "v_usage", 1010, 1070), SEC(10));
	assert_int_equal(ask(f, "max(pids)", "v_usage", 1010, 1020), 1020); /* a gauge: the latest */
	assert_int_equal(ask(f, "count(memory_bytes)", "v_usage", 1010, 1070), 0); /* not available stays so */
	assert_int_equal(ask(f, "max(max_ns)", "v_wait", 1010, 1070), 500);
	assert_int_equal(ask(f, "max(ts_ns)", "v_usage", 1010, 1020) / 1000, WALL(SEC(1019.5)) / 1000);
}

static void detail_stays_where_it_matters(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "count(*)", "v_usage", FROM_S, 1010), 10);			/* before it watched */
	assert_int_equal(ask(f, "count(*)", "v_usage", WRONG_S - 60, WRONG_S + 60), 120);
	assert_int_equal(ask(f, "count(*)", "v_usage", 1220, 1290), 7);			/* after that again */
	assert_int_equal(ask(f, "count(*)", "v_usage", 1310, FROM_S + SECONDS), 590);	/* the last ten minutes */
}

static void can_be_turned_off(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "count(*)", "v_usage", 0, 9999), SECONDS);
	assert_int_equal(ask(f, "count(*)", "v_profile", 0, 9999), SECONDS * 3);
}

static void failures_keep_detail(void **state)
{
	const int64_t begin = WALL(SEC(2000)), later = begin + (int64_t)SEC(1200);
	struct thin *t = thin_new((int64_t)SEC(600));
	struct thin_piece p;
	struct kw_oom oom = { 0 };

	(void)state;
	assert_false(thin_next(t, begin, &p));
	thin_note(t, kw_kind_by_name("oom"), &oom, begin + (int64_t)SEC(95));
	for (int64_t at = begin; thin_next(t, later, &p);) {
		assert_true(p.from_ns >= at && p.to_ns <= later - (int64_t)SEC(600));
		assert_true(p.to_ns <= begin + (int64_t)SEC(30) || p.from_ns >= begin + (int64_t)SEC(160));
		at = p.from_ns;
	}
	assert_int_equal(p.to_ns, later - (int64_t)SEC(600));
	/* Longer ago than it remembers: left alone. */
	assert_false(thin_next(t, later + (int64_t)SEC(7200), &p));
	thin_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sums_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(old_seconds_become_ten, setup, teardown),
		cmocka_unit_test_setup_teardown(detail_stays_where_it_matters, setup, teardown),
		cmocka_unit_test_prestate_setup_teardown(can_be_turned_off, setup, teardown, (void *)"0s"),
		cmocka_unit_test(failures_keep_detail),
	};

	return cmocka_run_group_tests_name("thin", tests, NULL, NULL);
}
