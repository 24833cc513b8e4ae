/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "switch", "sched_switched", true, "who waited for a CPU, how long, and who had it" },
	{ "migrate", "sched_moved", true,
	  "telling a wait from a sleep of a task that was moved while it slept" },
	{ "tick", "timer_left", false, NULL }, /* only x86 has it, and only virtual machines need it */
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_runq, 0 };

const struct probe probe_runq = {
	.name = "runq",
	.title = "Waits for a CPU, with who occupied it meanwhile",
	.cost = "sched_switch: up to hundreds of thousands a second, about 40 ns a hit with throttle and offcpu; 5 us "
		"for each wait past probe.runq.blame",
	.causes = "cpu.neighbor,cpu.self,cpu.saturation,cpu.rt_starvation,cpu.affinity",
	.object = "sched",
	.plain_lost = "of the CPUs that a task may not use only four are asked whether they idled",
	.scanner = "scan",
	.attach = hooks,
	.kinds = kinds,
};
