/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streaming JSON encoder onto a strbuf, for long lists.  Commas are placed by
 * the writer; nesting is bounded (JSONW_DEPTH_MAX) and misuse asserts.
 * Strings are escaped and repaired to valid UTF-8 (U+FFFD).
 */
#ifndef KWHY_BASE_JSONW_H
#define KWHY_BASE_JSONW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

#define JSONW_DEPTH_MAX 32

struct jsonw {
	struct strbuf *out;
	unsigned int depth;
	uint64_t first; /* bit per depth: nothing written there yet */
};

void jsonw_init(struct jsonw *w, struct strbuf *out);
void jsonw_object(struct jsonw *w, const char *key); /* key NULL inside arrays and at the top */
void jsonw_array(struct jsonw *w, const char *key);
void jsonw_end_object(struct jsonw *w);
void jsonw_end_array(struct jsonw *w);
void jsonw_str(struct jsonw *w, const char *key, const char *value); /* NULL writes null */
void jsonw_int(struct jsonw *w, const char *key, int64_t value);     /* a string when beyond +-2^53 */
void jsonw_ns(struct jsonw *w, const char *key, int64_t value);      /* always a string, as the contract asks of *_ns */
void jsonw_double(struct jsonw *w, const char *key, double value);   /* NaN and infinities write null */
void jsonw_bool(struct jsonw *w, const char *key, bool value);
void jsonw_null(struct jsonw *w, const char *key);
/* value must already be valid JSON. */
void jsonw_raw(struct jsonw *w, const char *key, const char *value, size_t len);

#endif
