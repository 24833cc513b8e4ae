/* SPDX-License-Identifier: Apache-2.0 */
/* SQL in a process of its own: what comes back, and that nothing in it can go too far.  This program is that process. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aggregate/aggregate.h"
#include "analyze/wire.h"
#include "analyze/worker.h"
#include "base/fileutil.h"
#include "tests/unit/store_fixture.h"

#define WEB 100
#define ROWS 500
#define MIB (INT64_C(1) << 20)

struct got {
	struct strbuf text; /* columns by '|', rows by '\n' */
	int64_t rows, stop_after;
};

static int take_row(void *ctx, int count, const char *const *names, const struct query_value *values)
{
	struct got *g = ctx;

	for (int i = 0; i < count; i++) {
		const struct query_value *v = &values[i];

		strbuf_addf(&g->text, "%s%s=", i ? "|" : "", names[i]);
		if (v->type == VALUE_INT)
			strbuf_addf(&g->text, "%lld", (long long)v->integer);
		else if (v->type == VALUE_REAL)
			strbuf_addf(&g->text, "%g", v->real);
		else if (v->type == VALUE_NULL)
			strbuf_addstr(&g->text, "NULL");
		else
			strbuf_add(&g->text, v->text, (size_t)v->size);
	}
	strbuf_addch(&g->text, '\n');
	return ++g->rows == g->stop_after ? -EPIPE : 0;
}

struct asked {
	struct got got;
	struct strbuf error;
	int64_t result;
};

static void ask(const struct fixture *f, const char *sql, const struct query_limits *limits, struct asked *a)
{
	const struct query_param params[] = {
		{ .name = ":i", .type = PARAM_INT, .integer = -7 },
		{ .name = ":t", .type = PARAM_TEXT, .text = "it's" },
		{ .name = ":r", .type = PARAM_REAL, .real = 2.5 },
		{ .name = ":n", .type = PARAM_NULL },
	};
	const struct worker_request request = { .program = WORKER_SELF,
						.state_dir = f->dir,
						.from_ns = INT64_MIN,
						.to_ns = INT64_MAX,
						.sql = sql,
						.params = params,
						.param_count = ARRAY_SIZE(params),
						.limits = *limits,
						.memory_bytes = 32 * MIB };
	AUTO(strbuf) struct strbuf warnings = STRBUF_INIT;
	bool truncated;

	strbuf_reset(&a->got.text);
	strbuf_reset(&a->error);
	a->got.rows = 0;
	a->result = worker_query(&request, take_row, &a->got, &truncated, &warnings, &a->error);
	assert_false(truncated);
	assert_string_equal(strbuf_str(&warnings), "");
	/* No process is left behind, whatever happened. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void asked_cleanup(struct asked *a)
{
	strbuf_cleanup(&a->got.text);
	strbuf_cleanup(&a->error);
}

static void store_new(struct fixture *f)
{
	fixture_new(f);
	fixture_open(f);
	put_cgroup(f, SEC(1), CG_SEEN, 0, WEB, "/web");
	for (uint64_t i = 0; i < ROWS; i++)
		put_wait(f, SEC(2) + i, WEB, 1, 1000 + i);
	put_tick(f, SEC(3), 1);
}

static const struct query_limits usual = { .rows = 1000, .time_ns = SEC(20), .bytes = 8 * MIB };

static void brings_rows(void **state)
{
	AUTO(asked) struct asked a = { 0 };
	struct fixture f;

	(void)state;
	store_new(&f);
	ask(&f, "SELECT :i AS i, :t AS t, :r AS r, :n AS n, x'0041' AS b, '' AS e, :absent AS a", &usual, &a);
	assert_int_equal(a.result, 1);
	assert_memory_equal(strbuf_str(&a.got.text), "i=-7|t=it's|r=2.5|n=NULL|b=\0A|e=|a=NULL\n", 38);
	ask(&f, "SELECT count(*) AS n, sum(wait_ns) AS s FROM v_wait", &usual, &a);
	assert_string_equal(strbuf_str(&a.got.text), "n=500|s=624750\n");
	ask(&f, "SELECT ts_ns FROM v_wait WHERE 0", &usual, &a);
	assert_int_equal(a.result, 0);
	/* Large values, in more than one piece. */
	ask(&f, "SELECT hex(zeroblob(1000000)) AS z FROM v_wait LIMIT 3", &usual, &a);
	assert_int_equal(a.result, 3);
	assert_int_equal(a.got.text.len, 3 * (2000000 + 3));
	fixture_free(&f);
}

