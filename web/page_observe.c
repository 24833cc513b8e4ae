/* SPDX-License-Identifier: Apache-2.0 */
/* Charts over time, and what changed in a part of it: /observe, /api/v1/series, /api/v1/changes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/html.h"
#include "web/page.h"
#include "web/render_chart.h"
#include "web/routes.h"
#include "web/rows.h"
#include "web/series.h"

/* More are folded away. */
#define SHADED_SHOWN 3
#define DIGITS 6 /* of what was measured */

static int read_query(const struct http_request *req, struct http_response *res, struct series_query *q)
{
	static const char *const by[] = { "container", NULL };
	const char *chosen = NULL;

	*q = (struct series_query){ .container = http_param(req, "container"), .names = http_param(req, "series") };
	if (http_param_time(req, res, "since", &q->since_ns) || http_param_time(req, res, "until", &q->until_ns) ||
	    http_param_int(req, res, "points", 1, SERIES_POINTS_MAX, &q->points) ||
	    http_param_choice(req, res, "by", by, &chosen))
		return -EINVAL;
	q->by_container = chosen != NULL;
	if (q->by_container && !q->names) {
		snprintf(res->param, sizeof(res->param), "series");
		return http_problem(res, 400, "Say which series is to be shown by container.");
	}
	return 0;
}

static int problem(struct http_response *res, int64_t error, const struct strbuf *detail)
{
	if (error == -ENOENT || error == -ENODATA)
		return http_problem(res, 404, "%s", strbuf_str(detail));
	return rows_problem(res, error, detail);
}

static int read_model(const struct http_request *req, struct http_response *res,
		      int64_t (*read)(struct reader *, const struct series_query *, json_t **, struct strbuf *),
		      json_t **ret_model)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct series_query q;
	int64_t n;

	if (read_query(req, res, &q))
		return -EINVAL;
	n = read(req->reader, &q, ret_model, &err);
	return n < 0 ? problem(res, n, &err) : 0;
}

int api_series(const struct http_request *req, struct http_response *res)
{
	json_t *model = NULL;
	int r = read_model(req, res, series_read, &model);

	return r ? r : http_json_rounded(res, model, DIGITS);
}

int api_changes(const struct http_request *req, struct http_response *res)
{
	json_t *model = NULL;
	int r = read_model(req, res, series_changes, &model);

	return r ? r : http_json_rounded(res, model, DIGITS);
}

/* ---- the page -------------------------------------------------------------------------------------------- */

struct selection {
	int64_t from_ns, to_ns; /* 0: none */
};

static void add_time(struct strbuf *b, const char *name, int64_t ns)
{
	strbuf_addf(b, "&%s=", name);
	time_format(b, ns);
}

/* The address of this page for another window. */
static void window_address(struct strbuf *b, const struct http_request *req, int64_t from_ns, int64_t to_ns)
{
	static const char *const kept[] = { "container", "series", "by" };

	strbuf_addstr(b, "/observe?");
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (http_param(req, kept[i])) {
			strbuf_addf(b, "%s=", kept[i]);
			http_url_encode(b, http_param(req, kept[i]));
			strbuf_addch(b, '&');
		}
	strbuf_addstr(b, "since=");
	time_format(b, from_ns);
	add_time(b, "until", to_ns);
}

static void window_link(struct strbuf *b, const struct http_request *req, int64_t from_ns, int64_t to_ns,
			const char *text)
{
	AUTO(strbuf) struct strbuf href = STRBUF_INIT;

	window_address(&href, req, from_ns, to_ns);
	strbuf_addstr(b, "<a href=\"");
	strbuf_add_html(b, strbuf_str(&href));
	strbuf_addf(b, "\">%s</a> ", text);
}

