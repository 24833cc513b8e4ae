/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to people, on standard error, one line each: "kwhy: LEVEL: text".
 * Only top levels of a stage log; library code returns a negative errno.
 * Text that comes from outside is escaped by the callee: no byte below 0x20
 * reaches the terminal.
 */
#ifndef KWHY_BASE_LOG_H
#define KWHY_BASE_LOG_H

#include "base/cleanup.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* The only process-wide setting; call once, before threads start.  Default: info. */
void log_set_level(enum log_level level);
/* Prefix after "kwhy", such as "collect"; must be a string constant. */
void log_set_stage(const char *stage);

void log_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_info(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
