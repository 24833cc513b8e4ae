/* SPDX-License-Identifier: Apache-2.0 */
/* The decisions of the analyzer as pure functions. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "analyze/engine.h"
#include "analyze/incident.h"
#include "analyze/report.h"
#include "analyze/rules.h"
#include "analyze/symptoms.h"
#include "analyze/template.h"
#include "base/cleanup.h"
#include "base/config.h"
#include "base/ulid.h"

#define MS INT64_C(1000000)
#define SEC (1000 * MS)

static struct thresholds normal(const char *sensitivity)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct config *config = config_new();
	struct thresholds t;

	assert_int_equal(config_set(config, "analyze.sensitivity", sensitivity, &error), 0);
	thresholds_from_config(config, &t);
	config_free(config);
	return t;
}

static void test_wait_thresholds(void **state)
{
	const struct thresholds t = normal("normal"), low = normal("low"), high = normal("high");

	(void)state;
	assert_true(wait_is_symptom(&t, 0, 0, 0, 0, 100 * MS));           /* one long wait */
	assert_false(wait_is_symptom(&t, 99 * MS, 2000 * MS, 0, 0, 99 * MS));
	assert_true(wait_is_symptom(&t, 200 * MS, 2000 * MS, 0, 0, 5 * MS)); /* a tenth */
	assert_false(wait_is_symptom(&t, 199 * MS, 2000 * MS, 0, 0, 5 * MS));
	assert_false(wait_is_symptom(&t, 99 * MS, 100 * MS, 0, 0, 5 * MS)); /* nearly all of next to nothing */
	/* Three times the usual, once 30 s are known. */
	assert_false(wait_is_symptom(&t, 200 * MS, 2000 * MS, 100 * MS, 30 * SEC, 5 * MS));
	assert_true(wait_is_symptom(&t, 300 * MS, 2000 * MS, 100 * MS, 30 * SEC, 5 * MS));
	assert_true(wait_is_symptom(&t, 200 * MS, 2000 * MS, 100 * MS, 29 * SEC, 5 * MS));
	assert_false(wait_is_symptom(&low, 0, 0, 0, 0, 199 * MS));
	assert_true(wait_is_symptom(&high, 0, 0, 0, 0, 50 * MS));
}

static void test_rate_thresholds(void **state)
{
	const struct thresholds t = normal("normal");

	(void)state;
	assert_true(rate_is_symptom(&t, 5, 0, 0));
	assert_false(rate_is_symptom(&t, 4, 0, 0));
	assert_false(rate_is_symptom(&t, 5, 2, 60 * SEC));
	assert_true(rate_is_symptom(&t, 6, 2, 60 * SEC));
}

static void test_past(void **state)
{
	struct past p = { 0 };

	(void)state;
	assert_true(past_median(&p) == 0);
	past_add(&p, 5);
	past_add(&p, 1);
	assert_true(past_median(&p) == 3);
	past_add(&p, 100);
	assert_true(past_median(&p) == 5);
	for (int i = 0; i < PAST_SAMPLES_MAX; i++)
		past_add(&p, 7);
	assert_true(past_median(&p) == 7);
}

static void test_symptom_table(void **state)
{
	AUTO(strbuf) struct strbuf messages = STRBUF_INIT;
	const struct symptoms *all;
	const struct symptom *s;
	struct rules *rules;

	(void)state;
	assert_int_equal(rules_load("", &rules, &messages), 0);
	all = rules_symptoms(rules);
	for (size_t i = 0; (s = symptom_at(all, i)); i++) {
		assert_ptr_equal(symptom_find(all, s->name), s);
		assert_int_equal(s->index, i);
		assert_true(s->kind == SYMPTOM_WAIT || !s->reason);
		assert_true(i == 0 || strcmp(symptom_at(all, i - 1)->name, s->name) < 0);
	}
	assert_null(symptom_find(all, "wait.moon"));
	assert_ptr_equal(symptom_of_reason(all, "block"), symptom_find(all, "wait.block"));
	rules_free(rules);
}

/* ---- judgement --------------------------------------------------------------------------------------------------- */

static const struct evidence_def required = { .role = EVIDENCE_REQUIRE, .id = "need", .confirms = true };
static const struct evidence_def event_required = {
	.role = EVIDENCE_REQUIRE, .id = "need", .confirms = true, .from_events = true
};
static const struct evidence_def refuting = { .role = EVIDENCE_REFUTE, .id = "alike", .rules_out = "other.cause" };

static void judge(const struct evidence_def *need, int need_holds, int alike_holds, int64_t lost, enum verdict verdict,
		  enum confidence level, size_t caps)
{
	struct hypothesis h = { .test_count = 2 };

	h.basis = json_array();
	h.capped_by = json_array();
	h.tests[0] = (struct test){ .def = need, .holds = need_holds, .lost = lost, .why = "probe x was not there" };
	h.tests[1] = (struct test){ .def = &refuting, .holds = alike_holds, .why = "probe y was not there" };
	hypothesis_judge(&h);
	assert_int_equal(h.verdict, verdict);
	assert_int_equal(h.level, level);
	assert_int_equal(json_array_size(h.capped_by), caps);
	json_decref(h.basis);
	json_decref(h.capped_by);
}

