/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/alerting.h"
#include "analyze/alertrules.h"
#include "analyze/rules.h"
#include "analyze/rules_test.h"
#include "base/fileutil.h"
#include "base/log.h"
#include "base/timeutil.h"
#include "cli/cli.h"
#include "cli/term.h"
#include "web/rows.h"

#define RULE_FILE_MAX (256 * 1024)

/* Alert rules and diagnosis rules alike: what a file holds tells which it is. */
static int check(struct cli *cli)
{
	AUTO(strbuf) struct strbuf messages = STRBUF_INIT;
	const char *rules[CLI_ARGS_MAX];
	size_t count = 0;
	int r = 0;

	for (size_t i = 1; i < cli->arg_count; i++) {
		AUTO_FREE char *text = NULL;
		size_t len;

		if (!file_read_alloc(AT_FDCWD, cli->args[i], RULE_FILE_MAX, &text, &len) && alert_rules_are(text))
			r |= alert_rules_check(cli->args[i], &messages);
		else
			rules[count++] = cli->args[i];
	}
	if (count)
		r |= rules_check_files(rules, count, &messages);
	/* What is found is the result, not a message. */
	term_print(strbuf_str(&messages));
	return r ? CLI_FINDING : CLI_OK;
}

static int test(struct cli *cli)
{
	AUTO(strbuf) struct strbuf found = STRBUF_INIT;
	int code = CLI_OK;

	for (size_t i = 1; i < cli->arg_count; i++)
		if (rules_test_file(cli->args[i], &found))
			code = CLI_FINDING;
	term_print(strbuf_str(&found));
	return code;
}

static void print_changes(const struct cli *cli, const json_t *changes)
{
	static const struct column columns[] = {
		{ "TIME", false, false }, { "ALERT", false, false }, { "STATE", false, false },
		{ "VALUE", true, false }, { "LABELS", false, true },
	};
	AUTO(table) struct table t = { .columns = columns, .column_count = ARRAY_SIZE(columns) };
	const json_t *change;
	size_t i;

	json_array_foreach (changes, i, change) {
		char *labels = json_dumps(json_object_get(change, "labels"), JSON_SORT_KEYS);
		char value[32];

		if (cli->json) {
			term_json(change);
		} else {
			snprintf(value, sizeof(value), "%g", json_number_value(json_object_get(change, "value")));
			table_add_time(&t, value_int(change, "ts_ns", 0));
			table_add(&t, value_text(change, "alert"));
			table_add(&t, value_text(change, "state"));
			table_add(&t, value);
			table_add(&t, labels ? labels : "");
		}
		free(labels);
	}
	if (t.cell_count)
		table_print(&t);
	else if (!cli->json)
		log_info("no alert would have changed its state");
}

/* What the alert rules of one file would have done in the past: the last hour, or --since to --until. */
static int eval(struct cli *cli)
{
	int64_t to_ns = cli->until_ns ? cli->until_ns : cli->now_ns;
	int64_t from_ns = cli->since_ns ? cli->since_ns : to_ns - 3600 * NSEC_PER_SEC;
	AUTO(strbuf) struct strbuf messages = STRBUF_INIT;
	json_t *changes = NULL;
	int r;

	if (cli->arg_count != 2) {
		log_error("rules eval takes one file");
		return CLI_USAGE;
	}
	if (alert_rules_check(cli->args[1], &messages)) {
		term_print(strbuf_str(&messages));
		return CLI_FINDING;
	}
	r = alerting_back_test(cli->state, cli->args[1], from_ns, to_ns, &changes, &messages);
	if (messages.len)
		log_warning("%s", strbuf_str(&messages));
	if (r)
		return CLI_STORE;
	print_changes(cli, changes);
	json_decref(changes);
	return messages.len ? CLI_PARTIAL : CLI_OK;
}

int verb_rules(struct cli *cli)
{
	static const struct {
		const char *name;
		int (*run)(struct cli *cli);
	} actions[] = { { "check", check }, { "test", test }, { "eval", eval } };

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (!strcmp(cli->args[0], actions[i].name))
			return actions[i].run(cli);
	log_error("rules knows check, test and eval, not \"%s\"", cli->args[0]);
	return CLI_USAGE;
}
