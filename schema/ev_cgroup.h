/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A cgroup directory: made, gone, renamed, or found to exist (scan at start, or an unknown id resolved
 * by its handle). subject.cg is the directory itself; peer the task that did it, if any.  A removed one is released
 * when nothing in the kernel refers to it any more: in the memory hierarchy that can be minutes later, when the last page
 * charged to it has gone.  From the kernel to the collector, maker is the command line of who made it, as it lies in
 * memory.
 */
#ifndef KWHY_SCHEMA_EV_CGROUP_H
#define KWHY_SCHEMA_EV_CGROUP_H

#include "schema/event.h"

enum kw_cgroup_op {
	KW_CGROUP_SEEN = 1,
	KW_CGROUP_MADE = 2,
	KW_CGROUP_REMOVED = 3,
	KW_CGROUP_RENAMED = 4,
	KW_CGROUP_RELEASED = 5,
};

struct kw_cgroup {
	__u32 op; /* enum kw_cgroup_op */
	__u32 hierarchy;
	__u64 id;
	__u64 netns;
	__u64 created_ns;
	char controllers[32];
	char path[440];
	__u32 pid;
	__u32 _pad;
	char maker[256];
};

_Static_assert(sizeof(struct kw_cgroup) == 768, "kw_cgroup");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_cgroup(F) \
	F(op, U32, NONE, "1 seen, 2 made, 3 removed, 4 renamed, 5 released") \
	F(hierarchy, U32, NONE, "hierarchy number as in /proc/PID/cgroup") \
	F(id, U64, NONE, "kernfs id in that hierarchy") \
	F(netns, U64, NONE, "network namespace inode of a task inside, 0 unknown") \
	F(created_ns, U64, NS, "boot time of creation where known, else 0") \
	F(controllers, STR, NONE, "v1 controllers of the hierarchy, empty for v2") \
	F(path, STR, NONE, "path below the root of its hierarchy") \
	F(pid, U32, NONE, "first process inside, 0 unknown") \
	F(maker, STR, NONE, "made by a container runtime: its name, the bundle's directory, the id, by lines; else empty")

#endif
