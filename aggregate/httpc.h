/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to a runtime's socket: HTTP/1.1, and unary gRPC over HTTP/2, which needs no library of its own
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).  One handle per thread; a question ends after
 * HTTPC_TIMEOUT_MS whatever the other side does, and an answer is never larger than METADATA_FILE_MAX.
 */
#ifndef KWHY_AGGREGATE_HTTPC_H
#define KWHY_AGGREGATE_HTTPC_H

#include <stddef.h>

#include "base/strbuf.h"

#define HTTPC_TIMEOUT_MS 1000L

struct httpc;

int httpc_global(void); /* once, before threads; -EIO */
struct httpc *httpc_new(void); /* NULL when out of memory */
void httpc_free(struct httpc *c);

/*
 * socket: path of a unix socket, NULL: what the URL says.  token: of the header "Authorization: Bearer", or NULL.
 * 0; -ENOENT nobody listens there, or it knows no such thing (404); -EACCES; -ETIMEDOUT; -EFBIG; -EPROTO any other
 * answer but 200.
 */
int httpc_get(struct httpc *c, const char *socket, const char *url, const char *token, struct strbuf *ret_body);

/*
 * method: "/pkg.Service/Method"; ns: value of the header containerd-namespace, or NULL.  The answer is the message
 * without its frame.  Errors as above; -ENOENT also for the status NOT_FOUND and UNIMPLEMENTED.
 */
int httpc_grpc(struct httpc *c, const char *socket, const char *method, const char *ns, const void *message, size_t len,
	       struct strbuf *ret_message);

#endif
