/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "fork", "sched_forked", true, "how many processes each container starts" },
	{ 0 },
};

static const uint16_t kinds[] = { 0 };

const struct probe probe_fork = {
	.name = "fork",
	.title = "Processes and threads started, per container",
	.cost = "sched_process_fork: some hundreds a second on a busy host, 1 us a hit",
	.causes = "cpu.fork_storm",
	.object = "sched",
	.attach = hooks,
	.kinds = kinds,
};
