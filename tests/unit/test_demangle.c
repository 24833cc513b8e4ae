/* SPDX-License-Identifier: Apache-2.0 */
/* Names of C++ and Rust functions, short and hostile ones. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "collect/demangle.h"

static void assert_clear(const char *name, const char *expected)
{
	char text[64] = "untouched";
	bool is = demangle(name, text, sizeof(text));

	if (is != (expected != NULL) || strcmp(text, expected ? expected : "untouched"))
		fail_msg("%s is %s", name, text);
}

static void names_of_cpp(void **state)
{
	(void)state;
	assert_clear("_ZN3foo3barEv", "foo::bar");
	assert_clear("_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back");
	assert_clear("_ZN12_GLOBAL__N_13fooEv.cold", "(anonymous namespace)::foo");
	assert_clear("_ZlsRSo1A", "operator<<");
}

static void names_of_rust(void **state)
{
	(void)state;
	assert_clear("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt");
	assert_clear("_ZN66_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..ops..drop..Drop$GT$4drop17h0123456789abcdefE",
		     "<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop");
	assert_clear("_RNvCskwGfYPst2Cb_3foo16example_function", "foo::example_function");
}

/* What does not fit loses what its templates are made of, not the function at its end. */
static void long_names_keep_their_end(void **state)
{
	char text[32] = "";

	(void)state;
	assert_clear("_ZNSt8_Rb_treeINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESt4pairIKS5_iESt10_Select1stIS8_ESt4lessIS5_"
		     "ESaIS8_EE8_M_eraseEPSt13_Rb_tree_nodeIS8_E", "std::_Rb_tree<>::_M_erase");
	assert_true(demangle("_ZN66_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..ops..drop..Drop$GT$4drop17h0123456789abcdefE",
			     text, sizeof(text)));
	assert_string_equal(text, "<alloc::vec::Vec<> as core::ops");
	assert_true(demangle("_ZN3fooIiiiiiiiiiiiEltERKS0_", text, sizeof(text)));
	assert_string_equal(text, "foo<>::operator<");
}

static void other_names_stay(void **state)
{
	char name[DEMANGLE_NAME_MAX + 8];

	(void)state;
	assert_clear("main", NULL);
	assert_clear("", NULL);
	assert_clear("_Z", NULL);
	assert_clear("_R", NULL);
	assert_clear("_ZN3fo", NULL);
	assert_clear("_D3foo3barFZv", NULL);
	snprintf(name, sizeof(name), "_ZN252%0252dE", 0);
	name[6] = 'f';
	assert_clear(name, NULL);
}

/* Each level stands for two of the one before: 40 of them would be a text of terabytes. */
static void doubled(char *name, size_t size, int levels)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t len = (size_t)snprintf(name, size, "_Z1fI1AIccE");

	for (int i = 1; i < levels && len < size; i++)
		len += (size_t)snprintf(name + len, size - len, "1AIS%c_S%c_E", digits[2 * i - 1], digits[2 * i - 1]);
	snprintf(name + len, size - len, "EvT_");
}

static void text_does_not_explode(void **state)
{
	char name[DEMANGLE_NAME_MAX];

	(void)state;
	doubled(name, sizeof(name), 11);
	assert_clear(name, "f<>");
	doubled(name, sizeof(name), 18);
	assert_clear(name, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_cpp),	       cmocka_unit_test(names_of_rust),
		cmocka_unit_test(long_names_keep_their_end), cmocka_unit_test(other_names_stay),
		cmocka_unit_test(text_does_not_explode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
