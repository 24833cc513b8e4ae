/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregate/capture.h"
#include "tests/unit/store_fixture.h"

static const struct capture_header origin = {
	.boot_id = FIXTURE_BOOT, .node = "n1", .kernel = "6.1", .arch = "x86_64"
};

static void path_of(const struct fixture *f, char path[PATH_MAX + 16])
{
	snprintf(path, PATH_MAX + 16, "%s/capture", f->dir);
}

static void scene(union record *r, unsigned int i)
{
	static const char *const paths[] = { "/docker/" ID64, "/batch", "/docker/" ID64 "/init.scope" };

	make_record(r, KW_KIND_runq, SEC(1) + i * 1000);
	switch (i % 10) {
	case 0:
		make_record(r, KW_KIND_cgroup, SEC(1) + i * 1000);
		PAYLOAD(r, cgroup)->op = 1;
		PAYLOAD(r, cgroup)->id = 10 + i % 3;
		snprintf(PAYLOAD(r, cgroup)->path, 440, "%s", paths[i % 3]);
		break;
	case 9:
		make_record(r, KW_KIND_tick, SEC(1) + i * 1000);
		PAYLOAD(r, tick)->wall_ns = FIXTURE_OFFSET + i;
		break;
	case 5:
		make_record(r, KW_KIND_stack, SEC(1) + i * 1000);
		r->event.payload_size = offsetof(struct kw_stack, text) + 3;
		PAYLOAD(r, stack)->hash = i;
		memcpy(PAYLOAD(r, stack)->text, "f+0", 3);
		break;
	default:
		r->event.subject.cg.v2 = 8 + i % 5;
		r->event.subject.pid = i;
		r->event.peer.cg.v1 = (UINT64_C(4) << KW_CG_V1_SHIFT) | (i % 7);
		r->event.stack = i - i % 10 - 5;
	}
}

static void write_scene(const struct fixture *f, uint64_t max, unsigned int count)
{
	struct capture_writer *w;
	char path[PATH_MAX + 16];
	union record r;

	path_of(f, path);
	assert_int_equal(capture_create(path, &origin, max, &w), 0);
	for (unsigned int i = 0; i < count; i++) {
		scene(&r, i);
		assert_int_equal(capture_write(w, &r.event), 0);
	}
	assert_int_equal(capture_close(w), 0);
}

static struct capture_reader *must_open(const struct fixture *f, struct capture_header *h)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct capture_reader *c;
	char path[PATH_MAX + 16];

	path_of(f, path);
	assert_int_equal(capture_open(path, &c, h, &error), 0);
	return c;
}

/* The number of records read; *ret_end is what ended it. */
static unsigned int read_all(const struct fixture *f, int *ret_end)
{
	struct capture_header h;
	struct capture_reader *c = must_open(f, &h);
	const struct kw_event *e;
	unsigned int count = 0;

	while ((*ret_end = capture_read(c, &e)) == 1)
		count++;
	capture_free(c);
	return count;
}

static void comes_back_as_it_was(void **state)
{
	struct fixture f;
	struct capture_header h;
	struct capture_reader *c;
	const struct kw_event *e;
	union record r;

	(void)state;
	fixture_new(&f);
	write_scene(&f, 0, 100);
	c = must_open(&f, &h);
	assert_memory_equal(&h, &origin, sizeof(h));
	for (unsigned int i = 0; i < 100; i++) {
		scene(&r, i);
		assert_int_equal(capture_read(c, &e), 1);
		assert_memory_equal(e, &r.event, sizeof(*e) + r.event.payload_size);
	}
	assert_int_equal(capture_read(c, &e), 0);
	capture_free(c);
	fixture_free(&f);
}

static void a_limit_stops_it_readable(void **state)
{
	struct capture_writer *w;
	char path[PATH_MAX + 16];
	struct fixture f;
	struct stat st;
	union record r;
	int end;

	(void)state;
	fixture_new(&f);
	path_of(&f, path);
	assert_int_equal(capture_create(path, &origin, 2000, &w), 0);
	make_record(&r, KW_KIND_tick, 1);
	while (!(end = capture_write(w, &r.event)))
		;
	assert_int_equal(end, -EFBIG);
	assert_int_equal(capture_close(w), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= 2000);
	assert_true(read_all(&f, &end) >= 7);
	assert_int_equal(end, 0);
	assert_int_equal(capture_close(NULL), 0);
	fixture_free(&f);
}

