/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are neither lost nor refused, but late: at a slow peer, in a queue, at a limit of memory. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/wire.h"

#define DATAGRAM 1200

struct netwait_state {
	struct tally requests[PHASES], bystander[PHASES];
	struct talk talk, other;
	struct wire wire;
	struct {
		char address[20];
		int port, buffer;
	} bulk;
	_Atomic uint64_t sent_bytes, retransmits;
};

static struct talk draw_talk(struct sandbox *sb, const char *address, struct tally *tally)
{
	struct talk t = talk_draw(sb, address, tally);

	t.period_ms = sandbox_random(sb, 20, 50);
	t.reconnect = sandbox_chance(sb, 0.5);
	return t;
}

/* The victim's client and its server in a container of its own, wired up. */
static int served_victim(struct sandbox *sb, struct container **ret_server)
{
	struct netwait_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, ret_server);
	if (r == 0)
		r = wire_veth(sb, sb->victim, *ret_server, &st->wire);
	if (r < 0)
		return r;
	st->talk = draw_talk(sb, st->wire.server, st->requests);
	facts_str(&sb->params, "server", (*ret_server)->path);
	facts_int(&sb->params, "port", st->talk.port);
	return 0;
}

/* A pair of its own that nothing happens to. */
static int bystanders(struct sandbox *sb)
{
	struct netwait_state *st = sb->state;

	st->other = draw_talk(sb, "", st->bystander);
	return talk_bystanders(sb, &st->other);
}

static int slow_setup(struct sandbox *sb)
{
	struct netwait_state *st = sb->state;
	int r = served_victim(sb, &sb->culprit);

	st->talk.think_ns = sandbox_random(sb, 150, 400) * MS;
	facts_ns(&sb->params, "think_ns", st->talk.think_ns);
	if (r == 0)
		r = talk_spawn(sb, sb->victim, sb->culprit, &st->talk, sandbox_random(sb, 2, 4));
	return r < 0 ? r : bystanders(sb);
}

static int slow_proof(struct sandbox *sb)
{
	struct netwait_state *st = sb->state;
	uint64_t before = tally_mean(&st->requests[0]), fault = tally_mean(&st->requests[1]);

	facts_tally(&sb->proof, "request", st->requests);
	facts_tally(&sb->proof, "bystander", st->bystander);
	return st->requests[0].count && fault >= 5 * before && fault >= 120 * (uint64_t)MS ? 0 : -ENODATA;
}

/* ---- a queue that a neighbour in the same pod fills --------------------------------------------------------------- */

static void bulk_body(struct sandbox *sb, void *arg)
{
	struct netwait_state *st = arg;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)st->bulk.port) };
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct timeval patience = { .tv_usec = 200000 };
	char data[DATAGRAM] = "";

	/* It waits until there is room in its own buffer, so that the queue holds as much and drops nothing. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &st->bulk.buffer, sizeof(st->bulk.buffer));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	inet_pton(AF_INET, st->bulk.address, &to.sin_addr);
	while (sandbox_phase(sb) < PHASE_STOP) {
		if (sandbox_phase(sb) != PHASE_FAULT)
			nap_ns(5 * MS);
		else if (sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&to, sizeof(to)) > 0)
			atomic_fetch_add(&st->sent_bytes, sizeof(data));
	}
}

static int queue_setup(struct sandbox *sb)
{
	struct netwait_state *st = sb->state;
	struct container *server = NULL;
	int r = served_victim(sb, &server);

	if (r == 0)
		r = container_new(sb, &sb->culprit);
	if (r < 0)
		return r;
	sb->culprit->netns_fd = sb->victim->netns_fd; /* two containers of one pod */
	snprintf(st->bulk.address, sizeof(st->bulk.address), "%s", st->wire.server);
	st->bulk.port = st->talk.port + 1;
	st->bulk.buffer = sandbox_random(sb, 80000, 150000);
	facts_int(&sb->params, "bulk_buffer_bytes", st->bulk.buffer);
	facts_str(&sb->params, "device", st->wire.device);
	r = talk_spawn(sb, sb->victim, server, &st->talk, 3);
	if (r == 0)
		r = MIN(sandbox_spawn(sb, sb->culprit, bulk_body, st), 0);
	return r < 0 ? r : bystanders(sb);
}

