/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jsonw.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/utf8.h"

/* Integers beyond this are not exact in readers that hold numbers as doubles. */
#define EXACT_MAX (INT64_C(1) << 53)

/* The low half of w->first says per level whether it is still empty, the high half whether it is an object. */
_Static_assert(JSONW_DEPTH_MAX == 32, "two bits a level in 64 bits");

static uint64_t empty_bit(const struct jsonw *w)
{
	return UINT64_C(1) << (w->depth - 1);
}

static uint64_t object_bit(const struct jsonw *w)
{
	return UINT64_C(1) << (w->depth - 1 + JSONW_DEPTH_MAX);
}

static void add_string(struct strbuf *out, const char *s)
{
	static const char shorthand[0x20] = {
		['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
	};
	size_t left = strlen(s);

	strbuf_addch(out, '"');
	while (left) {
		uint32_t code = 0;
		size_t n = utf8_decode(s, left, &code);

		if (!n)
			strbuf_addstr(out, UTF8_REPLACEMENT);
		else if (code == '"' || code == '\\')
			strbuf_addf(out, "\\%c", (char)code);
		else if (code < 0x20 && shorthand[code])
			strbuf_addf(out, "\\%c", shorthand[code]);
		else if (code < 0x20)
			strbuf_addf(out, "\\u%04x", code);
		else
			strbuf_add(out, s, n);
		n = MAX(n, 1);
		s += n;
		left -= n;
	}
	strbuf_addch(out, '"');
}

/* Comma and key: what comes before any value. */
static void begin_value(struct jsonw *w, const char *key)
{
	if (!w->depth) {
		assert(!key);
		return;
	}
	assert(!!key == !!(w->first & object_bit(w)));
	if (w->first & empty_bit(w))
		w->first &= ~empty_bit(w);
	else
		strbuf_addch(w->out, ',');
	if (key) {
		add_string(w->out, key);
		strbuf_addch(w->out, ':');
	}
}

static void open_level(struct jsonw *w, const char *key, bool object)
{
	begin_value(w, key);
	assert(w->depth < JSONW_DEPTH_MAX);
	w->depth++;
	w->first |= empty_bit(w);
	if (object)
		w->first |= object_bit(w);
	else
		w->first &= ~object_bit(w);
	strbuf_addch(w->out, object ? '{' : '[');
}

static void close_level(struct jsonw *w, bool object)
{
	assert(w->depth);
	assert(!!(w->first & object_bit(w)) == object);
	w->depth--;
	strbuf_addch(w->out, object ? '}' : ']');
}

void jsonw_init(struct jsonw *w, struct strbuf *out)
{
	*w = (struct jsonw){ .out = out };
}

void jsonw_object(struct jsonw *w, const char *key)
{
	open_level(w, key, true);
}

void jsonw_array(struct jsonw *w, const char *key)
{
	open_level(w, key, false);
}

void jsonw_end_object(struct jsonw *w)
{
	close_level(w, true);
}

void jsonw_end_array(struct jsonw *w)
{
	close_level(w, false);
}

void jsonw_str(struct jsonw *w, const char *key, const char *value)
{
	if (!value) {
		jsonw_null(w, key);
		return;
	}
	begin_value(w, key);
	add_string(w->out, value);
}

void jsonw_int(struct jsonw *w, const char *key, int64_t value)
{
	if (value > EXACT_MAX || value < -EXACT_MAX) {
		jsonw_ns(w, key, value);
		return;
	}
	begin_value(w, key);
	strbuf_addf(w->out, "%" PRId64, value);
}

void jsonw_ns(struct jsonw *w, const char *key, int64_t value)
{
	begin_value(w, key);
	strbuf_addf(w->out, "\"%" PRId64 "\"", value);
}

void jsonw_double(struct jsonw *w, const char *key, double value)
{
	char text[32];

	if (!isfinite(value)) {
		jsonw_null(w, key);
		return;
	}
	begin_value(w, key);
	/* The shortest of these that reads back as the same number: 0.1, not 0.10000000000000001. */
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	strbuf_addstr(w->out, text);
}

void jsonw_bool(struct jsonw *w, const char *key, bool value)
{
	begin_value(w, key);
	strbuf_addstr(w->out, value ? "true" : "false");
}

void jsonw_null(struct jsonw *w, const char *key)
{
	begin_value(w, key);
	strbuf_addstr(w->out, "null");
}

void jsonw_raw(struct jsonw *w, const char *key, const char *value, size_t len)
{
	begin_value(w, key);
	strbuf_add(w->out, value, len);
}
