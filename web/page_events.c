/* SPDX-License-Identifier: Apache-2.0 */
/* Captured kernel contexts: /events and /api/v1/events. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analyze/event_kinds.h"
#include "base/timeutil.h"
#include "web/event_context.h"
#include "web/html.h"
#include "web/lists.h"
#include "web/page.h"
#include "web/routes.h"
#include "web/rows.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define AROUND_NS (5 * NSEC_PER_SEC)
#define BAR_WIDTH 20
#define BARS_HEIGHT 60

static void choices(const char *ret_kinds[EVENT_KINDS_MAX + 1], bool life)
{
	size_t n = 0;

	event_kinds(ret_kinds);
	while (ret_kinds[n])
		n++;
	if (life)
		ret_kinds[n++] = EVENT_LIFE;
	ret_kinds[n] = NULL;
}

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

/* life: whether the kind may be that of a container's life, too. */
static int read_filter(const struct http_request *req, struct http_response *res, bool life, struct event_filter *f)
{
	const char *kinds[EVENT_KINDS_MAX + 1];

	choices(kinds, life);
	*f = (struct event_filter){ .container = http_param(req, "container"), .limit = LIMIT_DEFAULT };
	return http_param_choice(req, res, "kind", kinds, &f->kind) || http_param_time(req, res, "since", &f->since_ns) ||
	       http_param_time(req, res, "until", &f->until_ns) ||
	       http_param_int(req, res, "limit", 1, LIMIT_MAX, &f->limit) || read_cursor(req, res, f)
		       ? -EINVAL
		       : 0;
}

static json_t *cursor_of(const struct event_filter *next)
{
	char text[64];

	snprintf(text, sizeof(text), "%" PRId64 ".%" PRId64, next->before_ns, next->skip);
	return json_string(text);
}

static int events_model(const struct http_request *req, struct http_response *res, const struct event_filter *filter,
			json_t **ret_model)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct event_filter next;
	json_t *rows = NULL;
	int64_t n = list_events(req->reader, filter, &rows, &err);

	if (n < 0)
		return rows_problem(res, n, &err);
	*ret_model = json_pack("{s:o, s:o}", "items", rows, "next",
			       list_events_next(filter, rows, &next) ? cursor_of(&next) : json_null());
	return *ret_model ? 0 : http_problem(res, 503, "Out of memory.");
}

int api_events(const struct http_request *req, struct http_response *res)
{
	struct event_filter filter;
	json_t *model = NULL;
	int r = read_filter(req, res, false, &filter);

	if (!r)
		r = events_model(req, res, &filter, &model);
	return r ? r : http_json(res, model);
}

/* Only of containers that came and went. */
static int life_model(const struct http_request *req, struct http_response *res, const struct event_filter *filter,
		      json_t **ret_model)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	int64_t n = reader_select(req->reader, filter->since_ns, filter->until_ns ? filter->until_ns : INT64_MAX);
	json_t *rows = NULL;

	if (n >= 0)
		n = event_life(req->reader, filter, &rows, &err);
	if (n < 0)
		return rows_problem(res, n, &err);
	*ret_model = json_pack("{s:o, s:n}", "items", rows, "next");
	return *ret_model ? 0 : http_problem(res, 503, "Out of memory.");
}

/* Between the events of the list, containers that came and went meanwhile. */
static void add_life(const struct http_request *req, const struct event_filter *filter, json_t *model)
{
	const json_t *rows = json_object_get(model, "items");
	size_t n = json_array_size(rows);
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct event_filter span = *filter;
	json_t *life = NULL;

	if (filter->before_ns)
		span.until_ns = filter->before_ns;
	if (*value_text(model, "next"))
		span.since_ns = value_int(json_array_get(rows, n - 1), "ts_ns", 0);
	if (event_life(req->reader, &span, &life, &err) > 0)
		json_object_set_new(model, "items", event_merge(rows, life));
	json_decref(life);
}

