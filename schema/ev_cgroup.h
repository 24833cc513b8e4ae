/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A cgroup directory: made, gone, renamed, or found to exist (scan at start, or an unknown id resolved
 * by its handle). subject.cg is the directory itself; peer the task that did it, if any.
 */
#ifndef KWHY_SCHEMA_EV_CGROUP_H
#define KWHY_SCHEMA_EV_CGROUP_H

#include "schema/event.h"

struct kw_cgroup {
	__u32 op;
	__u32 hierarchy;
	__u64 id;
	__u64 netns;
	__u64 created_ns;
	char controllers[32];
	char path[440];
	__u32 pid;
	__u32 _pad;
};

_Static_assert(sizeof(struct kw_cgroup) == 512, "kw_cgroup");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_cgroup(F) \
	F(op, U32, NONE, "1 seen, 2 made, 3 removed, 4 renamed") \
	F(hierarchy, U32, NONE, "hierarchy number as in /proc/PID/cgroup") \
	F(id, U64, NONE, "kernfs id in that hierarchy") \
	F(netns, U64, NONE, "network namespace inode of a task inside, 0 unknown") \
	F(created_ns, U64, NS, "boot time of creation where known, else 0") \
	F(controllers, STR, NONE, "v1 controllers of the hierarchy, empty for v2") \
	F(path, STR, NONE, "path below the root of its hierarchy") \
	F(pid, U32, NONE, "first process inside, 0 unknown")

#endif
