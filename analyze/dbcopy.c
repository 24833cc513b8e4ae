/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/dbcopy.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "analyze/reports.h"
#include "analyze/sql.h"
#include "base/cleanup.h"
#include "base/embed.h"
#include "base/hash.h"
#include "base/timeutil.h"
#include "schema/kinds.h"
#include "schema/store.h"

#define VALUE_MAX (16 << 20)
#define TIME_MAX_NS (120 * NSEC_PER_SEC)
#define PROGRESS_STEPS 10000

struct copy {
	const struct dbcopy *what;
	sqlite3 *db; /* main: the new file; src: the old one */
	int64_t deadline_ns;
};

static int64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static int is_late(void *ctx)
{
	const struct copy *c = ctx;

	return monotonic_ns() > c->deadline_ns;
}

static int fail(const struct copy *c, struct strbuf *ret_error)
{
	int code = sqlite3_errcode(c->db) & 0xff;

	if (!ret_error->len)
		strbuf_addf(ret_error, "%s: %s", c->what->from_path, sqlite3_errmsg(c->db));
	switch (code) {
	case SQLITE_INTERRUPT:
		return -ETIME;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
		return -EBUSY;
	default:
		return -EBADMSG;
	}
}

/* ---- the two files ---------------------------------------------------------------------------------------- */

/* Every numbered .sql of one kind of database, and the version that makes. */
static int make_schema(const struct copy *c, const char *kind, int application_id)
{
	char path[64], pragmas[128];
	int version = 0;

	for (;;) {
		const struct embedded_file *file;

		snprintf(path, sizeof(path), "schema/sql/%s-%03d.sql", kind, version + 1);
		file = embedded_find(path);
		if (!file)
			break;
		if (sqlite3_exec(c->db, (const char *)file->data, NULL, NULL, NULL) != SQLITE_OK)
			return -EIO;
		version++;
	}
	snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id = %d; PRAGMA user_version = %d", application_id,
		 version);
	return version && sqlite3_exec(c->db, pragmas, NULL, NULL, NULL) == SQLITE_OK ? 0 : -EIO;
}

/* A statement with the parameters all of them may use. */
static int prepare(const struct copy *c, const char *sql, sqlite3_stmt **ret_stmt)
{
	const struct {
		const char *name;
		int64_t value;
	} params[] = { { ":from", c->what->from_ns }, { ":to", c->what->to_ns }, { ":log", KW_KIND_log },
		       { ":cgroup", KW_KIND_cgroup }, { ":profile", KW_KIND_profile } };

	if (sqlite3_prepare_v2(c->db, sql, -1, ret_stmt, NULL) != SQLITE_OK)
		return -EIO;
	for (size_t i = 0; i < ARRAY_SIZE(params); i++) {
		int n = sqlite3_bind_parameter_index(*ret_stmt, params[i].name);

		if (n)
			sqlite3_bind_int64(*ret_stmt, n, params[i].value);
	}
	return 0;
}

static int run(const struct copy *c, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int rc = prepare(c, sql, &stmt) ? SQLITE_ERROR : sqlite3_step(stmt);

	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : -EIO;
}

static int run_all(const struct copy *c, const char *const *list, size_t count)
{
	int r = 0;

	for (size_t i = 0; !r && i < count; i++)
		r = run(c, list[i]);
	return r;
}

