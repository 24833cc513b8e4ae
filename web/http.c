/* SPDX-License-Identifier: Apache-2.0 */
#include "web/http.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/timeutil.h"

void http_response_cleanup(struct http_response *res)
{
	strbuf_cleanup(&res->body);
	strbuf_cleanup(&res->location);
	strbuf_cleanup(&res->cookie);
	strbuf_cleanup(&res->detail);
	stream_leave(res->stream);
}

const char *http_param(const struct http_request *req, const char *name)
{
	for (unsigned int i = 0; i < req->param_count; i++)
		if (!strcmp(req->params[i].name, name))
			return req->params[i].value[0] ? req->params[i].value : NULL;
	return NULL;
}

void http_add_param(struct http_request *req, const char *name, const char *value)
{
	if (req->param_count == HTTP_PARAMS_MAX) {
		req->too_many_params = true;
		return;
	}
	req->params[req->param_count++] = (struct http_param){ .name = name, .value = value ? value : "" };
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void http_url_decode(char *text)
{
	char *out = text;

	for (; *text; text++) {
		int high = *text == '%' ? hex_digit(text[1]) : -1, low = high >= 0 ? hex_digit(text[2]) : -1;

		if (high >= 0 && low >= 0) {
			*out = (char)(high * 16 + low);
			text += 2;
			if (!*out)
				return;
			out++;
		} else {
			*out++ = (char)(*text == '+' ? ' ' : *text);
		}
	}
	*out = 0;
}

void http_url_encode(struct strbuf *out, const char *text)
{
	for (; *text; text++) {
		if (isalnum((unsigned char)*text) || strchr("-._~", *text))
			strbuf_addch(out, *text);
		else
			strbuf_addf(out, "%%%02X", (unsigned char)*text);
	}
}

void http_parse_form(struct http_request *req, char *text)
{
	char *save = NULL;

	for (char *pair = strtok_r(text, "&", &save); pair; pair = strtok_r(NULL, "&", &save)) {
		char *value = strchr(pair, '=');

		if (value)
			*value++ = 0;
		http_url_decode(pair);
		if (value)
			http_url_decode(value);
		http_add_param(req, pair, value);
	}
}

static int bad_param(struct http_response *res, const char *name, const char *value, const char *want)
{
	http_problem(res, 400, "The parameter \"%s\" must be %s; it is \"%.80s\".", name, want, value);
	snprintf(res->param, sizeof(res->param), "%s", name);
	return -EINVAL;
}

int http_param_time(const struct http_request *req, struct http_response *res, const char *name, int64_t *ret_ns)
{
	const char *value = http_param(req, name);

	if (!value)
		return 0;
	if (time_parse(value, req->now_ns, ret_ns))
		return bad_param(res, name, value, "a time such as 2026-11-22T10:01:00Z, -5min or now");
	return 0;
}

int http_param_int(const struct http_request *req, struct http_response *res, const char *name, int64_t min,
		   int64_t max, int64_t *ret_value)
{
	const char *value = http_param(req, name);
	int64_t number;
	char want[64];

	if (!value)
		return 0;
	if (int_parse(value, &number) < 0 || number < min || number > max) {
		snprintf(want, sizeof(want), "a whole number from %" PRId64 " to %" PRId64, min, max);
		return bad_param(res, name, value, want);
	}
	*ret_value = number;
	return 0;
}

int http_param_choice(const struct http_request *req, struct http_response *res, const char *name,
		      const char *const *choices, const char **ret_value)
{
	const char *value = http_param(req, name);
	AUTO(strbuf) struct strbuf want = STRBUF_INIT;

	if (!value)
		return 0;
	strbuf_addstr(&want, "one of");
	for (const char *const *c = choices; *c; c++) {
		if (!strcmp(*c, value)) {
			*ret_value = *c;
			return 0;
		}
		strbuf_addf(&want, " %s", *c);
	}
	return bad_param(res, name, value, strbuf_str(&want));
}

int http_problem(struct http_response *res, unsigned int status, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	res->status = status;
	res->filename[0] = 0;
	strbuf_reset(&res->body);
	strbuf_reset(&res->detail);
	strbuf_add_plain(&res->detail, text); /* what the client sent may be in it: keeps it valid UTF-8 */
	return -(int)status;
}

const char *http_status_title(unsigned int status)
{
	switch (status) {
	case 400:
		return "Bad request";
	case 401:
		return "Sign in";
	case 403:
		return "Not allowed";
	case 404:
		return "Not found";
	case 405:
		return "Method not allowed";
	case 409:
		return "Conflict";
	case 413:
		return "Too large";
	case 415:
		return "Unsupported media type";
	case 421:
		return "Misdirected request";
	case 422:
		return "Not understood";
	case 429:
		return "Too many requests";
	case 503:
		return "Not available";
	case 504:
		return "Took too long";
	default:
		return "Internal error";
	}
}

void http_write_problem(struct http_response *res, const char *path)
{
	json_t *problem = json_pack("{s:s, s:s, s:i, s:s%, s:s}", "type", "about:blank", "title",
				    http_status_title(res->status), "status", (int)res->status, "detail",
				    strbuf_str(&res->detail), strlen(strbuf_str(&res->detail)), "instance", path);

	/* json_pack() refuses text that is not UTF-8: what the client sent is then left out. */
	if (!problem)
		problem = json_pack("{s:s, s:s, s:i}", "type", "about:blank", "title", http_status_title(res->status),
				    "status", (int)res->status);
	if (problem && res->param[0])
		json_object_set_new(problem, "parameter", json_string(res->param));
	http_json(res, problem);
	res->type = "application/problem+json";
}

static int dump_chunk(const char *data, size_t len, void *ctx)
{
	strbuf_add(ctx, data, len);
	return 0;
}

int http_json(struct http_response *res, json_t *value)
{
	return http_json_rounded(res, value, 17); /* as many as there are */
}

int http_json_rounded(struct http_response *res, json_t *value, unsigned int digits)
{
	const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits);
	int r = value ? json_dump_callback(value, dump_chunk, &res->body, flags) : -1;

	json_decref(value);
	if (r)
		return http_problem(res, 500, "The answer could not be encoded.");
	strbuf_addch(&res->body, '\n');
	res->type = "application/json";
	return 0;
}

