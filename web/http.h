/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and one response as plain data: what handlers see, free of
 * sockets and of the HTTP library, so that tests call them directly.
 */
#ifndef KWHY_WEB_HTTP_H
#define KWHY_WEB_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "analyze/reader.h"
#include "base/strbuf.h"
#include "web/stream.h"
#include "web/tokens.h"

#define HTTP_PARAMS_MAX 32
#define HTTP_BODY_MAX (64 * 1024)
#define HTTP_COOKIE "kwhy_token"

enum http_method { HTTP_GET = 1, HTTP_HEAD = 2, HTTP_POST = 4, HTTP_OTHER = 8 };

struct http_param {
	const char *name;
	const char *value; /* "" for "?name" */
};

struct web;

struct http_request {
	enum http_method method;
	const char *path;   /* decoded, begins with '/' */
	const char *host;   /* Host header; NULL: none was sent */
	const char *accept; /* NULL: none */
	const char *content_type;
	const char *last_event_id; /* NULL: none */
	const char *if_none_match; /* NULL: none */
	const char *body; /* NUL-terminated, NULL without one */
	const char *authorization, *cookie; /* headers that may hold a token; cookie: the value of HTTP_COOKIE */
	const char *origin, *fetch_site;    /* Origin and Sec-Fetch-Site, which browsers send */
	const char *method_name;
	char from[64];	  /* the client: an address, or "unix uid N"; "" unknown */
	char own_host[64]; /* the address it came to, as a Host header has it; "" when that is no news */
	struct http_param params[HTTP_PARAMS_MAX];
	unsigned int param_count;
	bool too_many_params;
	int64_t now_ns;

	/* Filled in by routes_dispatch(). */
	char arg[64]; /* what stands for "{id}" */
	struct web *web;
	struct identity who;
	struct reader *reader; /* NULL unless the route asks for one */
};

struct http_response {
	unsigned int status;
	const char *type; /* a string constant */
	struct strbuf body;
	char allow[40];	   /* Allow, for 405 */
	char filename[96]; /* sent as an attachment of this name */
	struct strbuf location;
	struct strbuf cookie; /* Set-Cookie */
	struct identity who;  /* who signed in by this very request; role ROLE_NONE: nobody */
	bool cacheable; /* an unchanging file; everything else is no-store */
	char etag[24];	/* of such a file, quoted; "" none */
	struct stream_client *stream; /* the body goes on for as long as this does; NULL: it does not */

	/* Set by http_problem(); routes_dispatch() turns it into problem+json or a page. */
	struct strbuf detail;
	char param[32]; /* the parameter at fault */
};

void http_response_cleanup(struct http_response *res);

/* First of that name; NULL when absent or empty (an empty form field means "not given"). */
const char *http_param(const struct http_request *req, const char *name);
/* Adds one; sets too_many_params beyond HTTP_PARAMS_MAX. */
void http_add_param(struct http_request *req, const char *name, const char *value);
/* Splits and decodes application/x-www-form-urlencoded text in place; the request points into it. */
void http_parse_form(struct http_request *req, char *text);
/* %XX and '+' in place.  Invalid escapes stay as they are; %00 ends the text. */
void http_url_decode(char *text);
/* For use inside a query string: everything but unreserved characters becomes %XX. */
void http_url_encode(struct strbuf *out, const char *text);

/*
 * Parameters with a check: absent leaves *ret as it is and returns 0; bad returns -EINVAL after http_problem(400).
 */
int http_param_time(const struct http_request *req, struct http_response *res, const char *name, int64_t *ret_ns);
int http_param_int(const struct http_request *req, struct http_response *res, const char *name, int64_t min,
		   int64_t max, int64_t *ret_value);
/* The value must be one of the NULL-terminated list. */
int http_param_choice(const struct http_request *req, struct http_response *res, const char *name,
		      const char *const *choices, const char **ret_value);

/* Fails the request; detail is text for people.  Drops a body written so far.  Returns -status for `return`. */
int http_problem(struct http_response *res, unsigned int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
const char *http_status_title(unsigned int status);
/* RFC 9457. */
void http_write_problem(struct http_response *res, const char *path);
/* Steals value. */
int http_json(struct http_response *res, json_t *value);
/* The same with so many digits of each number that is no integer: for long lists of what was measured. */
int http_json_rounded(struct http_response *res, json_t *value, unsigned int digits);
/* 303 to the address; it must be a path of this server. */
int http_redirect(struct http_response *res, const char *location);

/*
 * Whether a Host header may be answered: on a loopback address only names that cannot be re-pointed by an
 * attacker's DNS (rebinding) are.  allowed: further names, separated by spaces, may be "".
 */
bool http_host_allowed(const char *host, const char *allowed);
/*
 * Whether a request that may change something comes from a page of this server or from no page at all: browsers name
 * the page's origin (RFC 6454) in whatever a page makes them post.
 */
bool http_same_origin(const struct http_request *req);
/* The token a request brought, by its Authorization header or the cookie of /login; NULL: none. */
const char *http_token(const struct http_request *req);

#endif
