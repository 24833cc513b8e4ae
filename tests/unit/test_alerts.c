/* SPDX-License-Identifier: Apache-2.0 */
/* Alert rules as text, the life of an alert, silences, and rules at work over a store. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/aggregate.h"
#include "analyze/alerting.h"
#include "analyze/alertrules.h"
#include "analyze/alertstate.h"
#include "analyze/alertstore.h"
#include "analyze/reports.h"
#include "analyze/silences.h"
#include "base/cleanup.h"
#include "base/fileutil.h"
#include "base/hash.h"
#include "tests/unit/store_fixture.h"

#define S(n) (INT64_C(1000000000) * (n))

/* ---- text ------------------------------------------------------------------------------------------------- */

static int parse(const char *text, struct alert_rules **ret, struct strbuf *why)
{
	return alert_rules_parse("f.yaml", text, strlen(text), ret, why);
}

static void test_a_rule(void **state)
{
	static const char text[] =
		"groups:\n- name: g\n  interval: 30s\n  rules:\n"
		"  - alert: A\n    sql: SELECT 1 AS value\n    for: 1m30s\n    keep_firing_for: 2s\n"
		"    labels: {team: web}\n    annotations: {summary: \"{{ $labels.container }}: {{$value}}\"}\n"
		"  - alert: B\n    enabled: false\n    on_report: {cause: [cpu, io.neighbor], severity: warning}\n";
	AUTO(strbuf) struct strbuf why = STRBUF_INIT, sentence = STRBUF_INIT;
	struct alert_pairs labels = { 0 };
	const struct alert_rule *rule;
	struct alert_rules *set;

	(void)state;
	assert_int_equal(parse(text, &set, &why), 0);
	rule = alert_rules_at(set, 0);
	assert_string_equal(rule->alert, "A");
	assert_true(rule->enabled);
	assert_int_equal(rule->interval_ns, S(30));
	assert_int_equal(rule->for_ns, S(90));
	assert_int_equal(rule->keep_ns, S(2));
	alert_pairs_set(&labels, "container", "c1");
	alert_expand(&sentence, rule->annotations.items[0].value, &labels, 2.5, NULL);
	assert_string_equal(strbuf_str(&sentence), "c1: 2.5");
	alert_pairs_cleanup(&labels);
	rule = alert_rules_at(set, 1);
	assert_false(rule->enabled);
	assert_true(alert_rule_matches(rule, "cpu.neighbor", "warning", "confirmed"));
	assert_true(alert_rule_matches(rule, "cpu", "warning", "possible"));
	assert_false(alert_rule_matches(rule, "cpux", "warning", "confirmed"));
	assert_false(alert_rule_matches(rule, "io.self", "warning", "confirmed"));
	assert_false(alert_rule_matches(rule, "io.neighbor", "critical", "confirmed"));
	assert_null(alert_rules_at(set, 2));
	alert_rules_free(set);
}

static void test_mistakes_are_named(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "groups: [", "f.yaml:" },
		{ "", "empty" },
		{ "rules: []\n", "f.yaml:1: unknown key \"rules\"" },
		{ "groups:\n- name: g\n", "\"rules\" is missing" },
		{ "groups:\n- name: g\n  rules:\n  - alert: A\n", "f.yaml:4: a rule has either sql or on_report" },
		{ "groups:\n- name: g\n  rules:\n  - sql: SELECT 1 AS value\n", "\"alert\" is missing" },
		{ "groups:\n- name: g\n  rules:\n  - {alert: A, sql: SELECT 1 AS value, on_report: {}}\n", "either" },
		{ "groups:\n- name: g\n  rules:\n  - {alert: A, sql: SELECT 1 AS v}\n", "no column \"value\"" },
		{ "groups:\n- name: g\n  rules:\n  - {alert: A, sql: SELECT value FROM nosuch}\n", "no such table" },
		{ "groups:\n- name: g\n  rules:\n  - {alert: A, sql: DELETE FROM v_wait}\n", "f.yaml:4" },
		{ "groups:\n- name: g\n  rules:\n  - {alert: A, sql: 'SELECT 1 AS value', for: soon}\n", "time span" },
		{ "groups:\n- name: g\n  rules:\n  - {alert: A, sql: 'SELECT 1 AS value', expr: x}\n", "\"expr\"" },
		{ "groups:\n- name: g\n  rules:\n  - {alert: a-b, sql: 'SELECT 1 AS value'}\n", "no name" },
		{ "groups:\n- name: g\n  rules:\n  - {alert: A, on_report: {severity: bad}}\n", "none of info" },
		{ "groups:\n- name: g\n  rules:\n  - {alert: A, on_report: {}, annotations: {a: '{{ $x }}'}}\n",
		  "unknown variable" },
		{ "groups:\n- name: g\n  rules:\n  - {alert: A, on_report: {}, annotations: {a: '{{ $value'}}\n",
		  "without" },
		{ "groups:\n- name: g\n  interval: 1ms\n  rules: []\n", "at least 1s" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(strbuf) struct strbuf why = STRBUF_INIT;
		struct alert_rules *set = NULL;

		assert_int_equal(parse(cases[i].text, &set, &why), -EINVAL);
		if (!strstr(strbuf_str(&why), cases[i].why))
			fail_msg("case %zu: %s", i, strbuf_str(&why));
		assert_null(set);
	}
}

