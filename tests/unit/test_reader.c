/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aggregate/aggregate.h"
#include "analyze/reader.h"
#include "tests/unit/store_fixture.h"

#define WEB 100
#define BATCH 200

struct got {
	struct strbuf text; /* columns by '|', rows by '\n' */
	int64_t rows;
};

static int collect_row(void *ctx, int count, const char *const *names, const struct query_value *values)
{
	struct got *g = ctx;

	(void)names;
	for (int i = 0; i < count; i++) {
		if (i)
			strbuf_addch(&g->text, '|');
		if (values[i].type == VALUE_INT)
			strbuf_addf(&g->text, "%lld", (long long)values[i].integer);
		else if (values[i].type == VALUE_REAL)
			strbuf_addf(&g->text, "%g", values[i].real);
		else if (values[i].type == VALUE_NULL)
			strbuf_addstr(&g->text, "NULL");
		else
			strbuf_add(&g->text, values[i].text, (size_t)values[i].size);
	}
	strbuf_addch(&g->text, '\n');
	g->rows++;
	return 0;
}

/* The result of a query as text; a negative errno as "-22: message". */
static const char *ask(struct reader *r, const char *sql)
{
	static struct got g;
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	int64_t n;

	strbuf_reset(&g.text);
	n = reader_query(r, sql, NULL, 0, NULL, collect_row, &g, &error);
	if (n < 0) {
		strbuf_reset(&g.text);
		strbuf_addf(&g.text, "%lld: %s", (long long)n, strbuf_str(&error));
	} else if (g.text.len) {
		g.text.data[--g.text.len] = '\0';
	}
	return strbuf_str(&g.text);
}

static int64_t run_error(struct reader *r, const char *sql, const struct query_limits *limits)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	int64_t n = reader_query(r, sql, NULL, 0, limits, NULL, NULL, &error);

	if (n < 0)
		assert_string_not_equal(strbuf_str(&error), "");
	return n;
}

static struct reader *must_open(const struct fixture *f)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct reader *r = NULL;

	assert_int_equal(reader_open(f->dir, &r, &error), 0);
	return r;
}

static void put_stack(struct fixture *f, uint64_t ts_ns, uint64_t hash, const char *text)
{
	union record r;

	make_record(&r, KW_KIND_stack, ts_ns);
	r.event.payload_size = (uint16_t)(offsetof(struct kw_stack, text) + strlen(text));
	PAYLOAD(&r, stack)->hash = hash;
	memcpy(PAYLOAD(&r, stack)->text, text, strlen(text));
	put(f, &r);
}

static void put_samples(struct fixture *f, uint64_t ts_ns)
{
	union record r;

	put_wait(f, ts_ns, WEB, KW_WAIT_CPU, 400000000);
	make_record(&r, KW_KIND_blame, ts_ns);
	r.event.subject.cg.v2 = WEB;
	r.event.peer = (struct kw_party){ .cg.v2 = BATCH, .pid = 200, .tid = 201, .start_ns = 6, .comm = "hog" };
	*PAYLOAD(&r, blame) =
		(struct kw_blame){ .span_ns = SEC(1), .resource = KW_RES_CPU, .count = 3, .ns = 300000000 };
	put(f, &r);
	memset(&r.event.peer, 0, sizeof(r.event.peer));
	PAYLOAD(&r, blame)->sink = KW_SINK_IDLE;
	put(f, &r);
	make_record(&r, KW_KIND_usage, ts_ns);
	r.event.subject.cg.v2 = WEB;
	*PAYLOAD(&r, usage) = (struct kw_usage){ .span_ns = SEC(1), .cpu_ns = 5, .memory_limit_bytes = -1, .pids = 7 };
	put(f, &r);
	make_record(&r, KW_KIND_pressure, ts_ns);
	*PAYLOAD(&r, pressure) = (struct kw_pressure){ .span_ns = SEC(1), .cpu_some_ns = 9, .cpu_full_ns = -1 };
	put(f, &r);
	make_record(&r, KW_KIND_host, ts_ns);
	*PAYLOAD(&r, host) = (struct kw_host){ .span_ns = SEC(1), .cpus = 2, .steal_ns = -1 };
	put(f, &r);
	make_record(&r, KW_KIND_profile, ts_ns);
	r.event.subject = (struct kw_party){ .cg.v2 = WEB, .pid = 7, .tid = 8, .comm = "php" };
	r.event.peer_stack = 42;
	*PAYLOAD(&r, profile) = (struct kw_profile){ .span_ns = SEC(1), .samples = 3, .ns = 270 };
	put(f, &r);
	make_record(&r, KW_KIND_wakeup, ts_ns);
	r.event.subject.cg.v2 = WEB;
	r.event.peer = (struct kw_party){ .cg.v2 = BATCH, .pid = 200, .tid = 201, .comm = "hog" };
	*PAYLOAD(&r, wakeup) = (struct kw_wakeup){ .span_ns = SEC(1), .count = 2, .sum_ns = 40, .max_ns = 30 };
	put(f, &r);
	make_record(&r, KW_KIND_netstat, ts_ns);
	*PAYLOAD(&r, netstat) = (struct kw_netstat){ .span_ns = SEC(1), .netns = 4026531840, .tcp_retransmits = 3 };
	put(f, &r);
}