static void refuses(void **state)
{
	static const struct {
		const char *sql;
		int result;
		const char *said;
	} cases[] = {
		{ "SELEC 1", -EINVAL, "syntax" },
		{ "SELECT 1; SELECT 2", -EINVAL, "one statement" },
		{ "", -EINVAL, "no statement" },
		{ "DELETE FROM main.event", -EPERM, "authorized" },
		{ "ATTACH '/etc/passwd' AS x", -EPERM, "authorized" },
		{ "SELECT load_extension('x')", -EINVAL, "authorized" },
		{ "PRAGMA journal_mode=DELETE", -EPERM, "authorized" },
		{ "SELECT randomblob(1000000000)", -EFBIG, "too big" },
		{ "SELECT zeroblob(2000000000)", -EFBIG, "too big" },
		{ "SELECT a.wait_ns FROM v_wait a, v_wait b", -E2BIG, "more than 1000 rows" },
		{ "SELECT hex(randomblob(6000000))", -EFBIG, "larger than" },
		/* Sorts more than it may hold. */
		{ "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 5000000)"
		  " SELECT n FROM r ORDER BY hex(n) || hex(zeroblob(100))", -ENOMEM, "memory" },
		{ "WITH RECURSIVE r(n, t) AS (SELECT 1, randomblob(500000) UNION SELECT n + 1, randomblob(500000) FROM r)"
		  " SELECT count(*) FROM r", -ENOMEM, "memory" },
	};
	AUTO(asked) struct asked a = { 0 };
	struct fixture f;

	(void)state;
	store_new(&f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ask(&f, cases[i].sql, &usual, &a);
		print_message("# %lld %s\n", (long long)a.result, strbuf_str(&a.error));
		assert_int_equal(a.result, cases[i].result);
		assert_non_null(strstr(strbuf_str(&a.error), cases[i].said));
	}
	fixture_free(&f);
}

static void ends_in_time(void **state)
{
	static const char *const endless[] = {
		"WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
		"SELECT count(*) FROM v_wait a, v_wait b, v_wait c, v_wait d",
			/* One step of the machine that takes for ever: the processor's clock ends it, or the parent's. */
		"SELECT instr(hex(zeroblob(1500000)), hex(zeroblob(700000)) || '1')",
	};
	const struct query_limits quick = { .rows = 10, .time_ns = SEC(0.3), .bytes = MIB };
	AUTO(asked) struct asked a = { 0 };
	struct fixture f;

	(void)state;
	store_new(&f);
	for (size_t i = 0; i < ARRAY_SIZE(endless); i++) {
		ask(&f, endless[i], &quick, &a);
		print_message("# %lld %s\n", (long long)a.result, strbuf_str(&a.error));
		assert_int_equal(a.result, -ETIME);
		assert_non_null(strstr(strbuf_str(&a.error), "longer than it may"));
	}
	/* Nobody wants the rest. */
	a.got.stop_after = 2;
	ask(&f, "SELECT a.ts_ns FROM v_wait a, v_wait b, v_wait c", &(struct query_limits){ .time_ns = SEC(20) }, &a);
	assert_int_equal(a.result, -EPIPE);
	assert_int_equal(a.got.rows, 2);
	fixture_free(&f);
}

static pid_t worker_pid(void)
{
	char path[64], line[64] = "";
	FILE *children;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	children = fopen(path, "re");
	assert_non_null(children);
	assert_non_null(fgets(line, sizeof(line), children));
	fclose(children);
	return (pid_t)strtol(line, NULL, 10);
}

/* Kills its process from outside, as the OOM killer would. */
static int kill_worker(void *ctx, int count, const char *const *names, const struct query_value *values)
{
	(void)ctx;
	(void)count;
	(void)names;
	(void)values;
	kill(worker_pid(), SIGKILL);
	return 0;
}

static int64_t status_of(pid_t pid, const char *field, int base)
{
	char path[64], text[8192];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	assert_true(file_read(AT_FDCWD, path, text, sizeof(text)) > 0);
	at = strstr(text, field);
	assert_non_null(at);
	return strtoll(at + strlen(field), NULL, base);
}

static int look_at_worker(void *ctx, int count, const char *const *names, const struct query_value *values)
{
	pid_t pid = worker_pid();

	(void)ctx;
	(void)count;
	(void)names;
	(void)values;
	assert_int_equal(status_of(pid, "\nNoNewPrivs:", 10), 1);
	assert_int_equal(status_of(pid, "\nCapEff:", 16), 0);
	assert_int_equal(status_of(pid, "\nCapPrm:", 16), 0);
	assert_int_not_equal(status_of(pid, "\nUid:", 10), 0);
#if !defined(__SANITIZE_ADDRESS__) && (defined(__x86_64__) || defined(__aarch64__))
	assert_int_equal(status_of(pid, "\nSeccomp:", 10), 2);
#endif
	return -EPIPE;
}

