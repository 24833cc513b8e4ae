/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <sha2.h>
#include <string.h>

/* FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/; the mixer is splitmix64's (Vigna, 2015). */
#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t avalanche(uint64_t h)
{
	h ^= h >> 30;
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	h ^= h >> 27;
	h *= UINT64_C(0x94d049bb133111eb);
	return h ^ h >> 31;
}

uint64_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
	const unsigned char *p = data;
	uint64_t h = FNV_OFFSET ^ seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * FNV_PRIME;
	return avalanche(h);
}

uint64_t hash_str(const char *s, uint64_t seed)
{
	return hash_bytes(s, strlen(s), seed);
}

static void to_hex(const uint8_t digest[SHA256_DIGEST_LENGTH], char ret_hex[65])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
		ret_hex[2 * i] = digits[digest[i] >> 4];
		ret_hex[2 * i + 1] = digits[digest[i] & 15];
	}
	ret_hex[64] = '\0';
}

void sha256_hex(const void *data, size_t len, char ret_hex[65])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, data, len);
	SHA256Final(digest, &ctx);
	to_hex(digest, ret_hex);
}

/* One of HMAC's two passes: the hash of the key, padded and mixed with pad, and the data. */
static void hmac_pass(const uint8_t key[SHA256_BLOCK_LENGTH], uint8_t pad, const void *data, size_t len,
		      uint8_t digest[SHA256_DIGEST_LENGTH])
{
	uint8_t block[SHA256_BLOCK_LENGTH];
	SHA2_CTX ctx;

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = key[i] ^ pad;
	SHA256Init(&ctx);
	SHA256Update(&ctx, block, sizeof(block));
	SHA256Update(&ctx, data, len);
	SHA256Final(digest, &ctx);
}

void hmac_sha256_hex(const void *key, size_t key_len, const void *data, size_t len, char ret_hex[65])
{
	uint8_t padded[SHA256_BLOCK_LENGTH] = { 0 }, inner[SHA256_DIGEST_LENGTH], outer[SHA256_DIGEST_LENGTH];
	SHA2_CTX ctx;

	if (key_len > sizeof(padded)) {
		SHA256Init(&ctx);
		SHA256Update(&ctx, key, key_len);
		SHA256Final(padded, &ctx);
	} else {
		memcpy(padded, key, key_len);
	}
	hmac_pass(padded, 0x36, data, len, inner);
	hmac_pass(padded, 0x5c, inner, sizeof(inner), outer);
	to_hex(outer, ret_hex);
}
