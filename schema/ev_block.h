/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A block request from insertion to completion, or a bio of a mapped device. subject: the cgroup the bio belongs to, pid and comm
 * of the submitter where known; peer: the other cgroup with the largest share of the device meanwhile.
 * error: of the completion.
 */
#ifndef KWHY_SCHEMA_EV_BLOCK_H
#define KWHY_SCHEMA_EV_BLOCK_H

#include "schema/event.h"

struct kw_block {
	__u32 dev;
	__u32 op;
	__u64 sector;
	__u64 bytes;
	__u64 queue_ns;
	__u64 device_ns;
	__u32 inflight;
	__u32 inflight_other;
	__u64 self_ns;
	__u64 other_ns;
	__u64 alone_ns;
	char disk[32];
	struct kw_cg occ1;
	__u64 occ1_ns;
	__u64 occ1_bytes;
	struct kw_cg occ2;
	__u64 occ2_ns;
	__u64 occ2_bytes;
	struct kw_cg occ3;
	__u64 occ3_ns;
	__u64 occ3_bytes;
	struct kw_cg occ4;
	__u64 occ4_ns;
	__u64 occ4_bytes;
	__u32 requeues;
	__u32 writeback;
	__u32 stacked;
	__u32 _pad;
};

_Static_assert(sizeof(struct kw_block) == 248, "kw_block");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_block(F) \
	F(dev, U32, NONE, "major << 20 | minor") \
	F(op, U32, NONE, "REQ_OP_*") \
	F(sector, U64, NONE, "first 512-byte sector") \
	F(bytes, U64, BYTES, "size") \
	F(queue_ns, U64, NS, "insert to issue") \
	F(device_ns, U64, NS, "issue to completion") \
	F(inflight, U32, COUNT, "requests in the device when it arrived") \
	F(inflight_other, U32, COUNT, "of those, from other cgroups") \
	F(self_ns, U64, NS, "share of the wait taken by its own cgroup") \
	F(other_ns, U64, NS, "share taken by other cgroups") \
	F(alone_ns, U64, NS, "share with nothing else in the device") \
	F(disk, STR, NONE, "disk name") \
	F(occ1, CG, CONTAINER, "occupant 1 of the device, by time") \
	F(occ1_ns, U64, NS, "share of the wait") \
	F(occ1_bytes, U64, BYTES, "bytes it had served meanwhile") \
	F(occ2, CG, CONTAINER, "occupant 2 of the device, by time") \
	F(occ2_ns, U64, NS, "share of the wait") \
	F(occ2_bytes, U64, BYTES, "bytes it had served meanwhile") \
	F(occ3, CG, CONTAINER, "occupant 3 of the device, by time") \
	F(occ3_ns, U64, NS, "share of the wait") \
	F(occ3_bytes, U64, BYTES, "bytes it had served meanwhile") \
	F(occ4, CG, CONTAINER, "occupant 4 of the device, by time") \
	F(occ4_ns, U64, NS, "share of the wait") \
	F(occ4_bytes, U64, BYTES, "bytes it had served meanwhile") \
	F(requeues, U32, COUNT, "times the driver gave it back") \
	F(writeback, U32, NONE, "1 a kernel worker wrote back what the cgroup had made dirty") \
	F(stacked, U32, NONE, "1 no request but a bio of a device that lies on others (device mapper): only some are followed, device_ns is all of it")

#endif
