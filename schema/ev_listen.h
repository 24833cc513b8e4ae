/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A listener of a network namespace in which connection requests were dropped
 * over the last tick. subject: owner of the listening socket (pid 0). The
 * counters are the namespace's, the queues those of the listener now.
 */
#ifndef KWHY_SCHEMA_EV_LISTEN_H
#define KWHY_SCHEMA_EV_LISTEN_H

#include "schema/event.h"

struct kw_listen {
	__u64 span_ns;
	__u64 netns;
	__u64 overflows;
	__u64 request_drops;
	__u64 request_cookies;
	__u32 port;
	__u32 queue;
	__u32 backlog;
	__u32 half_open;
	__u32 peers;
	__u32 peer_connections;
	__u8 address[16];
	__u8 peer_address[16];
};

_Static_assert(sizeof(struct kw_listen) == 96, "kw_listen");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_listen(F) \
	F(span_ns, U64, NS, "length of the tick") \
	F(netns, U64, NONE, "network namespace inode") \
	F(overflows, U64, COUNT, "requests dropped, accept queue full") \
	F(request_drops, U64, COUNT, "requests dropped, request queue full") \
	F(request_cookies, U64, COUNT, "requests answered with a cookie, request queue full") \
	F(port, U32, NONE, "port it listens on") \
	F(queue, U32, COUNT, "connections that wait to be accepted") \
	F(backlog, U32, COUNT, "how many may wait") \
	F(half_open, U32, COUNT, "requests whose handshake is not over") \
	F(peers, U32, COUNT, "addresses that what waits comes from") \
	F(peer_connections, U32, COUNT, "of the address with most") \
	F(address, ADDR, NONE, "address it listens on, v4 mapped") \
	F(peer_address, ADDR, NONE, "the address with most, v4 mapped")

#endif
