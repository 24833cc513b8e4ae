/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams that this host drops: at a full socket, a shaper, a device nobody empties. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/faults/cpu.h"
#include "tests/faults/faults.h"
#include "tests/faults/service.h"

#define DATAGRAM_MAX 1400

struct stream {
	struct wire wire;
	int port, size, burst;
	int64_t period_ns;
	bool only_in_fault;
	_Atomic uint64_t *sent; /* [PHASES] */
};

struct udp_state {
	struct stream stream, flood, other;
	_Atomic uint64_t sent[PHASES], flooded[PHASES], other_sent[PHASES];
	_Atomic uint64_t received[PHASES], other_received[PHASES], buffer_errors, oldest_ns[PHASES];
	int64_t work_ns, slow_ns; /* of the receiver, for each datagram */
	int buffer;
	struct tally unused[PHASES];
};

static void send_body(struct sandbox *sb, void *arg)
{
	const struct stream *s = arg;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->port) };
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char data[DATAGRAM_MAX] = "";
	enum phase phase;

	inet_pton(AF_INET, s->wire.server, &to.sin_addr);
	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		for (int i = 0; i < s->burst && (phase == PHASE_FAULT || !s->only_in_fault); i++)
			if (sendto(fd, data, (size_t)s->size, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) > 0)
				atomic_fetch_add(&s->sent[phase], 1);
		nap_ns(s->period_ns);
	}
}

struct receiver {
	int port, buffer;
	int64_t work_ns, slow_ns;
	_Atomic uint64_t *received; /* [PHASES] */
	_Atomic uint64_t *errors;   /* NULL: not wanted */
	_Atomic uint64_t *oldest_ns; /* [PHASES]; NULL: not wanted */
};

/* How old it is by the kernel's own stamp; negative: there is none. */
static int64_t take_datagram(int fd)
{
	char data[DATAGRAM_MAX], control[CMSG_SPACE(sizeof(struct timespec))];
	struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct timespec came, now;
	const struct cmsghdr *c;

	if (recvmsg(fd, &m, MSG_DONTWAIT) < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_TIMESTAMPNS)
		return 0;
	memcpy(&came, CMSG_DATA(c), sizeof(came));
	clock_gettime(CLOCK_REALTIME, &now);
	return MAX((now.tv_sec - came.tv_sec) * 1000 * MS + now.tv_nsec - came.tv_nsec, 0);
}

static void receive_body(struct sandbox *sb, void *arg)
{
	const struct receiver *v = arg;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)v->port) };
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int one = 1;
	enum phase phase;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v->buffer, sizeof(v->buffer));
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return;
	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t age_ns = poll(&p, 1, 20) > 0 ? take_datagram(fd) : -EAGAIN;

		if (age_ns < 0)
			continue;
		atomic_fetch_add(&v->received[phase], 1);
		if (v->oldest_ns && age_ns > (int64_t)v->oldest_ns[phase])
			v->oldest_ns[phase] = (uint64_t)age_ns;
		nap_ns(phase == PHASE_FAULT ? v->slow_ns : v->work_ns);
	}
	if (v->errors)
		atomic_store(v->errors, net_counter("snmp", "RcvbufErrors"));
}

static void draw_stream(struct sandbox *sb, struct stream *s, _Atomic uint64_t *sent)
{
	s->port = sandbox_random(sb, 2000, 30000);
	s->size = sandbox_random(sb, 300, 1200);
	s->burst = 1;
	s->period_ns = sandbox_random(sb, 4, 8) * MS;
	s->sent = sent;
}

static int add_receiver(struct sandbox *sb, const struct container *c, struct receiver *v)
{
	pid_t pid = sandbox_spawn(sb, c, receive_body, v);

	return MIN(pid, 0);
}

static int add_sender(struct sandbox *sb, const struct container *c, struct stream *s)
{
	pid_t pid = sandbox_spawn(sb, c, send_body, s);

	return MIN(pid, 0);
}

/* A pair of its own that loses nothing. */
static int bystanders(struct sandbox *sb)
{
	struct udp_state *st = sb->state;
	struct receiver v = { .buffer = 1 << 20, .received = st->other_received };
	struct container *receiver = NULL;
	int r = container_new(sb, &sb->bystander);

	if (r == 0)
		r = container_new(sb, &receiver);
	if (r == 0)
		r = wire_veth(sb, sb->bystander, receiver, &st->other.wire);
	draw_stream(sb, &st->other, st->other_sent);
	v.port = st->other.port;
	if (r == 0)
		r = add_receiver(sb, receiver, &v);
	return r < 0 ? r : add_sender(sb, sb->bystander, &st->other);
}

