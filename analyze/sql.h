/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepared statements of the analyzer, kept by the address of their text (a
 * string constant or a rule's text), because the same few run every tick.
 */
#ifndef KWHY_ANALYZE_SQL_H
#define KWHY_ANALYZE_SQL_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

struct sql;

struct sql *sql_new(void);
void sql_free(struct sql *s); /* NULL is fine */
/* Drops every statement; db (borrowed) is used from now on.  NULL: none. */
void sql_use(struct sql *s, sqlite3 *db);

/*
 * The statements between the two see the same state of the store, and take its locks once rather than each anew: three
 * system calls for each of its files.  Best short, and without changes to the connection.  What was not used for many of
 * such rounds is dropped.
 */
void sql_begin(struct sql *s);
void sql_end(struct sql *s);

/* Ready to be bound, NULL when it does not prepare.  text must outlive s.  Give it back with sql_done() before the next
 * sql_get() of the same text. */
sqlite3_stmt *sql_get(struct sql *s, const char *text);
/* The same with :from and :to bound. */
sqlite3_stmt *sql_get_between(struct sql *s, const char *text, int64_t from_ns, int64_t to_ns);
void sql_done(sqlite3_stmt *stmt); /* NULL is fine */
const char *sql_error(const struct sql *s);

/* Binding by name; names the statement does not have are ignored. */
void sql_bind_int(sqlite3_stmt *stmt, const char *name, int64_t value);
void sql_bind_text(sqlite3_stmt *stmt, const char *name, const char *value); /* NULL binds NULL; copied */

/* A column, "" when NULL. */
const char *sql_text(sqlite3_stmt *stmt, int column);
/* A column as report/v1 has it: *_ns and what is beyond 2^53 as strings, bad UTF-8 repaired.  New reference. */
json_t *sql_json(sqlite3_stmt *stmt, int column);
/* The current row as an object. */
json_t *sql_row_json(sqlite3_stmt *stmt);

/* A path as a URI that opens it read-only (RFC 3986, https://www.sqlite.org/uri.html). */
void sql_add_uri(struct strbuf *b, const char *path);

/* Fields of an object in this notation: "" when it is no text; fallback when it is no decimal text. */
const char *json_field_text(const json_t *object, const char *key);
int64_t json_field_ns(const json_t *object, const char *key, int64_t fallback);

/* Helpers for the same notation. */
json_t *json_ns(int64_t ns);
json_t *json_int(int64_t value); /* a string when beyond 2^53 */
json_t *json_text(const char *text); /* NULL gives "", control bytes and bad UTF-8 become '?' */

#endif