static void test_shipped_rules_are_right(void **state)
{
	AUTO(strbuf) struct strbuf why = STRBUF_INIT;
	struct alert_rules *set;
	size_t count = 0;

	(void)state;
	assert_int_equal(alert_rules_load("", &set, &why), 0);
	assert_string_equal(strbuf_str(&why), "");
	while (alert_rules_at(set, count))
		count++;
	assert_true(count >= 14);
	alert_rules_free(set);
}

/* ---- life ------------------------------------------------------------------------------------------------- */

static void test_life(void **state)
{
	struct alert_life life = { 0 };

	(void)state;
	assert_false(alert_life_step(&life, false, S(10), S(5), S(1)));
	assert_int_equal(life.state, ALERT_INACTIVE);
	assert_false(alert_life_step(&life, true, S(10), S(5), S(2)));
	assert_int_equal(life.state, ALERT_PENDING);
	/* A gap begins the waiting anew. */
	assert_false(alert_life_step(&life, false, S(10), S(5), S(8)));
	assert_int_equal(life.state, ALERT_INACTIVE);
	assert_false(alert_life_step(&life, true, S(10), S(5), S(9)));
	assert_false(alert_life_step(&life, true, S(10), S(5), S(18)));
	assert_true(alert_life_step(&life, true, S(10), S(5), S(19)));
	assert_int_equal(life.state, ALERT_FIRING);
	assert_int_equal(life.active_ns, S(9));
	assert_false(alert_life_step(&life, true, S(10), S(5), S(20)));
	/* It keeps firing until it has been false for long enough. */
	assert_false(alert_life_step(&life, false, S(10), S(5), S(24)));
	assert_false(alert_life_step(&life, true, S(10), S(5), S(25)));
	assert_false(alert_life_step(&life, false, S(10), S(5), S(29)));
	assert_true(alert_life_step(&life, false, S(10), S(5), S(30)));
	assert_int_equal(life.state, ALERT_RESOLVED);
	assert_int_equal(life.ended_ns, S(30));
	/* A clock that steps back changes nothing. */
	assert_false(alert_life_step(&life, true, 0, 0, S(3)));
	assert_int_equal(life.state, ALERT_RESOLVED);
	assert_true(alert_life_step(&life, true, 0, 0, S(31)));
	assert_int_equal(life.active_ns, S(31));
}

/* ---- silences --------------------------------------------------------------------------------------------- */

static json_t *silence(const char *matcher, const char *ends)
{
	AUTO(strbuf) struct strbuf why = STRBUF_INIT;
	json_t *given = json_pack("{s:[o*], s:s, s:s, s:s}", "matchers", silence_matcher(matcher), "author", "me",
				  "comment", "deploy", "ends_ns", ends);
	json_t *s = silence_read(given, 1000, &why);

	assert_int_equal(!s, why.len > 0);
	json_decref(given);
	return s;
}

static bool silenced(const char *matcher, const char *container)
{
	json_t *labels = json_pack("{s:s}", "container", container), *s = silence(matcher, "2000");
	bool hit;

	assert_non_null(s);
	hit = silence_matches(s, labels, 1500);
	assert_false(silence_matches(s, labels, 2000));
	assert_false(silence_matches(s, labels, 999));
	json_decref(labels);
	json_decref(s);
	return hit;
}

