/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "analyze/analyzer.h"
#include "analyze/reports.h"
#include "base/log.h"
#include "base/timeutil.h"
#include "cli/cli.h"
#include "cli/report_text.h"
#include "cli/term.h"
#include "web/render_report.h"
#include "web/rows.h"

static int print_report(const struct cli *cli, const json_t *report)
{
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;

	if (cli->json) {
		term_json(report);
		return CLI_OK;
	}
	if (cli->md)
		render_report_markdown(&out, report);
	else if (cli->html)
		render_report_html(&out, report);
	else
		report_text(&out, report, term_width(), term_colour());
	return term_print(strbuf_str(&out));
}

struct prefix {
	const char *text;
	char id[40];
	unsigned int matches;
};

static int match_prefix(void *ctx, const json_t *report)
{
	struct prefix *p = ctx;
	const char *id = value_text(report, "id");

	if (!strncasecmp(id, p->text, strlen(p->text))) {
		p->matches++;
		strncpy(p->id, id, sizeof(p->id) - 1);
	}
	return 0;
}

int cli_find_report(struct reader *r, const char *text, json_t **ret_report)
{
	const struct incident_filter all = { .limit = 100000, .brief = true };
	struct prefix p = { .text = text };
	int error = reports_get(r, text, 0, ret_report);

	if (error != -ENOENT || strlen(text) < 3)
		return error;
	if (reports_each(r, &all, match_prefix, &p) < 0 || !p.matches)
		return -ENOENT;
	return p.matches > 1 ? -ENOTUNIQ : reports_get(r, p.id, 0, ret_report);
}

int verb_report(struct cli *cli)
{
	json_t *report = NULL;
	struct reader *r;
	int code = cli_open_as_of(cli, &r), error;

	if (code)
		return code;
	error = cli_find_report(r, cli->args[0], &report);
	if (!error)
		code = print_report(cli, report);
	else if (error == -ENOENT || error == -ENOTUNIQ)
		log_error(error == -ENOENT ? "there is no incident %s in %s"
					   : "more than one incident begins with %s in %s",
			  cli->args[0], cli->state);
	else
		log_error("cannot read the report: %s", strerror(-error));
	json_decref(report);
	reader_free(r);
	return !error ? code : error == -ENOENT ? CLI_FINDING : error == -ENOTUNIQ ? CLI_USAGE : CLI_STORE;
}

int verb_why(struct cli *cli)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	int64_t from = cli->since_ns, to = cli->until_ns, first, last;
	json_t *report = NULL;
	struct reader *r;
	int code = cli_open_as_of(cli, &r), error;

	if (code)
		return code;
	/* Without --since the last minute; on a stopped system the last minute there was. */
	if (!to)
		to = reader_bounds(r, &first, &last) ? cli->now_ns : MIN(last, cli->now_ns);
	if (!from)
		from = to - 60 * NSEC_PER_SEC;
	reader_free(r);
	error = analyze_why(cli->state, cli->config, cli->args[0], from, to, &report, &err);
	if (!error) {
		code = print_report(cli, report);
		json_decref(report);
		return code;
	}
	log_error("%s", err.len		    ? strbuf_str(&err)
			: error == -ENOENT  ? "no container of that name, ref, id or cgroup path is known"
			: error == -ENODATA ? "nothing is stored for that time"
					    : strerror(-error));
	return error == -ENOENT ? CLI_FINDING : CLI_STORE;
}
