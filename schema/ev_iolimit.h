/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Requests that a block I/O limit (blkio.throttle, io.max) held back, as the kernel's throttle worker let them go:
 * all of one cgroup, device and direction since the last such record, which come at most ten a second.
 * subject: the cgroup the bios belong to; peer: the cgroup whose limit it is.
 */
#ifndef KWHY_SCHEMA_EV_IOLIMIT_H
#define KWHY_SCHEMA_EV_IOLIMIT_H

#include "schema/event.h"

struct kw_iolimit {
	__u32 dev;
	__u32 write;
	__u64 count;
	__u64 bytes;
	__u64 limit_bps;
	__u64 limit_iops;
	__u32 own_limit;
	__u32 reserved;
	char disk[32];
};

_Static_assert(sizeof(struct kw_iolimit) == 80, "kw_iolimit");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_iolimit(F) \
	F(dev, U32, NONE, "major << 20 | minor") \
	F(write, U32, NONE, "1 writes, 0 reads") \
	F(count, U64, COUNT, "bios let go") \
	F(bytes, U64, BYTES, "their size") \
	F(limit_bps, U64, BYTES, "limit in bytes a second, 0 none") \
	F(limit_iops, U64, COUNT, "limit in requests a second, 0 none") \
	F(own_limit, U32, NONE, "1 the limit is of the subject itself") \
	F(disk, STR, NONE, "disk name")

#endif