static void test_silences(void **state)
{
	(void)state;
	assert_true(silenced("container=web", "web"));
	assert_false(silenced("container=web", "web2"));
	assert_true(silenced("container!=web", "db"));
	assert_true(silenced("container=~web|db", "db"));
	assert_false(silenced("container=~web|db", "db2"));
	assert_true(silenced("container!~w.*", "db"));
	assert_true(silenced("nosuch=", "db"));
	assert_null(silence("container", "2000"));
	assert_null(silence("=x", "2000"));
	assert_null(silence("container=~(", "2000"));
	assert_null(silence("container=~(a)\\1", "2000"));
	assert_null(silence("container=web", "900"));
	assert_null(silence("container=web", "never"));
}

/* RFC 4231, test cases 1, 2 and 6. */
static void test_hmac(void **state)
{
	static const unsigned char key1[20] = { [0 ... 19] = 0x0b }, key6[131] = { [0 ... 130] = 0xaa };
	static const char data6[] = "Test Using Larger Than Block-Size Key - Hash Key First";
	char hex[65];

	(void)state;
	hmac_sha256_hex(key1, sizeof(key1), "Hi There", 8, hex);
	assert_string_equal(hex, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	hmac_sha256_hex("Jefe", 4, "what do ya want for nothing?", 28, hex);
	assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	hmac_sha256_hex(key6, sizeof(key6), data6, sizeof(data6) - 1, hex);
	assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* ---- at work ---------------------------------------------------------------------------------------------- */

struct work {
	struct fixture f;
	struct alerting *alerting;
	struct alertstore *store; /* another connection, to look and to silence */
};

static const char site_rules[] =
	"groups:\n- name: site\n  interval: 1s\n  rules:\n"
	"  - alert: Broken\n    sql: SELECT container AS value FROM v_wait WHERE abs(-9223372036854775807 - 1) > 0\n"
	"  - alert: Waits\n    for: 2s\n"
	"    sql: SELECT c.name AS container, sum(wait_ns) / 1e9 AS value FROM v_wait JOIN v_container c USING (container)"
	" WHERE ts_ns > :now - 1500000000 AND ts_ns <= :now GROUP BY container HAVING value > 1\n"
	"    labels: {severity: warning}\n    annotations: {summary: '{{ $labels.container }} {{ $value }}'}\n";

static void work_restart(struct work *w)
{
	const struct alerting_options options = { w->f.dir, "http://h/", w->f.config };
	AUTO(strbuf) struct strbuf why = STRBUF_INIT;

	alerting_free(w->alerting);
	assert_int_equal(alerting_new(&options, &w->alerting, &why), 0);
	assert_string_equal(strbuf_str(&why), "");
}

static void work_open_with(struct work *w, const char *rules)
{
	AUTO(strbuf) struct strbuf why = STRBUF_INIT;
	char path[PATH_MAX + 32];

	fixture_new(&w->f);
	snprintf(path, sizeof(path), "%s/alertrules", w->f.dir);
	assert_int_equal(dir_make(path, 0755), 0);
	fixture_set(&w->f, "alerts.rules", path);
	fixture_set(&w->f, "alerts.file", "/nonexistent/but/on");
	snprintf(path, sizeof(path), "%s/alertrules/site.yaml", w->f.dir);
	assert_int_equal(file_write_atomic(path, rules, strlen(rules), 0644), 0);
	fixture_open(&w->f);
	w->alerting = NULL;
	work_restart(w);
	assert_int_equal(alertstore_open(w->f.dir, true, &w->store, &why), 0);
}

static void work_open(struct work *w)
{
	work_open_with(w, site_rules);
}

static void work_close(struct work *w)
{
	alerting_free(w->alerting);
	alertstore_free(w->store);
	fixture_free(&w->f);
}

/* A second in which the container waits that long, and what the alerts make of it.  Returns their complaints. */
static void second(struct work *w, unsigned int at, double waited, struct strbuf *said)
{
	put_wait(&w->f, SEC(at) - 1000, 7, 1, SEC(waited));
	put_tick(&w->f, SEC(at), at);
	assert_true(alerting_run(w->alerting, WALL(SEC(at)), said) >= 0);
}

static int keep_state(void *ctx, struct alert *a)
{
	if (!strcmp(a->rule, "Waits"))
		snprintf(ctx, 100, "%s|%s", alert_state_name(a->life.state), a->held_by);
	return 0;
}

static const char *state_of(struct work *w, char ret[100])
{
	*ret = 0;
	assert_true(alertstore_each(w->store, keep_state, ret) >= 0);
	return ret;
}

/* Takes the oldest delivery out: its status, "" when there is none. */
static const char *delivered(struct work *w, char ret[32])
{
	char *body = NULL;
	json_t *message;
	int64_t id;
	int tries;

	*ret = 0;
	if (alertstore_due(w->store, "file", INT64_MAX, &id, &tries, &body))
		return ret;
	message = json_loads(body, 0, NULL);
	assert_non_null(message);
	snprintf(ret, 32, "%s", json_string_value(json_object_get(message, "status")));
	json_decref(message);
	free(body);
	assert_int_equal(alertstore_sent(w->store, id), 0);
	return ret;
}

static void test_fires_and_resolves(void **state)
{
	AUTO(strbuf) struct strbuf said = STRBUF_INIT;
	char text[100], status[32];
	struct work w;

	(void)state;
	work_open(&w);
	put_cgroup(&w.f, SEC(1), CG_SEEN, 0, 7, "/web");
	second(&w, 10, 0.1, &said);
	assert_string_equal(state_of(&w, text), "");
	second(&w, 11, 3, &said);
	assert_string_equal(state_of(&w, text), "pending|");
	assert_string_equal(delivered(&w, status), "");
	/* A restart forgets nothing. */
	work_restart(&w);
	second(&w, 12, 3, &said);
	second(&w, 13, 3, &said);
	assert_string_equal(state_of(&w, text), "firing|");
	assert_string_equal(delivered(&w, status), "firing");
	second(&w, 14, 3, &said);
	assert_string_equal(delivered(&w, status), "");
	work_restart(&w);
	second(&w, 15, 0, &said);
	second(&w, 16, 0, &said);
	second(&w, 17, 0, &said);
	assert_string_equal(state_of(&w, text), "resolved|");
	assert_string_equal(delivered(&w, status), "resolved");
	assert_string_equal(delivered(&w, status), "");
	/* The broken rule beside it was named, and did no harm. */
	assert_non_null(strstr(strbuf_str(&said), "alert Broken"));
	assert_null(strstr(strbuf_str(&said), "alert Waits"));
	work_close(&w);
}

/* The state it had at that second, "" when it was not there. */
static const char *state_at(struct work *w, unsigned int at, char ret[100])
{
	int64_t then_ns = WALL(SEC(at));

	*ret = 0;
	assert_true(alertstore_between(w->store, then_ns - S(2), then_ns, keep_state, ret) >= 0);
	return ret;
}

static int count_one(void *ctx, struct alert *a)
{
	(void)a;
	++*(int *)ctx;
	return 0;
}

static void test_alerts_as_they_were(void **state)
{
	AUTO(strbuf) struct strbuf said = STRBUF_INIT;
	char text[100];
	struct work w;
	int lives = 0;

	(void)state;
	work_open(&w);
	put_cgroup(&w.f, SEC(1), CG_SEEN, 0, 7, "/web");
	for (unsigned int at = 11; at <= 40; at++)
		second(&w, at, at < 15 || (at >= 30 && at < 35) ? 3 : 0, &said);
	assert_string_equal(state_at(&w, 10, text), "");
	assert_string_equal(state_at(&w, 11, text), "pending|");
	assert_string_equal(state_at(&w, 13, text), "firing|");
	assert_string_equal(state_at(&w, 16, text), "resolved|");
	/* Its second life has not overwritten the first, and none began in between. */
	assert_string_equal(state_at(&w, 25, text), "");
	assert_string_equal(state_at(&w, 30, text), "pending|");
	assert_string_equal(state_at(&w, 33, text), "firing|");
	assert_string_equal(state_at(&w, 36, text), "resolved|");
	assert_int_equal(alertstore_between(w.store, WALL(SEC(11)), WALL(SEC(40)), count_one, &lives), 2);
	assert_int_equal(lives, 2);
	assert_int_equal(alertstore_expire(w.store, WALL(SEC(20))), 0);
	assert_string_equal(state_at(&w, 13, text), "");
	assert_string_equal(state_at(&w, 33, text), "firing|");
	work_close(&w);
}

/* What could not be stored was not decided: a delivery that found no room comes as soon as there is some. */
static void test_a_store_that_takes_nothing(void **state)
{
	AUTO(strbuf) struct strbuf said = STRBUF_INIT;
	char text[100], status[32], path[PATH_MAX + 32];
	struct work w;
	sqlite3 *db;

	(void)state;
	work_open(&w);
	put_cgroup(&w.f, SEC(1), CG_SEEN, 0, 7, "/web");
	second(&w, 11, 3, &said);
	second(&w, 12, 3, &said);
	snprintf(path, sizeof(path), "%s/reports/alerts.db", w.f.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'full'); END",
				      NULL, NULL, NULL), SQLITE_OK);
	put_wait(&w.f, SEC(13) - 1000, 7, 1, SEC(3));
	put_tick(&w.f, SEC(13), 13);
	assert_true(alerting_run(w.alerting, WALL(SEC(13)), &said) < 0);
	assert_string_equal(state_of(&w, text), "pending|");
	assert_string_equal(delivered(&w, status), "");
	assert_int_equal(sqlite3_exec(db, "DROP TRIGGER full", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	second(&w, 14, 3, &said);
	assert_string_equal(state_of(&w, text), "firing|");
	assert_string_equal(delivered(&w, status), "firing");
	work_close(&w);
}

static void test_silence_holds_back(void **state)
{
	AUTO(strbuf) struct strbuf said = STRBUF_INIT;
	char text[100], status[32], ends[32];
	struct work w;
	json_t *s;

	(void)state;
	work_open(&w);
	put_cgroup(&w.f, SEC(1), CG_SEEN, 0, 7, "/web");
	snprintf(ends, sizeof(ends), "%lld", (long long)WALL(SEC(16)));
	s = silence("container=~.*web", ends);
	assert_int_equal(alertstore_put_silence(w.store, s, WALL(SEC(9))), 0);
	json_decref(s);
	for (unsigned int at = 10; at < 16; at++)
		second(&w, at, 3, &said);
	assert_string_equal(delivered(&w, status), "");
	assert_non_null(strstr(state_of(&w, text), "firing|silence "));
	/* The silence ends, the trouble goes on: now it is told. */
	second(&w, 16, 3, &said);
	assert_string_equal(state_of(&w, text), "firing|");
	assert_string_equal(delivered(&w, status), "firing");
	work_close(&w);
}

static void test_outbox_in_order(void **state)
{
	AUTO(strbuf) struct strbuf why = STRBUF_INIT;
	struct alertstore *store;
	struct fixture f;
	char *body = NULL;
	int64_t id;
	int tries;

	(void)state;
	fixture_new(&f);
	assert_int_equal(alertstore_open(f.dir, false, &store, &why), -ENOENT);
	strbuf_reset(&why);
	assert_int_equal(alertstore_open(f.dir, true, &store, &why), 0);
	assert_int_equal(alertstore_send(store, "webhook", "one", S(1)), 0);
	assert_int_equal(alertstore_send(store, "webhook", "two", S(1)), 0);
	assert_int_equal(alertstore_due(store, "file", S(9), &id, &tries, &body), -ENOENT);
	assert_int_equal(alertstore_due(store, "webhook", S(2), &id, &tries, &body), 0);
	assert_string_equal(body, "one");
	free(body);
	/* The second does not overtake the first while that waits. */
	assert_int_equal(alertstore_failed(store, id, S(5), "refused"), 0);
	assert_int_equal(alertstore_due(store, "webhook", S(4), &id, &tries, &body), -ENOENT);
	assert_int_equal(alertstore_due(store, "webhook", S(5), &id, &tries, &body), 0);
	assert_int_equal(tries, 1);
	free(body);
	assert_int_equal(alertstore_sent(store, id), 0);
	assert_int_equal(alertstore_due(store, "webhook", S(5), &id, &tries, &body), 0);
	assert_string_equal(body, "two");
	free(body);
	alertstore_free(store);
	fixture_free(&f);
}

/* Of an incident whose victim is /web; end_ns 0: it goes on. */
static void put_report(struct work *w, int revision, int64_t onset_ns, int64_t end_ns)
{
	AUTO(strbuf) struct strbuf why = STRBUF_INIT;
	struct reports *reports;
	char onset[32], end[32];
	json_t *report;

	snprintf(onset, sizeof(onset), "%lld", (long long)onset_ns);
	snprintf(end, sizeof(end), "%lld", (long long)end_ns);
	report = json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:{s:s}, s:{s:s, s:s, s:s?}, s:{s:s}, s:[{s:{s:s, s:s}}],"
			   " s:[{s:{s:s, s:s}}]}", "id", "01KAYQ0000000000000000ABCD", "revision", revision, "cause", "io.neighbor",
			   "status", end_ns ? "resolved" : "open", "severity", "warning", "headline", "h", "confidence", "level",
			   "confirmed", "window", "onset_ns", onset, "detected_ns", onset, "end_ns", end_ns ? end : NULL, "resource",
			   "kind", "block", "victims", "container", "name", "/web", "ref", "c1", "culprits", "container", "name",
			   "/batch", "ref", "c2");
	assert_non_null(report);
	assert_int_equal(reports_open(w->f.dir, &reports, &why), 0);
	assert_int_equal(reports_put(reports, report), 0);
	reports_free(reports);
	json_decref(report);
}

/* The alertname and status of every delivery that waits, in order. */
static const char *told(struct work *w, struct strbuf *ret)
{
	char *body = NULL;
	int64_t id;
	int tries;

	strbuf_reset(ret);
	while (!alertstore_due(w->store, "file", INT64_MAX, &id, &tries, &body)) {
		json_t *message = json_loads(body, 0, NULL);
		const json_t *alert = json_array_get(json_object_get(message, "alerts"), 0);

		strbuf_addf(ret, "%s %s;", json_string_value(json_object_get(json_object_get(alert, "labels"), "alertname")),
			    json_string_value(json_object_get(message, "status")));
		json_decref(message);
		free(body);
		assert_int_equal(alertstore_sent(w->store, id), 0);
	}
	return strbuf_str(ret);
}

/* An incident speaks for its victims: what else is unusual about them is held back for as long as it goes on. */
static void test_a_root_cause_holds_back_its_symptoms(void **state)
{
	AUTO(strbuf) struct strbuf said = STRBUF_INIT, text = STRBUF_INIT;
	char held[100];
	struct work w;

	(void)state;
	work_open(&w);
	put_cgroup(&w.f, SEC(1), CG_SEEN, 0, 7, "/web");
	put_tick(&w.f, SEC(2), 1);
	put_report(&w, 1, WALL(SEC(9)), 0);
	for (unsigned int at = 10; at < 20; at++)
		second(&w, at, 3, &said);
	assert_string_equal(state_of(&w, held), "firing|incident 01KAYQ0000000000000000ABCD");
	assert_string_equal(told(&w, &text), "KwhyIncident firing;");
	/* It ends, the wait does not. */
	put_report(&w, 2, WALL(SEC(9)), WALL(SEC(19.5)));
	for (unsigned int at = 20; at < 30; at++)
		second(&w, at, 3, &said);
	assert_string_equal(state_of(&w, held), "firing|");
	assert_string_equal(told(&w, &text), "Waits firing;");
	work_close(&w);
}

static const char restless_rules[] =
	"groups:\n- name: restless\n  interval: 1s\n  rules:\n"
	"  - alert: Flaps\n    sql: SELECT 1 AS value WHERE :now / 10000000000 % 2 = 0\n"
	"  - alert: Broken\n    sql: SELECT 1 AS value FROM v_wait WHERE abs(-9223372036854775807 - 1) > 0\n"
	"- name: calm\n  interval: 1s\n  rules:\n"
	"  - alert: Waits\n    sql: SELECT sum(wait_ns) / 1e9 AS value FROM v_wait WHERE ts_ns > :now - 1500000000 AND"
	" ts_ns <= :now HAVING value > 1\n";

/* The letter of each delivery to the receiver, in order: of one rule F for firing, R for resolved. */
static void drain(struct work *w, int64_t now_ns, const char *rule, char *ret, size_t size)
{
	size_t n = 0;
	char *body = NULL;
	int64_t id;
	int tries;

	while (!alertstore_due(w->store, "file", now_ns, &id, &tries, &body)) {
		json_t *message = json_loads(body, 0, NULL);
		const json_t *alert = json_array_get(json_object_get(message, "alerts"), 0);
		const char *name = json_string_value(json_object_get(json_object_get(alert, "labels"), "alertname"));

		assert_non_null(name);
		if (!strcmp(name, rule) && n + 1 < size)
			ret[n++] = *json_string_value(json_object_get(message, "status")) == 'f' ? 'F' : 'R';
		assert_int_equal(alertstore_sent(w->store, id), 0);
		json_decref(message);
		free(body);
	}
	ret[n] = 0;
}

/* An hour without the receiver, by the store's clock, while one rule flaps and one is broken: no word of another is lost. */
static void test_an_hour_of_outage(void **state)
{
	enum { STEP = 10, HOUR = 3600 };
	AUTO(strbuf) struct strbuf said = STRBUF_INIT;
	char waits[16], flaps[STEP];
	struct work w;
	char *body;
	int64_t id;
	int tries = 0;

	(void)state;
	work_open_with(&w, restless_rules);
	put_cgroup(&w.f, SEC(1), CG_SEEN, 0, 7, "/web");
	for (unsigned int at = STEP; at <= HOUR; at += STEP) {
		second(&w, at, at / 600 % 2 ? 3 : 0, &said);
		if (!alertstore_due(w.store, "file", WALL(SEC(at)), &id, &tries, &body)) {
			assert_int_equal(alertstore_failed(w.store, id, WALL(SEC(at + 300)), "refused"), 0);
			free(body);
		}
	}
	assert_true(tries >= 10);
	drain(&w, WALL(SEC(HOUR)), "Waits", waits, sizeof(waits));
	assert_string_equal(waits, ""); /* the oldest waits for its next try, and none overtakes it */
	drain(&w, WALL(SEC(HOUR + 300)), "Waits", waits, sizeof(waits));
	assert_string_equal(waits, "FRFRFR");
	/* And the flapping one goes on as it did. */
	for (unsigned int at = HOUR + STEP; at <= HOUR + 5 * STEP; at += STEP)
		second(&w, at, 0, &said);
	drain(&w, WALL(SEC(HOUR + 300)), "Flaps", flaps, sizeof(flaps));
	assert_true(!strcmp(flaps, "FRFRF") || !strcmp(flaps, "RFRFR"));
	assert_non_null(strstr(strbuf_str(&said), "alert Broken"));
	work_close(&w);
}

/* The newest mark of an incident is the one that holds; taking it back ends the silence that muted, and no other. */
static void test_marks(void **state)
{
	static const char silence[] = "{\"id\": \"%s\", \"matchers\": [], \"author\": \"a\", \"comment\": \"c\","
				      " \"starts_ns\": \"0\", \"ends_ns\": \"90000000000\"}";
	AUTO(strbuf) struct strbuf why = STRBUF_INIT;
	static const char *const ids[] = { "mute", "other" };
	struct alertstore *store;
	json_t *list = NULL;
	struct fixture f;

	(void)state;
	fixture_new(&f);
	assert_int_equal(alertstore_open(f.dir, true, &store, &why), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		char text[256];
		json_t *s;

		snprintf(text, sizeof(text), silence, ids[i]);
		s = json_loads(text, 0, NULL);
		assert_int_equal(alertstore_put_silence(store, s, S(1)), 0);
		json_decref(s);
	}
	assert_int_equal(alertstore_mark(store, &(struct alert_mark){ "I1", "acknowledged", "ann", "", "", S(1), 0 }), 0);
	assert_int_equal(alertstore_mark(store, &(struct alert_mark){ "I1", "muted", "bob", "why", "mute", S(2), S(90) }), 0);
	assert_int_equal(alertstore_mark(store, &(struct alert_mark){ "I2", "acknowledged", "ann", "", "", S(3), 0 }), 0);
	assert_int_equal(alertstore_marks(store, "I1", &list), 0);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "author")), "ann");
	json_decref(list);
	assert_int_equal(alertstore_marks(store, NULL, &list), 0);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "what")), "muted");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "until_ns")), "90000000000");
	json_decref(list);
	assert_int_equal(alertstore_unmute(store, "I2", S(4)), 0);
	assert_int_equal(alertstore_silences(store, S(4), &list), 0);
	assert_int_equal(json_array_size(list), 2);
	json_decref(list);
	assert_int_equal(alertstore_unmute(store, "I1", S(4)), 0);
	assert_int_equal(alertstore_silences(store, S(4), &list), 0);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "id")), "other");
	json_decref(list);
	alertstore_free(store);
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_rule),
		cmocka_unit_test(test_mistakes_are_named),
		cmocka_unit_test(test_shipped_rules_are_right),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_silences),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_fires_and_resolves),
		cmocka_unit_test(test_alerts_as_they_were),
		cmocka_unit_test(test_a_store_that_takes_nothing),
		cmocka_unit_test(test_silence_holds_back),
		cmocka_unit_test(test_outbox_in_order),
		cmocka_unit_test(test_a_root_cause_holds_back_its_symptoms),
		cmocka_unit_test(test_an_hour_of_outage),
		cmocka_unit_test(test_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
