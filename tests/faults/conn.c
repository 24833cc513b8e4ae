/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that are not accepted, not answered, or cut off. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/service.h"

#define FLOOD_FDS 48
#define CLIENTS 4

struct conn_state {
	struct tally requests[PHASES], bystander[PHASES];
	struct service service, other, flood;
	struct service_counts counts, others;
	_Atomic uint64_t sent;
	bool floods, cuts_route;
	int server_netns;
};

static void draw_service(struct sandbox *sb, struct service *s, struct tally *tally)
{
	struct conn_state *st = sb->state;

	s->port = sandbox_random(sb, 2000, 30000);
	s->backlog = sandbox_random(sb, 4, 24);
	s->request_size = sandbox_random(sb, 50, 1200);
	s->work_ns = sandbox_random(sb, 1, 3) * MS;
	s->period_ns = sandbox_random(sb, 30, 60) * MS;
	s->timeout_ns = sandbox_random(sb, 500, 1000) * MS;
	s->tally = tally;
	s->counts = &st->counts;
}

/* Two that do the same and meet nothing. */
static int bystanders(struct sandbox *sb)
{
	struct conn_state *st = sb->state;
	struct container *server = NULL;
	int r = container_new(sb, &sb->bystander);

	if (r == 0)
		r = container_new(sb, &server);
	if (r < 0)
		return r;
	draw_service(sb, &st->other, st->bystander);
	st->other.counts = &st->others;
	return service_new(sb, &st->other, sb->bystander, server, 1);
}

static void tell_service(struct sandbox *sb, const struct container *server, const struct container *client)
{
	struct conn_state *st = sb->state;

	facts_str(&sb->params, "server", server->path);
	facts_str(&sb->params, "client", client->path);
	facts_str(&sb->params, "server_address", st->service.wire.server);
	facts_int(&sb->params, "port", st->service.port);
	facts_int(&sb->params, "backlog", st->service.backlog);
}

static bool is_served(const struct tally *t)
{
	return t->count && t->failed * 10 <= t->count;
}

static int conn_facts(struct sandbox *sb)
{
	struct conn_state *st = sb->state;

	facts_tally(&sb->proof, "request", st->requests);
	facts_int(&sb->proof, "refused", (int64_t)st->counts.refused);
	facts_int(&sb->proof, "reset", (int64_t)st->counts.reset);
	facts_int(&sb->proof, "timeouts", (int64_t)st->counts.timeouts);
	facts_int(&sb->proof, "overflows", (int64_t)st->counts.overflows);
	facts_int(&sb->proof, "request_drops", (int64_t)st->counts.request_drops);
	facts_int(&sb->proof, "bystander_failed", (int64_t)st->bystander[1].failed);
	/* Before the fault the clients were served, and the others all the time, as far as a busy machine lets them. */
	return is_served(&st->requests[0]) && is_served(&st->bystander[1]) ? 0 : -ENODATA;
}

