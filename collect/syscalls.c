/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/syscalls.h"

#include <stddef.h>

const char *syscall_name(int64_t number)
{
	return number >= 0 && number < syscall_names_count ? syscall_names[number] : NULL;
}
