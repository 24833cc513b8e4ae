/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <sys/syscall.h>

#include "collect/syscalls.h"

static void names_are_those_of_the_headers(void **state)
{
	(void)state;
	assert_string_equal(syscall_name(SYS_read), "read");
	assert_string_equal(syscall_name(SYS_openat), "openat");
	assert_string_equal(syscall_name(SYS_inotify_add_watch), "inotify_add_watch");
}

static void what_is_no_call_has_no_name(void **state)
{
	(void)state;
	assert_null(syscall_name(-1));
	assert_null(syscall_name(1 << 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_of_the_headers),
		cmocka_unit_test(what_is_no_call_has_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
