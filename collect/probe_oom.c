/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "victim", "oom_victim", true, "who was killed for want of memory, and under whose limit" },
	{ "victim", "oom_victim_pid", true, "the victim's container when another one asked for the memory" },
	{ "table", "oom_table", false, "which other tasks had the memory when the OOM killer chose" },
	{ "table", "oom_table_pid", false, NULL },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_oom, KW_KIND_oom_task, 0 };

const struct probe probe_oom = {
	.name = "oom",
	.title = "Victims of the OOM killer, who asked for memory, and the limit that was hit",
	.cost = "mark_victim: once a kill, about 5 us, and once a second at most a walk over all tasks, 1 us each",
	.causes = "mem.oom.memcg,mem.oom.ancestor,mem.oom.global",
	.object = "oom",
	.plain_lost = "of the tasks that had the memory only the first 2048 are looked at",
	.attach = hooks,
	.kinds = kinds,
};
