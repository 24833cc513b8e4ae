/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers that sort by time: 48 bits of milliseconds and 80 random ones as 26 digits of Crockford's base 32. */
#ifndef KWHY_BASE_ULID_H
#define KWHY_BASE_ULID_H

#include <stdbool.h>
#include <stdint.h>

#define ULID_LEN 26

/* ms since 1970, of which the low 48 bits count. */
void ulid_format(uint64_t ms, const uint8_t rnd[10], char ret[27]);
/* The canonical form only: 26 upper-case digits, the first at most 7. */
bool ulid_valid(const char *text);

#endif
