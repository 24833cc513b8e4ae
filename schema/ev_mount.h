/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A container has a file system mounted as a whole: a volume, a disk, an export of a server. subject.cg: the container.
 * What kernel threads say of that device is about it, when nobody else has it.
 */
#ifndef KWHY_SCHEMA_EV_MOUNT_H
#define KWHY_SCHEMA_EV_MOUNT_H

#include "schema/event.h"

struct kw_mount {
	__u32 dev;
	__u32 _pad;
	char type[16];
	char source[64];
	char point[128];
};

_Static_assert(sizeof(struct kw_mount) == 216, "kw_mount");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_mount(F) \
	F(dev, U32, NONE, "major << 20 | minor of the file system") \
	F(type, STR, NONE, "its type") \
	F(source, STR, NONE, "what is mounted") \
	F(point, STR, NONE, "where in the container")

#endif
