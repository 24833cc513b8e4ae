/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of the network, each with a fault, a look-alike, and without a probe. */
#include "aggregate/aggregate.h" /* what the made-up host writes through */
#include "analyze/analyzer.h"
#include "tests/synth/host.h"
#include "tests/synth/story.h"
#include "tests/synth/synth.c" /* NOLINT(bugprone-suspicious-include): unit tests have no library of their own */

#define NETNS(c) (4026532000u + (c))

static void address_of(int container, uint8_t ret[16])
{
	const uint8_t mapped[16] = { [10] = 0xff, 0xff, 10, 0, 0, (uint8_t)(10 + container) };

	memcpy(ret, mapped, sizeof(mapped));
}

static struct kw_netstat *netstat(struct synth *s, int container)
{
	struct kw_netstat *n = synth_netstat(s, container);

	n->span_ns = SEC;
	n->netns = NETNS(container);
	address_of(container, n->address);
	return n;
}

static void calm(struct synth *s)
{
	netstat(s, VICTIM)->tcp_passive_opens = 50;
	netstat(s, VICTIM)->udp_in_datagrams = 50;
	netstat(s, CULPRIT)->tcp_active_opens = 50;
}

static void listener(struct synth *s, uint64_t overflows, uint64_t request_drops)
{
	struct kw_event *e = synth_event(s, KW_KIND_listen, VICTIM, SYNTH_NOBODY, SEC, 0);
	struct kw_listen *l = synth_payload(e);

	*l = (struct kw_listen){ .span_ns = SEC,
				 .netns = NETNS(VICTIM),
				 .overflows = overflows,
				 .request_drops = request_drops,
				 .port = 80,
				 .queue = overflows ? 17 : 0,
				 .backlog = 16,
				 .half_open = request_drops ? 17 : 0,
				 .peers = 2,
				 .peer_connections = 15 };
	address_of(CULPRIT, l->peer_address);
	synth_send(s, e);
}

static void listen_stalled(struct synth *s, enum variant v, int second)
{
	netstat(s, VICTIM)->tcp_passive_opens = second ? 0 : 30;
	netstat(s, CULPRIT)->tcp_active_opens = 50;
	if (v == FAULT)
		listener(s, 20, 0);
	else if (v == ALIKE)
		listener(s, 0, 20);
}

static void listen_flooded(struct synth *s, enum variant v, int second)
{
	(void)second;
	netstat(s, VICTIM)->tcp_passive_opens = 300;
	netstat(s, CULPRIT)->tcp_active_opens = 1500;
	if (v == FAULT)
		listener(s, 1200, 0);
}

static void half_open(struct synth *s, enum variant v, int second)
{
	(void)second;
	netstat(s, VICTIM)->tcp_passive_opens = v == ALIKE ? 5 : 20;
	netstat(s, CULPRIT)->tcp_active_opens = 0;
	if (v == FAULT)
		listener(s, 0, 300);
	else if (v == ALIKE)
		listener(s, 300, 3);
}

static void fails(struct synth *s, const char *what, int error, int count)
{
	for (int i = 0; i < count; i++) {
		struct kw_event *e = synth_event(s, KW_KIND_netfail, VICTIM, SYNTH_NOBODY, (100 + 100 * i) * MS, 0);
		struct kw_netfail *f = synth_payload(e);

		e->subject.pid = e->subject.tid = 0;
		e->error = error;
		*f = (struct kw_netfail){ .netns = NETNS(VICTIM), .family = 2, .protocol = 6, .sport = 40000, .dport = 80 };
		address_of(VICTIM, f->saddr);
		address_of(CULPRIT, f->daddr);
		snprintf(f->what, sizeof(f->what), "%s", what);
		synth_send(s, e);
	}
}

static void refused(struct synth *s, enum variant v, int second)
{
	(void)second;
	calm(s);
	if (v != MISSING)
		fails(s, v == FAULT ? "refused" : "noport", v == FAULT ? 111 : 99, 6);
}

