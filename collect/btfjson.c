/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/btfjson.h"

#include <bpf/btf.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 16
#define ELEMENTS_MAX 4096 /* of an array: what is beyond is left out */
#define RESOLVE_MAX 32

/* A place in the data: bits for the members of bit fields, else 0. */
struct place {
	const unsigned char *data;
	size_t size;
	unsigned int bit_offset, bit_size;
};

static void write_value(const struct btf *btf, unsigned int type, struct place at, struct jsonw *w, const char *key,
			unsigned int depth);

unsigned int btfjson_plain(const struct btf *btf, unsigned int type)
{
	const struct btf_type *t = btf__type_by_id(btf, type);

	for (int i = 0; t && i < RESOLVE_MAX && (btf_is_mod(t) || btf_is_typedef(t)); i++) {
		type = t->type;
		t = btf__type_by_id(btf, type);
	}
	return type;
}

/* The number there, little or big endian as this machine is (BPF objects are of its byte order); false: out of bounds. */
static bool read_bits(const struct place *at, size_t bytes, uint64_t *ret_value)
{
	unsigned char raw[8] = { 0 };
	uint64_t value = 0;

	if (!bytes || bytes > sizeof(raw) || bytes > at->size)
		return false;
	memcpy(raw, at->data, bytes);
	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)raw[__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? i : bytes - 1 - i] << (8 * i);
	if (at->bit_size) {
		unsigned int shift = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
					     ? at->bit_offset
					     : (unsigned int)(8 * bytes) - at->bit_offset - at->bit_size;

		value >>= shift;
		value &= at->bit_size < 64 ? (UINT64_C(1) << at->bit_size) - 1 : UINT64_MAX;
	}
	*ret_value = value;
	return true;
}

static int64_t extend_sign(uint64_t value, unsigned int bits)
{
	return bits < 64 ? (int64_t)(value << (64 - bits)) >> (64 - bits) : (int64_t)value;
}

static void write_unsigned(struct jsonw *w, const char *key, uint64_t value)
{
	char text[24];

	if (value <= INT64_MAX) {
		jsonw_int(w, key, (int64_t)value);
		return;
	}
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	jsonw_str(w, key, text);
}

static void write_int(const struct btf_type *t, struct place at, struct jsonw *w, const char *key)
{
	unsigned int bits = at.bit_size ? at.bit_size : t->size * 8;
	uint64_t value;

	if (!read_bits(&at, t->size, &value))
		jsonw_null(w, key);
	else if (btf_int_encoding(t) & BTF_INT_BOOL)
		jsonw_bool(w, key, value);
	else if (btf_int_encoding(t) & BTF_INT_SIGNED)
		jsonw_int(w, key, extend_sign(value, bits));
	else
		write_unsigned(w, key, value);
}

static void write_enum(const struct btf *btf, const struct btf_type *t, struct place at, struct jsonw *w,
		       const char *key)
{
	unsigned int bits = at.bit_size ? at.bit_size : t->size * 8;
	uint64_t raw;
	int64_t value;

	if (!read_bits(&at, t->size, &raw)) {
		jsonw_null(w, key);
		return;
	}
	value = btf_kflag(t) ? extend_sign(raw, bits) : (int64_t)raw;
	for (unsigned int i = 0; i < btf_vlen(t); i++) {
		const struct btf_enum *e = &btf_enum(t)[i];
		const struct btf_enum64 *e64 = &btf_enum64(t)[i];
		int64_t known = btf_is_enum64(t) ? (int64_t)btf_enum64_value(e64)
				: btf_kflag(t)	 ? e->val
						 : (int64_t)(uint32_t)e->val;

		if (known == value) {
			jsonw_str(w, key, btf__name_by_offset(btf, btf_is_enum64(t) ? e64->name_off : e->name_off));
			return;
		}
	}
	jsonw_int(w, key, value);
}

static void write_float(const struct btf_type *t, struct place at, struct jsonw *w, const char *key)
{
	double number;
	float small;

	if (t->size == sizeof(number) && at.size >= sizeof(number)) {
		memcpy(&number, at.data, sizeof(number));
		jsonw_double(w, key, number);
	} else if (t->size == sizeof(small) && at.size >= sizeof(small)) {
		memcpy(&small, at.data, sizeof(small));
		jsonw_double(w, key, small);
	} else {
		jsonw_null(w, key);
	}
}

static void write_pointer(struct place at, struct jsonw *w, const char *key)
{
	char text[24];
	uint64_t value;

	if (!read_bits(&at, 8, &value)) {
		jsonw_null(w, key);
		return;
	}
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	jsonw_str(w, key, text);
}

/* char, in its plain spelling: bytes meant as numbers are u8, which is unsigned char. */
static bool is_text(const struct btf *btf, const struct btf_type *element)
{
	return element && btf_is_int(element) && element->size == 1 &&
	       (btf_int_encoding(element) & BTF_INT_CHAR ||
		!strcmp(btf__name_by_offset(btf, element->name_off), "char"));
}

