/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that get lost: on the path, or at a rule. */
#include <errno.h>
#include <stdio.h>

#include "tests/faults/faults.h"
#include "tests/faults/wire.h"

struct net_state {
	struct tally requests[PHASES], bystander[PHASES];
	_Atomic uint64_t lost, retransmits, bystander_retransmits;
	struct talk talk, other;
	struct wire wire;
	int server_netns;
};

/* A bystander that talks to a server of its own over veth and loses nothing. */
static int talking_bystander(struct sandbox *sb, struct net_state *st)
{
	st->other = talk_draw(sb, "", st->bystander);
	st->other.reconnect = true;
	st->other.retransmits = &st->bystander_retransmits;
	return talk_bystanders(sb, &st->other);
}

static int loss_setup(struct sandbox *sb)
{
	struct net_state *st = sb->state;
	int lost = sandbox_random(sb, 100, 300), r;
	struct container *server = NULL;
	struct wire w;

	r = container_new(sb, &sb->victim);
	if (r == 0)
		r = container_new(sb, &server);
	if (r == 0)
		r = wire_forwarder(sb, sb->victim, server, lost, &st->lost, &w);
	if (r < 0)
		return r;
	st->talk = talk_draw(sb, w.server, st->requests);
	st->talk.retransmits = &st->retransmits;
	st->talk.timeout_ns = 5000 * MS;
	st->talk.request_size = sandbox_random(sb, 20000, 60000); /* the victim is the one who sends */
	st->talk.reply_size = sandbox_random(sb, 20, 200);
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "path");
	facts_int(&sb->params, "lost_per_1000", lost);
	facts_str(&sb->params, "peer", server->path);
	facts_str(&sb->params, "peer_address", w.server);
	facts_int(&sb->params, "port", st->talk.port);
	facts_int(&sb->params, "request_bytes", st->talk.request_size);
	facts_int(&sb->params, "request_period_ms", st->talk.period_ms);
	r = talk_spawn(sb, sb->victim, server, &st->talk, 1);
	return r < 0 ? r : talking_bystander(sb, st);
}

static int loss_proof(struct sandbox *sb)
{
	struct net_state *st = sb->state;

	facts_tally(&sb->proof, "request", st->requests);
	facts_int(&sb->proof, "packets_lost", (int64_t)st->lost);
	facts_int(&sb->proof, "retransmits", (int64_t)st->retransmits);
	facts_int(&sb->proof, "bystander_retransmits", (int64_t)st->bystander_retransmits);
	return st->lost >= 5 && st->retransmits >= 5 ? 0 : -ENODATA;
}

static int mtu_setup(struct sandbox *sb)
{
	struct net_state *st = sb->state;
	int largest = sandbox_random(sb, 600, 1350), r;
	struct container *server = NULL;
	struct wire w;

	r = container_new(sb, &sb->victim);
	if (r == 0)
		r = container_new(sb, &server);
	if (r == 0)
		r = wire_narrow(sb, sb->victim, server, largest, &st->lost, &w);
	if (r < 0)
		return r;
	st->talk = talk_draw(sb, w.server, st->requests);
	st->talk.reconnect = true;
	st->talk.retransmits = &st->retransmits;
	st->talk.timeout_ns = sandbox_random(sb, 1500, 2500) * MS;
	st->talk.request_size = sandbox_random(sb, 4000, 30000);
	st->talk.reply_size = sandbox_random(sb, 20, 200);
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "path");
	facts_int(&sb->params, "largest_packet_bytes", largest);
	facts_str(&sb->params, "peer", server->path);
	facts_int(&sb->params, "request_bytes", st->talk.request_size);
	r = talk_spawn(sb, sb->victim, server, &st->talk, 1);
	for (int i = 0; i < 3 && r >= 0; i++)
		r = sandbox_spawn(sb, sb->victim, talk_client, &st->talk);
	return r < 0 ? r : talking_bystander(sb, st);
}

static int drop_setup(struct sandbox *sb)
{
	struct net_state *st = sb->state;
	struct container *server = NULL;
	struct wire w;
	int r = container_new(sb, &sb->victim);

	if (!sandbox_has_program("nft"))
		return sandbox_fail(sb, -EOPNOTSUPP, "the program nft is not installed");
	if (r == 0)
		r = container_new(sb, &server);
	if (r == 0)
		r = wire_veth(sb, sb->victim, server, &w);
	if (r < 0)
		return r;
	st->talk = talk_draw(sb, w.server, st->requests);
	st->talk.reconnect = sandbox_chance(sb, 0.7);
	st->talk.timeout_ns = sandbox_random(sb, 300, 800) * MS;
	st->talk.retransmits = &st->retransmits;
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "netfilter");
	facts_str(&sb->params, "peer", server->path);
	facts_int(&sb->params, "port", st->talk.port);
	facts_str(&sb->params, "reconnects", st->talk.reconnect ? "yes" : "no");
	facts_ns(&sb->params, "timeout_ns", st->talk.timeout_ns);
	/* Several at once, so that a timeout does not leave long silences. */
	r = talk_spawn(sb, sb->victim, server, &st->talk, 1);
	for (int i = 0; i < 3 && r >= 0; i++)
		r = sandbox_spawn(sb, sb->victim, talk_client, &st->talk);
	return r < 0 ? r : talking_bystander(sb, st);
}

