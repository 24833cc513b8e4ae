/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aggregate/aggregate.h"
#include "aggregate/idle.h"
#include "tests/unit/store_fixture.h"

/* The oldest (index 0) or, with -1, the newest shard. */
static void shard_path(const struct fixture *f, int index, char path[PATH_MAX + 300])
{
	char dir[PATH_MAX + 16];
	struct dirent **list;
	int n, count = 0;

	snprintf(dir, sizeof(dir), "%s/events", f->dir);
	n = scandir(dir, &list, NULL, alphasort);
	path[0] = '\0';
	for (int i = 0; i < n; i++) {
		size_t len = strlen(list[i]->d_name);

		if (len == 23 && !strcmp(list[i]->d_name + 20, ".db") && (index < 0 || count++ == index))
			snprintf(path, PATH_MAX + 300, "%s/%s", dir, list[i]->d_name);
		free(list[i]);
	}
	free(list);
}

/* One value of a query over the newest shard, as text. */
static const char *ask_shard(const struct fixture *f, int index, const char *sql)
{
	static char result[512];
	char path[PATH_MAX + 300];
	sqlite3_stmt *stmt;
	sqlite3 *db;

	shard_path(f, index, path);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	snprintf(result, sizeof(result), "%s",
		 sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_text(stmt, 0)
			 ? (const char *)sqlite3_column_text(stmt, 0)
			 : "");
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return result;
}

static const char *ask(const struct fixture *f, const char *sql)
{
	return ask_shard(f, -1, sql);
}

static struct aggregate_stats stats_of(const struct fixture *f)
{
	struct aggregate_stats s;

	aggregate_stats(f->a, &s);
	return s;
}

static void rows_are_committed_at_a_tick(void **state)
{
	struct fixture f;

	(void)state;
	fixture_new(&f);
	fixture_open(&f);
	put_runq(&f, SEC(1), 0, 0, 5);
	assert_int_equal(fixture_files(&f, ".db"), 0); /* nobody knows its time yet */
	put_tick(&f, SEC(2), 1);
	assert_string_equal(ask(&f, "SELECT count(*) FROM event"), "2");
	assert_string_equal(ask(&f, "SELECT ts_ns - 1700000000000000000 FROM event WHERE kind = 10"), "1000000000");
	put_runq(&f, SEC(3), 0, 0, 5);
	assert_string_equal(ask(&f, "SELECT count(*) FROM event"), "2");
	put_tick(&f, SEC(4), 2);
	assert_string_equal(ask(&f, "SELECT count(*) FROM event"), "4");
	assert_int_equal(stats_of(&f).stored, 4);
	assert_string_equal(ask(&f, "SELECT value FROM meta WHERE key = 'boot_id'"), FIXTURE_BOOT);
	fixture_free(&f);
}

static void one_time_many_rows(void **state)
{
	struct fixture f;

	(void)state;
	fixture_new(&f);
	fixture_open(&f);
	for (int i = 0; i < 500; i++) {
		put_runq(&f, SEC(1), 0, 0, 5);
		put_runq(&f, SEC(1) + 250, 0, 0, 5); /* in the middle of the others */
	}
	put_tick(&f, SEC(1), 1);
	assert_string_equal(ask(&f, "SELECT count(*) FROM event"), "1001");
	assert_string_equal(ask(&f, "SELECT max(ts_ns) - min(ts_ns) FROM event"), "1000");
	assert_string_equal(ask(&f, "SELECT kind FROM event ORDER BY ts_ns DESC LIMIT 1"),
			    "1"); /* the tick ends its tick */
	fixture_free(&f);
}