static int queue_onset(struct sandbox *sb)
{
	struct netwait_state *st = sb->state;
	char rate[24];

	snprintf(rate, sizeof(rate), "%dkbit", sandbox_random(sb, 2000, 4000));
	return sandbox_exec(sb, sb->victim->netns_fd, (const char *const[]){ "tc", "qdisc", "add", "dev",
			    st->wire.device, "root", "tbf", "rate", rate, "burst", "5000", "limit", "2000000", NULL });
}

static int queue_end(struct sandbox *sb)
{
	struct netwait_state *st = sb->state;

	return sandbox_exec(sb, sb->victim->netns_fd, (const char *const[]){ "tc", "qdisc", "del", "dev",
			    st->wire.device, "root", NULL });
}

static int queue_proof(struct sandbox *sb)
{
	struct netwait_state *st = sb->state;

	facts_int(&sb->proof, "bulk_bytes", (int64_t)st->sent_bytes);
	return slow_proof(sb);
}

/* ---- a device that holds or loses packets on purpose, as experiments with chaos have it ------------------------------ */

static int netem(struct sandbox *sb, const char *what, const char *much)
{
	struct netwait_state *st = sb->state;

	return sandbox_exec(sb, sb->victim->netns_fd, (const char *const[]){ "tc", "qdisc", "add", "dev",
			    st->wire.device, "root", "netem", what, much, NULL });
}

static int netem_setup(struct sandbox *sb)
{
	struct netwait_state *st = sb->state;
	struct container *server = NULL;
	int r = served_victim(sb, &server);

	if (r == 0 && (netem(sb, "delay", "0ms") < 0 || queue_end(sb) < 0))
		return -EOPNOTSUPP;
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "qdisc:");
	st->talk.reconnect = false;
	st->talk.retransmits = &st->retransmits;
	facts_str(&sb->params, "device", st->wire.device);
	if (r == 0)
		r = talk_spawn(sb, sb->victim, server, &st->talk, sandbox_random(sb, 3, 5));
	return r < 0 ? r : bystanders(sb);
}

static int delay_onset(struct sandbox *sb)
{
	char delay[16];

	snprintf(delay, sizeof(delay), "%dms", sandbox_random(sb, 130, 300));
	facts_str(&sb->proof, "delay", delay);
	return netem(sb, "delay", delay);
}


static int loss_onset(struct sandbox *sb)
{
	char share[16];

	snprintf(share, sizeof(share), "%d%%", sandbox_random(sb, 15, 40));
	facts_str(&sb->proof, "lost", share);
	return netem(sb, "loss", share);
}

static int loss_proof(struct sandbox *sb)
{
	struct netwait_state *st = sb->state;

	facts_tally(&sb->proof, "request", st->requests);
	facts_int(&sb->proof, "retransmits", (int64_t)st->retransmits);
	return st->retransmits >= 5 ? 0 : -ENODATA;
}

/* ---- socket buffers at the container's limit ---------------------------------------------------------------------- */

static int limit_memory(struct sandbox *sb, const char *bytes)
{
	return container_write(sb, sb->victim, "memory", "memory.kmem.tcp.limit_in_bytes", "-", bytes);
}

static int connect_to(const struct talk *t)
{
	const struct timeval patience = { .tv_sec = 3 };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)t->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	inet_pton(AF_INET, t->address, &a.sin_addr);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool upload(const struct talk *t, int fd, char *data)
{
	const uint32_t ask[2] = { (uint32_t)t->request_size, 1 };
	size_t left = (size_t)t->request_size;
	bool fine = send(fd, ask, sizeof(ask), MSG_NOSIGNAL) == sizeof(ask);

	while (fine && left) {
		ssize_t n = send(fd, data, left, MSG_NOSIGNAL);

		fine = n > 0;
		left -= fine ? (size_t)n : 0;
	}
	return fine && recv(fd, data, 1, 0) == 1;
}

/*
 * Blocks in send(), where the kernel makes it wait for memory: who polls would try again at once.  And keeps its
 * connection: a new one is allowed what little it needs (__sk_mem_raise_allocated(), net/core/sock.c).
 */
static void upload_body(struct sandbox *sb, void *arg)
{
	const struct talk *t = arg;
	AUTO_FREE char *data = calloc(1, (size_t)t->request_size);
	enum phase phase;
	int fd = -1;

	nap_ns(100 * MS);
	while (data && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		if (fd < 0)
			fd = connect_to(t);
		if (fd >= 0 && upload(t, fd, data)) {
			tally_add(t->tally, phase, sandbox_phase(sb), clock_ns() - began);
		} else {
			tally_fail(t->tally, phase);
			if (fd >= 0)
				close(fd);
			fd = -1;
		}
		nap_ns(t->period_ms * MS);
	}
}

