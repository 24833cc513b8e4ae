/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/timeutil.h"
#include "cli/cli.h"
#include "cli/term.h"
#include "schema/kinds.h"
#include "web/lists.h"
#include "web/rows.h"

#define FOLLOW_MS 500
#define FOLLOW_LIMIT 5000
#define LIMIT_DEFAULT 1000
/* Records of a tick are committed together: an event may be this much older than the newest row when it appears. */
#define FOLLOW_BACK_NS (3 * NSEC_PER_SEC)

static const struct column columns[] = {
	{ "TIME", false, false },	{ "KIND", false, false },    { "CONTAINER", false, true },
	{ "OTHER PARTY", false, true }, { "DURATION", true, false }, { "WHAT HAPPENED", false, true },
};

static void add_line(struct table *t, const json_t *e)
{
	table_add_time(t, value_int(e, "ts_ns", 0));
	table_add(t, value_text(e, "kind"));
	table_add(t, value_text(e, "container_name"));
	table_add(t, value_text(e, "peer_name"));
	table_add_span(t, value_int(e, "duration_ns", 0));
	table_add(t, value_text(e, "summary"));
}

/* Oldest first, as a log reads. */
static void print_events(const struct cli *cli, const json_t *rows)
{
	AUTO(table) struct table t = { .columns = columns, .column_count = ARRAY_SIZE(columns) };

	for (size_t i = json_array_size(rows); i-- > 0;) {
		if (cli->json)
			term_json(json_array_get(rows, i));
		else
			add_line(&t, json_array_get(rows, i));
	}
	if (t.cell_count)
		table_print(&t);
	fflush(stdout);
}

static int check_kind(const char *name)
{
	const struct kw_kind_info *kind = name ? kw_kind_by_name(name) : NULL;

	if (!name || (kind && kind->class == KW_CLASS_CONTEXT))
		return CLI_OK;
	fprintf(stderr, "kwhy: ERROR: there is no kind of event \"%.40s\"; there are:", name);
	for (size_t i = 0; (kind = kw_kind_at(i)); i++)
		if (kind->class == KW_CLASS_CONTEXT)
			fprintf(stderr, " %s", kind->name);
	fputc('\n', stderr);
	return CLI_USAGE;
}

/* Drops from rows what was printed before: everything not newer than seen, and what seen_rows holds of the time after
 * it. */
static json_t *only_new(const json_t *rows, const json_t *before)
{
	json_t *out = json_array(), *row, *old;
	size_t i, j;

	json_array_foreach ((json_t *)rows, i, row) {
		bool known = false;

		json_array_foreach ((json_t *)before, j, old)
			known = known || json_equal(row, old);
		if (!known)
			json_array_append(out, row);
	}
	return out;
}

static int follow(const struct cli *cli, struct reader *r, struct event_filter filter)
{
	json_t *before = json_array(), *rows, *fresh;
	int64_t n, newest;

	filter.limit = FOLLOW_LIMIT;
	for (;;) {
		AUTO(strbuf) struct strbuf err = STRBUF_INIT;

		n = list_events(r, &filter, &rows, &err);
		if (n == -ENODATA || n == -ENOENT) {
			poll(NULL, 0, FOLLOW_MS);
			continue;
		}
		if (n < 0 && n != -E2BIG) {
			json_decref(before);
			return cli_query_done(cli, reader_truncated(r), n, &err);
		}
		fresh = only_new(rows, before);
		print_events(cli, fresh);
		json_decref(fresh);
		newest = value_int(json_array_get(rows, 0), "ts_ns", 0);
		if (newest - FOLLOW_BACK_NS > filter.since_ns)
			filter.since_ns = newest - FOLLOW_BACK_NS;
		json_decref(before);
		before = rows;
		if (ferror(stdout) || (cli->until_ns && time_wall_ns() > cli->until_ns + FOLLOW_BACK_NS))
			break;
		poll(NULL, 0, FOLLOW_MS);
	}
	json_decref(before);
	return CLI_OK;
}

int verb_events(struct cli *cli)
{
	struct event_filter filter = {
		.since_ns = cli->since_ns,
		.until_ns = cli->until_ns,
		.kind = cli->kind,
		.container = cli->container,
		.limit = cli->limit	 ? cli->limit
			 : cli->since_ns ? READER_ROWS_MAX
					 : LIMIT_DEFAULT,
	};
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *rows = NULL;
	struct reader *r;
	int64_t n;
	int code = check_kind(cli->kind);

	if (!code)
		code = cli_open_as_of(cli, &r);
	if (code)
		return code;
	if (cli->follow) {
		if (!filter.since_ns)
			filter.since_ns = cli->now_ns;
		code = follow(cli, r, filter);
		reader_free(r);
		return code;
	}
	n = list_events(r, &filter, &rows, &err);
	if (rows)
		print_events(cli, rows);
	if (!json_array_size(rows) && n >= 0 && !cli->json)
		log_info("no event matches");
	/* Cut by the default limit: say so, as what was asked for is more. */
	if (n == filter.limit && !cli->limit)
		log_info("the newest %" PRId64 " events; --limit or --since show more", filter.limit);
	code = cli_query_done(cli, reader_truncated(r), n, &err);
	json_decref(rows);
	reader_free(r);
	return code;
}
