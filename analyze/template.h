/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sentence templates: text with {variables}; "{{" is a brace.  A name is
 * letters, digits, '_' and '.'; anything else in braces is an error.
 */
#ifndef KWHY_ANALYZE_TEMPLATE_H
#define KWHY_ANALYZE_TEMPLATE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/strbuf.h"

enum unit { UNIT_NONE, UNIT_NS, UNIT_BYTES, UNIT_COUNT, UNIT_RATIO, UNIT_TEXT };

/* -EINVAL when text is none of ns bytes count ratio text. */
int unit_parse(const char *text, enum unit *ret_unit);
const char *unit_name(enum unit unit); /* "" for UNIT_NONE */
/* By the end of a column's name: _ns, _bytes, _share and _ratio; else UNIT_NONE. */
enum unit unit_of_column(const char *name);
/* For people; value may be a number, a string (a decimal one for UNIT_NS), or null ("unknown"). */
void value_format(struct strbuf *out, const json_t *value, enum unit unit);
/* The number in a JSON number or decimal string; fallback for others. */
double json_number(const json_t *value, double fallback);

/* Adds the text of a variable to out; false: unknown, "?" is put there. */
typedef bool (*template_fn)(void *ctx, const char *name, struct strbuf *out);

void template_expand(struct strbuf *out, const char *text, template_fn fn, void *ctx);
/* Calls known for each variable; 0, or -EINVAL with what is wrong in *ret_error. */
int template_check(const char *text, bool (*known)(void *ctx, const char *name), void *ctx, struct strbuf *ret_error);

#endif
