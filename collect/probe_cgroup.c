/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "mkdir", "cgroup_mkdir", true, "containers that live shorter than 2 s stay without a name" },
	{ "rmdir", "cgroup_rmdir", false, "the end of a container is known 2 s late" },
	{ "release", "cgroup_release", false, "memory charged to a container that went long ago has no owner" },
	{ "rename", "cgroup_rename", false, "renamed v1 cgroups keep their former name" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_cgroup, KW_KIND_mount, 0 };

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
