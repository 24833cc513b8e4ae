/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "softirq", "softirq_entered", true, "the time that soft interrupts take" },
	{ "softirq_exit", "softirq_left", true, "the time that soft interrupts take" },
	{ "irq", "irq_entered", false, "the time that device interrupts take" },
	{ "irq_exit", "irq_left", false, "the time that device interrupts take" },
	{ "timer", "timer_entered", false, "the time that timer interrupts take" },
	{ "timer_exit", "timer_left", false, "the time that timer interrupts take" },
	{ "ipi", "ipi_entered", false, "the time that other CPUs' requests take" },
	{ "ipi_exit", "ipi_left", false, "the time that other CPUs' requests take" },
	{ "ipi_many", "ipi_many_entered", false, "the time that requests to many CPUs take" },
	{ "ipi_many_exit", "ipi_many_left", false, "the time that requests to many CPUs take" },
	{ "raised", "softirq_raised", false, "how long received packets wait for their soft interrupt" },
	{ "asked", "ipi_queued", false, "whose tasks ask other CPUs to act" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_irq, 0 };

const struct probe probe_irq = {
	.name = "irq",
	.title = "Time that hard and soft interrupts take from whom they interrupt",
	.cost = "every interrupt, up to some hundred thousand a second under network load: 60 ns for both ends, 15 ns each raised",
	.causes = "cpu.softirq,cpu.irq,cpu.ipi",
	.object = "sched",
	.attach = hooks,
	.kinds = kinds,
};
