/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the network that a neighbour fills: tracked connections of a gateway, IPv6 neighbours of the host. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/wire.h"

#define HELD_MAX 700 /* of the 1024 descriptors a process usually may have */
#define TARGETS 250  /* more than the victim asks for in its time */
#define CONNTRACK_MAX "/proc/sys/net/netfilter/nf_conntrack_max"

struct nettable_state {
	struct tally requests[PHASES], bystander[PHASES];
	struct talk talk, other;
	struct {
		char address[20];
		int port, count;
	} hoard;
	struct {
		char prefix[24], flooded[24];
		int port;
		int64_t period_ns;
	} v6;
	_Atomic uint64_t held, flooded;
	char conntrack_max[16], usual_max[16];
};

static int spawn_clients(struct sandbox *sb, struct container *client, struct talk *t, int clients)
{
	int r = 1;

	for (int i = 0; i < clients && r > 0; i++)
		r = sandbox_spawn(sb, client, talk_client, t);
	return MIN(r, 0);
}

static struct talk draw_talk(struct sandbox *sb, const char *address, struct tally *tally)
{
	struct talk t = talk_draw(sb, address, tally);

	t.period_ms = sandbox_random(sb, 80, 150);
	t.reconnect = true;
	t.timeout_ns = sandbox_random(sb, 300, 600) * MS;
	return t;
}

/* A pair of its own that nothing happens to. */
static int bystanders(struct sandbox *sb)
{
	struct nettable_state *st = sb->state;

	st->other = draw_talk(sb, "", st->bystander);
	return talk_bystanders(sb, &st->other);
}

static void idle_body(struct sandbox *sb, void *arg)
{
	(void)arg;
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(50 * MS);
}

/* ---- connections of a gateway ------------------------------------------------------------------------------------ */

/* Accepts what comes and keeps it. */
static void keep_body(struct sandbox *sb, void *arg)
{
	const struct nettable_state *st = arg;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)st->hoard.port) };
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 512) < 0)
		return;
	while (sandbox_phase(sb) < PHASE_STOP)
		if (poll(&p, 1, 50) > 0 && accept4(fd, NULL, NULL, SOCK_CLOEXEC) < 0)
			nap_ns(50 * MS);
}

/* Opens connections and keeps them, as one does that never gives them back to its pool. */
static void hoard_body(struct sandbox *sb, void *arg)
{
	struct nettable_state *st = arg;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)st->hoard.port) };
	int opened = 0;

	inet_pton(AF_INET, st->hoard.address, &a.sin_addr);
	while (sandbox_phase(sb) < PHASE_STOP) {
		int fd = sandbox_phase(sb) == PHASE_FAULT && opened < st->hoard.count
				 ? socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
				 : -1;

		if (fd < 0) {
			nap_ns(10 * MS);
			continue;
		}
		opened++;
		if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EINPROGRESS)
			atomic_fetch_add(&st->held, 1);
		nap_ns(MS / 2);
	}
}

static int route_by(struct sandbox *sb, const struct container *c, const char *gateway)
{
	return sandbox_exec(sb, c->netns_fd, (const char *const[]){ "ip", "route", "add", "default", "via", gateway, NULL });
}

/* Clients on one side of the gateway, both servers on the other. */
static int wire_up(struct sandbox *sb, struct container *gateway, struct container *server)
{
	static const char *const rules =
		"table inet gw { chain forward { type filter hook forward priority 0; policy accept; "
		"ct state established,related accept; ct state new counter accept; }; }";
	struct nettable_state *st = sb->state;
	struct wire victim, culprit, out;
	int r = wire_veth(sb, sb->victim, gateway, &victim);

	if (r == 0)
		r = wire_veth(sb, sb->culprit, gateway, &culprit);
	if (r == 0)
		r = wire_veth(sb, gateway, server, &out);
	if (r == 0)
		r = route_by(sb, sb->victim, victim.server);
	if (r == 0)
		r = route_by(sb, sb->culprit, culprit.server);
	if (r == 0)
		r = route_by(sb, server, out.client);
	if (r == 0)
		r = sandbox_exec(sb, gateway->netns_fd, (const char *const[]){ "sysctl", "-qw", "net.ipv4.ip_forward=1", NULL });
	if (r == 0)
		r = sandbox_exec(sb, gateway->netns_fd, (const char *const[]){ "nft", rules, NULL });
	if (r < 0)
		return r;
	st->talk = draw_talk(sb, out.server, st->requests);
	snprintf(st->hoard.address, sizeof(st->hoard.address), "%s", out.server);
	st->hoard.port = st->talk.port + 1;
	return 0;
}