static void window_links(struct strbuf *b, const struct http_request *req, int64_t from, int64_t to)
{
	static const struct {
		const char *text;
		int64_t ns;
	} spans[] = { { "5 min", 300 * NSEC_PER_SEC },
		      { "15 min", 900 * NSEC_PER_SEC },
		      { "1 h", 3600 * NSEC_PER_SEC },
		      { "6 h", 6 * 3600 * NSEC_PER_SEC } };

	strbuf_addstr(b, "<div class=\"spans\" role=\"group\" aria-label=\"Window\">");
	window_link(b, req, from - (to - from), from, "← Earlier");
	for (size_t i = 0; i < ARRAY_SIZE(spans); i++)
		window_link(b, req, to - spans[i].ns, to, spans[i].text);
	window_link(b, req, to, to + (to - from), "Later →");
	window_link(b, req, from - (to - from), to + (to - from), "Zoom out");
	strbuf_addstr(b, "<a href=\"/observe");
	if (http_param(req, "container")) {
		strbuf_addstr(b, "?container=");
		http_url_encode(b, http_param(req, "container"));
	}
	strbuf_addstr(b, "\">Now</a></div>\n");
}

static void time_input(struct strbuf *b, const char *name, const char *label, const char *hint, int64_t ns)
{
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;

	if (ns)
		time_format(&text, ns);
	strbuf_addf(b, "<label>%s<input name=\"%s\" value=\"%s\" placeholder=\"%s\" autocomplete=\"off\"></label>\n",
		    label, name, strbuf_str(&text), hint);
}

static void hidden(struct strbuf *b, const struct http_request *req, const char *name)
{
	if (!http_param(req, name))
		return;
	strbuf_addf(b, "<input type=\"hidden\" name=\"%s\" value=\"", name);
	strbuf_add_html(b, http_param(req, name));
	strbuf_addstr(b, "\">\n");
}

static void window_form(struct strbuf *b, const struct http_request *req, int64_t from, int64_t to)
{
	strbuf_addstr(b, "<form class=\"filter moments\" method=\"get\" role=\"search\" aria-label=\"Window\">\n");
	page_field(b, req, "container", "Container", "host, or a name");
	time_input(b, "since", "Since", "-15min, 10:01", http_param(req, "since") ? from : 0);
	time_input(b, "until", "Until", "now", http_param(req, "until") ? to : 0);
	hidden(b, req, "series");
	hidden(b, req, "by");
	strbuf_addstr(b, "<p class=\"actions\"><button>Show</button></p></form>\n");
}

static void selection_form(struct strbuf *b, const struct http_request *req, int64_t from, int64_t to,
			   const struct selection *s)
{
	AUTO(strbuf) struct strbuf since = STRBUF_INIT, until = STRBUF_INIT;

	time_format(&since, from);
	time_format(&until, to);
	strbuf_addstr(b, "<form class=\"filter selection\" method=\"get\" aria-label=\"Selected part\">\n");
	hidden(b, req, "container");
	hidden(b, req, "series");
	hidden(b, req, "by");
	strbuf_addf(b,
		    "<input type=\"hidden\" name=\"since\" value=\"%s\"><input type=\"hidden\" name=\"until\" "
		    "value=\"%s\">\n",
		    strbuf_str(&since), strbuf_str(&until));
	time_input(b, "from", "Part from", "10:01:02", s->from_ns);
	time_input(b, "to", "to", "10:01:04", s->to_ns);
	strbuf_addstr(b, "<p class=\"actions\"><button>What changed</button> <button name=\"do\" "
			 "value=\"diagnose\">Diagnose it</button>"
			 " <button name=\"do\" value=\"zoom\">Zoom in</button></p>\n"
			 "<p class=\"note hint\" hidden>Drag over a chart, or go into one and press ← → with Shift, to "
			 "choose a part.</p></form>\n");
}

static void shaded(struct strbuf *b, const json_t *incidents)
{
	const json_t *incident;
	size_t i, n;

	if (!json_array_size(incidents))
		return;
	n = json_array_size(incidents);
	strbuf_addf(b,
		    "<details class=\"more\" id=\"shaded\"%s><summary>%zu incident%s shaded</summary><ul "
		    "class=\"plain\">\n",
		    n <= SHADED_SHOWN ? " open" : "", n, n == 1 ? " is" : "s are");
	json_array_foreach ((json_t *)incidents, i, incident) {
		strbuf_addstr(b, "<li>");
		html_severity(b, value_text(incident, "severity"));
		strbuf_addch(b, ' ');
		html_time_short(b, value_int(incident, "onset_ns", 0));
		strbuf_addstr(b, " <a href=\"/incidents/");
		strbuf_add_html(b, value_text(incident, "id"));
		strbuf_addstr(b, "\">");
		strbuf_add_html(b, value_text(incident, "headline"));
		strbuf_addstr(b, "</a></li>\n");
	}
	strbuf_addstr(b, "</ul></details>\n");
}

