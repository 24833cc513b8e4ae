/* SPDX-License-Identifier: Apache-2.0 */
/* A small protocol over TCP: two numbers, how many bytes follow as the request and how many shall be the answer. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/faults/wire.h"

#define CLIENTS_MAX 64 /* more than clients open anew while packets of theirs, and that they went, are lost */
#define MESSAGE_MAX (1 << 20)

static int left_ms(int64_t until)
{
	int64_t left = (until - clock_ns()) / MS;

	return (int)MAX(left, 0);
}

/* The socket is non-blocking; 0, -ETIMEDOUT, or what the socket says. */
static int wait_for(int fd, short events, int64_t until)
{
	struct pollfd p = { .fd = fd, .events = events };
	int r = poll(&p, 1, left_ms(until));

	return r > 0 ? 0 : r == 0 ? -ETIMEDOUT : -errno;
}

static int move_all(int fd, char *buf, size_t len, bool out, int64_t until)
{
	while (len > 0) {
		ssize_t n = out ? send(fd, buf, len, MSG_NOSIGNAL) : recv(fd, buf, len, 0);
		int r = 0;

		if (n < 0 && errno == EAGAIN)
			r = wait_for(fd, out ? POLLOUT : POLLIN, until);
		else if (n <= 0)
			r = n == 0 ? -ECONNRESET : -errno;
		if (r < 0)
			return r;
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static struct sockaddr_in address_of(const struct talk *t)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)t->port) };

	inet_pton(AF_INET, t->address, &a.sin_addr);
	return a;
}

static int answer(struct sandbox *sb, const struct talk *t, int fd, char *buf)
{
	int64_t until = clock_ns() + 2000 * MS;
	uint32_t ask[2];
	int r = move_all(fd, (char *)ask, sizeof(ask), false, until);

	if (r == 0 && (ask[0] > MESSAGE_MAX || ask[1] > MESSAGE_MAX))
		r = -EINVAL;
	if (r == 0)
		r = move_all(fd, buf, ask[0], false, until);
	if (r == 0 && t->think_ns && sandbox_phase(sb) == PHASE_FAULT)
		nap_ns(t->think_ns);
	return r < 0 ? r : move_all(fd, buf, ask[1], true, until);
}

static void accept_one(int listener, struct pollfd polls[], int *count)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;

	if (fd < 0)
		return;
	if (*count >= CLIENTS_MAX) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	polls[(*count)++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

void talk_server(struct sandbox *sb, void *arg)
{
	const struct talk *t = arg;
	struct sockaddr_in a = address_of(t);
	AUTO_FREE char *buf = calloc(1, MESSAGE_MAX);
	AUTO_CLOSE int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd polls[CLIENTS_MAX] = { { .fd = listener, .events = POLLIN } };
	int count = 1, one = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!buf || bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 16) < 0)
		return;
	while (sandbox_phase(sb) < PHASE_STOP) {
		if (poll(polls, (nfds_t)count, 50) <= 0)
			continue;
		for (int i = count - 1; i > 0; i--) {
			if (!polls[i].revents || answer(sb, t, polls[i].fd, buf) == 0)
				continue;
			close(polls[i].fd);
			polls[i] = polls[--count];
		}
		if (polls[0].revents)
			accept_one(listener, polls, &count);
	}
}

static int open_connection(const struct talk *t, int64_t until)
{
	struct sockaddr_in a = address_of(t);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, r = 0;
	socklen_t len = sizeof(r);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		r = errno == EINPROGRESS ? wait_for(fd, POLLOUT, until) : -errno;
		if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &r, &len) == 0)
			r = -r;
	}
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

struct connection {
	int fd; /* -1: none */
	uint32_t counted;
};

/* After each request, because we may be killed in the next one. */
static void count_retransmits(const struct talk *t, struct connection *c)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (!t->retransmits || getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return;
	atomic_fetch_add(t->retransmits, info.tcpi_total_retrans - c->counted);
	c->counted = info.tcpi_total_retrans;
}

static int one_request(const struct talk *t, struct connection *c, char *buf)
{
	int64_t until = clock_ns() + t->timeout_ns;
	uint32_t ask[2] = { (uint32_t)t->request_size, (uint32_t)t->reply_size };
	int r;

	if (c->fd < 0)
		*c = (struct connection){ .fd = open_connection(t, until) };
	if (c->fd < 0)
		return c->fd;
	r = move_all(c->fd, (char *)ask, sizeof(ask), true, until);
	if (r == 0)
		r = move_all(c->fd, buf, ask[0], true, until);
	if (r == 0)
		r = move_all(c->fd, buf, ask[1], false, until);
	count_retransmits(t, c);
	if (r < 0 || t->reconnect) {
		close(c->fd);
		c->fd = -1;
	}
	return r;
}

void talk_client(struct sandbox *sb, void *arg)
{
	const struct talk *t = arg;
	AUTO_FREE char *buf = calloc(1, MESSAGE_MAX);
	enum phase phase;
	struct connection c = { .fd = -1 };

	nap_ns(100 * MS); /* the server is about to listen */
	while (buf && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		if (one_request(t, &c, buf) < 0)
			tally_fail(t->tally, phase);
		else
			tally_add(t->tally, phase, sandbox_phase(sb), clock_ns() - began);
		nap_ns(t->period_ms * MS);
	}
	if (c.fd >= 0)
		close(c.fd);
}

struct talk talk_draw(struct sandbox *sb, const char *address, struct tally *tally)
{
	struct talk t = { .port = sandbox_random(sb, 2000, 30000), .period_ms = sandbox_random(sb, 10, 50),
			  .request_size = sandbox_random(sb, 100, 2000), .reply_size = sandbox_random(sb, 20, 8000),
			  .timeout_ns = 4000 * MS, .tally = tally };

	snprintf(t.address, sizeof(t.address), "%s", address);
	return t;
}

int talk_spawn(struct sandbox *sb, struct container *client, struct container *server, struct talk *t, int clients)
{
	int r = sandbox_spawn(sb, server, talk_server, t);

	for (int i = 0; i < clients && r > 0; i++)
		r = sandbox_spawn(sb, client, talk_client, t);
	return MIN(r, 0);
}

int talk_bystanders(struct sandbox *sb, struct talk *t)
{
	struct container *server = NULL;
	struct wire w;
	int r = container_new(sb, &sb->bystander);

	if (r == 0)
		r = container_new(sb, &server);
	if (r == 0)
		r = wire_veth(sb, sb->bystander, server, &w);
	if (r < 0)
		return r;
	snprintf(t->address, sizeof(t->address), "%s", w.server);
	return talk_spawn(sb, sb->bystander, server, t, 1);
}
