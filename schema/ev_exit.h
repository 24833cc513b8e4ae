/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A process ended by a signal. subject: the process.
 */
#ifndef KWHY_SCHEMA_EV_EXIT_H
#define KWHY_SCHEMA_EV_EXIT_H

#include "schema/event.h"

struct kw_exit {
	__u32 signal;
	__u32 core;
	__u64 runtime_ns;
	__u64 lifetime_ns;
	__u32 exit_code;
	__u32 _pad;
};

_Static_assert(sizeof(struct kw_exit) == 32, "kw_exit");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_exit(F) \
	F(signal, U32, NONE, "number") \
	F(core, U32, NONE, "1 core dumped") \
	F(runtime_ns, U64, NS, "CPU time of the last thread") \
	F(lifetime_ns, U64, NS, "since its start") \
	F(exit_code, U32, NONE, "raw exit code")

#endif
