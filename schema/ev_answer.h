/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A peer that was late with the first byte of its answer over TCP, or gave none until the connection was closed.
 * subject: the task that reads or closes; only of connections that its side has opened. peer: owner of the remote
 * address where that is on this host. duration: from the sending of the last acknowledged data to the arrival of the
 * answer, or to the closing.
 */
#ifndef KWHY_SCHEMA_EV_ANSWER_H
#define KWHY_SCHEMA_EV_ANSWER_H

#include "schema/event.h"

struct kw_answer {
	__u32 netns;
	__u16 family;
	__u16 none;
	__u16 sport;
	__u16 dport;
	__u32 retransmits;
	__u64 unread_ns;
	__u64 srtt_ns;
	__u64 rtt_min_ns;
	__u8 saddr[16];
	__u8 daddr[16];
};

_Static_assert(sizeof(struct kw_answer) == 72, "kw_answer");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_answer(F) \
	F(netns, U32, NONE, "network namespace inode") \
	F(family, U16, NONE, "AF_INET or AF_INET6") \
	F(none, U16, NONE, "1: closed before an answer came") \
	F(sport, U16, NONE, "local port") \
	F(dport, U16, NONE, "remote port") \
	F(retransmits, U32, COUNT, "segments this side had sent again so far") \
	F(unread_ns, U64, NS, "from the arrival of the newest segment to the reading") \
	F(srtt_ns, U64, NS, "round trip of the connection, smoothed: what the network takes") \
	F(rtt_min_ns, U64, NS, "its shortest round trip of late") \
	F(saddr, ADDR, NONE, "local address, v4 mapped") \
	F(daddr, ADDR, NONE, "remote address, v4 mapped")

#endif
