/* SPDX-License-Identifier: Apache-2.0 */
/* Identities at a moment: /containers and /api/v1/containers. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/html.h"
#include "web/lists.h"
#include "web/page.h"
#include "web/routes.h"
#include "web/rows.h"

static int containers_rows(const struct http_request *req, struct http_response *res, json_t **ret_rows)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	int64_t at = 0, n;

	if (http_param_time(req, res, "at", &at))
		return -EINVAL;
	n = list_containers(req->reader, at, ret_rows, &err);
	if (n == -ENODATA)
		*ret_rows = json_array();
	else if (n >= 0)
		list_state(req->reader, at, *ret_rows);
	return n < 0 && n != -ENODATA ? rows_problem(res, n, &err) : 0;
}

int api_containers(const struct http_request *req, struct http_response *res)
{
	json_t *rows = NULL;
	int r = containers_rows(req, res, &rows);

	return r ? r : http_json(res, json_pack("{s:o, s:n}", "items", rows, "next"));
}

#define DEPTH_MAX 8
#define ANCESTORS_MAX 64

/* The rows by their container's number, borrowed by the name. */
static json_t *by_number(const json_t *rows)
{
	json_t *out = json_object(), *row;
	char key[24];
	size_t i;

	json_array_foreach ((json_t *)rows, i, row) {
		value_key(key, sizeof(key), row, "container");
		json_object_set(out, key, row);
	}
	return out;
}

/* A path comes right before those beneath it: '/' sorts before all else. */
static int by_path(const void *a, const void *b)
{
	const char *x = value_text(*(json_t *const *)a, "cgroup"), *y = value_text(*(json_t *const *)b, "cgroup");

	while (*x && *x == *y) {
		x++;
		y++;
	}
	if (*x == *y)
		return 0;
	return !*x || !*y ? *x - *y : *x == '/' ? -1 : *y == '/' ? 1 : (unsigned char)*x - (unsigned char)*y;
}

static bool shown(const json_t *row, bool all)
{
	return all || strcmp(value_text(row, "kind"), "cgroup");
}

/* How many of those above it are shown, the host left out. */
static unsigned int depth_of(const json_t *items, const json_t *row, bool all)
{
	unsigned int depth = 0;
	char key[24];

	for (int i = 0; i < ANCESTORS_MAX && value_int(row, "parent", 0) > 0; i++) {
		value_key(key, sizeof(key), row, "parent");
		row = json_object_get(items, key);
		if (!row)
			break;
		depth += shown(row, all);
	}
	return depth < DEPTH_MAX ? depth : DEPTH_MAX;
}

/* "used of limit", with a bar when there is a limit. */
static void used_cell(struct strbuf *b, double used, double limit, const char *unit)
{
	AUTO(strbuf) struct strbuf label = STRBUF_INIT;

	strbuf_addstr(b, "<td class=\"num\">");
	if (isnan(used)) {
		strbuf_addstr(b, "<span class=\"none\">–</span></td>");
		return;
	}
	text_quantity(&label, used, unit);
	if (isnan(limit) || limit <= 0) {
		strbuf_add_html(b, strbuf_str(&label));
	} else {
		strbuf_addstr(&label, " of ");
		text_quantity(&label, limit, unit);
		html_meter(b, used / limit, strbuf_str(&label));
	}
	strbuf_addstr(b, "</td>");
}

static void pressure_cell(struct strbuf *b, const json_t *pressure)
{
	static const struct {
		const char *key, *label;
	} kinds[] = { { "cpu_some_ns", "CPU" }, { "memory_some_ns", "memory" }, { "io_some_ns", "I/O" } };
	double span = value_number(pressure, "span_ns");
	bool any = false;

	strbuf_addstr(b, "<td class=\"pressure\">");
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && span > 0; i++) {
		double share = value_number(pressure, kinds[i].key) / span;

		if (!(share >= 0.01))
			continue;
		strbuf_addf(b, "%s%s %.0f %%", any ? "<br>" : "", kinds[i].label, share * 100);
		any = true;
	}
	strbuf_addstr(b, any ? "</td>" : span > 0 ? "none</td>" : "<span class=\"none\">–</span></td>");
}

static void open_cell(struct strbuf *b, const json_t *c)
{
	AUTO(strbuf) struct strbuf href = STRBUF_INIT;
	int64_t n = value_int(c, "open", 0);

	strbuf_addstr(b, "<td>");
	if (n) {
		http_url_encode(&href, container_label(c));
		strbuf_addf(b,
			    "<a class=\"hit\" href=\"/incidents?status=open&amp;container=%s\"><span aria-hidden=\"true\">▲"
			    "</span> %" PRId64 " open</a>",
			    strbuf_str(&href), n);
	}
	strbuf_addstr(b, "</td>");
}

static void state_cells(struct strbuf *b, const json_t *c)
{
	const json_t *usage = json_object_get(c, "usage");
	double span = value_number(usage, "span_ns"), cpus = span > 0 ? value_number(usage, "cpu_ns") / span : NAN;

	open_cell(b, c);
	used_cell(b, round(cpus * 100) / 100, value_number(usage, "cpu_limit"), "count");
	used_cell(b, value_number(usage, "memory_bytes"), value_number(usage, "memory_limit_bytes"), "bytes");
	used_cell(b, value_number(usage, "pids"), value_number(usage, "pids_limit"), "count");
	pressure_cell(b, json_object_get(c, "pressure"));
}

static void name_cell(struct strbuf *b, const json_t *c, unsigned int depth)
{
	strbuf_addf(b, "<th scope=\"row\" class=\"d%u\">%s", depth,
		    depth ? "<span class=\"branch\" aria-hidden=\"true\">└</span>" : "");
	page_container_link(b, container_label(c));
	if (strcmp(value_text(c, "cgroup"), container_label(c))) {
		strbuf_addstr(b, "<br><small class=\"path\">");
		strbuf_add_html(b, value_text(c, "cgroup"));
		strbuf_addstr(b, "</small>");
	}
	strbuf_addstr(b, "</th>");
}