static int64_t query_int(const struct copy *c, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int64_t value = -EIO;

	if (!prepare(c, sql, &stmt) && sqlite3_step(stmt) == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return value;
}

static int attach_source(const struct copy *c)
{
	AUTO(strbuf) struct strbuf uri = STRBUF_INIT;
	sqlite3_stmt *stmt;
	int rc;

	if (sqlite3_prepare_v2(c->db, "ATTACH ?1 AS src", -1, &stmt, NULL) != SQLITE_OK)
		return -EIO;
	sql_add_uri(&uri, c->what->from_path);
	sqlite3_bind_text(stmt, 1, strbuf_str(&uri), -1, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : -EIO;
}

static int open_both(struct copy *c, const char *kind, int application_id, struct strbuf *ret_error)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;

	if (sqlite3_open_v2(c->what->to_path, &c->db, flags, NULL) != SQLITE_OK)
		return fail(c, ret_error);
	sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	sqlite3_busy_timeout(c->db, 2000);
	c->deadline_ns = monotonic_ns() + TIME_MAX_NS;
	sqlite3_progress_handler(c->db, PROGRESS_STEPS, is_late, c);
	if (sqlite3_exec(c->db, "PRAGMA cell_size_check = ON; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
				" PRAGMA secure_delete = OFF", NULL, NULL, NULL) != SQLITE_OK ||
	    make_schema(c, kind, application_id) || attach_source(c))
		return fail(c, ret_error);
	if (sqlite3_exec(c->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		return fail(c, ret_error);
	return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------------- */

/* Columns that a table has in both files, as "a, b"; false when the source has no such plain table. */
static bool common_columns(const struct copy *c, const char *table, struct strbuf *ret)
{
	sqlite3_stmt *stmt;
	bool found = false;

	if (sqlite3_prepare_v2(c->db,
			       "SELECT group_concat('\"' || d.name || '\"', ', ') FROM pragma_table_info(?1, 'main') d"
			       " JOIN pragma_table_info(?1, 'src') s ON s.name = d.name WHERE EXISTS (SELECT 1 FROM"
			       " src.sqlite_schema WHERE name = ?1 AND type = 'table' AND sql LIKE 'CREATE TABLE%')",
			       -1, &stmt, NULL) != SQLITE_OK)
		return false;
	sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
	if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_TEXT) {
		strbuf_addstr(ret, (const char *)sqlite3_column_text(stmt, 0));
		found = true;
	}
	sqlite3_finalize(stmt);
	return found;
}

struct table {
	const char *name, *where; /* "" all rows */
};

static int copy_tables(const struct copy *c, const struct table *tables, size_t count, struct strbuf *ret_error)
{
	for (size_t i = 0; i < count; i++) {
		AUTO(strbuf) struct strbuf columns = STRBUF_INIT, sql = STRBUF_INIT;

		if (!common_columns(c, tables[i].name, &columns)) {
			strbuf_addf(ret_error, "%s has no table %s", c->what->from_path, tables[i].name);
			return -EBADMSG;
		}
		strbuf_addf(&sql, "INSERT INTO main.%s (%s) SELECT %s FROM src.%s %s", tables[i].name,
			    strbuf_str(&columns), strbuf_str(&columns), tables[i].name, tables[i].where);
		if (run(c, strbuf_str(&sql)))
			return fail(c, ret_error);
	}
	return 0;
}

/* ---- what is not for others' eyes ------------------------------------------------------------------------- */

static bool ends_with(const char *s, const char *end)
{
	size_t a = strlen(s), b = strlen(end);

	return a >= b && !strcmp(s + a - b, end);
}

/* Text that people chose, as against the kernel's own words. */
static bool is_private_text(const struct kw_field *f, enum redaction level)
{
	if (f->type != KW_TYPE_STR)
		return false;
	return !strcmp(f->name, "target") || !strcmp(f->name, "path") || !strcmp(f->name, "file") ||
	       (level == REDACT_ALL && ends_with(f->name, "comm"));
}

/* An address keeps its family: v4-mapped stays so (RFC 4291, 2.5.5.2), as rules match the ends of connections. */
static void hide_address(unsigned char address[16], uint64_t salt)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool v4 = !memcmp(address, mapped, sizeof(mapped));
	uint64_t hash[2] = { hash_bytes(address, 16, salt), hash_bytes(address, 16, ~salt) };

	if (v4)
		memcpy(address + 12, hash, 4);
	else
		memcpy(address, hash, 16);
}

/* A container's number is a hash of its path, which a guess would confirm; 52 bits as aggregate/identity.h has them. */
static int64_t hide_container(int64_t cid, uint64_t salt)
{
	return cid ? (int64_t)(hash_bytes(&cid, sizeof(cid), salt) >> 12 | 1) : 0;
}

/* hide(cid) */
static void redact_container(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const struct copy *c = sqlite3_user_data(ctx);

	(void)argc;
	if (sqlite3_value_type(argv[0]) != SQLITE_NULL)
		sqlite3_result_int64(ctx, hide_container(sqlite3_value_int64(argv[0]), c->what->salt));
}

/*
 * hide_frames(text): of frames in user mode, "file+0x12 (build id)" or "function+0x12 [file]" a line, all but the offset;
 * a line in brackets is our own word.
 */
static void redact_frames(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const struct copy *c = sqlite3_user_data(ctx);
	const char *line = (const char *)sqlite3_value_text(argv[0]);
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;

	(void)argc;
	for (; line && *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t len = strcspn(line, "\n"), name = len, shown;

		for (size_t i = 0; i < len; i++)
			if (line[i] == '+' && line[i + 1] == '0' && line[i + 2] == 'x')
				name = i; /* the last one: a file may be called g++ */
		shown = name + strcspn(line + name, " \n");
		if (*line == '[')
			strbuf_add(&out, line, len);
		else
			strbuf_addf(&out, "file-%08x%.*s",
				    (unsigned int)(hash_bytes(line, name, c->what->salt) & 0xffffffff), (int)(shown - name),
				    line + name);
		strbuf_addch(&out, '\n');
	}
	if (strbuf_error(&out))
		sqlite3_result_error_nomem(ctx);
	else
		sqlite3_result_text(ctx, strbuf_str(&out), (int)out.len, SQLITE_TRANSIENT);
}

static void hide_reference(unsigned char *field, uint64_t salt)
{
	struct kw_cg cg;

	memcpy(&cg, field, sizeof(cg));
	cg.v2 = (uint64_t)hide_container((int64_t)cg.v2, salt);
	memcpy(field, &cg, sizeof(cg));
}

/* redact(kind, payload) */
static void redact_payload(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const struct copy *c = sqlite3_user_data(ctx);
	const struct kw_kind_info *info = kw_kind_by_number((unsigned int)sqlite3_value_int(argv[0]));
	const void *blob = sqlite3_value_blob(argv[1]);
	size_t size = (size_t)sqlite3_value_bytes(argv[1]);
	unsigned char *copy;

	(void)argc;
	if (!info || !blob || size < info->payload_size) {
		sqlite3_result_value(ctx, argv[1]);
		return;
	}
	copy = sqlite3_malloc64(size);
	if (!copy) {
		sqlite3_result_error_nomem(ctx);
		return;
	}
	memcpy(copy, blob, size);
	for (const struct kw_field *f = info->fields; f->name; f++) {
		if (is_private_text(f, c->what->redaction))
			memset(copy + f->offset, 0, f->size);
		else if (f->type == KW_TYPE_ADDR && c->what->redaction == REDACT_ALL)
			hide_address(copy + f->offset, c->what->salt);
		else if (f->type == KW_TYPE_CG)
			hide_reference(copy + f->offset, c->what->salt);
	}
	sqlite3_result_blob64(ctx, copy, size, sqlite3_free);
}

/* Every free text of a container but what says its kind; its path keeps its depth. */
static int redact_containers(const struct copy *c)
{
	static const char *const paths[] = {
		"UPDATE container SET cid = hide(cid), parent = hide(parent), ref = CASE cid WHEN 0 THEN ref ELSE"
		" printf('c%013x', hide(cid)) END",
		"UPDATE directory SET cid = hide(cid), path_hash = 0",
		"UPDATE event SET cid = hide(cid), pcid = hide(pcid)",
		"UPDATE container SET name = printf('container-%x', cid >> 24) WHERE cid <> 0",
		"WITH RECURSIVE tree (cid, path) AS (SELECT cid, '' FROM container WHERE cid = 0 UNION ALL SELECT k.cid,"
		" t.path || printf('/container-%x', k.cid >> 24) FROM container k JOIN tree t ON coalesce(k.parent, 0) ="
		" t.cid WHERE k.cid <> 0 AND length(t.path) < 2000) UPDATE container SET cgroup = coalesce((SELECT path FROM tree WHERE"
		" tree.cid = container.cid), '/' || name) WHERE cid <> 0",
	};
	sqlite3_stmt *columns;
	int r = 0;

	if (sqlite3_prepare_v2(c->db,
			       "SELECT 'UPDATE container SET \"' || name || '\" = NULL' FROM"
			       " pragma_table_info('container', 'main') WHERE type = 'TEXT' AND \"notnull\" = 0 AND"
			       " name NOT IN ('cgroup', 'runtime')",
			       -1, &columns, NULL) != SQLITE_OK)
		return -EIO;
	while (!r && sqlite3_step(columns) == SQLITE_ROW)
		r = run(c, (const char *)sqlite3_column_text(columns, 0));
	sqlite3_finalize(columns);
	return r ? r : run_all(c, paths, ARRAY_SIZE(paths));
}

static int redact(const struct copy *c)
{
	static const char *const names[] = {
		"DELETE FROM event WHERE kind IN (:log, :cgroup)",
		"UPDATE event SET payload = redact(kind, payload)",
		"UPDATE stack SET text = hide_frames(text) WHERE hash IN (SELECT pstack FROM event WHERE kind = :profile)",
		"UPDATE meta SET value = '' WHERE key IN ('node', 'boot_id')",
	};
	int r;

	if (c->what->redaction == REDACT_NONE)
		return 0;
	if (sqlite3_create_function(c->db, "redact", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, (void *)c, redact_payload, NULL,
				    NULL) != SQLITE_OK ||
	    sqlite3_create_function(c->db, "hide_frames", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, (void *)c, redact_frames,
				    NULL, NULL) != SQLITE_OK ||
	    sqlite3_create_function(c->db, "hide", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, (void *)c, redact_container, NULL,
				    NULL) != SQLITE_OK)
		return -EIO;
	r = run_all(c, names, ARRAY_SIZE(names));
	if (!r)
		r = redact_containers(c);
	if (!r && c->what->redaction == REDACT_ALL)
		r = run(c, "UPDATE str SET text = 'program-' || id");
	return r;
}

/* ---- whole databases -------------------------------------------------------------------------------------- */

static int64_t finish(struct copy *c, int64_t count, struct strbuf *ret_error)
{
	if (count >= 0 && sqlite3_exec(c->db, "COMMIT; DETACH src; VACUUM", NULL, NULL, NULL) != SQLITE_OK)
		count = fail(c, ret_error);
	sqlite3_close(c->db);
	return count;
}

int64_t dbcopy_shard(const struct dbcopy *what, struct strbuf *ret_error)
{
	static const struct table tables[] = {
		{ "meta", "" },
		{ "container", "" },
		{ "directory", "" },
		{ "str", "" },
		{ "event", "WHERE ts_ns BETWEEN :from AND :to" },
		{ "stack", "WHERE hash IN (SELECT stack FROM main.event UNION SELECT pstack FROM main.event)" },
	};
	/* What no row of the window can mean. */
	static const char *const prune[] = {
		"DELETE FROM container WHERE cid <> 0 AND (last_ns < :from OR first_ns > :to) AND cid NOT IN (SELECT cid FROM"
		" event WHERE cid IS NOT NULL UNION SELECT pcid FROM event WHERE pcid IS NOT NULL)",
		"DELETE FROM directory WHERE cid NOT IN (SELECT cid FROM container)",
		"DELETE FROM str WHERE id NOT IN (SELECT comm FROM event WHERE comm IS NOT NULL UNION SELECT pcomm FROM event"
		" WHERE pcomm IS NOT NULL)",
	};
	struct copy c = { .what = what };
	int64_t r = open_both(&c, "events", KW_SHARD_APPLICATION_ID, ret_error);

	if (!r)
		r = copy_tables(&c, tables, ARRAY_SIZE(tables), ret_error);
	if (!r && (run_all(&c, prune, ARRAY_SIZE(prune)) || redact(&c)))
		r = fail(&c, ret_error);
	if (!r)
		r = query_int(&c, "SELECT count(*) FROM event");
	return finish(&c, r, ret_error);
}

int64_t dbcopy_reports(const struct dbcopy *what, struct strbuf *ret_error)
{
	static const struct table tables[] = {
		{ "meta", "" },
		{ "incident", "WHERE onset_ns <= :to AND coalesce(end_ns, :to) >= :from" },
		{ "report", "WHERE id IN (SELECT id FROM main.incident)" },
		{ "frozen", "WHERE id IN (SELECT id FROM main.incident)" },
	};
	struct copy c = { .what = what };
	int64_t r = open_both(&c, "reports", 0, ret_error);

	if (!r)
		r = copy_tables(&c, tables, ARRAY_SIZE(tables), ret_error);
	if (!r && run(&c, REPORTS_PARTIES))
		r = fail(&c, ret_error);
	if (!r)
		r = query_int(&c, "SELECT count(*) FROM incident");
	return finish(&c, r, ret_error);
}
