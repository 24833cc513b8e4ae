/* SPDX-License-Identifier: Apache-2.0 */
/* One container over one window, diagnosed on demand: /why and /api/v1/why. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "analyze/analyzer.h"
#include "base/timeutil.h"
#include "web/page.h"
#include "web/render_report.h"
#include "web/routes.h"
#include "web/rows.h"

#define WINDOW_NS (5 * 60 * NSEC_PER_SEC)
/* A longer one takes long to read and says little: what it finds is somewhere in it. */
#define WINDOW_MAX_NS (3600 * NSEC_PER_SEC)

static int read_window(const struct http_request *req, struct http_response *res, int64_t *ret_from, int64_t *ret_to)
{
	*ret_to = req->now_ns;
	if (http_param_time(req, res, "until", ret_to))
		return -EINVAL;
	*ret_from = *ret_to - WINDOW_NS;
	if (http_param_time(req, res, "since", ret_from))
		return -EINVAL;
	if (*ret_from < *ret_to && *ret_to - *ret_from <= WINDOW_MAX_NS)
		return 0;
	snprintf(res->param, sizeof(res->param), "since");
	return http_problem(res, 400, "The window must begin before it ends, and may last an hour.");
}

static int diagnose(const struct http_request *req, struct http_response *res, json_t **ret_report)
{
	const struct web_options *options = web_options(req->web);
	const char *container = http_param(req, "container");
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	int64_t from, to;
	int r;

	if (!container) {
		snprintf(res->param, sizeof(res->param), "container");
		return http_problem(res, 400, "Say which container is to be diagnosed.");
	}
	if (read_window(req, res, &from, &to))
		return -EINVAL;
	if (!web_diagnosis_begin(req->web))
		return http_problem(res, 429, "Another diagnosis is running; try again in a moment.");
	r = analyze_why(options->state_dir, options->settings, container, from, to, ret_report, &err);
	web_diagnosis_end(req->web);
	if (r)
		return http_problem(res, r == -ENOENT || r == -ENODATA ? 404 : 503, "%s",
				    err.len ? strbuf_str(&err) : strerror(-r));
	return 0;
}

int api_why(const struct http_request *req, struct http_response *res)
{
	json_t *report = NULL;
	int r = diagnose(req, res, &report);

	return r ? r : http_json(res, report);
}

int page_why(const struct http_request *req, struct http_response *res)
{
	const struct page page = { .title = "Diagnosis", .section = "/observe" };
	AUTO(strbuf) struct strbuf address = STRBUF_INIT;
	json_t *report = NULL;
	int r;

	if (!page_wants_json(req) && page_absolute_times(req, res))
		return 0;
	r = diagnose(req, res, &report);
	if (r || page_wants_json(req))
		return r ? r : http_json(res, report);
	strbuf_addstr(&address, "/why?");
	page_query_without(&address, req, "format", NULL);
	address.data[--address.len] = '\0'; /* a '&': there is a container at least */
	page_begin(res, &page);
	render_report_article(&res->body, report,
			      &(struct report_links){ .address = strbuf_str(&address), .stored = false });
	page_end(res);
	json_decref(report);
	return 0;
}
