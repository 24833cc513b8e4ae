/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as JSON, by the BTF type they are of: structures as objects, enumerators by name, arrays of char as text,
 * whatever does not fit a JSON number as text.  Never reads past the bytes given.
 */
#ifndef KWHY_COLLECT_BTFJSON_H
#define KWHY_COLLECT_BTFJSON_H

#include <stddef.h>

#include "base/jsonw.h"

struct btf;

/* Writes one value.  What lies past the end of data, or deeper than sensible, is null. */
void btfjson_write(const struct btf *btf, unsigned int type, const void *data, size_t size, struct jsonw *w,
		   const char *key);
/* A type as C has it: "struct event", "unsigned int[4]", "" for none. */
void btfjson_name(const struct btf *btf, unsigned int type, char *ret_name, size_t size);
/* Without typedef, const and the like. */
unsigned int btfjson_plain(const struct btf *btf, unsigned int type);

#endif
