/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What pages and shipped queries read of a store does not grow with what else is in it.  Counted are steps of SQLite's
 * virtual machine over a store and over one with five times the past, which are the same on every machine.
 */
#include "tests/synth/synth.c" /* NOLINT(bugprone-suspicious-include): unit tests have no library of their own */

#include <limits.h>
#include <sqlite3.h>

#include "aggregate/aggregate.h" /* what the store is written through */
#include "analyze/queries.h"
#include "analyze/reader.h"
#include "analyze/reports.h"
#include "base/fileutil.h"
#include "base/timeutil.h"
#include "base/ulid.h"
#include "web/event_context.h"
#include "web/lists.h"
#include "web/top.h"

#define SHORT 120 /* seconds */
#define LONG (5 * SHORT)
#define WINDOW_NS (60 * NSEC_PER_SEC)
#define INCIDENTS 300
#define MINE "/test/mine"

struct store {
	char dir[PATH_MAX];
	struct reader *r;
	int64_t end_ns, steps;
};

static void busy_second(struct synth *s)
{
	static const enum kw_kind kinds[] = { KW_KIND_runq, KW_KIND_block, KW_KIND_lock, KW_KIND_offcpu, KW_KIND_drop };

	for (int c = 1; c <= 3; c++) {
		synth_wait(s, c, KW_WAIT_CPU, 50 * SYNTH_MS, 9 * SYNTH_MS, 9);
		synth_blame(s, KW_RES_CPU, c, 1 + c % 3, KW_SINK_CONTAINER, 40 * SYNTH_MS, 0);
		synth_usage(s, c)->cpu_ns = 100 * SYNTH_MS;
		synth_netstat(s, c)->tcp_out_segs = 100;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct kw_event *e = synth_event(s, kinds[i], 1, 2, (int64_t)(i + 1) * 100 * SYNTH_MS, 20 * SYNTH_MS);

		e->stack = 7;
		synth_send(s, e);
	}
	synth_tick(s);
}

static int count_steps(unsigned int what, void *ctx, void *stmt, void *ns)
{
	struct store *store = ctx;

	(void)what;
	(void)ns;
	store->steps += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
	return 0;
}

static void store_open(struct store *store)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;

	assert_int_equal(reader_open(store->dir, &store->r, &err), 0);
	sqlite3_trace_v2(reader_db(store->r), SQLITE_TRACE_PROFILE, count_steps, store);
}

static void store_make(struct store *store, int seconds)
{
	struct synth *s;

	assert_int_equal(dir_make_temporary(store->dir, sizeof(store->dir), "kwhy-work"), 0);
	s = synth_new(store->dir, 2);
	for (int c = 1; c <= 3; c++)
		synth_container(s, c == 1 ? "one" : c == 2 ? "two" : "three");
	for (int i = 0; i < seconds; i++)
		busy_second(s);
	store->end_ns = synth_wall(s);
	synth_free(s);
	store_open(store);
}

static void store_free(struct store *store)
{
	reader_free(store->r);
	dir_remove(store->dir);
}

struct pair {
	struct store few, many;
};

static int setup(void **state)
{
	static struct pair p;

	store_make(&p.few, SHORT);
	store_make(&p.many, LONG);
	*state = &p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	store_free(&p->few);
	store_free(&p->many);
	return 0;
}

/* Not more by a fifth and what a few further steps down a tree cost. */
static void assert_no_growth(const char *what, const struct pair *p)
{
	print_message("# %s: %lld and %lld steps\n", what, (long long)p->few.steps, (long long)p->many.steps);
	assert_true(p->few.steps > 0);
	if (p->many.steps > p->few.steps + p->few.steps / 5 + 2000)
		fail_msg("%s takes %lld steps, %lld over a store with more of the past", what, (long long)p->few.steps,
			 (long long)p->many.steps);
}

/* ---- pages ----------------------------------------------------------------------------------------------- */

static int64_t waits(struct reader *r, json_t **ret, struct strbuf *err)
{
	return list_waits(r, WINDOW_NS, ret, err);
}

static int64_t usage(struct reader *r, json_t **ret, struct strbuf *err)
{
	return list_usage(r, 0, WINDOW_NS, ret, err);
}

static int64_t suffering(struct reader *r, json_t **ret, struct strbuf *err)
{
	return list_suffering(r, 0, ret, err);
}

static int64_t losses(struct reader *r, json_t **ret, struct strbuf *err)
{
	return list_losses(r, WINDOW_NS, ret, err);
}

static int64_t newest_events(struct reader *r, json_t **ret, struct strbuf *err)
{
	const struct event_filter filter = { .limit = 50 };

	return list_events(r, &filter, ret, err);
}

static int64_t summary(struct reader *r, json_t **ret, struct strbuf *err)
{
	struct event_filter filter = { .limit = 1 };
	int64_t first;

	assert_int_equal(reader_bounds(r, &first, &filter.until_ns), 0);
	filter.since_ns = filter.until_ns - WINDOW_NS;
	return event_summary(r, &filter, ret, err);
}

static int64_t top(struct reader *r, json_t **ret, struct strbuf *err)
{
	return top_read(r, 0, ret, err);
}

