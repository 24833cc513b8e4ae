/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A TCP connection whose peer has closed its receive window, seen once a tick. subject: owner of the sending socket
 * (pid 0). duration: since data could last be sent.
 */
#ifndef KWHY_SCHEMA_EV_STUCK_H
#define KWHY_SCHEMA_EV_STUCK_H

#include "schema/event.h"

struct kw_stuck {
	__u64 netns;
	__u64 unsent_bytes;
	__u64 limited_ns;
	__u32 sport;
	__u32 dport;
	__u8 saddr[16];
	__u8 daddr[16];
};

_Static_assert(sizeof(struct kw_stuck) == 64, "kw_stuck");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_stuck(F) \
	F(netns, U64, NONE, "network namespace inode") \
	F(unsent_bytes, U64, BYTES, "queued and not acknowledged") \
	F(limited_ns, U64, NS, "held back by the peer's window since the connection began") \
	F(sport, U32, NONE, "local port") \
	F(dport, U32, NONE, "remote port") \
	F(saddr, ADDR, NONE, "local address, v4 mapped") \
	F(daddr, ADDR, NONE, "remote address, v4 mapped")

#endif
