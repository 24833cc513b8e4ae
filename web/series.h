/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was measured over time: pressure, use, waits and losses of the host or of one container, or one series of the
 * containers that have most of it.  Down-sampled in SQL, so that an answer has a bounded number of points however long
 * its window is; each series comes with what was usual before the window.
 */
#ifndef KWHY_WEB_SERIES_H
#define KWHY_WEB_SERIES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "analyze/reader.h"

#define SERIES_POINTS 240
#define SERIES_POINTS_MAX 1000
#define SERIES_CONTAINERS_MAX 12

struct series_query {
	const char *container;	    /* name, ref, number, cgroup path or the beginning of an id; NULL: the host */
	const char *names;	    /* of series, separated by commas; NULL: all */
	bool by_container;	    /* the first of names, for the containers that have most of it */
	int64_t since_ns, until_ns; /* 0: the quarter of an hour before until; up to the newest record */
	int64_t points;		    /* 0: SERIES_POINTS */
};

/*
 * { from_ns, to_ns, step_ns, container: {container, name, ref}, items: [ { name, title, group, unit, container,
 * container_name, values: [number|null], usual, low, high } ], incidents: [ { id, severity, status, cause, headline,
 * onset_ns, end_ns } ] }.  Value i is of (from + i * step, from + (i + 1) * step]; null where nothing was recorded.
 * usual is the median of the time before, low and high are its tenths; null when there is none.
 *
 * 0, or negative errno with a line in *ret_error: -ENOENT no such container, -EINVAL no such series, -ENODATA
 * nothing is stored, or an error of reader_query().
 */
int64_t series_read(struct reader *r, const struct series_query *q, json_t **ret_model, struct strbuf *ret_error);

/*
 * What is different in a window from the time as long, but at least a minute, before it: { from_ns, to_ns,
 * before_ns, series: [ { name, title, unit, before, after } ] (beyond what was usual, farthest first), blame: [ {
 * resource, culprit, before_ns, after_ns } ], events: [ { kind, before, after } ], containers: [ { name, ref, what,
 * ts_ns } ], log: [ { ts_ns, text } ], incidents }.  Errors as above.
 */
int64_t series_changes(struct reader *r, const struct series_query *q, json_t **ret_model, struct strbuf *ret_error);

#endif
