/* SPDX-License-Identifier: Apache-2.0 */
/* Saved queries as text, their parameters, and that the shipped ones are right; what is said of the views. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/queries.h"
#include "analyze/viewdoc.h"
#include "base/cleanup.h"

#define HOUR (INT64_C(3600) * 1000000000)

static void reads_a_file(void **state)
{
	static const char text[] =
		"-- SPDX-License-Identifier: Apache-2.0\n-- title: T\n-- about: A, and B.\n"
		"-- param: port int -: only: this\n-- param: back span 5min: how far\nSELECT 1 -- title: no\n";
	AUTO(strbuf) struct strbuf why = STRBUF_INIT;
	struct saved_query q;

	(void)state;
	assert_int_equal(saved_query_parse("a_1", text, &q, &why), 0);
	assert_string_equal(q.title, "T");
	assert_string_equal(q.about, "A, and B.");
	assert_int_equal(q.param_count, 2);
	assert_string_equal(q.params[0].name, "port");
	assert_int_equal(q.params[0].type, SAVED_INT);
	assert_string_equal(q.params[0].usual, "");
	assert_string_equal(q.params[0].text, "only: this");
	assert_string_equal(q.params[1].usual, "5min");
	assert_string_equal(q.sql, text);
	free(q.sql);
}

static void names_mistakes(void **state)
{
	static const struct {
		const char *name, *text, *why;
	} cases[] = {
		{ "a", "SELECT 1\n", "title" },
		{ "A", "-- title: T\n", "a name has" },
		{ "../a", "-- title: T\n", "a name has" },
		{ "a", "-- title: T\n-- param: x number -: y\n", "TYPE text, int" },
		{ "a", "-- title: T\n-- param: x int\n", "TYPE text, int" },
		{ "a", "-- title: T\n-- param: x;y int -: z\n", "TYPE text, int" },
		{ "a",
		  "-- title: T\n-- param: a int -: a\n-- param: b int -: a\n-- param: c int -: a\n-- param: d int -: "
		  "a\n"
		  "-- param: e int -: a\n-- param: f int -: a\n-- param: g int -: a\n-- param: h int -: a\n"
		  "-- param: i int -: a\n",
		  "too many" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(strbuf) struct strbuf why = STRBUF_INIT;
		struct saved_query q;

		assert_int_equal(saved_query_parse(cases[i].name, cases[i].text, &q, &why), -EINVAL);
		assert_non_null(strstr(strbuf_str(&why), cases[i].why));
	}
}

static const char *given(const void *ctx, const char *name)
{
	return strcmp(name, "port") ? NULL : ctx;
}

static void binds_values(void **state)
{
	AUTO(strbuf) struct strbuf why = STRBUF_INIT;
	struct saved_values v;
	struct saved_query q;

	(void)state;
	assert_int_equal(saved_query_parse("a",
					   "-- title: T\n-- param: port int -: p\n-- param: at time now: t\n"
					   "-- param: who text -: w\n",
					   &q, &why),
			 0);
	assert_int_equal(saved_query_bind(&q, given, "53", 0, 0, 5 * HOUR, &v, &why), 0);
	assert_int_equal(v.count, 5);
	assert_string_equal(v.params[0].name, ":port");
	assert_int_equal(v.params[0].integer, 53);
	assert_int_equal(v.params[1].integer, 5 * HOUR);
	assert_int_equal(v.params[2].type, PARAM_NULL);
	assert_string_equal(v.params[3].name, ":since");
	assert_int_equal(v.params[3].integer, 4 * HOUR);
	assert_int_equal(v.params[4].integer, 5 * HOUR);
	assert_int_equal(saved_query_bind(&q, given, NULL, HOUR, 2 * HOUR, 5 * HOUR, &v, &why), 0);
	assert_int_equal(v.params[0].type, PARAM_NULL);
	assert_int_equal(v.params[3].integer, HOUR);
	assert_int_equal(v.params[4].integer, 2 * HOUR);
	assert_int_equal(saved_query_bind(&q, given, "dns", 0, 0, 5 * HOUR, &v, &why), -EINVAL);
	assert_non_null(strstr(strbuf_str(&why), "port must be an int"));
	free(q.sql);
}

static void shipped_ones_are_complete(void **state)
{
	AUTO(strbuf) struct strbuf messages = STRBUF_INIT;
	const struct saved_query *q;
	struct saved_queries *all;
	size_t n = 0;

	(void)state;
	assert_int_equal(saved_queries_load("", &all, &messages), 0);
	assert_string_equal(strbuf_str(&messages), "");
	for (; (q = saved_queries_at(all, n)); n++) {
		if (!q->about[0] || !strstr(q->sql, "LIMIT"))
			fail_msg("%s says not what it answers, or has no LIMIT", q->name);
		for (size_t i = 0; i < q->param_count; i++) {
			AUTO(strbuf) struct strbuf name = STRBUF_INIT;

			strbuf_addf(&name, ":%s", q->params[i].name);
			if (!strstr(q->sql, strbuf_str(&name)))
				fail_msg("%s does not use its parameter %s", q->name, q->params[i].name);
		}
		assert_ptr_equal(saved_queries_find(all, q->name), q);
	}
	assert_true(n >= 25);
	saved_queries_free(all);
	/* A directory that is not there is said; the shipped ones work all the same. */
	assert_int_equal(saved_queries_load("/nonexistent", &all, &messages), 0);
	assert_true(messages.len > 0);
	assert_non_null(saved_queries_find(all, "oom_kills"));
	assert_null(saved_queries_find(all, "none"));
	saved_queries_free(all);
}

static const json_t *find_view(const json_t *views, const char *name)
{
	const json_t *view;
	size_t i;

	json_array_foreach ((json_t *)views, i, view)
		if (!strcmp(json_string_value(json_object_get(view, "view")), name))
			return view;
	fail_msg("%s is not described", name);
	return NULL;
}

static const char *column_text(const json_t *view, const char *name)
{
	const json_t *column;
	size_t i;

	json_array_foreach (json_object_get(view, "columns"), i, column)
		if (!strcmp(json_string_value(json_object_get(column, "name")), name))
			return json_string_value(json_object_get(column, "text"));
	return NULL;
}

static void views_are_described(void **state)
{
	json_t *views = viewdoc_json();

	(void)state;
	assert_string_equal(column_text(find_view(views, "v_event"), "kind"), "name");
	assert_string_equal(column_text(find_view(views, "v_usage"), "pids"), "tasks");
	assert_non_null(column_text(find_view(views, "v_wait"), "max_ns"));
	assert_string_equal(column_text(find_view(views, "v_throttle"), "quota_ns"), "quota per period, 0 unknown");
	assert_non_null(column_text(find_view(views, "v_throttle"), "peer_name"));
	assert_null(column_text(find_view(views, "v_wait"), "quota_ns"));
	json_decref(views);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_file),	       cmocka_unit_test(names_mistakes),
		cmocka_unit_test(binds_values),	       cmocka_unit_test(shipped_ones_are_complete),
		cmocka_unit_test(views_are_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
