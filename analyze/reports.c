/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/reports.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/embed.h"
#include "base/fileutil.h"
#include "base/utf8.h"

#define REPORTS_VERSION 2
#define REPORT_BYTES_MAX (8 * 1024 * 1024)

enum statement {
	PUT_REPORT,
	PUT_INCIDENT,
	CLEAR_PARTIES,
	PUT_PARTIES,
	PUT_FROZEN,
	OPEN_INCIDENTS,
	EXPIRE_REPORTS,
	EXPIRE_FROZEN,
	EXPIRE_PARTIES,
	EXPIRE_INCIDENTS,
	STATEMENTS
};

static const char *const statements[STATEMENTS] = {
	[PUT_REPORT] = "INSERT INTO report (id, revision, created_ns, body) VALUES (:id, :revision, :created, :body)",
	[PUT_INCIDENT] =
		"INSERT INTO incident VALUES (:id, :cause, :status, :severity, :confidence, :headline, :onset,"
		" :detected, :end, :revision, :kind, :name, :culprit, :victims) ON CONFLICT (id) DO UPDATE SET cause ="
		" excluded.cause, status = excluded.status, severity = excluded.severity, confidence ="
		" excluded.confidence, headline = excluded.headline, onset_ns = excluded.onset_ns,"
		" detected_ns = excluded.detected_ns, end_ns = excluded.end_ns, revision = excluded.revision,"
		" resource_kind = excluded.resource_kind, resource_name = excluded.resource_name, culprit ="
		" excluded.culprit, victims = excluded.victims WHERE excluded.revision > incident.revision",
	[CLEAR_PARTIES] = "DELETE FROM party WHERE id = :id",
	[PUT_PARTIES] = REPORTS_PARTIES " AND i.id = :id",
	[PUT_FROZEN] = "INSERT OR IGNORE INTO frozen (id, ts_ns, event) VALUES (:id, :ts, :event)",
	[OPEN_INCIDENTS] = "SELECT r.body FROM incident i JOIN report r ON r.id = i.id AND r.revision = i.revision"
			   " WHERE i.status = 'open' ORDER BY i.id",
	[EXPIRE_REPORTS] = "DELETE FROM report WHERE id IN (SELECT id FROM incident WHERE end_ns < :before)",
	[EXPIRE_FROZEN] = "DELETE FROM frozen WHERE id IN (SELECT id FROM incident WHERE end_ns < :before)",
	[EXPIRE_PARTIES] = "DELETE FROM party WHERE id IN (SELECT id FROM incident WHERE end_ns < :before)",
	[EXPIRE_INCIDENTS] = "DELETE FROM incident WHERE end_ns < :before",
};

struct reports {
	sqlite3 *db;
	sqlite3_stmt *stmts[STATEMENTS];
};

static int db_error(const struct reports *r)
{
	switch (sqlite3_errcode(r->db)) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_BUSY:
		return -EBUSY;
	default:
		return -EIO;
	}
}

static int user_version(sqlite3 *db)
{
	sqlite3_stmt *stmt;
	int version = -1;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		version = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return version;
}

static int migrate(sqlite3 *db, struct strbuf *ret_error)
{
	int version = user_version(db);
	AUTO(strbuf) struct strbuf sql = STRBUF_INIT;

	if (version > REPORTS_VERSION) {
		strbuf_addstr(ret_error, "reports.db was written by a newer kwhy");
		return -EPROTO;
	}
	for (int v = MAX(version, 0) + 1; v <= REPORTS_VERSION; v++) {
		const struct embedded_file *file;
		char path[64];

		snprintf(path, sizeof(path), "schema/sql/reports-%03d.sql", v);
		file = embedded_find(path);
		if (!file) {
			strbuf_addf(ret_error, "%s is not part of this program", path);
			return -ENOSYS;
		}
		strbuf_addf(&sql, "BEGIN IMMEDIATE;%s;PRAGMA user_version = %d;COMMIT;", (const char *)file->data, v);
	}
	if (sql.len && sqlite3_exec(db, strbuf_str(&sql), NULL, NULL, NULL) != SQLITE_OK) {
		strbuf_addf(ret_error, "reports.db: %s", sqlite3_errmsg(db));
		return -EIO;
	}
	return 0;
}

