/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Things sampled once a tick (cgroups, network namespaces), each with what was
 * read last time.  A round visits them in turn and may stop early; the next
 * goes on where it stopped, so that many things are sampled less often rather
 * than at a higher cost.
 */
#ifndef KWHY_COLLECT_ROSTER_H
#define KWHY_COLLECT_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CPU time one sampler may take in a tick. */
#define ROSTER_BUDGET_NS 4000000

struct roster;

/* entry_size bytes an entry, zeroed when made; release (or NULL) frees what an entry owns.  NULL when out of memory. */
struct roster *roster_new(size_t entry_size, size_t max, void (*release)(void *entry));
void roster_free(struct roster *r);
/* The entry of key (not 0), made if need be; it lives through the next roster_sweep().  NULL: full or out of memory. */
void *roster_touch(struct roster *r, uint64_t key);
/* Forgets what was not touched since the last sweep. */
void roster_sweep(struct roster *r);
size_t roster_count(const struct roster *r);

/*
 * Visits entries in turn until all had theirs or budget_ns of CPU time are used up (but at least 16).
 * Returns how many.
 */
unsigned int roster_visit(struct roster *r, int64_t budget_ns, void (*fn)(void *ctx, void *entry), void *ctx);

#endif
