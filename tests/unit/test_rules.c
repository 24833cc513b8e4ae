/* SPDX-License-Identifier: Apache-2.0 */
/* What the rule loader refuses, and what it says then. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyze/rules.h"
#include "analyze/rules_sql.h"
#include "base/cleanup.h"
#include "base/fileutil.h"

#define HEAD                                                                                               \
	"cause: test.rule\ntitle: A rule\nresource: cpu\nseverity: warning\nsymptoms: [wait.cpu]\n"
#define REQUIRE                                                                                            \
	"require:\n  - id: waits\n    claim: \"{victim} waited {observed}\"\n    unit: ns\n    sql: |\n"   \
	"      SELECT 1 AS holds, sum(wait_ns) AS observed, 2 AS expected, 3 AS top_ns FROM v_wait"    \
	" WHERE container = :victim\n"
#define TAIL                                                                                               \
	"mechanism: \"did {waits.top_ns}\"\nheadline: \"{victim} {effect} ({impact}; {baseline})\"\n"      \
	"remedy:\n  - action: \"do\"\n"

#define SYMPTOM(kind, sql) \
	"symptom:\n  - name: test.symptom\n    kind: " kind "\n    effect: was tested\n    sql: " sql "\n"
#define OCCURRENCES "SELECT container, ts_ns AS onset_ns, ts_ns AS end_ns, 1 AS value FROM v_oom"

static int load(const char *text, struct strbuf *messages)
{
	sqlite3 *views = rules_sql_open();
	struct rule *rule;
	int r = rules_parse(views, "site/test.yaml", text, strlen(text), &rule, messages);

	if (r == 0)
		rule_free(rule);
	sqlite3_close(views);
	return r;
}

static void test_good(void **state)
{
	AUTO(strbuf) struct strbuf messages = STRBUF_INIT;

	(void)state;
	assert_int_equal(load(HEAD REQUIRE TAIL, &messages), 0);
	assert_string_equal(strbuf_str(&messages), "");
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", "site/test.yaml:1: the file is empty" },
		{ "a: [", "site/test.yaml:" },
		{ "cuase: x\n" HEAD REQUIRE TAIL, "site/test.yaml:1: unknown key \"cuase\"" },
		{ HEAD TAIL, "key \"require\" is missing" },
		{ HEAD HEAD REQUIRE TAIL, "key \"cause\" stands here twice" },
		{ HEAD "symptoms: wait.cpu\n" REQUIRE TAIL, "twice" },
		{ "cause: x\ntitle: A\nresource: cpu\nseverity: bad\nsymptoms: [wait.cpu]\n" REQUIRE TAIL,
		  "site/test.yaml:4: severity is one of" },
		{ "cause: x\ntitle: A\nresource: cpu\nseverity: info\n" REQUIRE TAIL, "says when to try this rule" },
		{ HEAD SYMPTOM("sometimes", "SELECT 1") REQUIRE TAIL, "site/test.yaml:8: kind is one of" },
		{ HEAD SYMPTOM("once", "SELECT ts_ns, container FROM v_oom") REQUIRE TAIL, "no column \"onset_ns\"" },
		{ HEAD SYMPTOM("once", "SELECT ts_ns AS onset_ns, container, 1 AS value, 2 AS end_ns FROM v_oom")
		  REQUIRE TAIL, "in this order" },
		{ HEAD SYMPTOM("once", OCCURRENCES " WHERE ts_ns > :onset") REQUIRE TAIL, "unknown parameter :onset" },
		{ HEAD SYMPTOM("once\n    reason: cpu", OCCURRENCES) REQUIRE TAIL, "only a symptom of kind wait" },
		{ HEAD SYMPTOM("wait\n    reason: love", OCCURRENCES) REQUIRE TAIL, "no wait has that reason" },
		{ HEAD "require:\n  - id: a\n    claim: x\n    sql: SELECT 1 AS holds\n" TAIL,
		  "no column \"observed\"" },
		{ HEAD "require:\n  - id: a\n    claim: x\n    sql: SELECT * FROM nowhere\n" TAIL,
		  "site/test.yaml:7: a: SQL: no such table" },
		{ HEAD "require:\n  - id: a\n    claim: x\n    sql: DELETE FROM v_wait\n" TAIL, "only reads" },
		{ HEAD "require:\n  - id: a\n    claim: x\n"
		  "    sql: SELECT 1 AS holds, 2 AS observed, :moon AS expected\n" TAIL,
		  "unknown parameter :moon" },
		{ HEAD "require:\n  - id: a\n    claim: x\n"
		  "    sql: SELECT 1 AS holds, 2 AS observed, 3 AS expected; SELECT 2\n" TAIL,
		  "more than one statement" },
		{ HEAD REQUIRE "mechanism: m\nheadline: \"{waits.moon}\"\nremedy:\n  - action: x\n",
		  "headline: unknown variable {waits.moon}" },
		{ HEAD REQUIRE "mechanism: m\nheadline: \"{moon}\"\nremedy:\n  - action: x\n",
		  "unknown variable {moon}" },
		{ HEAD REQUIRE "mechanism: m\nheadline: \"{victim\"\nremedy:\n  - action: x\n", "bad variable" },
		{ HEAD REQUIRE "confirmed_by: [moon]\n" TAIL, "confirmed_by: no such evidence" },
		{ HEAD REQUIRE "culprit: {self: true, sink: x}\n" TAIL, "culprit has one of" },
		{ HEAD REQUIRE "culprit: {sql: SELECT 1 AS container}\n" TAIL, "no column \"share\"" },
		{ HEAD REQUIRE "priority: high\n" TAIL, "a number is expected" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(strbuf) struct strbuf messages = STRBUF_INIT;

		assert_int_equal(load(cases[i].text, &messages), -EINVAL);
		if (!strstr(strbuf_str(&messages), cases[i].message))
			fail_msg("case %zu: \"%s\" instead of \"%s\"", i, strbuf_str(&messages), cases[i].message);
	}
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0644), 0);
}

static void drop(const char *dir, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static void test_site_rules(void **state)
{
	AUTO(strbuf) struct strbuf messages = STRBUF_INIT;
	char dir[] = "/tmp/kwhy-test-rules-XXXXXX", sha[65];
	struct rules *rules;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(rules_load("", &rules, &messages), 0);
	assert_non_null(rules_find(rules, "cpu.neighbor"));
	snprintf(sha, sizeof(sha), "%s", rules_sha256(rules));
	for (size_t i = 1; rules_at(rules, i); i++)
		assert_true(strcmp(rules_at(rules, i - 1)->cause, rules_at(rules, i)->cause) < 0);
	rules_free(rules);

	put(dir, "own.yaml", HEAD REQUIRE TAIL);
	assert_int_equal(rules_load(dir, &rules, &messages), 0);
	assert_string_not_equal(rules_sha256(rules), sha);
	assert_false(rules_changed(rules));
	put(dir, "more.yaml", HEAD REQUIRE TAIL);
	assert_true(rules_changed(rules));
	drop(dir, "more.yaml");
	assert_false(rules_changed(rules));
	rules_free(rules);

	/* What is wrong with one file is said, and takes no other down. */
	put(dir, "same.yaml", HEAD REQUIRE TAIL);
	put(dir, "zbroken.yaml", "cause: [");
	put(dir, "other.yaml", "cause: cpu.neighbor\ntitle: Ours\nresource: cpu\nseverity: info\n"
	    SYMPTOM("once", OCCURRENCES) REQUIRE "chain_to: [no.such]\n" TAIL);
	assert_int_equal(rules_load(dir, &rules, &messages), 0);
	assert_non_null(strstr(strbuf_str(&messages), "has a rule in"));
	assert_non_null(strstr(strbuf_str(&messages), "zbroken.yaml:"));
	assert_non_null(strstr(strbuf_str(&messages), "no rule has cause no.such"));
	assert_string_equal(rules_find(rules, "cpu.neighbor")->title, "Ours");
	assert_true(rule_has_symptom(rules_find(rules, "cpu.neighbor"), "test.symptom"));
	assert_non_null(symptom_find(rules_symptoms(rules), "test.symptom"));
	assert_non_null(symptom_find(rules_symptoms(rules), "wait.cpu"));
	assert_non_null(rules_find(rules, "test.rule"));
	rules_free(rules);
	drop(dir, "same.yaml");
	drop(dir, "zbroken.yaml");
	drop(dir, "other.yaml");
	drop(dir, "own.yaml");
	rmdir(dir);
}

