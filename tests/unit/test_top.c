/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits around a moment, and for whom (web/top.h). */
#include "tests/synth/synth.c" /* NOLINT(bugprone-suspicious-include): unit tests have no library of their own */

#include <limits.h>

#include "aggregate/aggregate.h" /* what the store is written through */
#include "analyze/reader.h"
#include "base/fileutil.h"
#include "web/rows.h"
#include "web/top.h"

#define MS SYNTH_MS

static const json_t *row_of(const json_t *rows, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach ((json_t *)rows, i, row)
		if (!strcmp(value_text(row, "name"), name))
			return row;
	fail_msg("no row of %s", name);
	return NULL;
}

static json_t *read_rows(const char *dir, int64_t at_ns)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct reader *r;
	json_t *rows = NULL;

	assert_int_equal(reader_open(dir, &r, &err), 0);
	if (at_ns)
		reader_as_of(r, at_ns);
	if (top_read(r, at_ns, &rows, &err) < 0)
		fail_msg("%s", strbuf_str(&err));
	reader_free(r);
	return rows;
}

/* Twenty seconds in which web waits for batch, then twenty in which batch waits for its disk and web for nobody. */
static int64_t fill(const char *dir)
{
	struct synth *s = synth_new(dir, 2);
	int web = synth_container(s, "web"), batch = synth_container(s, "batch");
	int64_t turn = 0;

	for (int i = 0; i < 40; i++) {
		if (i < 20) {
			synth_wait(s, web, KW_WAIT_CPU, 300 * MS, 40 * MS, 10);
			synth_wait(s, web, KW_WAIT_FUTEX, 50 * MS, 20 * MS, 10);
			synth_blame(s, KW_RES_CPU, web, batch, KW_SINK_CONTAINER, 250 * MS, 0);
			synth_blame(s, KW_RES_CPU, web, SYNTH_HOST, KW_SINK_CONTAINER, 20 * MS, 0);
			synth_blame(s, KW_RES_CPU, web, web, KW_SINK_CONTAINER, 900 * MS, 0);
		} else {
			synth_wait(s, batch, KW_WAIT_BLOCK, 600 * MS, 90 * MS, 10);
			synth_wait(s, batch, KW_WAIT_OTHER, 10 * MS, 9 * MS, 10);
		}
		synth_usage(s, web)->cpu_ns = 200 * MS;
		synth_usage(s, batch)->cpu_ns = 1500 * MS;
		synth_tick(s);
		if (i == 18)
			turn = synth_wall(s);
	}
	synth_free(s);
	return turn;
}

static void as_it_is_now(void **state)
{
	const char *dir = *state;
	const json_t *web, *batch;
	json_t *rows;

	fill(dir);
	rows = read_rows(dir, 0);
	batch = row_of(rows, "/test/batch");
	web = row_of(rows, "/test/web");
	assert_ptr_equal(json_array_get(rows, 0), batch);
	assert_int_equal(value_int(batch, "wait_io_ns", 0), 10 * 600 * MS);
	assert_int_equal(value_int(batch, "wait_other_ns", 0), 10 * 10 * MS);
	assert_int_equal(value_int(batch, "wait_cpu_ns", -1), 0);
	assert_true(json_number_value(json_object_get(batch, "cpus")) == 1.5);
	assert_int_equal(value_int(web, "wait_cpu_ns", -1), 0);
	assert_int_equal(value_int(web, "blamed_ns", -1), 0);
	json_decref(rows);
}

/* Of the culprits the one that took most; what somebody did to itself is nobody's. */
static void as_it_was_then(void **state)
{
	const char *dir = *state;
	int64_t turn = fill(dir);
	json_t *rows = read_rows(dir, turn);
	const json_t *web = row_of(rows, "/test/web");

	assert_ptr_equal(json_array_get(rows, 0), web);
	assert_int_equal(value_int(web, "wait_cpu_ns", 0), 10 * 300 * MS);
	assert_int_equal(value_int(web, "wait_lock_ns", 0), 10 * 50 * MS);
	assert_string_equal(value_text(web, "culprit_name"), "/test/batch");
	assert_string_equal(value_text(web, "resource"), "cpu");
	assert_int_equal(value_int(web, "blamed_ns", 0), 10 * 250 * MS);
	assert_int_equal(value_int(row_of(rows, "/test/batch"), "wait_io_ns", -1), 0);
	json_decref(rows);
}

static int setup(void **state)
{
	static char dir[PATH_MAX];

	*state = dir;
	return dir_make_temporary(dir, sizeof(dir), "kwhy-top");
}

static int teardown(void **state)
{
	dir_remove(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(as_it_is_now, setup, teardown),
		cmocka_unit_test_setup_teardown(as_it_was_then, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