static void processes(struct strbuf *b, const json_t *c)
{
	const json_t *list = json_object_get(c, "processes"), *process;
	size_t i;

	if (!json_array_size(list))
		return;
	strbuf_addf(b, "<details><summary>%zu process%s at work</summary><ul>", json_array_size(list),
		    json_array_size(list) == 1 ? "" : "es");
	json_array_foreach ((json_t *)list, i, process) {
		strbuf_addstr(b, "<li>");
		strbuf_add_html(b, value_text(process, "comm"));
		strbuf_addf(b, " <small>%" PRId64 "</small></li>", value_int(process, "pid", 0));
	}
	strbuf_addstr(b, "</ul></details>");
}

static void container_row(struct strbuf *b, const json_t *c, unsigned int depth)
{
	static const char *const keys[] = { "runtime", "pod", "image" };

	strbuf_addstr(b, "<tr>");
	name_cell(b, c, depth);
	state_cells(b, c);
	strbuf_addstr(b, "<td><a href=\"/containers/");
	strbuf_add_html(b, value_text(c, "ref"));
	strbuf_addstr(b, "\">");
	strbuf_add_html(b, value_text(c, "kind"));
	strbuf_addstr(b, "</a> <small>");
	strbuf_add_html(b, value_text(c, "state"));
	strbuf_addstr(b, "</small>");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!*value_text(c, keys[i]))
			continue;
		strbuf_addstr(b, "<small class=\"line\">");
		strbuf_add_html(b, value_text(c, keys[i]));
		strbuf_addstr(b, "</small>");
	}
	processes(b, c);
	strbuf_addstr(b, "</td><td>");
	html_time(b, value_int(c, "first_ns", 0));
	if (value_int(c, "last_ns", 0)) {
		strbuf_addstr(b, "<small class=\"line\">gone ");
		html_time(b, value_int(c, "last_ns", 0));
		strbuf_addstr(b, "</small>");
	}
	strbuf_addstr(b, "</td></tr>\n");
}

/* In the order of the tree, whichever are shown. */
static void tree_rows(struct strbuf *b, const json_t *rows, bool all)
{
	size_t i, n = 0;
	AUTO_FREE json_t **list = calloc(json_array_size(rows) + 1, sizeof(json_t *));
	json_t *items = by_number(rows), *row;

	if (list) {
		json_array_foreach ((json_t *)rows, i, row)
			if (shown(row, all))
				list[n++] = row;
		qsort(list, n, sizeof(json_t *), by_path);
	}
	for (i = 0; i < n; i++)
		container_row(b, list[i], depth_of(items, list[i], all));
	json_decref(items);
}

static void containers_table(struct strbuf *b, const json_t *rows, bool all)
{
	size_t i, hidden = 0;
	json_t *row;

	strbuf_addstr(b, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Containers\"><table "
			 "class=\"tree\"><thead><tr><th scope=\"col\">Name</th>"
			 "<th scope=\"col\">Incidents</th><th scope=\"col\" class=\"num\">CPUs</th>"
			 "<th scope=\"col\" class=\"num\">Memory</th><th scope=\"col\" class=\"num\">Tasks</th>"
			 "<th scope=\"col\">Pressure</th><th scope=\"col\">What</th><th scope=\"col\">First seen</th>"
			 "</tr></thead><tbody>\n");
	tree_rows(b, rows, all);
	strbuf_addstr(b, "</tbody></table></div>\n");
	json_array_foreach ((json_t *)rows, i, row)
		hidden += !shown(row, all);
	if (hidden)
		strbuf_addf(b, "<p class=\"note\">%zu cgroups that no container runtime claims are not shown.</p>\n",
			    hidden);
	strbuf_addstr(b, "<p class=\"note\">Use, limits in force, pressure and processes at work are those of the minute before; "
			 "pressure below 1 % is none. Incidents: open then, above info.</p>\n");
}

/* Where no runtime is at work plain cgroups are all there is to see. */
static bool any_container(const json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach ((json_t *)rows, i, row)
		if (!strcmp(value_text(row, "kind"), "container"))
			return true;
	return false;
}

int page_containers(const struct http_request *req, struct http_response *res)
{
	static const char *const shows[] = { "containers", "all", NULL };
	const struct page page = { .title = "Containers", .section = "/containers" };
	struct strbuf *b = &res->body;
	const char *show = NULL;
	json_t *rows = NULL;
	int r;

	if (!page_wants_json(req) && page_absolute_times(req, res))
		return 0;
	if (http_param_choice(req, res, "show", shows, &show))
		return -EINVAL;
	r = containers_rows(req, res, &rows);
	if (r || page_wants_json(req))
		return r ? r : http_json(res, json_pack("{s:o, s:n}", "items", rows, "next"));
	page_begin(res, &page);
	strbuf_addstr(
		b,
		"<h1>Containers</h1>\n<p class=\"lead\">Who existed at a moment. Names outlive their container.</p>\n"
		"<form class=\"filter\" method=\"get\" role=\"search\" aria-label=\"Filter\">\n");
	page_field(b, req, "at", "At", "now, -1h, 10:01");
	page_select(b, req, "show", "Which", shows);
	strbuf_addstr(b, "<p class=\"actions\"><button>Show</button></p></form>\n");
	if (json_array_size(rows))
		containers_table(b, rows, show ? !strcmp(show, "all") : !any_container(rows));
	else
		page_empty(b, "Nobody is known for that moment.");
	page_end(res);
	json_decref(rows);
	return 0;
}
