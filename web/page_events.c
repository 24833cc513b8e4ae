/* SPDX-License-Identifier: Apache-2.0 */
/* Captured kernel contexts: /events and /api/v1/events. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analyze/event_kinds.h"
#include "web/html.h"
#include "web/lists.h"
#include "web/page.h"
#include "web/routes.h"
#include "web/rows.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000

static int read_cursor(const struct http_request *req, struct http_response *res, struct event_filter *f)
{
	const char *cursor = http_param(req, "cursor");
	char end;

	if (!cursor)
		return 0;
	if (sscanf(cursor, "%" SCNd64 ".%" SCNd64 "%c", &f->before_ns, &f->skip, &end) == 2 && f->before_ns > 0 &&
	    f->skip >= 0 && f->skip < 1000000)
		return 0;
	snprintf(res->param, sizeof(res->param), "cursor");
	return http_problem(res, 400, "The parameter \"cursor\" must be the \"next\" of an earlier answer.");
}

static int events_model(const struct http_request *req, struct http_response *res, json_t **ret_model)
{
	struct event_filter filter = { .container = http_param(req, "container"), .limit = LIMIT_DEFAULT }, next;
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	const char *kinds[EVENT_KINDS_MAX];
	json_t *rows = NULL, *cursor = json_null();
	char text[64];
	int64_t n;

	event_kinds(kinds);
	if (http_param_choice(req, res, "kind", kinds, &filter.kind) ||
	    http_param_time(req, res, "since", &filter.since_ns) ||
	    http_param_time(req, res, "until", &filter.until_ns) ||
	    http_param_int(req, res, "limit", 1, LIMIT_MAX, &filter.limit) || read_cursor(req, res, &filter))
		return -EINVAL;
	n = list_events(req->reader, &filter, &rows, &err);
	if (n < 0)
		return rows_problem(res, n, &err);
	if (list_events_next(&filter, rows, &next)) {
		snprintf(text, sizeof(text), "%" PRId64 ".%" PRId64, next.before_ns, next.skip);
		cursor = json_string(text);
	}
	*ret_model = json_pack("{s:o, s:o}", "items", rows, "next", cursor);
	return *ret_model ? 0 : http_problem(res, 503, "Out of memory.");
}

int api_events(const struct http_request *req, struct http_response *res)
{
	json_t *model = NULL;
	int r = events_model(req, res, &model);

	return r ? r : http_json(res, model);
}

static void party(struct strbuf *b, const json_t *e, const char *name_key, const char *comm_key, const char *pid_key)
{
	const char *name = value_text(e, name_key), *comm = value_text(e, comm_key);

	if (*name)
		page_container_link(b, name);
	else
		strbuf_addstr(b, *comm ? "" : "<span class=\"none\">–</span>");
	if (!*comm)
		return;
	strbuf_addstr(b, "<br><small><code>");
	strbuf_add_html(b, comm);
	strbuf_addf(b, "</code> %" PRId64 "</small>", value_int(e, pid_key, 0));
}

static void event_row(struct strbuf *b, const json_t *e)
{
	int64_t duration = value_int(e, "duration_ns", 0);

	strbuf_addstr(b, "<tr><td>");
	html_time(b, value_int(e, "ts_ns", 0));
	strbuf_addstr(b, "</td><td><code>");
	strbuf_add_html(b, value_text(e, "kind"));
	strbuf_addstr(b, "</code></td><td class=\"who\">");
	party(b, e, "container_name", "comm", "pid");
	strbuf_addstr(b, "</td><td class=\"who\">");
	party(b, e, "peer_name", "peer_comm", "peer_pid");
	strbuf_addstr(b, "</td><td class=\"num\">");
	if (duration)
		html_span(b, duration);
	strbuf_addstr(b, value_int(e, "pending", 0) ? " <small>so far</small></td><td>" : "</td><td>");
	strbuf_add_html(b, value_text(e, "summary"));
	strbuf_addstr(b, "</td></tr>\n");
}

static void events_table(struct strbuf *b, const json_t *rows)
{
	json_t *row;
	size_t i;

	strbuf_addstr(
		b, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Events\"><table class=\"events\">"
		   "<thead><tr><th scope=\"col\">Time</th><th scope=\"col\">Kind</th><th scope=\"col\">Container</th>"
		   "<th scope=\"col\">Other party</th><th scope=\"col\" class=\"num\">Duration</th>"
		   "<th scope=\"col\">What happened</th></tr></thead><tbody>\n");
	json_array_foreach ((json_t *)rows, i, row)
		event_row(b, row);
	strbuf_addstr(b, "</tbody></table></div>\n");
}

/* The address that will show these very rows later on too. */
static void permanent_link(struct strbuf *b, const struct http_request *req, const json_t *rows)
{
	AUTO(strbuf) struct strbuf query = STRBUF_INIT;
	size_t n = json_array_size(rows);

	if (!n || http_param(req, "until"))
		return;
	page_query_without(&query, req, "since", NULL);
	strbuf_addstr(b, "<a href=\"/events?");
	strbuf_add_html(b, strbuf_str(&query));
	strbuf_addf(b, "since=%" PRId64 "&amp;until=%" PRId64 "\">Permanent address of these events</a>",
		    value_int(json_array_get(rows, n - 1), "ts_ns", 0), value_int(json_array_get(rows, 0), "ts_ns", 0));
}

static void events_form(struct strbuf *b, const struct http_request *req)
{
	const char *kinds[EVENT_KINDS_MAX];

	event_kinds(kinds);
	strbuf_addstr(b, "<form class=\"filter\" method=\"get\" role=\"search\" aria-label=\"Filter\">\n");
	page_select(b, req, "kind", "Kind", kinds);
	page_field(b, req, "container", "Container", "name, id, cgroup");
	page_field(b, req, "since", "Since", "-5min, 10:01");
	page_field(b, req, "until", "Until", "now");
	strbuf_addstr(b, "<p class=\"actions\"><button>Show</button> <a href=\"/events\">All</a></p></form>\n");
}

static void events_body(struct strbuf *b, const struct http_request *req, const json_t *model)
{
	const json_t *rows = json_object_get(model, "items");
	AUTO(strbuf) struct strbuf query = STRBUF_INIT;

	if (!json_array_size(rows)) {
		page_empty(b, req->param_count ? "No event matches this." : "No event past a threshold so far.");
		return;
	}
	events_table(b, rows);
	strbuf_addstr(b, "<p class=\"pager\">");
	permanent_link(b, req, rows);
	if (*value_text(model, "next")) {
		page_query_without(&query, req, "cursor", NULL);
		strbuf_addstr(b, " <a rel=\"next\" href=\"/events?");
		strbuf_add_html(b, strbuf_str(&query));
		strbuf_addf(b, "cursor=%s\">Older events →</a>", value_text(model, "next"));
	}
	strbuf_addstr(b, "</p>\n");
}

int page_events(const struct http_request *req, struct http_response *res)
{
	const struct page page = { .title = "Events", .section = "/events" };
	json_t *model = NULL;
	int r;

	if (!page_wants_json(req) && page_absolute_times(req, res))
		return 0;
	r = events_model(req, res, &model);
	if (r || page_wants_json(req))
		return r ? r : http_json(res, model);
	page_begin(res, &page);
	strbuf_addstr(
		&res->body,
		"<h1>Events</h1>\n<p class=\"lead\">Single occurrences past a threshold, with both parties.</p>\n");
	events_form(&res->body, req);
	events_body(&res->body, req, model);
	page_end(res);
	json_decref(model);
	return 0;
}
