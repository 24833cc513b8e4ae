/* SPDX-License-Identifier: Apache-2.0 */
/* kwhy about itself: /agent and /api/v1/probes. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/html.h"
#include "web/lists.h"
#include "web/page.h"
#include "web/routes.h"
#include "web/rows.h"

#define HELD_NS (10 * 60 * NSEC_PER_SEC)

static int probes_rows(const struct http_request *req, struct http_response *res, json_t **ret_rows)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	int64_t n = list_probes(req->reader, ret_rows, &err);

	if (n == -ENODATA)
		*ret_rows = json_array();
	return n < 0 && n != -ENODATA ? rows_problem(res, n, &err) : 0;
}

int api_probes(const struct http_request *req, struct http_response *res)
{
	json_t *rows = NULL;
	int r = probes_rows(req, res, &rows);

	return r ? r : http_json(res, json_pack("{s:o, s:n}", "items", rows, "next"));
}

static const char *state_badge(const char *state)
{
	static const char *const badges[][2] = {
		{ "attached", "<span class=\"badge supported\"><span class=\"shape\" aria-hidden=\"true\">✓</span> "
			      "attached</span>" },
		{ "degraded",
		  "<span class=\"badge warning\"><span class=\"shape\" aria-hidden=\"true\">◐</span> degraded</span>" },
		{ "off", "<span class=\"badge plain\"><span class=\"shape\" aria-hidden=\"true\">○</span> off</span>" },
		{ "failed",
		  "<span class=\"badge critical\"><span class=\"shape\" aria-hidden=\"true\">✕</span> failed</span>" },
		{ "raised",
		  "<span class=\"badge warning\"><span class=\"shape\" aria-hidden=\"true\">◐</span> raised</span>" },
		{ "sampled",
		  "<span class=\"badge warning\"><span class=\"shape\" aria-hidden=\"true\">◐</span> sampled</span>" },
		{ "detached", "<span class=\"badge critical\"><span class=\"shape\" aria-hidden=\"true\">✕</span> "
			      "detached</span>" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(badges); i++)
		if (!strcmp(state, badges[i][0]))
			return badges[i][1];
	return "<span class=\"badge plain\">?</span>";
}

static void number_cell(struct strbuf *b, const json_t *row, const char *key)
{
	strbuf_addf(b, "<td class=\"num\">%" PRId64 "</td>", value_int(row, key, 0));
}

static void probe_row(struct strbuf *b, const json_t *p)
{
	int64_t runs = value_int(p, "run_count", 0), run_ns = value_int(p, "run_ns", 0);

	strbuf_addstr(b, "<tr><th scope=\"row\"><code>");
	strbuf_add_html(b, value_text(p, "probe"));
	strbuf_addf(b, "</code></th><td>%s</td><td>", state_badge(value_text(p, "state")));
	strbuf_add_html(b, value_text(p, "attach"));
	if (*value_text(p, "why")) {
		strbuf_addstr(b, "<br><small>");
		strbuf_add_html(b, value_text(p, "why"));
		strbuf_addstr(b, "</small>");
	}
	strbuf_addstr(b, "</td>");
	number_cell(b, p, "emitted");
	number_cell(b, p, "stored");
	strbuf_addf(b, "<td class=\"num\">%" PRId64 "</td>",
		    value_int(p, "lost_ring", 0) + value_int(p, "lost_other", 0));
	number_cell(b, p, "suppressed");
	strbuf_addstr(b, "<td class=\"num\">");
	if (runs > 0 && run_ns > 0) {
		strbuf_addf(b, "%.3f %%<br><small>%" PRId64 " ns each</small>",
			    (double)value_int(p, "cost_ppm", 0) / 10000, run_ns / runs);
	} else {
		strbuf_addstr(b, "–");
	}
	strbuf_addstr(b, "</td></tr>\n");
}

static void probes_table(struct strbuf *b, const json_t *rows)
{
	json_t *row;
	size_t i;

	strbuf_addstr(b, "<section aria-labelledby=\"h-probes\"><h2 id=\"h-probes\">Probes and their books</h2>\n"
			 "<p class=\"note\">Emitted = stored + lost + suppressed. Suppressed: held back by the rate limit of one "
			 "kind and container. Cost: kernel time in the last second measured (the governor\'s row: of all), "
			 "of one CPU; a probe over its budget is held back until it is cheap again.</p>\n");
	if (!json_array_size(rows)) {
		page_empty(b, "No probe has reported yet.");
		strbuf_addstr(b, "</section>\n");
		return;
	}
	strbuf_addstr(b, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Probes\"><table><thead><tr>"
			 "<th scope=\"col\">Probe</th><th scope=\"col\">State</th><th scope=\"col\">Hooks</th>"
			 "<th scope=\"col\" class=\"num\">Emitted</th><th scope=\"col\" class=\"num\">Stored</th>"
			 "<th scope=\"col\" class=\"num\">Lost</th><th scope=\"col\" class=\"num\">Suppressed</th>"
			 "<th scope=\"col\" class=\"num\">Cost</th></tr></thead><tbody>\n");
	json_array_foreach ((json_t *)rows, i, row)
		probe_row(b, row);
	strbuf_addstr(b, "</tbody></table></div></section>\n");
}

/* One noisy container is held back alone; this is who, of what, and how much. */
static void held_list(struct strbuf *b, struct reader *reader)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *rows = NULL, *row;
	size_t i;

	if (list_held(reader, HELD_NS, &rows, &err) <= 0) {
		json_decref(rows);
		return;
	}
	strbuf_addstr(b, "<section aria-labelledby=\"h-held\"><h2 id=\"h-held\">Held back by the rate limit</h2>\n"
			 "<p class=\"note\">During the last ten minutes, beyond <code>collect.rate</code> a second.</p>\n"
			 "<ul class=\"plain\">");
	json_array_foreach (rows, i, row) {
		strbuf_addstr(b, "<li>");
		page_container_link(b, container_label(row));
		strbuf_addf(b, ": %" PRId64 " records of <code>", value_int(row, "count", 0));
		strbuf_add_html(b, value_text(row, "what"));
		strbuf_addstr(b, "</code></li>\n");
	}
	strbuf_addstr(b, "</ul></section>\n");
	json_decref(rows);
}

