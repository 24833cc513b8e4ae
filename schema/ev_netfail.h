/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A connection that could not be made, or was ended by an error. subject: owner of the socket (pid 0 unless it happened
 * in its own system call); peer: owner of the remote address where that is on this host.
 */
#ifndef KWHY_SCHEMA_EV_NETFAIL_H
#define KWHY_SCHEMA_EV_NETFAIL_H

#include "schema/event.h"

struct kw_netfail {
	__u32 netns;
	__u16 family;
	__u16 protocol;
	__u16 state;
	__u16 sport;
	__u16 dport;
	__u16 reserved;
	__u8 saddr[16];
	__u8 daddr[16];
	char what[16];
};

_Static_assert(sizeof(struct kw_netfail) == 64, "kw_netfail");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_netfail(F) \
	F(netns, U32, NONE, "network namespace inode") \
	F(family, U16, NONE, "AF_INET or AF_INET6") \
	F(protocol, U16, NONE, "IPPROTO_*") \
	F(state, U16, NONE, "TCP state before") \
	F(sport, U16, NONE, "local port, 0: none was free") \
	F(dport, U16, NONE, "remote port") \
	F(reserved, U16, NONE, "0") \
	F(saddr, ADDR, NONE, "local address, v4 mapped") \
	F(daddr, ADDR, NONE, "remote address, v4 mapped") \
	F(what, STR, NONE, "refused, reset, unreachable, timeout, noport, other")

#endif
