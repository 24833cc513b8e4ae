/* SPDX-License-Identifier: Apache-2.0 */
/* /healthz, /readyz and the API's own description. */
#include <string.h>

#include "base/embed.h"
#include "web/lists.h"
#include "web/routes.h"
#include "web/rows.h"

int api_healthz(const struct http_request *req, struct http_response *res)
{
	(void)req;
	return http_json(res, json_pack("{s:s, s:s}", "status", "ok", "version", KWHY_VERSION));
}

static json_t *not_readable(const char *why)
{
	return json_pack("{s:b, s:n, s:{}, s:[{s:s, s:s, s:s}]}", "ready", false, "tick", "probes", "missing", "what",
			 "store", "name", "first flush", "why", *why ? why : "there is no store yet");
}

int api_readyz(const struct http_request *req, struct http_response *res)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT, why = STRBUF_INIT;
	struct reader *reader;
	json_t *answer;

	if (web_reader_get(req->web, &reader, &err)) {
		strbuf_add_plain(&why, strbuf_str(&err));
		answer = not_readable(strbuf_str(&why));
	} else {
		answer = list_readiness(reader, req->now_ns);
		web_reader_put(req->web, reader);
	}
	if (!json_is_true(json_object_get(answer, "ready")))
		res->status = 503;
	return http_json(res, answer);
}

int api_openapi(const struct http_request *req, struct http_response *res)
{
	const struct embedded_file *file = embedded_find("schema/openapi.json");

	(void)req;
	if (!file)
		return http_problem(res, 404, "This build carries no description of its API.");
	strbuf_add(&res->body, file->data, file->size);
	res->type = "application/json";
	res->cacheable = true;
	return 0;
}
