/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles made from a recorded fault: what comes out, what must not leak, and what a stranger's file may do: nothing. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "aggregate/aggregate.h"
#include "aggregate/capture.h"
#include "analyze/archive.h"
#include "analyze/bundle.h"
#include "analyze/diagnosis.h"
#include "analyze/reports.h"
#include "base/cleanup.h"
#include "base/fileutil.h"
#include "base/hash.h"
#include "schema/bundle.h"
#include "schema/kinds.h"

#define CAPTURE "tests/replay/cpu_neighbor.kwcap.gz"
#define PATHS 512

struct scene {
	char dir[PATHS], state[PATHS + 16], file[PATHS + 16], out[PATHS + 16];
	struct config *config;
	char name[256]; /* of a container in the recording */
};

static void gunzip(const char *from, const char *to)
{
	gzFile in = gzopen(from, "rb");
	FILE *out = fopen(to, "wb");
	char chunk[8192];
	int n;

	assert_non_null(in);
	assert_non_null(out);
	while ((n = gzread(in, chunk, sizeof(chunk))) > 0)
		assert_int_equal(fwrite(chunk, 1, (size_t)n, out), n);
	assert_int_equal(n, 0);
	gzclose(in);
	fclose(out);
}

/* A process of the host that ran a file of its own. */
static void add_stack(struct aggregate *aggregate, uint64_t ts_ns)
{
	struct {
		struct kw_event e;
		struct kw_stack p;
	} stack = { .e = { .kind = KW_KIND_stack, .payload_size = sizeof(stack.p), .ts_ns = ts_ns },
		    .p = { .hash = 4711, .text = "secret-tool++.so+0x1234\n[vdso]\nsecret-work()+0x12 [secret-tool]\nlib+0x77 (5ec2e7)\n" } };
	struct {
		struct kw_event e;
		struct kw_profile p;
	} profile = { .e = { .kind = KW_KIND_profile, .payload_size = sizeof(profile.p), .ts_ns = ts_ns,
			     .peer_stack = 4711, .subject = { .cg.v2 = 1, .pid = 1, .comm = "x" } },
		      .p = { .span_ns = 1000000000, .samples = 1, .ns = 90000000 } };

	assert_int_equal(aggregate_event(aggregate, &stack.e), 0);
	assert_int_equal(aggregate_event(aggregate, &profile.e), 0);
}

static void fill_state(const struct scene *s, const char *capture)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct aggregate *aggregate;
	struct capture_reader *c;
	struct capture_header h;
	const struct kw_event *event;
	unsigned int ticks = 0;

	assert_int_equal(capture_open(capture, &c, &h, &err), 0);
	assert_int_equal(aggregate_new(s->state, s->config, h.boot_id, &aggregate, &err), 0);
	aggregate_origin(aggregate, "secret-node", h.kernel, h.arch);
	while (capture_read(c, &event) > 0) {
		assert_int_equal(aggregate_event(aggregate, event), 0);
		if (event->kind == KW_KIND_tick && !ticks++)
			add_stack(aggregate, event->ts_ns + 1);
	}
	aggregate_free(aggregate);
	capture_free(c);
}

static int note_victim(void *ctx, const json_t *report)
{
	struct scene *s = ctx;
	json_t *victim = json_array_get(json_object_get(report, "victims"), 0);
	const char *name = json_string_value(json_object_get(json_object_get(victim, "container"), "name"));

	snprintf(s->name, sizeof(s->name), "%s", name ? name : "");
	return 0;
}

static int open_scene(void **state)
{
	static struct scene s;
	AUTO(strbuf) struct strbuf err = STRBUF_INIT, lines = STRBUF_INIT;
	const struct incident_filter all = { .limit = 10 };
	char capture[PATHS + 16];
	struct reader *r;

	assert_int_equal(dir_make_temporary(s.dir, sizeof(s.dir), "kwhy-test"), 0);
	snprintf(s.state, sizeof(s.state), "%s/state", s.dir);
	snprintf(s.file, sizeof(s.file), "%s/bundle", s.dir);
	snprintf(s.out, sizeof(s.out), "%s/out", s.dir);
	snprintf(capture, sizeof(capture), "%s/capture", s.dir);
	gunzip(CAPTURE, capture);
	s.config = config_new();
	assert_int_equal(dir_make(s.state, 0755), 0);
	fill_state(&s, capture);
	assert_int_equal(diagnose_store(s.state, s.config, false, &lines, &err), 0);
	assert_int_equal(reader_open(s.state, &r, &err), 0);
	assert_int_equal(reader_select(r, 0, INT64_MAX) < 0, false);
	assert_true(reports_each(r, &all, note_victim, &s) > 0);
	reader_free(r);
	assert_true(strlen(s.name) > 3);
	*state = &s;
	return 0;
}

