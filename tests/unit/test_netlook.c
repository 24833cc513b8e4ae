/* SPDX-License-Identifier: Apache-2.0 */
/* Which listener dropped, and who waits for it: decided from sockets as sock_diag tells of them. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "collect/netlook.h"
#include "collect/nettable.h"

static struct diag_socket sock(enum diag_state state, uint16_t port, uint8_t peer)
{
	struct diag_socket s = { .state = state, .sport = port, .dport = 999 };

	s.daddr[15] = peer;
	return s;
}

static void listens(struct netlook_table *t, uint16_t port, uint32_t queue, uint32_t backlog)
{
	struct diag_socket s = sock(DIAG_LISTEN, port, 0);

	s.rqueue = queue;
	s.wqueue = backlog;
	s.cgroup = port;
	netlook_take(t, &s);
}

static void arrives(struct netlook_table *t, enum diag_state state, uint16_t port, uint8_t peer, uint32_t inode)
{
	struct diag_socket s = sock(state, port, peer);

	s.inode = inode;
	netlook_take(t, &s);
}

static void the_fullest_listener_and_its_first_peer(void **state)
{
	const struct kw_netstat delta = { .span_ns = 1, .netns = 7, .listen_overflows = 5, .listen_drops = 6 };
	struct netlook_table t = { .listener_count = 0 };
	struct kw_listen l;
	uint64_t cgroup;

	(void)state;
	assert_false(netlook_judge(&t, &delta, &l, &cgroup));
	listens(&t, 80, 3, 128);
	listens(&t, 81, 5, 4);
	for (int i = 0; i < 4; i++)
		arrives(&t, DIAG_ESTABLISHED, 81, 2, 0);
	arrives(&t, DIAG_CLOSE_WAIT, 81, 1, 0);
	arrives(&t, DIAG_ESTABLISHED, 81, 3, 4711); /* accepted */
	arrives(&t, DIAG_ESTABLISHED, 12345, 3, 0); /* nobody's here */
	arrives(&t, DIAG_SYN_RECV, 80, 9, 0);
	assert_true(netlook_judge(&t, &delta, &l, &cgroup));
	assert_int_equal(l.port, 81);
	assert_int_equal(cgroup, 81);
	assert_int_equal(l.overflows, 5);
	assert_int_equal(l.request_drops, 1);
	assert_int_equal(l.peers, 2);
	assert_int_equal(l.peer_connections, 4);
	assert_int_equal(l.peer_address[15], 2);
}

static void without_overflow_the_one_with_most_requests(void **state)
{
	const struct kw_netstat delta = { .listen_overflows = 0, .listen_drops = 0, .request_queue_cookies = 8 };
	struct netlook_table t = { .listener_count = 0 };
	struct kw_listen l;
	uint64_t cgroup;

	(void)state;
	listens(&t, 80, 3, 4);
	listens(&t, 81, 0, 4);
	for (unsigned int i = 0; i < 2 * NETLOOK_PEERS_MAX; i++) /* from everywhere: more than there is room for */
		arrives(&t, DIAG_SYN_RECV, 81, (uint8_t)i, 0);
	assert_true(netlook_judge(&t, &delta, &l, &cgroup));
	assert_int_equal(l.port, 81);
	assert_int_equal(l.half_open, 2 * NETLOOK_PEERS_MAX);
	assert_int_equal(l.peers, NETLOOK_PEERS_MAX);
	assert_int_equal(l.peer_connections, 1);
	assert_int_equal(l.request_cookies, 8);
}

static void messages_of_any_length(void **state)
{
	struct {
		struct inet_diag_msg m;
		struct rtattr a;
		uint64_t cgroup;
	} message = { .m = { .idiag_family = 2, .idiag_state = DIAG_LISTEN, .idiag_rqueue = 3 },
		      .a = { .rta_len = RTA_LENGTH(8), .rta_type = INET_DIAG_CGROUP_ID }, .cgroup = 4711 };
	size_t whole = offsetof(__typeof__(message), a) + RTA_LENGTH(8);
	char bytes[sizeof(message)];
	struct diag_socket s;

	(void)state;
	memcpy(bytes, &message.m, sizeof(message.m));
	memcpy(bytes + offsetof(__typeof__(message), a), &message.a, sizeof(message.a));
	memcpy(bytes + offsetof(__typeof__(message), a) + RTA_LENGTH(0), &message.cgroup, 8);
	for (size_t len = 0; len < whole; len++) {
		assert_int_equal(sockdiag_parse(bytes, len, &s), len < sizeof(message.m) ? -EBADMSG : 0);
		if (len >= sizeof(message.m))
			assert_int_equal(s.cgroup, 0);
	}
	assert_int_equal(sockdiag_parse(bytes, whole, &s), 0);
	assert_int_equal(s.cgroup, 4711);
	assert_int_equal(s.rqueue, 3);
}

/* As ctnetlink sends it: the original tuple, with addresses nested twice. */
static void connections_of_any_length(void **state)
{
	struct {
		struct nfgenmsg head;
		struct nlattr tuple, ip, source;
		uint8_t address[4];
	} m = { .tuple = { sizeof(m) - offsetof(__typeof__(m), tuple), CTA_TUPLE_ORIG | NLA_F_NESTED },
		.ip = { sizeof(m) - offsetof(__typeof__(m), ip), CTA_TUPLE_IP | NLA_F_NESTED },
		.source = { sizeof(struct nlattr) + 4, CTA_IP_V4_SRC }, .address = { 10, 1, 2, 3 } };
	static const uint8_t wanted[16] = { [10] = 0xff, 0xff, 10, 1, 2, 3 };
	uint8_t address[16], bytes[sizeof(m)];

	(void)state;
	for (size_t len = 0; len < sizeof(m); len++) {
		memcpy(bytes, &m, len);
		assert_false(nettable_origin(bytes, len, address));
	}
	assert_true(nettable_origin(&m, sizeof(m), address));
	assert_memory_equal(address, wanted, 16);
	m.source.nla_len = 2; /* shorter than itself */
	assert_false(nettable_origin(&m, sizeof(m), address));
	m.source.nla_len = 400;
	assert_false(nettable_origin(&m, sizeof(m), address));
}

static void the_address_with_most_connections(void **state)
{
	struct nettable_addresses t = { .count = 0 };
	struct kw_fulltable full = { .peer_entries = 0 };
	uint8_t address[16] = { 0 };

	(void)state;
	nettable_judge(&t, &full);
	assert_int_equal(full.looked_at, 0);
	for (unsigned int i = 0; i < 2 * NETTABLE_ADDRESSES_MAX; i++) {
		address[14] = (uint8_t)(i >> 8);
		address[15] = (uint8_t)i;
		nettable_take(&t, address);
	}
	address[14] = 0;
	address[15] = 7;
	nettable_take(&t, address);
	nettable_judge(&t, &full);
	assert_int_equal(full.looked_at, 2 * NETTABLE_ADDRESSES_MAX + 1);
	assert_int_equal(full.peer_entries, 2);
	assert_int_equal(full.peer_address[15], 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fullest_listener_and_its_first_peer),
		cmocka_unit_test(without_overflow_the_one_with_most_requests),
		cmocka_unit_test(messages_of_any_length),
		cmocka_unit_test(connections_of_any_length),
		cmocka_unit_test(the_address_with_most_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
