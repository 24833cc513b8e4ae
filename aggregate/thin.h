/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Second by second for the last minutes, ten seconds a row before that: samples of the past are folded, unless something
 * went wrong within a minute of them.  What counts as that is told by the records themselves: a single involuntary wait
 * as long as the alarm's, or a record of a failure.  Only the live shard is folded; one that is full stays as it is.
 */
#ifndef KWHY_AGGREGATE_THIN_H
#define KWHY_AGGREGATE_THIN_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/kinds.h"

#define THIN_SPAN_NS (INT64_C(10) * 1000000000)
#define THIN_NEAR_NS (INT64_C(60) * 1000000000) /* around what went wrong all detail is kept */

struct thin;
struct sqlite3;

/* keep_ns: how long detail is kept in any case; 0: for ever. */
struct thin *thin_new(int64_t keep_ns);
void thin_free(struct thin *t);

/* A record that is stored. */
void thin_note(struct thin *t, const struct kw_kind_info *info, const void *payload, int64_t ts_ns);

/* What to fold now: rows of that kind in (from, to]. */
struct thin_piece {
	uint16_t kind;
	int64_t from_ns, to_ns;
};
/* At most one piece a tick, oldest first; false when nothing is due. */
bool thin_next(struct thin *t, int64_t now_ns, struct thin_piece *ret);

/*
 * Gives a connection to a shard the SQL functions that fold rows and the temporary table "thin" they go through.
 * kw_fold_key(kind, payload): what rows must share to become one; kw_fold(kind, ts_ns, payload): their payload.
 * Counts and times are added, names that begin with "max_" take the largest, gauges the latest.  A SQLite result code.
 */
int thin_register(struct sqlite3 *db);

#endif
