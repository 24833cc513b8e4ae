/* SPDX-License-Identifier: Apache-2.0 */
/* The first page: is anything wrong, what happened lately, who waits now. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analyze/reports.h"
#include "base/timeutil.h"
#include "web/html.h"
#include "web/lists.h"
#include "web/marks.h"
#include "web/page.h"
#include "web/render_heat.h"
#include "web/routes.h"
#include "web/rows.h"

#define DAY_NS (24 * 3600 * NSEC_PER_SEC)
#define SPAN_NS (60 * NSEC_PER_SEC)
#define CONTAINERS_MAX 25
#define HOUR_NS (3600 * NSEC_PER_SEC)
#define INCIDENTS_MAX 8
#define NOTES_UP_TO 5 /* notes are added up to so many */
#define OF_A_CAUSE 2
#define LOOKED_THROUGH 100
#define AGES 3
#define RANKS_OF_AN_AGE 8 /* two severities, four degrees of certainty */

static int collect_report(void *ctx, const json_t *report)
{
	return json_array_append(ctx, (json_t *)report) ? -ENOMEM : 0;
}

static json_t *incidents(struct reader *r, const char *status, const char *severity)
{
	const struct incident_filter filter = { .status = status, .severity = severity, .limit = LOOKED_THROUGH, .brief = true };
	json_t *items = json_array();

	if (reader_select_reports(r) >= 0)
		reports_each(r, &filter, collect_report, items);
	return items;
}

static bool hurts_now(const json_t *report)
{
	return !strcmp(value_text(report, "status"), "open") && strcmp(value_text(report, "severity"), "info") != 0;
}

/* What goes on, what began within the last hour, what is older; of each the worst and then the surest. */
static int rank(const json_t *report, int severity, int64_t now_ns)
{
	static const char *const levels[] = { "confirmed", "probable", "possible" };
	int64_t onset = value_int(json_object_get(report, "window"), "onset_ns", 0);
	const char *level = value_text(json_object_get(report, "confidence"), "level");
	int age = hurts_now(report) ? 0 : onset > now_ns - HOUR_NS ? 1 : 2;
	size_t doubt = 0;

	while (doubt < ARRAY_SIZE(levels) && strcmp(level, levels[doubt]))
		doubt++;
	return age * RANKS_OF_AN_AGE + severity * (int)(ARRAY_SIZE(levels) + 1) + (int)doubt;
}

static size_t count_cause(const json_t *list, const char *cause)
{
	const json_t *report;
	size_t i, n = 0;

	json_array_foreach ((json_t *)list, i, report)
		n += !strcmp(value_text(report, "cause"), cause);
	return n;
}

/* Those that hurt, the foremost first. */
static json_t *ranked(struct reader *r, int64_t now_ns)
{
	json_t *by_severity[] = { incidents(r, NULL, "critical"), incidents(r, NULL, "warning") }, *out = json_array(), *report;

	for (int at = 0; at < AGES * RANKS_OF_AN_AGE; at++)
		for (size_t s = 0; s < ARRAY_SIZE(by_severity); s++) {
			size_t i;

			json_array_foreach (by_severity[s], i, report)
				if (rank(report, (int)s, now_ns) == at)
					json_array_append(out, report);
		}
	for (size_t s = 0; s < ARRAY_SIZE(by_severity); s++)
		json_decref(by_severity[s]);
	return out;
}

/*
 * Two of each cause, then the others: one fault may make many wait, and must not hide another.  Notes, such as what
 * containers do to themselves, are behind all that hurt somebody.
 */
static json_t *foremost(struct reader *r, int64_t now_ns)
{
	json_t *hurt = ranked(r, now_ns), *notes = incidents(r, NULL, "info"), *out = json_array(), *others = json_array();
	json_t *report;
	size_t i;

	json_array_foreach (hurt, i, report)
		json_array_append(count_cause(out, value_text(report, "cause")) < OF_A_CAUSE ? out : others, report);
	json_array_extend(out, others);
	while (json_array_size(out) > INCIDENTS_MAX)
		json_array_remove(out, json_array_size(out) - 1);
	json_array_foreach (notes, i, report)
		if (json_array_size(out) < NOTES_UP_TO)
			json_array_append(out, report);
	json_decref(hurt);
	json_decref(notes);
	json_decref(others);
	return out;
}

/* One object per container from several lists of rows that name it. */
static json_t *container_entry(json_t *by_number, const json_t *row)
{
	char key[24];
	json_t *entry;

	snprintf(key, sizeof(key), "%" PRId64, value_int(row, "container", -1));
	entry = json_object_get(by_number, key);
	if (entry)
		return entry;
	entry = json_pack("{s:O?, s:O?, s:O?, s:{}, s:I}", "container", json_object_get(row, "container"), "name",
			  json_object_get(row, "name"), "ref", json_object_get(row, "ref"), "waits", "wait_sum",
			  (json_int_t)0);
	json_object_set_new(by_number, key, entry);
	return json_object_get(by_number, key);
}