static void by_container_link(struct strbuf *b, const json_t *item, int64_t from, int64_t to)
{
	AUTO(strbuf) struct strbuf href = STRBUF_INIT;

	strbuf_addf(&href, "/observe?by=container&series=%s", value_text(item, "name"));
	add_time(&href, "since", from);
	add_time(&href, "until", to);
	strbuf_addstr(b, "<a class=\"split\" href=\"");
	strbuf_add_html(b, strbuf_str(&href));
	strbuf_addstr(b, "\">by container<span class=\"off\">: ");
	strbuf_add_html(b, value_text(item, "title"));
	strbuf_addstr(b, "</span></a>");
}

static bool is_of_host(const json_t *item)
{
	return !strncmp(value_text(item, "name"), "host.", 5);
}

/* Charts of the group that begins there; how many when b is NULL. */
static size_t group_charts(struct strbuf *b, const struct chart_frame *f, const json_t *items, size_t first, bool split)
{
	const char *name = value_text(json_array_get(items, first), "group");
	json_t *item;
	size_t n = 0;

	for (size_t i = first; (item = json_array_get(items, i)) && !strcmp(value_text(item, "group"), name); i++) {
		if (chart_is_quiet(item))
			continue;
		n++;
		if (!b)
			continue;
		strbuf_addstr(b, "<div class=\"cell\">");
		render_chart(b, f, item, value_text(item, "title"));
		if (split && !is_of_host(item))
			by_container_link(b, item, f->from_ns, f->to_ns);
		strbuf_addstr(b, "</div>\n");
	}
	return n;
}

static void group(struct strbuf *b, const struct chart_frame *f, const json_t *items, size_t first, bool split)
{
	size_t n = group_charts(NULL, f, items, first, split);

	if (!n)
		return;
	strbuf_addf(b, "<section class=\"subsystem n%zu\"><h2>", n);
	strbuf_add_html(b, value_text(json_array_get(items, first), "group"));
	strbuf_addstr(b, "</h2><div class=\"charts\">\n");
	group_charts(b, f, items, first, split);
	strbuf_addstr(b, "</div></section>\n");
}

/* The series that are nothing but 0, or that nobody recorded, in a line. */
static void quiet_ones(struct strbuf *b, const json_t *items)
{
	json_t *item;
	size_t i, n = 0;

	json_array_foreach ((json_t *)items, i, item) {
		if (!chart_is_quiet(item))
			continue;
		strbuf_addstr(b, n++ ? ", " : "<p class=\"note\">Nothing of: ");
		strbuf_add_html(b, value_text(item, "title"));
	}
	strbuf_addstr(b, n ? ".</p>\n" : "");
}

static void charts_by_group(struct strbuf *b, const struct chart_frame *f, const json_t *items, bool split)
{
	const char *before = "";
	json_t *item;
	size_t i;

	json_array_foreach ((json_t *)items, i, item) {
		if (strcmp(before, value_text(item, "group")))
			group(b, f, items, i, split);
		before = value_text(item, "group");
	}
}

static void charts_by_container(struct strbuf *b, const struct chart_frame *f, const json_t *items)
{
	json_t *item;
	size_t i;

	strbuf_addstr(b, "<section class=\"subsystem\"><h2>");
	strbuf_add_html(b, value_text(json_array_get(items, 0), "title"));
	strbuf_addstr(b, ", by container</h2><div class=\"charts\">\n");
	json_array_foreach ((json_t *)items, i, item) {
		AUTO(strbuf) struct strbuf href = STRBUF_INIT;
		const char *name = *value_text(item, "container_name") ? value_text(item, "container_name") : "unknown";

		strbuf_addstr(b, "<div class=\"cell\">");
		render_chart(b, f, item, name);
		strbuf_addf(&href, "/observe?container=%" PRId64, value_int(item, "container", 0));
		add_time(&href, "since", f->from_ns);
		add_time(&href, "until", f->to_ns);
		strbuf_addstr(b, "<a class=\"split\" href=\"");
		strbuf_add_html(b, strbuf_str(&href));
		strbuf_addstr(b, "\">all of <span>");
		strbuf_add_html(b, name);
		strbuf_addstr(b, "</span></a></div>\n");
	}
	strbuf_addstr(b, "</div></section>\n");
}