/* Opens connections as fast as it can and drops them soon. */
static void flood(struct sandbox *sb, void *arg)
{
	const struct service *s = arg;
	struct conn_state *st = sb->state;
	int fds[FLOOD_FDS];
	unsigned int at = 0;

	memset(fds, 0xff, sizeof(fds));
	while (sandbox_phase(sb) < PHASE_FAULT)
		nap_ns(5 * MS);
	while (sandbox_phase(sb) == PHASE_FAULT) {
		if (fds[at] >= 0)
			close(fds[at]);
		fds[at] = service_connect(s);
		at = (at + 1) % FLOOD_FDS;
		atomic_fetch_add(&st->sent, 1);
		nap_ns(s->period_ns);
	}
	for (unsigned int i = 0; i < FLOOD_FDS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static int add_flood(struct sandbox *sb, struct container *server)
{
	struct conn_state *st = sb->state;
	int r = container_new(sb, &sb->culprit);

	st->flood = st->service;
	st->flood.period_ns = sandbox_random(sb, 300, 700) * MS / 1000;
	st->floods = true;
	if (r == 0)
		r = wire_veth(sb, sb->culprit, server, &st->flood.wire);
	if (r == 0)
		r = sandbox_spawn(sb, sb->culprit, flood, &st->flood);
	return MIN(r, 0);
}

/* Either the server stops accepting, which is its own fault, or somebody opens connections in great numbers. */
static int overflow_setup(struct sandbox *sb)
{
	struct conn_state *st = sb->state;
	struct container *client = NULL;
	bool floods = sandbox_chance(sb, 0.5);
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, &client);
	if (r < 0)
		return r;
	draw_service(sb, &st->service, st->requests);
	if (floods)
		st->service.work_ns = sandbox_random(sb, 4, 8) * MS;
	else
		st->service.illness = ILL_STALL;
	r = service_new(sb, &st->service, client, sb->victim, floods ? 2 : 2 * CLIENTS);
	if (r == 0 && floods)
		r = add_flood(sb, sb->victim);
	else
		sb->culprit = sb->victim;
	tell_service(sb, sb->victim, client);
	facts_str(&sb->params, "how", floods ? "flood" : "stall");
	return r < 0 ? r : bystanders(sb);
}

static int overflow_proof(struct sandbox *sb)
{
	struct conn_state *st = sb->state;
	int r = conn_facts(sb);

	return r == 0 && st->counts.overflows >= 8 ? 0 : -ENODATA;
}

/* ---- refused, reset, unreachable -------------------------------------------------------------------------------- */

/* Client victim, server culprit, bystanders. */
static int ill_setup(struct sandbox *sb, enum illness illness)
{
	struct conn_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, &sb->culprit);
	if (r < 0)
		return r;
	draw_service(sb, &st->service, st->requests);
	st->service.illness = illness;
	r = service_new(sb, &st->service, sb->victim, sb->culprit, sandbox_random(sb, 2, CLIENTS));
	st->server_netns = sb->culprit->netns_fd;
	tell_service(sb, sb->culprit, sb->victim);
	return r < 0 ? r : bystanders(sb);
}

static int refused_setup(struct sandbox *sb)
{
	return ill_setup(sb, ILL_CLOSED);
}

static int refused_proof(struct sandbox *sb)
{
	struct conn_state *st = sb->state;
	int r = conn_facts(sb);

	return r == 0 && st->counts.refused >= 10 ? 0 : -ENODATA;
}

static int reset_setup(struct sandbox *sb)
{
	return ill_setup(sb, ILL_RESET);
}

static int reset_proof(struct sandbox *sb)
{
	struct conn_state *st = sb->state;
	int r = conn_facts(sb);

	return r == 0 && st->counts.reset >= 10 ? 0 : -ENODATA;
}

/* Requests larger than what two kernels can keep for a server that does not read. */
static int deaf_setup(struct sandbox *sb)
{
	struct conn_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, &sb->culprit);
	if (r < 0)
		return r;
	draw_service(sb, &st->service, st->requests);
	st->service.illness = ILL_DEAF;
	st->service.request_size = sandbox_random(sb, 4000000, 7000000);
	st->service.timeout_ns = sandbox_random(sb, 3000, 4000) * MS;
	st->service.period_ns = sandbox_random(sb, 150, 300) * MS;
	r = service_new(sb, &st->service, sb->victim, sb->culprit, 2);
	tell_service(sb, sb->culprit, sb->victim);
	facts_int(&sb->params, "request_bytes", st->service.request_size);
	return r < 0 ? r : bystanders(sb);
}

static int deaf_proof(struct sandbox *sb)
{
	struct conn_state *st = sb->state;
	int r = conn_facts(sb);

	return r == 0 && (st->counts.timeouts || st->requests[1].max_ns > 1500 * (uint64_t)MS) ? 0 : -ENODATA;
}