static int close_scene(void **state)
{
	struct scene *s = *state;

	config_free(s->config);
	dir_remove(s->dir);
	return 0;
}

static int clear(void **state)
{
	struct scene *s = *state;

	unlink(s->file);
	dir_remove(s->out);
	assert_int_equal(dir_make(s->out, 0755), 0);
	return 0;
}

static int export(const struct scene *s, enum redaction level)
{
	const struct bundle_request request = { .state_dir = s->state, .path = s->file, .config = s->config,
						.version = "1", .to_ns = INT64_MAX, .redaction = level };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *manifest = NULL;
	int r = bundle_export(&request, &manifest, &err);

	json_decref(manifest);
	assert_int_equal(!r, !err.len);
	return r;
}

static int unpack(const struct scene *s, bool with_reports, struct strbuf *err)
{
	json_t *manifest = NULL;
	int r = bundle_unpack(s->file, s->out, with_reports, &manifest, err);

	json_decref(manifest);
	assert_int_equal(!r, !err->len);
	return r;
}

static int try_unpack(const struct scene *s)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;

	return unpack(s, true, &err);
}

static void read_text(const struct scene *s, const char *name, struct strbuf *ret)
{
	AUTO_FREE char *data = NULL;
	char path[PATHS + 64];
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", s->out, name);
	assert_int_equal(file_read_alloc(AT_FDCWD, path, 64 << 20, &data, &len), 0);
	strbuf_addstr(ret, data);
}

static void test_same_diagnosis_elsewhere(void **state)
{
	const struct scene *s = *state;
	AUTO(strbuf) struct strbuf err = STRBUF_INIT, carried = STRBUF_INIT, again = STRBUF_INIT;

	assert_int_equal(export(s, REDACT_NONE), 0);
	assert_int_equal(unpack(s, false, &err), 0);
	read_text(s, BUNDLE_DIAGNOSIS, &carried);
	assert_non_null(strstr(strbuf_str(&carried), s->name));
	assert_int_equal(diagnose_store(s->out, s->config, true, &again, &err), 0);
	assert_string_equal(strbuf_str(&again), strbuf_str(&carried));
}

static int count_report(void *ctx, const json_t *report)
{
	(void)ctx;
	assert_non_null(json_object_get(report, "generator"));
	return 0;
}

static void test_reports_travel(void **state)
{
	const struct scene *s = *state;
	const struct incident_filter all = { .limit = 10 };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct reader *here, *there;

	assert_int_equal(export(s, REDACT_NONE), 0);
	assert_int_equal(unpack(s, true, &err), 0);
	assert_int_equal(reader_open(s->state, &here, &err), 0);
	assert_int_equal(reader_open(s->out, &there, &err), 0);
	reader_select(here, 0, INT64_MAX);
	reader_select(there, 0, INT64_MAX);
	assert_int_equal(reports_each(there, &all, count_report, NULL), reports_each(here, &all, count_report, NULL));
	reader_free(here);
	reader_free(there);
}

struct search {
	const char *needle;
	unsigned int found;
};

static int search_file(void *ctx, const char *name, const void *data, size_t len)
{
	struct search *s = ctx;

	(void)name;
	s->found += memmem(data, len, s->needle, strlen(s->needle)) != NULL;
	return 0;
}

static unsigned int occurrences(const struct scene *s, const char *needle)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct search search = { .needle = needle };

	assert_int_equal(archive_read(s->file, search_file, &search, &err), 0);
	return search.found;
}