/* ---- what changed ---------------------------------------------------------------------------------------- */

static void change_row(struct strbuf *b, const json_t *row)
{
	const char *unit = value_text(row, "unit");

	strbuf_addstr(b, "<tr><th scope=\"row\">");
	strbuf_add_html(b, value_text(row, "title"));
	strbuf_addstr(b, "</th><td class=\"num\">");
	html_quantity(b, value_number(row, "before"), unit);
	strbuf_addstr(b, "</td><td class=\"num\">");
	html_quantity(b, value_number(row, "after"), unit);
	strbuf_addstr(b, "</td></tr>\n");
}

static void changed_series(struct strbuf *b, const json_t *rows)
{
	json_t *row;
	size_t i;

	if (!json_array_size(rows)) {
		strbuf_addstr(b, "<p>Nothing measured left what was usual before.</p>\n");
		return;
	}
	strbuf_addstr(b,
		      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Measured\"><table><thead><tr>"
		      "<th scope=\"col\">Measured</th><th scope=\"col\" class=\"num\">Before</th><th scope=\"col\" "
		      "class=\"num\">In this part</th>"
		      "</tr></thead><tbody>\n");
	json_array_foreach ((json_t *)rows, i, row)
		change_row(b, row);
	strbuf_addstr(b, "</tbody></table></div>\n");
}

static void changes(struct strbuf *b, const json_t *model)
{
	static const struct {
		const char *name, *title;
	} lists[] = { { "blame", "Who it waited for" },
		      { "events", "Events" },
		      { "containers", "Containers that began or ended" },
		      { "log", "Kernel log" } };
	int64_t before = value_int(model, "before_ns", 0), from = value_int(model, "from_ns", 0),
		to = value_int(model, "to_ns", 0);

	strbuf_addstr(b, "<section aria-labelledby=\"h-changed\" id=\"changed\"><h2 id=\"h-changed\">What "
			 "changed</h2>\n<p class=\"note\">");
	html_time(b, from);
	strbuf_addstr(b, " – ");
	html_time_short(b, to);
	strbuf_addstr(b, " (");
	html_span(b, to - from);
	strbuf_addstr(b, ") against the ");
	html_span(b, from - before);
	strbuf_addstr(b, " before it; times and counts of before are for as long a part.</p>\n");
	changed_series(b, json_object_get(model, "series"));
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		const json_t *rows = json_object_get(model, lists[i].name);

		if (!json_array_size(rows))
			continue;
		strbuf_addf(b, "<h3>%s</h3>\n", lists[i].title);
		html_rows_table(b, rows, lists[i].title);
	}
	strbuf_addstr(b, "</section>\n");
}

static int read_selection(const struct http_request *req, struct http_response *res, struct selection *s)
{
	*s = (struct selection){ 0 };
	if (http_param_time(req, res, "from", &s->from_ns) || http_param_time(req, res, "to", &s->to_ns))
		return -EINVAL;
	if (!s->from_ns && !s->to_ns)
		return 0;
	if (s->from_ns >= s->to_ns) {
		snprintf(res->param, sizeof(res->param), "to");
		return http_problem(res, 400, "The part must end after it begins.");
	}
	return 0;
}

static json_t *changes_model(const struct http_request *req, const struct selection *s, struct strbuf *ret_error)
{
	const struct series_query q = { .container = http_param(req, "container"),
					.since_ns = s->from_ns,
					.until_ns = s->to_ns };
	json_t *model = NULL;

	series_changes(req->reader, &q, &model, ret_error);
	return model;
}

