/* SPDX-License-Identifier: Apache-2.0 */
/* The address the server listens on: "ADDR:PORT", "[v6]:PORT", "localhost:PORT" or "unix:PATH". */
#ifndef KWHY_WEB_LISTEN_H
#define KWHY_WEB_LISTEN_H

#include <sys/socket.h>

#include "base/strbuf.h"

struct web_listen {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	char url[192]; /* where a person finds it: "http://127.0.0.1:7070/" or "unix:PATH" */
	char host[64]; /* the address as a Host header names it, "" for unix */
};

/* 0; -EINVAL not understood; -EACCES an address others can reach (there is neither TLS nor a password yet). */
int web_listen_parse(const char *text, struct web_listen *ret_listen, struct strbuf *ret_error);
/*
 * A listening, non-blocking, close-on-exec socket or negative errno with a line in *ret_error.  Port 0 takes a free one
 * and completes listen->url. A stale unix socket is replaced.
 */
int web_listen_open(struct web_listen *listen, struct strbuf *ret_error);
/* Fills in url and host from a socket that listens already. */
int web_listen_adopt(int fd, struct web_listen *ret_listen);

#endif