/* Either nobody answers for the address any more, or the client has lost its route. */
static int unreachable_setup(struct sandbox *sb)
{
	struct conn_state *st = sb->state;
	int r = ill_setup(sb, ILL_NOT);
	char name[80];

	st->cuts_route = sandbox_chance(sb, 0.5);
	snprintf(name, sizeof(name), "net.ipv4.neigh.%s.retrans_time_ms=150", st->service.wire.device);
	if (r == 0)
		r = sandbox_exec(sb, sb->victim->netns_fd, (const char *const[]){ "sysctl", "-qw", name, NULL });
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "%s", st->cuts_route ? "route" : "neighbour");
	sb->culprit = NULL;
	facts_str(&sb->params, "how", st->cuts_route ? "route" : "neighbour");
	return r;
}

static int unreachable_onset(struct sandbox *sb)
{
	struct conn_state *st = sb->state;
	const struct wire *w = &st->service.wire;
	char address[24];
	int r;

	snprintf(address, sizeof(address), "%s/30", st->cuts_route ? w->client : w->server);
	if (st->cuts_route) {
		address[strlen(address) - 4] = '0';
		return sandbox_exec(sb, sb->victim->netns_fd, (const char *const[]){ "ip", "route", "del", address, "dev",
				    w->device, NULL });
	}
	r = sandbox_exec(sb, st->server_netns, (const char *const[]){ "ip", "addr", "del", address, "dev", w->device,
			 NULL });
	return r < 0 ? r : sandbox_exec(sb, sb->victim->netns_fd, (const char *const[]){ "ip", "neigh", "flush", "dev",
					w->device, NULL });
}

static int unreachable_end(struct sandbox *sb)
{
	struct conn_state *st = sb->state;
	const struct wire *w = &st->service.wire;
	char address[24];

	snprintf(address, sizeof(address), "%s/30", st->cuts_route ? w->client : w->server);
	if (!st->cuts_route)
		return sandbox_exec(sb, st->server_netns, (const char *const[]){ "ip", "addr", "add", address, "dev",
				    w->device, NULL });
	address[strlen(address) - 4] = '0';
	return sandbox_exec(sb, sb->victim->netns_fd, (const char *const[]){ "ip", "route", "add", address, "dev",
			    w->device, NULL });
}

static int unreachable_proof(struct sandbox *sb)
{
	struct conn_state *st = sb->state;
	int r = conn_facts(sb);

	return r == 0 && st->requests[1].failed >= 10 ? 0 : -ENODATA;
}

/* One end of the wire is taken down: the client's own, or the server's, which the client sees as a lost carrier. */
static int link_setup(struct sandbox *sb)
{
	struct conn_state *st = sb->state;
	int r = ill_setup(sb, ILL_NOT);

	st->cuts_route = sandbox_chance(sb, 0.5);
	sb->culprit = NULL;
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "device");
	facts_str(&sb->params, "how", st->cuts_route ? "taken down" : "carrier lost");
	facts_str(&sb->params, "device", st->service.wire.device);
	return r;
}

static int set_link(struct sandbox *sb, const char *how)
{
	struct conn_state *st = sb->state;

	return sandbox_exec(sb, st->cuts_route ? sb->victim->netns_fd : st->server_netns,
			    (const char *const[]){ "ip", "link", "set", "dev", st->service.wire.device, how, NULL });
}

static int link_onset(struct sandbox *sb)
{
	return set_link(sb, "down");
}

static int link_end(struct sandbox *sb)
{
	return set_link(sb, "up");
}

/* The client's port range shrinks to less than what it uses in the time a closed connection keeps its port. */
static int ports_setup(struct sandbox *sb)
{
	int r = ill_setup(sb, ILL_NOT);

	sb->culprit = sb->victim;
	return r;
}

