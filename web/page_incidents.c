/* SPDX-License-Identifier: Apache-2.0 */
/* The list of incidents: /incidents and /api/v1/incidents. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analyze/reports.h"
#include "web/html.h"
#include "web/lists.h"
#include "web/marks.h"
#include "web/page.h"
#include "web/routes.h"
#include "web/rows.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 500

static const char *const statuses[] = { "open", "resolved", NULL };
static const char *const handlings[] = { "acknowledged", "muted", "none", NULL };
static const char *const severities[] = { "info", "warning", "critical", NULL };

/* ULIDs are 26 characters of Crockford's alphabet; anything else never was an id. */
static bool is_id(const char *text)
{
	return strlen(text) == 26 && strspn(text, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == 26;
}

static int read_filter(const struct http_request *req, struct http_response *res, const struct marked *marked, bool api,
		       struct incident_filter *f)
{
	*f = (struct incident_filter){
		.acknowledged = marked->acknowledged,
		.muted = marked->muted,
		.cause = http_param(req, "cause"),
		.container = http_param(req, "container"),
		.before_id = http_param(req, "cursor"),
		.limit = LIMIT_DEFAULT,
		.brief = !api && !page_wants_json(req),
	};
	if (http_param_time(req, res, "since", &f->since_ns) || http_param_time(req, res, "until", &f->until_ns) ||
	    http_param_choice(req, res, "status", statuses, &f->status) ||
	    http_param_choice(req, res, "severity", severities, &f->severity) ||
	    http_param_choice(req, res, "handling", handlings, &f->handling) ||
	    http_param_int(req, res, "limit", 1, LIMIT_MAX, &f->limit))
		return -EINVAL;
	if (f->before_id && !is_id(f->before_id)) {
		snprintf(res->param, sizeof(res->param), "cursor");
		return http_problem(res, 400, "The parameter \"cursor\" must be the \"next\" of an earlier answer.");
	}
	return 0;
}

static int collect_report(void *ctx, const json_t *report)
{
	return json_array_append(ctx, (json_t *)report) ? -ENOMEM : 0;
}

static int unreadable(struct http_response *res, int64_t n)
{
	return http_problem(res, 503, "The store of incidents could not be read: %s", strerror((int)-n));
}

/* { items, next }: one row more than asked for is read to know whether there is a next page. */
static int incidents_model(const struct http_request *req, struct http_response *res, const struct marked *marked,
			   json_t **ret_model, struct incident_filter *ret_filter)
{
	struct incident_filter filter;
	json_t *items, *next = json_null();
	int64_t n, limit;

	if (read_filter(req, res, marked, false, &filter))
		return -EINVAL;
	*ret_filter = filter;
	limit = filter.limit++;
	n = reader_select_reports(req->reader);
	items = json_array();
	if (n >= 0)
		n = reports_each(req->reader, &filter, collect_report, items);
	if (n < 0) {
		json_decref(items);
		return unreadable(res, n);
	}
	if ((int64_t)json_array_size(items) > limit) {
		json_array_remove(items, (size_t)limit);
		next = json_string(value_text(json_array_get(items, (size_t)limit - 1), "id"));
	}
	*ret_model = json_pack("{s:o, s:o}", "items", items, "next", next);
	return *ret_model ? 0 : http_problem(res, 503, "Out of memory.");
}

struct written {
	struct strbuf *body;
	int64_t count, limit;
	char last[32]; /* id of the newest report written */
};

static int write_report(void *ctx, const char *id, const char *json, size_t len)
{
	struct written *w = ctx;

	if (++w->count > w->limit)
		return 0; /* that there is one more is all that is asked */
	if (w->count > 1)
		strbuf_addch(w->body, ',');
	strbuf_add(w->body, json, len);
	snprintf(w->last, sizeof(w->last), "%s", id);
	return 0;
}

/* As incidents_model(), but the reports are passed on as they are stored. */
int api_incidents(const struct http_request *req, struct http_response *res)
{
	AUTO(marked) struct marked marked = { 0 };
	struct written w = { .body = &res->body };
	struct incident_filter filter;
	int64_t n;

	marks_ids(req, &marked);
	if (read_filter(req, res, &marked, true, &filter))
		return -EINVAL;
	w.limit = filter.limit++;
	strbuf_addstr(&res->body, "{\"items\":[");
	n = reader_select_reports(req->reader);
	if (n >= 0)
		n = reports_each_text(req->reader, &filter, write_report, &w);
	if (n < 0)
		return unreadable(res, n);
	if (w.count > w.limit && is_id(w.last))
		strbuf_addf(&res->body, "],\"next\":\"%s\"}\n", w.last);
	else
		strbuf_addstr(&res->body, "],\"next\":null}\n");
	res->type = "application/json";
	return 0;
}

static void filter_form(struct strbuf *b, const struct http_request *req)
{
	strbuf_addstr(b, "<form class=\"filter\" method=\"get\" role=\"search\" aria-label=\"Filter\">\n");
	page_field(b, req, "container", "Container", "name, cgroup");
	page_field(b, req, "cause", "Cause", "cpu, io.neighbor");
	page_select(b, req, "severity", "Severity", severities);
	page_select(b, req, "status", "Status", statuses);
	page_select(b, req, "handling", "Handling", handlings);
	page_field(b, req, "since", "Since", "-1h, 10:01");
	page_field(b, req, "until", "Until", "now");
	strbuf_addstr(b, "<p class=\"actions\"><button>Show</button> <a href=\"/incidents\">All</a></p></form>\n");
}

/* The page's model has counts beside the list; without them it is still a page. */
static void add_facets(const struct http_request *req, const struct incident_filter *filter, json_t *model)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *rows = NULL;

	if (list_facets(req->reader, filter, &rows, &err) >= 0)
		json_object_set(model, "facets", rows);
	json_decref(rows);
}

