/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/timeutil.h"

/* 2026-11-22T10:00:00Z, a Sunday */
#define NOW (INT64_C(1795341600) * NSEC_PER_SEC)
#define HOUR (3600 * NSEC_PER_SEC)

static void use_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

struct moment {
	const char *text;
	int64_t ns;
};

static void check_moments(const struct moment *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int64_t ns = -1;

		print_message("# %s\n", cases[i].text);
		assert_int_equal(time_parse(cases[i].text, NOW, &ns), 0);
		assert_int_equal(ns, cases[i].ns);
	}
}

static void parses_moments_in_utc(void **state)
{
	static const struct moment cases[] = {
		{ "now", NOW },
		{ " now ", NOW },
		{ "today", NOW - 10 * HOUR },
		{ "yesterday", NOW - 34 * HOUR },
		{ "tomorrow", NOW + 14 * HOUR },
		{ "2026-11-22T10:00:00Z", NOW },
		{ "2026-11-22t10:00:00z", NOW },
		{ "2026-11-22T10:00:00.5Z", NOW + NSEC_PER_SEC / 2 },
		{ "2026-11-22T10:00:00.123456789Z", NOW + 123456789 },
		{ "2026-11-22T10:00:00.1234567899Z", NOW + 123456789 },
		{ "2026-11-22T11:30:00+01:30", NOW },
		{ "2026-11-22T05:00:00-0500", NOW },
		{ "2026-11-22 10:00", NOW },
		{ "2026-11-22 10:00:01", NOW + NSEC_PER_SEC },
		{ "2026-11-22", NOW - 10 * HOUR },
		{ "2024-02-29", INT64_C(1709164800) * NSEC_PER_SEC },
		{ "2000-02-29", INT64_C(951782400) * NSEC_PER_SEC },
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1969-12-31T23:59:59Z", -NSEC_PER_SEC },
		{ "1969-12-31 23:59:59", -NSEC_PER_SEC },
		{ "2016-12-31T23:59:60Z", INT64_C(1483228800) * NSEC_PER_SEC },
		{ "09:15", NOW - HOUR * 3 / 4 },
		{ "23:59:59", NOW + 14 * HOUR - NSEC_PER_SEC },
		{ "-5min", NOW - 300 * NSEC_PER_SEC },
		{ "+1h", NOW + HOUR },
		{ "-1h30m", NOW - HOUR * 3 / 2 },
		{ "2h ago", NOW - 2 * HOUR },
		{ "5 minutes ago", NOW - 300 * NSEC_PER_SEC },
		{ "-30", NOW - 30 * NSEC_PER_SEC },
		{ "@1795341600", NOW },
		{ "@1795341600.25", NOW + NSEC_PER_SEC / 4 },
		{ "1795341600000000000", NOW },
		{ "0", 0 },
	};

	(void)state;
	use_zone("UTC");
	check_moments(cases, ARRAY_SIZE(cases));
}

/* A fixed offset needs no zone files and has no summer time. */
static void parses_moments_in_local_time(void **state)
{
	static const struct moment cases[] = {
		{ "2026-11-22 15:30", NOW },
		{ "2026-11-22T10:00:00Z", NOW },
		{ "today", NOW - HOUR * 31 / 2 },
		{ "15:30", NOW },
		{ "2026-11-22", NOW - HOUR * 31 / 2 },
	};

	(void)state;
	use_zone("IST-5:30");
	check_moments(cases, ARRAY_SIZE(cases));
	use_zone("UTC");
}

/* "yesterday" is a calendar day: 25 hours long where the clocks went back in between. */
static void yesterday_is_a_calendar_day(void **state)
{
	int64_t today, yesterday;
	/* 2026-11-01T17:00Z; the clocks went back at 06:00Z. */
	const int64_t now = INT64_C(1793552400) * NSEC_PER_SEC;

	(void)state;
	use_zone("EST5EDT,M3.2.0,M11.1.0");
	assert_int_equal(time_parse("tomorrow", now, &today), 0);
	assert_int_equal(time_parse("today", now, &yesterday), 0);
	assert_int_equal(today - yesterday, 25 * HOUR);
	use_zone("UTC");
}

