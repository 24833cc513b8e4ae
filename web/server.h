/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP over a listening socket: all of libmicrohttpd is behind these two
 * functions.  Requests run on a pool of threads and end in routes_dispatch().
 */
#ifndef KWHY_WEB_SERVER_H
#define KWHY_WEB_SERVER_H

#include "web/web.h"

struct server;
struct tls;

/*
 * Takes the socket over; any_host: it listens on all addresses of the machine.  tls: NULL for plain HTTP.  web and tls
 * must outlive the server.  0 or negative errno.
 */
int server_start(struct web *web, int listen_fd, bool any_host, struct tls *tls, struct server **ret_server);
/* Answers what is under way, then stops; NULL is fine. */
void server_stop(struct server *s);

#endif
