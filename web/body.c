/* SPDX-License-Identifier: Apache-2.0 */
#include "web/body.h"

#include <string.h>

static bool is_of_type(const struct http_request *req, const char *type)
{
	size_t len = strlen(type);

	return req->content_type && !strncmp(req->content_type, type, len) &&
	       (!req->content_type[len] || req->content_type[len] == ';');
}

/* A body of another type would be one that a page of somebody else's could make a browser send (CORS, Fetch 3.2). */
int body_json(const struct http_request *req, struct http_response *res, json_t **ret)
{
	if (!req->body || !is_of_type(req, "application/json"))
		return http_problem(res, 415, "Send a JSON object as application/json.");
	*ret = json_loads(req->body, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(*ret))
		return 0;
	json_decref(*ret);
	return http_problem(res, 400, "The body is no JSON object.");
}

int body_form(const struct http_request *req, struct http_response *res, struct http_request *ret_form, char **ret_text)
{
	if (!req->body || !is_of_type(req, "application/x-www-form-urlencoded"))
		return http_problem(res, 415, "This address takes a form.");
	*ret_text = strdup(req->body);
	if (!*ret_text)
		return http_problem(res, 503, "Out of memory.");
	http_parse_form(ret_form, *ret_text);
	return 0;
}

const char *body_field(const struct http_request *form, const char *name)
{
	const char *value = http_param(form, name);

	return value ? value : "";
}
