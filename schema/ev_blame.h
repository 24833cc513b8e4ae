/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Sum over one tick: of the waits of a cgroup on one resource, the part owed to another. subject.cg:
 * the victim; peer: the culprit (cgroup, and the task seen last), unless sink says otherwise.
 */
#ifndef KWHY_SCHEMA_EV_BLAME_H
#define KWHY_SCHEMA_EV_BLAME_H

#include "schema/event.h"

struct kw_blame {
	__u64 span_ns;
	__u32 resource;
	__u32 sink;
	__u64 count;
	__u64 ns;
	__u64 object;
};

_Static_assert(sizeof(struct kw_blame) == 40, "kw_blame");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_blame(F) \
	F(span_ns, U64, NS, "length of the tick") \
	F(resource, U32, NONE, "enum kw_resource") \
	F(sink, U32, NONE, "enum kw_sink") \
	F(count, U64, COUNT, "waits") \
	F(ns, U64, NS, "their blamed time") \
	F(object, U64, NONE, "device number or lock address; CPU: 1 held by a real-time task; else 0")

#endif
