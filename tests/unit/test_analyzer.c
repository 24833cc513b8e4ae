/* SPDX-License-Identifier: Apache-2.0 */
/* The whole way from records to reports over made-up hosts: each rule with a positive, a look-alike and missing data. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyze/analyzer.h"
#include "analyze/reports.h"
#include "base/cleanup.h"
#include "aggregate/aggregate.h" /* what the made-up host writes through */
#include "tests/synth/synth.c" /* NOLINT(bugprone-suspicious-include): unit tests have no library of their own */

#define MS SYNTH_MS
#define SEC SYNTH_SEC

struct host {
	char dir[64];
	struct config *config;
	struct synth *s;
	json_t *reports; /* every revision, as written */
};

static void host_new(struct host *h)
{
	*h = (struct host){ 0 };
	snprintf(h->dir, sizeof(h->dir), "/tmp/kwhy-test-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	h->config = config_new();
	h->s = synth_new(h->dir, 2);
	h->reports = json_array();
}

static void remove_dir(const char *dir)
{
	char command[128];
	int r;

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	r = system(command);
	assert_int_equal(r, 0);
}

static void host_free(struct host *h)
{
	if (h->s)
		synth_free(h->s);
	config_free(h->config);
	json_decref(h->reports);
	remove_dir(h->dir);
}

static void keep(void *ctx, const json_t *report)
{
	json_array_append_new(ctx, json_deep_copy(report));
}

/* Ends the recording and analyses all of it. */
static void analyse(struct host *h)
{
	const struct analyzer_options options = { .state_dir = h->dir, .config = h->config };
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct analyzer *a;
	int r;

	synth_free(h->s);
	h->s = NULL;
	r = analyzer_new(&options, &a, &error);
	if (r < 0)
		fail_msg("%s", strbuf_str(&error));
	analyzer_on_report(a, keep, h->reports);
	assert_true(analyzer_run(a) > 0);
	assert_int_equal(analyzer_finish(a), 0);
	analyzer_free(a);
	if (getenv("KWHY_TEST_DUMP"))
		json_dumpf(h->reports, stdout, JSON_INDENT(1));
}

static const char *text(const json_t *o, const char *key)
{
	const char *t = json_string_value(json_object_get(o, key));

	return t ? t : "";
}

/* Newest revision of the incident with this cause, NULL: none. */
static const json_t *newest(const struct host *h, const char *cause)
{
	const json_t *found = NULL;
	json_t *report;
	size_t i;

	json_array_foreach(h->reports, i, report)
		if (!strcmp(text(report, "cause"), cause))
			found = report;
	return found;
}

static const char *party_name(const json_t *report, const char *list, size_t i)
{
	return text(json_object_get(json_array_get(json_object_get(report, list), i), "container"), "name");
}

static const char *confidence(const json_t *report)
{
	return text(json_object_get(report, "confidence"), "level");
}

/* ---- cpu.neighbor ------------------------------------------------------------------------------------------------ */

/* One second of a victim that computes half the time and is kept waiting by a neighbour. */
static void neighbor_second(struct host *h, int victim, int culprit, int64_t wait_ns)
{
	if (wait_ns) {
		struct kw_event *e = synth_event(h->s, KW_KIND_runq, victim, culprit, 900 * MS, 40 * MS);
		struct kw_runq *q = synth_payload(e);

		*q = (struct kw_runq){ .other_ns = 40 * MS, .occupants = 1, .allowed_cpus = 2, .occ1 = synth_cg(culprit),
				       .occ1_ns = 40 * MS };
		synth_send(h->s, e);
		synth_wait(h->s, victim, KW_WAIT_CPU, wait_ns, 40 * MS, 50);
		synth_blame(h->s, KW_RES_CPU, victim, culprit, KW_SINK_CONTAINER, wait_ns * 9 / 10, 0);
		synth_blame(h->s, KW_RES_CPU, victim, SYNTH_NOBODY, KW_SINK_UNKNOWN, wait_ns / 10, 0);
	}
	synth_usage(h->s, victim)->cpu_ns = wait_ns ? 300 * MS : 400 * MS;
	synth_usage(h->s, culprit)->cpu_ns = wait_ns ? 1500 * MS : 0;
	synth_tick(h->s);
}

static void neighbor_story(struct host *h, const char *off)
{
	int victim, culprit;

	host_new(h);
	victim = synth_container(h->s, "web");
	culprit = synth_container(h->s, "batch");
	synth_container(h->s, "bystander");
	if (off)
		synth_probe_off(h->s, off);
	for (int i = 0; i < 5; i++)
		neighbor_second(h, victim, culprit, 0);
	for (int i = 0; i < 6; i++)
		neighbor_second(h, victim, culprit, 400 * MS);
	for (int i = 0; i < 14; i++)
		neighbor_second(h, victim, culprit, 0);
	analyse(h);
}

static void test_cpu_neighbor(void **state)
{
	const json_t *report;
	struct host h;

	(void)state;
	neighbor_story(&h, NULL);
	report = newest(&h, "cpu.neighbor");
	assert_non_null(report);
	assert_string_equal(party_name(report, "victims", 0), "/test/web");
	assert_string_equal(party_name(report, "culprits", 0), "/test/batch");
	assert_string_equal(text(report, "severity"), "warning");
	assert_string_equal(text(report, "status"), "resolved");
	assert_string_equal(confidence(report), "confirmed");
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu_neighbor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
