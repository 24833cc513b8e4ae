/* SPDX-License-Identifier: Apache-2.0 */
/* What each container waits for around one moment, and for whom: one row a container, those worst off first. */
#ifndef KWHY_WEB_TOP_H
#define KWHY_WEB_TOP_H

#include <jansson.h>
#include <stdint.h>

#include "analyze/reader.h"

/* Samples older than a while are kept as one row for so long (aggregate/thin.h): a shorter window could miss them. */
#define TOP_SPAN_NS INT64_C(10000000000)

/*
 * at_ns: the moment, 0 the newest record; the views must be as of it (reader_as_of()).  Rows: { container, name, ref,
 * kind, ts_ns, span_ns, cpus, cpus_limit, memory_bytes, memory_limit_bytes, wait_cpu_ns, wait_throttled_ns, wait_io_ns,
 * wait_memory_ns, wait_lock_ns, wait_other_ns, pressure_cpu, pressure_memory, pressure_io (shares of the time), lost
 * (packets), resource, culprit, culprit_name (or what it was, without a container), culprit_task, blamed_ns, open,
 * severity, cause, incident }: the culprit is who made it wait longest and is not itself; the incident is the worst of
 * those open.  Errors are those of reader_query().
 */
int64_t top_read(struct reader *r, int64_t at_ns, json_t **ret_rows, struct strbuf *ret_error);

#endif