static void reset(struct synth *s, enum variant v, int second)
{
	(void)second;
	calm(s);
	if (v != MISSING)
		fails(s, v == FAULT ? "reset" : "other", v == FAULT ? 104 : 32, 6);
}

static void unreachable(struct synth *s, enum variant v, int second)
{
	(void)second;
	calm(s);
	if (v != MISSING)
		fails(s, v == FAULT ? "unreachable" : "refused", v == FAULT ? 113 : 111, 6);
}

static void no_port(struct synth *s, enum variant v, int second)
{
	(void)second;
	calm(s);
	if (v != MISSING)
		fails(s, v == FAULT ? "noport" : "unreachable", v == FAULT ? 99 : 113, 6);
}

static void stuck(struct synth *s, enum variant v, int second)
{
	struct kw_event *e = synth_event(s, KW_KIND_stuck, VICTIM, SYNTH_NOBODY, SEC, (second + 1) * SEC);
	struct kw_stuck *k = synth_payload(e);

	calm(s);
	netstat(s, VICTIM)->zero_window_probes = 2;
	if (v == MISSING)
		return;
	e->flags = KW_FLAG_PENDING | KW_FLAG_POLLED;
	if (v == ALIKE) /* it closes and opens again */
		e->duration_ns = 300 * MS;
	*k = (struct kw_stuck){ .netns = NETNS(VICTIM), .unsent_bytes = 500000, .sport = 40000, .dport = 80 };
	address_of(VICTIM, k->saddr);
	address_of(CULPRIT, k->daddr);
	synth_send(s, e);
}

static void drops(struct synth *s, const char *class, const char *reason, int count)
{
	for (int i = 0; i < count; i++) {
		struct kw_event *e = synth_event(s, KW_KIND_drop, VICTIM, SYNTH_NOBODY, (50 + 50 * i) * MS, 0);
		struct kw_drop *d = synth_payload(e);

		e->subject.pid = e->subject.tid = 0;
		*d = (struct kw_drop){ .netns = NETNS(VICTIM), .family = 2, .protocol = 17, .sport = 40000, .dport = 53,
				       .bytes = 900, .device = "eth0" };
		address_of(CULPRIT, d->saddr);
		snprintf(d->class, sizeof(d->class), "%s", class);
		snprintf(d->reason_name, sizeof(d->reason_name), "%s", reason);
		synth_send(s, e);
	}
}

static void slow_reader(struct synth *s, enum variant v, int second)
{
	(void)second;
	netstat(s, VICTIM)->udp_in_datagrams = 10;
	if (v == FAULT)
		drops(s, "rcvbuf", "SOCKET_RCVBUFF", 10);
	else if (v == ALIKE)
		drops(s, "policy", "NETFILTER_DROP", 10);
}

static void flooded_reader(struct synth *s, enum variant v, int second)
{
	(void)second;
	netstat(s, VICTIM)->udp_in_datagrams = 400;
	netstat(s, CULPRIT)->udp_out_datagrams = 4000;
	if (v == FAULT)
		drops(s, "rcvbuf", "SOCKET_RCVBUFF", 10);
	else if (v == ALIKE)
		drops(s, "close", "SOCKET_CLOSE", 10);
}

static void shaped(struct synth *s, enum variant v, int second)
{
	(void)second;
	netstat(s, VICTIM)->udp_out_datagrams = 50;
	if (v == FAULT)
		drops(s, "qdisc", "QDISC_DROP", 10);
	else if (v == ALIKE)
		drops(s, "backlog", "FULL_RING", 10);
}

static void not_emptied(struct synth *s, enum variant v, int second)
{
	(void)second;
	netstat(s, VICTIM)->udp_out_datagrams = 50;
	if (v == FAULT)
		drops(s, "backlog", "FULL_RING", 10);
	else if (v == ALIKE)
		drops(s, "qdisc", "QDISC_DROP", 10);
}

