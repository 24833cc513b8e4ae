/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Journal commits of a file system: the newest one, and the sum of those since the last such record. Long ones have a
 * record each, others are told at most four times a second. A commit belongs to the cgroups whose handles dirtied its
 * blocks. peer: the one with the largest share.
 */
#ifndef KWHY_SCHEMA_EV_COMMIT_H
#define KWHY_SCHEMA_EV_COMMIT_H

#include "schema/event.h"

struct kw_commit {
	__u32 dev;
	__u32 transaction;
	__u64 locked_ns;
	__u64 flushing_ns;
	__u64 logging_ns;
	__u64 handles;
	__u64 blocks;
	__u64 count;
	__u64 sum_ns;
	__u64 peer_ns;
	struct kw_cg by1;
	__u64 by1_ns;
	struct kw_cg by2;
	__u64 by2_ns;
	struct kw_cg by3;
	__u64 by3_ns;
	char disk[32];
};

_Static_assert(sizeof(struct kw_commit) == 176, "kw_commit");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_commit(F) \
	F(dev, U32, NONE, "major << 20 | minor of the file system") \
	F(transaction, U32, NONE, "number of the newest one") \
	F(locked_ns, U64, NS, "it waited for running handles") \
	F(flushing_ns, U64, NS, "it wrote back file data") \
	F(logging_ns, U64, NS, "it wrote the journal") \
	F(handles, U64, COUNT, "handles in the newest one") \
	F(blocks, U64, COUNT, "blocks it logged") \
	F(count, U64, COUNT, "commits since the last record") \
	F(sum_ns, U64, NS, "their time") \
	F(peer_ns, U64, NS, "of that, the share of peer") \
	F(by1, CG, CONTAINER, "who dirtied most") \
	F(by1_ns, U64, NS, "its share of the time") \
	F(by2, CG, CONTAINER, "who came second") \
	F(by2_ns, U64, NS, "its share of the time") \
	F(by3, CG, CONTAINER, "who came third") \
	F(by3_ns, U64, NS, "its share of the time") \
	F(disk, STR, NONE, "file system")

#endif