static void parties_are_stored(void **state)
{
	union record r;
	struct fixture f;

	(void)state;
	fixture_new(&f);
	fixture_open(&f);
	put_cgroup(&f, SEC(1), CG_SEEN, 0, 9, "/docker/" ID64);
	put_runq(&f, SEC(2), 9, 44, 5);
	make_record(&r, KW_KIND_oom, SEC(3));
	PAYLOAD(&r, oom)->limit = (struct kw_cg){ .v2 = 9 };
	put(&f, &r);
	put_tick(&f, SEC(4), 1);
	assert_string_equal(
		ask(&f, "SELECT c.name || ' ' || s.text || ' ' || p.name || ' ' || q.text FROM event e"
			" JOIN container c USING (cid) JOIN container p ON p.cid = pcid JOIN str s ON s.id = comm"
			" JOIN str q ON q.id = pcomm WHERE e.kind = 10"),
		"0123456789ab victim cgroup:0:44 hog");
	assert_string_equal(
		ask(&f, "SELECT count(*) FROM event WHERE kind = 15 AND cid IS NULL AND pcid IS NULL AND pid IS NULL"),
		"1");
	/* the limit's owner in the payload is the container's number in the host's byte order, and nothing in v1 */
	assert_string_equal(ask(&f, "SELECT substr(payload, 17, 8) = zeroblob(8) FROM event WHERE kind = 15"), "1");
	assert_string_equal(ask(&f, "SELECT substr(payload, 9, 8) <> zeroblob(8) FROM event WHERE kind = 15"), "1");
	fixture_free(&f);
}

static void malformed_records_are_refused(void **state)
{
	union record r;
	struct fixture f;

	(void)state;
	fixture_new(&f);
	fixture_open(&f);
	put_tick(&f, SEC(1), 1);
	make_record(&r, KW_KIND_runq, SEC(1));
	r.event.kind = 999;
	assert_int_equal(aggregate_event(f.a, &r.event), -EBADMSG);
	make_record(&r, KW_KIND_runq, SEC(1));
	r.event.payload_size--;
	assert_int_equal(aggregate_event(f.a, &r.event), -EBADMSG);
	make_record(&r, KW_KIND_netstat, SEC(1));
	r.event.payload_size -= 4;
	assert_int_equal(aggregate_event(f.a, &r.event), -EBADMSG);
	make_record(&r, KW_KIND_runq, SEC(1));
	r.event.frames = 1;
	assert_int_equal(aggregate_event(f.a, &r.event), -EBADMSG);
	make_record(&r, KW_KIND_runq, UINT64_MAX);
	assert_int_equal(aggregate_event(f.a, &r.event), -EBADMSG);
	make_record(&r, KW_KIND_tick, SEC(2));
	PAYLOAD(&r, tick)->wall_ns = INT64_MIN;
	assert_int_equal(aggregate_event(f.a, &r.event), -EBADMSG);
	make_record(&r, KW_KIND_cgroup, SEC(2));
	PAYLOAD(&r, cgroup)->hierarchy = 256;
	assert_int_equal(aggregate_event(f.a, &r.event), -EBADMSG);
	assert_int_equal(stats_of(&f).refused, 7);
	put_tick(&f, SEC(3), 2);
	assert_string_equal(ask(&f, "SELECT count(*) FROM event"), "2");
	fixture_free(&f);
}

static void texts_are_repaired(void **state)
{
	union record r;
	struct fixture f;

	(void)state;
	fixture_new(&f);
	fixture_open(&f);
	make_record(&r, KW_KIND_signal, SEC(1));
	memcpy(r.event.subject.comm,
	       "a\xff"
	       "b\0SECRET",
	       11);
	r.event.subject.pid = 1;
	put(&f, &r);
	put_tick(&f, SEC(2), 1);
	assert_string_equal(ask(&f, "SELECT text FROM str"), "a?b");
	fixture_free(&f);
}

/* A capture made before the newest fields were added: those are not available, the others as they were. */
static void an_older_sample_is_shorter(void **state)
{
	const struct kw_kind_info *info;
	union record old, r;

	(void)state;
	make_record(&old, KW_KIND_usage, SEC(1));
	PAYLOAD(&old, usage)->frozen = 1;
	PAYLOAD(&old, usage)->faults = 7;
	old.event.payload_size = offsetof(struct kw_usage, faults);
	assert_int_equal(record_take(&old.event, sizeof(old), &r, &info), 0);
	assert_int_equal(r.event.payload_size, sizeof(struct kw_usage));
	assert_int_equal(PAYLOAD(&r, usage)->frozen, 1);
	assert_int_equal(PAYLOAD(&r, usage)->faults, -1);
	assert_int_equal(PAYLOAD(&r, usage)->memory_swap_bytes, -1);
	assert_int_equal(PAYLOAD(&r, usage)->memory_socket_bytes, -1);
	old.event.payload_size -= 1;
	assert_int_equal(record_take(&old.event, sizeof(old), &r, &info), -EBADMSG);
	old.event.payload_size = sizeof(struct kw_usage) + 8;
	assert_int_equal(record_take(&old.event, sizeof(old), &r, &info), -EBADMSG);
}

