/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/kallsyms.h"

static const char *const sample[] = {
	"ffffffff81000200 t helper",
	"ffffffff81000000 T _stext",
	"ffffffff81000000 T _text",
	"ffffffff810000f0 T __pfx_schedule",
	"ffffffff81000100 T schedule",
	"ffffffff82000000 D jiffies",
	"ffffffffa0000000 t nft_do_chain\t[nf_tables]",
	"ffffffffa0001000 t bpf_prog_0123456789abcdef_handler\t[bpf]",
	"ffffffffa0002000 W weak_one",
	"ffff800000000000 t far_away", /* farther than code of one kernel can be */
};

static struct kallsyms *load(void)
{
	struct kallsyms *s = kallsyms_new();
	char line[256];

	assert_non_null(s);
	for (size_t i = 0; i < sizeof(sample) / sizeof(sample[0]); i++) {
		snprintf(line, sizeof(line), "%s", sample[i]);
		assert_int_equal(kallsyms_add_line(s, line), 0);
	}
	assert_int_equal(kallsyms_finish(s), 0);
	return s;
}

static void expect(const struct kallsyms *s, uint64_t address, const char *name, uint64_t offset, const char *module)
{
	const char *found_module = "unset", *found;
	uint64_t found_offset = 12345;

	found = kallsyms_find(s, address, &found_offset, &found_module);
	assert_non_null(found);
	assert_string_equal(found, name);
	assert_int_equal(found_offset, offset);
	if (module)
		assert_string_equal(found_module, module);
	else
		assert_null(found_module);
}

static void finds_the_symbol_around_an_address(void **state)
{
	struct kallsyms *s = load();

	(void)state;
	expect(s, 0xffffffff81000100, "schedule", 0, NULL);
	expect(s, 0xffffffff810001ff, "schedule", 0xff, NULL);
	expect(s, 0xffffffff81000200, "helper", 0, NULL);
	expect(s, 0xffffffffa0000010, "nft_do_chain", 0x10, "nf_tables");
	expect(s, 0xffffffffa0001001, "bpf_prog_0123456789abcdef_handler", 1, "bpf");
	expect(s, 0xffffffffa0002004, "weak_one", 4, NULL);
	kallsyms_free(s);
}

static void of_two_names_the_first_in_the_file(void **state)
{
	struct kallsyms *s = load();

	(void)state;
	expect(s, 0xffffffff81000004, "_stext", 4, NULL);
	kallsyms_free(s);
}

static void knows_nothing_outside(void **state)
{
	struct kallsyms *s = load();

	(void)state;
	assert_null(kallsyms_find(s, 0xffffffff80ffffff, NULL, NULL));
	assert_null(kallsyms_find(s, 0, NULL, NULL));
	assert_null(kallsyms_find(s, 0xffffffff82000000, NULL, NULL)); /* data; the last function ends far below */
	assert_null(kallsyms_find(s, UINT64_MAX, NULL, NULL));
	assert_null(kallsyms_find(s, 0xffff800000000000, NULL, NULL));
	assert_int_equal(kallsyms_address(s, "jiffies"), 0);
	assert_int_equal(kallsyms_address(s, "schedule"), 0xffffffff81000100);
	kallsyms_free(s);
}

static void refuses_other_text(void **state)
{
	static const char *const bad[] = { "", "x", "ffff", "ffff ", "ffff T", "ffff T ", "ffff Tname", "zz T name",
					   "11112222333344445555 T too_long" };
	struct kallsyms *s = kallsyms_new();
	char line[64];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "%s", bad[i]);
		assert_int_equal(kallsyms_add_line(s, line), -EBADMSG);
	}
	assert_int_equal(kallsyms_count(s), 0);
	assert_int_equal(kallsyms_finish(s), -ENODATA);
	kallsyms_free(s);
}

/* kptr_restrict shows every address as 0: a table of names at 0 would name everything wrong. */
static void hidden_addresses_are_no_data(void **state)
{
	struct kallsyms *s = kallsyms_new();
	char one[] = "0000000000000000 T schedule", two[] = "0000000000000000 T helper";

	(void)state;
	assert_int_equal(kallsyms_add_line(s, one), 0);
	assert_int_equal(kallsyms_add_line(s, two), 0);
	assert_int_equal(kallsyms_finish(s), -ENODATA);
	kallsyms_free(s);
}

/* 200 000 symbols, most of them code, is what a distribution kernel has. */
static void is_compact(void **state)
{
	struct kallsyms *s = kallsyms_new();
	char line[64];

	(void)state;
	for (unsigned int i = 0; i < 120000; i++) {
		snprintf(line, sizeof(line), "%x %c some_function_name_%06u", 0x1000 + i * 16, i % 2 ? 't' : 'T', i);
		assert_int_equal(kallsyms_add_line(s, line), 0);
	}
	assert_int_equal(kallsyms_finish(s), 0);
	assert_int_equal(kallsyms_count(s), 120000);
	assert_true(kallsyms_bytes(s) < 9 << 19);
	expect(s, 0x1000 + 777 * 16 + 3, "some_function_name_000777", 3, NULL);
	kallsyms_free(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_symbol_around_an_address),
		cmocka_unit_test(of_two_names_the_first_in_the_file),
		cmocka_unit_test(knows_nothing_outside),
		cmocka_unit_test(refuses_other_text),
		cmocka_unit_test(hidden_addresses_are_no_data),
		cmocka_unit_test(is_compact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
