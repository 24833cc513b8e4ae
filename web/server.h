/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP over a listening socket: all of libmicrohttpd is behind these three
 * functions.  Requests run on a pool of threads and end in routes_dispatch().
 */
#ifndef KWHY_WEB_SERVER_H
#define KWHY_WEB_SERVER_H

#include "web/web.h"

struct server;

/* Of a TLS server, as PEM texts; both NULL: plain HTTP. */
struct server_tls {
	char *cert, *key;
};

/* From files; -EKEYREJECTED when others may read the key.  With a line in *ret_error on failure. */
int server_tls_load(const char *cert_path, const char *key_path, struct server_tls *ret_tls, struct strbuf *ret_error);
void server_tls_cleanup(struct server_tls *tls); /* wipes the key */

/*
 * Takes the socket over; any_host: it listens on all addresses of the machine.  web must outlive the server, tls need
 * not.  0 or negative errno; -EKEYREJECTED when the certificate or the key is not understood.
 */
int server_start(struct web *web, int listen_fd, bool any_host, const struct server_tls *tls,
		 struct server **ret_server);
/* Answers what is under way, then stops; NULL is fine. */
void server_stop(struct server *s);

#endif
