/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of cgroups and containers, each below what it lies in. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/hashmap.h"
#include "cli/cli.h"
#include "cli/term.h"
#include "web/html.h"
#include "web/lists.h"
#include "web/rows.h"

#define DEPTH_MAX 64
#define ROWS_MAX 65536
#define PROCESSES_SHOWN 3 /* of one container */
#define ID_COLUMN 12      /* of columns[] */
#define TOP INT64_C(-1) /* parent of what lies in nothing that existed at that moment */

struct tree {
	struct table *table;
	struct hashmap *rows;  /* number -> row */
	struct hashmap *below; /* number -> array of rows */
};

static void add_used(struct table *t, double used, double limit, const char *unit)
{
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;

	if (!isnan(used))
		text_quantity(&text, used, unit);
	if (!isnan(used) && limit > 0) {
		strbuf_addch(&text, '/');
		text_quantity(&text, limit, unit);
	}
	table_add(t, strbuf_str(&text));
}

/* Of the minute before the moment. */
static void add_state(struct table *t, const json_t *row)
{
	const json_t *usage = json_object_get(row, "usage"), *pressure = json_object_get(row, "pressure");
	double span = value_number(usage, "span_ns"), stalled_span = value_number(pressure, "span_ns"), worst = 0;
	static const char *const kinds[] = { "cpu_some_ns", "memory_some_ns", "io_some_ns" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		worst = fmax(worst, value_number(pressure, kinds[i]));
	if (json_object_get(row, "open"))
		table_addf(t, "%" PRId64, value_int(row, "open", 0));
	else
		table_add(t, "");
	add_used(t, round(value_number(usage, "cpu_ns") / span * 100) / 100, value_number(usage, "cpu_limit"), "count");
	add_used(t, value_number(usage, "memory_bytes"), value_number(usage, "memory_limit_bytes"), "bytes");
	add_used(t, value_number(usage, "pids"), value_number(usage, "pids_limit"), "count");
	if (worst > 0 && stalled_span > 0)
		table_addf(t, "%.0f%%", worst / stalled_span * 100);
	else
		table_add(t, "");
}

static void print_row(struct table *t, const json_t *row, unsigned int depth)
{
	AUTO_FREE char *id = strndup(value_text(row, "id"), 12);

	table_addf(t, "%*s%s", (int)(2 * depth), "", value_text(row, "name"));
	table_add(t, value_text(row, "kind"));
	table_add(t, value_text(row, "state"));
	add_state(t, row);
	table_add(t, value_text(row, "runtime"));
	table_add(t, value_text(row, "namespace"));
	table_add(t, value_text(row, "pod"));
	table_add(t, value_text(row, "image"));
	table_add(t, id);
	table_add_time(t, value_int(row, "first_ns", 0));
	table_add_time(t, value_int(row, "last_ns", 0));
	table_add(t, value_text(row, "exit_reason"));
	table_add(t, value_text(row, "cgroup"));
}

static void print_processes(struct table *t, const json_t *row, unsigned int depth)
{
	const json_t *process;
	size_t i;

	json_array_foreach(json_object_get(row, "processes"), i, process) {
		if (i == PROCESSES_SHOWN)
			break;
		table_addf(t, "%*s%s", (int)(2 * depth), "", value_text(process, "comm"));
		table_add(t, "process");
		for (unsigned int column = 2; column < t->column_count; column++)
			if (column == ID_COLUMN)
				table_addf(t, "%" PRId64, value_int(process, "pid", 0));
			else
				table_add(t, "");
	}
}

/* Takes the branch out as it goes, so that a circle ends. */
static void print_below(struct tree *t, int64_t parent, unsigned int depth)
{
	json_t *rows = hashmap_remove(t->below, &parent), *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		print_row(t->table, row, depth);
		print_processes(t->table, row, depth + 1);
		print_below(t, value_int(row, "container", TOP), MIN(depth + 1, DEPTH_MAX));
	}
	json_decref(rows);
}

static void put_below(struct tree *t, json_t *row)
{
	int64_t parent = value_int(row, "parent", TOP);
	json_t *rows;

	if (!hashmap_get(t->rows, &parent))
		parent = TOP;
	rows = hashmap_get(t->below, &parent);
	if (!rows) {
		rows = json_array();
		if (hashmap_put(t->below, &parent, rows, NULL)) {
			json_decref(rows);
			return;
		}
	}
	json_array_append(rows, row);
}

static void print_tree(struct tree *t, json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		int64_t number = value_int(row, "container", TOP);

		hashmap_put(t->rows, &number, row, NULL);
	}
	json_array_foreach(rows, i, row)
		put_below(t, row);
	print_below(t, TOP, 0);
	/* A circle of parents hangs from nowhere; the store's writer makes none. */
	for (size_t j = 0; (row = hashmap_next(t->below, &j, NULL));)
		json_decref(row);
}

static void print_rows(const json_t *rows)
{
	static const struct column columns[] = {
		{ "NAME", false, true },	{ "KIND", false, false },  { "STATE", false, false },
		{ "OPEN", true, false },	{ "CPUS", true, false },	{ "MEMORY", true, false }, { "TASKS", true, false },
		{ "STALLED", true, false },	{ "RUNTIME", false, false },
		{ "NAMESPACE", false, true },	{ "POD", false, true },	   { "IMAGE", false, true },
		{ "ID", false, true },		{ "FIRST SEEN", false, false }, { "GONE", false, false },
		{ "ENDED BY", false, true },	{ "CGROUP", false, true },
	};
	AUTO(table) struct table table = { .columns = columns, .column_count = ARRAY_SIZE(columns) };
	struct tree t = { .table = &table,
			  .rows = hashmap_new(sizeof(int64_t), ROWS_MAX),
			  .below = hashmap_new(sizeof(int64_t), ROWS_MAX) };

	if (t.rows && t.below)
		print_tree(&t, (json_t *)rows);
	hashmap_free(t.rows);
	hashmap_free(t.below);
	table_print(&table);
}

static int64_t list(const struct cli *cli, struct reader *r, json_t **ret_rows, struct strbuf *ret_error)
{
	int64_t n = list_containers(r, cli->at_ns, ret_rows, ret_error);

	if (n >= 0)
		list_state(r, cli->at_ns, *ret_rows);
	return n < 0 || !cli->json ? n : list_history(r, cli->at_ns, *ret_rows, ret_error);
}

int verb_containers(struct cli *cli)
{
	return cli_list(cli, list, print_rows, NULL);
}
