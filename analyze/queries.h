/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saved queries: SQL over the views, kept as files NAME.sql whose first lines say what they answer and what they take:
 *
 *	-- title: Who throttled whom
 *	-- about: Tasks stopped by a CPU quota, and whose quota it was.
 *	-- param: NAME TYPE DEFAULT: meaning
 *
 * TYPE is text, int, time or span; DEFAULT is one word, "-" for none (the parameter is then NULL).  :since and :until
 * are there in every query.  A site's own stand in the directory of the setting query.saved and replace one of ours of
 * the same name.
 */
#ifndef KWHY_ANALYZE_QUERIES_H
#define KWHY_ANALYZE_QUERIES_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "analyze/reader.h"
#include "base/strbuf.h"

#define SAVED_PARAMS_MAX 8
#define SAVED_QUERIES_MAX 256
/* Without since, a query is of this time before until. */
#define SAVED_SPAN_NS (INT64_C(3600) * 1000000000)

struct saved_param {
	char name[24]; /* without a colon */
	enum saved_type { SAVED_TEXT, SAVED_INT, SAVED_TIME, SAVED_SPAN } type;
	char usual[64]; /* as written; "" for none */
	char text[160];
};

struct saved_query {
	char name[48];
	char title[96], about[240];
	struct saved_param params[SAVED_PARAMS_MAX];
	size_t param_count;
	char *sql; /* the whole file */
};

struct saved_queries;

/*
 * dir: of the site, "" none.  A file of it that is wrong is left out, with a line in *ret_messages.  0 or negative
 * errno.
 */
int saved_queries_load(const char *dir, struct saved_queries **ret_queries, struct strbuf *ret_messages);
void saved_queries_free(struct saved_queries *s);				     /* NULL is fine */
const struct saved_query *saved_queries_at(const struct saved_queries *s, size_t i); /* by name; NULL past the last */
const struct saved_query *saved_queries_find(const struct saved_queries *s, const char *name); /* NULL: none */

/* One file.  name: without ".sql".  0 (free ret->sql) or -EINVAL with a line in *ret_error. */
int saved_query_parse(const char *name, const char *text, struct saved_query *ret, struct strbuf *ret_error);
/* { name, title, about, params: [ { name, type, default, text } ], sql } */
json_t *saved_query_json(const struct saved_query *q);
const char *saved_type_name(enum saved_type type);

/* The values of a query's parameters, ready to be bound. */
struct saved_values {
	char names[SAVED_PARAMS_MAX][32]; /* with the colon */
	struct query_param params[SAVED_PARAMS_MAX + 2];
	size_t count;
};
/*
 * given(ctx, name) returns the text for a parameter, which must outlive the values, or NULL for its default.  now_ns is
 * what "now" means, and the end of the window when until_ns is 0.  -EINVAL with a line in *ret_error.
 */
int saved_query_bind(const struct saved_query *q, const char *(*given)(const void *ctx, const char *name),
		     const void *ctx, int64_t since_ns, int64_t until_ns, int64_t now_ns, struct saved_values *ret,
		     struct strbuf *ret_error);

#endif
