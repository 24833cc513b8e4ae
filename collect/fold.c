/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/fold.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"

#define SLOTS 4096 /* a power of two above FOLD_ROWS_MAX */

/* As it goes out: the payload follows the event. */
struct row {
	struct kw_event e;
	uint64_t span_ns;
	uint64_t numbers[FOLD_NUMBERS_MAX];
	uint64_t user[KW_STACK_FRAMES_MAX];
	unsigned int user_count;
};

struct fold {
	struct row *rows; /* grows as it is needed, to FOLD_ROWS_MAX */
	unsigned int count, cap;
	uint16_t slots[SLOTS]; /* index of a row + 1; 0 free */
};

struct fold *fold_new(void)
{
	return calloc(1, sizeof(struct fold));
}

void fold_free(struct fold *f)
{
	if (!f)
		return;
	free(f->rows);
	free(f);
}

static bool alike(const struct kw_event *a, const struct kw_event *b)
{
	const struct kw_party *x = &a->subject, *y = &b->subject;

	return a->kind == b->kind && a->stack == b->stack && a->peer_stack == b->peer_stack && x->pid == y->pid &&
	       x->cg.v2 == y->cg.v2 && x->cg.v1 == y->cg.v1 && !memcmp(x->comm, y->comm, sizeof(x->comm));
}

/* peer_stack stands for the addresses of user mode as long as the row is here. */
static uint64_t place_of(const struct kw_event *e)
{
	uint64_t hash = hash_bytes(&e->subject.cg, sizeof(e->subject.cg), e->kind);

	hash = hash_bytes(&e->subject.pid, sizeof(e->subject.pid), hash);
	hash = hash_bytes(&e->stack, sizeof(e->stack), hash);
	return hash_bytes(&e->peer_stack, sizeof(e->peer_stack), hash);
}

static struct row *add_row(struct fold *f, const struct kw_event *e, const uint64_t *user, unsigned int count)
{
	struct row *r;

	if (f->count == FOLD_ROWS_MAX)
		return NULL;
	if (f->count == f->cap) {
		unsigned int cap = f->cap ? MIN(2 * f->cap, FOLD_ROWS_MAX) : 64;
		struct row *rows = reallocarray(f->rows, cap, sizeof(*rows));

		if (!rows)
			return NULL;
		f->rows = rows;
		f->cap = cap;
	}
	r = &f->rows[f->count++];
	*r = (struct row){ .e = *e, .user_count = MIN(count, KW_STACK_FRAMES_MAX) };
	memcpy(r->user, user, r->user_count * sizeof(*user));
	return r;
}

static struct row *find_row(struct fold *f, const struct kw_event *e, const uint64_t *user, unsigned int count)
{
	for (uint64_t at = place_of(e);; at++) {
		uint16_t *slot = &f->slots[at % SLOTS];
		struct row *r;

		if (*slot && alike(&f->rows[*slot - 1].e, e))
			return &f->rows[*slot - 1];
		if (*slot)
			continue;
		r = add_row(f, e, user, count);
		if (r)
			*slot = f->count;
		return r;
	}
}

int fold_add(struct fold *f, const struct kw_event *e, const void *payload, const uint64_t *user, unsigned int count)
{
	unsigned int numbers = e->payload_size / sizeof(uint64_t) - 1;
	struct kw_event keyed = *e;
	const uint64_t *from = payload;
	struct row *r;

	if (e->payload_size % sizeof(uint64_t) || !numbers || numbers > FOLD_NUMBERS_MAX)
		return -EINVAL;
	keyed.peer_stack = count ? hash_bytes(user, count * sizeof(*user), 0) : 0;
	r = find_row(f, &keyed, user, count);
	if (!r)
		return -ENOSPC;
	for (unsigned int i = 0; i < numbers; i++)
		r->numbers[i] += from[i + 1];
	return 0;
}

void fold_flush(struct fold *f, uint64_t now_ns, uint64_t span_ns, fold_emit_fn emit, void *ctx)
{
	for (unsigned int i = 0; i < f->count; i++) {
		struct row *r = &f->rows[i];

		r->e.ts_ns = now_ns;
		r->e.peer_stack = 0;
		r->span_ns = span_ns;
		emit(ctx, &r->e, r->user, r->user_count);
	}
	f->count = 0;
	memset(f->slots, 0, sizeof(f->slots));
}
