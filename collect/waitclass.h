/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel stack says about a wait.  Pure: works on symbol names, innermost first. */
#ifndef KWHY_COLLECT_WAITCLASS_H
#define KWHY_COLLECT_WAITCLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel;

#define WAIT_FRAMES_MAX 32

/* Symbols of frames[], which ends with 0 or after WAIT_FRAMES_MAX.  Unknown ones are "".  Returns their number. */
unsigned int wait_symbols(const struct kernel *kernel, const uint64_t *frames,
			  const char *ret_symbols[static WAIT_FRAMES_MAX]);

/* "io", "lock", "fs-freeze", "journal", ... as in the field table of offcpu; "other" when nothing is known. */
const char *wait_class(const char *const *symbols, unsigned int count);

/*
 * First frame that names the wait: not the scheduler, not a generic way to sleep, not the tracing itself.  "" if none.
 */
const char *wait_place(const char *const *symbols, unsigned int count);

/*
 * A stack taken in an interrupt: index of the first frame of what was interrupted, behind the interrupt's entry code.
 * count: it was user mode; 0: not taken in an interrupt.
 */
unsigned int wait_interrupted(const char *const *symbols, unsigned int count);

/* Whether it is a helper that lets interrupts on again and returns to whoever had them off. */
bool wait_lets_interrupts_on(const char *symbol);

/* Copies without GCC's suffixes (".isra.0", ".part.1", ".constprop.2"), always NUL-terminated. */
void wait_name(const char *symbol, char *ret, size_t size);

#endif
