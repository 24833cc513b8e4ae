/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A packet was dropped. subject: owner of the socket where there is one (pid 0).
 */
#ifndef KWHY_SCHEMA_EV_DROP_H
#define KWHY_SCHEMA_EV_DROP_H

#include "schema/event.h"

struct kw_drop {
	__u32 reason;
	__u32 netns;
	__u64 location;
	__u16 family;
	__u16 protocol;
	__u16 sport;
	__u16 dport;
	__u8 saddr[16];
	__u8 daddr[16];
	__u32 bytes;
	__u32 ifindex;
	char device[16];
	char reason_name[32];
	char place[48];
	char class[16];
};

_Static_assert(sizeof(struct kw_drop) == 176, "kw_drop");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_drop(F) \
	F(reason, U32, NONE, "enum skb_drop_reason of this kernel") \
	F(netns, U32, NONE, "network namespace inode") \
	F(location, U64, NONE, "kernel address") \
	F(family, U16, NONE, "AF_INET, AF_INET6, 0 other") \
	F(protocol, U16, NONE, "IPPROTO_*") \
	F(sport, U16, NONE, "source port") \
	F(dport, U16, NONE, "destination port") \
	F(saddr, ADDR, NONE, "source, v4 mapped") \
	F(daddr, ADDR, NONE, "destination, v4 mapped") \
	F(bytes, U32, BYTES, "packet length") \
	F(ifindex, U32, NONE, "device") \
	F(device, STR, NONE, "device name") \
	F(reason_name, STR, NONE, "name of the reason") \
	F(place, STR, NONE, "function that dropped it") \
	F(class, STR, NONE, "policy, rcvbuf, memory, qdisc, backlog, neighbour, noport, close (a socket ended), other")

#endif