static void add_waits(json_t *by_number, const json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach ((json_t *)rows, i, row) {
		json_t *entry = container_entry(by_number, row), *sum = json_object_get(entry, "wait_sum");

		json_object_set(json_object_get(entry, "waits"), value_text(row, "reason"),
				json_object_get(row, "wait_ns"));
		if (sum)
			json_integer_set(sum, json_integer_value(sum) + value_int(row, "wait_ns", 0));
	}
}

static void add_row(json_t *by_number, const json_t *rows, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach ((json_t *)rows, i, row)
		json_object_set(container_entry(by_number, row), name, row);
}

static void add_incidents(json_t *by_number, const json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach ((json_t *)rows, i, row) {
		json_t *entry = container_entry(by_number, row);

		if (!json_object_get(entry, "incidents"))
			json_object_set_new(entry, "incidents", json_object());
		json_object_set(json_object_get(entry, "incidents"), value_text(row, "cause"), json_object_get(row, "n"));
	}
}

static json_t *loads(struct reader *r)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *by_number = json_object(), *rows = NULL;

	if (list_waits(r, SPAN_NS, &rows, &err) >= 0)
		add_waits(by_number, rows);
	json_decref(rows);
	rows = NULL;
	if (list_usage(r, 0, SPAN_NS, &rows, &err) >= 0)
		add_row(by_number, rows, "usage");
	json_decref(rows);
	rows = NULL;
	if (list_pressure(r, 0, SPAN_NS, &rows, &err) >= 0)
		add_row(by_number, rows, "pressure");
	json_decref(rows);
	rows = NULL;
	if (list_losses(r, SPAN_NS, &rows, &err) >= 0)
		add_row(by_number, rows, "losses");
	json_decref(rows);
	rows = NULL;
	if (list_suffering(r, 0, &rows, &err) >= 0)
		add_incidents(by_number, rows);
	json_decref(rows);
	return by_number;
}

static int64_t weight(const json_t *entry)
{
	const json_t *usage = json_object_get(entry, "usage");

	/* Who has an incident comes first, then who waits, then who works. */
	if (json_object_get(entry, "incidents"))
		return INT64_MAX;
	return value_int(entry, "wait_sum", 0) * 16 + value_int(usage, "cpu_ns", 0);
}

static int by_weight(const void *a, const void *b)
{
	int64_t left = weight(*(json_t *const *)a), right = weight(*(json_t *const *)b);

	return left < right ? 1 : left > right ? -1 : 0;
}

/* The busiest containers as an array. */
static json_t *busiest(struct reader *r)
{
	json_t *by_number = loads(r), *out = json_array(), *entry;
	size_t n = json_object_size(by_number), i = 0;
	AUTO_FREE json_t **list = calloc(n ? n : 1, sizeof(json_t *));
	const char *key;

	json_object_foreach (by_number, key, entry)
		if (list && weight(entry) > 0)
			list[i++] = entry;
	if (list)
		qsort(list, i, sizeof(json_t *), by_weight);
	for (size_t j = 0; list && j < i && j < CONTAINERS_MAX; j++)
		json_array_append(out, list[j]);
	json_decref(by_number);
	return out;
}

static json_t *hours(const struct http_request *req)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *rows = NULL;

	if (list_hours(req->reader, req->now_ns - DAY_NS, &rows, &err) >= 0)
		return rows;
	json_decref(rows);
	return json_array();
}

static json_t *overview_model(const struct http_request *req)
{
	json_t *open = incidents(req->reader, "open", NULL), *item;
	int64_t wrong = 0;
	size_t i;

	json_array_foreach (open, i, item)
		wrong += hurts_now(item);
	json_decref(open);
	return json_pack("{s:I, s:o, s:o, s:o, s:o}", "open", (json_int_t)wrong, "incidents",
			 foremost(req->reader, req->now_ns), "containers", busiest(req->reader), "readiness",
			 list_readiness(req->reader, req->now_ns), "hours", hours(req));
}

