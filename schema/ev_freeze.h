/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Something was frozen or thawed. what 1, 2: subject.cg is the cgroup; 3, 4: a file system; peer: who
 * did it.
 */
#ifndef KWHY_SCHEMA_EV_FREEZE_H
#define KWHY_SCHEMA_EV_FREEZE_H

#include "schema/event.h"

struct kw_freeze {
	__u32 what;
	__u32 dev;
	__u32 tasks;
	__u32 _pad;
	char target[64];
};

_Static_assert(sizeof(struct kw_freeze) == 80, "kw_freeze");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_freeze(F) \
	F(what, U32, NONE, "1 cgroup frozen, 2 cgroup thawed, 3 file system frozen, 4 file system thawed") \
	F(dev, U32, NONE, "device number of the file system") \
	F(tasks, U32, COUNT, "tasks inside") \
	F(target, STR, NONE, "file system id or cgroup path")

#endif