static int prepare_all(struct reports *r, struct strbuf *ret_error)
{
	for (size_t i = 0; i < STATEMENTS; i++) {
		if (sqlite3_prepare_v3(r->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &r->stmts[i], NULL) ==
		    SQLITE_OK)
			continue;
		strbuf_addf(ret_error, "reports.db: %s", sqlite3_errmsg(r->db));
		return -EIO;
	}
	return 0;
}

int reports_open(const char *state_dir, struct reports **ret_reports, struct strbuf *ret_error)
{
	/* Debian's SQLite overwrites what it deletes unless told not to; reports hold no secrets. */
	static const char pragmas[] =
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = OFF;";
	AUTO(strbuf) struct strbuf path = STRBUF_INIT;
	struct reports *r;
	int err;

	strbuf_addf(&path, "%s/reports", state_dir);
	err = dir_make(strbuf_str(&path), 0750);
	if (err < 0) {
		strbuf_addf(ret_error, "%s: %s", strbuf_str(&path), strerror(-err));
		return err;
	}
	strbuf_addstr(&path, "/reports.db");
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	if (sqlite3_open_v2(strbuf_str(&path), &r->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK) {
		strbuf_addf(ret_error, "%s: %s", strbuf_str(&path), r->db ? sqlite3_errmsg(r->db) : "out of memory");
		reports_free(r);
		return -EIO;
	}
	sqlite3_busy_timeout(r->db, 2000);
	sqlite3_exec(r->db, pragmas, NULL, NULL, NULL);
	err = migrate(r->db, ret_error);
	if (err == 0)
		err = prepare_all(r, ret_error);
	if (err < 0) {
		reports_free(r);
		return err;
	}
	*ret_reports = r;
	return 0;
}

void reports_free(struct reports *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(r->stmts[i]);
	sqlite3_close(r->db);
	free(r);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void bind_text(sqlite3_stmt *stmt, const char *name, const char *value)
{
	sqlite3_bind_text(stmt, sqlite3_bind_parameter_index(stmt, name), value, -1, SQLITE_TRANSIENT);
}

static void bind_int(sqlite3_stmt *stmt, const char *name, int64_t value)
{
	sqlite3_bind_int64(stmt, sqlite3_bind_parameter_index(stmt, name), value);
}

static sqlite3_stmt *begin(struct reports *r, enum statement which)
{
	sqlite3_reset(r->stmts[which]);
	sqlite3_clear_bindings(r->stmts[which]);
	return r->stmts[which];
}

static int finish(struct reports *r, sqlite3_stmt *stmt)
{
	int err = sqlite3_step(stmt) == SQLITE_DONE ? 0 : db_error(r);

	sqlite3_reset(stmt);
	return err;
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void bind_ns(sqlite3_stmt *stmt, const char *name, const json_t *value)
{
	if (json_is_string(value))
		bind_int(stmt, name, strtoll(json_string_value(value), NULL, 10));
}

/* Container numbers of the victims, from the ids of the report's private key. */
static void bind_parties(sqlite3_stmt *stmt, const json_t *report)
{
	const json_t *key = json_object_get(report, "key");
	char *victims = json_dumps(json_object_get(key, "victims"), JSON_COMPACT | JSON_ENCODE_ANY);

	bind_text(stmt, ":victims", victims ? victims : "[]");
	if (json_is_integer(json_object_get(key, "culprit")))
		bind_int(stmt, ":culprit", json_integer_value(json_object_get(key, "culprit")));
	free(victims);
}

static int put_incident(struct reports *r, const json_t *report)
{
	const json_t *window = json_object_get(report, "window"), *resource = json_object_get(report, "resource");
	sqlite3_stmt *stmt = begin(r, PUT_INCIDENT);

	bind_text(stmt, ":id", text_at(report, "id"));
	bind_text(stmt, ":cause", text_at(report, "cause"));
	bind_text(stmt, ":status", text_at(report, "status"));
	bind_text(stmt, ":severity", text_at(report, "severity"));
	bind_text(stmt, ":confidence", text_at(json_object_get(report, "confidence"), "level"));
	bind_text(stmt, ":headline", text_at(report, "headline"));
	bind_ns(stmt, ":onset", json_object_get(window, "onset_ns"));
	bind_ns(stmt, ":detected", json_object_get(window, "detected_ns"));
	bind_ns(stmt, ":end", json_object_get(window, "end_ns"));
	bind_int(stmt, ":revision", json_integer_value(json_object_get(report, "revision")));
	bind_text(stmt, ":kind", text_at(resource, "kind"));
	bind_text(stmt, ":name", text_at(resource, "name"));
	bind_parties(stmt, report);
	return finish(r, stmt);
}

static int put_report(struct reports *r, const json_t *report, const char *body)
{
	sqlite3_stmt *stmt = begin(r, PUT_REPORT);

	bind_text(stmt, ":id", text_at(report, "id"));
	bind_int(stmt, ":revision", json_integer_value(json_object_get(report, "revision")));
	bind_int(stmt, ":created", strtoll(text_at(report, "created_ns"), NULL, 10));
	bind_text(stmt, ":body", body);
	return finish(r, stmt);
}

/* Of the newest revision. */
static int put_parties(struct reports *r, const json_t *report)
{
	int err = 0;

	for (enum statement s = CLEAR_PARTIES; err == 0 && s <= PUT_PARTIES; s++) {
		sqlite3_stmt *stmt = begin(r, s);

		bind_text(stmt, ":id", text_at(report, "id"));
		err = finish(r, stmt);
	}
	return err;
}

int reports_put(struct reports *r, const json_t *report)
{
	AUTO_FREE char *body = json_dumps(report, JSON_COMPACT);
	int err;

	if (!body)
		return -ENOMEM;
	if (!text_at(report, "id")[0] || !json_is_integer(json_object_get(report, "revision")))
		return -EINVAL;
	if (strlen(body) > REPORT_BYTES_MAX)
		return -EFBIG;
	if (sqlite3_exec(r->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		return db_error(r);
	err = put_report(r, report, body);
	if (err == 0)
		err = put_incident(r, report);
	if (err == 0)
		err = put_parties(r, report);
	if (err == 0 && sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		err = db_error(r);
	if (err < 0)
		sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
	return err;
}

int reports_freeze(struct reports *r, const char *id, int64_t ts_ns, const char *event)
{
	sqlite3_stmt *stmt = begin(r, PUT_FROZEN);

	bind_text(stmt, ":id", id);
	bind_int(stmt, ":ts", ts_ns);
	bind_text(stmt, ":event", event);
	return finish(r, stmt);
}

int reports_open_incidents(struct reports *r, int (*fn)(void *ctx, const json_t *report), void *ctx)
{
	sqlite3_stmt *stmt = begin(r, OPEN_INCIDENTS);
	int count = 0, err = 0;

	while (err == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
		json_t *report = json_loads((const char *)sqlite3_column_text(stmt, 0), 0, NULL);

		err = report ? fn(ctx, report) : 0;
		count++;
		json_decref(report);
	}
	sqlite3_reset(stmt);
	return err < 0 ? err : count;
}

int reports_expire(struct reports *r, int64_t before_ns)
{
	int err = 0;

	for (enum statement s = EXPIRE_REPORTS; err == 0 && s <= EXPIRE_INCIDENTS; s++) {
		sqlite3_stmt *stmt = begin(r, s);

		bind_int(stmt, ":before", before_ns);
		err = finish(r, stmt);
	}
	return err < 0 ? err : sqlite3_changes(r->db);
}

/* ---- reading through a reader ---------------------------------------------------------------------------------- */

struct each {
	int (*fn)(void *ctx, const json_t *report);
	int (*text)(void *ctx, const char *id, const char *json, size_t len); /* instead of fn */
	void *ctx;
	int count;
};

static int each_row(void *ctx, int columns, const char *const *names, const struct query_value *values)
{
	struct each *each = ctx;
	json_t *report;
	int err;

	(void)columns;
	(void)names;
	report = values[0].text ? json_loadb(values[0].text, (size_t)values[0].size, 0, NULL) : NULL;
	if (!report)
		return 0;
	err = each->fn(each->ctx, report);
	each->count++;
	json_decref(report);
	return err;
}

/* Of the columns report, NULL when it is no JSON, and id. */
static int each_text(void *ctx, int columns, const char *const *names, const struct query_value *values)
{
	struct each *each = ctx;

	(void)columns;
	(void)names;
	if (!values[0].text || !values[1].text || !utf8_valid(values[0].text, (size_t)values[0].size))
		return 0;
	each->count++;
	return each->text(each->ctx, values[1].text, values[0].text, (size_t)values[0].size);
}

static struct query_param text_param(const char *name, const char *value)
{
	return (struct query_param){ .name = name, .type = value ? PARAM_TEXT : PARAM_NULL, .text = value };
}

static struct query_param int_param(const char *name, int64_t value)
{
	return (struct query_param){ .name = name, .type = PARAM_INT, .integer = value };
}

#define CHOSEN                                                                                                        \
	" WHERE (:since = 0 OR coalesce(i.end_ns, :since) >= :since) AND (:until = 0 OR i.onset_ns <= :until) AND (:cause"    \
	" IS NULL OR i.cause = :cause OR i.cause LIKE :cause || '.%') AND (:status IS NULL OR i.status = :status) AND"         \
	" (:severity IS NULL OR i.severity = :severity) AND (:handling IS NULL OR :handling = " INCIDENT_HANDLING("i.id")      \
	") AND (:container IS NULL OR i.id IN (SELECT p.id FROM v_party p WHERE p.name = :container)) AND (:before IS NULL OR" \
	" (i.onset_ns, i.id) < (SELECT b.onset_ns, b.id FROM v_incident b WHERE b.id = :before))"                             \
	" ORDER BY i.onset_ns DESC, i.id DESC LIMIT :limit"

static int64_t each_report(struct reader *r, const struct incident_filter *filter, struct each *each)
{
	static const char whole[] =
		"SELECT r.report FROM v_incident i JOIN v_report r ON r.id = i.id AND r.revision = i.revision" CHOSEN;
	/* What stands in the store of a bundle was written by others. */
	static const char text[] =
		"SELECT CASE WHEN json_valid(r.report) THEN r.report END, i.id FROM v_incident i JOIN v_report r ON r.id ="
		" i.id AND r.revision = i.revision" CHOSEN;
	/* A report has a hundred kilobytes, and lists show its headline. */
	static const char brief[] =
		"SELECT json_object('id', i.id, 'revision', i.revision, 'cause', i.cause, 'status', i.status, 'severity',"
		" i.severity, 'headline', i.headline, 'confidence', json_object('level', i.confidence), 'window', json_object("
		"'onset_ns', CAST(i.onset_ns AS TEXT), 'detected_ns', CAST(i.detected_ns AS TEXT), 'end_ns', CAST(i.end_ns AS"
		" TEXT))) FROM v_incident i" CHOSEN;
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	const struct query_param params[] = {
		int_param(":since", filter->since_ns),	   int_param(":until", filter->until_ns),
		text_param(":cause", filter->cause),	   text_param(":status", filter->status),
		text_param(":severity", filter->severity), text_param(":container", filter->container),
		text_param(":handling", filter->handling), text_param(":acknowledged", filter->acknowledged),
		text_param(":muted", filter->muted),
		text_param(":before", filter->before_id),  int_param(":limit", filter->limit ? filter->limit : 1000),
	};
	const char *sql = each->text ? text : filter->brief ? brief : whole;
	int64_t n = reader_query(r, sql, params, ARRAY_SIZE(params), NULL, each->text ? each_text : each_row, each, &error);

	return n < 0 ? n : each->count;
}

int64_t reports_each(struct reader *r, const struct incident_filter *filter, int (*fn)(void *ctx, const json_t *report),
		     void *ctx)
{
	struct each each = { .fn = fn, .ctx = ctx };

	return each_report(r, filter, &each);
}

int64_t reports_each_text(struct reader *r, const struct incident_filter *filter,
			  int (*fn)(void *ctx, const char *id, const char *json, size_t len), void *ctx)
{
	struct each each = { .text = fn, .ctx = ctx };

	return each_report(r, filter, &each);
}

static int keep_report(void *ctx, const json_t *report)
{
	*(json_t **)ctx = json_incref((json_t *)report);
	return 0;
}

int reports_get(struct reader *r, const char *id, int revision, json_t **ret_report)
{
	static const char query[] =
		"SELECT report FROM v_report WHERE id = :id AND (:revision = 0 OR revision = :revision) ORDER BY"
		" revision DESC LIMIT 1";
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	const struct query_param params[] = { text_param(":id", id), int_param(":revision", revision) };
	json_t *report = NULL;
	struct each each = { .fn = keep_report, .ctx = &report };
	int64_t n = reader_query(r, query, params, ARRAY_SIZE(params), NULL, each_row, &each, &error);

	if (n < 0)
		return (int)n;
	if (!report)
		return -ENOENT;
	*ret_report = report;
	return 0;
}
