/* SPDX-License-Identifier: Apache-2.0 */
/* A user's own SQL: /query and /api/v1/query. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "analyze/queries.h"
#include "analyze/viewdoc.h"
#include "analyze/worker.h"
#include "base/timeutil.h"
#include "web/html.h"
#include "web/page.h"
#include "web/routes.h"
#include "web/rows.h"

#define PAGE_ROWS 500

struct sql_request {
	struct http_request form; /* of a posted body; its params point into text */
	char *text;
	const char *sql;
	int64_t since_ns, until_ns, at_ns, limit; /* at_ns 0: now */
	struct query_param params[HTTP_PARAMS_MAX];
	char names[HTTP_PARAMS_MAX][32];
	size_t count;
	struct saved_queries *all; /* NULL: not asked for */
	const struct saved_query *saved;
	struct saved_values values;
	struct strbuf messages; /* what is wrong with those of the site */
};

static void sql_request_free(struct sql_request *q)
{
	if (!q)
		return;
	saved_queries_free(q->all);
	strbuf_cleanup(&q->messages);
	free(q->text);
	free(q);
}

/* "p_NAME=VALUE" binds :NAME, as a number when it looks like one. */
static void bind_params(struct sql_request *q, const struct http_request *req)
{
	for (unsigned int i = 0; i < req->param_count && q->count < HTTP_PARAMS_MAX; i++) {
		const char *name = req->params[i].name, *value = req->params[i].value;
		struct query_param *p = &q->params[q->count];
		char *end;

		if (strncmp(name, "p_", 2) || strlen(name) > 30)
			continue;
		snprintf(q->names[q->count], sizeof(q->names[0]), ":%.30s", name + 2);
		*p = (struct query_param){ .name = q->names[q->count], .type = PARAM_TEXT, .text = value };
		if (int_parse(value, &p->integer) == 0)
			p->type = PARAM_INT;
		else if (*value && (p->real = strtod(value, &end), !*end))
			p->type = PARAM_REAL;
		q->count++;
	}
}

/* A posted body is a form or the SQL itself. */
static int read_body(struct sql_request *q, const struct http_request *req, struct http_response *res)
{
	if (req->method != HTTP_POST || !req->body)
		return 0;
	q->text = strdup(req->body);
	if (!q->text)
		return http_problem(res, 503, "Out of memory.");
	if (!req->content_type || !strncmp(req->content_type, "application/x-www-form-urlencoded", 33)) {
		http_parse_form(&q->form, q->text);
		q->sql = http_param(&q->form, "sql");
		bind_params(q, &q->form);
	} else if (!strncmp(req->content_type, "application/sql", 15) ||
		   !strncmp(req->content_type, "text/plain", 10)) {
		q->sql = q->text;
	} else {
		return http_problem(res, 415,
				    "Post SQL as application/sql, text/plain or a form with the field \"sql\".");
	}
	return 0;
}

static const char *given_param(const void *ctx, const char *name)
{
	char key[32];

	snprintf(key, sizeof(key), "p_%s", name);
	return http_param(ctx, key);
}

/* A saved query is of the last hour of what is stored unless the request says otherwise. */
static int read_saved(struct sql_request *q, const struct http_request *req, struct http_response *res)
{
	const char *name = http_param(req, "saved");
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	int64_t first, last = req->now_ns, until = q->until_ns == INT64_MAX ? 0 : q->until_ns;

	if (!name)
		return 0;
	q->saved = saved_queries_find(q->all, name);
	if (!q->saved) {
		snprintf(res->param, sizeof(res->param), "saved");
		return http_problem(res, 404, "There is no saved query \"%.60s\".", name);
	}
	reader_bounds(req->reader, &first, &last);
	if (saved_query_bind(q->saved, given_param, req, q->since_ns, until, last, &q->values, &err))
		return http_problem(res, 400, "%s", strbuf_str(&err));
	q->sql = q->saved->sql;
	memcpy(q->params, q->values.params, q->values.count * sizeof(q->params[0]));
	q->count = q->values.count;
	q->until_ns = until ? until : INT64_MAX;
	return 0;
}

static int read_request(struct sql_request *q, const struct http_request *req, struct http_response *res)
{
	int r = read_body(q, req, res);

	if (r)
		return r;
	if (!q->sql)
		q->sql = http_param(req, "sql");
	bind_params(q, req);
	q->limit = WEB_SQL_ROWS;
	q->until_ns = INT64_MAX;
	if (http_param_time(req, res, "since", &q->since_ns) || http_param_time(req, res, "until", &q->until_ns) ||
	    http_param_time(req, res, "at", &q->at_ns) ||
	    http_param_int(req, res, "limit", 1, WEB_SQL_ROWS, &q->limit))
		return -EINVAL;
	r = saved_queries_load(web_setting(req->web, "query.saved"), &q->all, &q->messages);
	return r ? http_problem(res, 503, "The saved queries could not be read: %s", strerror(-r)) : read_saved(q, req, res);
}

struct result {
	json_t *columns, *rows;
	bool objects, truncated;
	bool left_out; /* files of the store */
};

