/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "exit", "exit_group", true, "processes that died by a signal" },
	{ "exit", "exit_last", true, NULL },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_exit, 0 };

const struct probe probe_exit = {
	.name = "exit",
	.title = "Processes that ended by a signal",
	.cost = "sched_process_exit: once a thread's end, 30 ns unless it died by a signal",
	.causes = "proc.killed,proc.crash,mem.oom.memcg",
	.object = "exit",
	.attach = hooks,
	.kinds = kinds,
};