/* What the page has beside the list; without it, it is still a page. */
static int page_model(const struct http_request *req, struct http_response *res, json_t **ret_model)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct event_filter filter;
	json_t *summary = NULL;
	int r = read_filter(req, res, true, &filter);

	if (r)
		return r;
	if (filter.kind && !strcmp(filter.kind, EVENT_LIFE))
		return life_model(req, res, &filter, ret_model);
	r = events_model(req, res, &filter, ret_model);
	if (r)
		return r;
	if (!filter.kind)
		add_life(req, &filter, *ret_model);
	event_frames(req->reader, json_object_get(*ret_model, "items"));
	if (event_summary(req->reader, &filter, &summary, &err) >= 0)
		json_object_set_new(*ret_model, "summary", summary);
	return 0;
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

static void frames(struct strbuf *b, const json_t *e, const char *key, const char *title)
{
	const char *text = value_text(e, key);

	if (!*text)
		return;
	strbuf_addf(b, "<details class=\"more\"><summary>%s</summary><pre><code>", title);
	strbuf_add_html(b, text);
	strbuf_addstr(b, "</code></pre></details>");
}

/* previous_ns: of the row before, to give a moment its name only once. */
static void event_row(struct strbuf *b, const json_t *e, int64_t previous_ns)
{
	int64_t duration = value_int(e, "duration_ns", 0), ts = value_int(e, "ts_ns", 0);

	strbuf_addstr(b, "<tr");
	if (ts != previous_ns)
		strbuf_addf(b, " id=\"t%" PRId64 "\"", ts);
	strbuf_addstr(b, "><td>");
	html_time(b, ts);
	strbuf_addf(b,
		    "<br><small><a href=\"/events?since=%" PRId64 "&amp;until=%" PRId64 "&amp;limit=%d#t%" PRId64
		    "\" aria-label=\"All within 5 s of it\">± 5 s</a></small>",
		    ts - AROUND_NS, ts + AROUND_NS, LIMIT_MAX, ts);
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
	frames(b, e, "frames", "Stack");
	frames(b, e, "peer_frames", "Stack of the other party");
	strbuf_addstr(b, "</td></tr>\n");
}

static void events_table(struct strbuf *b, const json_t *rows)
{
	int64_t previous_ns = 0;
	json_t *row;
	size_t i;

	strbuf_addstr(
		b, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Events\"><table class=\"events\">"
		   "<thead><tr><th scope=\"col\">Time</th><th scope=\"col\">Kind</th><th scope=\"col\">Container</th>"
		   "<th scope=\"col\">Other party</th><th scope=\"col\" class=\"num\">Duration</th>"
		   "<th scope=\"col\">What happened</th></tr></thead><tbody>\n");
	json_array_foreach ((json_t *)rows, i, row) {
		event_row(b, row, previous_ns);
		previous_ns = value_int(row, "ts_ns", 0);
	}
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
	const char *kinds[EVENT_KINDS_MAX + 1];

	choices(kinds, true);
	strbuf_addstr(b, "<form class=\"filter\" method=\"get\" role=\"search\" aria-label=\"Filter\">\n");
	page_select(b, req, "kind", "Kind", kinds);
	page_field(b, req, "container", "Container", "name, id, cgroup");
	page_field(b, req, "since", "Since", "-5min, 10:01");
	page_field(b, req, "until", "Until", "now");
	strbuf_addstr(b, "<p class=\"actions\"><button>Show</button> <a href=\"/events\">All</a></p></form>\n");
}

/* ---- how many, when and of what ---------------------------------------------------------------------------- */

static void bar(struct strbuf *b, const char *query, int64_t from_ns, int64_t step_ns, int64_t n, int64_t most, size_t i)
{
	AUTO(strbuf) struct strbuf label = STRBUF_INIT;
	int64_t height = (n * BARS_HEIGHT + most - 1) / most;

	from_ns += (int64_t)i * step_ns;
	time_format(&label, from_ns);
	strbuf_addf(&label, ": %" PRId64, n);
	strbuf_addf(b, "<a href=\"/events?%ssince=%" PRId64 "&amp;until=%" PRId64 "\"%s aria-label=\"%s\"><title>%s</title>",
		    query, from_ns, from_ns + step_ns - 1, n ? "" : " tabindex=\"-1\"", strbuf_str(&label), strbuf_str(&label));
	strbuf_addf(b,
		    "<rect class=\"back\" x=\"%zu\" width=\"%d\" height=\"%d\"/><rect class=\"bar\" x=\"%zu\" y=\"%" PRId64
		    "\" width=\"%d\" height=\"%" PRId64 "\"/></a>\n",
		    i * BAR_WIDTH, BAR_WIDTH - 1, BARS_HEIGHT, i * BAR_WIDTH, BARS_HEIGHT - height, BAR_WIDTH - 1, height);
}

