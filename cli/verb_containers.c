/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/term.h"
#include "web/lists.h"
#include "web/rows.h"

static void print_rows(const json_t *rows)
{
	static const struct column columns[] = {
		{ "NAME", false, true },  { "KIND", false, false },  { "RUNTIME", false, false },
		{ "POD", false, true },	  { "ID", false, true },     { "FIRST SEEN", false, false },
		{ "GONE", false, false }, { "CGROUP", false, true },
	};
	AUTO(table) struct table t = { .columns = columns, .column_count = ARRAY_SIZE(columns) };
	json_t *row;
	size_t i;

	json_array_foreach ((json_t *)rows, i, row) {
		AUTO_FREE char *id = strndup(value_text(row, "id"), 12);

		table_add(&t, value_text(row, "name"));
		table_add(&t, value_text(row, "kind"));
		table_add(&t, value_text(row, "runtime"));
		table_add(&t, value_text(row, "pod"));
		table_add(&t, id);
		table_add_time(&t, value_int(row, "first_ns", 0));
		table_add_time(&t, value_int(row, "last_ns", 0));
		table_add(&t, value_text(row, "cgroup"));
	}
	table_print(&t);
}

int verb_containers(struct cli *cli)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *rows = NULL, *row;
	struct reader *r;
	size_t i;
	int64_t n;
	int code = cli_open(cli, &r);

	if (code)
		return code;
	n = list_containers(r, cli->at_ns, &rows, &err);
	if (cli->json)
		json_array_foreach (rows, i, row)
			term_json(row);
	else if (json_array_size(rows))
		print_rows(rows);
	code = cli_query_done(cli, r, n, &err);
	json_decref(rows);
	reader_free(r);
	return code;
}
