/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A stack in text, sent before the first event that refers to it. The text has one frame a line, innermost first. In the
 * kernel: symbol+0xoffset [module]; in user mode: function+0xoffset [file], or file+0xoffset (build id), the offset being that
 * in the file, where the file has no symbols, the id with the first frame of a file; a part in brackets ([vdso],
 * [anonymous], [unknown]) when there is no such file.
 */
#ifndef KWHY_SCHEMA_EV_STACK_H
#define KWHY_SCHEMA_EV_STACK_H

#include "schema/event.h"

struct kw_stack {
	__u64 hash;
	char text[1536];
};

_Static_assert(sizeof(struct kw_stack) == 1544, "kw_stack");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_stack(F) \
	F(hash, U64, NONE, "content hash") \
	F(text, STR, NONE, "frames, one a line")

#endif