static void damage_is_noticed(void **state)
{
	char path[PATH_MAX + 16];
	struct fixture f;
	struct stat st;
	FILE *file;
	int end;

	(void)state;
	fixture_new(&f);
	path_of(&f, path);
	write_scene(&f, 0, 20);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 5), 0);
	assert_int_equal(read_all(&f, &end), 19);
	assert_int_equal(end, -EBADMSG);
	write_scene(&f, 0, 20);
	file = fopen(path, "r+");
	fseek(file, 1500, SEEK_SET);
	fputc(0x5a, file);
	fclose(file);
	assert_true(read_all(&f, &end) < 20);
	assert_int_equal(end, -EBADMSG);
	fixture_free(&f);
}

static void foreign_files_are_refused(void **state)
{
	static const struct {
		long offset;
		unsigned char byte;
		const char *why;
	} cases[] = {
		{ 0, 'X', "not a capture" },
		{ 12, 200, "newer" },
		{ 16, 1, "damaged" },
	};
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct capture_header h;
	struct capture_reader *c;
	char path[PATH_MAX + 16];
	struct fixture f;
	FILE *file;

	(void)state;
	fixture_new(&f);
	path_of(&f, path);
	assert_int_equal(capture_open(path, &c, &h, &error), -ENOENT);
	assert_int_equal(capture_open(f.dir, &c, &h, &error), -EISDIR);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		write_scene(&f, 0, 3);
		file = fopen(path, "r+");
		fseek(file, cases[i].offset, SEEK_SET);
		fputc(cases[i].byte, file);
		fclose(file);
		strbuf_reset(&error);
		assert_int_equal(capture_open(path, &c, &h, &error), -EPROTO);
		assert_non_null(strstr(strbuf_str(&error), cases[i].why));
	}
	write_scene(&f, 0, 3);
	file = fopen(path, "r+");
	fseek(file, 8, SEEK_SET);
	fwrite("\1\2\3\4", 1, 4, file); /* as the other byte order has it */
	fclose(file);
	strbuf_reset(&error);
	assert_int_equal(capture_open(path, &c, &h, &error), -EPROTO);
	assert_non_null(strstr(strbuf_str(&error), "byte order"));
	assert_int_equal(truncate(path, 3), 0);
	assert_int_equal(capture_open(path, &c, &h, &error), -EPROTO);
	fixture_free(&f);
}

static void dump_store(const struct fixture *f, struct strbuf *out)
{
	static const char *const queries[] = {
		"SELECT quote(ts_ns) || quote(kind) || quote(cid) || quote(pcid) || quote(pid) || quote(payload) FROM "
		"event"
		" ORDER BY ts_ns",
		"SELECT quote(cid) || quote(name) || quote(first_ns) || quote(last_ns) FROM container ORDER BY cid",
		"SELECT quote(hash) || text FROM stack ORDER BY hash",
	};
	char path[PATH_MAX + 64];
	sqlite3_stmt *stmt;
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/events/%020lld.db", f->dir, (long long)WALL(SEC(1)) + 9);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
		assert_int_equal(sqlite3_prepare_v2(db, queries[i], -1, &stmt, NULL), SQLITE_OK);
		while (sqlite3_step(stmt) == SQLITE_ROW)
			strbuf_addf(out, "%s\n", (const char *)sqlite3_column_text(stmt, 0));
		sqlite3_finalize(stmt);
	}
	sqlite3_close(db);
}

/* What a replay stores is what the live run stored, row for row. */
static void a_replay_gives_the_same_rows(void **state)
{
	AUTO(strbuf) struct strbuf live = STRBUF_INIT;
	AUTO(strbuf) struct strbuf replayed = STRBUF_INIT;
	struct fixture f, g;
	struct capture_header h;
	struct capture_reader *c;
	const struct kw_event *e;
	union record r;

	(void)state;
	fixture_new(&f);
	fixture_open(&f);
	write_scene(&f, 0, 500);
	for (unsigned int i = 0; i < 500; i++) {
		scene(&r, i);
		put(&f, &r);
	}
	fixture_close(&f);
	fixture_new(&g);
	fixture_open(&g);
	c = must_open(&f, &h);
	while (capture_read(c, &e) == 1)
		assert_int_equal(aggregate_event(g.a, e), 0);
	capture_free(c);
	fixture_close(&g);
	dump_store(&f, &live);
	dump_store(&g, &replayed);
	assert_true(live.len > 10000);
	assert_string_equal(strbuf_str(&live), strbuf_str(&replayed));
	fixture_free(&f);
	fixture_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_as_it_was),
		cmocka_unit_test(a_limit_stops_it_readable),
		cmocka_unit_test(damage_is_noticed),
		cmocka_unit_test(foreign_files_are_refused),
		cmocka_unit_test(a_replay_gives_the_same_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