/* Four connections, each of which stands still at its first full segment; or gets on after a while. */
static void black_hole(struct synth *s, enum variant v, int second)
{
	netstat(s, VICTIM)->tcp_in_segs = 30;
	for (int i = 0; i < 8; i++) {
		struct kw_event *e = synth_event(s, KW_KIND_retransmit, VICTIM, SYNTH_NOBODY, (100 + 100 * i) * MS, 0);
		struct kw_retransmit *r = synth_payload(e);

		e->subject.pid = e->subject.tid = 0;
		*r = (struct kw_retransmit){ .family = 2, .state = 1, .sport = (uint16_t)(40000 + i % 4), .dport = 80,
					     .netns = NETNS(VICTIM), .srtt_ns = MS, .bytes = 1448,
					     .acked = 1000 + (v == ALIKE ? 1448 * (uint32_t)(i + 8 * second) : 0) };
		address_of(VICTIM, r->saddr);
		address_of(CULPRIT, r->daddr);
		if (v != MISSING)
			synth_send(s, e);
	}
}

static void link_down(struct synth *s, enum variant v, int second)
{
	struct kw_event *e = synth_event(s, KW_KIND_link, VICTIM, SYNTH_NOBODY, SEC, 0);

	netstat(s, VICTIM)->tcp_out_segs = 0;
	e->subject.pid = e->subject.tid = 0;
	*(struct kw_link *)synth_payload(e) = (struct kw_link){ .netns = NETNS(VICTIM), .ifindex = 2, .device = "eth0" };
	if (v == FAULT && !second)
		synth_send(s, e);
	if (v != MISSING)
		fails(s, "unreachable", 101, 6);
}

static void full_table(struct synth *s, const char *name, int subject, int peer)
{
	struct kw_event *e = synth_event(s, KW_KIND_fulltable, subject, peer, SEC, 0);
	struct kw_fulltable *f = synth_payload(e);

	*f = (struct kw_fulltable){ .span_ns = SEC, .netns = NETNS(VICTIM), .refused = 40, .entries = 500, .capacity = 500,
				    .looked_at = 500, .peer_entries = 430, .peer_netns = NETNS(CULPRIT) };
	e->subject.pid = e->subject.tid = e->peer.pid = e->peer.tid = 0;
	address_of(CULPRIT, f->peer_address);
	snprintf(f->name, sizeof(f->name), "%s", name);
	synth_send(s, e);
}

static void connections_full(struct synth *s, enum variant v, int second)
{
	(void)second;
	calm(s);
	drops(s, "policy", "NETFILTER_DROP", 10);
	if (v == FAULT)
		full_table(s, "conntrack", VICTIM, SYNTH_NOBODY);
}

static void neighbours_full(struct synth *s, enum variant v, int second)
{
	(void)second;
	calm(s);
	if (v == MISSING)
		return;
	drops(s, v == FAULT ? "neighbour" : "qdisc", v == FAULT ? "NEIGH_CREATEFAIL" : "QDISC_DROP", 10);
	if (v == FAULT)
		full_table(s, "ndisc_cache", SYNTH_HOST, CULPRIT);
}

static void late_at(struct synth *s, int64_t at_ns, int64_t ns)
{
	struct kw_event *e = synth_event(s, KW_KIND_answer, VICTIM, CULPRIT, at_ns, ns);
	struct kw_answer *a = synth_payload(e);

	e->peer.pid = e->peer.tid = 0;
	*a = (struct kw_answer){ .netns = NETNS(VICTIM), .family = 2, .sport = 40000, .dport = 80, .srtt_ns = MS / 2,
				 .rtt_min_ns = MS / 10 };
	address_of(VICTIM, a->saddr);
	address_of(CULPRIT, a->daddr);
	synth_send(s, e);
}

static void late(struct synth *s, int64_t ns, int count)
{
	for (int i = 0; i < count; i++)
		late_at(s, (300 + 100 * i) * MS, ns);
}

static void talks(struct synth *s)
{
	netstat(s, VICTIM)->tcp_in_segs = 30;
	netstat(s, CULPRIT)->tcp_in_segs = 30;
}

