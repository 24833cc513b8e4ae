/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/sql.h"

#include <ctype.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/timeutil.h"

#define STATEMENTS_MAX 512
#define FORGET_EVERY 64  /* times sql_end() was called */
#define FORGET_AFTER 128 /* of those without use: an incident asks some hundred questions, and then nobody does */
#define JSON_SAFE_MAX (INT64_C(1) << 53)

struct statement {
	const char *text;
	sqlite3_stmt *stmt;
	uint64_t used;
	uint64_t ended; /* number of the last round that used it */
};

struct sql {
	sqlite3 *db;
	struct statement *statements;
	size_t count;
	uint64_t uses, rounds;
	char error[256];
};

struct sql *sql_new(void)
{
	struct sql *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->statements = calloc(STATEMENTS_MAX, sizeof(*s->statements));
	if (!s->statements) {
		free(s);
		return NULL;
	}
	return s;
}

void sql_free(struct sql *s)
{
	if (!s)
		return;
	sql_use(s, NULL);
	free(s->statements);
	free(s);
}

void sql_use(struct sql *s, sqlite3 *db)
{
	for (size_t i = 0; i < s->count; i++)
		sqlite3_finalize(s->statements[i].stmt);
	s->count = 0;
	s->db = db;
}

void sql_begin(struct sql *s)
{
	if (s->db)
		sqlite3_exec(s->db, "BEGIN", NULL, NULL, NULL);
}

/*
 * A prepared statement over the views of some shards takes some 20 KiB, and the pages read so far some more: of a file
 * that grows they are void anyway.
 */
static void forget_unused(struct sql *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++) {
		struct statement *slot = &s->statements[i];

		if (s->rounds - slot->ended < FORGET_AFTER || (slot->stmt && sqlite3_stmt_busy(slot->stmt)))
			s->statements[kept++] = *slot;
		else
			sqlite3_finalize(slot->stmt);
	}
	s->count = kept;
	if (s->db)
		sqlite3_db_release_memory(s->db);
	malloc_trim(0);
}

void sql_end(struct sql *s)
{
	if (s->db && !sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
	if (++s->rounds % FORGET_EVERY == 0)
		forget_unused(s);
}

/* The one not used for longest makes room: never one that somebody holds. */
static struct statement *oldest(struct sql *s)
{
	struct statement *found = NULL;

	for (size_t i = 0; i < s->count; i++) {
		struct statement *slot = &s->statements[i];

		if ((!found || slot->used < found->used) && !(slot->stmt && sqlite3_stmt_busy(slot->stmt)))
			found = slot;
	}
	return found ? found : &s->statements[0];
}

static struct statement *slot_of(struct sql *s, const char *text)
{
	struct statement *slot = NULL;

	for (size_t i = 0; i < s->count && !slot; i++)
		if (s->statements[i].text == text)
			slot = &s->statements[i];
	if (!slot && s->count < STATEMENTS_MAX) {
		slot = &s->statements[s->count++];
		*slot = (struct statement){ .text = text };
	} else if (!slot) {
		slot = oldest(s);
		sqlite3_finalize(slot->stmt);
		*slot = (struct statement){ .text = text };
	}
	slot->used = ++s->uses;
	slot->ended = s->rounds;
	return slot;
}

sqlite3_stmt *sql_get(struct sql *s, const char *text)
{
	struct statement *slot;

	if (!s->db) {
		snprintf(s->error, sizeof(s->error), "no store is open");
		return NULL;
	}
	slot = slot_of(s, text);
	if (!slot->stmt &&
	    sqlite3_prepare_v3(s->db, text, -1, SQLITE_PREPARE_PERSISTENT, &slot->stmt, NULL) != SQLITE_OK) {
		snprintf(s->error, sizeof(s->error), "%s", sqlite3_errmsg(s->db));
		return NULL;
	}
	sqlite3_reset(slot->stmt);
	sqlite3_clear_bindings(slot->stmt);
	return slot->stmt;
}

sqlite3_stmt *sql_get_between(struct sql *s, const char *text, int64_t from_ns, int64_t to_ns)
{
	sqlite3_stmt *stmt = sql_get(s, text);

	if (!stmt)
		return NULL;
	sql_bind_int(stmt, ":from", from_ns);
	sql_bind_int(stmt, ":to", to_ns);
	return stmt;
}

void sql_done(sqlite3_stmt *stmt)
{
	if (stmt)
		sqlite3_reset(stmt);
}

const char *sql_error(const struct sql *s)
{
	return s->error;
}

void sql_bind_int(sqlite3_stmt *stmt, const char *name, int64_t value)
{
	int i = sqlite3_bind_parameter_index(stmt, name);

	if (i)
		sqlite3_bind_int64(stmt, i, value);
}

void sql_bind_text(sqlite3_stmt *stmt, const char *name, const char *value)
{
	int i = sqlite3_bind_parameter_index(stmt, name);

	if (i)
		sqlite3_bind_text(stmt, i, value, -1, SQLITE_TRANSIENT);
}

const char *sql_text(sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	return text ? text : "";
}

json_t *json_ns(int64_t ns)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)ns);
	return json_string(text);
}

json_t *json_int(int64_t value)
{
	return value > JSON_SAFE_MAX || value < -JSON_SAFE_MAX ? json_ns(value) : json_integer(value);
}

json_t *json_text(const char *text)
{
	AUTO(strbuf) struct strbuf plain = STRBUF_INIT;
	json_t *value = json_string(text ? text : "");

	if (value)
		return value;
	strbuf_add_plain(&plain, text);
	return json_string(strbuf_str(&plain));
}

static bool is_ns(const char *name)
{
	size_t len = strlen(name);

	return len >= 3 && !strcmp(name + len - 3, "_ns");
}

json_t *sql_json(sqlite3_stmt *stmt, int column)
{
	const char *name = sqlite3_column_name(stmt, column);

	switch (sqlite3_column_type(stmt, column)) {
	case SQLITE_INTEGER:
		if (name && is_ns(name))
			return json_ns(sqlite3_column_int64(stmt, column));
		return json_int(sqlite3_column_int64(stmt, column));
	case SQLITE_FLOAT:
		if (name && is_ns(name))
			return json_ns((int64_t)sqlite3_column_double(stmt, column));
		return json_real(sqlite3_column_double(stmt, column));
	case SQLITE_TEXT:
		return json_text(sql_text(stmt, column));
	default:
		return json_null();
	}
}

json_t *sql_row_json(sqlite3_stmt *stmt)
{
	json_t *row = json_object();
	int count = sqlite3_column_count(stmt);

	for (int i = 0; i < count; i++)
		json_object_set_new(row, sqlite3_column_name(stmt, i), sql_json(stmt, i));
	return row;
}

void sql_add_uri(struct strbuf *b, const char *path)
{
	strbuf_addstr(b, "file:");
	for (; *path; path++)
		if (isalnum((unsigned char)*path) || strchr("/._-~", *path))
			strbuf_addch(b, *path);
		else
			strbuf_addf(b, "%%%02X", (unsigned char)*path);
	strbuf_addstr(b, "?mode=ro");
}

const char *json_field_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

int64_t json_field_ns(const json_t *object, const char *key, int64_t fallback)
{
	int64_t value;

	return int_parse(json_field_text(object, key), &value) ? fallback : value;
}
