/* SPDX-License-Identifier: Apache-2.0 */
/* Identities at a moment: /containers and /api/v1/containers. */
#include <errno.h>
#include <string.h>

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
	return n < 0 && n != -ENODATA ? rows_problem(res, n, &err) : 0;
}

int api_containers(const struct http_request *req, struct http_response *res)
{
	json_t *rows = NULL;
	int r = containers_rows(req, res, &rows);

	return r ? r : http_json(res, json_pack("{s:o, s:n}", "items", rows, "next"));
}

static void container_row(struct strbuf *b, const json_t *c)
{
	static const char *const keys[] = { "kind", "runtime", "pod", "image" };

	strbuf_addstr(b, "<tr><th scope=\"row\">");
	page_container_link(b, container_label(c));
	if (strcmp(value_text(c, "cgroup"), container_label(c))) {
		strbuf_addstr(b, "<br><small class=\"path\">");
		strbuf_add_html(b, value_text(c, "cgroup"));
		strbuf_addstr(b, "</small>");
	}
	strbuf_addstr(b, "</th>");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		strbuf_addstr(b, "<td>");
		strbuf_add_html(b, value_text(c, keys[i]));
		strbuf_addstr(b, "</td>");
	}
	strbuf_addstr(b, "<td>");
	html_time(b, value_int(c, "first_ns", 0));
	strbuf_addstr(b, "</td><td>");
	if (value_int(c, "last_ns", 0))
		html_time(b, value_int(c, "last_ns", 0));
	else
		strbuf_addstr(b, "still there");
	strbuf_addstr(b, "</td></tr>\n");
}

static void containers_table(struct strbuf *b, const json_t *rows, bool all)
{
	size_t i, hidden = 0;
	json_t *row;

	strbuf_addstr(
		b, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Containers\"><table><thead><tr>"
		   "<th scope=\"col\">Name</th><th scope=\"col\">Kind</th><th scope=\"col\">Runtime</th>"
		   "<th scope=\"col\">Pod</th><th scope=\"col\">Image</th><th scope=\"col\">First seen</th>"
		   "<th scope=\"col\">Gone</th></tr></thead><tbody>\n");
	json_array_foreach ((json_t *)rows, i, row) {
		if (all || strcmp(value_text(row, "kind"), "cgroup"))
			container_row(b, row);
		else
			hidden++;
	}
	strbuf_addstr(b, "</tbody></table></div>\n");
	if (hidden)
		strbuf_addf(b, "<p class=\"note\">%zu cgroups that no container runtime claims are not shown.</p>\n",
			    hidden);
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
