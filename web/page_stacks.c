/* SPDX-License-Identifier: Apache-2.0 */
/* Flame graphs of CPU time and of waits: /stacks and /api/v1/stacks. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/html.h"
#include "web/page.h"
#include "web/render_flame.h"
#include "web/routes.h"
#include "web/rows.h"
#include "web/stacks.h"

#define SPAN_NS (60 * NSEC_PER_SEC)

static const char *const kinds[] = { "cpu", "wait", NULL };
static const char *const formats[] = { "html", "json", "folded", NULL };

struct model {
	struct stacks_filter filter;
	struct flame *flame;
	unsigned int zoom;
	int windows;
	const char *format;
};

/* A window that is not given ends with the newest record and lasts a minute. */
static int read_window(const struct http_request *req, struct http_response *res, struct stacks_filter *f)
{
	int64_t first, last = req->now_ns;

	if (http_param_time(req, res, "from", &f->from_ns) || http_param_time(req, res, "to", &f->to_ns) ||
	    http_param_time(req, res, "base_from", &f->base_from_ns) ||
	    http_param_time(req, res, "base_to", &f->base_to_ns))
		return -EINVAL;
	if (!f->to_ns && !f->from_ns)
		f->to_ns = reader_bounds(req->reader, &first, &last) == 0 ? last : req->now_ns;
	if (!f->to_ns)
		f->to_ns = f->from_ns + SPAN_NS;
	if (!f->from_ns)
		f->from_ns = f->to_ns - SPAN_NS;
	if (f->base_from_ns && !f->base_to_ns)
		f->base_to_ns = f->base_from_ns + (f->to_ns - f->from_ns);
	if (f->base_to_ns && !f->base_from_ns)
		f->base_from_ns = f->base_to_ns - (f->to_ns - f->from_ns);
	if (f->from_ns >= f->to_ns || (f->base_to_ns && f->base_from_ns >= f->base_to_ns))
		return http_problem(res, 400, "A window must begin before it ends.");
	return 0;
}

static int read_zoom(const struct http_request *req, struct http_response *res, struct model *m)
{
	const char *text = http_param(req, "zoom");
	uint64_t id;
	char *end;

	if (!text)
		return 0;
	errno = 0;
	id = strtoull(text, &end, 16);
	if (errno || *end || text[strspn(text, "0123456789abcdef")]) {
		snprintf(res->param, sizeof(res->param), "zoom");
		return http_problem(res, 400, "The parameter \"zoom\" must be the \"id\" of a box.");
	}
	m->zoom = flame_find(m->flame, id); /* one that is not in this window shows all of it */
	return 0;
}

static int read_model(const struct http_request *req, struct http_response *res, struct model *m)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	const char *kind = kinds[0];
	int64_t r;

	*m = (struct model){ .format = formats[0], .filter.container = http_param(req, "container") };
	if (http_param_choice(req, res, "of", kinds, &kind) ||
	    http_param_choice(req, res, "format", formats, &m->format) || read_window(req, res, &m->filter))
		return -EINVAL;
	m->filter.waits = !strcmp(kind, "wait");
	m->windows = m->filter.base_to_ns ? 2 : 1;
	r = stacks_read(req->reader, &m->filter, &m->flame, &err);
	if (r)
		return rows_problem(res, r, &err);
	if (read_zoom(req, res, m)) {
		flame_free(m->flame);
		m->flame = NULL;
		return -EINVAL;
	}
	return 0;
}

static void set_ns(json_t *object, const char *key, int64_t ns)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, ns);
	json_object_set_new(object, key, json_string(text));
}

static int answer_json(struct http_response *res, const struct model *m)
{
	const struct stacks_filter *f = &m->filter;
	json_t *answer = json_pack("{s:s, s:s?}", "of", f->waits ? "wait" : "cpu", "container", f->container);

	if (!answer)
		return http_problem(res, 503, "Out of memory.");
	set_ns(answer, "from_ns", f->from_ns);
	set_ns(answer, "to_ns", f->to_ns);
	if (m->windows > 1) {
		set_ns(answer, "base_from_ns", f->base_from_ns);
		set_ns(answer, "base_to_ns", f->base_to_ns);
	}
	set_ns(answer, "left_out_ns", flame_lost_ns(m->flame));
	json_object_set_new(answer, "tree", flame_json(m->flame, m->zoom, m->windows));
	return http_json(res, answer);
}

static int answer_folded(struct http_response *res, const struct model *m)
{
	res->type = "text/plain; charset=utf-8";
	snprintf(res->filename, sizeof(res->filename), "kwhy-%s-%" PRId64 ".folded", m->filter.waits ? "wait" : "cpu",
		 m->filter.from_ns);
	flame_folded(m->flame, m->windows, &res->body);
	return 0;
}

int api_stacks(const struct http_request *req, struct http_response *res)
{
	struct model m;
	int r = read_model(req, res, &m);

	if (r)
		return r;
	r = !strcmp(m.format, "folded") ? answer_folded(res, &m) : answer_json(res, &m);
	flame_free(m.flame);
	return r;
}

/* ---- the page ---------------------------------------------------------------------------------------------------- */

