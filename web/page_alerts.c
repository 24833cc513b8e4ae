/* SPDX-License-Identifier: Apache-2.0 */
/* /alerts: what is pending and firing, who silenced what, and what waits to be delivered. */
#include <errno.h>
#include <string.h>

#include "analyze/alertstore.h"
#include "analyze/silences.h"
#include "base/timeutil.h"
#include "web/body.h"
#include "web/html.h"
#include "web/page.h"
#include "web/routes.h"
#include "web/rows.h"
#include "web/silencing.h"
#include "web/web.h"

static int add_alert(void *ctx, struct alert *a)
{
	return json_array_append_new(ctx, alert_row(a)) ? -ENOMEM : 0;
}

/* { alerts, silences, outbox } */
static int read_model(const struct http_request *req, struct http_response *res, json_t **ret_model)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *alerts = json_array(), *silences = NULL, *outbox = NULL;
	struct alertstore *store;
	int64_t since_ns, until_ns;
	int r = alert_span(req, res, &since_ns, &until_ns);

	if (r) {
		json_decref(alerts);
		return r;
	}
	r = alertstore_open(web_options(req->web)->state_dir, false, &store, &err);
	if (!r) {
		r = alertstore_between(store, since_ns, until_ns, add_alert, alerts);
		if (r >= 0)
			r = alertstore_silences(store, req->now_ns, &silences);
		if (!r)
			r = alertstore_outbox(store, &outbox);
		alertstore_free(store);
	}
	if (r < 0 && r != -ENOENT) {
		json_decref(alerts);
		json_decref(silences);
		return http_problem(res, 503, "The alerts could not be read: %s",
				    err.len ? strbuf_str(&err) : strerror(-r));
	}
	*ret_model = json_pack("{s:o, s:o, s:o}", "alerts", alerts, "silences", silences ? silences : json_array(),
			       "outbox", outbox ? outbox : json_array());
	return 0;
}

static void cell(struct strbuf *b, const char *text)
{
	strbuf_addstr(b, "<td>");
	strbuf_add_html(b, text);
	strbuf_addstr(b, "</td>");
}

static void alert_cells(struct strbuf *b, const json_t *a)
{
	const json_t *labels = json_object_get(a, "labels");
	const char *incident = value_text(labels, "incident");
	const char *summary = value_text(json_object_get(a, "annotations"), "summary");

	strbuf_addstr(b, "<tr>");
	cell(b, value_text(a, "state"));
	cell(b, value_text(a, "alert"));
	strbuf_addstr(b, "<td>");
	if (*incident) {
		strbuf_addstr(b, "<a href=\"/incidents/");
		strbuf_add_html(b, incident);
		strbuf_addstr(b, "\">");
	}
	strbuf_add_html(b, *summary ? summary : value_text(labels, "container"));
	strbuf_addstr(b, *incident ? "</a></td><td>" : "</td><td>");
	html_time(b, value_int(a, "active_ns", 0));
	strbuf_addstr(b, "</td><td>");
	html_time(b, value_int(a, "ended_ns", 0));
	strbuf_addstr(b, "</td>");
	cell(b, value_text(a, "held_by"));
	strbuf_addstr(b, "</tr>\n");
}

static void alerts_table(struct strbuf *b, const json_t *alerts)
{
	const json_t *a;
	size_t i;

	if (!json_array_size(alerts)) {
		page_empty(b, "No alert was pending or firing then, and none was resolved within the day before.");
		return;
	}
	strbuf_addstr(b, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Alerts\"><table><thead><tr>"
			 "<th scope=\"col\">State</th><th scope=\"col\">Alert</th><th scope=\"col\">What</th><th scope=\"col\">Since</th>"
			 "<th scope=\"col\">Ended</th><th scope=\"col\">Held back by</th></tr></thead><tbody>\n");
	json_array_foreach (alerts, i, a)
		alert_cells(b, a);
	strbuf_addstr(b, "</tbody></table></div>\n");
}

static void list_or(struct strbuf *b, const json_t *rows, const char *caption, const char *none)
{
	if (json_array_size(rows))
		html_rows_table(b, rows, caption);
	else
		page_empty(b, none);
}

static void matcher_words(struct strbuf *b, const json_t *matchers)
{
	const json_t *m;
	size_t i;

	json_array_foreach ((json_t *)matchers, i, m) {
		strbuf_addstr(b, i ? " <code>" : "<code>");
		strbuf_add_html(b, value_text(m, "name"));
		strbuf_add_html(b, value_text(m, "op"));
		strbuf_add_html(b, value_text(m, "value"));
		strbuf_addstr(b, "</code>");
	}
}

static void silence_row(struct strbuf *b, const json_t *s)
{
	strbuf_addstr(b, "<tr><td>");
	matcher_words(b, json_object_get(s, "matchers"));
	strbuf_addstr(b, "</td>");
	cell(b, value_text(s, "author"));
	cell(b, value_text(s, "comment"));
	strbuf_addstr(b, "<td>");
	html_time(b, value_int(s, "starts_ns", 0));
	strbuf_addstr(b, "</td><td>");
	html_time(b, value_int(s, "ends_ns", 0));
	strbuf_addstr(b, "</td><td><form method=\"post\" action=\"/alerts\" class=\"actions\"><input type=\"hidden\" name=\"end\" value=\"");
	strbuf_add_html(b, value_text(s, "id"));
	strbuf_addstr(b, "\"><button aria-label=\"End the silence of ");
	strbuf_add_html(b, value_text(s, "author"));
	strbuf_addstr(b, "\">End</button></form></td></tr>\n");
}

