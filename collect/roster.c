/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/roster.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/timeutil.h"

#define VISIT_MIN 16

struct member {
	uint64_t key;
	uint64_t sweep; /* number of the round it was last touched in */
	_Alignas(16) unsigned char entry[];
};

struct roster {
	size_t entry_size, max;
	void (*release)(void *entry);
	struct hashmap *index; /* key -> struct member */
	struct member **list;
	size_t count, cap, cursor;
	uint64_t sweep;
};

struct roster *roster_new(size_t entry_size, size_t max, void (*release)(void *entry))
{
	struct roster *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->entry_size = entry_size;
	r->max = max;
	r->release = release;
	r->index = hashmap_new(sizeof(uint64_t), max);
	if (r->index)
		return r;
	free(r);
	return NULL;
}

static void member_free(const struct roster *r, struct member *m)
{
	if (r->release)
		r->release(m->entry);
	free(m);
}

void roster_free(struct roster *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->count; i++)
		member_free(r, r->list[i]);
	hashmap_free(r->index);
	free(r->list);
	free(r);
}

static bool make_room(struct roster *r)
{
	struct member **list;
	size_t cap = r->cap ? r->cap * 2 : 64;

	if (r->count < r->cap)
		return true;
	if (r->count >= r->max)
		return false;
	list = realloc(r->list, cap * sizeof(struct member *));
	if (!list)
		return false;
	r->list = list;
	r->cap = cap;
	return true;
}

void *roster_touch(struct roster *r, uint64_t key)
{
	struct member *m = hashmap_get(r->index, &key);

	if (!m) {
		if (!make_room(r))
			return NULL;
		m = calloc(1, sizeof(*m) + r->entry_size);
		if (!m)
			return NULL;
		m->key = key;
		if (hashmap_put(r->index, &key, m, NULL) < 0) {
			free(m);
			return NULL;
		}
		r->list[r->count++] = m;
	}
	m->sweep = r->sweep;
	return m->entry;
}

void roster_sweep(struct roster *r)
{
	size_t kept = 0, cursor = r->cursor;

	for (size_t i = 0; i < r->count; i++) {
		struct member *m = r->list[i];

		if (m->sweep == r->sweep) {
			r->list[kept++] = m;
			continue;
		}
		if (i < r->cursor)
			cursor--;
		hashmap_remove(r->index, &m->key);
		member_free(r, m);
	}
	r->count = kept;
	r->cursor = cursor;
	r->sweep++;
}

size_t roster_count(const struct roster *r)
{
	return r->count;
}

unsigned int roster_visit(struct roster *r, int64_t budget_ns, void (*fn)(void *ctx, void *entry), void *ctx)
{
	int64_t begin = time_thread_ns();
	unsigned int done = 0;

	while (done < r->count) {
		if (r->cursor >= r->count)
			r->cursor = 0;
		fn(ctx, r->list[r->cursor++]->entry);
		done++;
		if (done >= VISIT_MIN && time_thread_ns() - begin > budget_ns)
			break;
	}
	return done;
}
