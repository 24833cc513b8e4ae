/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The scheduler had asked a task to leave the CPU, and it went duration_ns later: it was in the kernel and could not be
 * preempted. subject: who ran next; peer: who held the CPU; peer_stack: where, at a timer tick meanwhile (0: none came).
 */
#ifndef KWHY_SCHEMA_EV_NOSCHED_H
#define KWHY_SCHEMA_EV_NOSCHED_H

#include "schema/event.h"

struct kw_nosched {
	char place[48];
};

_Static_assert(sizeof(struct kw_nosched) == 48, "kw_nosched");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_nosched(F) \
	F(place, STR, NONE, "where in the kernel it was, by its stack")

#endif
