/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A writer was told to pause because of the dirty pages there are: duration_ns is the pause it was given. subject: the
 * writer.
 */
#ifndef KWHY_SCHEMA_EV_DIRTY_H
#define KWHY_SCHEMA_EV_DIRTY_H

#include "schema/event.h"

struct kw_dirty {
	char bdi[32];
	__u64 dirtied_bytes;
	__u64 device_dirty_bytes;
	__u64 device_limit_bytes;
	__u64 dirty_bytes;
	__u64 limit_bytes;
	__u64 rate_bytes;
};

_Static_assert(sizeof(struct kw_dirty) == 80, "kw_dirty");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_dirty(F) \
	F(bdi, STR, NONE, "what is written to: the device's major:minor") \
	F(dirtied_bytes, U64, BYTES, "dirtied by this task since its last pause") \
	F(device_dirty_bytes, U64, BYTES, "dirty pages for that device, 0 unknown") \
	F(device_limit_bytes, U64, BYTES, "how many it may have, 0 unknown") \
	F(dirty_bytes, U64, BYTES, "dirty pages of all devices, or of the memcg") \
	F(limit_bytes, U64, BYTES, "how many those may be") \
	F(rate_bytes, U64, BYTES, "a second that this task may dirty now")

#endif
