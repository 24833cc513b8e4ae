/* SPDX-License-Identifier: Apache-2.0 */
#include "web/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/embed.h"
#include "base/timeutil.h"
#include "web/html.h"
#include "web/login.h"
#include "web/marks.h"
#include "web/rows.h"
#include "web/web.h"

#define NS_DIGITS 18 /* of a moment since 1973 */

static const struct {
	const char *path, *name;
} sections[] = {
	{ "/", "Overview" },   { "/incidents", "Incidents" }, { "/observe", "Observe" }, { "/events", "Events" }, { "/containers", "Containers" },
	{ "/stacks", "Stacks" },
	{ "/alerts", "Alerts" },
	{ "/rules", "Rules" },
	{ "/query", "Query" }, { "/bundles", "Bundles" }, { "/agent", "Agent" },
};

static void navigation(struct strbuf *b, const char *current)
{
	strbuf_addstr(
		b,
		"<header class=\"top\"><a class=\"brand\" href=\"/\">k<b>why</b></a>\n<nav aria-label=\"Pages\"><ul>");
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		strbuf_addf(b, "<li><a href=\"%s\"%s>%s</a></li>", sections[i].path,
			    current && !strcmp(current, sections[i].path) ? " aria-current=\"page\"" : "",
			    sections[i].name);
	strbuf_addstr(b,
		      "</ul></nav>\n<button type=\"button\" id=\"zone\" class=\"zone\" hidden>UTC</button></header>\n");
}

bool page_has_libraries(void)
{
	return embedded_find("web/static/uPlot.esm.js");
}

