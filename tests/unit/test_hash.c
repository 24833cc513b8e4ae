/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/ulid.h"

/* Hashes are stored in files, so their values are part of the format. */
static void hash_values_are_fixed(void **state)
{
	(void)state;
	assert_true(hash_str("", 0) == hash_bytes(NULL, 0, 0));
	assert_true(hash_str("kwhy", 0) == hash_bytes("kwhy", 4, 0));
	assert_true(hash_str("", 0) == UINT64_C(0xf52a15e9a9b5e89b));
	assert_true(hash_str("kwhy", 0) == UINT64_C(0x1855a1d61e3194ad));
}

static void hash_depends_on_all_input(void **state)
{
	uint64_t whole = hash_bytes("ab", 2, 0);

	(void)state;
	assert_true(hash_bytes("ba", 2, 0) != whole);
	assert_true(hash_bytes("ab", 2, 1) != whole);
	assert_true(hash_bytes("ab\0", 3, 0) != whole);
	assert_true(hash_str("b", hash_str("a", 0)) != hash_str("a", hash_str("b", 0)));
}

/* Small integers as keys must spread over the low bits, which index tables. */
static void hash_spreads_low_bits(void **state)
{
	unsigned int buckets[256] = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 256 * 64; i++)
		buckets[hash_bytes(&i, sizeof(i), 0) & 255]++;
	for (size_t i = 0; i < ARRAY_SIZE(buckets); i++) {
		assert_true(buckets[i] > 24);
		assert_true(buckets[i] < 128);
	}
}

static void sha256_matches_fips_180(void **state)
{
	char hex[65];

	(void)state;
	sha256_hex("", 0, hex);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256_hex("abc", 3, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void ulid_digits_are_where_the_spec_says(void **state)
{
	static const uint8_t zeros[10], ones[10] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
	static const uint8_t counting[10] = { 0x00, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6, 0x35, 0xcf };
	char text[27];

	(void)state;
	ulid_format(0, zeros, text);
	assert_string_equal(text, "00000000000000000000000000");
	ulid_format(UINT64_C(0xffffffffffff), ones, text);
	assert_string_equal(text, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
	ulid_format(UINT64_C(1469922850259), zeros, text);
	assert_memory_equal(text, "01ARZ3NDEK", 10);
	/* Five bits each: 0, 1, 2, ... 15. */
	ulid_format(0, counting, text);
	assert_string_equal(text, "00000000000123456789ABCDEF");
}

static void ulids_sort_by_time(void **state)
{
	static const uint8_t zeros[10], ones[10] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
	char earlier[27], later[27];

	(void)state;
	for (uint64_t ms = 1; ms < UINT64_C(1) << 47; ms *= 3) {
		ulid_format(ms, ones, earlier);
		ulid_format(ms + 1, zeros, later);
		assert_true(strcmp(earlier, later) < 0);
		assert_true(ulid_valid(earlier));
		assert_true(ulid_valid(later));
	}
}

static void ulid_valid_is_strict(void **state)
{
	static const char *const bad[] = {
		"", "01ARZ3NDEKTSV4RRFFQ69G5FA", "01ARZ3NDEKTSV4RRFFQ69G5FAVX", "81ARZ3NDEKTSV4RRFFQ69G5FAV",
		"01ARZ3NDEKTSV4RRFFQ69G5FAI", "01ARZ3NDEKTSV4RRFFQ69G5FAL", "01ARZ3NDEKTSV4RRFFQ69G5FAO",
		"01ARZ3NDEKTSV4RRFFQ69G5FAU", "01arz3ndektsv4rrffq69g5fav", "01ARZ3NDEKTSV4RRFFQ69G5FA ",
		"../../../../../../etc/pass",
	};

	(void)state;
	assert_true(ulid_valid("01ARZ3NDEKTSV4RRFFQ69G5FAV"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(ulid_valid(bad[i]));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_values_are_fixed),
		cmocka_unit_test(hash_depends_on_all_input),
		cmocka_unit_test(hash_spreads_low_bits),
		cmocka_unit_test(sha256_matches_fips_180),
		cmocka_unit_test(ulid_digits_are_where_the_spec_says),
		cmocka_unit_test(ulids_sort_by_time),
		cmocka_unit_test(ulid_valid_is_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
