/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A change of an XFS file system waited for space in its log: what filled it was not yet written to its place; or one of btrfs
 * for space among its metadata, until what was changed before had been committed. subject: who waited; peer: who reserved
 * most of it of late.
 */
#ifndef KWHY_SCHEMA_EV_LOGWAIT_H
#define KWHY_SCHEMA_EV_LOGWAIT_H

#include "schema/event.h"

struct kw_logwait {
	__u32 dev;
	__u32 need_bytes;
	__u64 log_bytes;
	__u64 peer_ns;
	char disk[32];
};

_Static_assert(sizeof(struct kw_logwait) == 56, "kw_logwait");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_logwait(F) \
	F(dev, U32, NONE, "major << 20 | minor of the file system") \
	F(need_bytes, U32, BYTES, "space that the change may need") \
	F(log_bytes, U64, BYTES, "size of the log; 0: btrfs") \
	F(peer_ns, U64, NS, "of the wait, the share of peer") \
	F(disk, STR, NONE, "file system")

#endif
