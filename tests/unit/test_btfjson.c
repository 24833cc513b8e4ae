/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as JSON by their BTF type: every kind of type, and bytes that end too early. */
#include "tests/unit/unit.h"

#include <bpf/btf.h>
#include <stdio.h>
#include <string.h>

#include "collect/btfjson.h"

static const char *as_json(const struct btf *btf, int type, const void *data, size_t size)
{
	static struct strbuf out;
	struct jsonw w;

	assert_true(type > 0);
	strbuf_reset(&out);
	jsonw_init(&w, &out);
	btfjson_write(btf, (unsigned int)type, data, size, &w, NULL);
	return strbuf_str(&out);
}

static void writes_numbers(void **state)
{
	struct btf *btf = btf__new_empty();
	int u64 = btf__add_int(btf, "u64", 8, 0), s16 = btf__add_int(btf, "s16", 2, BTF_INT_SIGNED);
	int flag = btf__add_int(btf, "_Bool", 1, BTF_INT_BOOL), real = btf__add_float(btf, "double", 8);
	int small = btf__add_float(btf, "float", 4), pointer = btf__add_ptr(btf, s16);
	int typedefed = btf__add_typedef(btf, "number", btf__add_const(btf, u64));
	const uint64_t large = UINT64_MAX, seven = 7;
	const int16_t minus = -300;
	const double half = -0.5;
	const float quarter = 0.25F;

	(void)state;
	assert_string_equal(as_json(btf, u64, &large, 8), "\"18446744073709551615\"");
	assert_string_equal(as_json(btf, typedefed, &seven, 8), "7");
	assert_string_equal(as_json(btf, s16, &minus, 2), "-300");
	assert_string_equal(as_json(btf, flag, &seven, 1), "true");
	assert_string_equal(as_json(btf, real, &half, 8), "-0.5");
	assert_string_equal(as_json(btf, small, &quarter, 4), "0.25");
	assert_string_equal(as_json(btf, pointer, &large, 8), "\"0xffffffffffffffff\"");
	/* Too few bytes, and types that are no data. */
	assert_string_equal(as_json(btf, u64, &large, 7), "null");
	assert_string_equal(as_json(btf, real, &half, 4), "null");
	assert_string_equal(as_json(btf, pointer, &large, 0), "null");
	assert_string_equal(as_json(btf, 999, &large, 8), "null");
	btf__free(btf);
}

static void writes_enumerators(void **state)
{
	struct btf *btf = btf__new_empty();
	int plain = btf__add_enum(btf, "e", 4), wide;
	const uint32_t two = 2, nine = 9, negative = (uint32_t)-1;
	const uint64_t huge = UINT64_C(1) << 40;

	(void)state;
	btf__add_enum_value(btf, "TWO", 2);
	btf__add_enum_value(btf, "MINUS", -1);
	wide = btf__add_enum64(btf, "w", 8, false);
	btf__add_enum64_value(btf, "HUGE", UINT64_C(1) << 40);
	assert_string_equal(as_json(btf, plain, &two, 4), "\"TWO\"");
	assert_string_equal(as_json(btf, plain, &negative, 4), "\"MINUS\"");
	assert_string_equal(as_json(btf, plain, &nine, 4), "9");
	assert_string_equal(as_json(btf, wide, &huge, 8), "\"HUGE\"");
	assert_string_equal(as_json(btf, plain, &two, 3), "null");
	btf__free(btf);
}

static void writes_structures(void **state)
{
	struct btf *btf = btf__new_empty();
	int u32 = btf__add_int(btf, "u32", 4, 0), s32 = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	int c = btf__add_int(btf, "char", 1, BTF_INT_SIGNED), u8 = btf__add_int(btf, "unsigned char", 1, 0);
	int text = btf__add_array(btf, u32, c, 4), bytes = btf__add_array(btf, u32, u8, 2), rest = btf__add_array(btf, u32, u32, 0);
	int anonymous = btf__add_union(btf, NULL, 4), s;
	const unsigned char data[] = { 'a', '"', 0, 'x', 1, 255, 0, 0, 0xed, 0xff, 0xff, 0xff, 5, 0, 0, 0, 6, 0, 0, 0, 7, 0 };
	char name[64];

	(void)state;
	btf__add_field(btf, "word", u32, 0, 0);
	s = btf__add_struct(btf, "s", 16);
	btf__add_field(btf, "text", text, 0, 0);
	btf__add_field(btf, "bytes", bytes, 32, 0);
	btf__add_field(btf, "low", u32, 64, 3);	 /* 0xed & 7 */
	btf__add_field(btf, "next", s32, 67, 4); /* 1101, negative */
	btf__add_field(btf, "", anonymous, 96, 0);
	btf__add_field(btf, "rest", rest, 128, 0);
	assert_string_equal(as_json(btf, s, data, sizeof(data)),
			    "{\"text\":\"a\\\"\",\"bytes\":[1,255],\"low\":5,\"next\":-3,\"word\":5,\"rest\":[6]}");
	assert_string_equal(as_json(btf, s, data, 10),
			    "{\"text\":\"a\\\"\",\"bytes\":[1,255],\"low\":null,\"next\":null,\"rest\":null}");
	assert_string_equal(as_json(btf, s, data, 2),
			    "{\"text\":\"a\\\"\",\"bytes\":null,\"low\":null,\"next\":null,\"rest\":null}");
	btfjson_name(btf, (unsigned int)s, name, sizeof(name));
	assert_string_equal(name, "struct s");
	btfjson_name(btf, (unsigned int)bytes, name, sizeof(name));
	assert_string_equal(name, "unsigned char[2]");
	btf__free(btf);
}

/* A type that contains itself by value cannot be compiled; a hostile object may say so. */
static void ends_in_circles(void **state)
{
	struct btf *btf = btf__new_empty();
	int s = btf__add_struct(btf, "s", 4);
	const uint32_t data[4] = { 0 };

	(void)state;
	btf__add_field(btf, "again", s, 0, 0);
	assert_non_null(strstr(as_json(btf, s, data, sizeof(data)), "null"));
	btf__free(btf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_numbers),
		cmocka_unit_test(writes_enumerators),
		cmocka_unit_test(writes_structures),
		cmocka_unit_test(ends_in_circles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
