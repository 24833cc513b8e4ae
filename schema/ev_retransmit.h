/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A TCP segment was sent again. subject: owner of the socket (pid 0).
 */
#ifndef KWHY_SCHEMA_EV_RETRANSMIT_H
#define KWHY_SCHEMA_EV_RETRANSMIT_H

#include "schema/event.h"

struct kw_retransmit {
	__u16 family;
	__u16 state;
	__u16 sport;
	__u16 dport;
	__u8 saddr[16];
	__u8 daddr[16];
	__u32 netns;
	__u32 retransmits;
	__u64 srtt_ns;
	__u32 total;
	__u32 bytes;
	__u32 acked;
	__u32 reserved;
};

_Static_assert(sizeof(struct kw_retransmit) == 72, "kw_retransmit");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_retransmit(F) \
	F(family, U16, NONE, "AF_INET or AF_INET6") \
	F(state, U16, NONE, "TCP state") \
	F(sport, U16, NONE, "local port") \
	F(dport, U16, NONE, "remote port") \
	F(saddr, ADDR, NONE, "local address, v4 mapped") \
	F(daddr, ADDR, NONE, "remote address, v4 mapped") \
	F(netns, U32, NONE, "network namespace inode") \
	F(retransmits, U32, COUNT, "timeouts in a row (icsk_retransmits)") \
	F(srtt_ns, U64, NS, "smoothed round-trip time") \
	F(total, U32, COUNT, "retransmissions of this connection so far") \
	F(bytes, U32, BYTES, "data in the segment") \
	F(acked, U32, NONE, "sequence number up to which the peer has everything (snd_una)") \
	F(reserved, U32, NONE, "0")

#endif
