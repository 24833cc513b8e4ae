/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "cli/bench_load.h"
#include "cli/cli.h"
#include "cli/term.h"

static int parse(struct cli *cli, const char *verb, const char *const *args, struct strbuf *err)
{
	char *argv[16];
	int argc = 0;

	for (; args[argc]; argc++)
		argv[argc] = (char *)args[argc];
	assert_non_null(verb_find(verb));
	return cli_parse(cli, verb_find(verb), argc, argv, err);
}

static void defaults_and_environment(void **state)
{
	static const char *const none[] = { NULL };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct cli cli;

	(void)state;
	unsetenv("KWHY_STATE");
	assert_int_equal(parse(&cli, "up", none, &err), 0);
	assert_string_equal(cli.state, "/var/lib/kwhy");
	assert_string_equal(cli.listen, "127.0.0.1:7070");
	cli_cleanup(&cli);
	setenv("KWHY_STATE", "/tmp/other", 1);
	assert_int_equal(parse(&cli, "up", none, &err), 0);
	assert_string_equal(cli.state, "/tmp/other");
	cli_cleanup(&cli);
	unsetenv("KWHY_STATE");
}

static void reads_options(void **state)
{
	static const char *const args[] = { "--state=/s",
					    "--since",
					    "-5min",
					    "--until",
					    "@1795341600",
					    "--kind",
					    "runq",
					    "--container=web",
					    "--json",
					    "--follow",
					    "--set",
					    "collect.tick=2s",
					    "--set=analyze.error_rate=9",
					    "--limit",
					    "7",
					    NULL };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct cli cli;

	(void)state;
	/* The end is before the beginning here: what matters is that both were read. */
	assert_int_equal(parse(&cli, "events", args, &err), -EINVAL);
	assert_string_equal(cli.state, "/s");
	assert_int_equal(cli.since_ns, cli.now_ns - 5 * 60 * NSEC_PER_SEC);
	assert_int_equal(cli.until_ns, INT64_C(1795341600) * NSEC_PER_SEC);
	assert_string_equal(cli.kind, "runq");
	assert_string_equal(cli.container, "web");
	assert_true(cli.json && cli.follow);
	assert_int_equal(cli.limit, 7);
	assert_int_equal(config_ns(cli.config, "collect.tick"), 2 * NSEC_PER_SEC);
	assert_int_equal(config_int(cli.config, "analyze.error_rate"), 9);
	assert_int_equal(cli.config_args.len,
			 strlen("--set=collect.tick=2s") + strlen("--set=analyze.error_rate=9") + 2);
	cli_cleanup(&cli);
}

static void takes_arguments(void **state)
{
	static const char *const sql[] = { "--csv", "SELECT 1", NULL };
	static const char *const dashes[] = { "--", "-- comment", NULL };
	static const char *const verify[] = { "a.kwcap", "--verify", "b.jsonl", NULL };
	static const char *const verify_is[] = { "a.kwcap", "--verify=b.jsonl", NULL };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct cli cli;

	(void)state;
	assert_int_equal(parse(&cli, "query", sql, &err), 0);
	assert_string_equal(cli.args[0], "SELECT 1");
	assert_true(cli.csv);
	cli_cleanup(&cli);
	assert_int_equal(parse(&cli, "query", dashes, &err), 0);
	assert_string_equal(cli.args[0], "-- comment");
	cli_cleanup(&cli);
	assert_int_equal(parse(&cli, "replay", verify, &err), 0);
	assert_string_equal(cli.verify, "");
	assert_string_equal(cli.args[1], "b.jsonl");
	cli_cleanup(&cli);
	assert_int_equal(parse(&cli, "replay", verify_is, &err), 0);
	assert_string_equal(cli.verify, "b.jsonl");
	cli_cleanup(&cli);
}

static void takes_observers_to_compare_with(void **state)
{
	static const char *const args[] = { "pipe", "--against", "a -x", "--rounds", "3", "--against=b", "make -s", NULL };
	static const char *const many[] = { "--against=a", "--against=b", "--against=c", "--against=d", "--against=e",
					    NULL };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct cli cli;

	(void)state;
	assert_int_equal(parse(&cli, "bench", args, &err), 0);
	assert_int_equal(cli.against_count, 2);
	assert_string_equal(cli.against[0], "a -x");
	assert_string_equal(cli.against[1], "b");
	assert_int_equal(cli.rounds, 3);
	assert_int_equal(cli.arg_count, 2);
	assert_string_equal(cli.args[1], "make -s");
	cli_cleanup(&cli);
	assert_int_equal(parse(&cli, "bench", many, &err), -EINVAL);
	cli_cleanup(&cli);
}

