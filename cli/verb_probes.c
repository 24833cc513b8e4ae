/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/term.h"
#include "collect/probe.h"
#include "collect/sampler.h"
#include "web/lists.h"
#include "web/rows.h"

static void print_rows(const json_t *rows)
{
	static const struct column columns[] = {
		{ "PROBE", false, false },  { "STATE", false, false }, { "EMITTED", true, false },
		{ "STORED", true, false },  { "LOST", true, false },   { "SUPPRESSED", true, false },
		{ "COST", true, false },    { "RUNS", true, false },   { "HOOKS", false, true },
		{ "MISSING", false, true },   { "NEEDED FOR", false, true },
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
		table_addf(&t, "%.3f %%", (double)value_int(row, "cost_ppm", 0) / 10000);
		table_addf(&t, "%" PRId64, value_int(row, "run_count", 0));
		table_add(&t, value_text(row, "attach"));
		table_add(&t, value_text(row, "why"));
		table_add(&t, value_text(row, "needed_for"));
	}
	table_print(&t);
}

/* Causes whose diagnosis rests on this source of evidence; "" for one that this build does not have. */
static const char *causes_of(const char *name)
{
	for (unsigned int i = 0; probes[i]; i++)
		if (!strcmp(probes[i]->name, name))
			return probes[i]->causes;
	for (unsigned int i = 0; samplers[i]; i++)
		if (!strcmp(samplers[i]->name, name))
			return samplers[i]->causes;
	return "";
}

/* What is not whole says which diagnoses suffer from it. */
static int64_t list(const struct cli *cli, struct reader *r, json_t **ret_rows, struct strbuf *ret_error)
{
	int64_t n;
	json_t *row;
	size_t i;

	if (cli->at_ns)
		reader_as_of(r, cli->at_ns);
	n = list_probes(r, ret_rows, ret_error);
	json_array_foreach (*ret_rows, i, row)
		if (strcmp(value_text(row, "state"), "attached"))
			json_object_set_new(row, "needed_for", json_string(causes_of(value_text(row, "probe"))));
	return n;
}

int verb_probes(struct cli *cli)
{
	return cli_list(cli, list, print_rows, "no probe has reported yet");
}