static void silences_table(struct strbuf *b, const json_t *silences)
{
	const json_t *s;
	size_t i;

	if (!json_array_size(silences)) {
		page_empty(b, "Nothing is silenced.");
		return;
	}
	strbuf_addstr(b, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Silences\"><table><thead><tr><th scope=\"col\">Alerts with</th>"
			 "<th scope=\"col\">Who</th><th scope=\"col\">Why</th><th scope=\"col\">From</th><th scope=\"col\">To</th>"
			 "<th scope=\"col\">End it</th></tr></thead><tbody>\n");
	json_array_foreach ((json_t *)silences, i, s)
		silence_row(b, s);
	strbuf_addstr(b, "</tbody></table></div>\n");
}

static void silence_form(struct strbuf *b, const struct http_request *req)
{
	strbuf_addstr(b, "<details class=\"more\" id=\"silence\"><summary>Silence some</summary>\n"
			 "<form class=\"filter\" method=\"post\" action=\"/alerts\">\n"
			 "<label>Labels, one a line<textarea name=\"matchers\" rows=\"3\" required "
			 "placeholder=\"container=web&#10;cause=~cpu.*\"></textarea></label>\n"
			 "<label>For<input name=\"lasts\" value=\"2h\" required></label>\n");
	page_author(b, req);
	strbuf_addstr(b, "<label>Why<input name=\"comment\" required maxlength=\"1024\" autocomplete=\"off\"></label>\n"
			 "<p class=\"actions\"><button>Silence</button></p></form></details>\n");
}

/* ---- what the forms send --------------------------------------------------------------------------------- */

/* One matcher a line. */
static json_t *read_matchers(char *text, struct http_response *res)
{
	json_t *matchers = json_array(), *m;
	char *save = NULL;

	for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
		line += strspn(line, " \t");
		for (size_t n = strlen(line); n && strchr(" \t", line[n - 1]); n--)
			line[n - 1] = '\0';
		if (!*line)
			continue;
		m = silence_matcher(line);
		if (!m) {
			http_problem(res, 422, "\"%.80s\" is no matcher; one is like container=web or cause=~cpu.*", line);
			json_decref(matchers);
			return NULL;
		}
		json_array_append_new(matchers, m);
	}
	return matchers;
}

static int post_silence(const struct http_request *req, struct http_response *res, const struct http_request *form)
{
	AUTO_FREE char *text = strdup(body_field(form, "matchers"));
	json_t *matchers, *given, *silence = NULL;
	int64_t span = 0;
	int r;

	if (!text)
		return http_problem(res, 503, "Out of memory.");
	if (time_parse_span(body_field(form, "lasts"), &span) || span <= 0)
		return http_problem(res, 422, "It lasts for a span of time such as 2h.");
	matchers = read_matchers(text, res);
	if (!matchers)
		return -EINVAL;
	given = json_pack("{s:s, s:s, s:o, s:o}", "author", body_field(form, "author"), "comment", body_field(form, "comment"),
			  "ends_ns", rows_ns(req->now_ns + span), "matchers", matchers);
	r = given ? silence_add(req, res, given, &silence) : http_problem(res, 422, "That is no UTF-8.");
	json_decref(given);
	json_decref(silence);
	return r;
}

static int post(const struct http_request *req, struct http_response *res)
{
	struct http_request form = { 0 };
	AUTO_FREE char *text = NULL;
	int r = body_form(req, res, &form, &text);

	if (r)
		return r;
	r = http_param(&form, "end") ? silence_end(req, res, http_param(&form, "end")) : post_silence(req, res, &form);
	return r ? r : http_redirect(res, "/alerts");
}

int page_alerts(const struct http_request *req, struct http_response *res)
{
	const bool past = http_param(req, "at") || http_param(req, "until");
	const struct page page = { .title = "Alerts",
				   .section = "/alerts",
				   .refresh = past ? 0 : 5,
				   .script = page_has_libraries() ? "alerts.js" : NULL };
	struct strbuf *b = &res->body;
	json_t *model = NULL;
	int r = req->method == HTTP_POST ? post(req, res) : read_model(req, res, &model);

	if (req->method == HTTP_POST)
		return r;
	if (r || page_wants_json(req))
		return r ? r : http_json(res, model);
	page_begin(res, &page);
	strbuf_addstr(b, "<h1>Alerts</h1>\n<form class=\"filter\" method=\"get\" role=\"search\" aria-label=\"Moment\">\n");
	page_field(b, req, "at", "At", "now, -1h, 10:01");
	page_field(b, req, "since", "Since", "a day before");
	strbuf_addstr(b, "<p class=\"actions\"><button>Show</button> <a href=\"/alerts\">Now</a></p></form>\n");
	alerts_table(b, json_object_get(model, "alerts"));
	strbuf_addstr(b, "<h2>Silences</h2>\n");
	silences_table(b, json_object_get(model, "silences"));
	silence_form(b, req);
	strbuf_addstr(b, "<h2>Waiting to be delivered</h2>\n");
	list_or(b, json_object_get(model, "outbox"), "Outbox", "Everything was delivered.");
	page_end(res);
	json_decref(model);
	return 0;
}