void page_begin(struct http_response *res, const struct page *page)
{
	struct strbuf *b = &res->body;

	res->type = "text/html; charset=utf-8";
	strbuf_addstr(b, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
			 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
			 "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
	strbuf_add_html(b, page->title);
	strbuf_addstr(b, " · kwhy</title>\n<link rel=\"icon\" href=\"/static/icon.svg\" type=\"image/svg+xml\">\n"
			 "<link rel=\"stylesheet\" href=\"/static/kwhy.css\">\n");
	if (page->style)
		strbuf_addf(b, "<link rel=\"stylesheet\" href=\"/static/%s\">\n", page->style);
	strbuf_addstr(b, "<script type=\"module\" src=\"/static/kwhy.js\"></script>\n");
	if (page->script)
		strbuf_addf(b, "<script type=\"module\" src=\"/static/%s\"></script>\n", page->script);
	if (page->refresh)
		strbuf_addf(b, "<noscript><meta http-equiv=\"refresh\" content=\"%u\"></noscript>\n",
			    page->refresh * 2);
	strbuf_addstr(b, "</head>\n<body");
	if (page->refresh)
		strbuf_addf(b, " data-refresh=\"%u\"%s", page->refresh, page->on_incident ? " data-on=\"incident\"" : "");
	strbuf_addstr(b, ">\n<a class=\"skip\" href=\"#main\">Skip to content</a>\n");
	navigation(b, page->section);
	strbuf_addstr(b, "<main id=\"main\" tabindex=\"-1\">\n");
}

void page_end(struct http_response *res)
{
	strbuf_addstr(&res->body,
		      "</main>\n<footer class=\"bottom\"><p>kwhy " KWHY_VERSION
		      " · times are <span id=\"zone-name\">UTC</span> · <a href=\"/api/v1/openapi.json\">API</a> · "
		      "<a href=\"/metrics\">metrics</a></p></footer>\n</body>\n</html>\n");
}

bool page_wants_json(const struct http_request *req)
{
	const char *format = http_param(req, "format");

	return format && !strcmp(format, "json");
}

void page_problem(const struct http_request *req, struct http_response *res)
{
	struct page page = { .title = http_status_title(res->status), .refresh = res->status == 503 ? 3 : 0 };
	AUTO(strbuf) struct strbuf detail = res->detail;

	res->detail = (struct strbuf)STRBUF_INIT;
	strbuf_reset(&res->body);
	page_begin(res, &page);
	strbuf_addf(&res->body, "<section class=\"problem\"><p class=\"eyebrow\">%u</p><h1>%s</h1><p>", res->status,
		    http_status_title(res->status));
	strbuf_add_html(&res->body, strbuf_str(&detail));
	strbuf_addstr(&res->body, "</p>");
	if (res->status == 401)
		login_form(&res->body, req);
	strbuf_addstr(&res->body, "<p><a href=\"/\">Back to the overview</a></p></section>\n");
	page_end(res);
}

void page_empty(struct strbuf *b, const char *text)
{
	strbuf_addstr(b, "<p class=\"empty\">");
	strbuf_add_html(b, text);
	strbuf_addstr(b, "</p>\n");
}

void page_query_without(struct strbuf *b, const struct http_request *req, const char *name, const char *also)
{
	for (unsigned int i = 0; i < req->param_count; i++) {
		const struct http_param *p = &req->params[i];

		if (!p->value[0] || !strcmp(p->name, name) || (also && !strcmp(p->name, also)))
			continue;
		http_url_encode(b, p->name);
		strbuf_addch(b, '=');
		http_url_encode(b, p->value);
		strbuf_addch(b, '&');
	}
}

static bool is_relative(const char *name, const char *value)
{
	static const char *const moments[] = { "since", "until", "at", "from", "to", "base_from", "base_to" };
	bool moment = false;

	for (size_t i = 0; i < ARRAY_SIZE(moments); i++)
		moment = moment || !strcmp(name, moments[i]);
	if (!moment)
		return false;
	/* RFC 3339 with a zone, or plain nanoseconds: the same moment for everybody and for ever. */
	if (value[strspn(value, "0123456789")] == 0)
		return false;
	return !(strlen(value) >= 20 && value[4] == '-' && value[10] == 'T' && strpbrk(value + 19, "Z+-"));
}

bool page_absolute_times(const struct http_request *req, struct http_response *res)
{
	AUTO(strbuf) struct strbuf url = STRBUF_INIT;
	bool relative = false;

	strbuf_addstr(&url, req->path);
	for (unsigned int i = 0, shown = 0; i < req->param_count; i++) {
		const struct http_param *p = &req->params[i];
		AUTO(strbuf) struct strbuf moment = STRBUF_INIT;
		const char *value = p->value;
		int64_t ns;

		if (!*value)
			continue;
		if (is_relative(p->name, value)) {
			if (time_parse(value, req->now_ns, &ns))
				return false; /* the handler says what is wrong with it */
			time_format(&moment, ns);
			value = strbuf_str(&moment);
			relative = true;
		}
		strbuf_addch(&url, shown++ ? '&' : '?');
		http_url_encode(&url, p->name);
		strbuf_addch(&url, '=');
		http_url_encode(&url, value);
	}
	if (relative)
		http_redirect(res, strbuf_str(&url));
	return relative;
}

void page_console_link(struct strbuf *b, const char *sql, const char *text)
{
	AUTO(strbuf) struct strbuf href = STRBUF_INIT;

	http_url_encode(&href, sql);
	strbuf_addf(b, "<a href=\"/query?sql=%s\">", strbuf_str(&href));
	strbuf_add_html(b, text);
	strbuf_addstr(b, "</a>");
}

void page_field(struct strbuf *b, const struct http_request *req, const char *name, const char *label, const char *hint)
{
	const char *value = http_param(req, name);
	AUTO(strbuf) struct strbuf moment = STRBUF_INIT;
	int64_t ns;

	/* Links have moments in nanoseconds, which nobody reads. */
	if (value && strlen(value) >= NS_DIGITS && !int_parse(value, &ns)) {
		time_format(&moment, ns);
		value = strbuf_str(&moment);
	}
	strbuf_addf(b, "<label>%s<input name=\"%s\" placeholder=\"%s\" value=\"", label, name, hint);
	strbuf_add_html(b, value ? value : "");
	strbuf_addstr(b, "\" autocomplete=\"off\" spellcheck=\"false\"></label>\n");
}

void page_select(struct strbuf *b, const struct http_request *req, const char *name, const char *label,
		 const char *const *choices)
{
	const char *value = http_param(req, name);

	strbuf_addf(b, "<label>%s<select name=\"%s\"><option value=\"\">any</option>", label, name);
	for (; *choices; choices++)
		strbuf_addf(b, "<option%s>%s</option>", value && !strcmp(value, *choices) ? " selected" : "", *choices);
	strbuf_addstr(b, "</select></label>\n");
}

void page_author(struct strbuf *b, const struct http_request *req)
{
	strbuf_addstr(b, "<label>Who you are<input name=\"author\" required maxlength=\"256\" autocomplete=\"name\" value=\"");
	if (tokens_wanted(web_options(req->web)->tokens))
		strbuf_add_html(b, req->who.name);
	strbuf_addstr(b, "\"></label>\n");
}

void page_container_link(struct strbuf *b, const char *name)
{
	AUTO(strbuf) struct strbuf href = STRBUF_INIT;

	http_url_encode(&href, name);
	strbuf_addf(b, "<a href=\"/events?container=%s\">", strbuf_str(&href));
	strbuf_add_html(b, name);
	strbuf_addstr(b, "</a>");
}

void page_facet(struct strbuf *b, const struct http_request *req, const char *facet, const json_t *row)
{
	const char *value = value_text(row, "value"), *now = http_param(req, facet);
	AUTO(strbuf) struct strbuf href = STRBUF_INIT;
	bool current = now && !strcmp(now, value);

	page_query_without(&href, req, facet, "cursor");
	if (!current) {
		strbuf_addf(&href, "%s=", facet);
		http_url_encode(&href, value);
	}
	strbuf_addf(b, "<li><a href=\"%s?", req->path);
	strbuf_add_html(b, strbuf_str(&href));
	strbuf_addf(b, "\"%s>", current ? " aria-current=\"true\"" : "");
	strbuf_add_html(b, value);
	strbuf_addf(b, " <b>%" PRId64 "</b>", value_int(row, "n", 0));
	strbuf_addstr(b, current ? "<span class=\"off\"> × take back</span></a></li>" : "</a></li>");
}

/* What was lost, in brackets behind the symptom, is paler than who did what to whom. */
static void headline(struct strbuf *b, const char *text)
{
	const char *open = strstr(text, " ("), *close = open ? strchr(open, ')') : NULL;

	if (!close) {
		strbuf_add_html(b, text);
		return;
	}
	strbuf_add_html_n(b, text, (size_t)(open - text));
	strbuf_addstr(b, "<span class=\"loss\">");
	strbuf_add_html_n(b, open, (size_t)(close + 1 - open));
	strbuf_addstr(b, "</span>");
	strbuf_add_html(b, close + 1);
}

static void incident_row(struct strbuf *b, const json_t *report)
{
	const json_t *window = json_object_get(report, "window");
	int64_t onset = value_int(window, "onset_ns", 0), end = value_int(window, "end_ns", 0);

	strbuf_addstr(b, "<li class=\"incident ");
	strbuf_add_html(b, value_text(report, "severity"));
	strbuf_addstr(b, "\"><h3><a href=\"/incidents/");
	strbuf_add_html(b, value_text(report, "id"));
	strbuf_addstr(b, "\">");
	headline(b, value_text(report, "headline"));
	strbuf_addstr(b, "</a></h3><p class=\"meta\">");
	html_severity(b, value_text(report, "severity"));
	html_status(b, value_text(report, "status"));
	html_confidence(b, value_text(json_object_get(report, "confidence"), "level"));
	html_cause_link(b, value_text(report, "cause"));
	marks_badge(b, json_object_get(report, "mark"));
	strbuf_addstr(b, "<span>");
	html_time(b, onset);
	strbuf_addstr(b, end > onset ? " for " : "</span>");
	if (end > onset) {
		html_span(b, end - onset);
		strbuf_addstr(b, "</span>");
	}
	strbuf_addstr(b, "</p></li>\n");
}

void page_incident_rows(struct strbuf *b, const json_t *reports)
{
	const json_t *report;
	size_t i;

	strbuf_addstr(b, "<ol class=\"incidents\">\n");
	json_array_foreach ((json_t *)reports, i, report)
		incident_row(b, report);
	strbuf_addstr(b, "</ol>\n");
}
