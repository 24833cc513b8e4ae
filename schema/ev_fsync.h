/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A task waited for its fsync or fdatasync. journal_ns is the part it slept for the journal: uninterruptible, but for no
 * block of its own. peer: who had the largest part of the commits that ended meanwhile.
 */
#ifndef KWHY_SCHEMA_EV_FSYNC_H
#define KWHY_SCHEMA_EV_FSYNC_H

#include "schema/event.h"

struct kw_fsync {
	__u32 dev;
	__u32 datasync;
	__u64 inode;
	__u64 journal_ns;
	__u64 commit_ns;
	__u64 peer_ns;
	char disk[32];
};

_Static_assert(sizeof(struct kw_fsync) == 72, "kw_fsync");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_fsync(F) \
	F(dev, U32, NONE, "major << 20 | minor of the file system") \
	F(datasync, U32, NONE, "1 fdatasync") \
	F(inode, U64, NONE, "inode number") \
	F(journal_ns, U64, NS, "slept for the journal") \
	F(commit_ns, U64, NS, "commits that ended meanwhile took") \
	F(peer_ns, U64, NS, "of that, the share of peer") \
	F(disk, STR, NONE, "file system (super_block.s_id)")

#endif