static void facets(struct strbuf *b, const struct http_request *req, const json_t *rows)
{
	static const struct {
		const char *facet, *label;
	} lines[] = { { "severity", "Severity" }, { "status", "Status" }, { "handling", "Handling" },
		    { "cause", "Cause" } };
	json_t *row;
	size_t i;

	if (!json_array_size(rows))
		return;
	strbuf_addstr(b, "<div class=\"facets\" role=\"group\" aria-label=\"Narrow down\"><dl>\n");
	for (size_t line = 0; line < ARRAY_SIZE(lines); line++) {
		AUTO(strbuf) struct strbuf values = STRBUF_INIT;

		json_array_foreach ((json_t *)rows, i, row)
			if (!strcmp(value_text(row, "facet"), lines[line].facet))
				page_facet(&values, req, lines[line].facet, row);
		if (values.len)
			strbuf_addf(b, "<div><dt>%s</dt><dd><ul>%s</ul></dd></div>\n", lines[line].label, strbuf_str(&values));
	}
	strbuf_addstr(b, "</dl></div>\n");
}

int page_incidents(const struct http_request *req, struct http_response *res)
{
	const bool newest = !http_param(req, "cursor") && !http_param(req, "until");
	const struct page page = { .title = "Incidents", .section = "/incidents", .refresh = newest ? 5 : 0, .on_incident = true };
	struct strbuf *b = &res->body;
	const char *next;
	AUTO(marked) struct marked marked = { 0 };
	struct incident_filter filter;
	json_t *model = NULL;
	int r;

	if (!page_wants_json(req) && page_absolute_times(req, res))
		return 0;
	marks_ids(req, &marked);
	r = incidents_model(req, res, &marked, &model, &filter);
	if (!r)
		add_facets(req, &filter, model);
	if (!r)
		marks_add(req, json_object_get(model, "items"));
	if (r || page_wants_json(req))
		return r ? r : http_json(res, model);
	page_begin(res, &page);
	strbuf_addstr(b, "<h1>Incidents</h1>\n");
	filter_form(b, req);
	facets(b, req, json_object_get(model, "facets"));
	strbuf_addstr(b, "<h2 class=\"unseen\">Those found</h2>\n");
	if (json_array_size(json_object_get(model, "items")))
		page_incident_rows(b, json_object_get(model, "items"));
	else
		page_empty(b, req->param_count ? "No incident matches this." : "No incident so far.");
	next = value_text(model, "next");
	if (*next) {
		AUTO(strbuf) struct strbuf query = STRBUF_INIT;

		page_query_without(&query, req, "cursor", NULL);
		strbuf_addstr(b, "<p class=\"pager\"><a rel=\"next\" href=\"/incidents?");
		strbuf_add_html(b, strbuf_str(&query));
		strbuf_addf(b, "cursor=%s\">Older incidents →</a></p>\n", next);
	}
	page_end(res);
	json_decref(model);
	return 0;
}
