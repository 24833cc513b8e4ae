/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"
#include "collect/waitclass.h"

static const struct attach_choice hooks[] = {
	{ "switch", "sched_switched", true, "kernel sections that hold the CPU" },
	{ "wanted", "sched_looked", true, "kernel sections that hold the CPU" },
	{ "flags", "sched_wanted", false, NULL },
	{ "timer", "timer_entered", true, "kernel sections that hold the CPU" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_nosched, 0 };

static int refine(const struct kernel *kernel, struct kw_event *event, void *payload, const uint64_t *stack,
		  const uint64_t *peer_stack)
{
	const char *symbols[WAIT_FRAMES_MAX];
	struct kw_nosched *p = payload;
	unsigned int n = wait_symbols(kernel, peer_stack, symbols), first = wait_interrupted(symbols, n);

	(void)event;
	(void)stack;
	wait_name(first < n ? symbols[first] : "", p->place, sizeof(p->place));
	return 0;
}

const struct probe probe_nosched = {
	.name = "nosched",
	.title = "Kernel sections that kept the CPU although the scheduler wanted a switch",
	.cost = "sched_switch, shared with runq: one load a hit; local_timer_exit: 20 ns a tick",
	.causes = "cpu.kernel_section",
	.object = "sched",
	.briefly = "sched_wanted",
	.attach = hooks,
	.kinds = kinds,
	.refine = refine,
};
