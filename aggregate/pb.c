/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/pb.h"

#include <stdio.h>
#include <string.h>

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct pb pb_over(const void *data, size_t len)
{
	return (struct pb){ .at = data, .end = (const unsigned char *)data + len };
}

static bool varint(struct pb *p, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 64 && p->at < p->end; shift += 7) {
		unsigned char byte = *p->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

static bool fixed(struct pb *p, size_t size, uint64_t *ret)
{
	if ((size_t)(p->end - p->at) < size)
		return false;
	*ret = 0;
	for (size_t i = 0; i < size; i++)
		*ret |= (uint64_t)p->at[i] << (8 * i);
	p->at += size;
	return true;
}

static bool bytes(struct pb *p, struct pb *ret)
{
	uint64_t len;

	if (!varint(p, &len) || len > (uint64_t)(p->end - p->at))
		return false;
	*ret = pb_over(p->at, (size_t)len);
	p->at += len;
	return true;
}

static bool value(struct pb *p, unsigned int wire, struct pb_field *f)
{
	switch (wire) {
	case WIRE_VARINT:
		return varint(p, &f->value);
	case WIRE_64:
		return fixed(p, 8, &f->value);
	case WIRE_32:
		return fixed(p, 4, &f->value);
	case WIRE_BYTES:
		f->is_bytes = true;
		return bytes(p, &f->message);
	default:
		return false;
	}
}

bool pb_next(struct pb *p, struct pb_field *ret_field)
{
	struct pb_field f = { 0 };
	uint64_t key;

	if (p->bad || p->at == p->end)
		return false;
	p->bad = !varint(p, &key) || key >> 3 > UINT32_MAX || !value(p, key & 7, &f);
	if (p->bad)
		return false;
	f.number = (uint32_t)(key >> 3);
	*ret_field = f;
	return true;
}

struct pb pb_message(struct pb p, uint32_t number)
{
	struct pb_field f;

	while (pb_next(&p, &f))
		if (f.number == number && f.is_bytes)
			return f.message;
	return (struct pb){ 0 };
}

uint64_t pb_number(struct pb p, uint32_t number)
{
	struct pb_field f;
	uint64_t last = 0;

	while (pb_next(&p, &f))
		if (f.number == number && !f.is_bytes)
			last = f.value;
	return last;
}

static json_t *text_json(struct pb text)
{
	return json_stringn(text.at ? (const char *)text.at : "", (size_t)(text.end - text.at));
}

void pb_set_text(struct pb p, uint32_t number, json_t *found, const char *field)
{
	struct pb text = pb_message(p, number);

	if (text.at != text.end)
		json_object_set_new(found, field, text_json(text));
}

void pb_copy_text(struct pb p, uint32_t number, char *ret, size_t size)
{
	struct pb text = pb_message(p, number);

	snprintf(ret, size, "%.*s", (int)MIN((size_t)(text.end - text.at), size - 1),
		 text.at ? (const char *)text.at : "");
}

void pb_set_map(struct pb p, uint32_t number, json_t *map)
{
	struct pb_field f;
	char key[256];

	while (pb_next(&p, &f)) {
		if (f.number != number || !f.is_bytes)
			continue;
		pb_copy_text(f.message, 1, key, sizeof(key));
		json_object_set_new(map, key, text_json(pb_message(f.message, 2)));
	}
}

static void put_varint(struct strbuf *b, uint64_t n)
{
	for (; n > 0x7f; n >>= 7)
		strbuf_addch(b, (char)(n | 0x80));
	strbuf_addch(b, (char)n);
}

static void put_bytes(struct strbuf *b, uint32_t number, const char *data, size_t len)
{
	put_varint(b, (uint64_t)number << 3 | WIRE_BYTES);
	put_varint(b, len);
	strbuf_add(b, data, len);
}

void pb_put_number(struct strbuf *b, uint32_t number, uint64_t value)
{
	put_varint(b, (uint64_t)number << 3 | WIRE_VARINT);
	put_varint(b, value);
}

void pb_put_text(struct strbuf *b, uint32_t number, const char *text)
{
	put_bytes(b, number, text, strlen(text));
}

void pb_put_message(struct strbuf *b, uint32_t number, const struct strbuf *message)
{
	put_bytes(b, number, strbuf_str(message), message->len);
}
