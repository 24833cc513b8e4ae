/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Records of one kind and container that the rate limit (collect.rate) held back during a tick.  Together they are
 * what the books of the probes call suppressed.
 */
#ifndef KWHY_SCHEMA_EV_HELD_H
#define KWHY_SCHEMA_EV_HELD_H

#include "schema/event.h"

struct kw_held {
	__u64 span_ns;
	__u64 count;
	char what[24];
};

_Static_assert(sizeof(struct kw_held) == 40, "kw_held");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_held(F)                                          \
	F(span_ns, U64, NS, "length of the sample")                \
	F(count, U64, COUNT, "records held back")                  \
	F(what, STR, NONE, "their kind")

#endif