static void refuses_what_is_no_moment(void **state)
{
	static const char *const bad[] = {
		"", " ", "never", "nowish", "2026-13-01", "2026-00-01", "2026-02-30", "2023-02-29", "2100-02-29",
		"2026-11-31", "2026-11-22T", "2026-11-22T10", "2026-11-22T10:00:00X", "2026-11-22T10:00:00+1",
		"2026-11-22T10:00:00+25:00", "2026-11-22T24:00:00Z", "2026-11-22 10:60", "2026-11-22 10:00:61",
		"2026-11-22 10:00.5", "2026-11-22T10:00:00.Z", "2026-11-22  10:00", "26-11-22", "10:0", "1:00",
		"10:00Z", "10:00 pm", "-", "+", "@", "@-1", "@1x", "- 5 parsecs", "ago", " ago", "2h  agoo",
		"99999999999999999999", "@9999999999999", "9999-12-31T23:59:59Z", "-999999999999d", "1.5",
		"2026-11-22T10:00:00Z and then some text that is far too long to be a moment",
	};

	(void)state;
	use_zone("UTC");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int64_t ns = 42;

		print_message("# %s\n", bad[i]);
		assert_int_equal(time_parse(bad[i], NOW, &ns), -EINVAL);
		assert_int_equal(ns, 42);
	}
}

static void parses_spans(void **state)
{
	static const struct moment cases[] = {
		{ "0", 0 },
		{ "1", NSEC_PER_SEC },
		{ "1.5", NSEC_PER_SEC * 3 / 2 },
		{ "100ms", 100 * NSEC_PER_MSEC },
		{ "100 ms", 100 * NSEC_PER_MSEC },
		{ "250us", 250 * NSEC_PER_USEC },
		{ "250\xc2\xb5s", 250 * NSEC_PER_USEC },
		{ "7ns", 7 },
		{ "2s", 2 * NSEC_PER_SEC },
		{ "5min", 300 * NSEC_PER_SEC },
		{ "5m", 300 * NSEC_PER_SEC },
		{ "1h30m", HOUR * 3 / 2 },
		{ "1h 30min", HOUR * 3 / 2 },
		{ "0.5h", HOUR / 2 },
		{ "7d", 7 * 24 * HOUR },
		{ "2w", 14 * 24 * HOUR },
		{ "3 days 2 hours 1 second", 74 * HOUR + NSEC_PER_SEC },
		{ "0.000000001s", 1 },
		{ "0.0000000009s", 0 },
		{ "9223372036854775807ns", INT64_MAX },
		{ "\t1s ", NSEC_PER_SEC },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t ns = -1;

		print_message("# %s\n", cases[i].text);
		assert_int_equal(time_parse_span(cases[i].text, &ns), 0);
		assert_int_equal(ns, cases[i].ns);
	}
}

static void refuses_what_is_no_span(void **state)
{
	static const struct {
		const char *text;
		int error;
	} cases[] = {
		{ "", -EINVAL }, { "ms", -EINVAL }, { "-1s", -EINVAL }, { "+1s", -EINVAL }, { "1h30", -EINVAL },
		{ "30 1h", -EINVAL }, { "1 x", -EINVAL }, { "1.", -EINVAL }, { ".5s", -EINVAL }, { "1..5s", -EINVAL },
		{ "1S", -EINVAL }, { "1M", -EINVAL }, { "0x10s", -EINVAL }, { "1e3s", -EINVAL }, { "1s,", -EINVAL },
		{ "9223372036854775808ns", -ERANGE }, { "9223372037s", -ERANGE }, { "106752d", -ERANGE },
		{ "106751d 1000000h", -ERANGE }, { "99999999999999999999999w", -ERANGE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t ns = 42;

		print_message("# %s\n", cases[i].text);
		assert_int_equal(time_parse_span(cases[i].text, &ns), cases[i].error);
		assert_int_equal(ns, 42);
	}
}

static void parses_sizes(void **state)
{
	static const struct moment good[] = {
		{ "0", 0 }, { "4096", 4096 }, { "12B", 12 }, { "1k", 1024 }, { "64M", 64 << 20 }, { "1GiB", 1 << 30 },
		{ "1gb", 1 << 30 }, { "1.5G", INT64_C(3) << 29 }, { "2 T", INT64_C(2) << 40 },
		{ "8191P", INT64_C(8191) << 50 }, { "9223372036854775807", INT64_MAX },
	};
	static const struct {
		const char *text;
		int error;
	} bad[] = {
		{ "", -EINVAL }, { "M", -EINVAL }, { "-1", -EINVAL }, { "1.5", -EINVAL }, { "1X", -EINVAL },
		{ "1 M M", -EINVAL }, { "1MM", -EINVAL }, { "1Ki1", -EINVAL }, { "8192P", -ERANGE },
		{ "9223372036854775808", -ERANGE },
	};
	int64_t bytes;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		print_message("# %s\n", good[i].text);
		assert_int_equal(size_parse(good[i].text, &bytes), 0);
		assert_int_equal(bytes, good[i].ns);
	}
	bytes = 42;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		print_message("# %s\n", bad[i].text);
		assert_int_equal(size_parse(bad[i].text, &bytes), bad[i].error);
		assert_int_equal(bytes, 42);
	}
}