static void held_by(struct synth *s, const char *qdisc, int64_t ns, int count)
{
	for (int i = 0; i < count; i++) {
		struct kw_event *e = synth_event(s, KW_KIND_qdelay, VICTIM, CULPRIT, (300 + 100 * i) * MS, ns);
		struct kw_qdelay *q = synth_payload(e);

		e->subject.pid = e->subject.tid = e->peer.pid = e->peer.tid = 0;
		*q = (struct kw_qdelay){ .netns = NETNS(VICTIM), .ifindex = 2, .queued = 80, .backlog_bytes = 90000,
					 .own_bytes = 4000, .peer_bytes = 300000, .all_bytes = 310000, .family = 2,
					 .protocol = 6, .sport = 40000, .dport = 80, .device = "eth0" };
		snprintf(q->qdisc, sizeof(q->qdisc), "%s", qdisc);
		address_of(VICTIM, q->saddr);
		address_of(CULPRIT, q->daddr);
		synth_send(s, e);
	}
}

static void held(struct synth *s, int64_t ns, int count)
{
	held_by(s, "tbf", ns, count);
}

/* The look-alike: late because the requests stood in a queue. */
static void slow_peer(struct synth *s, enum variant v, int second)
{
	(void)second;
	talks(s);
	if (v == FAULT)
		late(s, 250 * MS, 6);
	if (v == ALIKE) {
		late(s, 250 * MS, 6);
		held(s, 200 * MS, 6);
	}
}

/* As many as ever: it asks for what takes long. */
static void long_polls(struct synth *s, enum variant v, int second)
{
	(void)second;
	talks(s);
	if (v == FAULT)
		late(s, 900 * MS, 6);
}

/* Held back on purpose: nobody filled the queue. */
static void chaos(struct synth *s, enum variant v, int second)
{
	(void)second;
	talks(s);
	if (v == FAULT)
		held_by(s, "netem", 200 * MS, 6);
	else if (v == ALIKE)
		held(s, 200 * MS, 6);
}

static void queueing(struct synth *s, enum variant v, int second)
{
	(void)second;
	talks(s);
	if (v == FAULT)
		held(s, 250 * MS, 6);
	else if (v == ALIKE)
		drops(s, "qdisc", "QDISC_DROP", 10);
}

static void refused_memory(struct synth *s, bool own_limit)
{
	for (int i = 0; i < 6; i++) {
		struct kw_event *e = synth_event(s, KW_KIND_sockmem, VICTIM, SYNTH_NOBODY, (300 + 100 * i) * MS, 0);

		e->subject.pid = e->subject.tid = 0;
		*(struct kw_sockmem *)synth_payload(e) = (struct kw_sockmem){
			.allocated_bytes = own_limit ? 1 << 20 : 3000u << 20, .pressure_bytes = 1500u << 20,
			.limit_bytes = 2000u << 20, .unsent_bytes = 60000, .netns = NETNS(VICTIM), .protocol = 6,
			.own_limit = own_limit };
		synth_send(s, e);
	}
}

static void own_memory(struct synth *s, enum variant v, int second)
{
	(void)second;
	talks(s);
	if (v == FAULT)
		refused_memory(s, true);
	else if (v == ALIKE)
		drops(s, "rcvbuf", "SOCKET_RCVBUFF", 10);
}

/* What it sends to another container of its pod is sent again: for want of memory, or why is not known.  No path lost it. */
static void own_limit_alone(struct synth *s, enum variant v, int second)
{
	for (int i = 0; i < 8 && v != MISSING; i++) {
		struct kw_event *e = synth_event(s, KW_KIND_retransmit, VICTIM, SYNTH_NOBODY, (100 + 100 * i) * MS, 0);
		struct kw_retransmit *r = synth_payload(e);

		e->subject.pid = e->subject.tid = 0;
		*r = (struct kw_retransmit){ .family = 2, .state = 1, .sport = (uint16_t)(40000 + i % 4), .dport = 80,
					     .netns = NETNS(VICTIM), .srtt_ns = MS, .bytes = 1448,
					     .acked = (uint32_t)(1448 * (i + 8 * second)) };
		address_of(VICTIM, r->saddr);
		address_of(VICTIM, r->daddr);
		synth_send(s, e);
	}
	synth_usage(s, VICTIM)->memory_socket_bytes = v == FAULT ? 16384 : 4096;
	synth_usage(s, VICTIM)->memory_socket_limit_bytes = 16384;
}

