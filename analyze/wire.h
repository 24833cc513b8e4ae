/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames between a query's process and the one that asked (analyze/worker.h): a 32-bit length, a type, then numbers of
 * 64 bits and texts with their length before them, as this machine stores numbers.  Reading never goes past the end:
 * what is missing is 0 or "", and bad is set.
 */
#ifndef KWHY_ANALYZE_WIRE_H
#define KWHY_ANALYZE_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

enum frame_type { FRAME_REQUEST = 1, FRAME_NAMES, FRAME_ROW, FRAME_END };

struct wire {
	const char *data;
	size_t len, at;
	bool bad;
};

/* Begins a frame at the end of b; the result goes to wire_end(). */
size_t wire_begin(struct strbuf *b, enum frame_type type);
void wire_end(struct strbuf *b, size_t begin);
void wire_put_int(struct strbuf *b, int64_t value);
void wire_put_text(struct strbuf *b, const char *text, size_t len); /* a NUL follows that len leaves out */

/*
 * The frame at the beginning of data: its whole length, 0 when more bytes are needed, -EMSGSIZE when it is longer than
 * max.  *ret_frame then holds what follows the type.
 */
int64_t wire_frame(const char *data, size_t len, size_t max, enum frame_type *ret_type, struct wire *ret_frame);
int64_t wire_get_int(struct wire *w);
/* Valid as long as the data; ends with a NUL. */
const char *wire_get_text(struct wire *w, size_t *ret_len);

#endif
