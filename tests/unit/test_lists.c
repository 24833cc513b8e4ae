/* SPDX-License-Identifier: Apache-2.0 */
/* Containers as they were at a moment. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "aggregate/aggregate.h" /* what the store is written through */
#include "analyze/reader.h"
#include "analyze/reports.h"
#include "tests/unit/store_fixture.h"
#include "web/lists.h"
#include "web/rows.h"

enum { WEB = 100, IDLE = 101, COLD = 102 };
#define LAST 200 /* the newest tick, in seconds */

static void put_usage(struct fixture *f, uint64_t ts_ns, uint64_t v2, int64_t memory, int64_t pids, int64_t frozen)
{
	union record r;

	make_record(&r, KW_KIND_usage, ts_ns);
	memset(PAYLOAD(&r, usage), 0xff, sizeof(struct kw_usage)); /* -1: not known */
	r.event.subject.cg.v2 = v2;
	PAYLOAD(&r, usage)->span_ns = SEC(1);
	PAYLOAD(&r, usage)->cpu_ns = 500000000;
	PAYLOAD(&r, usage)->cpu_quota_ns = 20000000;
	PAYLOAD(&r, usage)->cpu_period_ns = 100000000;
	PAYLOAD(&r, usage)->memory_bytes = memory;
	PAYLOAD(&r, usage)->memory_limit_bytes = 2 * memory;
	PAYLOAD(&r, usage)->pids = pids;
	PAYLOAD(&r, usage)->frozen = frozen;
	put(f, &r);
}

static void put_profile(struct fixture *f, uint64_t ts_ns, uint32_t pid, const char *comm, uint64_t ns)
{
	union record r;

	make_record(&r, KW_KIND_profile, ts_ns);
	r.event.subject = (struct kw_party){ .cg.v2 = WEB, .pid = pid, .tid = pid, .start_ns = 5 };
	snprintf(r.event.subject.comm, sizeof(r.event.subject.comm), "%s", comm);
	PAYLOAD(&r, profile)->span_ns = SEC(1);
	PAYLOAD(&r, profile)->ns = ns;
	put(f, &r);
}

static void put_incident(const char *dir, int64_t victim)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct reports *reports;
	json_t *report = json_pack(
		"{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:{s:s}, s:{s:s, s:s, s:s, s:s}, s:{s:s, s:s}, s:{s:[I]}, s:[], s:[]}",
		"schema", "kwhy.report/v1", "id", "01KAYQ0000000000000000ABCD", "revision", 1, "status", "resolved",
		"severity", "warning", "cause", "cpu.neighbor", "headline", "web waited", "confidence", "level", "confirmed",
		"window", "onset_ns", "1700000095000000000", "detected_ns", "1700000096000000000", "peak_ns",
		"1700000096000000000", "end_ns", "1700000120000000000", "resource", "kind", "cpu", "name", "cpu", "key", "victims",
		(json_int_t)victim, "victims", "culprits");

	assert_non_null(report);
	assert_int_equal(reports_open(dir, &reports, &error), 0);
	assert_int_equal(reports_put(reports, report), 0);
	reports_free(reports);
	json_decref(report);
}

static struct fixture fixture;

static int setup(void **state)
{
	struct fixture *f = &fixture;

	(void)state;
	fixture_new(f);
	fixture_open(f);
	put_cgroup(f, SEC(1), CG_MADE, 0, WEB, "/web");
	put_cgroup(f, SEC(1), CG_MADE, 0, IDLE, "/idle");
	put_cgroup(f, SEC(1), CG_MADE, 0, COLD, "/cold");
	for (unsigned int at = 2; at <= LAST; at++) {
		bool early = at <= 100;

		put_usage(f, SEC(at), WEB, early ? 1000 : 5000, 3, 0);
		put_usage(f, SEC(at), IDLE, 10, 0, 0);
		put_usage(f, SEC(at), COLD, 10, 1, early);
		put_profile(f, SEC(at), early ? 7 : 8, early ? "early" : "<b>\x1b[31m", 90000000);
		if (at == 90)
			put_runq(f, SEC(at) + 1, WEB, 0, 50000000);
		put_tick(f, SEC(at) + 1000, at);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_free(&fixture);
	return 0;
}

static json_t *at_moment(int64_t at_ns)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct reader *reader;
	json_t *rows = NULL;

	assert_int_equal(reader_open(fixture.dir, &reader, &error), 0);
	assert_true(list_containers(reader, at_ns, &rows, &error) >= 4);
	list_state(reader, at_ns, rows);
	reader_free(reader);
	return rows;
}

static const json_t *named(const json_t *rows, const char *name)
{
	const json_t *row;
	size_t i;

	json_array_foreach ((json_t *)rows, i, row)
		if (!strcmp(value_text(row, "name"), name))
			return row;
	fail_msg("there is no %s", name);
	return NULL;
}

static const char *comm_of(const json_t *row, size_t i)
{
	return value_text(json_array_get(json_object_get(row, "processes"), i), "comm");
}

static void each_moment_has_its_own(void **state)
{
	json_t *now = at_moment(0), *then;
	const json_t *web = named(now, "/web");

	(void)state;
	assert_string_equal(value_text(web, "state"), "running");
	assert_int_equal(value_int(json_object_get(web, "limits"), "memory", 0), 10000);
	assert_true(json_real_value(json_object_get(json_object_get(web, "limits"), "cpu")) == 0.2);
	assert_null(json_object_get(json_object_get(web, "limits"), "pids")); /* there is none */
	assert_int_equal(json_array_size(json_object_get(web, "processes")), 1);
	assert_string_equal(comm_of(web, 0), "<b>\x1b[31m"); /* data: made safe where it is shown */
	assert_string_equal(value_text(named(now, "/idle"), "state"), "empty");
	assert_string_equal(value_text(named(now, "/cold"), "state"), "running");

	put_incident(fixture.dir, value_int(web, "container", 0));
	json_decref(now);
	then = at_moment(WALL(SEC(100)));
	web = named(then, "/web");
	assert_int_equal(value_int(json_object_get(web, "usage"), "memory_bytes", 0), 1000);
	assert_int_equal(value_int(json_object_get(web, "limits"), "memory", 0), 2000);
	assert_string_equal(comm_of(web, 0), "early");
	assert_string_equal(comm_of(web, 1), "victim"); /* used no CPU that was seen, but waited */
	assert_string_equal(value_text(named(then, "/cold"), "state"), "frozen");
	assert_int_equal(value_int(web, "open", 0), 1);
	json_decref(then);
	now = at_moment(0);
	assert_null(json_object_get(named(now, "/web"), "open"));
	json_decref(now);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_moment_has_its_own, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
