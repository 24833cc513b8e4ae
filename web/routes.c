/* SPDX-License-Identifier: Apache-2.0 */
#include "web/routes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "web/page.h"

static const struct route routes[] = {
#define ROUTE(path, methods, handler, flags, params) { path, methods, handler, flags, params },
#include "web/routes.def"
#undef ROUTE
};

const struct route *routes_at(size_t i)
{
	return i < ARRAY_SIZE(routes) ? &routes[i] : NULL;
}

/* Whether path is that of the route; its one "{...}" takes a segment that is neither empty nor longer than size. */
static bool path_matches(const char *pattern, const char *path, char *ret_arg, size_t size)
{
	const char *brace = strchr(pattern, '{');
	size_t prefix, len;

	if (!brace)
		return !strcmp(pattern, path);
	prefix = (size_t)(brace - pattern);
	if (strncmp(pattern, path, prefix))
		return false;
	path += prefix;
	len = strcspn(path, "/");
	if (!len || len >= size || strcmp(path + len, strchr(brace, '}') + 1))
		return false;
	memcpy(ret_arg, path, len);
	ret_arg[len] = '\0';
	return true;
}

const struct route *routes_find(const char *path, char *ret_arg, size_t arg_size)
{
	/* Plain paths come before patterns that would take them too: "/api/v1/openapi.json". */
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		if (path_matches(routes[i].path, path, ret_arg, arg_size))
			return &routes[i];
	return NULL;
}

static bool param_known(const struct route *route, const char *name)
{
	size_t len = strlen(name);

	if ((route->flags & ROUTE_FREE_PARAMS) && !strncmp(name, "p_", 2) && len > 2)
		return true;
	for (const char *p = route->params; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (n == len && !strncmp(p, name, n))
			return true;
		p += n;
	}
	return false;
}

static int check_params(const struct route *route, const struct http_request *req, struct http_response *res)
{
	if (req->too_many_params)
		return http_problem(res, 400, "There may be at most %d parameters.", HTTP_PARAMS_MAX);
	for (unsigned int i = 0; (route->flags & ROUTE_API) && i < req->param_count; i++) {
		const char *name = req->params[i].name;

		if (param_known(route, name))
			continue;
		snprintf(res->param, sizeof(res->param), "%.31s", name);
		return http_problem(res, 400, "There is no parameter \"%.40s\" here; there are: %s", name,
				    route->params[0] ? route->params : "none");
	}
	return 0;
}

static int check_method(const struct route *route, const struct http_request *req, struct http_response *res)
{
	unsigned int allowed = route->methods | (route->methods & HTTP_GET ? HTTP_HEAD : 0);

	if (allowed & req->method)
		return 0;
	snprintf(res->allow, sizeof(res->allow), "%s%s", route->methods & HTTP_GET ? "GET, HEAD" : "",
		 route->methods & HTTP_POST ? ", POST" : "");
	return http_problem(res, 405, "This address answers %s.", res->allow);
}

static int run_with_reader(const struct route *route, struct http_request *req, struct http_response *res)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	int r = web_reader_get(req->web, &req->reader, &err);

	if (r)
		return http_problem(res, 503, "The store cannot be read%s%s. It is made when the collector first runs.",
				    err.len ? ": " : "", strbuf_str(&err));
	r = route->fn(req, res);
	web_reader_put(req->web, req->reader);
	req->reader = NULL;
	return r;
}

/* ---- who may ---------------------------------------------------------------------------------------------- */

static bool host_is_ours(struct web *web, const struct http_request *req)
{
	return http_host_allowed(req->host, web_options(web)->host) || http_host_allowed(req->host, req->own_host);
}

static bool is_get(const struct http_request *req)
{
	return req->method & (HTTP_GET | HTTP_HEAD);
}

static bool changes_something(const struct route *route, const struct http_request *req)
{
	return !is_get(req) && !(route->flags & (ROUTE_READS | ROUTE_OPEN));
}

