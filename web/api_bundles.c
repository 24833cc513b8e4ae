/* SPDX-License-Identifier: Apache-2.0 */
/* /api/v1/bundles: an incident, or any window, as one file to take along. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "analyze/bundle.h"
#include "analyze/reports.h"
#include "base/fileutil.h"
#include "base/timeutil.h"
#include "web/routes.h"
#include "web/web.h"

#define DEFAULT_NS (15 * 60 * NSEC_PER_SEC)
#define DOWNLOAD_MAX (256u << 20)

static int choose_window(const struct http_request *req, struct http_response *res, struct bundle_request *q)
{
	const char *id = http_param(req, "incident");
	json_t *report = NULL;
	int r;

	q->to_ns = req->now_ns;
	if (http_param_time(req, res, "until", &q->to_ns))
		return -EINVAL;
	q->from_ns = q->to_ns - DEFAULT_NS;
	if (http_param_time(req, res, "since", &q->from_ns))
		return -EINVAL;
	if (!id)
		return 0;
	r = reader_select_reports(req->reader);
	if (r >= 0)
		r = reports_get(req->reader, id, 0, &report);
	if (r < 0)
		return http_problem(res, r == -ENOENT ? 404 : 503, "There is no incident \"%s\".", id);
	bundle_window(report, req->now_ns, &q->from_ns, &q->to_ns);
	json_decref(report);
	return 0;
}

static int make(const struct bundle_request *request, struct http_response *res)
{
	struct bundle_request q = *request;
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	char dir[PATH_MAX - 16], path[PATH_MAX];
	json_t *manifest = NULL;
	char *data = NULL;
	size_t len = 0;
	int r = dir_make_temporary(dir, sizeof(dir), "kwhy-download");

	if (r)
		return http_problem(res, 503, "There is no room for a bundle: %s", strerror(-r));
	snprintf(path, sizeof(path), "%s/bundle", dir);
	q.path = path;
	r = bundle_export(&q, &manifest, &err);
	json_decref(manifest);
	if (!r)
		r = file_read_alloc(AT_FDCWD, path, DOWNLOAD_MAX, &data, &len);
	dir_remove(dir);
	if (r)
		return http_problem(res, r == -ENODATA ? 404 : r == -EFBIG ? 413 : 503, "%s",
				    err.len ? strbuf_str(&err) : strerror(-r));
	strbuf_add(&res->body, data, len);
	free(data);
	res->type = "application/vnd.sqlite3";
	snprintf(res->filename, sizeof(res->filename), "kwhy-%lld.bundle", (long long)(q.from_ns / NSEC_PER_SEC));
	return 0;
}

int api_bundles(const struct http_request *req, struct http_response *res)
{
	static const char *const levels[] = { "none", "names", "all", NULL };
	const struct web_options *options = web_options(req->web);
	struct bundle_request q = { .state_dir = options->state_dir, .config = options->settings,
				    .version = KWHY_VERSION, .created_ns = req->now_ns };
	const char *level = NULL;
	int r;

	if (http_param_choice(req, res, "redact", levels, &level))
		return -EINVAL;
	bundle_redaction(level, &q.redaction);
	r = choose_window(req, res, &q);
	return r ? r : make(&q, res);
}
