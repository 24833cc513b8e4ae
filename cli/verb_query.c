/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analyze/queries.h"
#include "analyze/worker.h"
#include "base/log.h"
#include "base/timeutil.h"
#include "cli/cli.h"
#include "cli/term.h"
#include "web/rows.h"

#define TABLE_ROWS 2000
#define TIME_NS (60 * NSEC_PER_SEC)

struct output {
	const struct cli *cli;
	struct table table;
	struct column columns[TABLE_COLUMNS_MAX];
	char titles[TABLE_COLUMNS_MAX][48];
	int64_t rows;
};

/* RFC 4180: quotes doubled, a field with separators, quotes or line ends quoted. */
static void csv_field(const char *text, size_t len)
{
	bool quote = false;

	for (size_t i = 0; i < len; i++)
		quote = quote || strchr(",\"\r\n", text[i]);
	if (!quote) {
		fwrite(text, 1, len, stdout);
		return;
	}
	putchar('"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"')
			putchar('"');
		putchar(text[i]);
	}
	putchar('"');
}

static void csv_value(const struct query_value *v)
{
	if (v->type == VALUE_INT)
		printf("%" PRId64, v->integer);
	else if (v->type == VALUE_REAL)
		printf("%.15g", v->real);
	else if (v->type != VALUE_NULL && v->text)
		csv_field(v->text, (size_t)v->size);
}

static void csv_row(struct output *o, int count, const char *const *names, const struct query_value *values)
{
	for (int i = 0; !o->rows && i < count; i++) {
		fputs(i ? "," : "", stdout);
		csv_field(names[i], strlen(names[i]));
	}
	if (!o->rows)
		fputs("\r\n", stdout);
	for (int i = 0; i < count; i++) {
		fputs(i ? "," : "", stdout);
		csv_value(&values[i]);
	}
	fputs("\r\n", stdout);
}

static void table_start(struct output *o, int count, const char *const *names, const struct query_value *values)
{
	o->table.columns = o->columns;
	o->table.column_count = (size_t)MIN(count, TABLE_COLUMNS_MAX);
	for (size_t i = 0; i < o->table.column_count; i++) {
		AUTO(strbuf) struct strbuf plain = STRBUF_INIT;

		strbuf_add_plain(&plain, names[i]);
		snprintf(o->titles[i], sizeof(o->titles[i]), "%s", strbuf_str(&plain));
		o->columns[i] = (struct column){
			.title = o->titles[i],
			.right = values[i].type == VALUE_INT || values[i].type == VALUE_REAL,
			.elastic = values[i].type != VALUE_INT && values[i].type != VALUE_REAL,
		};
	}
}

static void table_row(struct output *o, int count, const char *const *names, const struct query_value *values)
{
	if (!o->rows)
		table_start(o, count, names, values);
	for (size_t i = 0; i < o->table.column_count; i++) {
		const struct query_value *v = &values[i];

		if (v->type == VALUE_INT)
			table_addf(&o->table, "%" PRId64, v->integer);
		else if (v->type == VALUE_REAL)
			table_addf(&o->table, "%.6g", v->real);
		else if (v->type == VALUE_BLOB)
			table_addf(&o->table, "(%d bytes)", v->size);
		else
			table_add(&o->table, v->type == VALUE_TEXT ? v->text : "");
	}
}

static int take_row(void *ctx, int count, const char *const *names, const struct query_value *values)
{
	struct output *o = ctx;

	if (o->cli->json) {
		json_t *row = rows_object(count, names, values);

		if (!row)
			return -ENOMEM;
		term_json(row);
		json_decref(row);
	} else if (o->cli->csv) {
		csv_row(o, count, names, values);
	} else {
		table_row(o, count, names, values);
	}
	o->rows++;
	return o->table.failed ? -ENOMEM : ferror(stdout) ? -EPIPE : 0;
}

static int run(struct cli *cli, const char *sql, const struct query_param *params, size_t count)
{
	struct output o = { .cli = cli };
	const struct worker_request request = {
		.program = WORKER_SELF,
		.state_dir = cli->state,
		.from_ns = cli->since_ns,
		.to_ns = cli->until_ns ? cli->until_ns : INT64_MAX,
		.at_ns = cli->at_ns,
		.sql = sql,
		.params = params,
		.param_count = count,
		.limits = { .rows = cli->limit		    ? cli->limit
				    : cli->json || cli->csv ? READER_ROWS_MAX
							    : TABLE_ROWS,
			    .time_ns = TIME_NS },
		.memory_bytes = config_bytes(cli->config, "query.memory"),
	};
	AUTO(strbuf) struct strbuf err = STRBUF_INIT, warnings = STRBUF_INIT;
	bool truncated;
	int64_t n = worker_query(&request, take_row, &o, &truncated, &warnings, &err);
	int code;

	if (warnings.len)
		log_warning("%s", strbuf_str(&warnings));
	if (o.table.cell_count)
		table_print(&o.table);
	if (n == -E2BIG && cli->limit)
		n = cli->limit; /* as many as were asked for */
	code = n == -EPIPE ? CLI_OK : cli_query_done(cli, truncated, n, &err);
	table_cleanup(&o.table);
	return code;
}

static int run_sql(struct cli *cli)
{
	const struct query_param params[] = {
		{ .name = ":since", .type = PARAM_INT, .integer = cli->since_ns },
		{ .name = ":until", .type = PARAM_INT, .integer = cli->until_ns ? cli->until_ns : INT64_MAX },
		{ .name = ":now", .type = PARAM_INT, .integer = cli->now_ns },
	};

	return run(cli, cli->args[0], params, ARRAY_SIZE(params));
}

static int run_saved(struct cli *cli)
{
	struct saved_queries *all = NULL;
	struct saved_values values;
	struct reader *r;
	const char *sql;
	int code = cli_open(cli, &r);

	if (code)
		return code;
	code = cli_saved_query(cli, r, &all, &sql, &values);
	reader_free(r);
	if (!code)
		code = run(cli, sql, values.params, values.count);
	saved_queries_free(all);
	return code;
}

int verb_query(struct cli *cli)
{
	if (!cli->saved && !cli->arg_count)
		return cli_list_saved(cli);
	if (cli->saved ? cli->arg_count > 0 : cli->param_count > 0) {
		log_error("either SQL, or --saved NAME with its parameters");
		return CLI_USAGE;
	}
	return cli->saved ? run_saved(cli) : run_sql(cli);
}