static int ports_onset(struct sandbox *sb)
{
	int first = sandbox_random(sb, 35000, 50000), count = sandbox_random(sb, 12, 40);
	char range[64];

	facts_int(&sb->proof, "ports", count);
	snprintf(range, sizeof(range), "net.ipv4.ip_local_port_range=%d %d", first, first + count);
	return sandbox_exec(sb, sb->victim->netns_fd, (const char *const[]){ "sysctl", "-qw", range, NULL });
}

static int ports_end(struct sandbox *sb)
{
	static const char *const usual[] = { "sysctl", "-qw", "net.ipv4.ip_local_port_range=32768 60999", NULL };

	return sandbox_exec(sb, sb->victim->netns_fd, usual);
}

/* ---- handshakes that are never finished ------------------------------------------------------------------------- */

struct packet {
	struct iphdr ip;
	struct tcphdr tcp;
};

static uint16_t checksum(const struct packet *p)
{
	struct {
		uint32_t saddr, daddr;
		uint8_t zero, protocol;
		uint16_t len;
		struct tcphdr tcp;
	} head = { p->ip.saddr, p->ip.daddr, 0, IPPROTO_TCP, htons(sizeof(p->tcp)), p->tcp };
	uint16_t words[sizeof(head) / 2];
	uint32_t sum = 0;

	memcpy(words, &head, sizeof(head));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		sum += words[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void send_syn(int fd, const struct service *s, uint16_t port, uint32_t seq)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct packet p = { .ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP,
				    .tot_len = htons(sizeof(p)) },
			    .tcp = { .source = htons(port), .dest = htons((uint16_t)s->port), .seq = seq, .doff = 5,
				     .syn = 1, .window = htons(60000) } };

	inet_pton(AF_INET, s->wire.client, &p.ip.saddr);
	inet_pton(AF_INET, s->wire.server, &p.ip.daddr);
	to.sin_addr.s_addr = p.ip.daddr;
	p.tcp.check = checksum(&p);
	sendto(fd, &p, sizeof(p), 0, (struct sockaddr *)&to, sizeof(to));
}

/*
 * Sends SYNs by hand and never the last part of the handshake.  The kernel of its namespace would reset what it knows
 * nothing of: it has no route for that, only packets with our mark have one.
 */
static void syn_flood(struct sandbox *sb, void *arg)
{
	const struct service *s = arg;
	struct conn_state *st = sb->state;
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	int mark = 1;

	setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	while (sandbox_phase(sb) < PHASE_FAULT)
		nap_ns(5 * MS);
	for (uint32_t i = 0; fd >= 0 && sandbox_phase(sb) == PHASE_FAULT; i++) {
		send_syn(fd, s, (uint16_t)(1024 + i * 7 % 60000), i * 2654435761U);
		atomic_fetch_add(&st->sent, 1);
		nap_ns(s->period_ns);
	}
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static int only_marked_packets_leave(struct sandbox *sb, const struct container *c, const struct wire *w)
{
	char net[32];
	int r;

	snprintf(net, sizeof(net), "%s/30", w->server);
	net[strlen(net) - 4] = '0'; /* x.y.2/30 becomes x.y.0/30 */
	r = sandbox_exec(sb, c->netns_fd, (const char *const[]){ "ip", "route", "add", net, "dev", w->device, "table",
			 "77", NULL });
	if (r == 0)
		r = sandbox_exec(sb, c->netns_fd, (const char *const[]){ "ip", "rule", "add", "fwmark", "1", "table",
				 "77", NULL });
	if (r == 0)
		r = sandbox_exec(sb, c->netns_fd, (const char *const[]){ "ip", "route", "del", net, "dev", w->device,
				 NULL });
	return r;
}

static int syn_setup(struct sandbox *sb)
{
	static const char *const no_cookies[] = { "sysctl", "-qw", "net.ipv4.tcp_syncookies=0", NULL };
	struct conn_state *st = sb->state;
	struct container *client = NULL;
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, &sb->culprit);
	if (r == 0)
		r = container_new(sb, &client);
	if (r < 0)
		return r;
	draw_service(sb, &st->service, st->requests);
	r = service_new(sb, &st->service, client, sb->victim, 2);
	if (r == 0)
		r = sandbox_exec(sb, sb->victim->netns_fd, no_cookies);
	st->flood = st->service;
	st->flood.period_ns = sandbox_random(sb, 1, 4) * MS;
	if (r == 0)
		r = wire_veth(sb, sb->culprit, sb->victim, &st->flood.wire);
	if (r == 0)
		r = only_marked_packets_leave(sb, sb->culprit, &st->flood.wire);
	if (r == 0)
		r = sandbox_spawn(sb, sb->culprit, syn_flood, &st->flood);
	tell_service(sb, sb->victim, client);
	return r < 0 ? r : bystanders(sb);
}

