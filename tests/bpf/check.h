/* SPDX-License-Identifier: Apache-2.0 */
/* One line per check: "ok NAME", "not ok NAME - why", "skip NAME - why". */
#ifndef KWHY_TESTS_BPF_CHECK_H
#define KWHY_TESTS_BPF_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/cleanup.h"

struct checks {
	unsigned int passed, failed, skipped;
};

static inline void PRINTF_LIKE(4, 5) check(struct checks *c, bool holds, const char *name, const char *why, ...)
{
	va_list args;

	if (holds) {
		c->passed++;
		printf("ok %s\n", name);
	} else {
		c->failed++;
		printf("not ok %s - ", name);
		va_start(args, why);
		vprintf(why, args);
		va_end(args);
		printf("\n");
	}
	fflush(stdout);
}

static inline void skip(struct checks *c, const char *name, const char *why)
{
	c->skipped++;
	printf("skip %s - %s\n", name, why);
	fflush(stdout);
}

#endif
