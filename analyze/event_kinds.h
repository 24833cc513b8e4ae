/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds that are events to people (class CONTEXT), for filters and forms of those who do not read the schema. */
#ifndef KWHY_ANALYZE_EVENT_KINDS_H
#define KWHY_ANALYZE_EVENT_KINDS_H

#include <stddef.h>

#define EVENT_KINDS_MAX 128

/* Fills ret_names with static strings in numeric order and ends it with NULL. */
void event_kinds(const char *ret_names[EVENT_KINDS_MAX]);

#endif
