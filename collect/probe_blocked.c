/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "waking", "sched_woken", true,
	  "waits for contended futexes, file locks, full pipes and local sockets, stops, ptrace stops, user-space "
	  "page-fault handlers" },
	{ "irq", "irq_entered", false, "a timeout is taken for an act of the task it interrupted" },
	{ "irq_exit", "irq_left", false, "who let a waiter go may stay unnamed after an interrupt" },
	{ "softirq", "softirq_entered", false, "a timeout is taken for an act of the task it interrupted" },
	{ "softirq_exit", "softirq_left", false, "who let a waiter go may stay unnamed after a soft interrupt" },
	{ "timer", "timer_entered", false, "a timeout is taken for an act of the task it interrupted" },
	{ "timer_exit", "timer_left", false, "who let a waiter go may stay unnamed after a timer" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_blocked, 0 };

const struct probe probe_blocked = {
	.name = "blocked",
	.title = "Waits for another task: user-space and file locks, full pipes and local sockets, stops, page faults",
	.cost = "sched_waking: 8 ns for an interruptible sleep, 0.3 us for one of 2 ms or more, "
		"1 us for one that counts",
	.causes = "lock.futex,lock.file,ipc.peer_slow,proc.stopped,proc.traced,mem.fault_handler",
	.object = "sched",
	.scanner = "scan",
	.attach = hooks,
	.kinds = kinds,
};
