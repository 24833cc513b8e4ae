/* SPDX-License-Identifier: Apache-2.0 */
/* /login and /logout. */
#include <stdio.h>
#include <string.h>

#include "web/login.h"
#include "web/page.h"
#include "web/routes.h"
#include "web/web.h"

#define COOKIE_SECONDS (30 * 24 * 60 * 60)

/* Only an address of this server: "//host" and "/\host" are others' to a browser. */
static bool is_local(const char *address)
{
	if (address[0] != '/' || address[1] == '/' || address[1] == '\\')
		return false;
	for (; *address; address++)
		if ((unsigned char)*address <= ' ' || *address == 0x7f)
			return false;
	return true;
}

/* Where to go afterwards: what ?next= says, else what was asked for. */
static void add_next(struct strbuf *b, const struct http_request *req)
{
	const char *next = http_param(req, "next");

	if (next && is_local(next)) {
		strbuf_addstr(b, next);
		return;
	}
	if (!strcmp(req->path, "/login") || (req->method & HTTP_POST) || !is_local(req->path)) {
		strbuf_addch(b, '/');
		return;
	}
	strbuf_addstr(b, req->path);
	for (unsigned int i = 0; i < req->param_count; i++) {
		strbuf_addch(b, i ? '&' : '?');
		http_url_encode(b, req->params[i].name);
		strbuf_addch(b, '=');
		http_url_encode(b, req->params[i].value);
	}
}

void login_form(struct strbuf *b, const struct http_request *req)
{
	AUTO(strbuf) struct strbuf next = STRBUF_INIT;

	add_next(&next, req);
	strbuf_addstr(b, "<form class=\"login\" method=\"post\" action=\"/login\">\n<label>Token<input name=\"token\" "
			 "type=\"password\" autocomplete=\"current-password\" required></label>\n"
			 "<input type=\"hidden\" name=\"next\" value=\"");
	strbuf_add_html(b, strbuf_str(&next));
	strbuf_addstr(b, "\">\n<p class=\"actions\"><button>Sign in</button></p></form>\n");
}

static int show(const struct http_request *req, struct http_response *res)
{
	const struct page page = { .title = "Sign in" };
	struct strbuf *b = &res->body;

	page_begin(res, &page);
	strbuf_addstr(b, "<h1>Sign in</h1>\n");
	if (!tokens_wanted(web_options(req->web)->tokens)) {
		page_empty(b, "This server asks for no token.");
	} else if (req->who.role) {
		strbuf_addstr(b, "<form method=\"post\" action=\"/logout\"><p>Signed in as ");
		strbuf_add_html(b, req->who.name);
		strbuf_addf(b, " (%s).</p>\n<p class=\"actions\"><button>Sign out</button></p></form>\n",
			    role_name(req->who.role));
	} else {
		login_form(b, req);
	}
	page_end(res);
	return 0;
}

static void set_cookie(const struct http_request *req, struct http_response *res, const char *token, int seconds)
{
	strbuf_addf(&res->cookie, HTTP_COOKIE "=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s", token, seconds,
		    web_options(req->web)->tls ? "; Secure" : "");
}

static int sign_in(const struct http_request *req, struct http_response *res)
{
	struct tokens *tokens = web_options(req->web)->tokens;
	AUTO_FREE char *text = req->body ? strdup(req->body) : NULL;
	struct http_request form = { 0 };
	const char *token, *next;
	bool plausible;

	if (text)
		http_parse_form(&form, text);
	token = http_param(&form, "token");
	next = http_param(&form, "next");
	if (!tokens_wanted(tokens))
		return http_redirect(res, "/");
	plausible = token && token_is_plausible(token);
	if (plausible)
		res->who = tokens_identify(tokens, token);
	if (!plausible || !res->who.role)
		return http_problem(res, 401, "Nobody has this token.");
	set_cookie(req, res, token, COOKIE_SECONDS);
	return http_redirect(res, next && is_local(next) ? next : "/");
}

int page_login(const struct http_request *req, struct http_response *res)
{
	return req->method == HTTP_POST ? sign_in(req, res) : show(req, res);
}

int page_logout(const struct http_request *req, struct http_response *res)
{
	set_cookie(req, res, "", 0);
	return http_redirect(res, "/login");
}