static int take_row(void *ctx, int count, const char *const *names, const struct query_value *values)
{
	struct result *result = ctx;
	json_t *row;

	if (!json_array_size(result->columns))
		for (int i = 0; i < count; i++)
			json_array_append_new(result->columns, json_string(names[i]));
	row = result->objects ? rows_object(count, names, values) : json_array();
	for (int i = 0; !result->objects && i < count; i++)
		json_array_append_new(row, rows_value(names[i], &values[i]));
	return row && !json_array_append_new(result->rows, row) ? 0 : -ENOMEM;
}

static int run_sql(const struct http_request *req, struct http_response *res, const struct sql_request *q,
		   struct result *result)
{
	const struct web_options *options = web_options(req->web);
	const struct worker_request request = {
		.program = options->sql_program,
		.state_dir = options->state_dir,
		.from_ns = q->since_ns,
		.to_ns = q->until_ns,
		.at_ns = q->at_ns,
		.sql = q->sql,
		.params = q->params,
		.param_count = q->count,
		.limits = { .rows = q->limit, .time_ns = options->sql_time_ns, .bytes = WEB_SQL_BYTES },
		.memory_bytes = options->sql_memory_bytes,
	};
	AUTO(strbuf) struct strbuf err = STRBUF_INIT, warnings = STRBUF_INIT;
	int64_t n;

	if (!q->sql) {
		snprintf(res->param, sizeof(res->param), "sql");
		return http_problem(res, 400, "The parameter \"sql\" is missing.");
	}
	if (!web_sql_begin(req->web))
		return http_problem(res, 429, "Another query is running; try again in a moment.");
	n = worker_query(&request, take_row, result, &result->left_out, &warnings, &err);
	web_sql_end(req->web);
	result->truncated = n == -E2BIG;
	return n < 0 && n != -E2BIG ? rows_problem(res, n, &err) : 0;
}

int api_query(const struct http_request *req, struct http_response *res)
{
	struct result result = { .columns = json_array(), .rows = json_array() };
	struct sql_request *q = calloc(1, sizeof(*q));
	int r = q ? read_request(q, req, res) : http_problem(res, 503, "Out of memory.");

	if (!r)
		r = run_sql(req, res, q, &result);
	sql_request_free(q);
	if (!r)
		return http_json(res, json_pack("{s:o, s:o, s:b, s:b}", "columns", result.columns, "rows", result.rows,
						"truncated", result.truncated, "left_out", result.left_out));
	json_decref(result.columns);
	json_decref(result.rows);
	return r;
}

static void param_input(struct strbuf *b, const char *name, const char *label, const char *value, const char *hint)
{
	strbuf_addstr(b, "<label class=\"inline\"><span><code>");
	strbuf_add_html(b, label);
	strbuf_addstr(b, "</code> ");
	strbuf_add_html(b, hint);
	strbuf_addstr(b, "</span><input name=\"");
	strbuf_add_html(b, name);
	strbuf_addstr(b, "\" value=\"");
	strbuf_add_html(b, value);
	strbuf_addstr(b, "\" autocomplete=\"off\" spellcheck=\"false\"></label>\n");
}

static void console_form(struct strbuf *b, const struct http_request *req)
{
	const char *sql = http_param(req, "sql");

	strbuf_addstr(b, "<form class=\"console\" method=\"get\">\n<label for=\"sql\">SQL, read-only</label>\n"
			 "<textarea id=\"sql\" name=\"sql\" rows=\"10\" spellcheck=\"false\">");
	strbuf_add_html(b, sql ? sql
			       : "SELECT ts_ns, kind, container_name, peer_name, duration_ns, summary\n"
				 "FROM v_event WHERE class = 'context'\nORDER BY ts_ns DESC LIMIT 20");
	strbuf_addstr(b, "</textarea>\n");
	for (unsigned int i = 0; i < req->param_count; i++) {
		const struct http_param *p = &req->params[i];

		if (!strncmp(p->name, "p_", 2) || !strcmp(p->name, "since") || !strcmp(p->name, "until"))
			param_input(b, p->name, strncmp(p->name, "p_", 2) ? p->name : p->name + 2, p->value, "");
	}
	strbuf_addstr(b, "<p class=\"actions\"><button>Run</button></p></form>\n");
}

static void saved_form(struct strbuf *b, const struct http_request *req, const struct saved_query *q)
{
	const char *since = http_param(req, "since"), *until = http_param(req, "until");

	strbuf_addstr(b, "<h2>");
	strbuf_add_html(b, q->title);
	strbuf_addstr(b, "</h2>\n<p>");
	strbuf_add_html(b, q->about);
	strbuf_addf(b, "</p>\n<form class=\"console\" method=\"get\"><input type=\"hidden\" name=\"saved\" value=\"%s\">\n", q->name);
	for (size_t i = 0; i < q->param_count; i++) {
		const char *value = given_param(req, q->params[i].name);
		char name[32];

		snprintf(name, sizeof(name), "p_%s", q->params[i].name);
		param_input(b, name, q->params[i].name, value ? value : q->params[i].usual, q->params[i].text);
	}
	param_input(b, "since", "since", since ? since : "", "an hour before until");
	param_input(b, "until", "until", until ? until : "", "the newest record");
	strbuf_addstr(b, "<p class=\"actions\"><button>Run</button></p></form>\n"
			 "<details class=\"more\" id=\"saved-sql\"><summary>Its SQL</summary><pre class=\"sql\"><code>");
	strbuf_add_html(b, q->sql);
	strbuf_addstr(b, "</code></pre></details>\n");
}

