/* SPDX-License-Identifier: Apache-2.0 */
/* What the fault program decides without a kernel. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "tests/faults/facts.c" /* NOLINT(bugprone-suspicious-include): the program has no library */
#include "tests/faults/tree.c"  /* NOLINT(bugprone-suspicious-include) */

static void test_mount_lines(void **state)
{
	struct cgroup_tree t = { .v2 = false };

	(void)state;
	assert_true(cgroup_tree_parse("34 31 0:32 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - "
				      "cgroup cgroup rw,cpu,cpuacct\n", &t));
	assert_false(t.v2);
	assert_string_equal(t.dir, "/sys/fs/cgroup/cpu,cpuacct");
	assert_non_null(strstr(t.options, ",cpu,"));
	assert_non_null(strstr(t.options, ",cpuacct,"));
	assert_true(cgroup_tree_parse("41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n", &t));
	assert_true(t.v2);
	assert_null(strstr(t.options, "rw"));
	/* A bind mount of a part, another file system, and torn lines. */
	assert_false(cgroup_tree_parse("41 31 0:38 /part /mnt rw - cgroup2 cgroup2 rw\n", &t));
	assert_false(cgroup_tree_parse("27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n", &t));
	assert_false(cgroup_tree_parse("27 1 254:0 / /\n", &t));
	assert_false(cgroup_tree_parse("", &t));
}

static void test_request_counts_for_the_fault_it_touched(void **state)
{
	struct tally t[PHASES] = { 0 };

	(void)state;
	tally_add(t, PHASE_BEFORE, PHASE_BEFORE, 10);
	tally_add(t, PHASE_BEFORE, PHASE_FAULT, 100);
	tally_add(t, PHASE_FAULT, PHASE_AFTER, 300);
	tally_add(t, PHASE_AFTER, PHASE_STOP, 20);
	assert_int_equal(t[PHASE_BEFORE].count, 1);
	assert_int_equal(t[PHASE_FAULT].count, 2);
	assert_int_equal(t[PHASE_FAULT].max_ns, 300);
	assert_int_equal(tally_mean(&t[PHASE_FAULT]), 200);
	assert_int_equal(t[PHASE_AFTER].count, 1);
	assert_int_equal(tally_mean(&(struct tally){ 0 }), 0);
}

static void test_fact_that_does_not_fit_is_left_out_whole(void **state)
{
	struct facts f = { .len = 0 };
	char name[200];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	facts_int(&f, "a", -1);
	facts_ns(&f, "b", 2);
	assert_string_equal(f.text, "\"a\":-1,\"b\":\"2\"");
	for (int i = 0; i < 20; i++)
		facts_int(&f, name, 1234567);
	assert_true(f.len < sizeof(f.text));
	assert_int_equal(strlen(f.text), f.len);
	assert_string_equal(f.text + f.len - 8, ":1234567");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mount_lines),
		cmocka_unit_test(test_request_counts_for_the_fault_it_touched),
		cmocka_unit_test(test_fact_that_does_not_fit_is_left_out_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
