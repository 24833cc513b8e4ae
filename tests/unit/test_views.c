/* SPDX-License-Identifier: Apache-2.0 */
/* schema/VIEWS.md, the views over a store, and the empty tables that rules are checked against: all three agree. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/aggregate.h" /* what the store is written through */
#include "analyze/reader.h"
#include "analyze/rules_sql.h"
#include "base/cleanup.h"
#include "base/fileutil.h"
#include "schema/kinds.h"
#include "tests/unit/store_fixture.h"

#define TEXT_MAX 1024

struct views {
	struct fixture f;
	struct reader *r;
	char *doc;
};

static int setup(void **state)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct views *v = calloc(1, sizeof(*v));

	assert_non_null(v);
	assert_int_equal(file_read_alloc(AT_FDCWD, "schema/VIEWS.md", 1 << 16, &v->doc, NULL), 0);
	fixture_new(&v->f);
	fixture_open(&v->f);
	put_runq(&v->f, SEC(1), 100, 200, 123000000);
	put_tick(&v->f, SEC(2), 1);
	assert_int_equal(reader_open(v->f.dir, &v->r, &error), 0);
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	struct views *v = *state;

	reader_free(v->r);
	fixture_free(&v->f);
	free(v->doc);
	free(v);
	return 0;
}

/* ---- the document ------------------------------------------------------------------------------------------------ */

static bool has_name(const struct strbuf *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = strbuf_str(list); *p; p += strcspn(p, ","), p += *p == ',')
		if (strcspn(p, ",") == len && !strncmp(p, name, len))
			return true;
	return false;
}

static void add_name(struct strbuf *list, const char *name)
{
	if (!has_name(list, name))
		strbuf_addf(list, "%s%s", list->len ? "," : "", name);
}

static void add_fields(struct strbuf *list, const struct kw_kind_info *info)
{
	if (!info) {
		fail_msg("schema/VIEWS.md names the fields of a kind that does not exist");
		return;
	}
	for (const struct kw_field *f = info->fields; f->name; f++)
		add_name(list, f->name);
}

/* A cell of the table: names with remarks in parentheses, "then the fields of schema/ev_KIND.h", a remark after ':'. */
static void read_cell(const char *cell, const char *end, struct strbuf *ret)
{
	char text[TEXT_MAX], kind[32], *out = text, *token, *save = NULL;
	unsigned int depth = 0;

	for (; cell < end && (*cell != ':' || depth) && out < text + sizeof(text) - 1; cell++) {
		depth += *cell == '(';
		if (!depth)
			*out++ = *cell;
		depth -= *cell == ')';
	}
	*out = '\0';
	for (token = strtok_r(text, ",", &save); token; token = strtok_r(NULL, ",", &save)) {
		token += strspn(token, " ");
		if (sscanf(token, "then the fields of schema/ev_%31[a-z].h", kind) == 1) {
			add_fields(ret, kw_kind_by_name(kind));
			continue;
		}
		token[strcspn(token, " ")] = '\0';
		add_name(ret, token);
	}
}

/* The columns that the document lists for a view; false: it has no row. */
static bool documented(const char *doc, const char *view, struct strbuf *ret)
{
	char begin[64];
	const char *row;

	snprintf(begin, sizeof(begin), "\n| `%s` | ", view);
	row = strstr(doc, begin);
	if (!row)
		return false;
	row += strlen(begin);
	read_cell(row, strstr(row, " |\n"), ret);
	return true;
}

/* A view of a kind without a row of its own: the envelope, then the payload, whose names win. */
static void columns_of_kind(const char *doc, const struct kw_kind_info *info, struct strbuf *ret)
{
	AUTO(strbuf) struct strbuf envelope = STRBUF_INIT;
	AUTO(strbuf) struct strbuf fields = STRBUF_INIT;
	char *token, *save = NULL;

	assert_true(documented(doc, "v_event", &envelope));
	add_fields(&fields, info);
	for (token = strtok_r(envelope.data, ",", &save); token; token = strtok_r(NULL, ",", &save)) {
		if (!has_name(&fields, token))
			add_name(ret, token);
		if (!strcmp(token, "peer_stack"))
			break;
	}
	add_fields(ret, info);
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

static int add_row(void *ctx, int count, const char *const *names, const struct query_value *values)
{
	struct strbuf *list = ctx;

	(void)count;
	(void)names;
	if (values[0].type == VALUE_TEXT)
		add_name(list, values[0].text);
	return 0;
}

static void ask(struct reader *r, const char *sql, struct strbuf *ret)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;

	if (reader_query(r, sql, NULL, 0, NULL, add_row, ret, &error) < 0)
		fail_msg("%s: %s", sql, strbuf_str(&error));
}

