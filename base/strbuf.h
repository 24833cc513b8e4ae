/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte string, always NUL-terminated once something was added.
 *
 * Out of memory is remembered, not reported by each call: after any failed
 * growth the buffer is empty, further additions do nothing, and strbuf_error()
 * returns -ENOMEM.  Check once, at the end.
 */
#ifndef KWHY_BASE_STRBUF_H
#define KWHY_BASE_STRBUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct strbuf {
	char *data;  /* NULL until the first addition */
	size_t len;  /* without the final NUL */
	size_t cap;
	int error;
};

#define STRBUF_INIT { 0 }

void strbuf_cleanup(struct strbuf *b); /* frees and zeroes; for AUTO(strbuf) too */
void strbuf_reset(struct strbuf *b);   /* empties, keeps the memory and clears the error */
int strbuf_error(const struct strbuf *b);

void strbuf_add(struct strbuf *b, const void *data, size_t len);
void strbuf_addstr(struct strbuf *b, const char *s);
void strbuf_addch(struct strbuf *b, char c);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* HTML text and attribute values: & < > " ' become entities; bytes below 0x20 except \t \n become U+FFFD, as does bad
 * UTF-8. */
void strbuf_add_html(struct strbuf *b, const char *s);
void strbuf_add_html_n(struct strbuf *b, const char *s, size_t len);
/* Terminal and Markdown text: control bytes and bad UTF-8 become '?'. */
void strbuf_add_plain(struct strbuf *b, const char *s);

/* The text, never NULL ("" when empty). */
const char *strbuf_str(const struct strbuf *b);
/* Hands the malloc()ed text over and empties b; NULL when out of memory. */
char *strbuf_detach(struct strbuf *b, size_t *ret_len);

#endif
