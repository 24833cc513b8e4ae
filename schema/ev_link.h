/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A network device that worked does not any more. subject: owner of its network namespace (pid 0). Seen at the tick in
 * which something in the namespace began to suffer.
 */
#ifndef KWHY_SCHEMA_EV_LINK_H
#define KWHY_SCHEMA_EV_LINK_H

#include "schema/event.h"

struct kw_link {
	__u64 netns;
	__u32 ifindex;
	__u32 up;
	__u32 carrier;
	__u32 reserved;
	char device[16];
};

_Static_assert(sizeof(struct kw_link) == 40, "kw_link");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_link(F) \
	F(netns, U64, NONE, "network namespace inode") \
	F(ifindex, U32, NONE, "number of the device") \
	F(up, U32, NONE, "1: still set up, 0: taken down") \
	F(carrier, U32, NONE, "0: no link to the other end") \
	F(reserved, U32, NONE, "0") \
	F(device, STR, NONE, "name of the device")

#endif
