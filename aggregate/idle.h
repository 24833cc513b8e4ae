/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which samples say nothing new.  A container at rest would otherwise fill
 * the store with rows of zeros.
 */
#ifndef KWHY_AGGREGATE_IDLE_H
#define KWHY_AGGREGATE_IDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/kinds.h"

#define IDLE_KINDS 3
#define IDLE_EVERY 30 /* one row in so many is kept all the same */

/* Of one container; all zero to begin with. */
struct idle {
	struct {
		uint64_t gauges;
		uint8_t skipped;
		bool seen;
	} kinds[IDLE_KINDS];
};

/*
 * True when the row is to be left out: all its deltas are zero (or not available) and its gauges as before; or it is of
 * a directory inside a container and its numbers are part of the container's own row.
 */
bool idle_skip(struct idle *idle, const struct kw_kind_info *info, bool inside, const void *payload);

/* Whether a field of a kind of sample is a state, not an amount of its tick. */
bool idle_is_gauge(unsigned int number, const char *name);

#endif