static int flooder(struct sandbox *sb)
{
	struct udp_state *st = sb->state;
	int r = container_new(sb, &sb->culprit);

	st->flood = st->stream;
	st->flood.burst = sandbox_random(sb, 8, 20);
	st->flood.period_ns = sandbox_random(sb, 1, 3) * MS;
	st->flood.only_in_fault = true;
	st->flood.sent = st->flooded;
	if (r == 0)
		r = wire_veth(sb, sb->culprit, sb->victim, &st->flood.wire);
	return r < 0 ? r : add_sender(sb, sb->culprit, &st->flood);
}

/* The receiver reads slowly, which is its own fault, or somebody else sends far more than it ever got. */
static int rcvbuf_setup(struct sandbox *sb)
{
	struct udp_state *st = sb->state;
	bool floods = sandbox_chance(sb, 0.5);
	struct receiver v = { .buffer = sandbox_random(sb, 8, 24) << 10, .received = st->received,
			      .work_ns = sandbox_random(sb, 2, 5) * MS / 10, .errors = &st->buffer_errors };
	struct container *sender = NULL;
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, &sender);
	if (r == 0)
		r = wire_veth(sb, sender, sb->victim, &st->stream.wire);
	draw_stream(sb, &st->stream, st->sent);
	v.port = st->stream.port;
	v.slow_ns = floods ? v.work_ns : sandbox_random(sb, 30, 80) * MS;
	if (r == 0)
		r = add_receiver(sb, sb->victim, &v);
	if (r == 0)
		r = add_sender(sb, sender, &st->stream);
	sb->culprit = sb->victim;
	if (r == 0 && floods)
		r = flooder(sb);
	facts_str(&sb->params, "how", floods ? "flood" : "slow reader");
	facts_int(&sb->params, "port", st->stream.port);
	facts_int(&sb->params, "buffer_bytes", v.buffer);
	return r < 0 ? r : bystanders(sb);
}

/* Its own threads use up the quota of a receiver: what was sent to it lies in its socket until it may run again. */
static int unread_setup(struct sandbox *sb)
{
	struct udp_state *st = sb->state;
	struct receiver v = { .buffer = 1 << 20, .received = st->received, .oldest_ns = st->oldest_ns };
	struct hog hog = { .cpu = -1, .percent = 100 };
	int hogs = sandbox_random(sb, 2, 4), r = container_new(sb, &sb->victim);
	struct container *sender = NULL;

	sb->culprit = sb->victim;
	if (r == 0)
		r = container_new(sb, &sender);
	if (r == 0)
		r = wire_veth(sb, sender, sb->victim, &st->stream.wire);
	if (r == 0)
		r = set_quota(sb, sb->victim, 1000 * sandbox_random(sb, 10, 20));
	draw_stream(sb, &st->stream, st->sent);
	v.port = st->stream.port;
	facts_int(&sb->params, "hogs", hogs);
	if (r == 0)
		r = add_receiver(sb, sb->victim, &v);
	if (r == 0)
		r = add_sender(sb, sender, &st->stream);
	for (int i = 0; i < hogs && r >= 0; i++)
		r = sandbox_spawn(sb, sb->victim, hog_body, &hog);
	return r < 0 ? r : bystanders(sb);
}

static void udp_facts(struct sandbox *sb)
{
	struct udp_state *st = sb->state;

	for (int i = 0; i < PHASES; i++) {
		char name[32];

		snprintf(name, sizeof(name), "sent_%d", i);
		facts_int(&sb->proof, name, (int64_t)(st->sent[i] + st->flooded[i]));
		snprintf(name, sizeof(name), "received_%d", i);
		facts_int(&sb->proof, name, (int64_t)st->received[i]);
	}
	facts_int(&sb->proof, "buffer_errors", (int64_t)st->buffer_errors);
}

static int rcvbuf_proof(struct sandbox *sb)
{
	struct udp_state *st = sb->state;

	udp_facts(sb);
	return st->buffer_errors >= 20 ? 0 : -ENODATA;
}

