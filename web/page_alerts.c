/* SPDX-License-Identifier: Apache-2.0 */
/* /alerts: what is pending and firing, who silenced what, and what waits to be delivered. */
#include <errno.h>
#include <string.h>

#include "analyze/alertstore.h"
#include "web/html.h"
#include "web/page.h"
#include "web/routes.h"
#include "web/rows.h"
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
	int r = alertstore_open(web_options(req->web)->state_dir, false, &store, &err);

	if (!r) {
		r = alertstore_each(store, add_alert, alerts);
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
		page_empty(b, "No alert is pending or firing, and none was within the day.");
		return;
	}
	strbuf_addstr(b, "<div class=\"scroll\"><table><thead><tr><th>State</th><th>Alert</th><th>What</th><th>Since</th>"
			 "<th>Ended</th><th>Held back by</th></tr></thead><tbody>\n");
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

int page_alerts(const struct http_request *req, struct http_response *res)
{
	const struct page page = { .title = "Alerts", .section = "/alerts", .refresh = 5 };
	struct strbuf *b = &res->body;
	json_t *model = NULL;
	int r = read_model(req, res, &model);

	if (r || page_wants_json(req))
		return r ? r : http_json(res, model);
	page_begin(res, &page);
	strbuf_addstr(b, "<h1>Alerts</h1>\n");
	alerts_table(b, json_object_get(model, "alerts"));
	strbuf_addstr(b, "<h2>Silences</h2>\n");
	list_or(b, json_object_get(model, "silences"), "Silences", "Nothing is silenced.");
	strbuf_addstr(b, "<h2>Waiting to be delivered</h2>\n");
	list_or(b, json_object_get(model, "outbox"), "Outbox", "Everything was delivered.");
	page_end(res);
	json_decref(model);
	return 0;
}