static int read_usual(struct sandbox *sb, char *ret, int size)
{
	AUTO_FCLOSE FILE *f = fopen(CONNTRACK_MAX, "re");

	if (!f || !fgets(ret, size, f))
		return sandbox_fail(sb, -EOPNOTSUPP, "this kernel tracks no connections");
	ret[strcspn(ret, "\n")] = '\0';
	return 0;
}

static int conntrack_setup(struct sandbox *sb)
{
	struct nettable_state *st = sb->state;
	struct container *gateway = NULL, *server = NULL;
	int r = sandbox_has_program("nft") ? 0 : sandbox_fail(sb, -EOPNOTSUPP, "the program nft is not installed");

	if (r == 0)
		r = read_usual(sb, st->usual_max, sizeof(st->usual_max));
	if (r == 0)
		r = container_new(sb, &sb->victim);
	if (r == 0)
		r = container_new(sb, &sb->culprit);
	if (r == 0)
		r = container_new(sb, &gateway);
	if (r == 0)
		r = container_new(sb, &server);
	if (r == 0)
		r = wire_up(sb, gateway, server);
	if (r < 0)
		return r;
	/* What the victim itself leaves behind in its time is far less. */
	st->hoard.count = sandbox_random(sb, 550, HELD_MAX);
	snprintf(st->conntrack_max, sizeof(st->conntrack_max), "%d", st->hoard.count - sandbox_random(sb, 80, 150));
	facts_str(&sb->params, "gateway", gateway->path);
	facts_str(&sb->params, "server", server->path);
	facts_str(&sb->params, "conntrack_max", st->conntrack_max);
	r = MIN(sandbox_spawn(sb, gateway, idle_body, NULL), 0);
	if (r == 0)
		r = MIN(sandbox_spawn(sb, server, talk_server, &st->talk), 0);
	if (r == 0)
		r = MIN(sandbox_spawn(sb, server, keep_body, st), 0);
	if (r == 0)
		r = MIN(sandbox_spawn(sb, sb->culprit, hoard_body, st), 0);
	if (r == 0)
		r = spawn_clients(sb, sb->victim, &st->talk, 3);
	return r < 0 ? r : bystanders(sb);
}

/*
 * The one setting of the host that a fault changes, for its few seconds: the limit is one for all namespaces, the count
 * each one's own, so that only a namespace with as many connections notices.
 */
static int conntrack_onset(struct sandbox *sb)
{
	struct nettable_state *st = sb->state;

	return sandbox_set(sb, CONNTRACK_MAX, st->conntrack_max);
}

static int conntrack_end(struct sandbox *sb)
{
	struct nettable_state *st = sb->state;

	return sandbox_write_file(CONNTRACK_MAX, st->usual_max);
}

static int refused_proof(struct sandbox *sb)
{
	struct nettable_state *st = sb->state;

	facts_tally(&sb->proof, "request", st->requests);
	facts_int(&sb->proof, "held", (int64_t)st->held);
	facts_int(&sb->proof, "flooded", (int64_t)st->flooded);
	facts_int(&sb->proof, "bystander_failed", (int64_t)st->bystander[1].failed);
	return st->requests[1].failed >= 5 && st->requests[0].failed * 10 <= st->requests[0].count ? 0 : -ENODATA;
}

/* ---- neighbours of the host -------------------------------------------------------------------------------------- */

static struct sockaddr_in6 address6(const char *prefix, unsigned int number, int port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	char text[48];

	snprintf(text, sizeof(text), "%s::%x:%x", prefix, number >> 16, number & 0xffff);
	inet_pton(AF_INET6, text, &a.sin6_addr);
	return a;
}

/* Answers each datagram. */
static void echo_body(struct sandbox *sb, void *arg)
{
	const struct nettable_state *st = arg;
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)st->v6.port) }, from;
	AUTO_CLOSE int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return;
	while (sandbox_phase(sb) < PHASE_STOP) {
		socklen_t len = sizeof(from);

		if (poll(&p, 1, 50) > 0 && recvfrom(fd, &c, 1, MSG_DONTWAIT, (struct sockaddr *)&from, &len) == 1)
			sendto(fd, &c, 1, MSG_DONTWAIT, (struct sockaddr *)&from, len);
	}
}