static void heartbeat(struct strbuf *b, const json_t *readiness)
{
	const json_t *tick = json_object_get(readiness, "tick");
	bool ready = json_is_true(json_object_get(readiness, "ready"));

	strbuf_addf(b,
		    "<p class=\"verdict %s\"><span class=\"shape\" aria-hidden=\"true\">%s</span> %s</p>\n<dl "
		    "class=\"facts\">",
		    ready ? "good" : "bad", ready ? "✓" : "▲",
		    ready ? "Collector and server are at work" : "The collector is not at work");
	if (json_is_object(tick)) {
		strbuf_addstr(b, "<div><dt>Last heartbeat</dt><dd>");
		html_time(b, value_int(tick, "ts_ns", 0));
		strbuf_addf(b,
			    "</dd></div><div><dt>Records</dt><dd>%" PRId64 " emitted<br>%" PRId64 " stored<br>%" PRId64
			    " held back or lost</dd></div><div><dt>BPF</dt><dd>%s</dd></div>",
			    value_int(tick, "emitted", 0), value_int(tick, "stored", 0), value_int(tick, "lost", 0),
			    value_int(tick, "bpf", 0) ? "attached" : "not attached: samplers only");
	}
}

static void switch_state(struct strbuf *b, const json_t *readiness)
{
	if (value_int(json_object_get(readiness, "tick"), "off", 0))
		strbuf_addstr(b, "<p class=\"warn\">Everything is switched off: no program is attached, nothing is "
				 "sampled. <code>kwhy on</code> ends it.</p>\n");
}

static void server_facts(struct strbuf *b, const struct http_request *req)
{
	const struct web_options *options = web_options(req->web);
	int64_t first, last;

	strbuf_addstr(b, "<div><dt>Store</dt><dd><span class=\"path\">");
	strbuf_add_html(b, options->state_dir);
	strbuf_addstr(b, "</span>");
	if (!reader_bounds(req->reader, &first, &last)) {
		strbuf_addstr(b, "<br>from ");
		html_time(b, first);
	}
	strbuf_addstr(b, "</dd></div><div><dt>Address</dt><dd>");
	strbuf_add_html(b, options->listen);
	strbuf_addstr(b, "</dd></div><div><dt>Server up since</dt><dd>");
	html_time(b, web_started_ns(req->web));
	strbuf_addstr(b, "</dd></div><div><dt>Version</dt><dd>" KWHY_VERSION "</dd></div><div><dt>Charts</dt><dd>");
	strbuf_addstr(b, page_has_libraries() ? "by uPlot, with Preact and htm (<a href=\"/static/licenses.txt\">licences</a>)"
					      : "plain drawings: built without uPlot, Preact and htm");
	strbuf_addstr(b, "</dd></div></dl>\n");
	if (*reader_warnings(req->reader)) {
		strbuf_addstr(b, "<p class=\"warn\">");
		strbuf_add_html(b, reader_warnings(req->reader));
		strbuf_addstr(b, "</p>\n");
	}
}

static void missing_list(struct strbuf *b, const json_t *missing)
{
	json_t *item;
	size_t i;

	if (!json_array_size(missing))
		return;
	strbuf_addstr(b,
		      "<section aria-labelledby=\"h-missing\"><h2 id=\"h-missing\">Missing</h2>\n<ul class=\"plain\">");
	json_array_foreach ((json_t *)missing, i, item) {
		strbuf_addstr(b, "<li><strong>");
		strbuf_add_html(b, value_text(item, "name"));
		strbuf_addstr(b, "</strong> (");
		strbuf_add_html(b, value_text(item, "what"));
		strbuf_addstr(b, "): ");
		strbuf_add_html(b, value_text(item, "why"));
		strbuf_addstr(b, "</li>\n");
	}
	strbuf_addstr(b, "</ul></section>\n");
}

int page_agent(const struct http_request *req, struct http_response *res)
{
	const struct page page = { .title = "Agent", .section = "/agent", .refresh = 5 };
	struct strbuf *b = &res->body;
	json_t *readiness, *rows = NULL;
	int r = probes_rows(req, res, &rows);

	if (r)
		return r;
	readiness = list_readiness(req->reader, req->now_ns);
	if (page_wants_json(req))
		return http_json(res, json_pack("{s:o, s:o, s:s, s:b}", "readiness", readiness, "probes", rows, "version",
						KWHY_VERSION, "libraries", (int)page_has_libraries()));
	page_begin(res, &page);
	strbuf_addstr(b, "<h1>Agent</h1>\n");
	switch_state(b, readiness);
	heartbeat(b, readiness);
	server_facts(b, req);
	missing_list(b, json_object_get(readiness, "missing"));
	probes_table(b, rows);
	held_list(b, req->reader);
	strbuf_addstr(b, "<section aria-labelledby=\"h-settings\"><h2 id=\"h-settings\">Settings</h2>\n"
			 "<details id=\"settings\"><summary>All settings of the server</summary><pre><code>");
	strbuf_add_html(b, web_options(req->web)->config);
	strbuf_addstr(b, "</code></pre></details></section>\n");
	page_end(res);
	json_decref(readiness);
	json_decref(rows);
	return 0;
}
