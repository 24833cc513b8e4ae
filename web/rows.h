/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a query as JSON, and the few JSON readings that pages and verbs share. */
#ifndef KWHY_WEB_ROWS_H
#define KWHY_WEB_ROWS_H

#include <jansson.h>
#include <stdbool.h>

#include "analyze/reader.h"

/*
 * Runs sql and appends one object per row to a new array.  Columns that end in "_ns" and integers above 2^53 become
 * strings, as everywhere in the API; text columns named payload, labels, annotations, limits, requests, facts, victims or report are
 * inserted as the JSON they are. Returns the number of rows or what reader_query() returned; -E2BIG comes with the rows up to the limit.
 */
int64_t rows_query(struct reader *r, const char *sql, const struct query_param *params, size_t count,
		   const struct query_limits *limits, json_t **ret_rows, struct strbuf *ret_error);
/* One object, for callers that stream; a new reference or NULL. */
json_t *rows_object(int count, const char *const *names, const struct query_value *values);
/* One cell by the same rules. */
json_t *rows_value(const char *name, const struct query_value *value);

/* Nanoseconds as the API has them: decimal text. */
json_t *rows_ns(int64_t ns);

/* An integer given as a number or as a decimal string; fallback when neither. */
int64_t value_int(const json_t *object, const char *key, int64_t fallback);
/* The integer as a text, to find things by; "-1" when there is none. */
void value_key(char *ret_key, size_t size, const json_t *object, const char *name);
/* The text, or "" when absent or of another type. */
const char *value_text(const json_t *object, const char *key);

/* `what` finished by what a failed query deserves: 400, 413, 504 or 503. */
struct http_response;
int rows_problem(struct http_response *res, int64_t error, const struct strbuf *detail);

#endif
