/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A file system found itself damaged or was shut down. subject: the task that ran into it, which need not have caused
 * anything; where that is a thread of the kernel (no pid) the only container that has the file system mounted, else the
 * host.
 */
#ifndef KWHY_SCHEMA_EV_FSERROR_H
#define KWHY_SCHEMA_EV_FSERROR_H

#include "schema/event.h"

struct kw_fserror {
	__u32 dev;
	__u32 what;
	__u32 line;
	__u32 read_only;
	char function[48];
	char disk[32];
	char type[16];
};

_Static_assert(sizeof(struct kw_fserror) == 112, "kw_fserror");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_fserror(F) \
	F(dev, U32, NONE, "major << 20 | minor of the file system") \
	F(what, U32, NONE, "1 error found, 2 shut down") \
	F(line, U32, NONE, "line of the kernel source") \
	F(read_only, U32, NONE, "1 it was read-only already") \
	F(function, STR, NONE, "function that found it") \
	F(disk, STR, NONE, "file system (super_block.s_id)") \
	F(type, STR, NONE, "its type")

#endif
