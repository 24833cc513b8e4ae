/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timeutil.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define NSEC_PER_MIN (60 * NSEC_PER_SEC)
#define NSEC_PER_HOUR (60 * NSEC_PER_MIN)
#define NSEC_PER_DAY (24 * NSEC_PER_HOUR)

/* Longest notation of a moment; longer text cannot be one. */
#define MOMENT_TEXT_MAX 64
/* More digits than this are below a nanosecond, or beyond int64_t. */
#define FRACTION_DIGITS_MAX 9

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t time_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t time_boot_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

int64_t time_thread_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t time_wall_offset_ns(void)
{
	int64_t best_gap = INT64_MAX, offset = 0;

	for (int i = 0; i < 3; i++) {
		int64_t before = time_boot_ns();
		int64_t wall = time_wall_ns();
		int64_t gap = time_boot_ns() - before;

		if (gap < best_gap) {
			best_gap = gap;
			offset = wall - (before + gap / 2);
		}
	}
	return offset;
}

/* ---- numbers with units ------------------------------------------------------------------------------------------ */

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit span_units[] = {
	{ "ns", 1 }, { "nsec", 1 }, { "nanosecond", 1 }, { "nanoseconds", 1 },
	{ "us", NSEC_PER_USEC }, { "usec", NSEC_PER_USEC }, { "\xc2\xb5s", NSEC_PER_USEC },
	{ "microsecond", NSEC_PER_USEC }, { "microseconds", NSEC_PER_USEC },
	{ "ms", NSEC_PER_MSEC }, { "msec", NSEC_PER_MSEC },
	{ "millisecond", NSEC_PER_MSEC }, { "milliseconds", NSEC_PER_MSEC },
	{ "s", NSEC_PER_SEC }, { "sec", NSEC_PER_SEC }, { "secs", NSEC_PER_SEC },
	{ "second", NSEC_PER_SEC }, { "seconds", NSEC_PER_SEC },
	{ "m", NSEC_PER_MIN }, { "min", NSEC_PER_MIN }, { "mins", NSEC_PER_MIN },
	{ "minute", NSEC_PER_MIN }, { "minutes", NSEC_PER_MIN },
	{ "h", NSEC_PER_HOUR }, { "hr", NSEC_PER_HOUR }, { "hour", NSEC_PER_HOUR }, { "hours", NSEC_PER_HOUR },
	{ "d", NSEC_PER_DAY }, { "day", NSEC_PER_DAY }, { "days", NSEC_PER_DAY },
	{ "w", 7 * NSEC_PER_DAY }, { "week", 7 * NSEC_PER_DAY }, { "weeks", 7 * NSEC_PER_DAY },
};

static const struct unit size_units[] = {
	{ "b", 1 },
	{ "k", 1LL << 10 }, { "kb", 1LL << 10 }, { "kib", 1LL << 10 },
	{ "m", 1LL << 20 }, { "mb", 1LL << 20 }, { "mib", 1LL << 20 },
	{ "g", 1LL << 30 }, { "gb", 1LL << 30 }, { "gib", 1LL << 30 },
	{ "t", 1LL << 40 }, { "tb", 1LL << 40 }, { "tib", 1LL << 40 },
	{ "p", 1LL << 50 }, { "pb", 1LL << 50 }, { "pib", 1LL << 50 },
};

static const char *skip_space(const char *s)
{
	return s + strspn(s, " \t");
}

/* A decimal number without sign: digits, and perhaps a point and more digits. */
struct decimal {
	int64_t whole;
	int64_t fraction; /* of fraction_scale */
	int64_t fraction_scale;
};

static int parse_decimal(const char **s, struct decimal *ret)
{
	struct decimal d = { .fraction_scale = 1 };
	const char *p = *s;
	int digits = 0;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(d.whole, 10, &d.whole) ||
		    __builtin_add_overflow(d.whole, *p - '0', &d.whole))
			return -ERANGE;
	if (*p == '.') {
		p++;
		if (!isdigit((unsigned char)*p))
			return -EINVAL;
		for (; isdigit((unsigned char)*p); p++) {
			if (digits++ >= FRACTION_DIGITS_MAX)
				continue;
			d.fraction = d.fraction * 10 + (*p - '0');
			d.fraction_scale *= 10;
		}
	}
	*s = p;
	*ret = d;
	return 0;
}