static void histogram(struct strbuf *b, const struct http_request *req, const json_t *summary)
{
	int64_t from = value_int(summary, "from_ns", 0), to = value_int(summary, "to_ns", 0), most = 1, sum = 0;
	int64_t step = value_int(summary, "step_ns", 1), seen = value_int(summary, "seen_ns", 0);
	AUTO(strbuf) struct strbuf query = STRBUF_INIT, escaped = STRBUF_INIT;
	json_t *bars = json_object_get(summary, "bars"), *n;
	size_t i;

	json_array_foreach (bars, i, n) {
		most = MAX(most, json_integer_value(n));
		sum += json_integer_value(n);
	}
	if (http_param(req, "kind"))
		strbuf_addf(&query, "kind=%s&", http_param(req, "kind")); /* one of a list of plain words */
	if (http_param(req, "container")) {
		strbuf_addstr(&query, "container=");
		http_url_encode(&query, http_param(req, "container"));
		strbuf_addch(&query, '&');
	}
	strbuf_add_html(&escaped, strbuf_str(&query));
	strbuf_addf(b, "<figure class=\"histogram\"><figcaption class=\"note\">%" PRId64 " event%s from ", sum,
		    sum == 1 ? "" : "s");
	html_time(b, from);
	strbuf_addstr(b, " to ");
	html_time_short(b, to);
	strbuf_addstr(b, ", ");
	html_span(b, step);
	strbuf_addf(b, " a bar, the highest %" PRId64, most);
	if (seen > from) {
		strbuf_addstr(b, "; only those from ");
		html_time(b, seen);
		strbuf_addstr(b, " on are counted");
	}
	strbuf_addf(b, "</figcaption><svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"group\" aria-label=\"Events "
		       "over time\">\n",
		    EVENT_BARS * BAR_WIDTH, BARS_HEIGHT);
	json_array_foreach (bars, i, n)
		bar(b, strbuf_str(&escaped), from, step, json_integer_value(n), most, i);
	strbuf_addstr(b, "</svg></figure>\n");
}

static void event_facets(struct strbuf *b, const struct http_request *req, const json_t *summary)
{
	static const struct {
		const char *list, *facet, *label;
	} lines[] = { { "kinds", "kind", "Kind" }, { "containers", "container", "Container" } };
	json_t *row;
	size_t i;

	strbuf_addstr(b, "<div class=\"facets\" role=\"group\" aria-label=\"Narrow down\"><dl>\n");
	for (size_t line = 0; line < ARRAY_SIZE(lines); line++) {
		AUTO(strbuf) struct strbuf values = STRBUF_INIT;

		json_array_foreach (json_object_get(summary, lines[line].list), i, row)
			page_facet(&values, req, lines[line].facet, row);
		if (values.len)
			strbuf_addf(b, "<div><dt>%s</dt><dd><ul>%s</ul></dd></div>\n", lines[line].label, strbuf_str(&values));
	}
	strbuf_addstr(b, "</dl></div>\n");
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
	r = page_model(req, res, &model);
	if (r || page_wants_json(req))
		return r ? r : http_json(res, model);
	page_begin(res, &page);
	strbuf_addstr(
		&res->body,
		"<h1>Events and logs</h1>\n<p class=\"lead\">Single occurrences past a threshold with both parties, the kernel's "
		"log, containers that came and went.</p>\n");
	events_form(&res->body, req);
	if (json_object_get(model, "summary")) {
		histogram(&res->body, req, json_object_get(model, "summary"));
		event_facets(&res->body, req, json_object_get(model, "summary"));
	}
	events_body(&res->body, req, model);
	page_end(res);
	json_decref(model);
	return 0;
}
