/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A task waited for the server of a FUSE file system. peer: the server, as known from the last request of that connection
 * it answered; nobody when it never did.
 */
#ifndef KWHY_SCHEMA_EV_FUSE_H
#define KWHY_SCHEMA_EV_FUSE_H

#include "schema/event.h"

struct kw_fuse {
	__u32 dev;
	__u32 opcode;
	__u64 node;
	char fs[32];
};

_Static_assert(sizeof(struct kw_fuse) == 48, "kw_fuse");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_fuse(F) \
	F(dev, U32, NONE, "major << 20 | minor of the file system") \
	F(opcode, U32, NONE, "FUSE_* of include/uapi/linux/fuse.h") \
	F(node, U64, NONE, "node id") \
	F(fs, STR, NONE, "file system")

#endif
