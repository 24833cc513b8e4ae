/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For clang-tidy only: the analyzer of clang 14 knows neither that errno is positive after a failure nor what unary
 * minus does to a range, so "return -errno" looks to it like a possible success.  A few concrete values settle that.
 */
#ifndef KWHY_TESTS_LINT_ERRNO_MODEL_H
#define KWHY_TESTS_LINT_ERRNO_MODEL_H

#include <errno.h>

int lint_any(void);

static inline int *lint_errno(void)
{
	static int value;

	switch (lint_any()) {
	case 0:
		value = EINTR;
		break;
	case 1:
		value = ENOENT;
		break;
	case 2:
		value = EEXIST;
		break;
	default:
		value = EIO;
		break;
	}
	return &value;
}

#undef errno
#define errno (*lint_errno())

#endif
