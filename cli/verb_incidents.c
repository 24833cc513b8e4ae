/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "analyze/reports.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/term.h"
#include "web/rows.h"

static int print_json(void *ctx, const json_t *report)
{
	(void)ctx;
	term_json(report);
	return 0;
}

static int add_line(void *ctx, const json_t *report)
{
	const json_t *window = json_object_get(report, "window");
	int64_t onset = value_int(window, "onset_ns", 0), end = value_int(window, "end_ns", 0);
	struct table *t = ctx;

	table_add_time(t, onset);
	if (end > onset)
		table_add_span(t, end - onset);
	else
		table_add(t, "open");
	table_add(t, value_text(report, "severity"));
	table_add(t, value_text(report, "cause"));
	table_add(t, value_text(report, "headline"));
	table_add(t, value_text(report, "id"));
	return t->failed ? -ENOMEM : 0;
}

static int check_words(const struct cli *cli)
{
	if (cli->status && strcmp(cli->status, "open") && strcmp(cli->status, "resolved")) {
		log_error("--status is open or resolved, not \"%s\"", cli->status);
		return CLI_USAGE;
	}
	if (cli->severity && strcmp(cli->severity, "info") && strcmp(cli->severity, "warning") &&
	    strcmp(cli->severity, "critical")) {
		log_error("--severity is info, warning or critical, not \"%s\"", cli->severity);
		return CLI_USAGE;
	}
	return CLI_OK;
}

int verb_incidents(struct cli *cli)
{
	static const struct column columns[] = {
		{ "ONSET", false, false }, { "DURATION", true, false }, { "SEVERITY", false, false },
		{ "CAUSE", false, false }, { "HEADLINE", false, true }, { "ID", false, false },
	};
	const struct incident_filter filter = {
		.since_ns = cli->since_ns,
		.until_ns = cli->until_ns,
		.cause = cli->cause,
		.status = cli->status,
		.severity = cli->severity,
		.container = cli->container,
		.limit = cli->limit ? cli->limit : 100000,
		.brief = !cli->json,
	};
	AUTO(table) struct table t = { .columns = columns, .column_count = ARRAY_SIZE(columns) };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct reader *r;
	int64_t n;
	int code = check_words(cli);

	if (!code)
		code = cli_open_as_of(cli, &r);
	if (code)
		return code;
	n = reports_each(r, &filter, cli->json ? print_json : add_line, &t);
	if (n >= 0 && !cli->json && t.cell_count)
		table_print(&t);
	else if (!n && !cli->json)
		log_info("no incident%s", cli->since_ns || cli->until_ns ? " in that time" : " so far");
	if (n < 0)
		strbuf_addf(&err, "cannot read the incidents: %s", strerror((int)-n));
	code = cli_query_done(cli, reader_truncated(r), n, &err);
	reader_free(r);
	return code;
}
