/* SPDX-License-Identifier: Apache-2.0 */
/* Where CPU time went, or waiting: the stacks of one or two windows as a tree. */
#ifndef KWHY_WEB_STACKS_H
#define KWHY_WEB_STACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "analyze/reader.h"
#include "web/flame.h"

struct stacks_filter {
	bool waits;		      /* else CPU time */
	const char *container;	      /* NULL: all; as in struct event_filter */
	int64_t from_ns, to_ns;	      /* samples of ticks in (from, to] */
	int64_t base_from_ns, base_to_ns; /* the window to compare with; to 0: none */
};

/*
 * CPU time is that of v_profile.  Waits are those of v_wait, by reason: with the stacks of the single ones that were
 * recorded, and one box for what is left, shorter ones and those of kinds without a stack.
 * 0 with *ret_flame, or what reader_query() returns.
 */
int64_t stacks_read(struct reader *r, const struct stacks_filter *filter, struct flame **ret_flame,
		    struct strbuf *ret_error);

#endif
