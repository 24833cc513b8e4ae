/* SPDX-License-Identifier: Apache-2.0 */
/* The address the server listens on: "ADDR:PORT", "[v6]:PORT", "localhost:PORT" or "unix:PATH". */
#ifndef KWHY_WEB_LISTEN_H
#define KWHY_WEB_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/strbuf.h"

struct web_listen {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	char url[192]; /* where a person finds it: "http://127.0.0.1:7070/" or "unix:PATH" */
	char host[64]; /* the address as a Host header names it, "" for unix; the machine's name for all addresses */
	bool tls, any; /* any: all addresses of the machine */
};

/* What keeps strangers out; on unix sockets file permissions do, and there is no TLS. */
enum web_guard { WEB_TLS = 1 << 0, WEB_TOKENS = 1 << 1 };

/* 0; -EINVAL not understood; -EACCES an address others can reach without both TLS and tokens. */
int web_listen_parse(const char *text, unsigned int guard, struct web_listen *ret_listen, struct strbuf *ret_error);
/*
 * A listening, non-blocking, close-on-exec socket or negative errno with a line in *ret_error.  Port 0 takes a free one
 * and completes listen->url. A stale unix socket is replaced.
 */
int web_listen_open(struct web_listen *listen, struct strbuf *ret_error);
/* The same of a socket that listens already. */
int web_listen_adopt(int fd, unsigned int guard, struct web_listen *ret_listen, struct strbuf *ret_error);
/* An address as a Host header has it, "" for what is no internet address. */
void web_host_name(const struct sockaddr_storage *addr, char *ret_host, size_t size);

#endif
