/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/term.h"
#include "web/lists.h"
#include "web/rows.h"

static void print_rows(const json_t *rows)
{
	static const struct column columns[] = {
		{ "PROBE", false, false },  { "STATE", false, false }, { "EMITTED", true, false },
		{ "STORED", true, false },  { "LOST", true, false },   { "SUPPRESSED", true, false },
		{ "COST", true, false },    { "RUNS", true, false },   { "HOOKS", false, true },
		{ "MISSING", false, true },
	};
	AUTO(table) struct table t = { .columns = columns, .column_count = ARRAY_SIZE(columns) };
	json_t *row;
	size_t i;

	json_array_foreach ((json_t *)rows, i, row) {
		table_add(&t, value_text(row, "probe"));
		table_add(&t, value_text(row, "state"));
		table_addf(&t, "%" PRId64, value_int(row, "emitted", 0));
		table_addf(&t, "%" PRId64, value_int(row, "stored", 0));
		table_addf(&t, "%" PRId64, value_int(row, "lost_ring", 0) + value_int(row, "lost_other", 0));
		table_addf(&t, "%" PRId64, value_int(row, "suppressed", 0));
		table_add_span(&t, value_int(row, "run_ns", 0));
		table_addf(&t, "%" PRId64, value_int(row, "run_count", 0));
		table_add(&t, value_text(row, "attach"));
		table_add(&t, value_text(row, "why"));
	}
	table_print(&t);
}

int verb_probes(struct cli *cli)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *rows = NULL, *row;
	struct reader *r;
	size_t i;
	int64_t n;
	int code = cli_open(cli, &r);

	if (code)
		return code;
	n = list_probes(r, &rows, &err);
	if (cli->json)
		json_array_foreach (rows, i, row)
			term_json(row);
	else if (json_array_size(rows))
		print_rows(rows);
	else if (n >= 0)
		log_info("no probe has reported yet");
	code = cli_query_done(cli, r, n, &err);
	json_decref(rows);
	reader_free(r);
	return code;
}
