/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "clock", "profile_sampled", true, "what containers did on the CPU, by stack" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_profile, 0 };

const struct probe probe_profile = {
	.name = "profile",
	.title = "Stacks of what runs on each CPU, at a low rate",
	.cost = "perf's cpu-clock of each CPU: probe.profile.rate times a second while it is not idle, 8 us a hit",
	.causes = "cpu.self,cpu.neighbor,unexplained",
	.object = "profile",
	.attach = hooks,
	.kinds = kinds,
	.folded = true,
};
