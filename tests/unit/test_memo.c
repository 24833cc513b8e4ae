/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "analyze/memo.h"

/* The text decides, not where it stands; and so do the values. */
static void test_same_question(void **state)
{
	static const char here[] = "SELECT 1", there[] = "SELECT 1";
	struct memo memo = { .count = 0 };
	json_t *row = json_pack("{s:i}", "holds", 1);

	(void)state;
	assert_null(memo_find(&memo, here, 7));
	memo_add(&memo, here, 7, 1, row);
	json_decref(row);
	assert_non_null(memo_find(&memo, there, 7));
	assert_int_equal(memo_find(&memo, there, 7)->holds, 1);
	assert_ptr_equal(memo_find(&memo, there, 7)->json, row);
	assert_null(memo_find(&memo, there, 8));
	assert_null(memo_find(&memo, "SELECT 2", 7));
	memo_clear(&memo);
	assert_null(memo_find(&memo, here, 7));
}

/* What returned no row is an answer, too; what does not fit is asked again. */
static void test_bounds(void **state)
{
	struct memo memo = { .count = 0 };

	(void)state;
	for (uint64_t i = 0; i < MEMO_MAX + 3; i++)
		memo_add(&memo, "SELECT 1", i, -1, NULL);
	assert_non_null(memo_find(&memo, "SELECT 1", MEMO_MAX - 1));
	assert_null(memo_find(&memo, "SELECT 1", MEMO_MAX - 1)->json);
	assert_null(memo_find(&memo, "SELECT 1", MEMO_MAX));
	memo_clear(&memo);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_same_question), cmocka_unit_test(test_bounds) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
