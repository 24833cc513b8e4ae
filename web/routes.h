/* SPDX-License-Identifier: Apache-2.0 */
/* The route table (web/routes.def) and what happens to every request before and after its handler. */
#ifndef KWHY_WEB_ROUTES_H
#define KWHY_WEB_ROUTES_H

#include <stddef.h>

#include "web/http.h"
#include "web/web.h"

enum route_flags {
	ROUTE_PAGE = 1 << 0,	    /* errors are shown as a page */
	ROUTE_API = 1 << 1,	    /* unknown parameters are refused */
	ROUTE_READER = 1 << 2,	    /* needs the store: 503 without it */
	ROUTE_FREE_PARAMS = 1 << 3, /* parameters named "p_NAME" are passed on to the SQL as ":NAME" */
	ROUTE_OPEN = 1 << 4,	    /* needs no token, and its body is not noted */
	ROUTE_READS = 1 << 5,	    /* a POST changes nothing either */
	ROUTE_AUDIT = 1 << 6,	    /* noted although it changes nothing */
	ROUTE_ADMIN = 1 << 7,	    /* only for admins */
};

/*
 * Who may: viewers GET, and POST where ROUTE_READS says so; operators whatever changes something; admins everything.
 * What changes something is noted in the audit log.  A POST must come from a page of this server or from no page.
 */

/* Fills in the response; the return value only says that http_problem() was called (negative) or not (0). */
typedef int (*route_fn)(const struct http_request *req, struct http_response *res);

struct route {
	const char *path;
	unsigned int methods; /* enum http_method; HEAD goes with GET */
	route_fn fn;
	unsigned int flags;
	const char *params;
};

const struct route *routes_at(size_t i); /* NULL past the end */
/* The route of a path, NULL when there is none.  ret_arg gets the segment of "{id}". */
const struct route *routes_find(const char *path, char *ret_arg, size_t arg_size);
/* Answers a request; never fails. */
void routes_dispatch(struct web *web, struct http_request *req, struct http_response *res);

#define ROUTE(path, methods, handler, flags, params) \
	int handler(const struct http_request *req, struct http_response *res);
#include "web/routes.def"
#undef ROUTE

#endif
