/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "switch", "sched_switched", true,
	  "which tasks a CPU quota stopped and for how long; sums per cgroup are still read from cpu.stat" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_throttle, 0 };

const struct probe probe_throttle = {
	.name = "throttle",
	.title = "Tasks stopped because a CPU quota was used up, with the quota and whose it is",
	.cost = "sched_switch, shared with runq: one load a hit; 1 us when a task is stopped",
	.causes = "cpu.throttled,cpu.throttled.ancestor",
	.object = "sched",
	.scanner = "scan",
	.attach = hooks,
	.kinds = kinds,
};