static void time_param(struct strbuf *b, const char *name, int64_t ns)
{
	if (ns)
		strbuf_addf(b, "%s=%" PRId64 "&amp;", name, ns);
}

/* The address of this very graph, up to the parameter that may follow. */
static void permanent(struct strbuf *b, const struct model *m)
{
	const struct stacks_filter *f = &m->filter;

	strbuf_addf(b, "/stacks?of=%s&amp;", f->waits ? "wait" : "cpu");
	if (f->container) {
		strbuf_addstr(b, "container=");
		http_url_encode(b, f->container);
		strbuf_addstr(b, "&amp;");
	}
	time_param(b, "from", f->from_ns);
	time_param(b, "to", f->to_ns);
	time_param(b, "base_from", f->base_from_ns);
	time_param(b, "base_to", f->base_to_ns);
}

static void form(struct strbuf *b, const struct http_request *req, const struct model *m)
{
	strbuf_addf(b, "<form class=\"filter\" method=\"get\" role=\"search\" aria-label=\"Filter\">\n<label>Of<select "
		       "name=\"of\"><option value=\"cpu\">CPU time</option><option value=\"wait\"%s>waits</option>"
		       "</select></label>\n",
		    m->filter.waits ? " selected" : "");
	page_field(b, req, "container", "Container", "name, id, cgroup");
	page_field(b, req, "from", "From", "-5min, 10:01");
	page_field(b, req, "to", "To", "now");
	page_field(b, req, "base_from", "Compare from", "-10min");
	page_field(b, req, "base_to", "Compare to", "-5min");
	strbuf_addstr(b, "<p class=\"actions\"><button>Show</button> <a href=\"/stacks\">All</a></p></form>\n");
}

static void window(struct strbuf *b, int64_t from_ns, int64_t to_ns)
{
	html_time(b, from_ns);
	strbuf_addstr(b, " to ");
	html_time(b, to_ns);
}

static void lead(struct strbuf *b, const struct model *m)
{
	const struct stacks_filter *f = &m->filter;
	const struct flame_node *all = flame_node(m->flame, 0);

	strbuf_addstr(b, "<p class=\"lead\">");
	html_span(b, all->ns[FLAME_NOW]);
	strbuf_addstr(b, f->waits ? " of waiting, summed over tasks, " : " of CPU time, estimated from samples, ");
	window(b, f->from_ns, f->to_ns);
	if (m->windows > 1) {
		strbuf_addstr(b, "; compared with ");
		html_span(b, all->ns[FLAME_BASE]);
		strbuf_addstr(b, " from ");
		window(b, f->base_from_ns, f->base_to_ns);
	}
	strbuf_addstr(b, ".</p>\n");
}

static void links(struct strbuf *b, const struct model *m, const char *link)
{
	strbuf_addf(b, "<p class=\"pager\"><a href=\"%s\">Permanent address of this graph</a> <a href=\"%sformat=folded\">"
		       "Folded stacks</a> <a href=\"%sformat=json\">JSON</a></p>\n",
		    link, link, link);
	if (flame_lost_ns(m->flame)) {
		strbuf_addstr(b, "<p class=\"note\">There was no room for ");
		html_span(b, flame_lost_ns(m->flame));
		strbuf_addstr(b, " in the smallest stacks: select a container or less time.</p>\n");
	}
}

static void body(struct strbuf *b, const struct model *m)
{
	const struct flame_node *all = flame_node(m->flame, 0);
	AUTO(strbuf) struct strbuf link = STRBUF_INIT, zoom = STRBUF_INIT;

	if (!all->ns[FLAME_NOW] && !all->ns[FLAME_BASE]) {
		page_empty(b, m->filter.waits ? "Nobody waited in this window, or nothing is stored of it." :
						"No stack was taken in this window: nothing ran, nothing is stored of it, or "
						"the probe profile is off.");
		return;
	}
	permanent(&link, m);
	strbuf_addf(&zoom, "%szoom=", strbuf_str(&link));
	if (m->zoom)
		render_flame_path(b, m->flame, m->zoom, strbuf_str(&zoom));
	render_flame(b, m->flame, m->zoom, m->windows, strbuf_str(&zoom),
		     m->filter.waits ? "Waiting by stack" : "CPU time by stack");
	links(b, m, strbuf_str(&link));
	render_flame_top(b, m->flame, m->zoom, m->windows);
}

static void answer_page(const struct http_request *req, struct http_response *res, const struct model *m)
{
	const struct page page = { .title = "Stacks", .section = "/stacks" };

	page_begin(res, &page);
	strbuf_addstr(&res->body, "<h1>Stacks</h1>\n");
	lead(&res->body, m);
	form(&res->body, req, m);
	body(&res->body, m);
	page_end(res);
}

int page_stacks(const struct http_request *req, struct http_response *res)
{
	struct model m;
	int r;

	if (!page_wants_json(req) && page_absolute_times(req, res))
		return 0;
	r = read_model(req, res, &m);
	if (r)
		return r;
	if (!strcmp(m.format, "json"))
		r = answer_json(res, &m);
	else if (!strcmp(m.format, "folded"))
		r = answer_folded(res, &m);
	else
		answer_page(req, res, &m);
	flame_free(m.flame);
	return r;
}
