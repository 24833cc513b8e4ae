/* SPDX-License-Identifier: Apache-2.0 */
/* Saved queries on the command line. */
#include <string.h>

#include "analyze/queries.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/term.h"

static int load(const struct cli *cli, struct saved_queries **ret_all)
{
	AUTO(strbuf) struct strbuf messages = STRBUF_INIT;
	int r = saved_queries_load(config_string(cli->config, "query.saved"), ret_all, &messages);

	if (messages.len)
		log_warning("left out of the saved queries:\n%s", strbuf_str(&messages));
	if (r)
		log_error("the saved queries cannot be read: %s", strerror(-r));
	return r ? CLI_STORE : CLI_OK;
}

static const char *given(const void *ctx, const char *name)
{
	const struct cli *cli = ctx;
	size_t len = strlen(name);

	for (size_t i = 0; i < cli->param_count; i++)
		if (!strncmp(cli->params[i], name, len) && cli->params[i][len] == '=')
			return cli->params[i] + len + 1;
	return NULL;
}

static bool takes(const struct saved_query *q, const char *param)
{
	for (size_t i = 0; i < q->param_count; i++) {
		size_t len = strlen(q->params[i].name);

		if (!strncmp(param, q->params[i].name, len) && param[len] == '=')
			return true;
	}
	return false;
}

int cli_saved_query(const struct cli *cli, struct reader *r, struct saved_queries **ret_all, const char **ret_sql,
		    struct saved_values *ret_values)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	const struct saved_query *q;
	int64_t first, last = cli->now_ns;
	int code = load(cli, ret_all);

	if (code)
		return code;
	q = saved_queries_find(*ret_all, cli->saved);
	if (!q) {
		log_error("there is no saved query of that name; kwhy query lists them");
		return CLI_USAGE;
	}
	for (size_t i = 0; i < cli->param_count; i++)
		if (!takes(q, cli->params[i])) {
			log_error("%s takes no parameter %.*s", q->name, (int)strcspn(cli->params[i], "="),
				  cli->params[i]);
			return CLI_USAGE;
		}
	reader_bounds(r, &first, &last);
	if (saved_query_bind(q, given, cli, cli->since_ns, cli->until_ns, last, ret_values, &err)) {
		log_error("%s", strbuf_str(&err));
		return CLI_USAGE;
	}
	*ret_sql = q->sql;
	return CLI_OK;
}

static void add_params(struct table *t, const struct saved_query *q)
{
	AUTO(strbuf) struct strbuf names = STRBUF_INIT;

	for (size_t i = 0; i < q->param_count; i++)
		strbuf_addf(&names, "%s%s", i ? " " : "", q->params[i].name);
	table_add(t, strbuf_str(&names));
}

int cli_list_saved(const struct cli *cli)
{
	struct column columns[] = { { .title = "Name" },
				    { .title = "What it answers", .elastic = true },
				    { .title = "Parameters" } };
	struct table t = { .columns = columns, .column_count = ARRAY_SIZE(columns) };
	const struct saved_query *q;
	struct saved_queries *all;
	int code = load(cli, &all);

	if (code)
		return code;
	for (size_t i = 0; (q = saved_queries_at(all, i)); i++) {
		if (cli->json) {
			json_t *row = saved_query_json(q);

			term_json(row);
			json_decref(row);
			continue;
		}
		table_add(&t, q->name);
		table_add(&t, q->about);
		add_params(&t, q);
	}
	if (t.cell_count)
		table_print(&t);
	table_cleanup(&t);
	saved_queries_free(all);
	return CLI_OK;
}
