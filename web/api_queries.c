/* SPDX-License-Identifier: Apache-2.0 */
/* What a query can be made of: /api/v1/queries (saved ones) and /api/v1/views. */
#include <errno.h>
#include <string.h>

#include "analyze/queries.h"
#include "analyze/viewdoc.h"
#include "web/routes.h"
#include "web/web.h"

int api_queries(const struct http_request *req, struct http_response *res)
{
	AUTO(strbuf) struct strbuf messages = STRBUF_INIT;
	const struct saved_query *q;
	struct saved_queries *saved;
	json_t *items = json_array();
	int r = saved_queries_load(web_setting(req->web, "query.saved"), &saved, &messages);

	if (r) {
		json_decref(items);
		return http_problem(res, 503, "The saved queries could not be read: %s", strerror(-r));
	}
	for (size_t i = 0; (q = saved_queries_at(saved, i)); i++)
		json_array_append_new(items, saved_query_json(q));
	saved_queries_free(saved);
	return http_json(
		res, json_pack("{s:o, s:s*}", "items", items, "left_out", messages.len ? strbuf_str(&messages) : NULL));
}

int api_views(const struct http_request *req, struct http_response *res)
{
	(void)req;
	return http_json(res, json_pack("{s:o}", "items", viewdoc_json()));
}