/* What a load costs is counted with all its processes; one that fails says so. */
static void measures_loads(void **state)
{
	int64_t ns = 0;

	(void)state;
	assert_int_equal(bench_load_run("sleep 0", &ns), 0);
	assert_true(ns > 0 && ns < NSEC_PER_SEC);
	assert_int_equal(bench_load_run("false", &ns), 1);
	assert_int_equal(bench_load_run("/nonexistent/program", &ns), 127);
	assert_int_equal(bench_load_run(" ", &ns), 126);
	assert_int_equal(bench_load_run("http", &ns), 0);
	assert_true(ns > 5 * NSEC_PER_MSEC);
}

static void refuses(void **state)
{
	static const struct {
		const char *verb, *args[4], *why;
	} cases[] = {
		{ "up", { "--nonsense" }, "no option --nonsense" },
		{ "up", { "--json" }, "no option --json" },
		{ "up", { "extra" }, "no arguments" },
		{ "report", { NULL }, "needs ID" },
		{ "report", { "A", "B" }, "only ID" },
		{ "report", { "A", "--json", "--md" }, "one form" },
		{ "query", { "--limit", "0", "x" }, "number" },
		{ "query", { "--limit" }, "needs a value" },
		{ "events", { "--since", "soon" }, "a time" },
		{ "events", { "--since", "now", "--until=-1h" }, "later than" },
		{ "events", { "--json=yes" }, "no value" },
		{ "events", { "-j" }, "two dashes" },
		{ "up", { "--set", "novalue" }, "KEY=VALUE" },
		{ "up", { "--set", "no.such=1" }, "no.such" },
		{ "up", { "--config", "/nonexistent" }, "/nonexistent" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *const args[] = { cases[i].args[0], cases[i].args[1], cases[i].args[2], NULL };
		AUTO(strbuf) struct strbuf err = STRBUF_INIT;
		struct cli cli;
		int r = parse(&cli, cases[i].verb, args, &err);

		print_message("# %s: %s\n", cases[i].verb, strbuf_str(&err));
		assert_true(r < 0);
		assert_non_null(strstr(strbuf_str(&err), cases[i].why));
		cli_cleanup(&cli);
	}
}

static void messages_are_safe_for_terminals(void **state)
{
	static const char *const args[] = { "--\033[31m", NULL };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct cli cli;

	(void)state;
	assert_int_equal(parse(&cli, "up", args, &err), -EINVAL);
	assert_null(strchr(strbuf_str(&err), '\033'));
	cli_cleanup(&cli);
}

static void suggests_verbs(void **state)
{
	(void)state;
	assert_string_equal(verb_nearest("evnts"), "events");
	assert_string_equal(verb_nearest("Report"), "report");
	assert_null(verb_nearest("completely-different"));
	assert_null(verb_find("bench2"));
	for (size_t i = 0; verb_at(i); i++) {
		AUTO(strbuf) struct strbuf text = STRBUF_INIT;

		cli_describe(verb_at(i), &text);
		assert_non_null(strstr(strbuf_str(&text), verb_at(i)->name));
	}
}

static void tables_fit(void **state)
{
	static const struct column columns[] = { { "NAME", false, false },
						 { "COUNT", true, false },
						 { "TEXT", false, true } };
	AUTO(table) struct table t = { .columns = columns, .column_count = 3 };
	AUTO(strbuf) struct strbuf wide = STRBUF_INIT, narrow = STRBUF_INIT;
	AUTO_FREE char *copy = NULL;

	(void)state;
	table_add(&t, "a\033[1m");
	table_addf(&t, "%d", 5);
	table_add(&t, "größer als das Fenster, sehr viel größer");
	table_format(&t, 0, false, &wide);
	assert_string_equal(strbuf_str(&wide),
			    "NAME   COUNT  TEXT\na?[1m      5  größer als das Fenster, sehr viel größer\n");
	table_format(&t, 34, false, &narrow);
	copy = strdup(strbuf_str(&narrow));
	for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n")) {
		size_t width = 0;

		for (const char *c = line; *c; c++)
			width += (*c & 0xc0) != 0x80;
		assert_true(width <= 34);
	}
	assert_non_null(strstr(strbuf_str(&narrow), "…"));
}

/* Siblings in a tree of groups differ at the end of their paths. */
static void paths_lose_their_beginning(void **state)
{
	static const struct column columns[] = { { "A", false, true }, { "B", true, false } };
	AUTO(table) struct table t = { .columns = columns, .column_count = 2 };
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;

	(void)state;
	table_add(&t, "/kubepods.slice/größe");
	table_add(&t, "1");
	table_add(&t, "/a waited for what /b did");
	table_add(&t, "2");
	table_format(&t, 15, false, &out);
	assert_string_equal(strbuf_str(&out), "A             B\n…slice/größe  1\n/a waited f…  2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_and_environment),
		cmocka_unit_test(reads_options),
		cmocka_unit_test(takes_arguments),
		cmocka_unit_test(takes_observers_to_compare_with),
		cmocka_unit_test(measures_loads),
		cmocka_unit_test(refuses),
		cmocka_unit_test(messages_are_safe_for_terminals),
		cmocka_unit_test(suggests_verbs),
		cmocka_unit_test(tables_fit),
		cmocka_unit_test(paths_lose_their_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
