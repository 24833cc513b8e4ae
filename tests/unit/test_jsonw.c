/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/jsonw.h"

static void places_commas_and_keys(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	struct jsonw w;

	(void)state;
	jsonw_init(&w, &b);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "empty");
	jsonw_end_array(&w);
	jsonw_array(&w, "list");
	jsonw_int(&w, NULL, 1);
	jsonw_object(&w, NULL);
	jsonw_end_object(&w);
	jsonw_null(&w, NULL);
	jsonw_end_array(&w);
	jsonw_bool(&w, "yes", true);
	jsonw_str(&w, "none", NULL);
	jsonw_raw(&w, "raw", "[2]", 3);
	jsonw_end_object(&w);
	assert_string_equal(strbuf_str(&b),
			    "{\"empty\":[],\"list\":[1,{},null],\"yes\":true,\"none\":null,\"raw\":[2]}");
}

static const char *one_string(struct strbuf *b, const char *value)
{
	struct jsonw w;

	strbuf_reset(b);
	jsonw_init(&w, b);
	jsonw_str(&w, NULL, value);
	return strbuf_str(b);
}

static void escapes_strings(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;

	(void)state;
	assert_string_equal(one_string(&b, "a\"b\\c/\n\r\t\b\f\x01\x1f\x7f"),
			    "\"a\\\"b\\\\c/\\n\\r\\t\\b\\f\\u0001\\u001f\x7f\"");
	assert_string_equal(one_string(&b, "\xff" "a\xc3"), "\"\xef\xbf\xbd" "a\xef\xbf\xbd\"");
	assert_string_equal(one_string(&b, "\xf0\x9f\x90\x9f"), "\"\xf0\x9f\x90\x9f\"");
}

/* Any bytes become a document that a strict reader takes. */
static void every_byte_pair_is_valid_json(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;

	(void)state;
	for (unsigned int pair = 0x101; pair <= 0xffff; pair += 0x7) {
		const char text[3] = { (char)(pair >> 8), (char)pair, '\0' };
		json_t *doc = json_loads(one_string(&b, text), JSON_DECODE_ANY, NULL);

		assert_non_null(doc);
		json_decref(doc);
	}
}

static void keeps_integers_exact(void **state)
{
	static const struct {
		int64_t value;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ -1, "-1" },
		{ INT64_C(9007199254740992), "9007199254740992" },
		{ INT64_C(9007199254740993), "\"9007199254740993\"" },
		{ -INT64_C(9007199254740992), "-9007199254740992" },
		{ -INT64_C(9007199254740993), "\"-9007199254740993\"" },
		{ INT64_MIN, "\"-9223372036854775808\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(strbuf) struct strbuf b = STRBUF_INIT;
		struct jsonw w;

		jsonw_init(&w, &b);
		jsonw_int(&w, NULL, cases[i].value);
		assert_string_equal(strbuf_str(&b), cases[i].text);
	}
}

static void nanoseconds_are_strings(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	struct jsonw w;

	(void)state;
	jsonw_init(&w, &b);
	jsonw_ns(&w, NULL, 5);
	assert_string_equal(strbuf_str(&b), "\"5\"");
}

static void doubles_read_back(void **state)
{
	static const double values[] = { 0.1, 1.0 / 3, 1e300, -DBL_MIN, DBL_MAX, 123456789012345678.0, 5e-324, 0.0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		AUTO(strbuf) struct strbuf b = STRBUF_INIT;
		struct jsonw w;

		jsonw_init(&w, &b);
		jsonw_double(&w, NULL, values[i]);
		assert_true(strtod(strbuf_str(&b), NULL) == values[i]);
	}
}

static void doubles_are_short_and_finite(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	struct jsonw w;

	(void)state;
	jsonw_init(&w, &b);
	jsonw_array(&w, NULL);
	jsonw_double(&w, NULL, 0.1);
	jsonw_double(&w, NULL, (double)NAN);
	jsonw_double(&w, NULL, (double)-INFINITY);
	jsonw_double(&w, NULL, 3);
	jsonw_end_array(&w);
	assert_string_equal(strbuf_str(&b), "[0.1,null,null,3]");
}

static void nests_to_the_bound(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	struct jsonw w;
	json_t *doc;

	(void)state;
	jsonw_init(&w, &b);
	for (int i = 0; i < JSONW_DEPTH_MAX; i++)
		i % 2 ? jsonw_object(&w, NULL) : jsonw_array(&w, i ? "k" : NULL);
	jsonw_int(&w, "k", 1);
	jsonw_int(&w, "l", 2);
	for (int i = JSONW_DEPTH_MAX - 1; i >= 0; i--)
		i % 2 ? jsonw_end_object(&w) : jsonw_end_array(&w);
	doc = json_loads(strbuf_str(&b), 0, NULL);
	assert_non_null(doc);
	json_decref(doc);
}

static void too_deep(struct jsonw *w)
{
	for (int i = 0; i <= JSONW_DEPTH_MAX; i++)
		jsonw_array(w, NULL);
}

static void key_in_array(struct jsonw *w)
{
	jsonw_array(w, NULL);
	jsonw_int(w, "key", 1);
}

static void no_key_in_object(struct jsonw *w)
{
	jsonw_object(w, NULL);
	jsonw_int(w, NULL, 1);
}

static void wrong_end(struct jsonw *w)
{
	jsonw_object(w, NULL);
	jsonw_end_array(w);
}

static void end_too_many(struct jsonw *w)
{
	jsonw_end_object(w);
}

/* assert() ends the process, so each misuse gets one of its own. */
static void misuse_asserts(void **state)
{
	void (*const misuses[])(struct jsonw *) = { too_deep, key_in_array, no_key_in_object, wrong_end, end_too_many };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(misuses); i++) {
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			AUTO(strbuf) struct strbuf b = STRBUF_INIT;
			struct jsonw w;

			signal(SIGABRT, SIG_DFL);
			close(STDERR_FILENO);
			jsonw_init(&w, &b);
			misuses[i](&w);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_commas_and_keys),
		cmocka_unit_test(escapes_strings),
		cmocka_unit_test(every_byte_pair_is_valid_json),
		cmocka_unit_test(keeps_integers_exact),
		cmocka_unit_test(nanoseconds_are_strings),
		cmocka_unit_test(doubles_read_back),
		cmocka_unit_test(doubles_are_short_and_finite),
		cmocka_unit_test(nests_to_the_bound),
		cmocka_unit_test(misuse_asserts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