static int drop_onset(struct sandbox *sb)
{
	struct net_state *st = sb->state;
	char rules[256];

	snprintf(rules, sizeof(rules),
		 "table inet filter { chain output { type filter hook output priority 0; policy accept; "
		 "tcp dport %d counter drop; }; }", st->talk.port);
	return sandbox_exec(sb, sb->victim->netns_fd, (const char *const[]){ "nft", rules, NULL });
}

static int drop_end(struct sandbox *sb)
{
	return sandbox_exec(sb, sb->victim->netns_fd, (const char *const[]){ "nft", "delete table inet filter", NULL });
}

static int drop_proof(struct sandbox *sb)
{
	struct net_state *st = sb->state;

	facts_tally(&sb->proof, "request", st->requests);
	facts_int(&sb->proof, "retransmits", (int64_t)st->retransmits);
	facts_int(&sb->proof, "bystander_failed", (int64_t)st->bystander[1].failed);
	return st->requests[1].failed >= 5 && !st->requests[0].failed ? 0 : -ENODATA;
}

/* ---- somebody else takes the client's address ---------------------------------------------------------------------- */

static int conflict_setup(struct sandbox *sb)
{
	struct net_state *st = sb->state;
	struct container *server = NULL;
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, &server);
	if (r == 0)
		r = wire_veth(sb, sb->victim, server, &st->wire);
	if (r < 0 || !server)
		return r;
	st->server_netns = server->netns_fd;
	st->talk = talk_draw(sb, st->wire.server, st->requests);
	st->talk.reconnect = false; /* what is sent again is sent on a connection that there was */
	st->talk.timeout_ns = 2500 * MS;
	st->talk.retransmits = &st->retransmits;
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "kernel:");
	facts_str(&sb->params, "peer", server->path);
	facts_str(&sb->params, "address", st->wire.client);
	r = talk_spawn(sb, sb->victim, server, &st->talk, sandbox_random(sb, 6, 10));
	return r < 0 ? r : talking_bystander(sb, st);
}

/* The server then takes what comes from there for forged: "martian source" (net/ipv4/route.c). */
static int take_address(struct sandbox *sb, const char *add_or_del)
{
	struct net_state *st = sb->state;
	char address[24];

	snprintf(address, sizeof(address), "%s/32", st->wire.client);
	return sandbox_exec(sb, st->server_netns, (const char *const[]){ "ip", "addr", add_or_del, address, "dev", "lo",
			    NULL });
}

static int conflict_onset(struct sandbox *sb)
{
	return take_address(sb, "add");
}

static int conflict_end(struct sandbox *sb)
{
	return take_address(sb, "del");
}

static int conflict_proof(struct sandbox *sb)
{
	struct net_state *st = sb->state;

	facts_tally(&sb->proof, "request", st->requests);
	facts_int(&sb->proof, "retransmits", (int64_t)st->retransmits);
	facts_int(&sb->proof, "bystander_failed", (int64_t)st->bystander[1].failed);
	return st->retransmits >= 5 && (st->requests[1].failed || st->requests[1].max_ns > 1000 * (uint64_t)MS) ? 0 : -ENODATA;
}

const struct fault fault_net_drop_other = {
	.name = "net_drop_other",
	.cause = "net.drop.other",
	.text = "A server's host takes the address of a client for its own, and with that what comes from it for forged.",
	.probes = "drop,retransmit",
	.needs = "root, network namespaces, veth, ip",
	.setup = conflict_setup,
	.onset = conflict_onset,
	.end = conflict_end,
	.proof = conflict_proof,
};

const struct fault fault_net_loss = {
	.name = "net_loss",
	.cause = "net.loss",
	.text = "The path between a client and its server loses packets where the kernel cannot see it.",
	.probes = "retransmit",
	.needs = "root, network namespaces, tun, ip",
	.setup = loss_setup,
	.proof = loss_proof,
};

const struct fault fault_net_mtu = {
	.name = "net_mtu",
	.cause = "net.mtu",
	.text = "The path begins to lose packets longer than some size and tells nobody.",
	.probes = "retransmit",
	.needs = "root, network namespaces, tun, ip",
	.setup = mtu_setup,
	.proof = loss_proof,
};

const struct fault fault_net_drop_policy = {
	.name = "net_drop_policy",
	.cause = "net.drop.policy",
	.text = "A packet filter rule begins to drop what a container sends to its server.",
	.probes = "drop",
	.needs = "root, network namespaces, veth, nft, ip",
	.setup = drop_setup,
	.onset = drop_onset,
	.end = drop_end,
	.proof = drop_proof,
};
