/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "analyze/alertstore.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/term.h"
#include "web/rows.h"

struct output {
	struct table *table;
	bool json;
};

static int add_alert(void *ctx, struct alert *a)
{
	const struct output *out = ctx;
	const char *summary = value_text(a->annotations, "summary");

	if (out->json) {
		json_t *row = alert_row(a);

		term_json(row);
		json_decref(row);
		return 0;
	}
	table_add_time(out->table, a->life.active_ns);
	table_add(out->table, alert_state_name(a->life.state));
	table_add(out->table, a->rule);
	table_add(out->table, *summary ? summary : value_text(a->labels, "container"));
	table_add(out->table, a->held_by);
	return out->table->failed ? -ENOMEM : 0;
}

static int list(const struct cli *cli, struct alertstore *store)
{
	static const struct column columns[] = {
		{ "SINCE", false, false },   { "STATE", false, false },	  { "ALERT", false, false },
		{ "SUMMARY", false, true }, { "HELD BACK BY", false, false },
	};
	AUTO(table) struct table t = { .columns = columns, .column_count = ARRAY_SIZE(columns) };
	struct output out = { &t, cli->json };
	int64_t until_ns = cli->until_ns ? cli->until_ns : cli->at_ns ? cli->at_ns : cli->now_ns;
	int n = alertstore_between(store, cli->since_ns, until_ns, add_alert, &out);

	if (n < 0) {
		log_error("cannot read the alerts: %s", strerror(-n));
		return CLI_STORE;
	}
	if (t.cell_count)
		table_print(&t);
	else if (!cli->json)
		log_info("no alert was pending, firing or resolved then");
	return CLI_OK;
}

int verb_alerts(struct cli *cli)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct alertstore *store;
	int code;

	if (alertstore_open(cli->state, false, &store, &err)) {
		log_error("%s", strbuf_str(&err));
		return CLI_STORE;
	}
	code = list(cli, store);
	alertstore_free(store);
	return code;
}
