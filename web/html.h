/* SPDX-License-Identifier: Apache-2.0 */
/* Values as HTML text: times, spans, sizes, badges.  Used by pages and by the report renderer. */
#ifndef KWHY_WEB_HTML_H
#define KWHY_WEB_HTML_H

#include <jansson.h>
#include <stdint.h>

#include "base/strbuf.h"

/* <time datetime="...Z">2026-11-22 10:01:02.345</time>; "–" for 0. */
void html_time(struct strbuf *b, int64_t wall_ns);
/* Only the time of day: <time class="short" datetime="...Z">10:01:02</time>. */
void html_time_short(struct strbuf *b, int64_t wall_ns);
void html_span(struct strbuf *b, int64_t ns);
/* A number with its unit ("ns", "bytes", "ratio", "count", ...) as people write it. */
void html_quantity(struct strbuf *b, double value, const char *unit);
void text_quantity(struct strbuf *b, double value, const char *unit);
/* Any JSON value: containers and tasks as their names, other objects as compact JSON; escaped. */
void html_value(struct strbuf *b, const char *name, const json_t *value);
/* <span class="badge ...">: shape and word, so that colour is never all there is. */
void html_severity(struct strbuf *b, const char *severity);
void html_status(struct strbuf *b, const char *status);
void html_confidence(struct strbuf *b, const char *level);
void html_cause(struct strbuf *b, const char *cause);
/* The same as a link to the page of its rule. */
void html_cause_link(struct strbuf *b, const char *cause);
/* What a level of confidence means, one clause; "" when unknown. */
const char *confidence_meaning(const char *level);
/* A horizontal bar of share (0..1) with its figure beside it. */
void html_meter(struct strbuf *b, double share, const char *label);
/* Table of any rows: the columns are the keys of the first one. */
void html_rows_table(struct strbuf *b, const json_t *rows, const char *caption);

/* A number given as such or as decimal text; NaN when it is neither. */
double value_number(const json_t *object, const char *key);
/* The name people know a container by: name, else ref, else "host". */
const char *container_label(const json_t *container);

#endif
