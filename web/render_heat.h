/* SPDX-License-Identifier: Apache-2.0 */
/* Containers against subsystems: one table that shows where it is hot. */
#ifndef KWHY_WEB_RENDER_HEAT_H
#define KWHY_WEB_RENDER_HEAT_H

#include <jansson.h>

#include "base/strbuf.h"

/*
 * rows: { container, name, ref, waits: {reason: ns}, usage, pressure, losses: {lost, sent}, incidents: {group: n} },
 * all but the names may be missing; span_ns: what they are sums over, where a row does not say.
 */
void render_heat(struct strbuf *b, const json_t *rows, int64_t span_ns);
/* hours: { hour (since 1970), n, worst (severity) }, those with incidents; 24 cells up to the one of now_ns. */
void render_day(struct strbuf *b, const json_t *hours, int64_t now_ns);

#endif