/* Files are checked with the embedded rules and with each other. */
static void test_check_files(void **state)
{
	AUTO(strbuf) struct strbuf messages = STRBUF_INIT;
	char dir[] = "/tmp/kwhy-test-rules-XXXXXX", rule[64], symptoms[64];
	const char *paths[] = { rule, symptoms };

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(rule, sizeof(rule), "%s/rule.yaml", dir);
	snprintf(symptoms, sizeof(symptoms), "%s/symptoms.yaml", dir);
	put(dir, "rule.yaml", "cause: x\ntitle: A\nresource: cpu\nseverity: info\nsymptoms: [wait.moon]\n" REQUIRE TAIL);
	put(dir, "symptoms.yaml", "- name: wait.moon\n  kind: rate\n  effect: waited\n  sql: " OCCURRENCES "\n");
	assert_int_equal(rules_check_files(paths, 1, &messages), -EINVAL);
	assert_non_null(strstr(strbuf_str(&messages), "rule.yaml:5: unknown symptom wait.moon"));
	strbuf_reset(&messages);
	assert_int_equal(rules_check_files(paths, 2, &messages), 0);
	assert_string_equal(strbuf_str(&messages), "");
	put(dir, "symptoms.yaml", "- name: wait.moon\n  kind: rate\n  sql: " OCCURRENCES "\n");
	assert_int_equal(rules_check_files(paths, 2, &messages), -EINVAL);
	assert_non_null(strstr(strbuf_str(&messages), "symptoms.yaml:1: key \"effect\" is missing"));
	put(dir, "symptoms.yaml",
	    "- {name: wait.moon, kind: wait, reason: cpu, effect: e, sql: '" OCCURRENCES "'}\n");
	assert_int_equal(rules_check_files(paths, 2, &messages), -EINVAL);
	assert_non_null(strstr(strbuf_str(&messages), "feed symptom wait.cpu already"));
	drop(dir, "rule.yaml");
	drop(dir, "symptoms.yaml");
	rmdir(dir);
}

