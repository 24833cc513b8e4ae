/* SPDX-License-Identifier: Apache-2.0 */
/* Work to measure the cost of an observer with: what it does is the same each time, but for what is slowed down. */
#ifndef KWHY_CLI_BENCH_LOAD_H
#define KWHY_CLI_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_COMM "kwhy-bench" /* the tasks of built-in loads */

struct bench_load {
	const char *name;
	const char *text;
	void (*run)(void); /* in a process of its own */
	bool timed;        /* it takes a fixed time rather than a fixed amount of work */
};

/* NULL past the end. */
const struct bench_load *bench_load_at(size_t i);
/* NULL: a command line. */
const struct bench_load *bench_load_find(const char *name);
/*
 * Runs a load of that name, or a command line (words separated by spaces, no shell), to its end.  *ret_cpu_ns: user and
 * system time of it and of all processes it waited for.  0, negative errno, or the positive exit status of one that
 * failed.
 */
int bench_load_run(const char *load, int64_t *ret_cpu_ns);
/* Replaces this process by a command line.  Returns only when that fails, with an exit status. */
int bench_exec(const char *command);

#endif