static void test_judgement(void **state)
{
	static const struct evidence_def plain = { .role = EVIDENCE_REQUIRE, .id = "need" };

	(void)state;
	judge(&required, 1, 0, 0, VERDICT_SUPPORTED, CONFIDENCE_CONFIRMED, 0);
	judge(&plain, 1, 0, 0, VERDICT_SUPPORTED, CONFIDENCE_PROBABLE, 0);
	judge(&plain, 1, -1, 0, VERDICT_SUPPORTED, CONFIDENCE_POSSIBLE, 1);
	judge(&required, 1, -1, 0, VERDICT_SUPPORTED, CONFIDENCE_PROBABLE, 1);
	judge(&event_required, 1, 0, 7, VERDICT_SUPPORTED, CONFIDENCE_PROBABLE, 1); /* lost events */
	judge(&required, 1, 0, 7, VERDICT_SUPPORTED, CONFIDENCE_CONFIRMED, 0);      /* sums are not lost with events */
	judge(&required, 0, 0, 0, VERDICT_RULED_OUT, CONFIDENCE_INCONCLUSIVE, 0);
	judge(&required, 1, 1, 0, VERDICT_RULED_OUT, CONFIDENCE_INCONCLUSIVE, 0);
	judge(&required, -1, 0, 0, VERDICT_UNTESTABLE, CONFIDENCE_INCONCLUSIVE, 1);
}

/* ---- sentences, budget, identifiers ------------------------------------------------------------------------------ */

static bool fill(void *ctx, const char *name, struct strbuf *out)
{
	(void)ctx;
	if (strcmp(name, "victim") && strcmp(name, "a.b_ns"))
		return false;
	strbuf_addstr(out, name);
	return true;
}

static void test_template(void **state)
{
	static const char *const cases[][2] = {
		{ "plain", "plain" }, { "{victim} x {a.b_ns}", "victim x a.b_ns" }, { "{{victim}", "{victim}" },
		{ "{moon}", "?" }, { "{", "{" }, { "a{b c}", "a{b c}" }, { "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(strbuf) struct strbuf out = STRBUF_INIT;

		template_expand(&out, cases[i][0], fill, NULL);
		assert_string_equal(strbuf_str(&out), cases[i][1]);
	}
}

static void test_units(void **state)
{
	static const struct {
		const char *value;
		enum unit unit;
		const char *text;
	} cases[] = {
		{ "\"1500000\"", UNIT_NS, "1.5 ms" },
		{ "0.25", UNIT_RATIO, "25 %" },
		{ "7", UNIT_COUNT, "7" },
		{ "null", UNIT_NS, "unknown" },
		{ "\"web\"", UNIT_TEXT, "web" },
		{ "\"a\\u001bb\"", UNIT_TEXT, "a?b" },
		{ "65536", UNIT_BYTES, "64 KiB" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(strbuf) struct strbuf out = STRBUF_INIT;
		json_t *value = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);

		value_format(&out, value, cases[i].unit);
		assert_string_equal(strbuf_str(&out), cases[i].text);
		json_decref(value);
	}
	assert_int_equal(unit_of_column("top_ns"), UNIT_NS);
	assert_int_equal(unit_of_column("ns"), UNIT_NONE);
}

static void check_budget(int64_t a, int64_t b, int64_t wall, int64_t ret_a, int64_t rest)
{
	struct budget_entry entries[] = { { .state = "on_cpu", .ns = a },
					  { .state = "lock", .ns = b },
					  { .state = "idle or unknown" } };
	int64_t sum = 0;

	budget_balance(entries, ARRAY_SIZE(entries), wall);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		sum += entries[i].ns;
	assert_int_equal(sum, wall);
	assert_int_equal(entries[0].ns, ret_a);
	assert_int_equal(entries[2].ns, rest);
}

static void test_budget(void **state)
{
	(void)state;
	check_budget(30, 20, 100, 30, 50);
	check_budget(300, 100, 100, 75, 0);
	check_budget(0, 0, 100, 0, 100);
	check_budget(-5, 10, 100, 0, 90);
	check_budget(10, 10, 0, 0, 0);
	check_budget(SEC * 7 / 3, SEC * 11 / 7, SEC, 597560975, 1); /* rounding stays in the remainder */
}

static void test_identifier(void **state)
{
	struct incident_key key = {
		.cause = "cpu.neighbor", .culprit_is_container = true, .culprit = 5, .resource = "cpu"
	};
	char a[27], b[27], c[27];

	(void)state;
	incident_id(&key, "boot", 1800000000 * SEC, a);
	incident_id(&key, "boot", 1800000000 * SEC, b);
	assert_string_equal(a, b);
	assert_true(ulid_valid(a));
	incident_id(&key, "other boot", 1800000000 * SEC, b);
	assert_string_not_equal(a, b);
	key.culprit = 6;
	incident_id(&key, "boot", 1800000000 * SEC, c);
	assert_string_not_equal(a, c);
	incident_id(&key, "boot", 1800000000 * SEC + SEC, b);
	assert_true(strcmp(c, b) < 0); /* sorts by time */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wait_thresholds),
		cmocka_unit_test(test_rate_thresholds),
		cmocka_unit_test(test_past),
		cmocka_unit_test(test_symptom_table),
		cmocka_unit_test(test_judgement),
		cmocka_unit_test(test_template),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_identifier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