static void put_others(struct fixture *f, uint64_t ts_ns)
{
	static const unsigned char v4[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };
	union record r;

	make_record(&r, KW_KIND_log, ts_ns);
	PAYLOAD(&r, log)->priority = 4;
	snprintf(PAYLOAD(&r, log)->text, sizeof(PAYLOAD(&r, log)->text), "hung \"task\"");
	put(f, &r);
	make_record(&r, KW_KIND_probe, ts_ns);
	PAYLOAD(&r, probe)->state = 2;
	PAYLOAD(&r, probe)->emitted = 5;
	snprintf(PAYLOAD(&r, probe)->name, sizeof(PAYLOAD(&r, probe)->name), "runq");
	snprintf(PAYLOAD(&r, probe)->why, sizeof(PAYLOAD(&r, probe)->why), "no tp_btf");
	put(f, &r);
	make_record(&r, KW_KIND_drop, ts_ns);
	memcpy(PAYLOAD(&r, drop)->saddr, v4, 16);
	PAYLOAD(&r, drop)->daddr[15] = 1;
	PAYLOAD(&r, drop)->location = UINT64_C(0xffffffff81000000);
	put(f, &r);
}

static void fill(struct fixture *f)
{
	put_cgroup(f, SEC(1), CG_SEEN, 0, WEB, "/docker/" ID64);
	put_cgroup(f, SEC(1), CG_SEEN, 0, BATCH, "/batch");
	put_cgroup(f, SEC(1), CG_SEEN, 4, 77, "/batch");
	put_stack(f, SEC(1.1), 42, "schedule+0x1\nio_schedule+0x2");
	put_runq(f, SEC(1.2), WEB, BATCH, 123000000);
	put_samples(f, SEC(2));
	put_others(f, SEC(2));
	put_tick(f, SEC(2), 1);
}

static void setup(struct fixture *f)
{
	fixture_new(f);
	fixture_open(f);
	fill(f);
}

static void every_kind_has_a_view(void **state)
{
	struct fixture f;
	struct reader *r;
	char sql[256];

	(void)state;
	setup(&f);
	r = must_open(&f);
	for (size_t i = 0; kw_kind_at(i); i++) {
		snprintf(sql, sizeof(sql), "SELECT * FROM v_%s", kw_kind_at(i)->name);
		assert_true(run_error(r, sql, NULL) >= 0);
	}
	reader_free(r);
	fixture_free(&f);
}

