/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KWHY_COLLECT_SYSCALLS_H
#define KWHY_COLLECT_SYSCALLS_H

#include <stdint.h>

/* Name of a system call of the machine this was built for; NULL when it has none. */
const char *syscall_name(int64_t number);

#endif