static void holds_nothing(void **state)
{
	struct worker_request request = { .program = WORKER_SELF, .from_ns = INT64_MIN, .to_ns = INT64_MAX,
					  .sql = "SELECT hex(zeroblob(200000)) FROM v_wait", .limits = usual,
					  .memory_bytes = 32 * MIB };
	AUTO(strbuf) struct strbuf warnings = STRBUF_INIT, error = STRBUF_INIT;
	struct fixture f;
	bool truncated;

	(void)state;
	store_new(&f);
	request.state_dir = f.dir;
	assert_int_equal(worker_query(&request, look_at_worker, NULL, &truncated, &warnings, &error), -EPIPE);
	fixture_free(&f);
}

static void says_of_what_it_died(void **state)
{
	struct worker_request request = { .program = WORKER_SELF, .from_ns = INT64_MIN, .to_ns = INT64_MAX,
					  .sql = "SELECT hex(zeroblob(500000)) FROM v_wait", .limits = usual,
					  .memory_bytes = 32 * MIB };
	AUTO(strbuf) struct strbuf warnings = STRBUF_INIT, error = STRBUF_INIT;
	struct fixture f;
	bool truncated;

	(void)state;
	store_new(&f);
	request.limits.bytes = 0;
	request.state_dir = f.dir;
	assert_int_equal(worker_query(&request, kill_worker, NULL, &truncated, &warnings, &error), -EIO);
	assert_string_equal(strbuf_str(&error), "the query's process was killed by signal 9");
	strbuf_reset(&error);
	request.program = "/bin/true";
	assert_int_equal(worker_query(&request, NULL, NULL, &truncated, &warnings, &error), -EIO);
	assert_string_equal(strbuf_str(&error), "the query's process ended with status 0");
	strbuf_reset(&error);
	request.program = NULL;
	assert_int_equal(worker_query(&request, NULL, NULL, &truncated, &warnings, &error), -ENOTSUP);
	strbuf_reset(&error);
	request.program = WORKER_SELF;
	request.state_dir = "/nonexistent/kwhy";
	assert_int_equal(worker_query(&request, NULL, NULL, &truncated, &warnings, &error), -ENOENT);
	assert_non_null(strstr(strbuf_str(&error), "/nonexistent/kwhy"));
	fixture_free(&f);
}

/* Frames of a process that was taken over. */
static void reads_hostile_frames(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	enum frame_type type;
	struct wire frame;
	size_t begin;
	uint32_t size = 3;
	int64_t huge = INT64_MAX;

	(void)state;
	begin = wire_begin(&b, FRAME_ROW);
	wire_put_int(&b, 5);
	wire_put_text(&b, "ab", 2);
	wire_end(&b, begin);
	for (size_t len = 0; len < b.len; len++)
		assert_int_equal(wire_frame(b.data, len, 1000, &type, &frame), 0);
	assert_int_equal(wire_frame(b.data, b.len, b.len - 1, &type, &frame), -EMSGSIZE);
	assert_int_equal(wire_frame(b.data, b.len, 1000, &type, &frame), b.len);
	assert_int_equal(wire_get_int(&frame), 5);
	assert_string_equal(wire_get_text(&frame, NULL), "ab");
	assert_false(frame.bad);
	assert_int_equal(wire_get_int(&frame), 0);
	assert_true(frame.bad);
	/* A length beyond the end, one below 0, a text without its end. */
	for (int i = 0; i < 3; i++) {
		int64_t len = i == 0 ? huge : i == 1 ? -1 : 1;

		memcpy(b.data + 13, &len, sizeof(len));
		wire_frame(b.data, b.len, 1000, &type, &frame);
		wire_get_int(&frame);
		assert_string_equal(wire_get_text(&frame, NULL), "");
		assert_true(frame.bad);
	}
	memcpy(b.data, &size, sizeof(size));
	assert_int_equal(wire_frame(b.data, b.len, 1000, &type, &frame), -EMSGSIZE);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(brings_rows),		cmocka_unit_test(refuses),
		cmocka_unit_test(ends_in_time),		cmocka_unit_test(says_of_what_it_died),
		cmocka_unit_test(reads_hostile_frames),	cmocka_unit_test(holds_nothing),
	};

	if (argc == 2 && !strcmp(argv[1], WORKER_VERB))
		return worker_main(STDIN_FILENO, STDOUT_FILENO);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
