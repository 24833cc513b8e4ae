/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

/* Length that a lead byte announces and the smallest code point of that length; 0 for no lead byte. */
static size_t sequence_length(unsigned char lead, uint32_t *ret_smallest)
{
	if (lead >= 0xc2 && lead < 0xe0) {
		*ret_smallest = 0x80;
		return 2;
	}
	if (lead >= 0xe0 && lead < 0xf0) {
		*ret_smallest = 0x800;
		return 3;
	}
	if (lead >= 0xf0 && lead < 0xf5) {
		*ret_smallest = 0x10000;
		return 4;
	}
	return 0;
}

size_t utf8_decode(const char *s, size_t len, uint32_t *ret_code)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t code, smallest;
	size_t n;

	if (!len)
		return 0;
	if (p[0] < 0x80) {
		*ret_code = p[0];
		return 1;
	}
	n = sequence_length(p[0], &smallest);
	if (!n || n > len)
		return 0;
	code = p[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < smallest || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return n;
}

bool utf8_valid(const char *s, size_t len)
{
	uint32_t code;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = (unsigned char)s[i] < 0x80 ? 1 : utf8_decode(s + i, len - i, &code);
		if (!n)
			return false;
	}
	return true;
}
