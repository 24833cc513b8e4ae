/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/wire.h"

#include <errno.h>
#include <string.h>

#define HEADER 5 /* length and type */

size_t wire_begin(struct strbuf *b, enum frame_type type)
{
	static const char no_length[4];
	size_t begin = b->len;

	strbuf_add(b, no_length, sizeof(no_length));
	strbuf_addch(b, (char)type);
	return begin;
}

void wire_end(struct strbuf *b, size_t begin)
{
	uint32_t len = (uint32_t)(b->len - begin);

	if (!strbuf_error(b))
		memcpy(b->data + begin, &len, sizeof(len));
}

void wire_put_int(struct strbuf *b, int64_t value)
{
	strbuf_add(b, &value, sizeof(value));
}

void wire_put_text(struct strbuf *b, const char *text, size_t len)
{
	wire_put_int(b, (int64_t)len);
	strbuf_add(b, text, len);
	strbuf_addch(b, 0);
}

int64_t wire_frame(const char *data, size_t len, size_t max, enum frame_type *ret_type, struct wire *ret_frame)
{
	uint32_t size;

	if (len < HEADER)
		return 0;
	memcpy(&size, data, sizeof(size));
	if (size < HEADER || size > max)
		return -EMSGSIZE;
	if (len < size)
		return 0;
	*ret_type = (enum frame_type)(unsigned char)data[4];
	*ret_frame = (struct wire){ .data = data + HEADER, .len = size - HEADER };
	return size;
}

static bool has(struct wire *w, size_t n)
{
	if (n > w->len - w->at)
		w->bad = true;
	return !w->bad;
}

int64_t wire_get_int(struct wire *w)
{
	int64_t value = 0;

	if (!has(w, sizeof(value)))
		return 0;
	memcpy(&value, w->data + w->at, sizeof(value));
	w->at += sizeof(value);
	return value;
}

const char *wire_get_text(struct wire *w, size_t *ret_len)
{
	int64_t len = wire_get_int(w);
	const char *text = "";

	if (len < 0 || len >= (int64_t)w->len || !has(w, (size_t)len + 1) || w->data[w->at + (size_t)len]) {
		w->bad = true;
		len = 0;
	} else {
		text = w->data + w->at;
		w->at += (size_t)len + 1;
	}
	if (ret_len)
		*ret_len = (size_t)len;
	return text;
}
