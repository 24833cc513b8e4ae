/* SPDX-License-Identifier: Apache-2.0 */
#include "web/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/timeutil.h"

static int parse_unix(const char *path, struct web_listen *l, struct strbuf *err)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&l->addr;

	if (!*path || strlen(path) >= sizeof(un->sun_path)) {
		strbuf_addf(err, "a unix socket needs a path of at most %zu bytes", sizeof(un->sun_path) - 1);
		return -EINVAL;
	}
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, strlen(path) + 1);
	l->addr_len = sizeof(*un);
	snprintf(l->url, sizeof(l->url), "unix:%s", path);
	return 0;
}

static int parse_port(const char *text, in_port_t *ret_port)
{
	int64_t port;

	if (int_parse(text, &port) < 0 || port < 0 || port > 65535)
		return -EINVAL;
	*ret_port = htons((in_port_t)port);
	return 0;
}

static bool is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static void describe(struct web_listen *l)
{
	char text[INET6_ADDRSTRLEN] = "";
	unsigned int port;

	if (l->addr.ss_family == AF_UNIX) {
		snprintf(l->url, sizeof(l->url), "unix:%.107s", ((struct sockaddr_un *)&l->addr)->sun_path);
		l->host[0] = 0;
		return;
	}
	if (l->addr.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&l->addr;

		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		port = ntohs(in6->sin6_port);
		snprintf(l->host, sizeof(l->host), "[%s]", text);
	} else {
		const struct sockaddr_in *in = (struct sockaddr_in *)&l->addr;

		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		port = ntohs(in->sin_port);
		snprintf(l->host, sizeof(l->host), "%s", text);
	}
	snprintf(l->url, sizeof(l->url), "http://%s:%u/", l->host, port);
}

static int parse_inet(const char *text, struct web_listen *l)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&l->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&l->addr;
	const char *colon = strrchr(text, ':');
	char addr[INET6_ADDRSTRLEN + 2];
	size_t len;

	if (!colon || (size_t)(colon - text) >= sizeof(addr))
		return -EINVAL;
	len = (size_t)(colon - text);
	memcpy(addr, text, len);
	addr[len] = 0;
	if (!strcmp(addr, "localhost"))
		snprintf(addr, sizeof(addr), "127.0.0.1");
	if (addr[0] == '[' && addr[len - 1] == ']') {
		addr[len - 1] = 0;
		in6->sin6_family = AF_INET6;
		l->addr_len = sizeof(*in6);
		if (inet_pton(AF_INET6, addr + 1, &in6->sin6_addr) != 1)
			return -EINVAL;
		return parse_port(colon + 1, &in6->sin6_port);
	}
	in->sin_family = AF_INET;
	l->addr_len = sizeof(*in);
	if (inet_pton(AF_INET, addr, &in->sin_addr) != 1)
		return -EINVAL;
	return parse_port(colon + 1, &in->sin_port);
}

int web_listen_parse(const char *text, struct web_listen *ret_listen, struct strbuf *ret_error)
{
	struct web_listen l = { 0 };

	if (!strncmp(text, "unix:", 5)) {
		int r = parse_unix(text + 5, &l, ret_error);

		if (r)
			return r;
	} else if (parse_inet(text, &l)) {
		strbuf_addstr(ret_error, "--listen takes ADDR:PORT or unix:PATH, not \"");
		strbuf_add_plain(ret_error, text);
		strbuf_addstr(ret_error, "\"");
		return -EINVAL;
	} else if (!is_loopback(&l.addr)) {
		strbuf_addstr(ret_error, "refusing to listen on ");
		strbuf_add_plain(ret_error, text);
		strbuf_addstr(ret_error,
			      ": there is no TLS and no password, so only loopback addresses and unix sockets "
			      "are allowed; put a reverse proxy in front, or use an SSH tunnel");
		return -EACCES;
	} else {
		describe(&l);
	}
	*ret_listen = l;
	return 0;
}

/* A socket file nobody answers on is left over from a killed server. */
static void remove_stale(const struct web_listen *l)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&l->addr;
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (fd < 0 || lstat(un->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return;
	if (connect(fd, (const struct sockaddr *)un, l->addr_len) && errno == ECONNREFUSED)
		unlink(un->sun_path);
}

int web_listen_open(struct web_listen *l, struct strbuf *ret_error)
{
	AUTO_CLOSE int fd = socket(l->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, saved;
	bool is_unix = l->addr.ss_family == AF_UNIX;

	if (fd >= 0 && is_unix)
		remove_stale(l);
	if (fd >= 0 && !is_unix)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&l->addr, l->addr_len) || listen(fd, 128)) {
		saved = errno;
		strbuf_addf(ret_error, "cannot listen on %s: %s%s", l->url, strerror(saved),
			    saved == EADDRINUSE ? "; is another kwhy running? choose another address with --listen"
						: "");
		return -saved;
	}
	if (!is_unix) {
		l->addr_len = sizeof(l->addr);
		if (!getsockname(fd, (struct sockaddr *)&l->addr, &l->addr_len))
			describe(l);
	}
	return TAKE_FD(fd);
}

int web_listen_adopt(int fd, struct web_listen *ret_listen)
{
	struct web_listen l = { .addr_len = sizeof(l.addr) };

	if (getsockname(fd, (struct sockaddr *)&l.addr, &l.addr_len))
		return -errno;
	if (l.addr.ss_family != AF_INET && l.addr.ss_family != AF_INET6 && l.addr.ss_family != AF_UNIX)
		return -EAFNOSUPPORT;
	describe(&l);
	*ret_listen = l;
	return 0;
}
