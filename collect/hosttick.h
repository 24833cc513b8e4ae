/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KWHY_COLLECT_HOSTTICK_H
#define KWHY_COLLECT_HOSTTICK_H

#include <stdint.h>

/*
 * The time between two timer interrupts of a CPU that runs a task, where a missing one means that the CPU itself was
 * away.  0 where it means nothing: on bare metal only the kernel can have turned interrupts off, and CPUs in nohz_full
 * (Documentation/timers/no_hz.rst) do without ticks.
 */
uint64_t hosttick_due_ns(void);

#endif