/* Buttons that lead elsewhere. */
static bool go_elsewhere(const struct http_request *req, struct http_response *res, const struct selection *s)
{
	const char *what = http_param(req, "do"), *container = http_param(req, "container");
	AUTO(strbuf) struct strbuf url = STRBUF_INIT;

	if (!what || !s->to_ns)
		return false;
	if (!strcmp(what, "diagnose")) {
		strbuf_addstr(&url, "/why?container=");
		http_url_encode(&url, container ? container : "host");
		add_time(&url, "since", s->from_ns);
		add_time(&url, "until", s->to_ns);
	} else if (!strcmp(what, "zoom")) {
		window_address(&url, req, s->from_ns, s->to_ns);
	}
	if (url.len)
		http_redirect(res, strbuf_str(&url));
	return url.len > 0;
}

static void head(struct strbuf *b, const struct http_request *req, const json_t *model)
{
	int64_t from = value_int(model, "from_ns", 0), to = value_int(model, "to_ns", 0);

	strbuf_addstr(b, "<h1>");
	strbuf_add_html(b, container_label(json_object_get(model, "container")));
	strbuf_addstr(b, "</h1>\n<p class=\"lead\">");
	html_time(b, from);
	strbuf_addstr(b, " – ");
	html_time_short(b, to);
	strbuf_addstr(b, ", ");
	html_span(b, value_int(model, "step_ns", 0));
	strbuf_addstr(b, " a step. The pale band is where a series lay eight times of ten before.</p>\n");
	window_form(b, req, from, to);
}

static void body(struct strbuf *b, const struct http_request *req, const json_t *model, const struct selection *s,
		 const json_t *changed)
{
	const json_t *items = json_object_get(model, "items"), *incidents = json_object_get(model, "incidents");
	struct chart_frame f = { .from_ns = value_int(model, "from_ns", 0),
				 .to_ns = value_int(model, "to_ns", 0),
				 .step_ns = value_int(model, "step_ns", 1),
				 .incidents = incidents,
				 .selected_from_ns = s->from_ns,
				 .selected_to_ns = s->to_ns };
	bool host = !value_int(json_object_get(model, "container"), "container", 0);

	head(b, req, model);
	strbuf_addstr(b, "<div id=\"view\">\n"); /* what a script makes anew, web/static/observe.js */
	window_links(b, req, f.from_ns, f.to_ns);
	selection_form(b, req, f.from_ns, f.to_ns, s);
	if (changed)
		changes(b, changed);
	shaded(b, incidents);
	strbuf_addf(b,
		    "<div id=\"observed\" data-from=\"%" PRId64 "\" data-to=\"%" PRId64 "\" data-step=\"%" PRId64
		    "\">\n",
		    f.from_ns / NSEC_PER_MSEC, f.to_ns / NSEC_PER_MSEC, f.step_ns / NSEC_PER_MSEC);
	if (http_param(req, "by"))
		charts_by_container(b, &f, items);
	else
		charts_by_group(b, &f, items, host);
	strbuf_addstr(b, "</div>\n");
	quiet_ones(b, items);
	strbuf_addstr(b, "</div>\n");
}

int page_observe(const struct http_request *req, struct http_response *res)
{
	struct page page = { .title = "Observe",
			     .section = "/observe",
			     .script = page_has_libraries() ? "observe.js" : "drawings.js",
			     .style = page_has_libraries() ? "uPlot.min.css" : NULL };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *model = NULL, *changed = NULL;
	struct selection s;
	int r;

	if (!page_wants_json(req) && page_absolute_times(req, res))
		return 0;
	r = read_selection(req, res, &s);
	if (r || go_elsewhere(req, res, &s))
		return r;
	r = read_model(req, res, series_read, &model);
	if (r)
		return r;
	if (s.to_ns)
		changed = changes_model(req, &s, &err);
	if (page_wants_json(req)) {
		json_object_set_new(model, "changes", changed ? changed : json_null());
		if (err.len)
			json_object_set_new(model, "problem", json_string(strbuf_str(&err)));
		return http_json_rounded(res, model, DIGITS);
	}
	page.refresh = http_param(req, "until") || s.to_ns ? 0 : 5;
	page_begin(res, &page);
	if (err.len) {
		strbuf_addstr(&res->body, "<p class=\"warn\" role=\"alert\">");
		strbuf_add_html(&res->body, strbuf_str(&err));
		strbuf_addstr(&res->body, "</p>\n");
	}
	body(&res->body, req, model, &s, changed);
	page_end(res);
	json_decref(model);
	json_decref(changed);
	return 0;
}
