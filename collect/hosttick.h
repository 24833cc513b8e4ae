/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KWHY_COLLECT_HOSTTICK_H
#define KWHY_COLLECT_HOSTTICK_H

#include <stdbool.h>
#include <stdint.h>

/* 1 s / CONFIG_HZ; 0: not known. */
uint64_t hosttick_jiffy_ns(void);

/*
 * The time between two timer interrupts of a CPU that runs a task.  0 where a missing one means nothing: CPUs in
 * nohz_full (Documentation/timers/no_hz.rst) do without ticks.
 */
uint64_t hosttick_due_ns(void);

/* Whether a hypervisor may take CPUs away; on bare metal only the kernel can hold interrupts back. */
bool hosttick_is_virtual(void);

#endif
