/* SPDX-License-Identifier: Apache-2.0 */
/* Series over time and what changed, over a store of ten minutes: 0.1 tasks waited, then for a minute 0.8. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "aggregate/aggregate.h" /* what the store is written through */
#include "analyze/reader.h"
#include "tests/unit/store_fixture.h"
#include "web/html.h"
#include "web/render_chart.h"
#include "web/rows.h"
#include "web/series.h"

#define CALM 600
#define END (CALM + 60)
#define REASON_CPU 1
#define MADE_AT (CALM + 20)

struct store {
	struct fixture f;
	struct reader *r;
};

static void fill_second(struct fixture *f, unsigned int at)
{
	/* Nothing ran for ten seconds: no tick, no sample. */
	if (at > CALM + 30 && at <= CALM + 40)
		return;
	put_wait(f, SEC(at), 100, REASON_CPU, at <= CALM ? 100000000 : 800000000);
	if (at == CALM + 10)
		put_runq(f, SEC(at) + 1, 100, 200, 50000000);
	if (at == MADE_AT)
		put_cgroup(f, SEC(at) + 2, CG_MADE, 0, 300, "/late");
	put_tick(f, SEC(at) + 1000, at);
}

static int setup(void **state)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	static struct store s;

	fixture_new(&s.f);
	fixture_open(&s.f);
	put_cgroup(&s.f, SEC(0.5), CG_MADE, 0, 100, "/web");
	put_cgroup(&s.f, SEC(0.5) + 1, CG_MADE, 0, 200, "/batch");
	for (unsigned int at = 1; at <= END; at++)
		fill_second(&s.f, at);
	assert_int_equal(reader_open(s.f.dir, &s.r, &error), 0);
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct store *s = *state;

	reader_free(s->r);
	fixture_free(&s->f);
	return 0;
}

static struct series_query window(const char *container, const char *names)
{
	return (struct series_query){
		.container = container, .names = names, .since_ns = WALL(SEC(CALM)), .until_ns = WALL(SEC(END))
	};
}

static json_t *read_series(struct store *s, const struct series_query *q)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	json_t *model = NULL;

	if (series_read(s->r, q, &model, &error))
		fail_msg("%s", strbuf_str(&error));
	return model;
}

static const json_t *item(const json_t *model, size_t i)
{
	return json_array_get(json_object_get(model, "items"), i);
}

static double value(const json_t *series, size_t i)
{
	return json_number_value(json_array_get(json_object_get(series, "values"), i));
}

static void shows_what_was_and_what_was_usual(void **state)
{
	const struct series_query q = window("/web", "wait.cpu,wait.block,psi.cpu");
	json_t *model = read_series(*state, &q);
	const json_t *psi = item(model, 0), *cpu = item(model, 1), *block = item(model, 2);

	assert_int_equal(json_array_size(json_object_get(model, "items")), 3);
	assert_string_equal(value_text(cpu, "name"), "wait.cpu");
	assert_int_equal(json_array_size(json_object_get(cpu, "values")), 60);
	assert_float_equal(value(cpu, 5), 0.8, 0.01);
	assert_float_equal(value_number(cpu, "usual"), 0.1, 0.01);
	assert_float_equal(value_number(cpu, "high"), 0.1, 0.01);
	/* Nothing waited for storage while kwhy ran: 0.  When it did not run nobody knows. */
	assert_true(json_is_number(json_array_get(json_object_get(block, "values"), 5)));
	assert_float_equal(value(block, 5), 0, 0);
	assert_true(json_is_null(json_array_get(json_object_get(block, "values"), 35)));
	assert_true(json_is_null(json_array_get(json_object_get(cpu, "values"), 35)));
	/* Pressure was never sampled here: unknown, not 0. */
	assert_true(json_is_null(json_array_get(json_object_get(psi, "values"), 5)));
	assert_true(json_is_null(json_object_get(psi, "usual")));
	assert_true(chart_is_quiet(psi));
	assert_true(chart_is_quiet(block));
	assert_false(chart_is_quiet(cpu));
	json_decref(model);
}

static void answers_are_bounded(void **state)
{
	struct series_query q = window("/web", "wait.cpu");
	json_t *model;

	q.since_ns = WALL(SEC(1));
	q.points = 7;
	model = read_series(*state, &q);
	assert_int_equal(json_array_size(json_object_get(item(model, 0), "values")), 7);
	assert_int_equal(value_int(model, "step_ns", 0) % NSEC_PER_SEC, 0);
	assert_float_equal(value(item(model, 0), 1), 0.1, 0.01);
	json_decref(model);
	/* A step is never shorter than what is sampled. */
	q.since_ns = WALL(SEC(END - 3));
	q.points = 1000;
	model = read_series(*state, &q);
	assert_int_equal(json_array_size(json_object_get(item(model, 0), "values")), 3);
	json_decref(model);
}

