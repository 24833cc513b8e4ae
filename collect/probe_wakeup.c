/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "waking", "sched_woken", true, "who wakes tasks of other containers, after how long" },
	{ "irq", "irq_entered", false, "a wakeup by an interrupt is taken for one by the task it interrupted" },
	{ "irq_exit", "irq_left", false, "wakeups after an interrupt are taken for its own and left out" },
	{ "softirq", "softirq_entered", false,
	  "a wakeup by a soft interrupt is taken for one by the task it interrupted" },
	{ "softirq_exit", "softirq_left", false, "wakeups after a soft interrupt are taken for its own and left out" },
	{ "timer", "timer_entered", false,
	  "a wakeup by the timer interrupt is taken for one by the task it interrupted" },
	{ "timer_exit", "timer_left", false, "wakeups after a timer interrupt are taken for its own and left out" },
	{ 0 },
};

static const uint16_t kinds[] = { 0 };

const struct probe probe_wakeup = {
	.name = "wakeup",
	.title = "Wakeups from one container to another after a long sleep",
	.cost = "sched_waking: 2 ns a wakeup, 1 us one between containers past probe.wakeup.threshold",
	.causes = "ipc.peer_slow,lock.futex,unexplained",
	.object = "sched",
	.attach = hooks,
	.kinds = kinds,
};