static int decimal_times(const struct decimal *d, int64_t factor, int64_t *ret)
{
	int64_t value;

	if (__builtin_mul_overflow(d->whole, factor, &value) ||
	    __builtin_add_overflow(value, (int64_t)((__int128)d->fraction * factor / d->fraction_scale), &value))
		return -ERANGE;
	*ret = value;
	return 0;
}

static const struct unit *find_unit(const struct unit *units, size_t n, const char *name, size_t len, bool fold_case)
{
	for (size_t i = 0; i < n; i++) {
		if (strlen(units[i].name) != len)
			continue;
		if (fold_case ? !strncasecmp(units[i].name, name, len) : !strncmp(units[i].name, name, len))
			return &units[i];
	}
	return NULL;
}

int time_parse_span(const char *text, int64_t *ret_ns)
{
	const char *p = skip_space(text);
	int64_t sum = 0, part;
	bool first = true;

	do {
		const struct unit *unit;
		struct decimal d;
		size_t len;
		int r = parse_decimal(&p, &d);

		if (r < 0)
			return r;
		p = skip_space(p);
		len = strcspn(p, " \t.0123456789");
		/* "1h30" could be meant in two ways; only a lone number goes without a unit. */
		if (!len && !(first && !*p))
			return -EINVAL;
		unit = len ? find_unit(span_units, ARRAY_SIZE(span_units), p, len, false) : NULL;
		if (len && !unit)
			return -EINVAL;
		r = decimal_times(&d, unit ? unit->factor : NSEC_PER_SEC, &part);
		if (r < 0)
			return r;
		if (__builtin_add_overflow(sum, part, &sum))
			return -ERANGE;
		p = skip_space(p + len);
		first = false;
	} while (*p);
	*ret_ns = sum;
	return 0;
}

int int_parse(const char *text, int64_t *ret_value)
{
	long long value;
	char *end;

	/* strtoll() would also take blanks and a '+'. */
	if (!isdigit((unsigned char)text[*text == '-']))
		return -EINVAL;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int size_parse(const char *text, int64_t *ret_bytes)
{
	const char *p = skip_space(text);
	const struct unit *unit = NULL;
	struct decimal d;
	size_t len;
	int r = parse_decimal(&p, &d);

	if (r < 0)
		return r;
	p = skip_space(p);
	len = strcspn(p, " \t");
	if (p[len + strspn(p + len, " \t")])
		return -EINVAL;
	if (len) {
		unit = find_unit(size_units, ARRAY_SIZE(size_units), p, len, true);
		if (!unit)
			return -EINVAL;
	} else if (d.fraction) {
		return -EINVAL;
	}
	return decimal_times(&d, unit ? unit->factor : 1, ret_bytes);
}

/* ---- moments ----------------------------------------------------------------------------------------------------- */

/* Reads exactly n digits. */
static bool take_digits(const char **s, int n, int *ret)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (!isdigit((unsigned char)(*s)[i]))
			return false;
		value = value * 10 + ((*s)[i] - '0');
	}
	*s += n;
	*ret = value;
	return true;
}

static bool take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	++*s;
	return true;
}

static bool take_date(const char **s, struct tm *tm)
{
	static const int month_days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	const char *p = *s;
	int year, month, day;

	if (!take_digits(&p, 4, &year) || !take_char(&p, '-') || !take_digits(&p, 2, &month) ||
	    !take_char(&p, '-') || !take_digits(&p, 2, &day))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1])
		return false;
	if (month == 2 && day == 29 && (year % 4 || (year % 100 == 0 && year % 400)))
		return false;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	tm->tm_mday = day;
	*s = p;
	return true;
}

/* HH:MM[:SS[.fraction]]; a leap second (60) becomes the next minute's first, as POSIX time has none. */
static bool take_clock(const char **s, struct tm *tm, int64_t *ret_fraction_ns)
{
	const char *p = *s;
	int64_t fraction = 0;
	int hour, minute, second = 0;
	bool seconds;

	if (!take_digits(&p, 2, &hour) || !take_char(&p, ':') || !take_digits(&p, 2, &minute))
		return false;
	seconds = take_char(&p, ':');
	if (seconds && !take_digits(&p, 2, &second))
		return false;
	if (hour > 23 || minute > 59 || second > 60)
		return false;
	if (*p == '.') {
		const char *digits = p - 1;
		struct decimal d;

		/* The last digit of the seconds stands in for the whole part. */
		if (!seconds || parse_decimal(&digits, &d) < 0)
			return false;
		fraction = d.fraction * (NSEC_PER_SEC / d.fraction_scale);
		p = digits;
	}
	tm->tm_hour = hour;
	tm->tm_min = minute;
	tm->tm_sec = second;
	*ret_fraction_ns = fraction;
	*s = p;
	return true;
}