static void idle_samples_are_thinned(void **state)
{
	struct kw_pressure rest = { .span_ns = 1, .io_full_ns = -1 }, busy = { .span_ns = 1, .cpu_some_ns = 1 };
	struct kw_usage usage = { .memory_bytes = 5 << 20 };
	const struct kw_kind_info *pressure = kw_kind_by_number(KW_KIND_pressure);
	const struct kw_kind_info *use = kw_kind_by_number(KW_KIND_usage), *wait = kw_kind_by_number(KW_KIND_wait);
	struct kw_wait none = { 0 };
	struct idle idle = { 0 };
	int kept = 0;

	(void)state;
	for (int i = 0; i < 299; i++)
		kept += !idle_skip(&idle, pressure, false, &rest);
	assert_int_equal(kept, 10);
	assert_true(idle_skip(&idle, pressure, false, &rest));
	assert_false(idle_skip(&idle, pressure, false, &busy));
	assert_false(idle_skip(&idle, pressure, false, &rest)); /* back at rest */
	assert_true(idle_skip(&idle, pressure, false, &rest));
	assert_true(idle_skip(&idle, pressure, true, &busy)); /* of a directory inside */
	assert_false(idle_skip(&idle, use, false, &usage));
	assert_true(idle_skip(&idle, use, false, &usage));
	usage.memory_bytes += 4096;
	assert_true(idle_skip(&idle, use, false, &usage));
	usage.memory_bytes += 4 << 20;
	assert_false(idle_skip(&idle, use, false, &usage));
	assert_false(idle_skip(&idle, wait, false, &none)); /* a kind that is never thinned */
	assert_false(idle_skip(&idle, wait, false, &none));
}

static void put_stack(struct fixture *f, uint64_t ts_ns, uint64_t hash)
{
	union record r;

	make_record(&r, KW_KIND_stack, ts_ns);
	PAYLOAD(&r, stack)->hash = hash;
	snprintf(PAYLOAD(&r, stack)->text, sizeof(PAYLOAD(&r, stack)->text), "f%llu", (unsigned long long)hash);
	put(f, &r);
}

static void shards_rotate_and_are_complete(void **state)
{
	union record r;
	struct fixture f;

	(void)state;
	fixture_new(&f);
	fixture_set(&f, "store.shard_span", "10s");
	fixture_open(&f);
	put_cgroup(&f, SEC(1), CG_SEEN, 0, 9, "/docker/" ID64);
	put_cgroup(&f, SEC(1), CG_SEEN, 0, 10, "/idle");
	put_stack(&f, SEC(1), 7);
	put_tick(&f, SEC(1), 1);
	put_tick(&f, SEC(12), 2); /* full */
	assert_int_equal(fixture_files(&f, ".db"), 1);
	assert_int_equal(fixture_files(&f, "-wal"), 0); /* sealed: a plain file */
	make_record(&r, KW_KIND_runq, SEC(13));
	r.event.subject.cg.v2 = 9;
	r.event.stack = 7;
	put(&f, &r);
	put_tick(&f, SEC(14), 3);
	assert_int_equal(fixture_files(&f, ".db"), 2);
	assert_string_equal(ask(&f, "SELECT name FROM event JOIN container USING (cid) WHERE event.kind = 10"),
			    "0123456789ab");
	assert_string_equal(ask(&f, "SELECT group_concat(name) FROM (SELECT name FROM container ORDER BY name)"),
			    "/idle,0123456789ab,host");
	assert_string_equal(ask(&f, "SELECT text FROM stack"), "f7");
	assert_string_equal(ask_shard(&f, 0, "SELECT count(*) FROM stack"), "0"); /* nothing there refers to it */
	assert_string_equal(ask_shard(&f, 0, "SELECT max(ts_ns) - 1700000000000000000 FROM event"), "12000000000");
	assert_string_equal(ask(&f, "SELECT first_ns - 1700000000000000000 FROM container WHERE name = '/idle'"),
			    "1000000000");
	assert_int_equal(stats_of(&f).shards, 2);
	fixture_free(&f);
}

