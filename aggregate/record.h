/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door for records: behind record_take() kind, sizes and strings can be
 * trusted, whether the record came from a program or from a stranger's capture.
 */
#ifndef KWHY_AGGREGATE_RECORD_H
#define KWHY_AGGREGATE_RECORD_H

#include <stddef.h>

#include "schema/event.h"
#include "schema/kinds.h"

/* A record of its own, 8-aligned, with room for any payload. */
union record {
	struct kw_event event;
	unsigned char bytes[KW_RECORD_MAX];
	__u64 align;
};

/* 0, or -EBADMSG: unknown kind, wrong size of payload, frames, or more than the available bytes. */
int record_check(const struct kw_event *event, size_t available, const struct kw_kind_info **ret_info);

/*
 * Checks and copies; a short text at the end is filled up with NULs, one of an older capture with
 * 0 and "not available", everything behind the end of a string is cleared, and strings become valid UTF-8 ('?' for what
 * is not).
 */
int record_take(const struct kw_event *event, size_t available, union record *ret_record,
		const struct kw_kind_info **ret_info);

static inline const void *record_payload(const struct kw_event *event)
{
	return event + 1;
}

#endif
