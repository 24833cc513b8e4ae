/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A task threw out page cache that is charged to another cgroup: by fadvise(2), a direct write, a forced reclaim,
 * drop_caches. One record for so many pages. subject: whose pages they were; peer: who threw them out.
 */
#ifndef KWHY_SCHEMA_EV_EVICT_H
#define KWHY_SCHEMA_EV_EVICT_H

#include "schema/event.h"

struct kw_evict {
	__u64 bytes;
	__u64 inode;
	__u32 dev;
	__u32 forced;
};

_Static_assert(sizeof(struct kw_evict) == 24, "kw_evict");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_evict(F) \
	F(bytes, U64, BYTES, "page cache thrown out since the last such record") \
	F(inode, U64, NONE, "inode of the last page") \
	F(dev, U32, NONE, "device of its file system") \
	F(forced, U32, NONE, "1 by a reclaim that was asked for: memory.reclaim, force_empty, a lowered limit")

#endif
