/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * One record of the kernel log.
 */
#ifndef KWHY_SCHEMA_EV_LOG_H
#define KWHY_SCHEMA_EV_LOG_H

#include "schema/event.h"

struct kw_log {
	__u32 priority;
	__u32 facility;
	__u64 seq;
	char text[496];
};

_Static_assert(sizeof(struct kw_log) == 512, "kw_log");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_log(F) \
	F(priority, U32, NONE, "syslog level 0 to 7") \
	F(facility, U32, NONE, "syslog facility") \
	F(seq, U64, NONE, "kernel sequence number") \
	F(text, STR, NONE, "message")

#endif
