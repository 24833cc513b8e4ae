/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/faults/service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEAF_MAX 32

uint64_t net_counter(const char *file, const char *name)
{
	char path[48], names[4096], values[4096];
	AUTO_FCLOSE FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/self/net/%s", file);
	f = fopen(path, "re");
	while (f && fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
		char *n_save, *v_save, *n = strtok_r(names, " \n", &n_save), *v = strtok_r(values, " \n", &v_save);

		for (; n && v; n = strtok_r(NULL, " \n", &n_save), v = strtok_r(NULL, " \n", &v_save))
			if (strcmp(n, name) == 0)
				return strtoull(v, NULL, 10);
	}
	return 0;
}

static int listen_on(const struct service *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, s->backlog) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Waits a little for the request, works, answers with one byte. */
static void answer(const struct service *s, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[65536];
	int left = s->request_size;

	while (left > 0 && poll(&p, 1, 50) > 0) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n <= 0)
			return;
		left -= (int)n;
	}
	nap_ns(s->work_ns);
	if (send(fd, "", 1, MSG_NOSIGNAL) == 1)
		shutdown(fd, SHUT_WR);
}

struct server {
	const struct service *s;
	int listener, lock;
	int deaf[DEAF_MAX];
	unsigned int deaf_count;
};

static void serve(struct server *v, bool ill)
{
	struct pollfd p = { .fd = v->listener, .events = POLLIN };
	const struct linger hard = { .l_onoff = 1 };
	AUTO_CLOSE int fd = -1;

	if (poll(&p, 1, 20) <= 0)
		return;
	fd = accept4(v->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (ill && v->s->illness == ILL_DEAF && v->deaf_count < DEAF_MAX) {
		v->deaf[v->deaf_count++] = TAKE_FD(fd);
	} else if (ill && v->s->illness == ILL_RESET) {
		nap_ns(v->s->work_ns);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	} else {
		if (v->lock >= 0)
			flock(v->lock, LOCK_EX);
		answer(v->s, fd);
		if (v->lock >= 0)
			flock(v->lock, LOCK_UN);
	}
}

static void hear_again(struct server *v)
{
	while (v->deaf_count) {
		answer(v->s, v->deaf[--v->deaf_count]);
		close(v->deaf[v->deaf_count]);
	}
}

void service_body(struct sandbox *sb, void *arg)
{
	struct server v = { .s = arg, .listener = -1 };
	AUTO_CLOSE int lock = v.s->lock ? open(v.s->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
	enum phase phase;

	v.lock = lock;

	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		bool ill = phase == PHASE_FAULT;

		if (ill && v.s->illness == ILL_CLOSED && v.listener >= 0) {
			close(v.listener);
			v.listener = -1;
		}
		if (ill && (v.s->illness == ILL_CLOSED || v.s->illness == ILL_STALL)) {
			nap_ns(5 * MS);
			continue;
		}
		if (v.listener < 0)
			v.listener = listen_on(v.s);
		if (v.listener < 0)
			return;
		if (!ill)
			hear_again(&v);
		serve(&v, ill);
	}
	atomic_store(&v.s->counts->overflows, net_counter("netstat", "ListenOverflows"));
	atomic_store(&v.s->counts->request_drops, net_counter("netstat", "TCPReqQFullDrop"));
}

int service_connect(const struct service *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r = 0;

	inet_pton(AF_INET, s->wire.server, &a.sin_addr);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EINPROGRESS)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static int wait_for(int fd, short events, int64_t until)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left = MAX((until - clock_ns()) / MS, 0);
	int error = 0, r = poll(&p, 1, (int)left);
	socklen_t len = sizeof(error);

	if (r <= 0)
		return r == 0 ? -ETIMEDOUT : -errno;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return -error;
}

static int request(const struct service *s, const char *data)
{
	int64_t until = clock_ns() + s->timeout_ns;
	AUTO_CLOSE int fd = service_connect(s);
	int left = s->request_size, r = fd < 0 ? fd : wait_for(fd, POLLOUT, until);
	char answered;
	ssize_t got;

	while (r == 0 && left > 0) {
		ssize_t n = send(fd, data, (size_t)left, MSG_NOSIGNAL);

		if (n > 0)
			left -= (int)n;
		else
			r = errno == EAGAIN ? wait_for(fd, POLLOUT, until) : -errno;
	}
	if (r == 0)
		r = wait_for(fd, POLLIN, until);
	if (r == 0 && (got = recv(fd, &answered, 1, 0)) != 1)
		r = got < 0 ? -errno : -ENODATA; /* closed as usual, without an answer */
	return r;
}

static void count(const struct service *s, int error)
{
	if (error == -ECONNREFUSED)
		atomic_fetch_add(&s->counts->refused, 1);
	else if (error == -ECONNRESET || error == -EPIPE)
		atomic_fetch_add(&s->counts->reset, 1);
	else
		atomic_fetch_add(&s->counts->timeouts, 1);
}

void service_client(struct sandbox *sb, void *arg)
{
	const struct service *s = arg;
	AUTO_FREE char *data = calloc(1, (size_t)s->request_size);
	enum phase phase;

	nap_ns(150 * MS); /* the server is about to listen */
	while (data && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();
		int r = request(s, data);

		if (r < 0)
			tally_fail(s->tally, phase);
		else
			tally_add(s->tally, phase, sandbox_phase(sb), clock_ns() - began);
		if (r < 0 && phase == PHASE_FAULT)
			count(s, r);
		nap_ns(s->period_ns);
	}
}

int service_new(struct sandbox *sb, struct service *s, struct container *client, struct container *server, int clients)
{
	int r = wire_veth(sb, client, server, &s->wire);

	if (r == 0)
		r = sandbox_spawn(sb, server, service_body, s);
	for (int i = 0; i < clients && r > 0; i++)
		r = sandbox_spawn(sb, client, service_client, s);
	return MIN(r, 0);
}
