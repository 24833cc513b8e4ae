/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open-addressing map from a fixed-size key (any bytes, no padding) to a
 * pointer the map does not own.  Bounded: hashmap_put() fails with -ENOSPC at
 * max_entries.  Iteration order is that of slots: sort before showing.
 */
#ifndef KWHY_BASE_HASHMAP_H
#define KWHY_BASE_HASHMAP_H

#include <stddef.h>
#include <stdint.h>

struct hashmap;

struct hashmap *hashmap_new(size_t key_size, size_t max_entries); /* NULL when out of memory */
void hashmap_free(struct hashmap *m);                             /* NULL is fine */
size_t hashmap_count(const struct hashmap *m);
void *hashmap_get(const struct hashmap *m, const void *key); /* NULL when absent */
/* Sets or replaces.  value must not be NULL.  0, -ENOSPC, -ENOMEM.  The former value, or NULL, goes to *ret_old unless
 * that is NULL. */
int hashmap_put(struct hashmap *m, const void *key, void *value, void **ret_old);
void *hashmap_remove(struct hashmap *m, const void *key); /* the former value or NULL */
/* for (size_t i = 0; (v = hashmap_next(m, &i, &key));) ; removing the current entry is allowed. */
void *hashmap_next(const struct hashmap *m, size_t *iter, const void **ret_key);

#endif
