/* SPDX-License-Identifier: Apache-2.0 */
/* One series over time as an inline drawing: complete without a script, which adds a cursor and a selection. */
#ifndef KWHY_WEB_RENDER_CHART_H
#define KWHY_WEB_RENDER_CHART_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

struct chart_frame {
	int64_t from_ns, to_ns, step_ns;
	const json_t *incidents;		  /* shaded; may be NULL */
	int64_t selected_from_ns, selected_to_ns; /* 0: nothing is */
};

/* item: as series_read() makes them; label: how it is called here. */
void render_chart(struct strbuf *b, const struct chart_frame *frame, const json_t *item, const char *label);
/* Whether there is anything to see: a value that is not 0. */
bool chart_is_quiet(const json_t *item);

#endif
