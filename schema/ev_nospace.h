/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * An operation failed because its file system has no blocks or no inodes left. subject: who was refused; peer: who
 * allocated most of it lately (what is ten minutes old counts half), by samples of one in 64.
 */
#ifndef KWHY_SCHEMA_EV_NOSPACE_H
#define KWHY_SCHEMA_EV_NOSPACE_H

#include "schema/event.h"

struct kw_nospace {
	__u32 dev;
	__u32 inodes;
	__u64 total_bytes;
	__u64 free_bytes;
	__u64 total_inodes;
	__u64 free_inodes;
	__u64 count;
	__u64 peer_bytes;
	__u64 taken_bytes;
	char disk[32];
	char type[16];
};

_Static_assert(sizeof(struct kw_nospace) == 112, "kw_nospace");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_nospace(F) \
	F(dev, U32, NONE, "major << 20 | minor of the file system") \
	F(inodes, U32, NONE, "1 no inodes left, 0 no blocks") \
	F(total_bytes, U64, BYTES, "size of the file system, 0 unknown") \
	F(free_bytes, U64, BYTES, "free by its counters") \
	F(total_inodes, U64, COUNT, "inodes it has, 0 unknown") \
	F(free_inodes, U64, COUNT, "free by its counters") \
	F(count, U64, COUNT, "refusals of the subject since the last record; ext4 asks up to four times in a call") \
	F(peer_bytes, U64, BYTES, "allocated by peer (inodes: their number)") \
	F(taken_bytes, U64, BYTES, "allocated by all (inodes: their number)") \
	F(disk, STR, NONE, "file system (super_block.s_id)") \
	F(type, STR, NONE, "its type")

#endif