/* Z or +HH:MM; *ret_zoned is false when there is none. */
static bool take_zone(const char **s, bool *ret_zoned, int64_t *ret_offset_s)
{
	const char *p = *s;
	int hour, minute, sign;

	*ret_zoned = false;
	*ret_offset_s = 0;
	if (!*p)
		return true;
	*ret_zoned = true;
	if (*p == 'Z' || *p == 'z') {
		*s = p + 1;
		return true;
	}
	if (*p != '+' && *p != '-')
		return false;
	sign = *p++ == '-' ? -1 : 1;
	if (!take_digits(&p, 2, &hour))
		return false;
	take_char(&p, ':');
	if (!take_digits(&p, 2, &minute) || hour > 23 || minute > 59)
		return false;
	*ret_offset_s = sign * (hour * 3600 + minute * 60);
	*s = p;
	return true;
}

static int seconds_to_ns(int64_t seconds, int64_t fraction_ns, int64_t *ret_ns)
{
	int64_t ns;

	if (__builtin_mul_overflow(seconds, NSEC_PER_SEC, &ns) || __builtin_add_overflow(ns, fraction_ns, &ns))
		return -EINVAL;
	*ret_ns = ns;
	return 0;
}

static int local_to_ns(struct tm *tm, int64_t fraction_ns, int64_t *ret_ns)
{
	time_t seconds;

	tm->tm_isdst = -1;
	/* mktime() sets tm_wday when it succeeds; -1 alone may be the second before 1970. */
	tm->tm_wday = -1;
	seconds = mktime(tm);
	if (seconds == (time_t)-1 && tm->tm_wday == -1)
		return -EINVAL;
	return seconds_to_ns(seconds, fraction_ns, ret_ns);
}

static bool local_now(int64_t now_ns, struct tm *ret)
{
	time_t seconds = now_ns / NSEC_PER_SEC - (now_ns % NSEC_PER_SEC < 0);

	return localtime_r(&seconds, ret) != NULL;
}

static int parse_calendar(const char *s, int64_t now_ns, int64_t *ret_ns)
{
	struct tm tm = { 0 };
	int64_t fraction = 0, offset;
	bool zoned = false;

	if (take_date(&s, &tm)) {
		if (!*s)
			return local_to_ns(&tm, 0, ret_ns);
		if (!take_char(&s, 'T') && !take_char(&s, 't') && !take_char(&s, ' '))
			return -EINVAL;
		if (!take_clock(&s, &tm, &fraction) || !take_zone(&s, &zoned, &offset) || *s)
			return -EINVAL;
		if (zoned)
			return seconds_to_ns(timegm(&tm) - offset, fraction, ret_ns);
		return local_to_ns(&tm, fraction, ret_ns);
	}
	if (!local_now(now_ns, &tm) || !take_clock(&s, &tm, &fraction) || *s)
		return -EINVAL;
	return local_to_ns(&tm, fraction, ret_ns);
}

/* Midnight of today and that many days. */
static int midnight(int64_t now_ns, int days, int64_t *ret_ns)
{
	struct tm tm;

	if (!local_now(now_ns, &tm))
		return -EINVAL;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday += days;
	return local_to_ns(&tm, 0, ret_ns);
}

static int relative(const char *span, int sign, int64_t now_ns, int64_t *ret_ns)
{
	int64_t ns, sum;

	if (time_parse_span(span, &ns) < 0)
		return -EINVAL;
	if (sign < 0 ? __builtin_sub_overflow(now_ns, ns, &sum) : __builtin_add_overflow(now_ns, ns, &sum))
		return -EINVAL;
	*ret_ns = sum;
	return 0;
}

/* "@SECONDS" since 1970, perhaps with a fraction. */
static int parse_epoch(const char *s, int64_t *ret_ns)
{
	struct decimal d;

	if (parse_decimal(&s, &d) < 0 || *s || decimal_times(&d, NSEC_PER_SEC, ret_ns) < 0)
		return -EINVAL;
	return 0;
}

