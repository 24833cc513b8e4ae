/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A system call was refused in a way that ends the caller: seccomp. subject: the caller.
 */
#ifndef KWHY_SCHEMA_EV_DENIED_H
#define KWHY_SCHEMA_EV_DENIED_H

#include "schema/event.h"

struct kw_denied {
	__s64 syscall;
	__s32 data;
	__u32 handled;
};

_Static_assert(sizeof(struct kw_denied) == 16, "kw_denied");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_denied(F) \
	F(syscall, S64, NONE, "number of the system call, -1 unknown") \
	F(data, S32, NONE, "what the filter says: SECCOMP_RET_DATA") \
	F(handled, U32, NONE, "1 the caller has a handler for SIGSYS, so it need not die")

#endif
