/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One diagnosis over a window of ten thousand events.  What is asserted are steps of SQLite's virtual machine, which
 * are the same on every machine, however busy; the time is only shown.
 */
#include "tests/synth/host.h"
#include "tests/synth/synth.c" /* NOLINT(bugprone-suspicious-include): unit tests have no library of their own */

#include <time.h>

#include "aggregate/aggregate.h"
#include "analyze/detect.h"
#include "analyze/engine.h"
#include "analyze/reader.h"
#include "analyze/rules.h"

#define EVENTS 10000
#define SECONDS 10
#define STEPS_MAX 1200000 /* some 40 ms on a machine of 2024 */

/* Waiters for a lock whose holder is stopped by its quota, beside run-queue waits of many. */
static void busy_second(struct host *h, const int *containers, int count)
{
	for (int i = 0; i < EVENTS / SECONDS; i++) {
		int kind = i % 4, victim = containers[kind == 3 ? i % count : kind];
		enum kw_kind kinds[] = { KW_KIND_lock, KW_KIND_throttle, KW_KIND_offcpu, KW_KIND_runq };
		struct kw_event *e =
			synth_event(h->s, kinds[kind], victim, kind == 0 ? containers[1] : containers[i % count],
				    (i + 1) * SEC / (EVENTS / SECONDS + 2), (5 + i % 40) * MS);

		if (kind == 0)
			*(struct kw_lock *)synth_payload(e) = (struct kw_lock){ .type = 3, .name = "inode" };
		else if (kind == 2)
			((struct kw_offcpu *)synth_payload(e))->reason = KW_WAIT_BLOCK;
		synth_send(h->s, e);
	}
	for (int i = 0; i < count; i++) {
		synth_usage(h->s, containers[i])->cpu_ns = 100 * MS;
		for (int k = 0; k < count; k++)
			synth_blame(h->s, KW_RES_CPU, containers[i], containers[k], KW_SINK_CONTAINER, 5 * MS, 0);
	}
	synth_wait(h->s, containers[0], KW_WAIT_LOCK, 900 * MS, 40 * MS, 250);
	synth_blame(h->s, KW_RES_LOCK, containers[0], containers[1], KW_SINK_CONTAINER, 900 * MS, 1);
	synth_wait(h->s, containers[1], KW_WAIT_THROTTLED, 800 * MS, 40 * MS, 250);
	synth_usage(h->s, containers[1])->cpu_throttled_periods = 9;
	synth_usage(h->s, containers[1])->cpu_throttled_ns = 800 * MS;
	synth_usage(h->s, containers[1])->cpu_quota_ns = 20 * MS;
	synth_usage(h->s, containers[1])->cpu_period_ns = 100 * MS;
	synth_tick(h->s);
}

static int64_t steps_of(sqlite3 *db)
{
	int64_t steps = 0;

	for (sqlite3_stmt *s = sqlite3_next_stmt(db, NULL); s; s = sqlite3_next_stmt(db, s))
		steps += sqlite3_stmt_status(s, SQLITE_STMTSTATUS_VM_STEP, 0);
	return steps;
}

static int64_t container_named(struct sql *sql, const char *name)
{
	sqlite3_stmt *stmt = sql_get(sql, "SELECT container FROM v_container WHERE name = :name");
	int64_t container;

	assert_non_null(stmt);
	sql_bind_text(stmt, ":name", name);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	container = sqlite3_column_int64(stmt, 0);
	sql_done(stmt);
	return container;
}