/* Asks another address each time, as one does whose peers come and go. */
static void ask_body(struct sandbox *sb, void *arg)
{
	struct nettable_state *st = arg;
	AUTO_CLOSE int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	enum phase phase;

	nap_ns(100 * MS);
	for (unsigned int i = 0; (phase = sandbox_phase(sb)) < PHASE_STOP; i++) {
		struct sockaddr_in6 to = address6(st->v6.prefix, 2 + i % TARGETS, st->v6.port);
		int64_t began = clock_ns();
		char c = 0;

		if (sendto(fd, &c, 1, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) == 1 && poll(&p, 1, 200) > 0 &&
		    recv(fd, &c, 1, MSG_DONTWAIT) == 1)
			tally_add(st->requests, phase, sandbox_phase(sb), clock_ns() - began);
		else
			tally_fail(st->requests, phase);
		nap_ns(st->v6.period_ns);
	}
}

/* Looks for whoever may be there, as a scanner does. */
static void scan_body(struct sandbox *sb, void *arg)
{
	struct nettable_state *st = arg;
	AUTO_CLOSE int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const int buffer = 1 << 24; /* what waits for a neighbour counts against it */
	unsigned int i = 0x10000;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	while (sandbox_phase(sb) < PHASE_STOP) {
		for (int burst = 0; burst < 10 && sandbox_phase(sb) == PHASE_FAULT; burst++) {
			struct sockaddr_in6 to = address6(st->v6.flooded, i++, st->v6.port);

			sendto(fd, "", 1, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to));
			atomic_fetch_add(&st->flooded, 1);
		}
		nap_ns(2 * MS);
	}
}

static int wire_both(struct sandbox *sb, struct container *server, struct container *nobody)
{
	struct nettable_state *st = sb->state;
	int x = sandbox_random(sb, 1, 65000);
	struct wire victim, culprit;
	int r = wire_veth(sb, sb->victim, server, &victim);

	snprintf(st->v6.prefix, sizeof(st->v6.prefix), "fd00:%x:%x:1", x, getpid() & 0xffff);
	snprintf(st->v6.flooded, sizeof(st->v6.flooded), "fd00:%x:%x:2", x, getpid() & 0xffff);
	if (r == 0)
		r = wire_veth(sb, sb->culprit, nobody, &culprit);
	if (r == 0)
		r = wire_ipv6(sb, sb->victim, victim.device, st->v6.prefix, 1, 1);
	if (r == 0)
		r = wire_ipv6(sb, server, victim.device, st->v6.prefix, 2, 1 + TARGETS);
	return r < 0 ? r : wire_ipv6(sb, sb->culprit, culprit.device, st->v6.flooded, 1, 1);
}

static int neighbours_setup(struct sandbox *sb)
{
	struct nettable_state *st = sb->state;
	struct container *server = NULL, *nobody = NULL;
	int r = container_new(sb, &sb->victim);

	if (access("/proc/sys/net/ipv6", R_OK) < 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "no IPv6");
	if (r == 0)
		r = container_new(sb, &sb->culprit);
	if (r == 0)
		r = container_new(sb, &server);
	if (r == 0)
		r = container_new(sb, &nobody);
	if (r == 0)
		r = wire_both(sb, server, nobody);
	if (r < 0)
		return r;
	st->v6.port = sandbox_random(sb, 2000, 30000);
	st->v6.period_ns = sandbox_random(sb, 35, 60) * MS;
	facts_str(&sb->params, "server", server->path);
	facts_str(&sb->params, "scanned", st->v6.flooded);
	r = MIN(sandbox_spawn(sb, server, echo_body, st), 0);
	if (r == 0)
		r = MIN(sandbox_spawn(sb, nobody, idle_body, NULL), 0);
	if (r == 0)
		r = MIN(sandbox_spawn(sb, sb->culprit, scan_body, st), 0);
	if (r == 0)
		r = MIN(sandbox_spawn(sb, sb->victim, ask_body, st), 0);
	return r < 0 ? r : bystanders(sb);
}

const struct fault fault_net_conntrack_full = {
	.name = "net_conntrack_full",
	.cause = "net.conntrack_full",
	.text = "A container keeps so many connections open that the gateway it shares with another one tracks no more.",
	.probes = "drop",
	.needs = "root, network namespaces, veth, nft, ip, sysctl, connection tracking",
	.setup = conntrack_setup,
	.onset = conntrack_onset,
	.end = conntrack_end,
	.proof = refused_proof,
};

const struct fault fault_net_neigh_full = {
	.name = "net_neigh_full",
	.cause = "net.neigh_full",
	.text = "A container scans an IPv6 network until the host's table of neighbours is full for all.",
	.probes = "drop",
	.needs = "root, network namespaces, veth, ip, sysctl, IPv6",
	.setup = neighbours_setup,
	.proof = refused_proof,
};
