/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A user's SQL in a process of its own: what it costs is bounded there, and what it breaks breaks there.  The process
 * opens the store, then gives up its capabilities, its user if that is root, the right to open files, and all but
 * query.memory and the query's time; it is killed when it does not end by itself.
 */
#ifndef KWHY_ANALYZE_WORKER_H
#define KWHY_ANALYZE_WORKER_H

#include "analyze/reader.h"

struct worker_request {
	const char *program; /* what to execute: WORKER_VERB as its argument must call worker_main().  NULL: refused */
	const char *state_dir;
	int64_t from_ns, to_ns; /* for reader_select() */
	int64_t at_ns;		/* for reader_as_of(); 0: now */
	const char *sql;
	const struct query_param *params;
	size_t param_count;
	struct query_limits limits; /* time_ns must be set; bytes 0: WORKER_BYTES */
	int64_t memory_bytes;
};

#define WORKER_VERB "sql-worker"
#define WORKER_BYTES (INT64_C(512) << 20)
#define WORKER_SELF "/proc/self/exe"

/*
 * As reader_query(), whose errors it returns, and those of reader_open(); -ENOMEM beyond the memory limit, -EIO when
 * the process died.  *ret_truncated: shards were left out (reader_truncated()); what is wrong with the store goes to
 * *ret_warnings, lines.
 */
int64_t worker_query(const struct worker_request *request, query_row_fn fn, void *ctx, bool *ret_truncated,
		     struct strbuf *ret_warnings, struct strbuf *ret_error);

/* The other side: takes one request from in_fd and answers on out_fd.  Returns an exit status; never runs twice. */
int worker_main(int in_fd, int out_fd);

#endif