static void test_redaction(void **state)
{
	const struct scene *s = *state;
	const char *word = s->name + 1; /* a path begins with a slash */

	assert_int_equal(export(s, REDACT_NONE), 0);
	assert_true(occurrences(s, word) > 0);
	assert_true(occurrences(s, "secret-node") > 0);
	assert_true(occurrences(s, "secret-tool++.so+0x1234") > 0);
	for (int level = REDACT_NAMES; level <= REDACT_ALL; level++) {
		AUTO(strbuf) struct strbuf err = STRBUF_INIT, carried = STRBUF_INIT, again = STRBUF_INIT;

		clear(state);
		assert_int_equal(export(s, level), 0);
		assert_int_equal(occurrences(s, word), 0);
		assert_int_equal(occurrences(s, "secret-node"), 0);
		assert_int_equal(occurrences(s, "secret-tool"), 0);
		assert_int_equal(occurrences(s, "secret-work"), 0);
		assert_int_equal(occurrences(s, "5ec2e7"), 0);
		assert_true(occurrences(s, "+0x1234\n[vdso]") > 0);
		/* Hidden names change no diagnosis. */
		assert_int_equal(unpack(s, false, &err), 0);
		read_text(s, BUNDLE_DIAGNOSIS, &carried);
		assert_non_null(strstr(strbuf_str(&carried), "\"cause\":\"cpu.neighbor\""));
		assert_non_null(strstr(strbuf_str(&carried), "/container-"));
		assert_int_equal(diagnose_store(s->out, s->config, true, &again, &err), 0);
		assert_string_equal(strbuf_str(&again), strbuf_str(&carried));
	}
}

static void test_refuses_to_overwrite(void **state)
{
	const struct scene *s = *state;

	assert_int_equal(export(s, REDACT_NONE), 0);
	assert_int_equal(export(s, REDACT_NONE), -EEXIST);
}

static void test_nothing_stored_then(void **state)
{
	const struct scene *s = *state;
	const struct bundle_request request = { .state_dir = s->state, .path = s->file, .config = s->config,
						.version = "1", .from_ns = 1, .to_ns = 2 };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *manifest = NULL;

	assert_int_equal(bundle_export(&request, &manifest, &err), -ENODATA);
	assert_null(manifest);
	assert_int_equal(access(s->file, F_OK), -1);
}

/* ---- strangers -------------------------------------------------------------------------------------------- */

static void write_file(const char *path, const void *data, size_t len)
{
	assert_int_equal(file_write_atomic(path, data, len, 0644), 0);
}

static void test_no_bundle(void **state)
{
	const struct scene *s = *state;

	assert_int_equal(try_unpack(s), -ENOENT);
	write_file(s->file, "hello", 5);
	assert_int_equal(try_unpack(s), -EPROTO);
	write_file(s->file, "SQLite format 3\0garbage garbage", 31);
	assert_true(try_unpack(s) < 0);
}

static void test_flipped_bytes(void **state)
{
	const struct scene *s = *state;
	AUTO_FREE char *whole = NULL;
	AUTO(strbuf) struct strbuf was_diagnosed = STRBUF_INIT;
	size_t len, refused = 0, tried = 0;

	assert_int_equal(export(s, REDACT_NONE), 0);
	assert_int_equal(try_unpack(s), 0);
	read_text(s, BUNDLE_DIAGNOSIS, &was_diagnosed);
	assert_int_equal(file_read_alloc(AT_FDCWD, s->file, 64 << 20, &whole, &len), 0);
	for (size_t at = 90; at < len; at += len / 60 + 1) {
		char was = whole[at];

		whole[at] = (char)(was ^ 0x55);
		unlink(s->file);
		write_file(s->file, whole, len);
		dir_remove(s->out);
		assert_int_equal(dir_make(s->out, 0755), 0);
		tried++;
		whole[at] = was;
		if (try_unpack(s) < 0) {
			refused++;
		} else {
			AUTO(strbuf) struct strbuf diagnosed = STRBUF_INIT;

			read_text(s, BUNDLE_DIAGNOSIS, &diagnosed);
			assert_string_equal(strbuf_str(&diagnosed), strbuf_str(&was_diagnosed));
		}
	}
	/* Pages have slack space, in which a change means nothing. */
	assert_true(refused * 2 >= tried);
}

/* A bundle with this one file in it, its hash in order. */
static void make_hostile(const struct scene *s, const char *name, const void *data, size_t len)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT, manifest = STRBUF_INIT;
	struct archive *a;
	char hex[65];

	sha256_hex(data, len, hex);
	strbuf_addf(&manifest, "{\"schema\":\"" KW_BUNDLE_SCHEMA "\",\"files\":[{\"name\":\"%s\",\"sha256\":\"%s\"}]}", name,
		    hex);
	unlink(s->file);
	assert_int_equal(archive_create(s->file, &a, &err), 0);
	assert_int_equal(archive_add(a, name, data, len), 0);
	assert_int_equal(archive_add(a, BUNDLE_MANIFEST, strbuf_str(&manifest), manifest.len), 0);
	assert_int_equal(archive_finish(a, &err), 0);
	archive_free(a);
}