static void late_events_find_the_dead_in_a_new_shard(void **state)
{
	struct fixture f;

	(void)state;
	fixture_new(&f);
	fixture_set(&f, "store.shard_span", "10s");
	fixture_open(&f);
	put_cgroup(&f, SEC(1), CG_MADE, 0, 9, "/docker/" ID64);
	put_cgroup(&f, SEC(2), CG_REMOVED, 0, 9, "/docker/" ID64);
	put_tick(&f, SEC(12), 1);
	put_runq(&f, SEC(13), 9, 0, 5);
	put_tick(&f, SEC(14), 2);
	assert_string_equal(
		ask(&f, "SELECT name || ' ' || (last_ns - 1700000000000000000) FROM event JOIN container USING (cid)"
			" WHERE event.kind = 10"),
		"0123456789ab 2000000000");
	fixture_free(&f);
}

static void old_shards_are_deleted(void **state)
{
	struct fixture f;

	(void)state;
	fixture_new(&f);
	fixture_set(&f, "store.shard_span", "1s");
	fixture_set(&f, "store.max_age", "5s");
	fixture_open(&f);
	for (uint64_t i = 1; i <= 60; i++)
		put_tick(&f, SEC((double)i), i);
	assert_true(fixture_files(&f, ".db") >= 3);
	assert_true(fixture_files(&f, ".db") <= 8);
	assert_string_equal(ask(&f, "SELECT count(*) FROM event"), "2");
	fixture_free(&f);
}

static void a_store_has_a_size(void **state)
{
	struct fixture f;
	uint64_t largest = 0;

	(void)state;
	fixture_new(&f);
	fixture_set(&f, "store.max_size", "1M");
	fixture_open(&f);
	for (uint64_t i = 1; i <= 100; i++) {
		struct aggregate_stats s;

		for (int j = 0; j < 100; j++)
			put_runq(&f, SEC((double)i), 9, 0, 5);
		put_tick(&f, SEC((double)i), i);
		s = stats_of(&f);
		largest = MAX(largest, s.bytes);
	}
	assert_true(largest > 500000);
	assert_true(largest < 2500000); /* with the -wal of the live one */
	assert_int_equal(stats_of(&f).stored, 101 * 100);
	assert_int_equal(stats_of(&f).lost, 0);
	fixture_free(&f);
}

static void one_writer(void **state)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct aggregate *other = NULL;
	struct fixture f;

	(void)state;
	fixture_new(&f);
	fixture_open(&f);
	assert_int_equal(aggregate_new(f.dir, f.config, FIXTURE_BOOT, &other, &error), -EBUSY);
	assert_non_null(strstr(strbuf_str(&error), "in use"));
	assert_null(other);
	fixture_free(&f);
}

static void killed_at_any_time(void **state)
{
	struct fixture f;

	(void)state;
	fixture_new(&f);
	for (int round = 0; round < 5; round++) {
		int ticks[2];
		uint64_t seen = 0, seq;
		char sql[128];
		pid_t pid;

		assert_int_equal(pipe(ticks), 0);
		pid = fork();
		if (!pid) {
			close(ticks[0]);
			fixture_open(&f);
			for (seq = 1; seq < 100000; seq++) {
				for (int j = 0; j < 20; j++)
					put_runq(&f, SEC(1) + (uint64_t)round * SEC(100) + seq * 1000000, 9, 8, 5);
				put_tick(&f, SEC(1) + (uint64_t)round * SEC(100) + seq * 1000000, seq);
				if (write(ticks[1], &seq, sizeof(seq)) != (ssize_t)sizeof(seq))
					_exit(1);
			}
			_exit(0);
		}
		close(ticks[1]);
		while (read(ticks[0], &seq, sizeof(seq)) == (ssize_t)sizeof(seq)) {
			seen = seq;
			if (seq == 50 + 17 * (uint64_t)round)
				kill(pid, SIGKILL);
		}
		close(ticks[0]);
		waitpid(pid, NULL, 0);
		assert_true(seen >= 50);
		fixture_open(&f);
		assert_string_equal(ask(&f, "SELECT sum(kind = 10) = 20 * sum(kind = 1) FROM event"), "1");
		snprintf(sql, sizeof(sql), "SELECT sum(kind = 1 AND ts_ns > %lld) >= %llu FROM event",
			 (long long)WALL((uint64_t)round * SEC(100)), (unsigned long long)seen);
		assert_string_equal(ask(&f, sql), "1");
		fixture_close(&f);
	}
	assert_int_equal(fixture_files(&f, ".db"), 1);
	assert_int_equal(fixture_files(&f, ".damaged"), 0);
	fixture_free(&f);
}