static void views_have_the_values(void **state)
{
	static const struct {
		const char *sql, *rows;
	} cases[] = {
		{ "SELECT ts_ns - 1700000000000000000, container_name, comm, peer_name, peer_comm, duration_ns, class "
		  "FROM v_event"
		  " WHERE kind = 'runq'",
		  "1200000000|0123456789ab|victim|/batch|hog|123000000|context" },
		{ "SELECT summary FROM v_event WHERE kind = 'runq'",
		  "Run-queue delay of 123 ms in 0123456789ab (victim), other party /batch (hog)" },
		{ "SELECT summary FROM v_event WHERE kind = 'log'", "Kernel log: hung \"task\"" },
		{ "SELECT json_extract(payload, '$.occ1') = peer, json_extract(payload, '$.occ2'), "
		  "json_extract(payload,"
		  " '$.occ1_comm') FROM v_event WHERE kind = 'runq'",
		  "1|NULL|hog" },
		{ "SELECT occ1 = peer, occ2, occ1_comm, pid, start_time_ns FROM v_runq", "1|NULL|hog|100|5" },
		{ "SELECT saddr, daddr, pid, container, location FROM v_drop", "10.0.0.1|::1|NULL|NULL|-2130706432" },
		{ "SELECT span_ns, name, reason, wait_ns, count, max_ns FROM v_wait JOIN v_container USING (container)",
		  "1000000000|0123456789ab|cpu|400000000|2|200000000" },
		{ "SELECT resource, v.name, c.name, sink, culprit_comm, ns FROM v_blame JOIN v_container v ON "
		  "v.container = victim"
		  " LEFT JOIN v_container c ON c.container = culprit ORDER BY sink",
		  "cpu|0123456789ab|/batch|container|hog|300000000\ncpu|0123456789ab|NULL|idle|NULL|300000000" },
		{ "SELECT cpu_ns, memory_limit_bytes, pids FROM v_usage", "5|NULL|7" },
		{ "SELECT container, cpu_some_ns, cpu_full_ns FROM v_pressure", "0|9|NULL" },
		{ "SELECT cpus, steal_ns FROM v_host", "2|NULL" },
		{ "SELECT container, tcp_retransmits FROM v_netstat", "0|3" },
		{ "SELECT name, pid, tid, comm, samples, ns, p.stack, s.frames FROM v_profile p JOIN v_container USING"
		  " (container) JOIN v_stack s ON s.stack = p.user_stack",
		  "0123456789ab|7|8|php|3|270|NULL|schedule+0x1\nio_schedule+0x2" },
		{ "SELECT w.name, waker_pid, waker_comm, count, sum_ns, max_ns FROM v_wakeup JOIN v_container w ON"
		  " w.container = waker",
		  "/batch|200|hog|2|40|30" },
		{ "SELECT priority, text FROM v_log", "4|hung \"task\"" },
		{ "SELECT probe, state, why, emitted FROM v_coverage", "runq|degraded|no tp_btf|5" },
		{ "SELECT seq, bpf FROM v_tick", "1|1" },
		{ "SELECT ref, name, runtime, kind, cgroup, last_ns FROM v_container WHERE container = 0",
		  "host|host|NULL|host|/|NULL" },
		{ "SELECT name, runtime, id, kind, cgroup, first_ns - 1700000000000000000 FROM v_container WHERE "
		  "container > 0"
		  " ORDER BY name",
		  "/batch|NULL|NULL|cgroup|/batch|1000000000\n0123456789ab|docker|" ID64 "|container|/docker/" ID64
		  "|1000000000" },
		{ "SELECT count(*), count(ts_ns) FROM v_incident, v_tick", "0|0" },
		{ "SELECT median(value), mad(value), quantile(value, 0.25) FROM (VALUES (1), (2), (3), (4), (100), "
		  "(NULL))"
		  " AS t JOIN (SELECT 1) ON 1 JOIN (SELECT column1 AS value FROM (VALUES (1), (2), (3), (4), (100), "
		  "(NULL)))",
		  "3|1|2" },
		{ "SELECT median(1) FROM v_tick WHERE 0", "NULL" },
		{ "SELECT quantile(value, 0.5, 5), quantile(value, 1, 5), quantile(value, 0.5, 1) FROM"
		  " (SELECT 4 AS value UNION ALL SELECT 6)", "0|6|5" },
		{ "SELECT heaviest(t, n), heaviest(t, -n), heaviest(t, 0), heaviest(NULL, n) FROM (SELECT 'b' AS t, 3 AS n"
		  " UNION ALL SELECT 'a', 2 UNION ALL SELECT NULL, 9 UNION ALL SELECT 'c', 4 UNION ALL SELECT 'a', 2)",
		  "a|b|a|NULL" },
		{ "SELECT heaviest(kind, 1) FROM v_event WHERE 0", "NULL" },
		{ "SELECT group_concat(value) FROM json_each('[1, 2]')", "1,2" },
		{ "SELECT boot_id FROM v_node", FIXTURE_BOOT },
	};
	struct fixture f;
	struct reader *r;

	(void)state;
	setup(&f);
	r = must_open(&f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(ask(r, cases[i].sql), cases[i].rows);
	reader_free(r);
	fixture_free(&f);
}

static void stacks_are_found(void **state)
{
	struct fixture f;
	struct reader *r;
	union record rec;

	(void)state;
	setup(&f);
	make_record(&rec, KW_KIND_offcpu, SEC(3));
	rec.event.stack = 42;
	put(&f, &rec);
	put_tick(&f, SEC(3), 2);
	r = must_open(&f);
	assert_string_equal(ask(r, "SELECT frames FROM v_offcpu JOIN v_stack USING (stack)"),
			    "schedule+0x1\nio_schedule+0x2");
	reader_free(r);
	fixture_free(&f);
}

/* Conditions must reach the indexes: no plan reads all events. */
static void plans_use_the_indexes(void **state)
{
	static const char *const queries[] = {
		"SELECT * FROM v_wait WHERE container = 5 AND ts_ns BETWEEN 1 AND 2",
		"SELECT sum(wait_ns) FROM v_wait WHERE container = 5 AND reason = 'cpu' AND ts_ns BETWEEN 1 AND 2",
		"SELECT culprit, sum(ns) FROM v_blame WHERE victim = 5 AND ts_ns > 1 GROUP BY culprit",
		"SELECT * FROM v_event WHERE ts_ns > 5",
		"SELECT * FROM v_event WHERE kind = 'runq' AND ts_ns > 5 ORDER BY ts_ns DESC LIMIT 10",
		"SELECT * FROM v_event WHERE kind = 'runq' AND container = 7 AND ts_ns > 5",
		"SELECT * FROM v_event WHERE container = 7 AND ts_ns BETWEEN 1 AND 2",
		"SELECT max(ts_ns) FROM v_tick WHERE ts_ns > 5",
		"SELECT * FROM v_runq WHERE ts_ns BETWEEN 5 AND 6",
		"SELECT frames FROM v_stack WHERE stack = 5",
		"SELECT name FROM v_container WHERE container = 5",
	};
	struct fixture f;
	struct reader *r;
	char sql[512];

	(void)state;
	setup(&f);
	fixture_set(&f, "store.shard_span", "1s");
	fixture_close(&f);
	fixture_open(&f);
	fill(&f);
	for (uint64_t i = 1; i < 5; i++)
		put_tick(&f, SEC(2 + 2 * (double)i), i);
	r = must_open(&f);
	assert_true(fixture_files(&f, ".db") > 2);
	for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
		const char *plan;

		snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", queries[i]);
		plan = ask(r, sql);
		if (plan[0] == '-' || strstr(plan, "SCAN e") || strstr(plan, "SCAN t\n") || !strstr(plan, "SEARCH"))
			fail_msg("%s\n%s", queries[i], plan);
	}
	reader_free(r);
	fixture_free(&f);
}

