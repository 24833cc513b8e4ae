/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL functions of a kwhy connection.  Documented ones, for rules and people:
 *
 *   median(x), mad(x), quantile(x, q)   aggregates; mad: median of the distances from the median.  NULLs are left out,
 *                                       NULL of nothing; at most SQLFUNCS_VALUES_MAX values
 *   quantile(x, q, n)                   the same with zeroes for what is missing to n values
 *   heaviest(text, n)                   aggregate: the text whose n add up to most, of several the first in order; NULL
 *                                       texts are left out; at most SQLFUNCS_TEXTS_MAX different ones
 *   kw_silence_ns()                     no probe has two rows in v_coverage that are further apart
 *   kw_wait_reason(n), kw_resource(n), kw_sink(n), kw_probe_state(n)   names of stored numbers
 *
 * Those that open packed payloads are for the views: kw_u, kw_i, kw_s, kw_cg, kw_addr (payload, offset, size),
 * kw_json(kind, payload), kw_summary(...).  A payload too short for what is asked gives NULL.
 */
#ifndef KWHY_ANALYZE_SQLFUNCS_H
#define KWHY_ANALYZE_SQLFUNCS_H

#define SQLFUNCS_VALUES_MAX (1 << 20)
#define SQLFUNCS_TEXTS_MAX 65536

struct sqlite3;

int sqlfuncs_register(struct sqlite3 *db); /* 0 or -ENOMEM */

#endif