static enum role needed_role(const struct route *route, const struct http_request *req)
{
	if (route->flags & ROUTE_OPEN)
		return ROLE_NONE;
	if (route->flags & ROUTE_ADMIN)
		return ROLE_ADMIN;
	return changes_something(route, req) ? ROLE_OPERATOR : ROLE_VIEWER;
}

static void identify(const struct web_options *options, struct http_request *req)
{
	const char *token = http_token(req);

	if (!tokens_wanted(options->tokens)) {
		req->who.role = ROLE_ADMIN;
		snprintf(req->who.name, sizeof(req->who.name), "%s", "local");
	} else if (token) {
		req->who = tokens_identify(options->tokens, token);
	}
}

static int admit(const struct route *route, const struct http_request *req, struct http_response *res)
{
	enum role needed = needed_role(route, req);

	if (!is_get(req) && !http_same_origin(req))
		return http_problem(res, 403, "A page of another site asked for this.");
	if (req->who.role >= needed)
		return 0;
	if (req->who.role)
		return http_problem(res, 403, "This needs the role %s; the token is of role %s.", role_name(needed),
				    role_name(req->who.role));
	return http_problem(res, 401, "%s",
			    http_token(req) ? "Nobody has this token."
					    : "A token is needed: send it as \"Authorization: Bearer TOKEN\".");
}

static int run(const struct route *route, struct http_request *req, struct http_response *res)
{
	int r = admit(route, req, res);

	if (!r)
		r = check_method(route, req, res);
	if (!r)
		r = check_params(route, req, res);
	if (r)
		return r;
	return route->flags & ROUTE_READER ? run_with_reader(route, req, res) : route->fn(req, res);
}

/* What came of a request that changes something, or was refused. */
static void note(const struct route *route, const struct http_request *req, const struct http_response *res)
{
	const struct web_options *options = web_options(req->web);
	const struct identity *who = res->who.role ? &res->who : &req->who;
	bool posted = !is_get(req) && route && !(route->flags & ROUTE_READS);
	bool refused = res->status == 403 || res->status == 421 || (res->status == 401 && http_token(req));
	bool body = posted && !(route->flags & ROUTE_OPEN);
	const struct audit_entry entry = {
		.ts_ns = req->now_ns,
		.who = who->name,
		.role = role_name(who->role),
		.from = req->from,
		.method = req->method_name ? req->method_name : "",
		.path = req->path,
		.body = body ? req->body : NULL,
		.status = res->status,
	};

	if (!options->audit || !(refused || posted || (route && (route->flags & ROUTE_AUDIT))))
		return;
	web_count_audit(req->web, audit_write(options->audit, &entry));
}

static bool wants_page(const struct route *route, const struct http_request *req)
{
	const char *format = http_param(req, "format");

	if (format && strcmp(format, "html"))
		return false;
	if (route)
		return route->flags & ROUTE_PAGE;
	return strncmp(req->path, "/api/", 5) && req->accept && strstr(req->accept, "text/html");
}

void routes_dispatch(struct web *web, struct http_request *req, struct http_response *res)
{
	const struct route *route = NULL;
	int r;

	req->web = web;
	res->status = 200;
	identify(web_options(web), req);
	if (!host_is_ours(web, req))
		r = http_problem(res, 421, "This server does not answer for the host it was asked for; the setting "
					   "serve.hosts has the names it answers for.");
	else if (!(route = routes_find(req->path, req->arg, sizeof(req->arg))))
		r = http_problem(res, 404, "There is nothing at this address.");
	else
		r = run(route, req, res);
	if (!r && strbuf_error(&res->body))
		r = http_problem(res, 503, "Out of memory.");
	if (r) {
		if (wants_page(route, req))
			page_problem(req, res);
		else
			http_write_problem(res, req->path);
	}
	note(route, req, res);
	web_count_response(web, res->status);
}
