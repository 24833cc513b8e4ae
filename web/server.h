/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP over a listening socket: all of libmicrohttpd is behind these three
 * functions.  Requests run on a pool of threads and end in routes_dispatch().
 */
#ifndef KWHY_WEB_SERVER_H
#define KWHY_WEB_SERVER_H

#include "web/web.h"

struct server;

/* Takes the socket over.  web must outlive the server.  0 or negative errno. */
int server_start(struct web *web, int listen_fd, struct server **ret_server);
/* Answers what is under way, then stops; NULL is fine. */
void server_stop(struct server *s);

#endif