static void queries_are_held_to_limits(void **state)
{
	const char *endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
	struct query_limits limits = { .time_ns = 50 * NSEC_PER_MSEC };
	struct got g = { 0 };
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct fixture f;
	struct reader *r;

	(void)state;
	setup(&f);
	r = must_open(&f);
	assert_int_equal(run_error(r, endless, &limits), -ETIME);
	limits = (struct query_limits){ .rows = 2 };
	assert_int_equal(reader_query(r, "SELECT * FROM v_event", NULL, 0, &limits, collect_row, &g, &error), -E2BIG);
	assert_int_equal(g.rows, 2);
	strbuf_cleanup(&g.text);
	limits = (struct query_limits){ .bytes = 1000 };
	assert_int_equal(run_error(r, "SELECT printf('%2000c', 'x')", &limits), -EFBIG);
	limits = (struct query_limits){ .rows = 7 };
	assert_int_equal(run_error(r, "SELECT 1 UNION SELECT 2", &limits), 2);
	reader_free(r);
	fixture_free(&f);
}

static void queries_cannot_write(void **state)
{
	static const struct {
		const char *sql;
		int error;
	} cases[] = {
		{ "DELETE FROM s0.event", -EPERM },
		{ "UPDATE s0.container SET name = 'x'", -EPERM },
		{ "INSERT INTO temp.kw_kind VALUES (99, 'x', 'x', 'x')", -EPERM },
		{ "DROP VIEW v_event", -EPERM },
		{ "CREATE TABLE x (a)", -EPERM },
		{ "CREATE TEMP TABLE x (a)", -EPERM },
		{ "ATTACH '/tmp/kwhy-unit-x.db' AS x", -EPERM },
		{ "DETACH s0", -EPERM },
		{ "PRAGMA s0.user_version = 5", -EPERM },
		{ "PRAGMA writable_schema = 1", -EPERM },
		{ "VACUUM INTO '/tmp/kwhy-unit-x.db'", -EPERM },
		{ "BEGIN", -EPERM },
		{ "SELECT load_extension('x')", -EINVAL },
		{ "SELECT 1; SELECT 2", -EINVAL },
		{ "SELECT 1; DROP VIEW v_event", -EINVAL },
		{ "SELEC", -EINVAL },
		{ "SELECT no_such FROM v_event", -EINVAL },
		{ "", -EINVAL },
		{ "-- nothing", -EINVAL },
	};
	struct fixture f;
	struct reader *r;

	(void)state;
	setup(&f);
	r = must_open(&f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t e = run_error(r, cases[i].sql, NULL);

		if (e != cases[i].error)
			fail_msg("%s: %lld", cases[i].sql, (long long)e);
	}
	assert_string_equal(ask(r, "SELECT 1; -- and that was it"), "1");
	assert_int_not_equal(access("/tmp/kwhy-unit-x.db", F_OK), 0);
	reader_free(r);
	fixture_free(&f);
}

