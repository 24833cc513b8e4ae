/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "collect/probe.h"
#include "collect/waitclass.h"

static const struct attach_choice hooks[] = {
	{ "timer_exit", "timer_left", true, "how long CPUs are without timer interrupts" },
	{ "switch", "sched_switched", true, "whether a CPU without timer interrupts idled" },
	{ "timer", "timer_entered", false, "how much of it handlers took" },
	{ "irq", "irq_entered", false, "how much of it handlers took" },
	{ "irq_exit", "irq_left", false, "how much of it handlers took" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_tickgap, 0 };

static int refine(const struct kernel *kernel, struct kw_event *event, void *payload, const uint64_t *stack,
		  const uint64_t *peer_stack)
{
	const char *symbols[WAIT_FRAMES_MAX];
	struct kw_tickgap *p = payload;
	unsigned int n = wait_symbols(kernel, stack, symbols), first = wait_interrupted(symbols, n);

	(void)event;
	(void)peer_stack;
	p->user = first > 0 && first == n;
	if (p->user)
		p->irqs_off = 0;
	for (; first < n && wait_lets_interrupts_on(symbols[first]); first++)
		p->irqs_off = 1;
	wait_name(first < n ? symbols[first] : "", p->place, sizeof(p->place));
	return 0;
}

const struct probe probe_tickgap = {
	.name = "tickgap",
	.title = "CPUs that run tasks without timer interrupts: interrupts off, or the CPU away",
	.cost = "every timer interrupt, 100 to 1000 a second and CPU: 30 ns",
	.causes = "cpu.kernel_section",
	.object = "sched",
	.attach = hooks,
	.kinds = kinds,
	.refine = refine,
};