/* It sends to a container of the same pod, over loopback. */
static int memory_setup(struct sandbox *sb)
{
	struct netwait_state *st = sb->state;
	struct container *server = NULL;
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_netns(sb, sb->victim);
	if (r == 0)
		r = container_new(sb, &server);
	if (!server)
		return r;
	server->netns_fd = sb->victim->netns_fd;
	/* Sockets are only charged that are made once there is a limit. */
	if (limit_memory(sb, "1073741824") < 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "no limit of a cgroup's TCP memory (memory.kmem.tcp, cgroup v1)");
	st->talk = draw_talk(sb, "127.0.0.1", st->requests);
	st->talk.request_size = sandbox_random(sb, 300000, 900000);
	sb->culprit = sb->victim;
	facts_str(&sb->params, "server", server->path);
	facts_int(&sb->params, "request_bytes", st->talk.request_size);
	r = MIN(sandbox_spawn(sb, server, talk_server, &st->talk), 0);
	for (int i = 0; i < 3 && r >= 0; i++)
		r = sandbox_spawn(sb, sb->victim, upload_body, &st->talk);
	return r < 0 ? r : bystanders(sb);
}

/* A limit below what is in use is refused; between two requests there is a moment. */
static int memory_onset(struct sandbox *sb)
{
	char bytes[24];
	int r = -EBUSY;

	snprintf(bytes, sizeof(bytes), "%d", 4096 * sandbox_random(sb, 2, 5));
	facts_str(&sb->proof, "limit_bytes", bytes);
	for (int i = 0; i < 1000 && r == -EBUSY; i++) {
		r = limit_memory(sb, bytes);
		if (r == -EBUSY)
			nap_ns(MS / 2);
	}
	return r;
}

static int memory_end(struct sandbox *sb)
{
	return limit_memory(sb, "1073741824");
}

static int memory_proof(struct sandbox *sb)
{
	struct netwait_state *st = sb->state;

	facts_tally(&sb->proof, "request", st->requests);
	return tally_mean(&st->requests[1]) > 2 * tally_mean(&st->requests[0]) || st->requests[1].failed ? 0 : -ENODATA;
}

const struct fault fault_net_peer_slow = {
	.name = "net_peer_slow",
	.cause = "net.peer_slow",
	.text = "A server begins to take its time for each answer.",
	.probes = "answer",
	.needs = "root, network namespaces, veth, ip",
	.setup = slow_setup,
	.proof = slow_proof,
};

const struct fault fault_net_queueing = {
	.name = "net_queueing",
	.cause = "net.queueing",
	.text = "A container fills the queue of the device that it shares with another one of its pod, behind a shaper.",
	.probes = "qdelay",
	.needs = "root, network namespaces, veth, tbf, tc, ip",
	.setup = queue_setup,
	.onset = queue_onset,
	.end = queue_end,
	.proof = queue_proof,
};

const struct fault fault_net_memory = {
	.name = "net_memory",
	.cause = "net.memory",
	.text = "A container that sends much to another one of its pod meets the limit of its own socket memory.",
	.probes = "sockmem",
	.needs = "root, network namespaces, veth, ip, memory controller of cgroup v1",
	.setup = memory_setup,
	.onset = memory_onset,
	.end = memory_end,
	.proof = memory_proof,
};

const struct fault fault_netem_delay = {
	.name = "netem_delay",
	.cause = "net.queueing.netem",
	.text = "Somebody has the device of a container hold each packet back for a while.",
	.probes = "qdelay",
	.needs = "root, network namespaces, veth, netem, tc, ip",
	.setup = netem_setup,
	.onset = delay_onset,
	.end = queue_end,
	.proof = slow_proof,
};

const struct fault fault_netem_loss = {
	.name = "netem_loss",
	.cause = "net.drop.qdisc",
	.text = "Somebody has the device of a container lose packets at random.",
	.probes = "drop,retransmit",
	.needs = "root, network namespaces, veth, netem, tc, ip",
	.setup = netem_setup,
	.onset = loss_onset,
	.end = queue_end,
	.proof = loss_proof,
};
