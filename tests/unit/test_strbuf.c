/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/utf8.h"

static void starts_empty(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;

	(void)state;
	assert_string_equal(strbuf_str(&b), "");
	assert_int_equal(strbuf_error(&b), 0);
	strbuf_addstr(&b, "");
	assert_non_null(b.data);
	assert_string_equal(b.data, "");
}

static void grows_past_every_capacity(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;

	(void)state;
	for (unsigned int i = 0; i < 5000; i++) {
		strbuf_addch(&b, (char)('a' + i % 26));
		assert_int_equal(b.len, i + 1);
		assert_int_equal(b.data[b.len], '\0');
	}
	for (unsigned int i = 0; i < 5000; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
}

static void keeps_nul_bytes(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;

	(void)state;
	strbuf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 4);
}

static void formats_long_text(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;

	(void)state;
	strbuf_addstr(&b, "x");
	strbuf_addf(&b, "%0500d|%s", 7, "end");
	assert_int_equal(b.len, 1 + 500 + 4);
	assert_string_equal(b.data + 500, "7|end");
}

static void failure_sticks_until_reset(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;

	(void)state;
	strbuf_addstr(&b, "before");
	strbuf_add(&b, "", SIZE_MAX - 2);
	assert_int_equal(strbuf_error(&b), -ENOMEM);
	assert_string_equal(strbuf_str(&b), "");
	assert_int_equal(b.len, 0);
	strbuf_addstr(&b, "after");
	strbuf_addf(&b, "%d", 1);
	strbuf_add_html(&b, "<");
	assert_int_equal(b.len, 0);
	assert_null(strbuf_detach(&b, NULL));
	strbuf_reset(&b);
	strbuf_addstr(&b, "again");
	assert_int_equal(strbuf_error(&b), 0);
	assert_string_equal(strbuf_str(&b), "again");
}

static void reset_keeps_memory(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	size_t cap;

	(void)state;
	strbuf_addf(&b, "%0200d", 1);
	cap = b.cap;
	strbuf_reset(&b);
	assert_int_equal(b.cap, cap);
	assert_string_equal(strbuf_str(&b), "");
}

static void detach_hands_over(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	AUTO_FREE char *text = NULL, *nothing = NULL;
	size_t len = 99;

	(void)state;
	strbuf_addstr(&b, "mine");
	text = strbuf_detach(&b, &len);
	assert_string_equal(text, "mine");
	assert_int_equal(len, 4);
	assert_null(b.data);
	nothing = strbuf_detach(&b, &len);
	assert_string_equal(nothing, "");
	assert_int_equal(len, 0);
}

static void escapes_html(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;

	(void)state;
	strbuf_add_html(&b, "<a b='c' d=\"e\">&amp;</a>\t\n\x01\r\xff\xc3\xa9");
	assert_string_equal(strbuf_str(&b), "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;amp;&lt;/a&gt;\t\n"
					    UTF8_REPLACEMENT UTF8_REPLACEMENT UTF8_REPLACEMENT "\xc3\xa9");
}

static void cuts_controls_from_plain_text(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;

	(void)state;
	/* Escape sequences in C0 and C1 form, DEL, line ends, and a character cut off at the end. */
	strbuf_add_plain(&b, "a\x1b[31m\xc2\x9b" "1m\x7f\r\n\t\xc3\xbc \xe2\x82");
	assert_string_equal(strbuf_str(&b), "a?[31m?1m????\xc3\xbc ??");
}

static void decodes_utf8_as_rfc3629_says(void **state)
{
	static const struct {
		const char *bytes;
		size_t len, n;
		uint32_t code;
	} cases[] = {
		{ "A", 1, 1, 'A' },
		{ "", 1, 1, 0 },
		{ "", 0, 0, 0 },
		{ "\xc2\x80", 2, 2, 0x80 },
		{ "\xdf\xbf", 2, 2, 0x7ff },
		{ "\xe0\xa0\x80", 3, 3, 0x800 },
		{ "\xed\x9f\xbf", 3, 3, 0xd7ff },
		{ "\xef\xbf\xbf", 3, 3, 0xffff },
		{ "\xf0\x90\x80\x80", 4, 4, 0x10000 },
		{ "\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff },
		{ "\xf4\x90\x80\x80", 4, 0, 0 },     /* beyond U+10FFFF */
		{ "\xed\xa0\x80", 3, 0, 0 },         /* surrogate */
		{ "\xc0\x80", 2, 0, 0 },             /* overlong */
		{ "\xc1\xbf", 2, 0, 0 },
		{ "\xe0\x9f\xbf", 3, 0, 0 },
		{ "\xf0\x8f\xbf\xbf", 4, 0, 0 },
		{ "\x80", 1, 0, 0 },                 /* continuation alone */
		{ "\xc3", 1, 0, 0 },                 /* cut off */
		{ "\xe2\x82", 2, 0, 0 },
		{ "\xc3(", 2, 0, 0 },
		{ "\xf8\x88\x80\x80\x80", 5, 0, 0 }, /* five bytes */
		{ "\xff", 1, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t code = 0;

		assert_int_equal(utf8_decode(cases[i].bytes, cases[i].len, &code), cases[i].n);
		assert_true(utf8_valid(cases[i].bytes, cases[i].n));
		assert_int_equal(utf8_valid(cases[i].bytes, cases[i].len), cases[i].n == cases[i].len);
		assert_int_equal(code, cases[i].code);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_empty),
		cmocka_unit_test(grows_past_every_capacity),
		cmocka_unit_test(keeps_nul_bytes),
		cmocka_unit_test(formats_long_text),
		cmocka_unit_test(failure_sticks_until_reset),
		cmocka_unit_test(reset_keeps_memory),
		cmocka_unit_test(detach_hands_over),
		cmocka_unit_test(escapes_html),
		cmocka_unit_test(cuts_controls_from_plain_text),
		cmocka_unit_test(decodes_utf8_as_rfc3629_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
