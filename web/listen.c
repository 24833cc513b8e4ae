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
#include <unistd.h>

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

static bool is_any(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

void web_host_name(const struct sockaddr_storage *addr, char *ret_host, size_t size)
{
	char text[INET6_ADDRSTRLEN] = "";

	*ret_host = 0;
	if (addr->ss_family == AF_INET6) {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)addr)->sin6_addr;

		/* An IPv4 client of an IPv6 socket. */
		if (IN6_IS_ADDR_V4MAPPED(in6))
			inet_ntop(AF_INET, &in6->s6_addr[12], text, sizeof(text));
		else
			inet_ntop(AF_INET6, in6, text, sizeof(text));
		snprintf(ret_host, size, strchr(text, ':') ? "[%s]" : "%s", text);
	} else if (addr->ss_family == AF_INET) {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)addr)->sin_addr, text, sizeof(text));
		snprintf(ret_host, size, "%s", text);
	}
}

static void describe(struct web_listen *l)
{
	const struct sockaddr_in *in = (struct sockaddr_in *)&l->addr; /* the port of both families stands there */

	if (l->addr.ss_family == AF_UNIX) {
		snprintf(l->url, sizeof(l->url), "unix:%.107s", ((struct sockaddr_un *)&l->addr)->sun_path);
		l->host[0] = 0;
		return;
	}
	l->any = is_any(&l->addr);
	web_host_name(&l->addr, l->host, sizeof(l->host));
	if (l->any)
		gethostname(l->host, sizeof(l->host) - 1);
	snprintf(l->url, sizeof(l->url), "http%s://%s:%u/", l->tls ? "s" : "", l->host, ntohs(in->sin_port));
}

static int check_guard(const struct web_listen *l, unsigned int guard, struct strbuf *ret_error)
{
	if (l->addr.ss_family == AF_UNIX || is_loopback(&l->addr) || guard == (WEB_TLS | WEB_TOKENS))
		return 0;
	strbuf_addf(ret_error,
		    "refusing to listen on %s, which others can reach: %s; without both, only loopback addresses and "
		    "unix sockets are allowed",
		    l->url,
		    !(guard & WEB_TLS) ? guard & WEB_TOKENS ? "set up TLS (serve.tls_cert, serve.tls_key)"
							    : "set up TLS (serve.tls_cert, serve.tls_key) and tokens "
							      "(serve.viewer_tokens and the like)"
				       : "set up tokens (serve.viewer_tokens and the like)");
	return -EACCES;
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

int web_listen_parse(const char *text, unsigned int guard, struct web_listen *ret_listen, struct strbuf *ret_error)
{
	struct web_listen l = { 0 };
	int r;

	if (!strncmp(text, "unix:", 5)) {
		r = parse_unix(text + 5, &l, ret_error);
		if (r)
			return r;
	} else if (parse_inet(text, &l)) {
		strbuf_addstr(ret_error, "--listen takes ADDR:PORT or unix:PATH, not \"");
		strbuf_add_plain(ret_error, text);
		strbuf_addstr(ret_error, "\"");
		return -EINVAL;
	} else {
		l.tls = guard & WEB_TLS;
		describe(&l);
		r = check_guard(&l, guard, ret_error);
		if (r)
			return r;
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
	/* Whoever may write to the file may come in: the owner and the owner's group. */
	if (is_unix)
		chmod(((const struct sockaddr_un *)&l->addr)->sun_path, 0660);
	if (!is_unix) {
		l->addr_len = sizeof(l->addr);
		if (!getsockname(fd, (struct sockaddr *)&l->addr, &l->addr_len))
			describe(l);
	}
	return TAKE_FD(fd);
}

int web_listen_adopt(int fd, unsigned int guard, struct web_listen *ret_listen, struct strbuf *ret_error)
{
	struct web_listen l = { .addr_len = sizeof(l.addr) };
	int r = getsockname(fd, (struct sockaddr *)&l.addr, &l.addr_len) ? -errno : 0;

	if (!r && l.addr.ss_family != AF_INET && l.addr.ss_family != AF_INET6 && l.addr.ss_family != AF_UNIX)
		r = -EAFNOSUPPORT;
	if (r) {
		strbuf_addf(ret_error, "cannot serve on the socket handed over: %s", strerror(-r));
		return r;
	}
	l.tls = l.addr.ss_family != AF_UNIX && (guard & WEB_TLS);
	describe(&l);
	r = check_guard(&l, guard, ret_error);
	if (r)
		return r;
	*ret_listen = l;
	return 0;
}