static void parses_integers(void **state)
{
	static const struct moment good[] = {
		{ "0", 0 }, { "42", 42 }, { "-42", -42 }, { "007", 7 }, { "9223372036854775807", INT64_MAX },
		{ "-9223372036854775808", INT64_MIN },
	};
	static const struct {
		const char *text;
		int error;
	} bad[] = {
		{ "", -EINVAL }, { "-", -EINVAL }, { "+1", -EINVAL }, { " 1", -EINVAL }, { "1 ", -EINVAL },
		{ "1x", -EINVAL }, { "0x10", -EINVAL }, { "--1", -EINVAL }, { "9223372036854775808", -ERANGE },
	};
	int64_t value;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(int_parse(good[i].text, &value), 0);
		assert_int_equal(value, good[i].ns);
	}
	value = 42;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		print_message("# \"%s\"\n", bad[i].text);
		assert_int_equal(int_parse(bad[i].text, &value), bad[i].error);
		assert_int_equal(value, 42);
	}
}

static void check_format(void (*format)(struct strbuf *, int64_t), int64_t value, const char *expected)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;

	format(&b, value);
	assert_string_equal(strbuf_str(&b), expected);
}

static void formats_moments(void **state)
{
	(void)state;
	check_format(time_format, NOW + 62 * NSEC_PER_SEC + 345999999, "2026-11-22T10:01:02.345Z");
	check_format(time_format, 0, "1970-01-01T00:00:00.000Z");
	check_format(time_format, -1, "1969-12-31T23:59:59.999Z");
	check_format(time_format, INT64_MAX, "2262-04-11T23:47:16.854Z");
	check_format(time_format, INT64_MIN, "1677-09-21T00:12:43.145Z");
}

static void formats_spans(void **state)
{
	static const struct moment cases[] = {
		{ "0 ns", 0 },
		{ "1 ns", 1 },
		{ "999 ns", 999 },
		{ "1 us", 1000 },
		{ "1.23 us", 1234 },
		{ "1.24 us", 1235 },
		{ "789 us", 789 * NSEC_PER_USEC },
		{ "45.6 ms", 45600 * NSEC_PER_USEC },
		{ "1.23 s", 1230 * NSEC_PER_MSEC },
		{ "1.05 s", 1050 * NSEC_PER_MSEC },
		{ "2 s", 2 * NSEC_PER_SEC },
		/* Rounding up reaches the next unit. */
		{ "1 ms", 999600 },
		{ "1 s", 999999999 },
		{ "1 min", 59960 * NSEC_PER_MSEC },
		{ "59.9 s", 59940 * NSEC_PER_MSEC },
		{ "12 min", 720 * NSEC_PER_SEC },
		{ "1.5 h", 90 * 60 * NSEC_PER_SEC },
		{ "1 d", 24 * HOUR },
		{ "106752 d", INT64_MAX },
		{ "-45.6 ms", -45600 * NSEC_PER_USEC },
		{ "-106752 d", INT64_MIN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_format(span_format, cases[i].ns, cases[i].text);
}

static void formats_sizes(void **state)
{
	static const struct moment cases[] = {
		{ "12 B", 12 },
		{ "1023 B", 1023 },
		{ "1 KiB", 1024 },
		{ "640 KiB", 640 * 1024 },
		{ "1 MiB", (1 << 20) - 1 },
		{ "1.5 GiB", INT64_C(3) << 29 },
		{ "8 EiB", INT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_format(size_format, cases[i].ns, cases[i].text);
}

static void clocks_agree(void **state)
{
	int64_t offset = time_wall_offset_ns();
	int64_t boot = time_boot_ns();
	int64_t difference = time_wall_ns() - (boot + offset);

	(void)state;
	assert_true(boot > 0);
	/* Generous: the machine may be busy, or stop this process between two readings. */
	assert_true(difference > -NSEC_PER_SEC && difference < 5 * NSEC_PER_SEC);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_moments_in_utc),
		cmocka_unit_test(parses_moments_in_local_time),
		cmocka_unit_test(yesterday_is_a_calendar_day),
		cmocka_unit_test(refuses_what_is_no_moment),
		cmocka_unit_test(parses_spans),
		cmocka_unit_test(refuses_what_is_no_span),
		cmocka_unit_test(parses_sizes),
		cmocka_unit_test(parses_integers),
		cmocka_unit_test(formats_moments),
		cmocka_unit_test(formats_spans),
		cmocka_unit_test(formats_sizes),
		cmocka_unit_test(clocks_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
