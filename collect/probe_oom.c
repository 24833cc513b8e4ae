/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "victim", "oom_victim", true, "who was killed for want of memory, and under whose limit" },
	{ "victim", "oom_victim_pid", true, NULL },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_oom, 0 };

const struct probe probe_oom = {
	.name = "oom",
	.title = "Victims of the OOM killer, who asked for memory, and the limit that was hit",
	.cost = "mark_victim: once a kill, about 5 us",
	.causes = "mem.oom.memcg,mem.oom.ancestor,mem.oom.global",
	.object = "oom",
	.attach = hooks,
	.kinds = kinds,
};