static void splits_by_container(void **state)
{
	struct series_query q = window(NULL, "wait.cpu");
	json_t *model;

	q.by_container = true;
	model = read_series(*state, &q);
	assert_int_equal(json_array_size(json_object_get(model, "items")), 1);
	assert_string_equal(value_text(item(model, 0), "container_name"), "/web");
	json_decref(model);
}

static void says_what_is_wrong(void **state)
{
	const struct {
		struct series_query q;
		int64_t error;
		const char *why;
	} cases[] = {
		{ window("/web", "wait.cpu,nosuch"), -EINVAL, "psi.cpu" },
		{ window("/web", "host.busy"), -EINVAL, "no such series" },
		{ window("/nobody", NULL), -ENOENT, "no container" },
		{ { .since_ns = 5, .until_ns = 5 }, -EINVAL, "ends before" },
		{ { .names = "host.busy", .by_container = true }, -EINVAL, "no such series" },
	};
	struct store *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(strbuf) struct strbuf error = STRBUF_INIT;
		json_t *model = NULL;

		print_message("# %s\n", cases[i].why);
		assert_int_equal(series_read(s->r, &cases[i].q, &model, &error), cases[i].error);
		assert_non_null(strstr(strbuf_str(&error), cases[i].why));
	}
}

static void tells_what_changed(void **state)
{
	const struct series_query q = window("/web", NULL);
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct store *s = *state;
	json_t *model = NULL, *series, *events, *containers;

	assert_int_equal(series_changes(s->r, &q, &model, &error), 0);
	series = json_object_get(model, "series");
	assert_int_equal(json_array_size(series), 1);
	assert_string_equal(value_text(json_array_get(series, 0), "name"), "wait.cpu");
	assert_float_equal(value_number(json_array_get(series, 0), "before"), 0.1, 0.01);
	assert_float_equal(value_number(json_array_get(series, 0), "after"), 0.8, 0.02);
	events = json_object_get(model, "events");
	assert_int_equal(json_array_size(events), 1);
	assert_string_equal(value_text(json_array_get(events, 0), "kind"), "runq");
	assert_int_equal(value_int(json_array_get(events, 0), "after", 0), 1);
	containers = json_object_get(model, "containers");
	assert_int_equal(json_array_size(containers), 1);
	assert_string_equal(value_text(json_array_get(containers, 0), "name"), "/late");
	assert_string_equal(value_text(json_array_get(containers, 0), "what"), "began");
	json_decref(model);
}

/* Two calm stretches do not differ. */
static void says_nothing_about_calm(void **state)
{
	const struct series_query q = { .container = "/web", .since_ns = WALL(SEC(400)), .until_ns = WALL(SEC(460)) };
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct store *s = *state;
	json_t *model = NULL;

	assert_int_equal(series_changes(s->r, &q, &model, &error), 0);
	assert_int_equal(json_array_size(json_object_get(model, "series")), 0);
	assert_int_equal(json_array_size(json_object_get(model, "events")), 0);
	assert_int_equal(json_array_size(json_object_get(model, "containers")), 0);
	json_decref(model);
}

static void draws_gaps_and_escapes(void **state)
{
	const struct chart_frame frame = { .from_ns = WALL(SEC(0)), .to_ns = WALL(SEC(4)), .step_ns = SEC(1) };
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	json_t *series =
		json_loads("{\"unit\": \"ratio\", \"values\": [0.5, null, 0.25, 1], \"usual\": 0.5, \"low\": 0.4,"
			   " \"high\": 0.6}",
			   0, NULL);
	int moves = 0;

	(void)state;
	render_chart(&b, &frame, series, "<b>\"x\"");
	assert_non_null(strstr(strbuf_str(&b), "&lt;b&gt;&quot;x&quot;"));
	assert_null(strstr(strbuf_str(&b), "<b>\"x"));
	assert_non_null(strstr(strbuf_str(&b), "data-values=\"0.5,,0.25,1\""));
	assert_non_null(strstr(strbuf_str(&b), "class=\"band\""));
	assert_non_null(strstr(strbuf_str(&b), "at most 100 %"));
	for (const char *p = strstr(strbuf_str(&b), "class=\"line\" d=\""); *p && strncmp(p, "\"/>", 3); p++)
		moves += *p == 'M';
	assert_int_equal(moves, 2); /* one for each unbroken part */
	json_decref(series);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_what_was_and_what_was_usual),
		cmocka_unit_test(answers_are_bounded),
		cmocka_unit_test(splits_by_container),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(tells_what_changed),
		cmocka_unit_test(says_nothing_about_calm),
		cmocka_unit_test(draws_gaps_and_escapes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