static void parameters_are_bound(void **state)
{
	const struct query_param params[] = {
		{ ":from", PARAM_INT, .integer = 3 },
		{ ":name", PARAM_TEXT, .text = "x'y" },
		{ ":unused", PARAM_REAL, .real = 1 },
	};
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct got g = { 0 };
	struct fixture f;
	struct reader *r;

	(void)state;
	setup(&f);
	r = must_open(&f);
	assert_int_equal(reader_query(r, "SELECT :from, :name, :missing", params, 3, NULL, collect_row, &g, &error), 1);
	assert_string_equal(strbuf_str(&g.text), "3|x'y|NULL\n");
	strbuf_cleanup(&g.text);
	reader_free(r);
	fixture_free(&f);
}

static void selection_follows_the_store(void **state)
{
	struct fixture f;
	struct reader *r;
	int64_t first, last;

	(void)state;
	fixture_new(&f);
	fixture_set(&f, "store.shard_span", "10s");
	fixture_open(&f);
	put_tick(&f, SEC(1), 1);
	r = must_open(&f);
	assert_int_equal(reader_select(r, 0, INT64_MAX), 0);
	assert_string_equal(ask(r, "SELECT count(*) FROM v_tick"), "1");
	put_tick(&f, SEC(2), 2);
	assert_int_equal(reader_select(r, 0, INT64_MAX), 0);
	assert_string_equal(ask(r, "SELECT count(*) FROM v_tick"), "2");
	for (uint64_t i = 3; i <= 150; i++)
		put_tick(&f, SEC((double)i), i);
	assert_int_equal(reader_select(r, WALL(SEC(40)), WALL(SEC(45))), 1);
	assert_string_equal(ask(r, "SELECT min(seq) <= 40, max(seq) BETWEEN 45 AND 70 FROM v_tick"), "1|1");
	assert_false(reader_truncated(r));
	assert_int_equal(reader_select(r, 0, INT64_MAX), 1);
	assert_true(reader_truncated(r));
	assert_string_equal(ask(r, "SELECT max(seq) FROM v_tick"), "150");
	assert_int_equal(reader_bounds(r, &first, &last), 0);
	assert_int_equal(first, WALL(SEC(1)));
	assert_int_equal(last, WALL(SEC(150)));
	reader_free(r);
	fixture_free(&f);
}

