/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A process whose children ended and were not waited for, counted once a tick. subject: the parent.
 */
#ifndef KWHY_SCHEMA_EV_ZOMBIES_H
#define KWHY_SCHEMA_EV_ZOMBIES_H

#include "schema/event.h"

struct kw_zombies {
	__u64 count;
	__u64 ticks;
};

_Static_assert(sizeof(struct kw_zombies) == 16, "kw_zombies");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_zombies(F) \
	F(count, U64, COUNT, "dead children now") \
	F(ticks, U64, COUNT, "for how many ticks there were at least so many as it takes to be told of")

#endif
