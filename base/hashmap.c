/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hashmap.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define SMALLEST_CAPACITY 16

/*
 * Linear probing.  A removed entry leaves a tombstone unless the slot behind it is empty: nothing moves on removal,
 * so removing while iterating neither skips an entry nor shows one twice.
 */
struct hashmap {
	size_t key_size;
	size_t max_entries;
	size_t count;
	size_t used;   /* entries and tombstones */
	size_t cap;    /* 0 or a power of two */
	unsigned char *keys;
	void **values; /* NULL: empty; TOMBSTONE: removed */
};

static const char tombstone_mark;
#define TOMBSTONE ((void *)&tombstone_mark)

struct hashmap *hashmap_new(size_t key_size, size_t max_entries)
{
	struct hashmap *m;

	assert(key_size);
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->key_size = key_size;
	m->max_entries = max_entries;
	return m;
}

void hashmap_free(struct hashmap *m)
{
	if (!m)
		return;
	free(m->keys);
	free(m->values);
	free(m);
}

size_t hashmap_count(const struct hashmap *m)
{
	return m->count;
}

static bool is_entry(const void *value)
{
	return value && value != TOMBSTONE;
}

static unsigned char *key_at(const struct hashmap *m, size_t slot)
{
	return m->keys + slot * m->key_size;
}

static size_t first_slot(const struct hashmap *m, const void *key)
{
	return hash_bytes(key, m->key_size, 0) & (m->cap - 1);
}

/* Slot of the key; cap when it is not in the map.  Ends because grow() keeps a quarter of the slots empty. */
static size_t find(const struct hashmap *m, const void *key)
{
	if (!m->cap)
		return 0;
	for (size_t slot = first_slot(m, key);; slot = (slot + 1) & (m->cap - 1)) {
		if (!m->values[slot])
			return m->cap;
		if (m->values[slot] != TOMBSTONE && !memcmp(key_at(m, slot), key, m->key_size))
			return slot;
	}
}

static void insert_new(struct hashmap *m, const void *key, void *value)
{
	size_t slot = first_slot(m, key);

	while (is_entry(m->values[slot]))
		slot = (slot + 1) & (m->cap - 1);
	if (!m->values[slot])
		m->used++;
	memcpy(key_at(m, slot), key, m->key_size);
	m->values[slot] = value;
	m->count++;
}

/* A table for count entries at most half full, without tombstones. */
static int rebuild(struct hashmap *m)
{
	struct hashmap bigger = { .key_size = m->key_size, .max_entries = m->max_entries, .cap = SMALLEST_CAPACITY };

	while (bigger.cap / 2 < m->count + 1) {
		if (bigger.cap > SIZE_MAX / 4)
			return -ENOMEM;
		bigger.cap *= 2;
	}
	bigger.keys = calloc(bigger.cap, m->key_size);
	bigger.values = calloc(bigger.cap, sizeof(*bigger.values));
	if (!bigger.keys || !bigger.values) {
		free(bigger.keys);
		free(bigger.values);
		return -ENOMEM;
	}
	for (size_t slot = 0; slot < m->cap; slot++)
		if (is_entry(m->values[slot]))
			insert_new(&bigger, key_at(m, slot), m->values[slot]);
	free(m->keys);
	free(m->values);
	*m = bigger;
	return 0;
}

void *hashmap_get(const struct hashmap *m, const void *key)
{
	size_t slot = find(m, key);

	return slot < m->cap ? m->values[slot] : NULL;
}

int hashmap_put(struct hashmap *m, const void *key, void *value, void **ret_old)
{
	size_t slot = find(m, key);
	int r;

	assert(is_entry(value));
	if (slot < m->cap) {
		if (ret_old)
			*ret_old = m->values[slot];
		m->values[slot] = value;
		return 0;
	}
	if (m->count >= m->max_entries)
		return -ENOSPC;
	if (m->used + 1 > m->cap / 4 * 3) {
		r = rebuild(m);
		if (r < 0)
			return r;
	}
	insert_new(m, key, value);
	if (ret_old)
		*ret_old = NULL;
	return 0;
}

void *hashmap_remove(struct hashmap *m, const void *key)
{
	size_t slot = find(m, key);
	void *old;

	if (slot >= m->cap)
		return NULL;
	old = m->values[slot];
	m->values[slot] = TOMBSTONE;
	m->count--;
	/* Tombstones that end a run of slots keep nothing reachable. */
	if (!m->values[(slot + 1) & (m->cap - 1)]) {
		while (m->values[slot] == TOMBSTONE) {
			m->values[slot] = NULL;
			m->used--;
			slot = (slot - 1) & (m->cap - 1);
		}
	}
	return old;
}

void *hashmap_next(const struct hashmap *m, size_t *iter, const void **ret_key)
{
	for (; *iter < m->cap; ++*iter) {
		size_t slot = *iter;

		if (!is_entry(m->values[slot]))
			continue;
		if (ret_key)
			*ret_key = key_at(m, slot);
		++*iter;
		return m->values[slot];
	}
	return NULL;
}
