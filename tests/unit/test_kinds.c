/* SPDX-License-Identifier: Apache-2.0 */
/* The field tables describe the payload structs completely: no gap that is not padding, no overlap, no duplicate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "schema/kinds.h"

static size_t type_size(enum kw_field_type type)
{
	switch (type) {
	case KW_TYPE_U16:
		return 2;
	case KW_TYPE_U32:
	case KW_TYPE_S32:
		return 4;
	case KW_TYPE_U64:
	case KW_TYPE_S64:
		return 8;
	case KW_TYPE_CG:
	case KW_TYPE_ADDR:
		return 16;
	case KW_TYPE_STR:
		return 0;
	}
	return 0;
}

static void fields_cover_payload(void **state)
{
	const struct kw_kind_info *kind;

	(void)state;
	for (size_t k = 0; (kind = kw_kind_at(k)); k++) {
		size_t end = 0, gaps = 0;

		for (const struct kw_field *f = kind->fields; f->name; f++) {
			assert_true(f->offset >= end); /* in order, no overlap */
			gaps += f->offset - end;
			end = (size_t)f->offset + f->size;
			if (type_size(f->type))
				assert_int_equal(f->size, type_size(f->type));
			assert_true(f->text[0] != '\0');
			assert_int_equal(f->unit == KW_UNIT_CONTAINER, f->type == KW_TYPE_CG);
		}
		gaps += kind->payload_size - end;
		/* Padding only ever fills one 32-bit hole: per occupant of runq, once at most elsewhere. */
		assert_int_equal(gaps % 4, 0);
		assert_true(gaps <= 4 || !strcmp(kind->name, "runq"));
	}
}

static void names_and_numbers_are_unique(void **state)
{
	const struct kw_kind_info *a, *b;

	(void)state;
	for (size_t i = 0; (a = kw_kind_at(i)); i++) {
		assert_ptr_equal(kw_kind_by_name(a->name), a);
		assert_ptr_equal(kw_kind_by_number(a->number), a);
		for (size_t j = i + 1; (b = kw_kind_at(j)); j++)
			assert_true(a->number < b->number);
		for (const struct kw_field *f = a->fields; f->name; f++)
			for (const struct kw_field *g = f + 1; g->name; g++)
				assert_string_not_equal(f->name, g->name);
	}
	assert_null(kw_kind_by_name("nothing"));
	assert_null(kw_kind_by_number(0));
}

static void every_number_has_a_name(void **state)
{
	(void)state;
	for (unsigned int i = 1; i < KW_WAIT_MAX; i++)
		assert_string_not_equal(kw_wait_reason_name(i), "unknown");
	for (unsigned int i = 1; i < KW_RES_MAX; i++)
		assert_string_not_equal(kw_resource_name(i), "unknown");
	assert_string_equal(kw_wait_reason_name(0), "unknown");
	assert_string_equal(kw_wait_reason_name(1000), "unknown");
	assert_string_equal(kw_sink_name(1000), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_cover_payload),
		cmocka_unit_test(names_and_numbers_are_unique),
		cmocka_unit_test(every_number_has_a_name),
	};

	return cmocka_run_group_tests_name("kinds", tests, NULL, NULL);
}