/* Made up: tcp_mem is the whole host's, so that no test may use it up. */
static void host_memory(struct synth *s, enum variant v, int second)
{
	(void)second;
	talks(s);
	netstat(s, CULPRIT)->tcp_memory_pressures = v == FAULT;
	if (v == FAULT)
		refused_memory(s, false);
}

static const struct story stories[] = {
	{ "net.listen_overflow", listen_stalled, "netstat", "/test/web", NULL, "warning", "confirmed",
	  "net.syn_backlog", NULL },
	{ "net.listen_overflow", listen_flooded, "netstat", "/test/batch", NULL, "warning", "probable", NULL, NULL },
	{ "net.syn_backlog", half_open, "netstat", "/test/batch", NULL, "warning", "confirmed", "net.listen_overflow",
	  NULL },
	{ "net.refused", refused, "netfail", "/test/batch", NULL, "warning", "confirmed", "net.port_exhaustion", NULL },
	{ "net.reset", reset, "netfail", "/test/batch", NULL, "warning", "confirmed", NULL, NULL },
	{ "net.unreachable", unreachable, "netfail", NULL, "neighbour:10.0.0.12", "warning", "confirmed", "net.refused",
	  NULL },
	{ "net.port_exhaustion", no_port, "netfail", "/test/web", NULL, "warning", "confirmed", "net.unreachable",
	  NULL },
	{ "net.mtu", black_hole, "retransmit", NULL, "path", "warning", "probable", "net.loss", NULL },
	{ "net.link_down", link_down, "netstat", NULL, "device:eth0", "critical", "confirmed", "net.unreachable", NULL },
	{ "net.zero_window", stuck, "netstat", "/test/batch", NULL, "warning", "confirmed", NULL, NULL },
	{ "net.drop.rcvbuf", slow_reader, "drop", "/test/web", NULL, "warning", "confirmed", "net.drop.policy", NULL },
	{ "net.drop.rcvbuf", flooded_reader, "drop", "/test/batch", NULL, "warning", "probable", NULL, NULL },
	{ "net.drop.qdisc", shaped, "drop", NULL, "qdisc:eth0", "warning", "confirmed", "net.drop.backlog", NULL },
	{ "net.drop.backlog", not_emptied, "drop", NULL, "queue:eth0", "warning", "confirmed", "net.drop.qdisc", NULL },
	{ "net.conntrack_full", connections_full, "netstat", "/test/batch", NULL, "warning", "confirmed", "net.drop.policy",
	  NULL },
	{ "net.neigh_full", neighbours_full, "drop", "/test/batch", NULL, "warning", "confirmed", "net.drop.qdisc", NULL },
	{ "net.queueing", queueing, "qdelay", "/test/batch", NULL, "warning", "confirmed", "net.drop.qdisc", NULL },
	{ "net.queueing.netem", chaos, "qdelay", NULL, "qdisc", "warning", "confirmed", "net.queueing", NULL },
	{ "net.memory", own_memory, "sockmem", "/test/web", "limit", "warning", "confirmed", "net.drop.rcvbuf", NULL },
	{ "net.memory", own_limit_alone, "retransmit", "/test/web", "limit", "warning", "confirmed", "unexplained", NULL },
	{ "net.memory", host_memory, "sockmem", NULL, "tcp_mem", "warning", "confirmed", NULL, NULL },
};

static const struct story talking_stories[] = {
	{ "net.peer_slow", slow_peer, "answer", "/test/batch", NULL, "warning", "confirmed", "net.queueing", NULL },
};

