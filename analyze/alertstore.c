/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/alertstore.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyze/sql.h"
#include "base/cleanup.h"
#include "base/embed.h"
#include "base/fileutil.h"

#define ALERTS_VERSION 3
#define MARKS_VERSION 2 /* the first that has them */
#define PAST_VERSION 3

enum statement {
	PUT_ALERT,
	FORGET_ALERT,
	COUNT_ALERTS,
	ALL_ALERTS,
	PUT_SILENCE,
	END_SILENCE,
	COUNT_SILENCES,
	SILENCES,
	SEND,
	TRIM_OUTBOX,
	COUNT_DROPPED,
	DUE,
	SENT,
	FAILED,
	OUTBOX,
	PUT_MARK,
	TRIM_MARKS,
	UNMUTE,
	MARKS,
	NEWEST_MARKS,
	KEEP_ALERT,
	EXPIRE_ALERTS,
	ALERTS_BETWEEN,
	STATEMENTS
};

static const char *const statements[STATEMENTS] = {
	[PUT_ALERT] = "INSERT OR REPLACE INTO alert VALUES (:fingerprint, :rule, :labels, :annotations, :value, :state,"
		      " :active, nullif(:fired, 0), :seen, nullif(:ended, 0), nullif(:sent, 0), :held_by)",
	[FORGET_ALERT] = "DELETE FROM alert WHERE fingerprint = :fingerprint",
	[COUNT_ALERTS] = "SELECT count(*) FROM alert WHERE fingerprint <> :fingerprint",
	[ALL_ALERTS] = "SELECT fingerprint, rule, labels, annotations, value, state, active_ns, fired_ns, seen_ns, ended_ns,"
		       " sent_ns, held_by FROM alert ORDER BY coalesce(ended_ns, 9e18) DESC, active_ns DESC, fingerprint",
	[PUT_SILENCE] = "INSERT OR REPLACE INTO silence VALUES (:id, :matchers, :author, :comment, :starts, :ends, :now)",
	[END_SILENCE] = "UPDATE silence SET ends_ns = :now WHERE id = :id AND ends_ns > :now",
	[COUNT_SILENCES] = "SELECT count(*) FROM silence WHERE ends_ns > :now",
	[SILENCES] = "SELECT id, matchers, author, comment, starts_ns, ends_ns, created_ns FROM silence"
		     " WHERE ends_ns > :after ORDER BY created_ns DESC, id",
	[SEND] = "INSERT INTO outbox (receiver, body, created_ns, next_ns) VALUES (:receiver, :body, :now, :now)",
	[TRIM_OUTBOX] = "DELETE FROM outbox WHERE id <= (SELECT max(id) FROM outbox) - :max",
	[COUNT_DROPPED] = "INSERT INTO meta VALUES ('outbox_dropped', :n) ON CONFLICT (key) DO UPDATE SET value ="
			  " CAST(value AS INTEGER) + :n",
	[DUE] = "SELECT id, tries, body FROM outbox WHERE id = (SELECT min(id) FROM outbox WHERE receiver = :receiver) AND"
		" next_ns <= :now",
	[SENT] = "DELETE FROM outbox WHERE id = :id",
	[FAILED] = "UPDATE outbox SET tries = tries + 1, next_ns = :next, error = :error WHERE id = :id",
	[OUTBOX] = "SELECT receiver, count(*) AS waiting, min(created_ns) AS oldest_ns, max(tries) AS tries, max(error) AS"
		   " error, coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'outbox_dropped'), 0) AS dropped"
		   " FROM outbox GROUP BY receiver ORDER BY receiver",
	[PUT_MARK] = "INSERT INTO mark (incident, what, author, comment, at_ns, until_ns, silence) VALUES (:incident, :what,"
		     " :author, :comment, :at, nullif(:until, 0), nullif(:silence, ''))",
	[TRIM_MARKS] = "DELETE FROM mark WHERE id <= (SELECT max(id) FROM mark) - :max",
	[UNMUTE] = "UPDATE silence SET ends_ns = :now WHERE ends_ns > :now AND id IN (SELECT silence FROM mark WHERE"
		   " incident = :incident)",
	[MARKS] = "SELECT incident, what, author, comment, at_ns, until_ns FROM mark WHERE incident = :incident ORDER BY id",
	[NEWEST_MARKS] = "SELECT incident, what, author, comment, at_ns, until_ns FROM mark WHERE id IN (SELECT max(id) FROM"
			 " mark GROUP BY incident)",
	[KEEP_ALERT] = "INSERT OR IGNORE INTO past_alert SELECT fingerprint, active_ns, rule, labels, annotations, value,"
		       " fired_ns, seen_ns, ended_ns, sent_ns, held_by FROM alert WHERE fingerprint = :fingerprint",
	[EXPIRE_ALERTS] = "DELETE FROM past_alert WHERE ended_ns < max(:before, coalesce((SELECT ended_ns FROM past_alert"
			  " ORDER BY ended_ns DESC LIMIT 1 OFFSET :max), 0) + 1)",
	[ALERTS_BETWEEN] =
		"SELECT fingerprint, rule, labels, annotations, value, state, active_ns, fired_ns, seen_ns, ended_ns, sent_ns,"
		" held_by FROM (SELECT fingerprint, rule, labels, annotations, value, state, active_ns, fired_ns, seen_ns,"
		" ended_ns, sent_ns, held_by FROM alert WHERE active_ns <= :to AND coalesce(ended_ns, :from) >= :from"
		" UNION ALL SELECT fingerprint, rule, labels, annotations, value, 'resolved', active_ns, fired_ns, seen_ns,"
		" ended_ns, sent_ns, held_by FROM past_alert p WHERE active_ns <= :to AND ended_ns >= :from AND NOT EXISTS"
		" (SELECT 1 FROM alert a WHERE a.fingerprint = p.fingerprint AND a.active_ns = p.active_ns))"
		" ORDER BY iif(ended_ns <= :to, ended_ns, 9e18) DESC, active_ns DESC, fingerprint LIMIT :limit",
};

