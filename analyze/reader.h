/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read-only access to a state directory (events/ shards and reports.db),
 * whether its daemon runs, was killed, or stopped cleanly; and to the views of
 * schema/VIEWS.md over it.
 *
 * One reader is used by one thread.  At most READER_SHARDS_MAX shards are
 * attached at a time (SQLite allows ten databases), the newest that overlap
 * the selected span; reader_truncated() says when older ones were left out.
 */
#ifndef KWHY_ANALYZE_READER_H
#define KWHY_ANALYZE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

#define READER_SHARDS_MAX 8

struct reader;
struct sqlite3;

/*
 * 0, or negative errno with a line for people in *ret_error: -ENOENT no store there, -EACCES not readable,
 * -EPROTO written by a newer kwhy.  A damaged shard is left out with a warning in reader_warnings().
 */
int reader_open(const char *state_dir, struct reader **ret_reader, struct strbuf *ret_error);
void reader_free(struct reader *r); /* NULL is fine */

/* Attaches the shards that overlap [from, to] (wall ns) and makes the views; cheap when nothing changed.  Call before
 * queries, and again as time goes on. */
int reader_select(struct reader *r, int64_t from_ns, int64_t to_ns);
/* For queries of incidents and reports alone: whatever shards are attached stay so.  Results as above. */
int reader_select_reports(struct reader *r);
/* From the next reader_select() on the views hold what was known at that moment, under the names of then. */
void reader_as_of(struct reader *r, int64_t at_ns);
bool reader_truncated(const struct reader *r);
const char *reader_warnings(const struct reader *r); /* "" when none; lines */

/* Oldest and newest time stored, over all shards, up to the moment of reader_as_of().  -ENODATA when empty. */
int reader_bounds(struct reader *r, int64_t *ret_first_ns, int64_t *ret_last_ns);

/* The connection, for the analyzer's prepared statements.  Valid until reader_free(); statements must be finalized
 * before reader_select() changes the set of shards (it returns 1 then). */
struct sqlite3 *reader_db(struct reader *r);

/* One named parameter of a query, ":name". */
struct query_param {
	const char *name; /* with the colon */
	enum { PARAM_INT, PARAM_TEXT, PARAM_REAL, PARAM_NULL } type;
	int64_t integer;
	const char *text;
	double real;
};

struct query_limits {
	int64_t rows;       /* 0: READER_ROWS_MAX */
	int64_t time_ns;    /* 0: none; on expiry -ETIME */
	int64_t bytes;      /* of result text, 0: none; on excess -EFBIG */
};

#define READER_ROWS_MAX 100000

struct query_value {
	enum { VALUE_NULL, VALUE_INT, VALUE_REAL, VALUE_TEXT, VALUE_BLOB } type;
	int64_t integer;
	double real;
	const char *text; /* TEXT and BLOB */
	int size;
};

/* Called for each row; names and values have count entries and live until it returns.  Return 0 to go on, negative
 * errno to stop. */
typedef int (*query_row_fn)(void *ctx, int count, const char *const *names, const struct query_value *values);

/*
 * Runs one read-only statement.  Parameters the statement does not have are ignored; ones it has that are not given are
 * NULL.  Returns the number of rows or a negative errno with a line in *ret_error: -EINVAL bad SQL (or more than one
 * statement), -EPERM it would write, -ETIME, -EFBIG, -E2BIG more rows than allowed (those up to the limit were
 * delivered).
 */
int64_t reader_query(struct reader *r, const char *sql, const struct query_param *params, size_t count,
		     const struct query_limits *limits, query_row_fn fn, void *ctx, struct strbuf *ret_error);

#endif