static void lists_look_at_their_window(void **state)
{
	static const struct {
		const char *name;
		int64_t (*read)(struct reader *r, json_t **ret_rows, struct strbuf *ret_error);
	} lists[] = { { "waits", waits },	{ "usage", usage },	{ "losses", losses }, { "probes", list_probes },
		      { "suffering", suffering }, { "events", newest_events }, { "top", top },
		      { "summary of events", summary } };
	struct pair *p = *state;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		struct store *stores[] = { &p->few, &p->many };

		for (size_t k = 0; k < ARRAY_SIZE(stores); k++) {
			AUTO(strbuf) struct strbuf err = STRBUF_INIT;
			json_t *rows = NULL;

			stores[k]->steps = 0;
			if (lists[i].read(stores[k]->r, &rows, &err) < 0)
				fail_msg("%s: %s", lists[i].name, strbuf_str(&err));
			json_decref(rows);
		}
		assert_no_growth(lists[i].name, p);
	}
}

/* ---- shipped queries ------------------------------------------------------------------------------------- */

static const char *nothing_given(const void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return NULL;
}

static void run_query(struct store *store, const struct saved_query *q)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct saved_values v;

	store->steps = 0;
	assert_int_equal(saved_query_bind(q, nothing_given, NULL, store->end_ns - WINDOW_NS, store->end_ns, store->end_ns, &v,
					  &err), 0);
	assert_true(reader_select(store->r, store->end_ns - WINDOW_NS, store->end_ns) >= 0);
	if (reader_query(store->r, q->sql, v.params, v.count, NULL, NULL, NULL, &err) < 0)
		fail_msg("%s: %s", q->name, strbuf_str(&err));
}

static void queries_look_at_their_window(void **state)
{
	AUTO(strbuf) struct strbuf messages = STRBUF_INIT;
	const struct saved_query *q;
	struct saved_queries *all;
	struct pair *p = *state;

	assert_int_equal(saved_queries_load("", &all, &messages), 0);
	for (size_t i = 0; (q = saved_queries_at(all, i)); i++) {
		/* It looks five minutes back, which one of the stores does not have. */
		if (!strcmp(q->name, "before"))
			continue;
		run_query(&p->few, q);
		run_query(&p->many, q);
		assert_no_growth(q->name, p);
	}
	saved_queries_free(all);
}

/* ---- incidents ------------------------------------------------------------------------------------------- */

/* One in a hundred is of MINE. */
static void put_reports(const char *dir)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct reports *reports;

	assert_int_equal(reports_open(dir, &reports, &err), 0);
	for (int i = 0; i < INCIDENTS; i++) {
		char id[ULID_LEN + 1];
		json_t *report;

		ulid_format((uint64_t)i + 1, (uint8_t[10]){ 0 }, id);
		report = json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:[{s:{s:s, s:s}}], s:[{s:n}]}", "id", id,
				   "revision", 1, "cause", "cpu.neighbor", "status", "resolved", "severity", "warning",
				   "headline", "h", "window", "onset_ns", "1800000000000000000", "detected_ns",
				   "1800000000000000000", "victims", "container", "name",
				   i % 100 ? "/test/other" : MINE, "ref", "c1", "culprits", "container");
		assert_int_equal(reports_put(reports, report), 0);
		json_decref(report);
	}
	reports_free(reports);
}

static int one_more(void *ctx, const json_t *report)
{
	(void)report;
	++*(int *)ctx;
	return 0;
}

static int incidents_of(struct store *store, const char *container)
{
	const struct incident_filter filter = { .container = container };
	int n = 0;

	store->steps = 0;
	assert_true(reader_select(store->r, 0, INT64_MAX) >= 0);
	assert_true(reports_each(store->r, &filter, one_more, &n) >= 0);
	return n;
}

static void forget_parties(const struct store *store)
{
	AUTO(strbuf) struct strbuf path = STRBUF_INIT;
	sqlite3 *db;

	strbuf_addf(&path, "%s/reports/reports.db", store->dir);
	assert_int_equal(sqlite3_open(strbuf_str(&path), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DROP TABLE party; PRAGMA user_version = 1", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void incidents_are_found_by_name(void **state)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct store *store = &((struct pair *)*state)->few;
	struct reports *reports;
	int64_t all_steps;

	put_reports(store->dir);
	assert_int_equal(incidents_of(store, NULL), INCIDENTS);
	all_steps = store->steps;
	assert_int_equal(incidents_of(store, MINE), INCIDENTS / 100);
	print_message("# %lld and %lld steps\n", (long long)all_steps, (long long)store->steps);
	assert_true(store->steps < all_steps);
	assert_int_equal(incidents_of(store, "/test/nobody"), 0);
	assert_int_equal(incidents_of(store, "c1"), INCIDENTS);
	/* One that an older kwhy wrote is read all the same, and brought up to date by its next writer. */
	reader_free(store->r);
	forget_parties(store);
	store_open(store);
	assert_int_equal(incidents_of(store, MINE), INCIDENTS / 100);
	assert_int_equal(reports_open(store->dir, &reports, &err), 0);
	reports_free(reports);
	assert_int_equal(incidents_of(store, MINE), INCIDENTS / 100);
	assert_true(store->steps < all_steps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_look_at_their_window),
		cmocka_unit_test(queries_look_at_their_window),
		cmocka_unit_test(incidents_are_found_by_name),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
