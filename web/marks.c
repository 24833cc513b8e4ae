/* SPDX-License-Identifier: Apache-2.0 */
/* Acknowledging and muting: forms of /incidents/{id}, and /api/v1/incidents/{id}/marks. */
#include "web/marks.h"

#include <errno.h>
#include <string.h>

#include "analyze/alertstore.h"
#include "analyze/reports.h"
#include "analyze/silences.h"
#include "base/timeutil.h"
#include "web/body.h"
#include "web/html.h"
#include "web/page.h"
#include "web/routes.h"
#include "web/rows.h"
#include "web/web.h"

#define MUTE_USUAL "1h"

/* ---- reading --------------------------------------------------------------------------------------------- */

/* Those of one incident, oldest first; incident NULL: the newest of each. */
static json_t *read_marks(const struct http_request *req, const char *incident)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct alertstore *store;
	json_t *rows = NULL;

	if (alertstore_open(web_options(req->web)->state_dir, false, &store, &err))
		return json_array();
	alertstore_marks(store, incident, &rows);
	alertstore_free(store);
	return rows ? rows : json_array();
}

static bool holds(const json_t *mark, int64_t now_ns)
{
	const char *what = value_text(mark, "what");

	return !strcmp(what, "acknowledged") || (!strcmp(what, "muted") && value_int(mark, "until_ns", 0) > now_ns);
}

void marks_add(const struct http_request *req, json_t *reports)
{
	json_t *marks = read_marks(req, NULL), *by_id = json_object(), *row;
	size_t i;

	json_array_foreach (marks, i, row)
		if (holds(row, req->now_ns))
			json_object_set(by_id, value_text(row, "incident"), row);
	json_array_foreach (reports, i, row)
		json_object_set(row, "mark", json_object_get(by_id, value_text(row, "id")));
	json_decref(by_id);
	json_decref(marks);
}

void marks_ids(const struct http_request *req, struct marked *ret)
{
	json_t *marks = read_marks(req, NULL), *acknowledged = json_array(), *muted = json_array(), *row;
	size_t i;

	json_array_foreach (marks, i, row)
		if (holds(row, req->now_ns))
			json_array_append(strcmp(value_text(row, "what"), "muted") ? acknowledged : muted,
					  json_object_get(row, "incident"));
	*ret = (struct marked){ json_dumps(acknowledged, JSON_COMPACT), json_dumps(muted, JSON_COMPACT) };
	json_decref(acknowledged);
	json_decref(muted);
	json_decref(marks);
}

void marked_cleanup(struct marked *m)
{
	free(m->acknowledged);
	free(m->muted);
}

/* ---- adding ---------------------------------------------------------------------------------------------- */

struct wish {
	const char *what, *author, *comment, *lasts; /* lasts: a span, of a mute */
	char silence[32];
	int64_t until_ns;
};

static int exists(const struct http_request *req, struct http_response *res)
{
	json_t *report = NULL;
	int r = reader_select_reports(req->reader);

	if (r >= 0)
		r = reports_get(req->reader, req->arg, 0, &report);
	json_decref(report);
	return r < 0 ? http_problem(res, 404, "There is no incident \"%s\".", req->arg) : 0;
}

static int check_wish(const struct http_request *req, struct http_response *res, struct wish *w)
{
	static const char *const all[] = { "acknowledged", "muted", "taken_back" };
	int64_t span;
	size_t i = 0;

	while (i < ARRAY_SIZE(all) && strcmp(all[i], w->what))
		i++;
	if (i == ARRAY_SIZE(all))
		return http_problem(res, 422, "\"what\" is acknowledged, muted or taken_back.");
	if (!*w->author || strlen(w->author) > SILENCE_TEXT_MAX || strlen(w->comment) > 4 * SILENCE_TEXT_MAX)
		return http_problem(res, 422, "Say who you are, in %d characters; a comment may have %d.",
				    SILENCE_TEXT_MAX, 4 * SILENCE_TEXT_MAX);
	if (strcmp(w->what, "muted"))
		return 0;
	if (!*w->comment)
		return http_problem(res, 422, "Say why it is muted.");
	if (time_parse_span(*w->lasts ? w->lasts : MUTE_USUAL, &span) || span <= 0)
		return http_problem(res, 422, "\"lasts\" is a span of time such as 2h.");
	w->until_ns = req->now_ns + span;
	return 0;
}

/* A mute is a silence of the alerts of this incident. */
static int add_silence(const struct http_request *req, struct alertstore *store, struct wish *w,
		       struct strbuf *ret_error)
{
	json_t *given =
		json_pack("{s:s, s:s, s:o, s:[{s:s, s:s, s:s}]}", "author", w->author, "comment", w->comment, "ends_ns",
			  rows_ns(w->until_ns), "matchers", "name", "incident", "op", "=", "value", req->arg);
	json_t *silence = silence_read(given, req->now_ns, ret_error);
	int r = silence ? alertstore_put_silence(store, silence, req->now_ns) : -EINVAL;

	if (!r)
		snprintf(w->silence, sizeof(w->silence), "%s", value_text(silence, "id"));
	json_decref(silence);
	json_decref(given);
	return r;
}

static int put(const struct http_request *req, struct alertstore *store, struct wish *w, struct strbuf *ret_error)
{
	int r = alertstore_begin(store);

	if (r)
		return r;
	/* What was muted before is muted anew, or no more. */
	if (strcmp(w->what, "acknowledged"))
		r = alertstore_unmute(store, req->arg, req->now_ns);
	if (!r && w->until_ns)
		r = add_silence(req, store, w, ret_error);
	if (!r)
		r = alertstore_mark(store, &(struct alert_mark){ .incident = req->arg,
								 .what = w->what,
								 .author = w->author,
								 .comment = w->comment,
								 .silence = w->silence,
								 .at_ns = req->now_ns,
								 .until_ns = w->until_ns });
	if (!r)
		return alertstore_commit(store);
	alertstore_rollback(store);
	return r;
}

