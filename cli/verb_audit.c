/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/term.h"
#include "web/audit.h"
#include "web/rows.h"

#define DEFAULT_ENTRIES 100

static void add_row(struct table *t, const json_t *entry)
{
	table_add_time(t, value_int(entry, "ts_ns", 0));
	table_add(t, value_text(entry, "who"));
	table_add(t, value_text(entry, "role"));
	table_add(t, value_text(entry, "from"));
	table_addf(t, "%" PRId64, value_int(entry, "status", 0));
	table_add(t, value_text(entry, "method"));
	table_add(t, value_text(entry, "path"));
	table_add(t, value_text(entry, "body"));
}

static void print(const json_t *entries)
{
	static const struct column columns[] = {
		{ "TIME", false, false },  { "WHO", false, false },    { "ROLE", false, false }, { "FROM", false, false },
		{ "STATUS", true, false }, { "METHOD", false, false }, { "PATH", false, true },	 { "SENT", false, true },
	};
	AUTO(table) struct table t = { .columns = columns, .column_count = ARRAY_SIZE(columns) };
	const json_t *entry;
	size_t i;

	json_array_foreach ((json_t *)entries, i, entry)
		add_row(&t, entry);
	table_print(&t);
}

int verb_audit(struct cli *cli)
{
	json_t *entries = NULL, *entry;
	size_t i;
	int r = audit_read(cli->state, cli->since_ns, cli->until_ns ? cli->until_ns : INT64_MAX,
			   cli->limit ? cli->limit : DEFAULT_ENTRIES, &entries);

	if (r && r != -ENOENT) {
		log_error("cannot read the audit log in %s: %s", cli->state, strerror(-r));
		return CLI_STORE;
	}
	if (cli->json)
		json_array_foreach (entries, i, entry)
			term_json(entry);
	else if (json_array_size(entries))
		print(entries);
	else
		log_info("nothing was changed, and nobody was refused");
	json_decref(entries);
	return CLI_OK;
}
