/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Somebody had a whole file system written back: sync, syncfs, or an unmount. subject: who did it. duration: from the
 * first step (data) to the second (the journal), which then still has to be waited for.
 */
#ifndef KWHY_SCHEMA_EV_SYNC_H
#define KWHY_SCHEMA_EV_SYNC_H

#include "schema/event.h"

struct kw_sync {
	__u32 dev;
	__u32 disk_dev;
	char disk[32];
};

_Static_assert(sizeof(struct kw_sync) == 40, "kw_sync");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_sync(F) \
	F(dev, U32, NONE, "major << 20 | minor of the file system") \
	F(disk_dev, U32, NONE, "major << 20 | minor of the whole disk below it, 0 none") \
	F(disk, STR, NONE, "file system (super_block.s_id)")

#endif
