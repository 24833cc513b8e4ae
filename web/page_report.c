/* SPDX-License-Identifier: Apache-2.0 */
/* One incident's report: /incidents/{id} and /api/v1/incidents/{id}. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analyze/reports.h"
#include "web/html.h"
#include "web/lists.h"
#include "web/marks.h"
#include "web/page.h"
#include "web/render_report.h"
#include "web/routes.h"
#include "web/rows.h"

static int find_report(const struct http_request *req, struct http_response *res, json_t **ret_report)
{
	int64_t revision = 0;
	int r;

	if (http_param_int(req, res, "revision", 1, 1000000, &revision))
		return -EINVAL;
	r = reader_select_reports(req->reader);
	if (r >= 0)
		r = reports_get(req->reader, req->arg, (int)revision, ret_report);
	if (r == -ENOENT)
		return http_problem(res, 404, "There is no incident \"%s\"%s.", req->arg,
				    revision ? " with that revision" : "");
	return r < 0 ? http_problem(res, 503, "The report could not be read: %s", strerror(-r)) : 0;
}

int api_incident(const struct http_request *req, struct http_response *res)
{
	json_t *report = NULL;
	int r = find_report(req, res, &report);

	return r ? r : http_json(res, report);
}

/* File names hold nothing but what an id may hold. */
static void attach_as(struct http_response *res, const char *id, const char *extension)
{
	char name[64];
	size_t n = 0;

	for (; *id && n < sizeof(name) - 1; id++)
		if ((*id >= '0' && *id <= '9') || (*id >= 'A' && *id <= 'Z') || (*id >= 'a' && *id <= 'z'))
			name[n++] = *id;
	name[n] = 0;
	snprintf(res->filename, sizeof(res->filename), "kwhy-%s.%s", name, extension);
}

/* The page's style sheet stands inside the exported file, which the policy for pages would not let it use: so, a
 * download. */
static int write_format(struct http_response *res, const json_t *report, const char *format)
{
	if (!strcmp(format, "md")) {
		render_report_markdown(&res->body, report);
		res->type = "text/markdown; charset=utf-8";
	} else if (!strcmp(format, "html")) {
		render_report_html(&res->body, report);
		res->type = "text/html; charset=utf-8";
		attach_as(res, value_text(report, "id"), "html");
	}
	return 0;
}

static const char *alike(const json_t *row)
{
	bool culprit = value_int(row, "culprit", 0), victim = value_int(row, "victim", 0);

	return culprit && victim ? "same culprit and victim"
	       : culprit	 ? "same culprit"
	       : victim		 ? "same victim"
				 : "same resource";
}

static void similar_section(struct strbuf *b, const struct http_request *req, const json_t *report)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *rows = NULL, *row;
	size_t i;

	if (list_similar(req->reader, value_text(report, "id"), &rows, &err) <= 0) {
		json_decref(rows);
		return;
	}
	strbuf_addstr(b, "<section aria-labelledby=\"h-similar\" id=\"similar\"><h2 id=\"h-similar\">Similar before</h2>\n"
			 "<ul class=\"plain\">\n");
	json_array_foreach (rows, i, row) {
		strbuf_addstr(b, "<li>");
		html_time(b, value_int(row, "onset_ns", 0));
		strbuf_addstr(b, " <a href=\"/incidents/");
		strbuf_add_html(b, value_text(row, "id"));
		strbuf_addstr(b, "\">");
		strbuf_add_html(b, value_text(row, "headline"));
		strbuf_addf(b, "</a> <small>%s</small></li>\n", alike(row));
	}
	strbuf_addstr(b, "</ul><p><a href=\"/incidents?cause=");
	http_url_encode(b, value_text(report, "cause"));
	strbuf_addstr(b, "\">All of this cause</a></p></section>\n");
	json_decref(rows);
}

/* A flame graph of the container of the first party of that list, against as much time before the onset. */
static void stacks_link(struct strbuf *b, const json_t *report, const char *parties, const char *of, const char *text)
{
	const json_t *c = json_object_get(json_array_get(json_object_get(report, parties), 0), "container");
	const json_t *window = json_object_get(report, "window");
	int64_t from = value_int(window, "onset_ns", 0), to = value_int(window, "to_ns", 0);

	if (!*value_text(c, "ref") || from <= 0 || to <= from)
		return;
	strbuf_addf(b, "<li><a href=\"/stacks?of=%s&amp;container=", of);
	http_url_encode(b, value_text(c, "ref"));
	strbuf_addf(b, "&amp;from=%" PRId64 "&amp;to=%" PRId64 "&amp;base_from=%" PRId64 "&amp;base_to=%" PRId64 "\">", from, to,
		    from - (to - from), from);
	strbuf_add_html(b, container_label(c));
	strbuf_addf(b, "</a>: %s</li>\n", text);
}

static void stacks_section(struct strbuf *b, const json_t *report)
{
	AUTO(strbuf) struct strbuf items = STRBUF_INIT;

	stacks_link(&items, report, "culprits", "cpu", "what it did on the CPU meanwhile, against the time before");
	stacks_link(&items, report, "victims", "wait", "where it waited meanwhile, against the time before");
	if (items.len)
		strbuf_addf(b, "<section aria-labelledby=\"h-stacks\" id=\"stacks\"><h2 id=\"h-stacks\">Stacks</h2>\n"
			       "<ul class=\"plain\">\n%s</ul></section>\n",
			    strbuf_str(&items));
}

static void article(struct strbuf *b, const struct http_request *req, const json_t *report)
{
	AUTO(strbuf) struct strbuf handling = STRBUF_INIT, similar = STRBUF_INIT;

	marks_section(&handling, req, value_text(report, "id"));
	stacks_section(&similar, report);
	similar_section(&similar, req, report);
	render_report_article(b, report, &(struct report_links){ .address = req->path, .stored = true,
								 .behind_head = strbuf_str(&handling),
								 .before_foot = strbuf_str(&similar) });
}

int page_report(const struct http_request *req, struct http_response *res)
{
	static const char *const formats[] = { "json", "md", "html", NULL };
	struct page page = { .section = "/incidents" };
	const char *format = NULL;
	json_t *report = NULL;
	int r;

	if (req->method == HTTP_POST)
		return marks_post(req, res);
	if (http_param_choice(req, res, "format", formats, &format))
		return -EINVAL;
	r = find_report(req, res, &report);
	if (r)
		return r;
	if (format && !strcmp(format, "json"))
		return http_json(res, report);
	if (format) {
		r = write_format(res, report, format);
	} else {
		page.title = value_text(report, "headline");
		page.refresh = strcmp(value_text(report, "status"), "open") ? 0 : 5;
		page.on_incident = true;
		page_begin(res, &page);
		article(&res->body, req, report);
		page_end(res);
	}
	json_decref(report);
	return r;
}