struct alertstore {
	sqlite3 *db;
	sqlite3_stmt *stmts[STATEMENTS];
};

void alert_cleanup(struct alert *a)
{
	free(a->rule);
	json_decref(a->labels);
	json_decref(a->annotations);
	*a = (struct alert){ 0 };
}

json_t *alert_row(const struct alert *a)
{
	return json_pack("{s:s, s:s, s:s, s:O, s:O, s:f, s:o, s:o, s:o, s:s}", "fingerprint", a->fingerprint, "alert",
			 a->rule, "state", alert_state_name(a->life.state), "labels", a->labels, "annotations",
			 a->annotations, "value", a->value, "active_ns", json_ns(a->life.active_ns), "fired_ns",
			 a->life.fired_ns ? json_ns(a->life.fired_ns) : json_null(), "ended_ns",
			 a->life.ended_ns ? json_ns(a->life.ended_ns) : json_null(), "held_by", a->held_by);
}

static int db_error(const struct alertstore *s)
{
	int code = sqlite3_errcode(s->db) & 0xff;

	return code == SQLITE_FULL ? -ENOSPC : code == SQLITE_BUSY ? -EBUSY : -EIO;
}

static int version_of(sqlite3 *db)
{
	sqlite3_stmt *stmt;
	int version = 0;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		version = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return version;
}

static int migrate(struct alertstore *s, struct strbuf *ret_error)
{
	AUTO(strbuf) struct strbuf sql = STRBUF_INIT;

	for (int v = version_of(s->db) + 1; v <= ALERTS_VERSION; v++) {
		const struct embedded_file *file;
		char path[64];

		snprintf(path, sizeof(path), "schema/sql/alerts-%03d.sql", v);
		file = embedded_find(path);
		if (!file)
			return -ENOSYS;
		strbuf_addf(&sql, "BEGIN IMMEDIATE;%s;PRAGMA user_version = %d;COMMIT;", (const char *)file->data, v);
	}
	if (sql.len && sqlite3_exec(s->db, strbuf_str(&sql), NULL, NULL, NULL) != SQLITE_OK) {
		strbuf_addf(ret_error, "alerts.db: %s", sqlite3_errmsg(s->db));
		return db_error(s);
	}
	return 0;
}

static int open_db(struct alertstore *s, const char *path, bool write, struct strbuf *ret_error)
{
	int flags = write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	size_t known;
	int r = 0, version;

	if (!write && access(path, F_OK)) {
		strbuf_addf(ret_error, "no alerts are kept in %s: no server has run there", path);
		return -ENOENT;
	}
	if (sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		strbuf_addf(ret_error, "cannot open %s: %s", path, sqlite3_errmsg(s->db));
		return -EIO;
	}
	sqlite3_busy_timeout(s->db, 5000);
	if (version_of(s->db) > ALERTS_VERSION) {
		strbuf_addf(ret_error, "%s was written by a newer kwhy", path);
		return -EPROTO;
	}
	if (write) {
		sqlite3_exec(s->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = OFF",
			     NULL, NULL, NULL);
		r = migrate(s, ret_error);
	}
	/* Of an older file, only what lists things that it has. */
	version = version_of(s->db);
	known = version < MARKS_VERSION ? PUT_MARK : version < PAST_VERSION ? KEEP_ALERT : STATEMENTS;
	for (size_t i = 0; !r && i < known; i++)
		if (sqlite3_prepare_v3(s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmts[i], NULL) !=
		    SQLITE_OK) {
			strbuf_addf(ret_error, "%s: %s", path, sqlite3_errmsg(s->db));
			r = -EIO;
		}
	return r;
}