static void verdict(struct strbuf *b, const json_t *model)
{
	const json_t *readiness = json_object_get(model, "readiness");
	int64_t open = value_int(model, "open", 0);
	bool watching = json_is_true(json_object_get(readiness, "ready"));
	bool blind = !value_int(json_object_get(readiness, "tick"), "bpf", 0);
	size_t missing = json_array_size(json_object_get(readiness, "missing"));

	strbuf_addstr(b, "<section class=\"hero\" aria-live=\"polite\">\n");
	if (!watching)
		strbuf_addstr(b, "<h1 class=\"verdict bad\"><span class=\"shape\" aria-hidden=\"true\">▲</span> Nobody "
				 "is watching</h1>"
				 "<p class=\"lead\">The collector does not run. What is shown here is what was stored "
				 "before.</p>\n");
	else if (open)
		strbuf_addf(
			b,
			"<h1 class=\"verdict bad\"><span class=\"shape\" aria-hidden=\"true\">▲</span> %" PRId64
			" incident%s open</h1><p class=\"lead\">Somebody on this host is made to wait, or fails.</p>\n",
			open, open == 1 ? "" : "s");
	else if (blind)
		strbuf_addstr(
			b, "<h1 class=\"verdict\"><span class=\"shape\" aria-hidden=\"true\">?</span> Nothing seen</h1>"
			   "<p class=\"lead\">Without BPF most of what one container does to another stays unseen: "
			   "that nothing was seen does not mean that nothing is wrong.</p>\n");
	else
		strbuf_addstr(b, "<h1 class=\"verdict good\"><span class=\"shape\" aria-hidden=\"true\">✓</span> "
				 "Nothing is wrong</h1>"
				 "<p class=\"lead\">No container waits unduly for another, a limit or a fault.</p>\n");
	if (watching && missing)
		strbuf_addf(b,
			    "<p class=\"warn\">%zu probe%s not fully attached: <a href=\"/agent\">what that leaves "
			    "unseen</a></p>\n",
			    missing, missing == 1 ? " is" : "s are");
	strbuf_addstr(b, "</section>\n");
}

static void load_table(struct strbuf *b, const json_t *rows)
{
	strbuf_addstr(b, "<section aria-labelledby=\"h-load\"><h2 id=\"h-load\">The last minute</h2>\n");
	if (!json_array_size(rows)) {
		page_empty(b, "Nothing measured yet.");
		strbuf_addstr(b, "</section>\n");
		return;
	}
	render_heat(b, rows, SPAN_NS);
	strbuf_addstr(b, "</section>\n");
}

static void health(struct strbuf *b, const json_t *readiness)
{
	const json_t *tick = json_object_get(readiness, "tick"), *states = json_object_get(readiness, "probes");
	const char *state;
	json_t *count;

	strbuf_addstr(b, "<section aria-labelledby=\"h-health\"><h2 id=\"h-health\"><a "
			 "href=\"/agent\">Agent</a></h2>\n<dl class=\"facts\">"
			 "<div><dt>Heartbeat</dt><dd>");
	html_time(b, value_int(tick, "ts_ns", 0));
	strbuf_addstr(b, "</dd></div><div><dt>Probes</dt><dd>");
	json_object_foreach ((json_t *)states, state, count) {
		strbuf_addf(b, "%" JSON_INTEGER_FORMAT " ", json_integer_value(count));
		strbuf_add_html(b, state);
		strbuf_addstr(b, "<br>");
	}
	strbuf_addf(b,
		    "</dd></div><div><dt>Records</dt><dd>%" PRId64 " stored, %" PRId64
		    " held back or lost</dd></div></dl></section>\n",
		    value_int(tick, "stored", 0), value_int(tick, "lost", 0));
}

int page_overview(const struct http_request *req, struct http_response *res)
{
	const struct page page = { .title = "Overview", .section = "/", .refresh = 5 };
	struct strbuf *b = &res->body;
	json_t *model = overview_model(req);

	if (!model)
		return http_problem(res, 503, "Out of memory.");
	marks_add(req, json_object_get(model, "incidents"));
	if (page_wants_json(req))
		return http_json(res, model);
	page_begin(res, &page);
	verdict(b, model);
	strbuf_addstr(b, "<section aria-labelledby=\"h-newest\"><h2 id=\"h-newest\"><a href=\"/incidents\">What matters "
			 "first</a></h2>\n");
	if (json_array_size(json_object_get(model, "incidents"))) {
		strbuf_addstr(b, "<p class=\"note\">What goes on, then what began within the last hour: the worst and surest "
				 "first, two of each cause before more of it. <a href=\"/incidents\">All, the newest first</a></p>\n");
		page_incident_rows(b, json_object_get(model, "incidents"));
	} else {
		page_empty(b, "No incident so far.");
	}
	strbuf_addstr(b, "</section>\n<section aria-labelledby=\"h-day\"><h2 id=\"h-day\">The last day</h2>\n");
	render_day(b, json_object_get(model, "hours"), req->now_ns);
	strbuf_addstr(b, "</section>\n");
	load_table(b, json_object_get(model, "containers"));
	health(b, json_object_get(model, "readiness"));
	page_end(res);
	json_decref(model);
	return 0;
}
