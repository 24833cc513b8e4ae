/* SPDX-License-Identifier: Apache-2.0 */
/* Results on standard output: text, JSON lines and tables that fit the terminal. */
#ifndef KWHY_CLI_TERM_H
#define KWHY_CLI_TERM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

/* Returns 0, so that a verb can end with it. */
int term_print(const char *text);
/* One line of compact JSON. */
void term_json(const json_t *value);
bool term_colour(void); /* a terminal, and NO_COLOR is not set */
/* Columns of the terminal; 0 when output is no terminal (nothing is cut then). */
size_t term_width(void);

struct column {
	const char *title;
	bool right;   /* numbers */
	bool elastic; /* cut with an ellipsis when the terminal is narrower than the row */
};

#define TABLE_COLUMNS_MAX 20

struct table {
	const struct column *columns;
	size_t column_count;
	char **cells; /* row after row */
	size_t cell_count, cell_cap;
	bool failed; /* out of memory */
};

void table_cleanup(struct table *t);
/* The next cell; text is made safe for terminals. */
void table_add(struct table *t, const char *text);
void table_addf(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void table_add_time(struct table *t, int64_t wall_ns); /* "2026-11-22 10:01:02.345Z" */
void table_add_span(struct table *t, int64_t ns);      /* "" for 0 */
/* To out, for tests; width 0: unlimited. */
void table_format(const struct table *t, size_t width, bool bold_title, struct strbuf *out);
void table_print(const struct table *t);

#endif
