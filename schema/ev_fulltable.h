/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A table of the network was full over the last tick and entries were refused. subject: owner of the network namespace
 * whose table it is; nobody for neighbours, whose table is the host's. peer: owner of the namespace with most entries
 * (neighbours). Whose address has most of those looked at: peer_address (connections).
 */
#ifndef KWHY_SCHEMA_EV_FULLTABLE_H
#define KWHY_SCHEMA_EV_FULLTABLE_H

#include "schema/event.h"

struct kw_fulltable {
	__u64 span_ns;
	__u64 netns;
	__u64 refused;
	__u64 entries;
	__u64 capacity;
	__u64 looked_at;
	__u64 peer_entries;
	__u64 peer_netns;
	__u8 peer_address[16];
	char name[16];
};

_Static_assert(sizeof(struct kw_fulltable) == 96, "kw_fulltable");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_fulltable(F) \
	F(span_ns, U64, NS, "length of the tick") \
	F(netns, U64, NONE, "network namespace inode, 0: the host's table") \
	F(refused, U64, COUNT, "entries refused") \
	F(entries, U64, COUNT, "entries in it") \
	F(capacity, U64, COUNT, "how many it may hold") \
	F(looked_at, U64, COUNT, "entries whose owner was looked for") \
	F(peer_entries, U64, COUNT, "of the one with most of these") \
	F(peer_netns, U64, NONE, "namespace with most of these") \
	F(peer_address, ADDR, NONE, "address with most of these, v4 mapped") \
	F(name, STR, NONE, "conntrack, arp_cache or ndisc_cache")

#endif