static int add_mark(const struct http_request *req, struct http_response *res, struct wish *w)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct alertstore *store;
	int r = check_wish(req, res, w);

	if (!r)
		r = exists(req, res);
	if (r)
		return r;
	r = alertstore_open(web_options(req->web)->state_dir, true, &store, &err);
	if (r)
		return http_problem(res, 503, "%s", strbuf_str(&err));
	r = put(req, store, w, &err);
	alertstore_free(store);
	if (r == -E2BIG)
		return http_problem(res, 409, "There are too many: let silences end.");
	return r ? http_problem(res, 503, "It could not be stored: %s", err.len ? strbuf_str(&err) : strerror(-r)) : 0;
}

int marks_post(const struct http_request *req, struct http_response *res)
{
	AUTO(strbuf) struct strbuf address = STRBUF_INIT;
	struct http_request form = { 0 };
	AUTO_FREE char *text = NULL;
	struct wish w;
	int r = body_form(req, res, &form, &text);

	if (r)
		return r;
	w = (struct wish){ .what = body_field(&form, "what"),
			   .author = body_field(&form, "author"),
			   .comment = body_field(&form, "comment"),
			   .lasts = body_field(&form, "lasts") };
	r = add_mark(req, res, &w);
	if (r)
		return r;
	strbuf_addf(&address, "/incidents/%s#handling", req->arg);
	return http_redirect(res, strbuf_str(&address));
}

static int post_mark(const struct http_request *req, struct http_response *res)
{
	json_t *given = NULL;
	struct wish w;
	int r = body_json(req, res, &given);

	if (r)
		return r;
	w = (struct wish){ .what = value_text(given, "what"),
			   .author = value_text(given, "author"),
			   .comment = value_text(given, "comment"),
			   .lasts = value_text(given, "lasts") };
	r = add_mark(req, res, &w);
	json_decref(given);
	return r ? r : http_json(res, json_pack("{s:o}", "items", read_marks(req, req->arg)));
}

int api_marks(const struct http_request *req, struct http_response *res)
{
	if (req->method == HTTP_POST)
		return post_mark(req, res);
	return http_json(res, json_pack("{s:o}", "items", read_marks(req, req->arg)));
}

/* ---- pages ----------------------------------------------------------------------------------------------- */

void marks_badge(struct strbuf *b, const json_t *mark)
{
	bool muted = !strcmp(value_text(mark, "what"), "muted");

	if (!mark)
		return;
	strbuf_addf(b, "<span class=\"badge plain\"><span class=\"shape\" aria-hidden=\"true\">%s</span> %s by ",
		    muted ? "🕭" : "✓", muted ? "muted" : "acknowledged");
	strbuf_add_html(b, value_text(mark, "author"));
	strbuf_addstr(b, "</span>");
}

static const char *said(const char *what)
{
	return !strcmp(what, "muted")	       ? "muted its alerts"
	       : !strcmp(what, "acknowledged") ? "acknowledged it"
					       : "took that back";
}

static void history(struct strbuf *b, const json_t *marks)
{
	const json_t *mark;
	size_t i;

	if (!json_array_size(marks))
		return;
	strbuf_addstr(b, "<ul class=\"plain\">\n");
	json_array_foreach ((json_t *)marks, i, mark) {
		strbuf_addstr(b, "<li>");
		html_time(b, value_int(mark, "at_ns", 0));
		strbuf_addstr(b, " <strong>");
		strbuf_add_html(b, value_text(mark, "author"));
		strbuf_addf(b, "</strong> %s", said(value_text(mark, "what")));
		if (value_int(mark, "until_ns", 0)) {
			strbuf_addstr(b, " until ");
			html_time(b, value_int(mark, "until_ns", 0));
		}
		strbuf_addstr(b, *value_text(mark, "comment") ? ": " : "");
		strbuf_add_html(b, value_text(mark, "comment"));
		strbuf_addstr(b, "</li>\n");
	}
	strbuf_addstr(b, "</ul>\n");
}

void marks_section(struct strbuf *b, const struct http_request *req, const char *incident)
{
	json_t *marks = read_marks(req, incident);
	bool marked = holds(json_array_get(marks, json_array_size(marks) - 1), req->now_ns);

	strbuf_addstr(b, "<section id=\"handling\" class=\"handling\" aria-label=\"Handling\">\n");
	history(b, marks);
	strbuf_addf(b,
		    "<details class=\"more\" id=\"handle\"><summary>%s</summary>\n<form class=\"filter\" "
		    "method=\"post\" action=\"/incidents/",
		    marked ? "Say more, mute, or take back" : "Acknowledge or mute");
	strbuf_add_html(b, incident);
	strbuf_addstr(b, "\">\n");
	page_author(b, req);
	strbuf_addstr(b, "<label>Comment<input name=\"comment\" maxlength=\"1024\" autocomplete=\"off\"></label>\n"
			 "<label>Mute for<select "
			 "name=\"lasts\"><option>1h</option><option>4h</option><option>1d</option><option>7d</option></"
			 "select></label>\n"
			 "<p class=\"actions\"><button name=\"what\" value=\"acknowledged\">Acknowledge</button> "
			 "<button name=\"what\" value=\"muted\">Mute its alerts</button>");
	strbuf_addstr(b, marked ? " <button name=\"what\" value=\"taken_back\">Take back</button>" : "");
	strbuf_addstr(b, "</p></form></details></section>\n");
	json_decref(marks);
}