static void reports_appear(void **state)
{
	struct fixture f;
	struct reader *r;
	char path[PATH_MAX + 32];
	sqlite3 *db;

	(void)state;
	setup(&f);
	r = must_open(&f);
	assert_string_equal(ask(r, "SELECT * FROM v_report"), "");
	snprintf(path, sizeof(path), "%s/reports", f.dir);
	assert_int_equal(mkdir(path, 0755), 0);
	strcat(path, "/reports.db");
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db,
			     "CREATE TABLE report (id, revision, created_ns, body); CREATE TABLE incident (id, cause,"
			     " status, severity, confidence, headline, onset_ns, detected_ns, end_ns, revision,"
			     " resource_kind, resource_name, culprit, victims);"
			     "INSERT INTO report VALUES ('A', 1, 5, '{}'); PRAGMA user_version = 1",
			     NULL, NULL, NULL),
		0);
	sqlite3_close(db);
	assert_int_equal(reader_select(r, 0, INT64_MAX), 1);
	assert_string_equal(ask(r, "SELECT * FROM v_report"), "A|1|5|{}");
	reader_free(r);
	fixture_free(&f);
}

/* A container renamed, one that ended, one that came; a report revised. */
static void tells_what_was_known_then(void **state)
{
	char path[PATH_MAX + 32], sql[512];
	struct fixture f;
	struct reader *r;
	sqlite3 *db;

	(void)state;
	fixture_new(&f);
	fixture_set(&f, "store.shard_span", "10s");
	fixture_open(&f);
	put_cgroup(&f, SEC(1), CG_SEEN, 0, WEB, "/web");
	put_cgroup(&f, SEC(1), CG_SEEN, 0, BATCH, "/batch");
	for (uint64_t i = 2; i <= 40; i++) {
		if (i == 20)
			put_cgroup(&f, SEC(20), CG_RENAMED, 0, WEB, "/shop");
		if (i == 25)
			put_cgroup(&f, SEC(25), CG_REMOVED, 0, BATCH, "/batch");
		if (i == 30)
			put_cgroup(&f, SEC(30), CG_MADE, 0, 300, "/late");
		put_runq(&f, SEC((double)i), WEB, BATCH, 20000000);
		put_tick(&f, SEC((double)i), i);
	}
	snprintf(path, sizeof(path), "%s/reports", f.dir);
	assert_int_equal(mkdir(path, 0755), 0);
	strcat(path, "/reports.db");
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	snprintf(sql, sizeof(sql),
		 "CREATE TABLE report (id, revision, created_ns, body); CREATE TABLE incident (id, cause, status, severity,"
		 " confidence, headline, onset_ns, detected_ns, end_ns, revision, resource_kind, resource_name, culprit,"
		 " victims); INSERT INTO incident(id, status, revision) VALUES ('A', 'resolved', 2);"
		 "INSERT INTO report VALUES ('A', 1, %lld, '{\"status\": \"open\"}'), ('A', 2, %lld, '{\"status\":"
		 " \"resolved\"}'); PRAGMA user_version = 1",
		 (long long)WALL(SEC(4)), (long long)WALL(SEC(9)));
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), 0);
	sqlite3_close(db);
	r = must_open(&f);
	assert_string_equal(ask(r, "SELECT name, last_ns IS NULL FROM v_container WHERE container > 0 ORDER BY name"),
			    "/batch|0\n/late|1\n/shop|1");
	reader_as_of(r, WALL(SEC(5.5)));
	assert_int_equal(reader_select(r, 0, INT64_MAX), 1);
	assert_string_equal(ask(r, "SELECT name, last_ns IS NULL FROM v_container WHERE container > 0 ORDER BY name"),
			    "/batch|1\n/web|1");
	assert_string_equal(ask(r, "SELECT max(seq) FROM v_tick"), "5");
	assert_string_equal(ask(r, "SELECT count(*) FROM v_event WHERE kind = 'runq'"), "4");
	assert_string_equal(ask(r, "SELECT status, revision FROM v_incident"), "open|1");
	assert_string_equal(ask(r, "SELECT count(*) FROM v_report"), "1");
	reader_as_of(r, WALL(SEC(3)));
	assert_int_equal(reader_select(r, 0, INT64_MAX), 1);
	assert_string_equal(ask(r, "SELECT count(*) FROM v_incident"), "0");
	reader_free(r);
	fixture_free(&f);
}

