/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A socket was refused memory for its buffers: at the limit of its container, or at that of the protocol for the whole
 * host. subject: owner of the socket (pid 0).
 */
#ifndef KWHY_SCHEMA_EV_SOCKMEM_H
#define KWHY_SCHEMA_EV_SOCKMEM_H

#include "schema/event.h"

struct kw_sockmem {
	__u64 allocated_bytes;
	__u64 pressure_bytes;
	__u64 limit_bytes;
	__u64 unsent_bytes;
	__u64 unread_bytes;
	__u32 netns;
	__u16 protocol;
	__u16 receiving;
	__u32 own_limit;
	__u32 reserved;
};

_Static_assert(sizeof(struct kw_sockmem) == 56, "kw_sockmem");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_sockmem(F) \
	F(allocated_bytes, U64, BYTES, "buffers of all sockets of the protocol on this host") \
	F(pressure_bytes, U64, BYTES, "from where on it saves (second value of tcp_mem)") \
	F(limit_bytes, U64, BYTES, "more it may not have (third value of tcp_mem)") \
	F(unsent_bytes, U64, BYTES, "queued for sending at this socket") \
	F(unread_bytes, U64, BYTES, "received by this socket and not read") \
	F(netns, U32, NONE, "network namespace inode") \
	F(protocol, U16, NONE, "IPPROTO_*") \
	F(receiving, U16, NONE, "1: for what comes in, 0: for what is to be sent") \
	F(own_limit, U32, NONE, "1: the protocol has enough: the limit is the container's") \
	F(reserved, U32, NONE, "0")

#endif