static int parse_word(const char *s, int64_t now_ns, int64_t *ret_ns)
{
	if (!strcmp(s, "now")) {
		*ret_ns = now_ns;
		return 0;
	}
	if (!strcmp(s, "today"))
		return midnight(now_ns, 0, ret_ns);
	if (!strcmp(s, "yesterday"))
		return midnight(now_ns, -1, ret_ns);
	if (!strcmp(s, "tomorrow"))
		return midnight(now_ns, 1, ret_ns);
	return -EINVAL;
}

int time_parse(const char *text, int64_t now_ns, int64_t *ret_ns)
{
	static const char ago[] = " ago";
	char s[MOMENT_TEXT_MAX];
	size_t len;

	text = skip_space(text);
	len = strlen(text);
	while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	if (!len || len >= sizeof(s))
		return -EINVAL;
	memcpy(s, text, len);
	s[len] = '\0';

	if (isalpha((unsigned char)s[0]))
		return parse_word(s, now_ns, ret_ns);
	if (s[0] == '@')
		return parse_epoch(s + 1, ret_ns);
	if (s[0] == '-' || s[0] == '+')
		return relative(s + 1, s[0] == '-' ? -1 : 1, now_ns, ret_ns);
	if (len > strlen(ago) && !strcmp(s + len - strlen(ago), ago)) {
		s[len - strlen(ago)] = '\0';
		return relative(s, -1, now_ns, ret_ns);
	}
	if (strspn(s, "0123456789") == len) {
		const char *p = s;
		struct decimal d;

		if (parse_decimal(&p, &d) < 0)
			return -EINVAL;
		*ret_ns = d.whole;
		return 0;
	}
	return parse_calendar(s, now_ns, ret_ns);
}

/* ---- formatting -------------------------------------------------------------------------------------------------- */

void time_format(struct strbuf *b, int64_t wall_ns)
{
	int64_t rest = wall_ns % NSEC_PER_SEC;
	time_t seconds = wall_ns / NSEC_PER_SEC;
	struct tm tm;

	if (rest < 0) {
		rest += NSEC_PER_SEC;
		seconds--;
	}
	gmtime_r(&seconds, &tm);
	strbuf_addf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		    tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(rest / NSEC_PER_MSEC));
}

/*
 * Three significant digits, trailing zeros of the fraction dropped, in integers only, so that the same number is the
 * same text everywhere.  The unit is the largest that the rounded number reaches.
 */
static void format_scaled(struct strbuf *b, int64_t value, const struct unit *units, size_t n)
{
	uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
	uint64_t scaled = magnitude, scale = 1;
	size_t u;

	for (u = 0; u < n; u++) {
		unsigned __int128 factor = (unsigned __int128)units[u].factor;

		scale = u == 0 || magnitude / units[u].factor >= 100 ? 1 : magnitude / units[u].factor >= 10 ? 10 : 100;
		scaled = (uint64_t)(((unsigned __int128)magnitude * scale + factor / 2) / factor);
		if (u + 1 == n || (unsigned __int128)scaled * factor < (unsigned __int128)units[u + 1].factor * scale)
			break;
	}
	strbuf_addf(b, "%s%" PRIu64, value < 0 ? "-" : "", scaled / scale);
	if (scaled % scale) {
		uint64_t fraction = scaled % scale;
		int digits = scale == 100 ? 2 : 1;

		if (digits == 2 && fraction % 10 == 0) {
			fraction /= 10;
			digits = 1;
		}
		strbuf_addf(b, ".%0*" PRIu64, digits, fraction);
	}
	strbuf_addf(b, " %s", units[u].name);
}

void span_format(struct strbuf *b, int64_t ns)
{
	static const struct unit units[] = {
		{ "ns", 1 }, { "us", NSEC_PER_USEC }, { "ms", NSEC_PER_MSEC }, { "s", NSEC_PER_SEC },
		{ "min", NSEC_PER_MIN }, { "h", NSEC_PER_HOUR }, { "d", NSEC_PER_DAY },
	};

	format_scaled(b, ns, units, ARRAY_SIZE(units));
}

void size_format(struct strbuf *b, int64_t bytes)
{
	static const struct unit units[] = {
		{ "B", 1 }, { "KiB", 1LL << 10 }, { "MiB", 1LL << 20 }, { "GiB", 1LL << 30 },
		{ "TiB", 1LL << 40 }, { "PiB", 1LL << 50 }, { "EiB", 1LL << 60 },
	};

	format_scaled(b, bytes, units, ARRAY_SIZE(units));
}
