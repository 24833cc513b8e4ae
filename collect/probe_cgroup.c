/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "mkdir", "cgroup_mkdir", true, "containers that live shorter than 2 s stay without a name" },
	{ "mkdir", "cgroup_mkdir_raw", true, NULL },
	{ "rmdir", "cgroup_rmdir", false, "the end of a container is known 2 s late" },
	{ "rmdir", "cgroup_rmdir_raw", false, NULL },
	{ "release", "cgroup_release", false, "memory charged to a container that went long ago has no owner" },
	{ "release", "cgroup_release_raw", false, NULL },
	{ "rename", "cgroup_rename", false, "renamed v1 cgroups keep their former name" },
	{ "rename", "cgroup_rename_raw", false, NULL },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_cgroup, 0 };

const struct probe probe_cgroup = {
	.name = "cgroup",
	.title = "Cgroups made, removed, released and renamed, with their path at that moment",
	.cost = "cgroup_mkdir, cgroup_rmdir, cgroup_release, cgroup_rename: a few per container start, about 2 us a hit",
	.causes = "",
	.object = "cgroup",
	.essential = true,
	.attach = hooks,
	.kinds = kinds,
};