static int syn_proof(struct sandbox *sb)
{
	struct conn_state *st = sb->state;
	int r = conn_facts(sb);

	facts_int(&sb->proof, "syns_sent", (int64_t)st->sent);
	return r == 0 && st->counts.request_drops >= 10 ? 0 : -ENODATA;
}

const struct fault fault_net_listen_overflow = {
	.name = "net_listen_overflow",
	.cause = "net.listen_overflow",
	.text = "A server stops accepting, or another container opens more connections than it can accept.",
	.probes = "retransmit",
	.needs = "root, network namespaces, veth, ip",
	.setup = overflow_setup,
	.proof = overflow_proof,
};

const struct fault fault_net_syn_backlog = {
	.name = "net_syn_backlog",
	.cause = "net.syn_backlog",
	.text = "A container begins handshakes with a server and never ends them; SYN cookies are off.",
	.probes = "retransmit",
	.needs = "root, network namespaces, veth, ip, sysctl",
	.setup = syn_setup,
	.proof = syn_proof,
};

const struct fault fault_net_refused = {
	.name = "net_refused",
	.cause = "net.refused",
	.text = "A server stops listening while its clients go on.",
	.probes = "netfail",
	.needs = "root, network namespaces, veth, ip",
	.setup = refused_setup,
	.proof = refused_proof,
};

const struct fault fault_net_reset = {
	.name = "net_reset",
	.cause = "net.reset",
	.text = "A server resets every connection it accepts.",
	.probes = "netfail",
	.needs = "root, network namespaces, veth, ip",
	.setup = reset_setup,
	.proof = reset_proof,
};

const struct fault fault_net_unreachable = {
	.name = "net_unreachable",
	.cause = "net.unreachable",
	.text = "A server's address disappears, or the client's route to it.",
	.probes = "netfail",
	.needs = "root, network namespaces, veth, ip, sysctl",
	.setup = unreachable_setup,
	.onset = unreachable_onset,
	.end = unreachable_end,
	.proof = unreachable_proof,
};

const struct fault fault_net_port_exhaustion = {
	.name = "net_port_exhaustion",
	.cause = "net.port_exhaustion",
	.text = "A client opens a connection for each request, and its range of local ports is small.",
	.probes = "netfail",
	.needs = "root, network namespaces, veth, ip, sysctl",
	.setup = ports_setup,
	.onset = ports_onset,
	.end = ports_end,
	.proof = unreachable_proof,
};

const struct fault fault_net_zero_window = {
	.name = "net_zero_window",
	.cause = "net.zero_window",
	.text = "A server accepts connections and does not read from them.",
	.probes = "cgroup",
	.needs = "root, network namespaces, veth, ip",
	.setup = deaf_setup,
	.proof = deaf_proof,
};

const struct fault fault_net_link_down = {
	.name = "net_link_down",
	.cause = "net.link_down",
	.text = "A container's network device is taken down, or loses its carrier.",
	.probes = "cgroup",
	.needs = "root, network namespaces, veth, ip",
	.setup = link_setup,
	.onset = link_onset,
	.end = link_end,
	.proof = unreachable_proof,
};
