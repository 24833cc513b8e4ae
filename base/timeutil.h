/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, and the notations of times and numbers of the command line.  All times are int64_t nanoseconds. */
#ifndef KWHY_BASE_TIMEUTIL_H
#define KWHY_BASE_TIMEUTIL_H

#include <stdint.h>

#include "base/strbuf.h"

#define NSEC_PER_USEC INT64_C(1000)
#define NSEC_PER_MSEC INT64_C(1000000)
#define NSEC_PER_SEC INT64_C(1000000000)

int64_t time_wall_ns(void); /* CLOCK_REALTIME */
int64_t time_boot_ns(void); /* CLOCK_BOOTTIME */
int64_t time_thread_ns(void); /* CPU time of the calling thread */
/* wall = boot + offset, from three interleaved readings (the tightest pair wins). */
int64_t time_wall_offset_ns(void);

/*
 * Parses a moment: RFC 3339, "2026-11-22 10:01[:02]", "2026-11-22", "10:01[:02]" (today),
 * "now", "today", "yesterday", "-5min", "+1h", "2h ago", "@SECONDS" or a plain integer of ns.
 * Times without a zone are local time.  Units: ns us ms s sec m min h d w and their long names.
 * Returns 0 or -EINVAL.
 */
int time_parse(const char *text, int64_t now_ns, int64_t *ret_ns);
/* Parses a span such as "100ms", "2s", "5min", "1h30m"; a bare number is seconds.  0 or -EINVAL, -ERANGE. */
int time_parse_span(const char *text, int64_t *ret_ns);
/* Parses a decimal integer that is the whole text, with a '-' or without.  0 or -EINVAL, -ERANGE. */
int int_parse(const char *text, int64_t *ret_value);
/* Parses "64M", "1GiB", "4096": powers of 1024.  0 or -EINVAL, -ERANGE. */
int size_parse(const char *text, int64_t *ret_bytes);

/* RFC 3339, UTC, milliseconds: 2026-11-22T10:01:02.345Z */
void time_format(struct strbuf *b, int64_t wall_ns);
/* Three significant digits with the fitting unit: "1.23 s", "45.6 ms", "789 us", "12 min". */
void span_format(struct strbuf *b, int64_t ns);
/* "1.5 GiB", "640 KiB", "12 B" */
void size_format(struct strbuf *b, int64_t bytes);

#endif
