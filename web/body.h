/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of requests that change something: JSON of the API, forms of pages. */
#ifndef KWHY_WEB_BODY_H
#define KWHY_WEB_BODY_H

#include <jansson.h>

#include "web/http.h"

/* A JSON object; *ret is a new reference.  0 or what http_problem() returned. */
int body_json(const struct http_request *req, struct http_response *res, json_t **ret);
/* A form; *ret_form points into *ret_text, which the caller frees.  As above. */
int body_form(const struct http_request *req, struct http_response *res, struct http_request *ret_form,
	      char **ret_text);
/* A field of it, "" when absent. */
const char *body_field(const struct http_request *form, const char *name);

#endif
