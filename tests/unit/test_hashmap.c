/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hashmap.h"

#define MANY 10000

/* Values are addresses in here, so that value and key can be told from each other. */
static char values[MANY];

static void fill(struct hashmap *m, uint64_t from, uint64_t to)
{
	for (uint64_t key = from; key < to; key++)
		assert_int_equal(hashmap_put(m, &key, &values[key], NULL), 0);
}

static void empty_map_has_nothing(void **state)
{
	struct hashmap *m = hashmap_new(sizeof(uint64_t), MANY);
	uint64_t key = 1;
	size_t iter = 0;

	(void)state;
	assert_int_equal(hashmap_count(m), 0);
	assert_null(hashmap_get(m, &key));
	assert_null(hashmap_remove(m, &key));
	assert_null(hashmap_next(m, &iter, NULL));
	hashmap_free(m);
	hashmap_free(NULL);
}

static void holds_what_was_put(void **state)
{
	struct hashmap *m = hashmap_new(sizeof(uint64_t), MANY);

	(void)state;
	fill(m, 0, MANY);
	assert_int_equal(hashmap_count(m), MANY);
	for (uint64_t key = 0; key < MANY; key++)
		assert_ptr_equal(hashmap_get(m, &key), &values[key]);
	for (uint64_t key = MANY; key < 2 * MANY; key++)
		assert_null(hashmap_get(m, &key));
	hashmap_free(m);
}

static void replaces_and_tells_the_former(void **state)
{
	struct hashmap *m = hashmap_new(3, 4);
	void *old = &values[9];

	(void)state;
	assert_int_equal(hashmap_put(m, "abc", &values[1], &old), 0);
	assert_null(old);
	assert_int_equal(hashmap_put(m, "abc", &values[2], &old), 0);
	assert_ptr_equal(old, &values[1]);
	assert_int_equal(hashmap_count(m), 1);
	assert_ptr_equal(hashmap_remove(m, "abc"), &values[2]);
	assert_null(hashmap_remove(m, "abc"));
	assert_int_equal(hashmap_count(m), 0);
	hashmap_free(m);
}

static void is_bounded(void **state)
{
	struct hashmap *m = hashmap_new(sizeof(uint64_t), 100);
	uint64_t key = 100;

	(void)state;
	fill(m, 0, 100);
	assert_int_equal(hashmap_put(m, &key, &values[key], NULL), -ENOSPC);
	assert_null(hashmap_get(m, &key));
	/* Replacing needs no room, and a removal makes some. */
	key = 5;
	assert_int_equal(hashmap_put(m, &key, &values[6], NULL), 0);
	assert_ptr_equal(hashmap_remove(m, &key), &values[6]);
	key = 100;
	assert_int_equal(hashmap_put(m, &key, &values[key], NULL), 0);
	assert_int_equal(hashmap_count(m), 100);
	hashmap_free(m);

	m = hashmap_new(1, 0);
	assert_int_equal(hashmap_put(m, "a", &values[0], NULL), -ENOSPC);
	hashmap_free(m);
}

static void removal_keeps_the_others_reachable(void **state)
{
	struct hashmap *m = hashmap_new(sizeof(uint64_t), MANY);

	(void)state;
	fill(m, 0, MANY);
	for (uint64_t key = 0; key < MANY; key += 3)
		assert_ptr_equal(hashmap_remove(m, &key), &values[key]);
	for (uint64_t key = 0; key < MANY; key++)
		assert_ptr_equal(hashmap_get(m, &key), key % 3 ? &values[key] : NULL);
	hashmap_free(m);
}

/* Tombstones must not fill the table: a small map that lives long with changing keys stays small and works. */
static void survives_endless_turnover(void **state)
{
	struct hashmap *m = hashmap_new(sizeof(uint64_t), 8);

	(void)state;
	for (uint64_t i = 0; i < 200000; i++) {
		uint64_t key = i * 0x9e3779b97f4a7c15, old = (i - 8) * 0x9e3779b97f4a7c15;

		if (i >= 8)
			assert_non_null(hashmap_remove(m, &old));
		assert_int_equal(hashmap_put(m, &key, &values[i % MANY], NULL), 0);
	}
	assert_int_equal(hashmap_count(m), 8);
	hashmap_free(m);
}

static void iterates_each_once(void **state)
{
	struct hashmap *m = hashmap_new(sizeof(uint64_t), MANY);
	static unsigned char seen[1000];
	const void *key;
	size_t iter = 0;
	void *value;

	(void)state;
	memset(seen, 0, sizeof(seen));
	fill(m, 0, 1000);
	while ((value = hashmap_next(m, &iter, &key))) {
		uint64_t number;

		memcpy(&number, key, sizeof(number));
		assert_ptr_equal(value, &values[number]);
		seen[number]++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
		assert_int_equal(seen[i], 1);
	hashmap_free(m);
}

static void removal_while_iterating_skips_none(void **state)
{
	struct hashmap *m = hashmap_new(sizeof(uint64_t), MANY);
	size_t iter = 0, visited = 0;
	const void *key;

	(void)state;
	fill(m, 0, 1000);
	while (hashmap_next(m, &iter, &key)) {
		uint64_t number;

		memcpy(&number, key, sizeof(number));
		visited++;
		if (number % 2)
			assert_non_null(hashmap_remove(m, &number));
	}
	assert_int_equal(visited, 1000);
	assert_int_equal(hashmap_count(m), 500);
	iter = 0;
	while (hashmap_next(m, &iter, &key)) {
		assert_non_null(hashmap_remove(m, key));
	}
	assert_int_equal(hashmap_count(m), 0);
	hashmap_free(m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_map_has_nothing),
		cmocka_unit_test(holds_what_was_put),
		cmocka_unit_test(replaces_and_tells_the_former),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(removal_keeps_the_others_reachable),
		cmocka_unit_test(survives_endless_turnover),
		cmocka_unit_test(iterates_each_once),
		cmocka_unit_test(removal_while_iterating_skips_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
