/* SPDX-License-Identifier: Apache-2.0 */
/* Files of web/static/ and of the libraries beside them, carried inside the program. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/embed.h"
#include "base/hash.h"
#include "web/routes.h"

static const char *type_of(const char *name)
{
	static const char *const types[][2] = {
		{ ".css", "text/css; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".mjs", "text/javascript; charset=utf-8" },
		{ ".svg", "image/svg+xml" },
		{ ".txt", "text/plain; charset=utf-8" },
	};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < ARRAY_SIZE(types); i++)
		if (!strcmp(dot, types[i][0]))
			return types[i][1];
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
	res->type = type_of(req->arg);
	res->cacheable = true;
	/* A browser asks each time whether its copy still holds (RFC 9110, 13.1.2). */
	snprintf(res->etag, sizeof(res->etag), "\"%016" PRIx64 "\"", hash_bytes(file->data, file->size, 0));
	if (req->if_none_match && strstr(req->if_none_match, res->etag))
		res->status = 304;
	else
		strbuf_add(&res->body, file->data, file->size);
	return 0;
}
