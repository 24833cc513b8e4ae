/* SPDX-License-Identifier: Apache-2.0 */
/* One container, and who said what of it when: /containers/{id} and /api/v1/containers/{id}. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/html.h"
#include "web/lists.h"
#include "web/page.h"
#include "web/routes.h"
#include "web/rows.h"

static int find_container(const struct http_request *req, struct http_response *res, json_t **ret_container)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *rows = NULL;
	int64_t n = list_container(req->reader, req->arg, &rows, &err);
	int r;

	if (n > 0)
		list_state(req->reader, value_int(json_array_get(rows, 0), "last_ns", 0), rows);
	if (n > 0)
		n = list_history(req->reader, 0, rows, &err);
	*ret_container = json_incref(json_array_get(rows, 0));
	if (!*ret_container)
		r = n < 0 ? rows_problem(res, n, &err) :
			    http_problem(res, 404, "Nobody is known by the name \"%s\".", req->arg);
	else
		r = 0;
	json_decref(rows);
	return r;
}

int api_container(const struct http_request *req, struct http_response *res)
{
	json_t *container = NULL;
	int r = find_container(req, res, &container);

	return r ? r : http_json(res, container);
}

/* What is believed: rows of field, value and the source that said it. */
static json_t *believed(const json_t *container)
{
	json_t *rows = json_array(), *fact;
	const char *field;

	json_object_foreach (json_object_get(container, "facts"), field, fact)
		json_array_append_new(rows, json_pack("{s:s, s:O, s:O}", "field", field, "value", json_array_get(fact, 1),
						      "source", json_array_get(fact, 0)));
	return rows;
}

/* Limits in force: rows of limit and value. */
static json_t *limits_of(const json_t *container)
{
	json_t *rows = json_array(), *value;
	const char *limit;

	json_object_foreach (json_object_get(container, "limits"), limit, value)
		json_array_append_new(rows, json_pack("{s:s, s:O}", "limit", limit, "value", value));
	return rows;
}

static void table(struct strbuf *b, const json_t *rows, const char *title, const char *none)
{
	strbuf_addstr(b, "<section><h2>");
	strbuf_add_html(b, title);
	strbuf_addstr(b, "</h2>\n");
	if (json_array_size(rows))
		html_rows_table(b, rows, title);
	else
		page_empty(b, none);
	strbuf_addstr(b, "</section>\n");
}

static void container_facts(struct strbuf *b, const json_t *c)
{
	static const struct {
		const char *key, *title;
	} texts[] = { { "kind", "kind" }, { "state", "state" }, { "exit_reason", "ended by" }, { "outer", "inside" },
		      { "cgroup", "cgroup" }, { "ref", "ref" } };

	strbuf_addstr(b, "<dl class=\"facts\">");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (!*value_text(c, texts[i].key))
			continue;
		strbuf_addf(b, "<div><dt>%s</dt><dd>", texts[i].title);
		strbuf_add_html(b, value_text(c, texts[i].key));
		strbuf_addstr(b, "</dd></div>");
	}
	strbuf_addstr(b, "<div><dt>first seen</dt><dd>");
	html_time(b, value_int(c, "first_ns", 0));
	strbuf_addstr(b, "</dd></div><div><dt>gone</dt><dd>");
	if (value_int(c, "last_ns", 0))
		html_time(b, value_int(c, "last_ns", 0));
	else
		strbuf_addstr(b, "still there");
	strbuf_addstr(b, "</dd></div></dl>\n");
}

/* Where else it is shown; of one that is gone, at its end. */
static void elsewhere(struct strbuf *b, const json_t *c)
{
	static const struct {
		const char *path, *from, *to, *text;
		int64_t span_ns;
	} pages[] = {
		{ "/incidents", "since", "until", "Incidents", 0 },
		{ "/observe", "since", "until", "Charts", 10 * 60 * NSEC_PER_SEC },
		{ "/events", "since", "until", "Events", 0 },
		{ "/stacks", "from", "to", "Stacks", 60 * NSEC_PER_SEC },
		{ "/why", "since", "until", "Diagnose its last minute", 60 * NSEC_PER_SEC },
	};
	int64_t gone = value_int(c, "last_ns", 0);
	AUTO(strbuf) struct strbuf ref = STRBUF_INIT;

	http_url_encode(&ref, value_text(c, "ref"));
	strbuf_addstr(b, "<p class=\"spans\">");
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		strbuf_addf(b, "<a href=\"%s?container=%s", pages[i].path, strbuf_str(&ref));
		if (gone && pages[i].span_ns)
			strbuf_addf(b, "&amp;%s=%" PRId64 "&amp;%s=%" PRId64, pages[i].from, gone - pages[i].span_ns, pages[i].to,
				    gone);
		strbuf_addf(b, "\">%s</a> ", pages[i].text);
	}
	strbuf_addstr(b, "</p>\n");
}

int page_container(const struct http_request *req, struct http_response *res)
{
	struct page page = { .section = "/containers" };
	struct strbuf *b = &res->body;
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *container = NULL, *facts, *limits, *tasks = NULL;
	int r = find_container(req, res, &container);

	if (r || page_wants_json(req))
		return r ? r : http_json(res, container);
	facts = believed(container);
	limits = limits_of(container);
	list_tasks(req->reader, value_int(container, "container", 0), &tasks, &err);
	page.title = container_label(container);
	page_begin(res, &page);
	strbuf_addstr(b, "<h1>");
	strbuf_add_html(b, page.title);
	strbuf_addstr(b, "</h1>\n");
	container_facts(b, container);
	elsewhere(b, container);
	table(b, facts, "What is known", "Nobody has said anything of it; its cgroup's path is all there is.");
	table(b, limits, "Limits in force", "None was seen.");
	table(b, tasks, "Processes that events named", "No event has named one.");
	table(b, json_object_get(container, "history"), "Who said what, and when",
	      "No source has said anything within the files that are left.");
	page_end(res);
	json_decref(facts);
	json_decref(limits);
	json_decref(tasks);
	json_decref(container);
	return 0;
}