static void saved_list(struct strbuf *b, const struct sql_request *q)
{
	const struct saved_query *saved;

	strbuf_addf(b, "<details class=\"more\" id=\"saved\"%s><summary>Saved queries</summary>\n<ul class=\"saved\">",
		    q->sql ? "" : " open");
	for (size_t i = 0; (saved = saved_queries_at(q->all, i)); i++) {
		strbuf_addf(b, "<li><a href=\"/query?saved=%s\"%s>", saved->name, saved == q->saved ? " aria-current=\"true\"" : "");
		strbuf_add_html(b, saved->title);
		strbuf_addstr(b, "</a> <small>");
		strbuf_add_html(b, saved->about);
		strbuf_addstr(b, "</small></li>\n");
	}
	strbuf_addstr(b, "</ul></details>\n");
	if (q->messages.len) {
		strbuf_addstr(b, "<p class=\"warn\">Left out: ");
		strbuf_add_html(b, strbuf_str(&q->messages));
		strbuf_addstr(b, "</p>\n");
	}
}

static void view_item(struct strbuf *b, const json_t *view)
{
	const json_t *column;
	char sql[80];
	size_t i;

	snprintf(sql, sizeof(sql), "SELECT * FROM %.40s LIMIT 20", value_text(view, "view"));
	strbuf_addstr(b, "<li><details><summary><code>");
	strbuf_add_html(b, value_text(view, "view"));
	strbuf_addstr(b, "</code> <small>");
	strbuf_add_html(b, value_text(view, "about"));
	strbuf_addstr(b, "</small></summary><dl class=\"columns\">");
	json_array_foreach (json_object_get(view, "columns"), i, column) {
		strbuf_addstr(b, "<div><dt><code>");
		strbuf_add_html(b, value_text(column, "name"));
		strbuf_addstr(b, "</code></dt><dd>");
		strbuf_add_html(b, value_text(column, "text"));
		strbuf_addstr(b, "</dd></div>");
	}
	strbuf_addstr(b, "</dl><p>");
	page_console_link(b, sql, "Its first rows");
	strbuf_addstr(b, "</p></details></li>\n");
}

static void views_list(struct strbuf *b)
{
	json_t *views = viewdoc_json(), *view;
	size_t i;

	strbuf_addstr(b, "<details class=\"more\" id=\"views\"><summary>Views and their columns</summary>\n"
			 "<p class=\"note\">Times are nanoseconds since 1970. A container is a number; v_container names it.</p>"
			 "<ul class=\"saved\">\n");
	json_array_foreach (views, i, view)
		view_item(b, view);
	strbuf_addstr(b, "</ul></details>\n");
	json_decref(views);
}

static void query_result(struct strbuf *b, const struct sql_request *q, const struct http_response *res, int r,
			 const struct result *result)
{
	if (r) {
		strbuf_addstr(b, "<p class=\"warn\" role=\"alert\">");
		strbuf_add_html(b, strbuf_str(&res->detail));
		strbuf_addstr(b, "</p>\n");
	} else if (json_array_size(result->rows)) {
		html_rows_table(b, result->rows, "Result");
		strbuf_addf(b, "<p class=\"note\">%zu row%s%s</p>\n", json_array_size(result->rows),
			    json_array_size(result->rows) == 1 ? "" : "s", result->truncated ? ", more were cut off" : "");
	} else if (q->sql) {
		page_empty(b, "No rows.");
	}
	if (result->left_out)
		strbuf_addstr(b, "<p class=\"note\">Only the newest files of the store were asked; since and until "
				 "choose others.</p>\n");
}

int page_query(const struct http_request *req, struct http_response *res)
{
	const struct page page = { .title = "Query", .section = "/query" };
	struct result result = { .columns = json_array(), .rows = json_array(), .objects = true };
	struct sql_request *q = calloc(1, sizeof(*q));
	struct strbuf *b = &res->body;
	int r = q ? read_request(q, req, res) : http_problem(res, 503, "Out of memory.");

	if (!q || page_wants_json(req)) {
		sql_request_free(q);
		json_decref(result.columns);
		json_decref(result.rows);
		return r ? r : api_query(req, res);
	}
	if (!r && q->sql) {
		q->limit = PAGE_ROWS;
		r = run_sql(req, res, q, &result);
	}
	page_begin(res, &page);
	strbuf_addstr(b, "<h1>Query</h1>\n");
	if (q->all)
		saved_list(b, q);
	views_list(b);
	if (q->saved)
		saved_form(b, req, q->saved);
	else
		console_form(b, req);
	query_result(b, q, res, r, &result);
	page_end(res);
	sql_request_free(q);
	json_decref(result.columns);
	json_decref(result.rows);
	return 0;
}