int alertstore_open(const char *state_dir, bool write, struct alertstore **ret_store, struct strbuf *ret_error)
{
	AUTO(strbuf) struct strbuf path = STRBUF_INIT;
	struct alertstore *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return -ENOMEM;
	strbuf_addf(&path, "%s/reports", state_dir);
	if (write)
		r = dir_make(strbuf_str(&path), 0750);
	strbuf_addstr(&path, "/alerts.db");
	if (!r)
		r = open_db(s, strbuf_str(&path), write, ret_error);
	if (r) {
		if (!ret_error->len)
			strbuf_addf(ret_error, "cannot open %s: %s", strbuf_str(&path), strerror(-r));
		alertstore_free(s);
		return r;
	}
	*ret_store = s;
	return 0;
}

void alertstore_free(struct alertstore *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(s->stmts[i]);
	sqlite3_close(s->db);
	free(s);
}

int alertstore_begin(struct alertstore *s)
{
	return sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK ? 0 : db_error(s);
}

void alertstore_rollback(struct alertstore *s)
{
	sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

int alertstore_commit(struct alertstore *s)
{
	int r;

	if (sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	r = db_error(s);
	alertstore_rollback(s);
	return r;
}

/* Runs a bound statement that returns no row. */
static int run(struct alertstore *s, enum statement which)
{
	int r = sqlite3_step(s->stmts[which]) == SQLITE_DONE ? 0 : db_error(s);

	sqlite3_reset(s->stmts[which]);
	sqlite3_clear_bindings(s->stmts[which]);
	return r;
}

static int64_t count_of(struct alertstore *s, enum statement which)
{
	int64_t n = sqlite3_step(s->stmts[which]) == SQLITE_ROW ? sqlite3_column_int64(s->stmts[which], 0) : 0;

	sqlite3_reset(s->stmts[which]);
	return n;
}

/* ---- alerts ----------------------------------------------------------------------------------------------- */

static void bind_json(sqlite3_stmt *stmt, const char *name, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);

	sql_bind_text(stmt, name, text ? text : "{}");
	free(text);
}

int alertstore_put(struct alertstore *s, const struct alert *a)
{
	sqlite3_stmt *stmt = s->stmts[PUT_ALERT];
	int r;

	sql_bind_text(s->stmts[COUNT_ALERTS], ":fingerprint", a->fingerprint);
	if (count_of(s, COUNT_ALERTS) >= ALERTS_MAX)
		return -E2BIG;
	sql_bind_text(stmt, ":fingerprint", a->fingerprint);
	sql_bind_text(stmt, ":rule", a->rule);
	bind_json(stmt, ":labels", a->labels);
	bind_json(stmt, ":annotations", a->annotations);
	sqlite3_bind_double(stmt, sqlite3_bind_parameter_index(stmt, ":value"), a->value);
	sql_bind_text(stmt, ":state", alert_state_name(a->life.state));
	sql_bind_int(stmt, ":active", a->life.active_ns);
	sql_bind_int(stmt, ":fired", a->life.fired_ns);
	sql_bind_int(stmt, ":seen", a->life.seen_ns);
	sql_bind_int(stmt, ":ended", a->life.ended_ns);
	sql_bind_int(stmt, ":sent", a->sent_ns);
	sql_bind_text(stmt, ":held_by", a->held_by);
	r = run(s, PUT_ALERT);
	if (r || a->life.state != ALERT_RESOLVED)
		return r;
	sql_bind_text(s->stmts[KEEP_ALERT], ":fingerprint", a->fingerprint);
	return run(s, KEEP_ALERT);
}

int alertstore_forget(struct alertstore *s, const char *fingerprint)
{
	sql_bind_text(s->stmts[FORGET_ALERT], ":fingerprint", fingerprint);
	return run(s, FORGET_ALERT);
}

int alertstore_expire(struct alertstore *s, int64_t before_ns)
{
	sql_bind_int(s->stmts[EXPIRE_ALERTS], ":before", before_ns);
	sql_bind_int(s->stmts[EXPIRE_ALERTS], ":max", PAST_ALERTS_MAX);
	return run(s, EXPIRE_ALERTS);
}

static void read_alert(sqlite3_stmt *row, struct alert *a)
{
	snprintf(a->fingerprint, sizeof(a->fingerprint), "%s", sql_text(row, 0));
	a->rule = strdup(sql_text(row, 1));
	a->labels = json_loads(sql_text(row, 2), 0, NULL);
	a->annotations = json_loads(sql_text(row, 3), 0, NULL);
	a->value = sqlite3_column_double(row, 4);
	a->life = (struct alert_life){ .state = alert_state_parse(sql_text(row, 5)),
				       .active_ns = sqlite3_column_int64(row, 6),
				       .fired_ns = sqlite3_column_int64(row, 7),
				       .seen_ns = sqlite3_column_int64(row, 8),
				       .ended_ns = sqlite3_column_int64(row, 9) };
	a->sent_ns = sqlite3_column_int64(row, 10);
	snprintf(a->held_by, sizeof(a->held_by), "%s", sql_text(row, 11));
}

/* Calls fn with each row, in the state it had then; what began only later is left out. */
static int each_alert(sqlite3_stmt *stmt, int64_t then_ns, int (*fn)(void *ctx, struct alert *a), void *ctx)
{
	int n = 0, r = 0;

	while (!r && sqlite3_step(stmt) == SQLITE_ROW) {
		struct alert a = { 0 };

		read_alert(stmt, &a);
		if (alert_life_as_of(&a.life, then_ns)) {
			r = a.rule && json_is_object(a.labels) && json_is_object(a.annotations) ? fn(ctx, &a) : -EUCLEAN;
			n++;
		}
		alert_cleanup(&a);
	}
	sqlite3_reset(stmt);
	return r ? r : n;
}

int alertstore_each(struct alertstore *s, int (*fn)(void *ctx, struct alert *a), void *ctx)
{
	return each_alert(s->stmts[ALL_ALERTS], INT64_MAX, fn, ctx);
}

int alertstore_between(struct alertstore *s, int64_t from_ns, int64_t to_ns, int (*fn)(void *ctx, struct alert *a),
		       void *ctx)
{
	sqlite3_stmt *stmt = s->stmts[ALERTS_BETWEEN];

	if (!stmt) /* a file from before past alerts were kept */
		return each_alert(s->stmts[ALL_ALERTS], to_ns, fn, ctx);
	sql_bind_int(stmt, ":from", from_ns ? from_ns : to_ns - ALERTS_RECENT_NS);
	sql_bind_int(stmt, ":to", to_ns);
	sql_bind_int(stmt, ":limit", ALERTS_MAX);
	return each_alert(stmt, to_ns, fn, ctx);
}

/* ---- silences --------------------------------------------------------------------------------------------- */

int alertstore_put_silence(struct alertstore *s, const json_t *silence, int64_t now_ns)
{
	sqlite3_stmt *stmt = s->stmts[PUT_SILENCE];

	sql_bind_int(s->stmts[COUNT_SILENCES], ":now", now_ns);
	if (count_of(s, COUNT_SILENCES) >= SILENCES_MAX)
		return -E2BIG;
	sql_bind_text(stmt, ":id", json_string_value(json_object_get(silence, "id")));
	bind_json(stmt, ":matchers", json_object_get(silence, "matchers"));
	sql_bind_text(stmt, ":author", json_string_value(json_object_get(silence, "author")));
	sql_bind_text(stmt, ":comment", json_string_value(json_object_get(silence, "comment")));
	sql_bind_int(stmt, ":starts", json_field_ns(silence, "starts_ns", 0));
	sql_bind_int(stmt, ":ends", json_field_ns(silence, "ends_ns", 0));
	sql_bind_int(stmt, ":now", now_ns);
	return run(s, PUT_SILENCE);
}

int alertstore_end_silence(struct alertstore *s, const char *id, int64_t now_ns)
{
	int r;

	sql_bind_text(s->stmts[END_SILENCE], ":id", id);
	sql_bind_int(s->stmts[END_SILENCE], ":now", now_ns);
	r = run(s, END_SILENCE);
	return r ? r : sqlite3_changes(s->db) ? 0 : -ENOENT;
}

/* Rows as objects; matchers are JSON themselves. */
static json_t *all_rows(sqlite3_stmt *stmt)
{
	json_t *list = json_array();

	while (sqlite3_step(stmt) == SQLITE_ROW) {
		json_t *row = sql_row_json(stmt);
		const char *matchers = json_string_value(json_object_get(row, "matchers"));

		if (matchers)
			json_object_set_new(row, "matchers", json_loads(matchers, 0, NULL));
		json_array_append_new(list, row);
	}
	sqlite3_reset(stmt);
	return list;
}

int alertstore_silences(struct alertstore *s, int64_t after_ns, json_t **ret_list)
{
	sql_bind_int(s->stmts[SILENCES], ":after", after_ns);
	*ret_list = all_rows(s->stmts[SILENCES]);
	return *ret_list ? 0 : -ENOMEM;
}

/* ---- marks ------------------------------------------------------------------------------------------------ */

int alertstore_mark(struct alertstore *s, const struct alert_mark *m)
{
	sqlite3_stmt *stmt = s->stmts[PUT_MARK];
	int r;

	sql_bind_text(stmt, ":incident", m->incident);
	sql_bind_text(stmt, ":what", m->what);
	sql_bind_text(stmt, ":author", m->author);
	sql_bind_text(stmt, ":comment", m->comment);
	sql_bind_text(stmt, ":silence", m->silence);
	sql_bind_int(stmt, ":at", m->at_ns);
	sql_bind_int(stmt, ":until", m->until_ns);
	r = run(s, PUT_MARK);
	sql_bind_int(s->stmts[TRIM_MARKS], ":max", MARKS_MAX);
	return r ? r : run(s, TRIM_MARKS);
}

int alertstore_unmute(struct alertstore *s, const char *incident, int64_t now_ns)
{
	sql_bind_text(s->stmts[UNMUTE], ":incident", incident);
	sql_bind_int(s->stmts[UNMUTE], ":now", now_ns);
	return run(s, UNMUTE);
}

int alertstore_marks(struct alertstore *s, const char *incident, json_t **ret_list)
{
	sqlite3_stmt *stmt = s->stmts[incident ? MARKS : NEWEST_MARKS];

	if (stmt && incident)
		sql_bind_text(stmt, ":incident", incident);
	*ret_list = stmt ? all_rows(stmt) : json_array();
	return *ret_list ? 0 : -ENOMEM;
}

/* ---- outbox ----------------------------------------------------------------------------------------------- */

int alertstore_send(struct alertstore *s, const char *receiver, const char *body, int64_t now_ns)
{
	int r;

	sql_bind_text(s->stmts[SEND], ":receiver", receiver);
	sql_bind_text(s->stmts[SEND], ":body", body);
	sql_bind_int(s->stmts[SEND], ":now", now_ns);
	r = run(s, SEND);
	sql_bind_int(s->stmts[TRIM_OUTBOX], ":max", OUTBOX_MAX);
	if (!r)
		r = run(s, TRIM_OUTBOX);
	if (r || !sqlite3_changes(s->db))
		return r;
	sql_bind_int(s->stmts[COUNT_DROPPED], ":n", sqlite3_changes(s->db));
	return run(s, COUNT_DROPPED);
}

int alertstore_due(struct alertstore *s, const char *receiver, int64_t now_ns, int64_t *ret_id, int *ret_tries,
		   char **ret_body)
{
	sqlite3_stmt *stmt = s->stmts[DUE];
	int r = -ENOENT;

	sql_bind_text(stmt, ":receiver", receiver);
	sql_bind_int(stmt, ":now", now_ns);
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		*ret_id = sqlite3_column_int64(stmt, 0);
		*ret_tries = sqlite3_column_int(stmt, 1);
		*ret_body = strdup(sql_text(stmt, 2));
		r = *ret_body ? 0 : -ENOMEM;
	}
	sqlite3_reset(stmt);
	return r;
}

int alertstore_sent(struct alertstore *s, int64_t id)
{
	sql_bind_int(s->stmts[SENT], ":id", id);
	return run(s, SENT);
}

int alertstore_failed(struct alertstore *s, int64_t id, int64_t next_ns, const char *error)
{
	sql_bind_int(s->stmts[FAILED], ":id", id);
	sql_bind_int(s->stmts[FAILED], ":next", next_ns);
	sql_bind_text(s->stmts[FAILED], ":error", error);
	return run(s, FAILED);
}

int alertstore_outbox(struct alertstore *s, json_t **ret_list)
{
	*ret_list = all_rows(s->stmts[OUTBOX]);
	return *ret_list ? 0 : -ENOMEM;
}