static void test_names_that_lead_elsewhere(void **state)
{
	static const char *const names[] = { "../escaped", "/tmp/kwhy-escaped", "events/../../escaped",
					     "rules/../../escaped", "rules/.hidden", "reports/other.db",
					     "events/1.db", "state" };
	const struct scene *s = *state;
	char path[PATHS + 64];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		make_hostile(s, names[i], "x", 1);
		assert_int_equal(try_unpack(s), -EBADMSG);
	}
	snprintf(path, sizeof(path), "%s/escaped", s->dir);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access("/tmp/kwhy-escaped", F_OK), -1);
}

/* A database that runs its own code when it is read: a view where a table should be, and a trigger. */
static void test_foreign_schema_is_not_run(void **state)
{
	static const char name[] = "events/00000000000000000001.db";
	const struct scene *s = *state;
	AUTO_FREE char *data = NULL;
	char path[PATHS + 64];
	sqlite3 *db;
	size_t len;

	snprintf(path, sizeof(path), "%s/hostile.db", s->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				      "CREATE TABLE meta (key, value); CREATE TABLE container (cid, name);"
				      "CREATE TABLE directory (hierarchy); CREATE TABLE str (id, text);"
				      "CREATE TABLE stack (hash, text); CREATE VIEW event AS WITH RECURSIVE c (ts_ns) AS"
				      " (SELECT 1 UNION ALL SELECT ts_ns + 1 FROM c) SELECT * FROM c",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(file_read_alloc(AT_FDCWD, path, 1 << 20, &data, &len), 0);
	make_hostile(s, name, data, len);
	assert_int_equal(try_unpack(s), -EBADMSG);
}

static void edit(const struct scene *s, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(s->file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void test_claims_that_are_not_true(void **state)
{
	static const struct {
		const char *sql;
		int expected;
	} lies[] = {
		{ "UPDATE sqlar SET sz = 1099511627776 WHERE name = 'diagnosis.jsonl'", -EFBIG },
		{ "UPDATE sqlar SET sz = sz + 1 WHERE name = 'diagnosis.jsonl'", -EBADMSG },
		{ "UPDATE sqlar SET sz = -1 WHERE name = 'diagnosis.jsonl'", -EBADMSG },
		{ "UPDATE sqlar SET data = NULL WHERE name = 'diagnosis.jsonl'", -EBADMSG },
		{ "DELETE FROM sqlar WHERE name = 'diagnosis.jsonl'", -EBADMSG },
		{ "DELETE FROM sqlar WHERE name = 'manifest.json'", -EBADMSG },
		{ "INSERT INTO sqlar VALUES ('rules/more.yaml', 0, 0, 1, 'x')", -EBADMSG },
		{ "ALTER TABLE sqlar RENAME TO other; CREATE VIEW sqlar AS SELECT * FROM other", -EBADMSG },
		{ "PRAGMA user_version = 99", -EPROTO },
		{ "PRAGMA application_id = 1", -EPROTO },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		clear(state);
		assert_int_equal(export(*state, REDACT_NONE), 0);
		edit(*state, lies[i].sql);
		assert_int_equal(try_unpack(*state), lies[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_same_diagnosis_elsewhere, clear),
		cmocka_unit_test_setup(test_reports_travel, clear),
		cmocka_unit_test_setup(test_redaction, clear),
		cmocka_unit_test_setup(test_refuses_to_overwrite, clear),
		cmocka_unit_test_setup(test_nothing_stored_then, clear),
		cmocka_unit_test_setup(test_no_bundle, clear),
		cmocka_unit_test_setup(test_flipped_bytes, clear),
		cmocka_unit_test_setup(test_names_that_lead_elsewhere, clear),
		cmocka_unit_test_setup(test_foreign_schema_is_not_run, clear),
		cmocka_unit_test_setup(test_claims_that_are_not_true, clear),
	};

	return cmocka_run_group_tests(tests, open_scene, close_scene);
}
