/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of rules over made-up evidence: what passes, what fails, and what is refused. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyze/rules_test.h"
#include "base/cleanup.h"
#include "base/fileutil.h"

#define ROWS "    rows: {v_wait: [{ts_ns: 305s, container: 1, reason: throttled, wait_ns: 2s, max_ns: 80ms}]}\n"

static int run(const char *text, struct strbuf *out)
{
	char dir[] = "/tmp/kwhy-test-rules-XXXXXX", path[64];
	int r;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/t.yaml", dir);
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0644), 0);
	r = rules_test_file(path, out);
	unlink(path);
	rmdir(dir);
	return r;
}

static void test_example(void **state)
{
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;

	(void)state;
	assert_int_equal(rules_test_file("tests/rules/cpu.test.yaml", &out), 0);
	assert_string_equal(strbuf_str(&out),
			    "ok its own quota stopped it\nok nothing is said without the probe\n");
}

/* Each cause against the one that it is taken for. */
static void test_lookalikes(void **state)
{
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;

	(void)state;
	if (rules_test_file("tests/rules/lookalikes.test.yaml", &out))
		fail_msg("%s", strbuf_str(&out));
}

static void test_failing(void **state)
{
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;

	(void)state;
	assert_int_equal(run("tests:\n  - name: one\n    rule: cpu.throttled\n    victim: 1\n" ROWS
			     "    expect: {verdict: ruled_out, evidence: {waits: false}}\n",
			     &out), 1);
	assert_non_null(strstr(strbuf_str(&out), "not ok one: verdict is untestable, not ruled_out; waits is true, not false"));
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "tests: [", "t.yaml:" },
		{ "rows: 1\n", "has a list of tests" },
		{ "tests:\n  - name: one\n    victim: 1\n" ROWS "    expect: {}\n", "a known rule or symptom" },
		{ "tests:\n  - rule: no.such\n    victim: 1\n" ROWS "    expect: {}\n", "a known rule or symptom" },
		{ "tests:\n  - rule: cpu.throttled\n    victim: x\n" ROWS "    expect: {}\n", "victim (a number)" },
		{ "tests:\n  - rule: cpu.throttled\n    victim: 1\n    rows: {v_moon: [{ts_ns: 1}]}\n    expect: {}\n",
		  "no such table: v_moon" },
		{ "tests:\n  - rule: cpu.throttled\n    victim: 1\n    rows: {v_wait: [{moon: 1}]}\n    expect: {}\n",
		  "no column named moon" },
		{ "tests:\n  - rule: cpu.throttled\n    victim: 1\n    rows: {\"v_wait; x\": []}\n    expect: {}\n",
		  "names of views" },
		{ "rules: [none.yaml]\ntests: []\n", "none.yaml:1: No such file" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(strbuf) struct strbuf out = STRBUF_INIT;

		assert_int_equal(run(cases[i].text, &out), -EINVAL);
		if (!strstr(strbuf_str(&out), cases[i].message))
			fail_msg("case %zu: \"%s\" instead of \"%s\"", i, strbuf_str(&out), cases[i].message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_lookalikes),
		cmocka_unit_test(test_failing),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