/* What was as late before is no incident. */
static void polls_calm(struct synth *s)
{
	talks(s);
	late(s, 900 * MS, 1);
}

/* Whether a fault of that story is told as a peer that is slow. */
static bool is_slow_peer(const struct stage *stage, void (*second)(struct synth *, enum variant, int))
{
	const struct story story = { .cause = "net.peer_slow", .second = second };
	const struct telling telling = { &story, stage };
	struct host h;
	bool told;

	tell(&h, &telling, FAULT);
	told = newest(&h, "net.peer_slow") != NULL;
	host_free(&h);
	return told;
}

static void as_late_as_ever(void **state)
{
	static const struct stage stage = { usual_containers, "/test/web", 5, polls_calm };

	(void)state;
	assert_false(is_slow_peer(&stage, long_polls));
}

/* It talked for 1.7 seconds before, of which a sample of a second holds 0.7 and what came after. */
static void answers_get_late(struct synth *s, enum variant v, int second)
{
	(void)v;
	talks(s);
	if (second == 1)
		late_at(s, 950 * MS, 250 * MS);
	for (int i = 0; second > 1 && i < 2; i++)
		late_at(s, (400 + 400 * i) * MS, 600 * MS);
}

/* Of those that are late in the first second only the third was asked for in it, after the first had come. */
static void late_at_once(struct synth *s, enum variant v, int second)
{
	(void)v;
	talks(s);
	if (second == 3)
		late_at(s, 100 * MS, 370 * MS);
	for (int i = 0; second >= 3 && i < 2; i++)
		late_at(s, (480 + 370 * i) * MS, 720 * MS);
}

static void late_soon(void **state)
{
	static const struct stage stage = { usual_containers, "/test/web", 6, NULL };

	(void)state;
	assert_true(is_slow_peer(&stage, answers_get_late));
	assert_true(is_slow_peer(&stage, late_at_once));
}

/* Requests that a filter of this host drops: the peer never gets them in time, and is not slow. */
static void filtered(struct synth *s, enum variant v, int second)
{
	(void)v;
	(void)second;
	talks(s);
	late(s, 250 * MS, 6);
	for (int i = 0; i < 6; i++) {
		struct kw_event *e = synth_event(s, KW_KIND_drop, VICTIM, SYNTH_NOBODY, (100 + 100 * i) * MS, 0);
		struct kw_drop *d = synth_payload(e);

		e->subject.pid = e->subject.tid = 0;
		*d = (struct kw_drop){ .netns = NETNS(VICTIM), .family = 2, .protocol = 6, .sport = 40000, .dport = 80,
				       .bytes = 90, .class = "policy", .reason_name = "NETFILTER_DROP",
				       .place = "nf_hook_slow" };
		address_of(VICTIM, d->saddr);
		address_of(CULPRIT, d->daddr);
		synth_send(s, e);
	}
}

static void dropped_is_not_late(void **state)
{
	static const struct story story = { "net.drop.policy", filtered, NULL, NULL, NULL, NULL, NULL, NULL, NULL };
	static const struct stage stage = { usual_containers, "/test/web", 8, talks };
	const struct telling telling = { &story, &stage };
	struct host h;

	(void)state;
	tell(&h, &telling, FAULT);
	assert_non_null(newest(&h, "net.drop.policy"));
	assert_only(&h, "net.drop.policy");
	host_free(&h);
}

int main(void)
{
	static const struct stage stage = { usual_containers, "/test/web", 5, calm };
	static const struct stage talking = { usual_containers, "/test/web", 5, talks };
	const struct CMUnitTest tests[] = { cmocka_unit_test(as_late_as_ever), cmocka_unit_test(late_soon),
					    cmocka_unit_test(dropped_is_not_late) };

	return stories_run(stories, ARRAY_SIZE(stories), &stage) +
	       stories_run(talking_stories, ARRAY_SIZE(talking_stories), &talking) +
	       cmocka_run_group_tests(tests, NULL, NULL);
}
