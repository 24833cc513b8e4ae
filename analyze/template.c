/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/template.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/timeutil.h"

#define NAME_MAX_LEN 64

static const char *const unit_names[] = {
	[UNIT_NONE] = "", [UNIT_NS] = "ns", [UNIT_BYTES] = "bytes", [UNIT_COUNT] = "count", [UNIT_RATIO] = "ratio",
	[UNIT_TEXT] = "text",
};

int unit_parse(const char *text, enum unit *ret_unit)
{
	for (size_t i = 1; i < ARRAY_SIZE(unit_names); i++) {
		if (!strcmp(unit_names[i], text)) {
			*ret_unit = (enum unit)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *unit_name(enum unit unit)
{
	return unit_names[unit];
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && !strcmp(text + len - n, end);
}

enum unit unit_of_column(const char *name)
{
	if (ends_with(name, "_ns"))
		return UNIT_NS;
	if (ends_with(name, "_bytes"))
		return UNIT_BYTES;
	if (ends_with(name, "_share") || ends_with(name, "_ratio") || !strcmp(name, "share"))
		return UNIT_RATIO;
	return UNIT_NONE;
}

double json_number(const json_t *value, double fallback)
{
	char *end;
	double number;

	if (json_is_number(value))
		return json_number_value(value);
	if (!json_is_string(value))
		return fallback;
	number = strtod(json_string_value(value), &end);
	return end == json_string_value(value) || *end ? fallback : number;
}

void value_format(struct strbuf *out, const json_t *value, enum unit unit)
{
	double number = json_number(value, NAN);

	if (!value || json_is_null(value)) {
		strbuf_addstr(out, "unknown");
	} else if (isnan(number) || unit == UNIT_TEXT) {
		if (json_is_string(value))
			strbuf_add_plain(out, json_string_value(value));
		else if (!isnan(number))
			strbuf_addf(out, "%.6g", number);
		else
			strbuf_addstr(out, "unknown");
	} else if (unit == UNIT_NS) {
		span_format(out, (int64_t)number);
	} else if (unit == UNIT_BYTES) {
		size_format(out, (int64_t)number);
	} else if (unit == UNIT_RATIO) {
		strbuf_addf(out, "%.0f %%", number * 100);
	} else if (number == floor(number) && fabs(number) < 1e15) {
		strbuf_addf(out, "%.0f", number);
	} else {
		strbuf_addf(out, "%.3g", number);
	}
}

/* Reads "{name}" at *text.  1 a name, 0 "{{", -EINVAL neither.  Moves *text behind it. */
static int read_variable(const char **text, char name[NAME_MAX_LEN])
{
	const char *p = *text + 1;
	size_t len = 0;

	if (*p == '{') {
		*text = p + 1;
		return 0;
	}
	while ((isalnum((unsigned char)*p) || *p == '_' || *p == '.') && len < NAME_MAX_LEN - 1)
		name[len++] = *p++;
	name[len] = '\0';
	if (*p != '}' || !len)
		return -EINVAL;
	*text = p + 1;
	return 1;
}

void template_expand(struct strbuf *out, const char *text, template_fn fn, void *ctx)
{
	char name[NAME_MAX_LEN];

	while (*text) {
		size_t plain = strcspn(text, "{");

		strbuf_add(out, text, plain);
		text += plain;
		if (!*text)
			break;
		switch (read_variable(&text, name)) {
		case 0:
			strbuf_addch(out, '{');
			break;
		case 1:
			if (!fn(ctx, name, out))
				strbuf_addch(out, '?');
			break;
		default:
			strbuf_addch(out, *text++);
		}
	}
}

int template_check(const char *text, bool (*known)(void *ctx, const char *name), void *ctx, struct strbuf *ret_error)
{
	char name[NAME_MAX_LEN];

	while ((text = strchr(text, '{'))) {
		const char *begin = text;
		int kind = read_variable(&text, name);

		if (kind < 0) {
			strbuf_addf(ret_error, "bad variable at \"%.20s\"", begin);
			return -EINVAL;
		}
		if (kind && !known(ctx, name)) {
			strbuf_addf(ret_error, "unknown variable {%s}", name);
			return -EINVAL;
		}
	}
	return 0;
}