static int unread_proof(struct sandbox *sb)
{
	struct udp_state *st = sb->state;

	udp_facts(sb);
	facts_ns(&sb->proof, "oldest_before_ns", (int64_t)st->oldest_ns[0]);
	facts_ns(&sb->proof, "oldest_ns", (int64_t)st->oldest_ns[1]);
	return st->oldest_ns[1] >= 30 * (uint64_t)MS ? 0 : -ENODATA;
}

/* One sender, the victim, and a receiver with a large buffer. */
static int sender_setup(struct sandbox *sb, bool over_forwarder)
{
	struct udp_state *st = sb->state;
	struct receiver v = { .buffer = 1 << 20, .received = st->received };
	struct container *receiver = NULL;
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, &receiver);
	if (r == 0)
		r = over_forwarder ? wire_stalling(sb, sb->victim, receiver, &st->stream.wire)
				   : wire_veth(sb, sb->victim, receiver, &st->stream.wire);
	draw_stream(sb, &st->stream, st->sent);
	st->stream.burst = sandbox_random(sb, 3, 6);
	v.port = st->stream.port;
	if (r == 0)
		r = add_receiver(sb, receiver, &v);
	if (r == 0)
		r = add_sender(sb, sb->victim, &st->stream);
	facts_str(&sb->params, "receiver", receiver ? receiver->path : "");
	facts_int(&sb->params, "datagram_bytes", st->stream.size);
	return r < 0 ? r : bystanders(sb);
}

static int qdisc_setup(struct sandbox *sb)
{
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "qdisc");
	return sender_setup(sb, false);
}

static int qdisc_onset(struct sandbox *sb)
{
	struct udp_state *st = sb->state;
	char rate[24], limit[24];

	snprintf(rate, sizeof(rate), "%dkbit", sandbox_random(sb, 200, 600));
	snprintf(limit, sizeof(limit), "%d", sandbox_random(sb, 4000, 12000));
	return sandbox_exec(sb, sb->victim->netns_fd, (const char *const[]){ "tc", "qdisc", "add", "dev",
			    st->stream.wire.device, "root", "tbf", "rate", rate, "burst", "4000", "limit", limit, NULL });
}

static int qdisc_end(struct sandbox *sb)
{
	struct udp_state *st = sb->state;

	return sandbox_exec(sb, sb->victim->netns_fd, (const char *const[]){ "tc", "qdisc", "del", "dev",
			    st->stream.wire.device, "root", NULL });
}

static int lost_proof(struct sandbox *sb)
{
	struct udp_state *st = sb->state;

	udp_facts(sb);
	return st->received[1] * 4 < st->sent[1] * 3 && st->received[0] * 10 > st->sent[0] * 9 ? 0 : -ENODATA;
}

static int backlog_setup(struct sandbox *sb)
{
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "queue");
	return sender_setup(sb, true);
}

const struct fault fault_net_drop_rcvbuf = {
	.name = "net_drop_rcvbuf",
	.cause = "net.drop.rcvbuf",
	.text = "A receiver of datagrams reads slowly, or another container sends it far more than usual.",
	.probes = "drop",
	.needs = "root, network namespaces, veth, ip",
	.setup = rcvbuf_setup,
	.proof = rcvbuf_proof,
};

const struct fault fault_net_unread = {
	.name = "net_unread",
	.cause = "cpu.throttled",
	.text = "A receiver of datagrams is stopped by its CPU quota, and they lie in its socket meanwhile.",
	.probes = "unread,throttle",
	.needs = "root, the cpu controller with bandwidth control, network namespaces, veth, ip",
	.setup = unread_setup,
	.proof = unread_proof,
};

const struct fault fault_net_drop_qdisc = {
	.name = "net_drop_qdisc",
	.cause = "net.drop.qdisc",
	.text = "A shaper on a container's device lets through less than it sends.",
	.probes = "drop",
	.needs = "root, network namespaces, veth, tbf, tc, ip",
	.setup = qdisc_setup,
	.onset = qdisc_onset,
	.end = qdisc_end,
	.proof = lost_proof,
};

const struct fault fault_net_drop_backlog = {
	.name = "net_drop_backlog",
	.cause = "net.drop.backlog",
	.text = "The program behind a container's tun device stops taking packets from it.",
	.probes = "drop",
	.needs = "root, network namespaces, tun, ip",
	.setup = backlog_setup,
	.proof = lost_proof,
};
