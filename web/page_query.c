/* SPDX-License-Identifier: Apache-2.0 */
/* A user's own SQL: /query and /api/v1/query. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

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
	int64_t since_ns, until_ns, limit;
	struct query_param params[HTTP_PARAMS_MAX];
	char names[HTTP_PARAMS_MAX][32];
	size_t count;
};

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
	    http_param_int(req, res, "limit", 1, WEB_SQL_ROWS, &q->limit))
		return -EINVAL;
	return 0;
}

struct result {
	json_t *columns, *rows;
	bool objects;
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

/* { columns, rows, truncated } or -status. */
static int run_sql(const struct http_request *req, struct http_response *res, const struct sql_request *q,
		   struct result *result, bool *ret_truncated)
{
	const struct query_limits limits = { .rows = q->limit, .time_ns = WEB_SQL_TIME_NS, .bytes = WEB_SQL_BYTES };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	int64_t n;

	if (!q->sql) {
		snprintf(res->param, sizeof(res->param), "sql");
		return http_problem(res, 400, "The parameter \"sql\" is missing.");
	}
	if (!web_sql_begin(req->web))
		return http_problem(res, 429, "Another query is running; try again in a moment.");
	n = reader_select(req->reader, q->since_ns, q->until_ns);
	if (n >= 0)
		n = reader_query(req->reader, q->sql, q->params, q->count, &limits, take_row, result, &err);
	web_sql_end(req->web);
	*ret_truncated = n == -E2BIG;
	return n < 0 && n != -E2BIG ? rows_problem(res, n, &err) : 0;
}

int api_query(const struct http_request *req, struct http_response *res)
{
	struct result result = { .columns = json_array(), .rows = json_array() };
	AUTO_FREE struct sql_request *q = calloc(1, sizeof(*q));
	bool truncated = false;
	int r = q ? read_request(q, req, res) : http_problem(res, 503, "Out of memory.");

	if (!r)
		r = run_sql(req, res, q, &result, &truncated);
	if (q)
		free(q->text);
	if (!r)
		return http_json(res, json_pack("{s:o, s:o, s:b}", "columns", result.columns, "rows", result.rows,
						"truncated", truncated));
	json_decref(result.columns);
	json_decref(result.rows);
	return r;
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

		if (strncmp(p->name, "p_", 2) && strcmp(p->name, "since") && strcmp(p->name, "until"))
			continue;
		strbuf_addstr(b, "<label class=\"inline\"><code>");
		strbuf_add_html(b, strncmp(p->name, "p_", 2) ? p->name : p->name + 2);
		strbuf_addstr(b, "</code><input name=\"");
		strbuf_add_html(b, p->name);
		strbuf_addstr(b, "\" value=\"");
		strbuf_add_html(b, p->value);
		strbuf_addstr(b, "\"></label>\n");
	}
	strbuf_addstr(b, "<p class=\"actions\"><button>Run</button></p></form>\n");
}

static void views_help(struct strbuf *b)
{
	static const char *const views[] = { "v_event",	   "v_wait",	"v_blame",    "v_usage", "v_pressure",
					     "v_host",	   "v_netstat", "v_log",      "v_stack", "v_container",
					     "v_coverage", "v_tick",	"v_incident", "v_report" };

	strbuf_addstr(b, "<p class=\"note\">Views: ");
	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		char sql[64];

		snprintf(sql, sizeof(sql), "SELECT * FROM %s LIMIT 20", views[i]);
		strbuf_addstr(b, i ? ", " : "");
		page_console_link(b, sql, views[i]);
	}
	strbuf_addstr(b, "; and one per kind of event, such as v_runq. Times are nanoseconds since 1970.</p>\n");
}

int page_query(const struct http_request *req, struct http_response *res)
{
	const struct page page = { .title = "Query", .section = "/query" };
	struct result result = { .columns = json_array(), .rows = json_array(), .objects = true };
	AUTO_FREE struct sql_request *q = calloc(1, sizeof(*q));
	struct strbuf *b = &res->body;
	bool truncated = false;
	int r = q ? read_request(q, req, res) : http_problem(res, 503, "Out of memory.");

	if (!r && page_wants_json(req)) {
		json_decref(result.columns);
		json_decref(result.rows);
		return api_query(req, res);
	}
	if (!r && q && q->sql) {
		q->limit = PAGE_ROWS;
		r = run_sql(req, res, q, &result, &truncated);
	}
	page_begin(res, &page);
	strbuf_addstr(b, "<h1>Query</h1>\n");
	views_help(b);
	console_form(b, req);
	if (r) {
		strbuf_addstr(b, "<p class=\"warn\" role=\"alert\">");
		strbuf_add_html(b, strbuf_str(&res->detail));
		strbuf_addstr(b, "</p>\n");
	} else if (json_array_size(result.rows)) {
		html_rows_table(b, result.rows, "Result");
		strbuf_addf(b, "<p class=\"note\">%zu rows%s</p>\n", json_array_size(result.rows),
			    truncated ? ", more were cut off" : "");
	} else if (q && q->sql) {
		page_empty(b, "No rows.");
	}
	page_end(res);
	json_decref(result.columns);
	json_decref(result.rows);
	return 0;
}
