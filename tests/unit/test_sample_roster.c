/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "collect/roster.h"

struct thing {
	uint64_t key;
	int visits;
};

static unsigned int released;

static void release(void *entry)
{
	(void)entry;
	released++;
}

static void count_visit(void *ctx, void *entry)
{
	(*(unsigned int *)ctx)++;
	((struct thing *)entry)->visits++;
}

static struct roster *make(uint64_t count)
{
	struct roster *r = roster_new(sizeof(struct thing), 100, release);

	for (uint64_t key = 1; key <= count; key++)
		((struct thing *)roster_touch(r, key))->key = key;
	return r;
}

static void entries_stay_while_touched(void **state)
{
	struct roster *r = make(3);
	struct thing *two;

	(void)state;
	released = 0;
	roster_sweep(r);
	two = roster_touch(r, 2);
	assert_int_equal(two->key, 2);
	roster_sweep(r);
	assert_int_equal(roster_count(r), 1);
	assert_int_equal(released, 2);
	assert_ptr_equal(roster_touch(r, 2), two);
	assert_int_equal(((struct thing *)roster_touch(r, 3))->key, 0);
	roster_free(r);
	assert_int_equal(released, 4);
}

static void roster_is_bounded(void **state)
{
	struct roster *r = make(100);

	(void)state;
	assert_null(roster_touch(r, 101));
	assert_non_null(roster_touch(r, 100));
	roster_free(r);
}

/* Without budget a round is 16 entries; all must have had their turn before one has its second. */
static void rounds_go_on_where_the_last_stopped(void **state)
{
	struct roster *r = make(40);
	unsigned int visits = 0;

	(void)state;
	assert_int_equal(roster_visit(r, -1, count_visit, &visits), 16);
	roster_sweep(r);
	roster_visit(r, -1, count_visit, &visits);
	roster_visit(r, -1, count_visit, &visits);
	assert_int_equal(visits, 48);
	for (uint64_t key = 1; key <= 40; key++)
		assert_in_range(((struct thing *)roster_touch(r, key))->visits, 1, 2);
	roster_free(r);
}

static void sweeping_what_was_visited_keeps_the_turn(void **state)
{
	struct roster *r = make(32);
	unsigned int visits = 0;

	(void)state;
	roster_sweep(r);
	roster_visit(r, -1, count_visit, &visits);
	for (uint64_t key = 9; key <= 32; key++)
		roster_touch(r, key);
	roster_sweep(r);
	roster_visit(r, -1, count_visit, &visits);
	for (uint64_t key = 17; key <= 32; key++)
		assert_int_equal(((struct thing *)roster_touch(r, key))->visits, 1);
	roster_free(r);
}

static void an_empty_roster_has_no_round(void **state)
{
	struct roster *r = make(0);
	unsigned int visits = 0;

	(void)state;
	assert_int_equal(roster_visit(r, 1000000, count_visit, &visits), 0);
	roster_free(r);
	roster_free(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_stay_while_touched),
		cmocka_unit_test(roster_is_bounded),
		cmocka_unit_test(rounds_go_on_where_the_last_stopped),
		cmocka_unit_test(sweeping_what_was_visited_keeps_the_turn),
		cmocka_unit_test(an_empty_roster_has_no_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
