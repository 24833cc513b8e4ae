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

static int64_t list(const struct cli *cli, struct reader *r, json_t **ret_rows, struct strbuf *ret_error)
{
	return list_containers(r, cli->at_ns, ret_rows, ret_error);
}

int verb_containers(struct cli *cli)
{
	return cli_list(cli, list, print_rows, NULL);
}
