/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of one tick that are alike become one row: bounded, begun anew with each tick. */
#ifndef KWHY_COLLECT_FOLD_H
#define KWHY_COLLECT_FOLD_H

#include <stdint.h>

#include "schema/event.h"

#define FOLD_ROWS_MAX 3072 /* a tick; with 11 samples a second that many CPUs cannot do as many things each time */
#define FOLD_NUMBERS_MAX 7 /* u64 of the payload after span_ns */

struct fold;

/* What becomes of a row: its event, with the payload behind it, and the stack in user mode, not yet named. */
typedef int (*fold_emit_fn)(void *ctx, struct kw_event *e, const uint64_t *user, unsigned int count);

struct fold *fold_new(void); /* NULL: out of memory */
void fold_free(struct fold *f);

/*
 * Adds a sample whose payload is of u64 (collect/probe.h, "folded") to the row of its kind, cgroup, process, comm and
 * stacks: that in the kernel as e->stack names it, that in user mode by its addresses.  0, -ENOSPC when this tick has
 * too many rows already, -EINVAL when the payload is no such.
 */
int fold_add(struct fold *f, const struct kw_event *e, const void *payload, const uint64_t *user, unsigned int count);
/* Hands all rows to emit with these times, in the order they began, and forgets them. */
void fold_flush(struct fold *f, uint64_t now_ns, uint64_t span_ns, fold_emit_fn emit, void *ctx);

#endif