int http_redirect(struct http_response *res, const char *location)
{
	res->status = 303;
	strbuf_reset(&res->location);
	strbuf_addstr(&res->location, location);
	return 0;
}

static bool word_in(const char *word, size_t len, const char *list)
{
	while (*list) {
		size_t n = strcspn(list, " ");

		if (n == len && !strncasecmp(list, word, len))
			return true;
		list += n + (list[n] == ' ');
	}
	return false;
}

bool http_host_allowed(const char *host, const char *allowed)
{
	size_t len;

	if (!host || !*host)
		return true; /* HTTP/1.0 clients; a browser always sends it */
	if (*host == '[') {
		const char *end = strchr(host, ']');

		if (!end)
			return false;
		len = (size_t)(end - host) + 1;
	} else {
		len = strcspn(host, ":");
	}
	if (host[len] && (host[len] != ':' || strspn(host + len + 1, "0123456789") != strlen(host + len + 1)))
		return false;
	return word_in(host, len, "localhost 127.0.0.1 [::1]") || word_in(host, len, allowed);
}

bool http_same_origin(const struct http_request *req)
{
	const char *authority;

	if (req->fetch_site && strcmp(req->fetch_site, "same-origin") && strcmp(req->fetch_site, "none"))
		return false;
	if (!req->origin)
		return true;
	authority = strstr(req->origin, "://");
	return authority && req->host && !strcasecmp(authority + 3, req->host);
}

const char *http_token(const struct http_request *req)
{
	const char *header = req->authorization;

	if (header && !strncasecmp(header, "Bearer ", 7))
		return header + 7 + strspn(header + 7, " ");
	return req->cookie;
}