static void a_restart_continues(void **state)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct fixture f;
	char cid[64];

	(void)state;
	fixture_new(&f);
	fixture_open(&f);
	put_cgroup(&f, SEC(1), CG_MADE, 4, 9, "/batch");
	put_cgroup(&f, SEC(1), CG_MADE, 0, 9, "/batch");
	put_cgroup(&f, SEC(1), CG_MADE, 0, 10, "/gone");
	put_tick(&f, SEC(2), 1);
	snprintf(cid, sizeof(cid), "%s", ask(&f, "SELECT cid FROM container WHERE name = '/batch'"));
	fixture_close(&f);
	fixture_open(&f);
	put_cgroup(&f, SEC(5), CG_SEEN, 0, 9, "/batch");
	put_cgroup(&f, SEC(5), CG_SEEN, 4, 9, "/batch");
	put_tick(&f, SEC(6), 1);
	assert_int_equal(fixture_files(&f, ".db"), 1);
	assert_string_equal(ask(&f, "SELECT group_concat(cid) FROM container WHERE name = '/batch'"), cid);
	assert_string_equal(ask(&f, "SELECT last_ns IS NULL FROM container WHERE name = '/batch'"), "1");
	assert_string_equal(ask(&f, "SELECT last_ns - 1700000000000000000 FROM container WHERE name = '/gone'"),
			    "2000000000");
	fixture_close(&f);
	/* another boot: nothing of the former one lives on, and it has shards of its own */
	assert_int_equal(aggregate_new(f.dir, f.config, "99999999-2222-3333-4444-555555555555", &f.a, &error), 0);
	assert_string_equal(ask(&f, "SELECT count(*) FROM container WHERE last_ns IS NULL AND cid"), "0");
	put_tick(&f, SEC(1) + SEC(3600), 1);
	assert_int_equal(fixture_files(&f, ".db"), 2);
	fixture_free(&f);
}

static void spoil(const struct fixture *f, int index, bool truncated)
{
	char path[PATH_MAX + 300];

	shard_path(f, index, path);
	if (truncated) {
		assert_int_equal(truncate(path, 8192 + 100), 0);
	} else {
		int fd = open(path, O_WRONLY);

		assert_int_equal(write(fd, "garbage garbage garbage", 23), 23);
		close(fd);
	}
}

static void damaged_shards_are_set_aside(void **state)
{
	(void)state;
	for (int which = 0; which < 4; which++) {
		AUTO(strbuf) struct strbuf error = STRBUF_INIT;
		struct fixture f;

		fixture_new(&f);
		fixture_set(&f, "store.shard_span", "1s");
		fixture_open(&f);
		for (uint64_t i = 1; i <= 5; i++)
			put_tick(&f, SEC((double)i), i);
		fixture_close(&f);
		assert_int_equal(fixture_files(&f, ".db"), 3);
		spoil(&f, which & 1 ? -1 : 1, which & 2);
		assert_int_equal(aggregate_new(f.dir, f.config, FIXTURE_BOOT, &f.a, &error), 0);
		assert_non_null(strstr(strbuf_str(&error), "damaged"));
		assert_int_equal(fixture_files(&f, ".damaged"), 1);
		assert_int_equal(fixture_files(&f, ".db"), 2);
		put_tick(&f, SEC(9), 9);
		assert_int_equal(stats_of(&f).stored, 1);
		fixture_free(&f);
	}
}

static void a_newer_store_is_refused(void **state)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	char path[PATH_MAX + 300];
	struct fixture f;
	sqlite3 *db;

	(void)state;
	fixture_new(&f);
	fixture_open(&f);
	put_tick(&f, SEC(1), 1);
	fixture_close(&f);
	shard_path(&f, -1, path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 7", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(aggregate_new(f.dir, f.config, FIXTURE_BOOT, &f.a, &error), -EPROTO);
	assert_non_null(strstr(strbuf_str(&error), "newer"));
	assert_int_equal(fixture_files(&f, ".db"), 1);
	fixture_free(&f);
}

static void an_unusable_directory_is_told(void **state)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	char path[PATH_MAX + 16];
	struct fixture f;
	FILE *file;

	(void)state;
	fixture_new(&f);
	snprintf(path, sizeof(path), "%s/events", f.dir);
	file = fopen(path, "w");
	fclose(file);
	assert_true(aggregate_new(f.dir, f.config, FIXTURE_BOOT, &f.a, &error) < 0);
	assert_non_null(strstr(strbuf_str(&error), path));
	fixture_free(&f);
}

