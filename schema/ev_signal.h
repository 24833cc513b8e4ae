/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A fatal signal was generated. subject: the target; peer: the sender (nobody when the kernel sent
 * it).
 */
#ifndef KWHY_SCHEMA_EV_SIGNAL_H
#define KWHY_SCHEMA_EV_SIGNAL_H

#include "schema/event.h"

struct kw_signal {
	__u32 signal;
	__s32 code;
	__u32 group;
	__u32 result;
	__u32 by_kernel;
	__u32 handled;
};

_Static_assert(sizeof(struct kw_signal) == 24, "kw_signal");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_signal(F) \
	F(signal, U32, NONE, "number") \
	F(code, S32, NONE, "si_code") \
	F(group, U32, NONE, "1 to the whole process") \
	F(result, U32, NONE, "TRACE_SIGNAL_*: 0 delivered") \
	F(by_kernel, U32, NONE, "1 the kernel itself sent it") \
	F(handled, U32, NONE, "1 the target has a handler for it, so it need not die")

#endif