static void write_array(const struct btf *btf, const struct btf_type *t, struct place at, struct jsonw *w,
			const char *key, unsigned int depth)
{
	const struct btf_array *array = btf_array(t);
	unsigned int element = btfjson_plain(btf, array->type);
	int64_t size = btf__resolve_size(btf, array->type);
	/* A flexible array takes what is left. */
	size_t count = array->nelems ? array->nelems : size > 0 ? at.size / (size_t)size : 0;

	if (is_text(btf, btf__type_by_id(btf, element))) {
		AUTO(strbuf) struct strbuf text = STRBUF_INIT;

		strbuf_add(&text, at.data, strnlen((const char *)at.data, MIN(count, at.size)));
		jsonw_str(w, key, strbuf_str(&text));
		return;
	}
	jsonw_array(w, key);
	for (size_t i = 0; size > 0 && i < MIN(count, (size_t)ELEMENTS_MAX) && (i + 1) * (size_t)size <= at.size; i++) {
		const struct place one = { .data = at.data + i * (size_t)size, .size = (size_t)size };

		write_value(btf, element, one, w, NULL, depth + 1);
	}
	jsonw_end_array(w);
}

static void write_member(const struct btf *btf, const struct btf_type *t, unsigned int i, struct place at,
			 struct jsonw *w, unsigned int depth)
{
	const struct btf_member *m = &btf_members(t)[i];
	const char *name = btf__name_by_offset(btf, m->name_off);
	unsigned int bits = btf_member_bitfield_size(t, i), offset = btf_member_bit_offset(t, i), byte = offset / 8;
	unsigned int type = btfjson_plain(btf, m->type);
	const struct btf_type *mt = btf__type_by_id(btf, type);
	struct place member;

	/* A bit field is read from the storage of its type that it lies in. */
	if (bits && mt && mt->size)
		byte = offset / (mt->size * 8) * mt->size;
	if (byte > at.size) {
		if (*name)
			jsonw_null(w, name);
		return;
	}
	member = (struct place){ .data = at.data + byte, .size = at.size - byte, .bit_size = bits };
	member.bit_offset = bits ? offset - byte * 8 : 0;
	if (*name) {
		write_value(btf, type, member, w, name, depth + 1);
		return;
	}
	/* The members of an anonymous structure are ours. */
	for (unsigned int j = 0; mt && btf_is_composite(mt) && depth < DEPTH_MAX && j < btf_vlen(mt); j++)
		write_member(btf, mt, j, member, w, depth + 1);
}

static void write_value(const struct btf *btf, unsigned int type, struct place at, struct jsonw *w, const char *key,
			unsigned int depth)
{
	const struct btf_type *t = btf__type_by_id(btf, type);

	if (!t || depth >= DEPTH_MAX) {
		jsonw_null(w, key);
	} else if (btf_is_int(t)) {
		write_int(t, at, w, key);
	} else if (btf_is_any_enum(t)) {
		write_enum(btf, t, at, w, key);
	} else if (btf_is_float(t)) {
		write_float(t, at, w, key);
	} else if (btf_is_ptr(t)) {
		write_pointer(at, w, key);
	} else if (btf_is_array(t)) {
		write_array(btf, t, at, w, key, depth);
	} else if (btf_is_composite(t)) {
		jsonw_object(w, key);
		for (unsigned int i = 0; i < btf_vlen(t); i++)
			write_member(btf, t, i, at, w, depth);
		jsonw_end_object(w);
	} else {
		jsonw_null(w, key);
	}
}

void btfjson_write(const struct btf *btf, unsigned int type, const void *data, size_t size, struct jsonw *w,
		   const char *key)
{
	write_value(btf, btfjson_plain(btf, type), (struct place){ .data = data, .size = size }, w, key, 0);
}

void btfjson_name(const struct btf *btf, unsigned int type, char *ret_name, size_t size)
{
	const struct btf_type *t = type ? btf__type_by_id(btf, type) : NULL;
	const char *name = t ? btf__name_by_offset(btf, t->name_off) : "";
	char inner[64];

	if (!t) {
		snprintf(ret_name, size, "%s", "");
	} else if (btf_is_array(t)) {
		btfjson_name(btf, btfjson_plain(btf, btf_array(t)->type), inner, sizeof(inner));
		snprintf(ret_name, size, "%s[%u]", inner, btf_array(t)->nelems);
	} else if (btf_is_ptr(t)) {
		snprintf(ret_name, size, "pointer");
	} else {
		snprintf(ret_name, size, "%s%s", btf_is_struct(t) ? "struct " : btf_is_union(t) ? "union " : "",
			 name && *name ? name : "(anonymous)");
	}
}
