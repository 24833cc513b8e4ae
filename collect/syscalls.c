/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/syscalls.h"

#include "base/cleanup.h"

/* One line for each __NR_ that the C library's headers define. */
static const char *const names[] = {
#include "syscalls.inc"
};

const char *syscall_name(int64_t number)
{
	return number >= 0 && (uint64_t)number < ARRAY_SIZE(names) ? names[number] : NULL;
}
