/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/probe.h"
#include "collect/waitclass.h"

static const struct attach_choice hooks[] = {
	{ "switch", "sched_switched", true, "uninterruptible and frozen waits" },
	{ "waking", "sched_woken", true, "uninterruptible and frozen waits that are over, and who ended them" },
	{ "irq", "irq_entered", false, "a wakeup by an interrupt is taken for one by the task it interrupted" },
	{ "irq_exit", "irq_left", false, "the interrupt named as waker may be one that was over" },
	{ "softirq", "softirq_entered", false,
	  "a wakeup by a soft interrupt is taken for one by the task it interrupted" },
	{ "softirq_exit", "softirq_left", false, "the soft interrupt named as waker may be one that was over" },
	{ "timer", "timer_entered", false,
	  "a wakeup by the timer interrupt is taken for one by the task it interrupted" },
	{ "timer_exit", "timer_left", false, "the timer may be named as waker when it was not" },
	{ "ipi", "ipi_entered", false,
	  "a wakeup by another CPU's request is taken for one by the task it interrupted" },
	{ "ipi_exit", "ipi_left", false, "an inter-processor interrupt may be named as waker when there was none" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_offcpu, 0 };

static int refine(const struct kernel *kernel, struct kw_event *event, void *payload, const uint64_t *stack,
		  const uint64_t *peer_stack)
{
	const char *symbols[WAIT_FRAMES_MAX];
	struct kw_offcpu *p = payload;
	unsigned int n = wait_symbols(kernel, stack, symbols);

	(void)event;
	(void)peer_stack;
	wait_name(wait_place(symbols, n), p->wait_place, sizeof(p->wait_place));
	snprintf(p->wait_class, sizeof(p->wait_class), "%s",
		 p->reason == KW_WAIT_FROZEN ? "freezer" : wait_class(symbols, n));
	p->wake_source[sizeof(p->wake_source) - 1] = '\0';
	return 0;
}

const struct probe probe_offcpu = {
	.name = "offcpu",
	.title = "Uninterruptible and frozen waits, with the place and the waker",
	.cost = "sched_switch and sched_waking: 3 ns a hit each, 100 ns for an uninterruptible sleep, "
		"4 us for a long one",
	.causes = "proc.hung,proc.frozen,fs.journal,fs.sync,fs.remote_hang,io.neighbor,io.self,io.device_slow",
	.object = "sched",
	.scanner = "scan",
	.attach = hooks,
	.kinds = kinds,
	.refine = refine,
};
