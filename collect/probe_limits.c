/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "tasks", "limits_of_tasks", true, "limits that are reached, and children that nobody waits for" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_limit, KW_KIND_zombies, 0 };

const struct probe probe_limits = {
	.name = "limits",
	.title = "Full limits of tasks, descriptors, mappings, inotify and cgroups, and unreaped children",
	.cost = "once a tick: 0.8 us a process",
	.causes = "limit.pids,limit.pids.ancestor,limit.fds,limit.map_count,limit.rlimit,limit.inotify,limit.cgroups,"
		  "proc.zombies",
	.object = "limits",
	.plain_lost = "full limits of inotify, children that nobody waits for",
	.attach = hooks,
	.kinds = kinds,
};
