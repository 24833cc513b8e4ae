/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reader and writer of the protobuf wire format (https://protobuf.dev/programming-guides/encoding), as little of it as
 * the runtimes' messages need.  The reader never reads beyond the bytes it was given, whatever they say.
 */
#ifndef KWHY_AGGREGATE_PB_H
#define KWHY_AGGREGATE_PB_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

struct pb {
	const unsigned char *at, *end;
	bool bad; /* what was read is no protobuf */
};

struct pb_field {
	uint32_t number;
	bool is_bytes;
	uint64_t value;	  /* unless bytes */
	struct pb message; /* bytes: a text or a message */
};

struct pb pb_over(const void *data, size_t len);
/* The next field; false at the end or when the rest is bad. */
bool pb_next(struct pb *p, struct pb_field *ret_field);
/* The first field of that number that is bytes; empty when there is none. */
struct pb pb_message(struct pb p, uint32_t number);
uint64_t pb_number(struct pb p, uint32_t number); /* the last one; 0 when there is none */
/* Texts become JSON; what is no UTF-8 is left out. */
void pb_set_text(struct pb p, uint32_t number, json_t *found, const char *field);
/* map<string, string> adds to an object. */
void pb_set_map(struct pb p, uint32_t number, json_t *map);
/* A text of that number, at most size - 1 bytes. */
void pb_copy_text(struct pb p, uint32_t number, char *ret, size_t size);

void pb_put_number(struct strbuf *b, uint32_t number, uint64_t value);
void pb_put_text(struct strbuf *b, uint32_t number, const char *text);
void pb_put_message(struct strbuf *b, uint32_t number, const struct strbuf *message);

#endif
