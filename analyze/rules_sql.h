/* SPDX-License-Identifier: Apache-2.0 */
/* Checks SQL of rules against empty views made from the field tables, so that no store is needed. */
#ifndef KWHY_ANALYZE_RULES_SQL_H
#define KWHY_ANALYZE_RULES_SQL_H

#include <sqlite3.h>

#include "base/strbuf.h"

/* An in-memory database with a table for each view of schema/VIEWS.md.  NULL when out of memory. */
sqlite3 *rules_sql_open(void);

/*
 * Prepares one read-only statement whose parameters are known and which has the columns named (NULL-terminated).
 * 0 or -EINVAL with the reason.  *ret_stmt (may be NULL) is to be finalized by the caller.
 */
int rules_sql_check(sqlite3 *db, const char *sql, const char *const *columns, sqlite3_stmt **ret_stmt,
		    struct strbuf *ret_error);
/* The same for a symptom's query: its first four columns are container, onset_ns, end_ns, value; it may use :single. */
int rules_sql_check_symptom(sqlite3 *db, const char *sql, struct strbuf *ret_error);
/* The same for an alert rule's: it has a column value and may use :now and :from. */
int rules_sql_check_alert(sqlite3 *db, const char *sql, struct strbuf *ret_error);
int rules_sql_column(sqlite3_stmt *stmt, const char *name); /* index or -1 */

#endif
