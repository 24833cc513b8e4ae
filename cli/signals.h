/* SPDX-License-Identifier: Apache-2.0 */
/* Signals as a file descriptor, so that they are met at one place of a loop. */
#ifndef KWHY_CLI_SIGNALS_H
#define KWHY_CLI_SIGNALS_H

#include <stdint.h>

/* Blocks the signals (ends with 0) in this and all later threads.  A descriptor or negative errno. */
int signals_open(const int *signals);
/* The next signal, or 0 when none came within timeout_ms. */
int signals_wait(int fd, int timeout_ms);
/* For a child before exec. */
void signals_unblock(void);

#endif