static void trouble_is_told(void **state)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct fixture f;
	struct reader *r = NULL;
	char path[PATH_MAX + 64];
	int64_t first, last;
	sqlite3 *db;
	FILE *file;

	(void)state;
	fixture_new(&f);
	assert_int_equal(reader_open(f.dir, &r, &error), -ENOENT);
	assert_non_null(strstr(strbuf_str(&error), "does not exist"));
	fixture_open(&f);
	r = must_open(&f);
	assert_string_equal(ask(r, "SELECT count(*) FROM v_event"), "0");
	assert_int_equal(reader_bounds(r, &first, &last), -ENODATA);
	reader_free(r);

	fill(&f);
	fixture_close(&f);
	snprintf(path, sizeof(path), "%s/events/00000000000000000007.db", f.dir);
	file = fopen(path, "w");
	fprintf(file, "this is not a database, and long enough for a header of one hundred bytes, which SQLite wants "
		      "to see first");
	fclose(file);
	r = must_open(&f);
	assert_non_null(strstr(reader_warnings(r), "damaged"));
	assert_string_equal(ask(r, "SELECT count(*) FROM v_tick"), "1");
	reader_free(r);

	snprintf(path, sizeof(path), "%s/events/09000000000000000000.db", f.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "CREATE TABLE x (a); PRAGMA application_id = 0x6b776879; PRAGMA user_version = 99",
			     NULL, NULL, NULL),
		0);
	sqlite3_close(db);
	strbuf_reset(&error);
	assert_int_equal(reader_open(f.dir, &r, &error), -EPROTO);
	assert_non_null(strstr(strbuf_str(&error), "newer"));
	fixture_free(&f);
}

/* ---- an unprivileged reader ------------------------------------------------------------------------------ */

/* Runs in a child as nobody, of that group.  Exit status: the number of ticks seen, or 100 + the failing step. */
static int read_as_nobody(const struct fixture *f, gid_t gid)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		AUTO(strbuf) struct strbuf error = STRBUF_INIT;
		const struct passwd *nobody = getpwnam("nobody");
		struct reader *r = NULL;
		sqlite3_stmt *stmt;
		int count = 0;

		if (!nobody || setgroups(0, NULL) || setgid(gid) || setuid(nobody->pw_uid))
			_exit(101);
		if (reader_open(f->dir, &r, &error)) {
			fprintf(stderr, "# %s\n", strbuf_str(&error));
			_exit(102);
		}
		if (sqlite3_prepare_v2(reader_db(r), "SELECT count(*) FROM v_tick", -1, &stmt, NULL) ||
		    sqlite3_step(stmt) != SQLITE_ROW)
			_exit(103);
		count = sqlite3_column_int(stmt, 0);
		fprintf(stderr, "%s", reader_warnings(r));
		_exit(count);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_member_of_the_group_reads(void **state)
{
	const struct passwd *nobody = getpwnam("nobody");
	gid_t gid = 54321;
	struct fixture f;
	int ready[2], status;
	char c;
	pid_t pid;

	(void)state;
	if (geteuid() || !nobody) {
		print_message("# not root, or no user nobody\n");
		skip();
	}
	fixture_new(&f);
	assert_int_equal(chmod(f.dir, 0700), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) { /* the writer, killed below */
		close(ready[0]);
		fixture_open(&f);
		if (aggregate_share(f.a, gid))
			_exit(1);
		for (uint64_t i = 1; i <= 3; i++)
			put_tick(&f, SEC((double)i), i);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	assert_int_equal(read_as_nobody(&f, gid), 3);	  /* while it is written */
	assert_int_equal(read_as_nobody(&f, 54322), 102); /* another group */
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_int_equal(read_as_nobody(&f, gid), 3); /* after the writer was killed */
	fixture_open(&f);
	assert_int_equal(aggregate_share(f.a, gid), 0);
	put_tick(&f, SEC(4), 4);
	assert_int_equal(read_as_nobody(&f, gid), 4); /* after recovery */
	fixture_close(&f);
	assert_int_equal(read_as_nobody(&f, gid), 4); /* after a clean end */
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_has_a_view),
		cmocka_unit_test(views_have_the_values),
		cmocka_unit_test(stacks_are_found),
		cmocka_unit_test(plans_use_the_indexes),
		cmocka_unit_test(queries_are_held_to_limits),
		cmocka_unit_test(queries_cannot_write),
		cmocka_unit_test(parameters_are_bound),
		cmocka_unit_test(selection_follows_the_store),
		cmocka_unit_test(reports_appear),
		cmocka_unit_test(tells_what_was_known_then),
		cmocka_unit_test(trouble_is_told),
		cmocka_unit_test(a_member_of_the_group_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
