/* SPDX-License-Identifier: Apache-2.0 */
/* /api/v1/audit: who changed what, and who was refused. */
#include <errno.h>
#include <string.h>

#include "web/audit.h"
#include "web/routes.h"
#include "web/rows.h"

int api_audit(const struct http_request *req, struct http_response *res)
{
	int64_t since = 0, until = INT64_MAX, limit = 100, cursor = INT64_MAX;
	json_t *items = NULL, *next;
	size_t count;
	int r;

	if (http_param_time(req, res, "since", &since) || http_param_time(req, res, "until", &until) ||
	    http_param_int(req, res, "limit", 1, AUDIT_LIMIT_MAX, &limit) ||
	    http_param_int(req, res, "cursor", 1, INT64_MAX, &cursor))
		return -EINVAL;
	/* One more than asked for tells whether there is another page. */
	r = audit_read(web_options(req->web)->state_dir, since, MIN(until, cursor), limit + 1, &items);
	if (r && r != -ENOENT)
		return http_problem(res, 503, "The audit log could not be read: %s", strerror(-r));
	count = json_array_size(items);
	next = json_null();
	if (count > (size_t)limit) {
		json_array_remove(items, count - 1);
		next = json_incref(json_object_get(json_array_get(items, count - 2), "ts_ns"));
	}
	return http_json(res, json_pack("{s:o, s:o}", "items", items ? items : json_array(), "next", next));
}
