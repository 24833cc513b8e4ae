/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KWHY_BASE_UTF8_H
#define KWHY_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/*
 * Length of the valid character at the beginning of s (RFC 3629: no overlong form, no surrogate, at most U+10FFFF),
 * with its code point in *ret_code; 0 when there is none.  Never reads beyond len bytes.
 */
size_t utf8_decode(const char *s, size_t len, uint32_t *ret_code);
/* Whether all of it is valid characters. */
bool utf8_valid(const char *s, size_t len);

#endif
