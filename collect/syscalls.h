/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the system calls of the machine this was built for; the build makes the table from the C library's headers. */
#ifndef KWHY_COLLECT_SYSCALLS_H
#define KWHY_COLLECT_SYSCALLS_H

#include <stdint.h>

extern const char *const syscall_names[]; /* by number; NULL: there is none */
extern const unsigned int syscall_names_count;

/* NULL when it has none. */
const char *syscall_name(int64_t number);

#endif
