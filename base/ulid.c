/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ulid.h"

#include <string.h>

/* No I, L, O and U: https://www.crockford.com/base32.html */
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void ulid_format(uint64_t ms, const uint8_t rnd[10], char ret[27])
{
	unsigned int bits = 0, held = 0;
	char *p = ret + 10;

	for (int i = 9; i >= 0; i--, ms >>= 5)
		ret[i] = digits[ms & (i ? 31 : 7)];
	for (int i = 0; i < 10; i++) {
		bits = (bits << 8 | rnd[i]) & 0xfff;
		for (held += 8; held >= 5; held -= 5)
			*p++ = digits[bits >> (held - 5) & 31];
	}
	*p = '\0';
}

bool ulid_valid(const char *text)
{
	return strlen(text) == ULID_LEN && strspn(text, digits) == ULID_LEN && text[0] <= '7';
}
