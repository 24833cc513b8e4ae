/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KWHY_BASE_HASH_H
#define KWHY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a, 64 bit, with a final avalanche (splitmix64): stable across builds, so it may be stored. Seed 0 to begin, or a
 * former result to go on. */
uint64_t hash_bytes(const void *data, size_t len, uint64_t seed);
uint64_t hash_str(const char *s, uint64_t seed);
/* Lower-case hex of SHA-256 (libmd); ret has room for 65 bytes. */
void sha256_hex(const void *data, size_t len, char ret_hex[65]);
/* HMAC-SHA-256 (RFC 2104) the same way. */
void hmac_sha256_hex(const void *key, size_t key_len, const void *data, size_t len, char ret_hex[65]);

#endif
