/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/utf8.h"

#define SMALLEST_CAPACITY 64

void strbuf_cleanup(struct strbuf *b)
{
	free(b->data);
	*b = (struct strbuf)STRBUF_INIT;
}

void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	b->error = 0;
	if (b->data)
		b->data[0] = '\0';
}

int strbuf_error(const struct strbuf *b)
{
	return b->error;
}

static int fail(struct strbuf *b)
{
	strbuf_cleanup(b);
	b->error = -ENOMEM;
	return b->error;
}

/* Room for extra more bytes and the final NUL. */
static int grow(struct strbuf *b, size_t extra)
{
	size_t need, cap;
	char *data;

	if (b->error)
		return b->error;
	if (extra >= PTRDIFF_MAX - b->len)
		return fail(b);
	need = b->len + extra + 1;
	if (need <= b->cap)
		return 0;
	cap = MAX(b->cap + b->cap / 2, SMALLEST_CAPACITY);
	cap = MAX(cap, need);
	data = realloc(b->data, cap);
	if (!data)
		return fail(b);
	b->data = data;
	b->cap = cap;
	return 0;
}

void strbuf_add(struct strbuf *b, const void *data, size_t len)
{
	if (grow(b, len))
		return;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void strbuf_addstr(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void strbuf_addch(struct strbuf *b, char c)
{
	strbuf_add(b, &c, 1);
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0) {
		fail(b);
		return;
	}
	if (grow(b, (size_t)n))
		return;
	va_start(args, fmt);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, args);
	va_end(args);
	b->len += (size_t)n;
}

static const char *html_entity(uint32_t code)
{
	switch (code) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	case '\t':
	case '\n':
		return NULL;
	default:
		return code < 0x20 ? UTF8_REPLACEMENT : NULL;
	}
}

void strbuf_add_html(struct strbuf *b, const char *s)
{
	strbuf_add_html_n(b, s, strlen(s));
}

void strbuf_add_html_n(struct strbuf *b, const char *s, size_t len)
{
	while (len) {
		uint32_t code;
		size_t n = utf8_decode(s, len, &code);
		const char *instead = n ? html_entity(code) : UTF8_REPLACEMENT;

		n = MAX(n, 1);
		if (instead)
			strbuf_addstr(b, instead);
		else
			strbuf_add(b, s, n);
		s += n;
		len -= n;
	}
}

/* C0, DEL and C1: a terminal may obey any of them. */
static int is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

void strbuf_add_plain(struct strbuf *b, const char *s)
{
	size_t left = strlen(s);

	while (left) {
		uint32_t code;
		size_t n = utf8_decode(s, left, &code);

		if (n && !is_control(code))
			strbuf_add(b, s, n);
		else
			strbuf_addch(b, '?');
		n = MAX(n, 1);
		s += n;
		left -= n;
	}
}

const char *strbuf_str(const struct strbuf *b)
{
	return b->data ? b->data : "";
}

char *strbuf_detach(struct strbuf *b, size_t *ret_len)
{
	char *data;

	if (grow(b, 0))
		return NULL;
	b->data[b->len] = '\0';
	if (ret_len)
		*ret_len = b->len;
	data = TAKE_PTR(b->data);
	strbuf_cleanup(b);
	return data;
}
