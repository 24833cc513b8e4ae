/* SPDX-License-Identifier: Apache-2.0 */
/* "PATH?QUERY\nHOST\nBODY" as a request to a server that has no store: always an answer, never an element of the input.
 */
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "web/listen.h"
#include "web/routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct web *web, char *path, const char *host, const char *body, enum http_method method)
{
	char *query = strchr(path, '?');
	struct http_request req = {
		.method = method,
		.path = path,
		.host = host,
		.accept = "text/html",
		.body = body,
		.now_ns = 1795341600000000000,
	};
	struct http_response res = { 0 };

	if (query) {
		*query++ = 0;
		http_parse_form(&req, query);
	}
	http_url_decode(path);
	routes_dispatch(web, &req, &res);
	if (res.status < 200 || res.status > 599 || strstr(strbuf_str(&res.body), "<img"))
		abort();
	http_response_cleanup(&res);
}

static void listen_text(const char *text)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct web_listen l;

	if (web_listen_parse(text, text[0] & (WEB_TLS | WEB_TOKENS), &l, &err) && !err.len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct web_options options = { .state_dir = "/nonexistent/kwhy", .host = "", .listen = "", .config = "" };
	AUTO_FREE char *text = strndup((const char *)data, size);
	struct web *web = web_new(&options);
	char *host, *body = NULL;

	if (text && web) {
		listen_text(text);
		host = strchr(text, '\n');
		if (host)
			*host++ = 0;
		body = host ? strchr(host, '\n') : NULL;
		if (body)
			*body++ = 0;
		run(web, text, host, body, body ? HTTP_POST : HTTP_GET);
	}
	web_free(web);
	return 0;
}
