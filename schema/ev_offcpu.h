/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A task was off the CPU, not runnable, for duration_ns. peer: who woke it (nobody when an interrupt
 * did). stack: where it slept.
 */
#ifndef KWHY_SCHEMA_EV_OFFCPU_H
#define KWHY_SCHEMA_EV_OFFCPU_H

#include "schema/event.h"

struct kw_offcpu {
	__u32 state;
	__u32 reason;
	__u32 iowait;
	__u32 wake_context;
	char wait_place[48];
	char wait_class[16];
	char wake_source[32];
};

_Static_assert(sizeof(struct kw_offcpu) == 112, "kw_offcpu");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_offcpu(F) \
	F(state, U32, NONE, "task state bits while off the CPU") \
	F(reason, U32, NONE, "enum kw_wait_reason, 0 a voluntary sleep") \
	F(iowait, U32, NONE, "1 the kernel counted it as I/O wait") \
	F(wake_context, U32, NONE, "0 task, 1 hard interrupt, 2 soft interrupt, 3 none yet") \
	F(wait_place, STR, NONE, "first frame that names the wait") \
	F(wait_class, STR, NONE, "io, lock, fs-freeze, journal, copy-up, fuse, nfs, futex, pipe, socket, poll, timer, " \
				 "freezer, stopped, traced, fault, other") \
	F(wake_source, STR, NONE, "interrupt name or vector")

#endif