/* Writes until nothing more can be stored.  The number of failures; all of them must be of that kind. */
static int write_until_full(struct fixture *f, int error)
{
	struct aggregate_stats s;
	int failures = 0;
	union record r;

	for (uint64_t i = 2; i < 60; i++) {
		for (int j = 0; j <= 100; j++) {
			int e;

			make_record(&r, j < 100 ? KW_KIND_runq : KW_KIND_tick, SEC((double)i));
			if (j == 100)
				PAYLOAD(&r, tick)->wall_ns = FIXTURE_OFFSET;
			e = aggregate_event(f->a, &r.event);
			if (e && e != error)
				return -1;
			failures += e != 0;
		}
	}
	aggregate_stats(f->a, &s);
	return s.lost && s.stored && s.stored + s.lost == 58 * 101 + 1 ? failures : -1;
}

/* There is room again. */
static int write_after(struct fixture *f)
{
	put_cgroup(f, SEC(99), CG_MADE, 0, 9, "/after");
	put_tick(f, SEC(100), 100);
	return strcmp(ask(f, "SELECT max(ts_ns) - 1700000000000000000 FROM event"), "100000000000") ? 4
	       : strcmp(ask(f, "SELECT count(*) FROM container WHERE name = '/after'"), "1")	    ? 5
	       : strcmp(ask(f, "PRAGMA integrity_check"), "ok")					    ? 6
												    : 0;
}

/* SQLite tells a file that may not grow from a full disk only by its general write error. */
static int limited_child(struct fixture *f)
{
	struct rlimit limit = { 400000, RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	fixture_open(f);
	put_tick(f, SEC(1), 1);
	if (setrlimit(RLIMIT_FSIZE, &limit))
		return 1;
	if (write_until_full(f, -EIO) <= 0)
		return 2;
	limit.rlim_cur = RLIM_INFINITY;
	if (setrlimit(RLIMIT_FSIZE, &limit))
		return 3;
	return write_after(f);
}

static int full_child(struct fixture *f)
{
	int r;

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("kwhy-test", f->dir, "tmpfs", 0, "size=600k"))
		return 77;
	fixture_open(f);
	put_tick(f, SEC(1), 1);
	if (write_until_full(f, -ENOSPC) <= 0)
		return 2;
	if (mount("kwhy-test", f->dir, "tmpfs", MS_REMOUNT, "size=20m"))
		return 3;
	r = write_after(f);
	fixture_close(f);
	return r;
}

static int run_child(int (*child)(struct fixture *))
{
	struct fixture f;
	int status;
	pid_t pid;

	fixture_new(&f);
	pid = fork();
	if (!pid)
		_exit(child(&f));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	fixture_free(&f);
	return WEXITSTATUS(status);
}

static void a_file_that_may_not_grow_is_survived(void **state)
{
	(void)state;
	assert_int_equal(run_child(limited_child), 0);
}

static void a_full_disk_is_survived(void **state)
{
	int r = run_child(full_child);

	(void)state;
	if (r == 77) {
		print_message("# no tmpfs of its own without root\n");
		skip();
	}
	assert_int_equal(r, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_committed_at_a_tick),
		cmocka_unit_test(one_time_many_rows),
		cmocka_unit_test(parties_are_stored),
		cmocka_unit_test(malformed_records_are_refused),
		cmocka_unit_test(texts_are_repaired),
		cmocka_unit_test(an_older_sample_is_shorter),
		cmocka_unit_test(idle_samples_are_thinned),
		cmocka_unit_test(shards_rotate_and_are_complete),
		cmocka_unit_test(late_events_find_the_dead_in_a_new_shard),
		cmocka_unit_test(old_shards_are_deleted),
		cmocka_unit_test(a_store_has_a_size),
		cmocka_unit_test(one_writer),
		cmocka_unit_test(killed_at_any_time),
		cmocka_unit_test(a_restart_continues),
		cmocka_unit_test(damaged_shards_are_set_aside),
		cmocka_unit_test(a_newer_store_is_refused),
		cmocka_unit_test(an_unusable_directory_is_told),
		cmocka_unit_test(a_file_that_may_not_grow_is_survived),
		cmocka_unit_test(a_full_disk_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
