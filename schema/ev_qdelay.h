/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A TCP segment that waited long in the queueing discipline of a device. subject: owner of its socket (pid 0); peer:
 * owner of most of what has left that queue in the last second or two. duration: from TCP's sending to leaving the queue.
 */
#ifndef KWHY_SCHEMA_EV_QDELAY_H
#define KWHY_SCHEMA_EV_QDELAY_H

#include "schema/event.h"

struct kw_qdelay {
	__u32 netns;
	__u32 ifindex;
	__u32 queued;
	__u32 backlog_bytes;
	__u64 own_bytes;
	__u64 peer_bytes;
	__u64 all_bytes;
	__u16 family;
	__u16 protocol;
	__u16 sport;
	__u16 dport;
	__u8 saddr[16];
	__u8 daddr[16];
	char device[16];
	char qdisc[16];
};

_Static_assert(sizeof(struct kw_qdelay) == 112, "kw_qdelay");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_qdelay(F) \
	F(netns, U32, NONE, "network namespace inode of the device") \
	F(ifindex, U32, NONE, "number of the device") \
	F(queued, U32, COUNT, "packets still in the queue") \
	F(backlog_bytes, U32, BYTES, "their bytes") \
	F(own_bytes, U64, BYTES, "left the queue of late: the subject's") \
	F(peer_bytes, U64, BYTES, "left the queue of late: the peer's") \
	F(all_bytes, U64, BYTES, "left the queue of late: everybody's") \
	F(family, U16, NONE, "AF_INET or AF_INET6") \
	F(protocol, U16, NONE, "IPPROTO_*") \
	F(sport, U16, NONE, "source port") \
	F(dport, U16, NONE, "destination port") \
	F(saddr, ADDR, NONE, "source, v4 mapped") \
	F(daddr, ADDR, NONE, "destination, v4 mapped") \
	F(device, STR, NONE, "name of the device") \
	F(qdisc, STR, NONE, "kind of queueing discipline")

#endif
