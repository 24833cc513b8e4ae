/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens for browsers: a form that turns one into a cookie. */
#ifndef KWHY_WEB_LOGIN_H
#define KWHY_WEB_LOGIN_H

#include "web/http.h"

/* The form; afterwards the browser goes back to what the request asked for. */
void login_form(struct strbuf *b, const struct http_request *req);

#endif
