/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of the store to take along, and what a bundle is that is served: /bundles. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "analyze/bundle.h"
#include "analyze/reports.h"
#include "base/fileutil.h"
#include "web/html.h"
#include "web/page.h"
#include "web/routes.h"
#include "web/rows.h"
#include "web/web.h"

#define INCIDENTS 10
#define MANIFEST_MAX (1 << 20)

static const struct {
	const char *level, *text;
} levels[] = {
	{ "none", "nothing is hidden" },
	{ "names", "names of containers, images and the node, labels and the kernel log are hidden" },
	{ "all", "names of programs and addresses, too" },
};

/* Of the bundle that is served; null: this is a host's own store. */
static json_t *manifest_of(const struct http_request *req)
{
	AUTO(strbuf) struct strbuf path = STRBUF_INIT;
	AUTO_FREE char *text = NULL;
	json_t *manifest = NULL;
	size_t len;

	strbuf_addf(&path, "%s/" BUNDLE_MANIFEST, web_options(req->web)->state_dir);
	if (!file_read_alloc(AT_FDCWD, strbuf_str(&path), MANIFEST_MAX, &text, &len))
		manifest = json_loadb(text, len, 0, NULL);
	return manifest ? manifest : json_null();
}

static int add_incident(void *ctx, const json_t *report)
{
	return json_array_append_new(ctx, json_pack("{s:O, s:O, s:O}", "id", json_object_get(report, "id"), "headline",
						    json_object_get(report, "headline"), "onset_ns",
						    json_object_get(json_object_get(report, "window"), "onset_ns")));
}

static json_t *model_of(const struct http_request *req)
{
	const struct incident_filter newest = { .limit = INCIDENTS, .brief = true };
	json_t *incidents = json_array();

	if (reader_select_reports(req->reader) >= 0)
		reports_each(req->reader, &newest, add_incident, incidents);
	return json_pack("{s:o, s:o}", "bundle", manifest_of(req), "incidents", incidents);
}

static void fact(struct strbuf *b, const char *name, const char *value)
{
	strbuf_addf(b, "<div><dt>%s</dt><dd>", name);
	strbuf_add_html(b, value);
	strbuf_addstr(b, "</dd></div>\n");
}

static void served(struct strbuf *b, const json_t *manifest)
{
	strbuf_addstr(b, "<section aria-labelledby=\"served\"><h2 id=\"served\">What is shown here is a bundle</h2>\n"
			 "<dl class=\"facts\"><div><dt>From</dt><dd>");
	html_time(b, value_int(manifest, "from_ns", 0));
	strbuf_addstr(b, "</dd></div>\n<div><dt>To</dt><dd>");
	html_time(b, value_int(manifest, "to_ns", 0));
	strbuf_addf(b,
		    "</dd></div>\n<div><dt>Incidents</dt><dd>%" PRId64 "</dd></div>\n<div><dt>Events</dt><dd>%" PRId64
		    "</dd></div>\n",
		    value_int(manifest, "incidents", 0), value_int(manifest, "events", 0));
	fact(b, "Hidden", value_text(manifest, "redaction"));
	fact(b, "Made by kwhy", value_text(manifest, "version"));
	strbuf_addstr(b, "</dl></section>\n");
}

static void window_form(struct strbuf *b, const struct http_request *req)
{
	strbuf_addstr(b, "<section aria-labelledby=\"window\"><h2 id=\"window\">Take a window along</h2>\n"
			 "<form class=\"filter\" method=\"get\" action=\"/api/v1/bundles\">\n");
	page_field(b, req, "since", "Since", "-15min");
	page_field(b, req, "until", "Until", "now");
	strbuf_addstr(b, "<label>Hide<select name=\"redact\">");
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		strbuf_addf(b, "<option>%s</option>", levels[i].level);
	strbuf_addstr(b, "</select></label>\n<p class=\"actions\"><button>Download</button></p></form>\n<ul class=\"plain\">");
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		strbuf_addf(b, "<li><b>%s</b>: %s</li>", levels[i].level, levels[i].text);
	strbuf_addstr(b, "</ul></section>\n");
}

static void incident_row(struct strbuf *b, const json_t *incident)
{
	const char *id = value_text(incident, "id");

	strbuf_addstr(b, "<tr><td>");
	html_time(b, value_int(incident, "onset_ns", 0));
	strbuf_addstr(b, "</td><td><a href=\"/incidents/");
	strbuf_add_html(b, id);
	strbuf_addstr(b, "\">");
	strbuf_add_html(b, value_text(incident, "headline"));
	strbuf_addstr(b, "</a></td><td>");
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		strbuf_addstr(b, "<a href=\"/api/v1/bundles?incident=");
		strbuf_add_html(b, id);
		strbuf_addf(b, "&amp;redact=%s\" aria-label=\"Bundle that hides: %s\">%s</a> ", levels[i].level, levels[i].level,
			    levels[i].level);
	}
	strbuf_addstr(b, "</td></tr>\n");
}

static void of_incidents(struct strbuf *b, const json_t *incidents)
{
	json_t *row;
	size_t i;

	strbuf_addstr(b, "<section aria-labelledby=\"of-incidents\"><h2 id=\"of-incidents\">Of an incident</h2>\n");
	if (json_array_size(incidents)) {
		strbuf_addstr(b, "<p class=\"note\">Five minutes before it, for what was usual, to half a minute after it.</p>\n"
				 "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Newest incidents\"><table><thead><tr>"
				 "<th scope=\"col\">Began</th><th scope=\"col\">Incident</th><th scope=\"col\">Bundle that hides</th></tr>"
				 "</thead><tbody>\n");
		json_array_foreach ((json_t *)incidents, i, row)
			incident_row(b, row);
		strbuf_addstr(b, "</tbody></table></div>\n");
	} else {
		page_empty(b, "No incident so far.");
	}
	strbuf_addstr(b, "</section>\n");
}

int page_bundles(const struct http_request *req, struct http_response *res)
{
	const struct page page = { .title = "Bundles", .section = "/bundles" };
	struct strbuf *b = &res->body;
	json_t *model = model_of(req);

	if (!model)
		return http_problem(res, 503, "Out of memory.");
	if (page_wants_json(req))
		return http_json(res, model);
	page_begin(res, &page);
	strbuf_addstr(b, "<h1>Bundles</h1>\n<p class=\"lead\">A window of the store as one file: events and samples, who was who, "
			 "stacks, reports, rules and settings. Anybody with kwhy opens it, on any machine.</p>\n");
	if (json_is_object(json_object_get(model, "bundle")))
		served(b, json_object_get(model, "bundle"));
	window_form(b, req);
	of_incidents(b, json_object_get(model, "incidents"));
	strbuf_addstr(b, "<section aria-labelledby=\"open\"><h2 id=\"open\">Open one</h2>\n<pre><code>"
			 "kwhy serve --bundle FILE          # these pages\nkwhy incidents --bundle FILE      # every verb takes it\n"
			 "kwhy replay FILE --verify         # diagnosed again: does the same come out?\n"
			 "kwhy bundle verify FILE           # whether it is whole\n</code></pre></section>\n");
	page_end(res);
	json_decref(model);
	return 0;
}