static void columns(struct reader *r, const char *view, bool sorted, struct strbuf *ret)
{
	char sql[256];

	snprintf(sql, sizeof(sql), "SELECT name FROM pragma_table_info('%s')%s", view, sorted ? " ORDER BY name" : "");
	ask(r, sql, ret);
}

static void check_view(const struct views *v, const char *name)
{
	AUTO(strbuf) struct strbuf expected = STRBUF_INIT;
	AUTO(strbuf) struct strbuf got = STRBUF_INIT;
	const struct kw_kind_info *info = kw_kind_by_name(name + 2);

	print_message("# %s\n", name);
	if (!documented(v->doc, name, &expected)) {
		if (!info)
			fail_msg("%s is not in schema/VIEWS.md", name);
		columns_of_kind(v->doc, info, &expected);
	}
	columns(v->r, name, false, &got);
	assert_string_equal(strbuf_str(&got), strbuf_str(&expected));
}

static void test_views_are_as_documented(void **state)
{
	const struct views *v = *state;
	AUTO(strbuf) struct strbuf names = STRBUF_INIT;
	char *name, *save = NULL;
	size_t count = 0;

	ask(v->r, "SELECT name FROM pragma_table_list WHERE type = 'view' AND schema = 'temp'", &names);
	for (name = strtok_r(names.data, ",", &save); name; name = strtok_r(NULL, ",", &save), count++)
		check_view(v, name);
	assert_true(count > 20);
}

static void test_documented_views_exist(void **state)
{
	const struct views *v = *state;
	char name[64], sql[128];
	size_t count = 0;

	for (const char *row = v->doc; (row = strstr(row, "\n| `v_")); row++) {
		if (sscanf(row, "\n| `%63[a-z_]`", name) != 1 || !strcmp(name, "v_"))
			continue;
		AUTO(strbuf) struct strbuf got = STRBUF_INIT;

		snprintf(sql, sizeof(sql), "SELECT count(*) || '' FROM %s", name);
		ask(v->r, sql, &got);
		assert_string_not_equal(strbuf_str(&got), "");
		count++;
	}
	assert_true(count > 10);
}

/* `name()`, `name(x)` and `name(x, y)` of the text. */
static void test_functions_exist(void **state)
{
	const struct views *v = *state;
	char name[64], sql[128];
	size_t count = 0;

	for (const char *p = v->doc; (p = strchr(p, '`')); p++) {
		AUTO(strbuf) struct strbuf got = STRBUF_INIT;
		size_t len = strcspn(p + 1, "`");
		const char *args = memchr(p, '(', len), *given = memchr(p, ',', len) ? "1, 0.5" : "1";

		if (sscanf(p, "`%63[a-z_](", name) != 1 || !args)
			continue;
		snprintf(sql, sizeof(sql), "SELECT coalesce(%s(%s), '') || ''", name, args[1] == ')' ? "" : given);
		ask(v->r, sql, &got);
		assert_string_not_equal(strbuf_str(&got), "");
		count++;
	}
	assert_true(count >= 6);
}

/* A rule that passes the check runs over a store: the tables it is checked against have no column that a view lacks. */
static void test_rules_are_checked_against_the_same(void **state)
{
	const struct views *v = *state;
	sqlite3 *db = rules_sql_open();
	sqlite3_stmt *stmt;

	assert_non_null(db);
	assert_int_equal(sqlite3_prepare_v2(db,
					    "SELECT view, group_concat(name) FROM (SELECT s.name AS view, p.name AS name"
					    " FROM sqlite_schema s, pragma_table_info(s.name) p ORDER BY 1, 2) GROUP BY 1",
					    -1, &stmt, NULL),
			 SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		AUTO(strbuf) struct strbuf got = STRBUF_INIT;
		const char *view = (const char *)sqlite3_column_text(stmt, 0);

		print_message("# %s\n", view);
		columns(v->r, view, true, &got);
		assert_string_equal((const char *)sqlite3_column_text(stmt, 1), strbuf_str(&got));
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_views_are_as_documented),
		cmocka_unit_test(test_documented_views_exist),
		cmocka_unit_test(test_functions_exist),
		cmocka_unit_test(test_rules_are_checked_against_the_same),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
