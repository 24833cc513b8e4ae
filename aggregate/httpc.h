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
#define HTTPC_LINE_MAX (256 << 10)

struct httpc;

int httpc_global(void); /* once, before threads; -EIO */
struct httpc *httpc_new(void); /* NULL when out of memory */
void httpc_free(struct httpc *c);

/* How a server over TCP is told who asks, and who it has to be. */
struct httpc_trust {
	const char *token; /* of the header "Authorization: Bearer"; NULL or "": none */
	const char *ca;	   /* file with the certificates its own must be signed by; NULL or "": those of the system */
};

/*
 * socket: path of a unix socket, NULL: what the URL says; then trust too, for which the certificate of a server on the
 * loopback need not be signed by anybody as long as no ca is named: it is its own, and nobody else can listen there.
 * 0; -ENOENT nobody listens there, or it knows no such thing (404); -EACCES; -EKEYREJECTED its certificate is not
 * signed as it has to be; -ETIMEDOUT; -EFBIG; -EPROTO any other answer but 200.
 */
int httpc_get(struct httpc *c, const char *socket, const char *url, const struct httpc_trust *trust,
	      struct strbuf *ret_body);

/*
 * method: "/pkg.Service/Method"; ns: value of the header containerd-namespace, or NULL.  The answer is the message
 * without its frame.  Errors as above; -ENOENT also for the status NOT_FOUND and UNIMPLEMENTED.
 */
int httpc_grpc(struct httpc *c, const char *socket, const char *method, const char *ns, const void *message, size_t len,
	       struct strbuf *ret_message);

/* An answer that comes line by line and does not end, as that of a runtime's events. */
struct httpc_lines;

struct httpc_lines *httpc_lines_new(void); /* NULL when out of memory */
void httpc_lines_free(struct httpc_lines *l); /* NULL is fine */
/*
 * Calls fn for each line, until the other side ends it (0), it fails (as httpc_get(); -EFBIG: a line longer than
 * HTTPC_LINE_MAX), or another thread says stop (-ECANCELED), which it may do once and for all at any time.
 */
int httpc_lines_read(struct httpc_lines *l, const char *socket, const char *url,
		     void (*fn)(void *ctx, const char *line, size_t len), void *ctx);
void httpc_lines_stop(struct httpc_lines *l);

#endif
