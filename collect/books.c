/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Books that balance.  Programs count in kw_books, the collector counts what it took; the two are read at different
 * moments, so the cut is made where both agree: ring empty, and either they add up or kernel books are the same before
 * and after.  On a host that never pauses, what is between the two counts belongs to the next tick.  Books that were
 * quiet and still do not add up are reported as they are.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "collect/state.h"
#include "schema/ev_probe.h"

#define SETTLE_ROUNDS 4
#define SETTLE_PAUSE_NS 50000
#define SETTLE_RECORDS 65536 /* per round: a flood must not keep the tick from coming */

static void add_cpu(struct collect *c, const struct kw_books *of_cpu)
{
	for (unsigned int kind = 0; kind < KW_KINDS_MAX; kind++) {
		struct kw_book *sum = &c->books.kernel[kind];

		sum->emitted += of_cpu->kind[kind].emitted;
		sum->suppressed += of_cpu->kind[kind].suppressed;
		sum->lost_ring += of_cpu->kind[kind].lost_ring;
		sum->lost_other += of_cpu->kind[kind].lost_other;
	}
}

void books_read(struct collect *c)
{
	AUTO_FREE struct kw_books *cpus = NULL;
	uint32_t zero = 0;

	if (!c->objects)
		return;
	cpus = calloc(objects_cpus(c->objects), sizeof(*cpus));
	if (!cpus || bpf_map_lookup_elem(objects_map_fd(c->objects, SHARED_BOOKS), &zero, cpus) < 0)
		return;
	memset(c->books.kernel, 0, sizeof(c->books.kernel));
	for (unsigned int cpu = 0; cpu < objects_cpus(c->objects); cpu++)
		add_cpu(c, &cpus[cpu]);
}

/* Nothing reserved or waiting.  poll(2) asks the map itself (ringbuf_map_poll), whoever was woken or not. */
static bool ring_empty(const struct collect *c)
{
	struct pollfd p = { .fd = objects_map_fd(c->objects, SHARED_EVENTS), .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

/* Taken from the ring or made here, as far as it came. */
static uint64_t accounted(const struct collect *c, unsigned int kind)
{
	const struct books *b = &c->books;
	const struct kw_book *k = &b->kernel[kind];

	return b->stored[kind] + b->lost[kind] + k->lost_ring + k->suppressed + k->lost_other;
}

/* Own records were sent and taken, but are of no interest; what a map had no room for was never counted as sent. */
static uint64_t emitted(const struct collect *c, unsigned int kind)
{
	const struct books *b = &c->books;
	const struct kw_book *k = &b->kernel[kind];

	return k->emitted + k->lost_other + b->made[kind] - b->own[kind];
}

static bool balanced(const struct collect *c)
{
	for (unsigned int kind = 0; kind < KW_KINDS_MAX; kind++)
		if (c->owner[kind] >= 0 && emitted(c, kind) != accounted(c, kind))
			return false;
	return true;
}

void books_settle(struct collect *c)
{
	struct kw_book before[KW_KINDS_MAX];

	c->settled = false;
	for (unsigned int i = 0; i < SETTLE_ROUNDS; i++) {
		unsigned int taken;

		books_read(c);
		taken = ring_take(c, SETTLE_RECORDS);
		if (taken < SETTLE_RECORDS && ring_empty(c) && balanced(c)) {
			c->settled = true;
			return;
		}
		memcpy(before, c->books.kernel, sizeof(before));
		books_read(c);
		c->settled = taken < SETTLE_RECORDS && ring_empty(c) &&
			     !memcmp(before, c->books.kernel, sizeof(before));
		if (c->settled && balanced(c))
			return;
		/* A program stands between its count and its reservation, or between reservation and submission. */
		nanosleep(&(struct timespec){ .tv_nsec = SETTLE_PAUSE_NS }, NULL);
	}
}

static void add_kind(const struct collect *c, unsigned int kind, struct kw_probe *ret)
{
	const struct books *b = &c->books;
	const struct kw_book *k = &b->kernel[kind];

	ret->emitted += c->settled ? emitted(c, kind) : accounted(c, kind);
	ret->stored += b->stored[kind];
	ret->lost_ring += k->lost_ring;
	ret->suppressed += k->suppressed;
	ret->lost_other += k->lost_other + b->lost[kind];
}

void books_of(const struct collect *c, const struct source *s, struct kw_probe *ret)
{
	int index = s - c->sources;

	for (const uint16_t *kind = s->kinds; kind && *kind; kind++)
		if (*kind < KW_KINDS_MAX && c->owner[*kind] == index)
			add_kind(c, *kind, ret);
}