static void measure(struct host *h, int64_t from_ns, int64_t to_ns)
{
	const struct window window = { .from_ns = from_ns, .onset_ns = from_ns, .to_ns = to_ns,
				       .baseline_from_ns = from_ns - 300 * SEC, .baseline_to_ns = from_ns };
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct coverage coverage;
	struct diagnosis d;
	struct reader *reader;
	struct rules *rules;
	struct sql *sql = sql_new();
	int64_t victim, begin_steps, steps = 0;
	clock_t begin;

	assert_int_equal(rules_load("", &rules, &error), 0);
	assert_int_equal(reader_open(h->dir, &reader, &error), 0);
	assert_true(reader_select(reader, 0, INT64_MAX) >= 0);
	sql_use(sql, reader_db(reader));
	victim = container_named(sql, "/test/web");
	for (int round = 0; round < 2; round++) { /* the first one prepares statements */
		begin = clock();
		begin_steps = steps_of(reader_db(reader));
		assert_int_equal(coverage_load(sql, from_ns, to_ns, &coverage), 0);
		assert_int_equal(engine_diagnose(sql, rules, symptom_find(rules_symptoms(rules), "wait.lock"), victim,
						 &window, &coverage, &d), 0);
		steps = steps_of(reader_db(reader)) - begin_steps;
		print_message("one diagnosis over %d events: %.1f ms of CPU, %lld steps\n", EVENTS,
			      1000.0 * (double)(clock() - begin) / CLOCKS_PER_SEC, (long long)steps);
		assert_non_null(d.best);
		assert_int_equal(d.depth, 1);
		diagnosis_clear(&d);
	}
	assert_true(steps < STEPS_MAX);
	sql_free(sql);
	reader_free(reader);
	rules_free(rules);
}

static void test_cost(void **state)
{
	static const char *const names[] = { "web", "batch", "disk", "a", "b", "c", "d" };
	int containers[ARRAY_SIZE(names)];
	int64_t from_ns, to_ns;
	struct host h;

	(void)state;
	host_new(&h);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		containers[i] = synth_container(h.s, names[i]);
	for (int i = 0; i < 60; i++)
		synth_tick(h.s);
	from_ns = synth_wall(h.s);
	for (int i = 0; i < SECONDS; i++)
		busy_second(&h, containers, (int)ARRAY_SIZE(names));
	to_ns = synth_wall(h.s);
	synth_free(h.s);
	h.s = NULL;
	measure(&h, from_ns, to_ns);
	host_free(&h);
}

static int64_t runs_of(sqlite3 *db)
{
	int64_t runs = 0;

	for (sqlite3_stmt *s = sqlite3_next_stmt(db, NULL); s; s = sqlite3_next_stmt(db, s))
		runs += sqlite3_stmt_status(s, SQLITE_STMTSTATUS_RUN, 0);
	return runs;
}

/* Statements run to look at the tick that ends at end_ns. */
static int64_t look(struct detector *d, struct sql *sql, struct reader *reader, int64_t end_ns)
{
	int64_t before = runs_of(reader_db(reader));

	assert_int_equal(detector_tick(d, sql, end_ns - SEC, end_ns), 0);
	return runs_of(reader_db(reader)) - before;
}

/* Of a tick in which nothing happened little is asked; of one with an event, what reads that kind as well. */
static void test_quiet_tick(void **state)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	int64_t quiet_ns, busy_ns, quiet, busy;
	struct thresholds thresholds;
	struct detector *d;
	struct reader *reader;
	struct rules *rules;
	struct sql *sql = sql_new();
	struct host h;
	int victim;

	(void)state;
	host_new(&h);
	victim = synth_container(h.s, "web");
	for (int i = 0; i < 5; i++) {
		synth_usage(h.s, victim)->cpu_ns = 100 * MS;
		synth_tick(h.s);
	}
	quiet_ns = synth_wall(h.s);
	synth_send(h.s, synth_event(h.s, KW_KIND_exit, victim, SYNTH_NOBODY, 500 * MS, 0));
	synth_tick(h.s);
	busy_ns = synth_wall(h.s);
	synth_free(h.s);
	h.s = NULL;
	thresholds_from_config(h.config, &thresholds);
	assert_int_equal(rules_load("", &rules, &error), 0);
	assert_int_equal(reader_open(h.dir, &reader, &error), 0);
	sql_use(sql, reader_db(reader));
	d = detector_new(&thresholds, rules_symptoms(rules));
	quiet = look(d, sql, reader, quiet_ns);
	busy = look(d, sql, reader, busy_ns);
	print_message("statements of a quiet tick: %lld, of one with an exit: %lld, symptoms: %zu\n", (long long)quiet,
		      (long long)busy, rules_symptoms(rules)->count);
	assert_true(quiet < (int64_t)rules_symptoms(rules)->count / 2);
	assert_true(busy > quiet);
	detector_free(d);
	sql_free(sql);
	reader_free(reader);
	rules_free(rules);
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_cost), cmocka_unit_test(test_quiet_tick) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