/* A rule that asks for a probe nobody has would never be sure of anything. */
static void test_probes_exist(void **state)
{
	static const char *const names[] = {
#define PROBE(name) #name,
#include "collect/probes.def"
#undef PROBE
#define SAMPLER(name) #name,
#include "collect/samplers.def"
#undef SAMPLER
	};
	AUTO(strbuf) struct strbuf messages = STRBUF_INIT;
	const struct rule *rule;
	struct rules *rules;

	(void)state;
	assert_int_equal(rules_load("", &rules, &messages), 0);
	for (size_t i = 0; (rule = rules_at(rules, i)); i++) {
		for (size_t e = 0; e < rule->evidence_count; e++) {
			const struct string_list *probes = &rule->evidence[e].probes;

			for (size_t p = 0; p < probes->count; p++) {
				size_t n = 0;

				while (n < ARRAY_SIZE(names) && strcmp(names[n], probes->items[p]))
					n++;
				if (n == ARRAY_SIZE(names))
					fail_msg("%s: no probe %s", rule->cause, probes->items[p]);
			}
		}
	}
	rules_free(rules);
}

/* What people are told to do: with a command to type or to begin with, what it may cost, and how to see that it helped. */
static void test_remedies_are_whole(void **state)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	const struct rule *rule;
	struct rules *rules;

	(void)state;
	assert_int_equal(rules_load("", &rules, &error), 0);
	for (size_t i = 0; (rule = rules_at(rules, i)); i++) {
		bool verified = rule->fallback;

		if (!rule->remedy_count)
			fail_msg("%s has no remedy", rule->cause);
		for (size_t k = 0; k < rule->remedy_count; k++) {
			const struct remedy_def *remedy = &rule->remedies[k];

			if (!remedy->command || !remedy->risk)
				fail_msg("%s: \"%s\" has no command or no risk", rule->cause, remedy->action);
			if (remedy->command && strstr(remedy->command, "/sys/fs/cgroup{") && !remedy->command_v1)
				fail_msg("%s: \"%s\" has no command for cgroup v1", rule->cause, remedy->action);
			verified = verified || remedy->verify_sql;
		}
		if (!verified)
			fail_msg("%s has no query that shows that its remedy helped", rule->cause);
	}
	rules_free(rules);
}

/* Each cause names what it is taken for; but for what the kernel reports or counts outright. */
static void test_each_has_a_lookalike(void **state)
{
	static const char *const plain[] = { "hw.disk", "hw.memory", "kernel.oops", "limit.cgroups", "limit.fds",
					     "limit.map_count", "mem.zombie_cgroups", "net.link_down", "unexplained" };
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	const struct rule *rule;
	struct rules *rules;

	(void)state;
	assert_int_equal(rules_load("", &rules, &error), 0);
	for (size_t i = 0; (rule = rules_at(rules, i)); i++) {
		bool refuted = false;

		for (size_t e = 0; e < rule->evidence_count; e++)
			refuted = refuted || rule->evidence[e].role == EVIDENCE_REFUTE;
		for (size_t k = 0; k < ARRAY_SIZE(plain); k++)
			refuted = refuted || !strcmp(plain[k], rule->cause);
		if (!refuted)
			fail_msg("nothing speaks against %s", rule->cause);
	}
	rules_free(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_site_rules),
		cmocka_unit_test(test_check_files),
		cmocka_unit_test(test_probes_exist),
		cmocka_unit_test(test_remedies_are_whole),
		cmocka_unit_test(test_each_has_a_lookalike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
