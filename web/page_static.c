/* SPDX-License-Identifier: Apache-2.0 */
/* Files of web/static/, carried inside the program. */
#include <stdio.h>
#include <string.h>

#include "base/embed.h"
#include "web/routes.h"

static const char *type_of(const char *name)
{
	const char *dot = strrchr(name, '.');

	if (dot && !strcmp(dot, ".css"))
		return "text/css; charset=utf-8";
	if (dot && !strcmp(dot, ".js"))
		return "text/javascript; charset=utf-8";
	if (dot && !strcmp(dot, ".svg"))
		return "image/svg+xml";
	return "application/octet-stream";
}

int page_static(const struct http_request *req, struct http_response *res)
{
	const struct embedded_file *file;
	char path[96];

	snprintf(path, sizeof(path), "web/static/%s", req->arg);
	file = embedded_find(path);
	if (!file)
		return http_problem(res, 404, "There is no such file.");
	strbuf_add(&res->body, file->data, file->size);
	res->type = type_of(req->arg);
	res->cacheable = true;
	return 0;
}
