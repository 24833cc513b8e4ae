/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

/*
 * The v1 freezer has no tracepoint: its frozen tasks show in the waits (offcpu, scan), who wrote FROZEN does not.  Of
 * file systems without a sync_fs tracepoint the writers still show as waiting, who froze it does not.  A kernel that
 * lacks one of these tracepoints lacks the file system.
 */
static const struct attach_choice hooks[] = {
	{ "cgroup", "cgroup_frozen", true, "who froze a cgroup; of the v1 freezer nobody can tell" },
	{ "cgroup_thaw", "cgroup_thawed", false, "who thawed a cgroup" },
	{ "ext4", "ext4_synced", false, NULL },
	{ "xfs", "xfs_synced", false, NULL },
	{ "btrfs", "btrfs_synced", false, NULL },
	{ "f2fs", "f2fs_synced", false, NULL },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_freeze, 0 };

const struct probe probe_freeze = {
	.name = "freeze",
	.title = "Cgroups and file systems frozen and thawed, with who did it",
	.cost = "cgroup_freeze, cgroup_unfreeze: rare; sync_fs of a file system: 0.1 us each",
	.causes = "proc.frozen,fs.frozen",
	.object = "freeze",
	.attach = hooks,
	.kinds = kinds,
};
