/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* How one source of metadata fares; totals since the collector started. Sent when something changed. */
#ifndef KWHY_SCHEMA_EV_SOURCE_H
#define KWHY_SCHEMA_EV_SOURCE_H

#include "schema/event.h"

struct kw_source {
	__u64 asked;
	__u64 answered;
	__u64 malformed;
	__u64 failed;
	__u64 dropped;
	__u64 slowest_ns;
	char name[32];
	char why[128];
};

_Static_assert(sizeof(struct kw_source) == 208, "kw_source");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_source(F) \
	F(asked, U64, COUNT, "times it was asked about a container") \
	F(answered, U64, COUNT, "times it knew the container") \
	F(malformed, U64, COUNT, "answers that were refused: too large, too deep, no JSON, not about this container") \
	F(failed, U64, COUNT, "times it could not be asked: no answer in time, connection refused, file not readable") \
	F(dropped, U64, COUNT, "questions and answers left out because too many waited") \
	F(slowest_ns, U64, NS, "longest answer") \
	F(name, STR, NONE, "source") \
	F(why, STR, NONE, "the last thing that went wrong; empty when nothing did")

#endif
