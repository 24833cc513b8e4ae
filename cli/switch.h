/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch that turns everything off at once is a file of the state directory: STATE/off.  It works without a
 * collector that answers, and lasts over restarts.
 */
#ifndef KWHY_CLI_SWITCH_H
#define KWHY_CLI_SWITCH_H

#include <stdbool.h>
#include <stddef.h>

/* STATE/off as a path; "" when it does not fit. */
void switch_path(const char *state, char *ret, size_t size);
bool switch_is_off(const char *state);

#endif
