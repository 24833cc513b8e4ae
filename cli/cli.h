/* SPDX-License-Identifier: Apache-2.0 */
/* What every verb gets: its parsed options.  One table of verbs (cli/verbs.def), one of options (cli/options.c). */
#ifndef KWHY_CLI_CLI_H
#define KWHY_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "analyze/reader.h"
#include "base/config.h"
#include "base/strbuf.h"

/* Exit codes of the contract. */
enum {
	CLI_OK = 0,
	CLI_FINDING = 1, /* a check failed, a diagnosis differs */
	CLI_USAGE = 2,
	CLI_HOST = 3,  /* this host cannot */
	CLI_STORE = 4, /* daemon or store not reachable */
	CLI_PARTIAL = 5,
};

#define CLI_ARGS_MAX 256
#define CLI_OWN_PIDS_MAX 8
#define CLI_PARAMS_MAX 8
#define CLI_AGAINST_MAX 4

struct cli {
	const struct verb *verb;
	const char *args[CLI_ARGS_MAX + 1]; /* what is no option; NULL-terminated */
	size_t arg_count;
	int64_t now_ns;

	const char *state, *listen, *config_file;
	struct config *config;	   /* defaults, the file, then --set */
	struct strbuf config_args; /* --config and --set as given, each NUL-terminated: to hand on to children */
	int64_t since_ns, until_ns, at_ns; /* 0: not given */
	bool json, csv, md, html, follow, supervised, bare, once, help;
	const char *bundle, *incident, *redact;
	const char *type;
	const char *kind, *container, *verify, *keep, *capture, *status, *severity, *cause;
	int64_t limit, capture_max, rounds;
	const char *against[CLI_AGAINST_MAX];
	size_t against_count;
	int64_t own_pids[CLI_OWN_PIDS_MAX];
	size_t own_pid_count;
	const char *saved, *params[CLI_PARAMS_MAX]; /* "name=value" */
	size_t param_count;
};

struct verb {
	const char *name;
	const char *args;    /* synopsis of what is no option */
	const char *options; /* names, separated by spaces; --state, --config, --set and --help go with every verb */
	size_t args_min, args_max;
	int (*run)(struct cli *cli);
	const char *text; /* one sentence */
};

const struct verb *verb_at(size_t i); /* NULL past the end */
const struct verb *verb_find(const char *name);
/* The verb somebody may have meant; NULL when none is near. */
const char *verb_nearest(const char *name);

/* argv begins behind the verb.  0, or -EINVAL with a line in *ret_error. */
int cli_parse(struct cli *cli, const struct verb *verb, int argc, char *const *argv, struct strbuf *ret_error);
void cli_cleanup(struct cli *cli);
/* Synopsis and options of a verb, for `kwhy help VERB`. */
void cli_describe(const struct verb *verb, struct strbuf *out);
/* Its own options, or those common to all verbs. */
typedef void (*cli_option_fn)(void *ctx, const char *name, const char *metavar, const char *text);
void cli_each_option(const struct verb *verb, bool common, cli_option_fn fn, void *ctx);

/* Which of enum web_guard (web/listen.h) the settings ask for. */
unsigned int cli_guard(const struct cli *cli);
/* Runs the verb over a bundle, unpacked into a state directory that goes with the verb's end. */
int cli_run_on_bundle(struct cli *cli);
/*
 * Opens the store and selects what --since and --until ask for; says what is wrong and returns an exit code (0: fine).
 */
int cli_open(const struct cli *cli, struct reader **ret_reader);
/* The same, as of the moment that --at names. */
int cli_open_as_of(const struct cli *cli, struct reader **ret_reader);
/*
 * For `kwhy query`: the SQL of --saved and the values of its parameters.  An exit code.  The query belongs to *ret_all.
 */
struct saved_queries;
struct saved_values;
int cli_saved_query(const struct cli *cli, struct reader *r, struct saved_queries **ret_all, const char **ret_sql,
		    struct saved_values *ret_values);
/* Prints the saved queries there are; an exit code. */
int cli_list_saved(const struct cli *cli);
/* By an id, or the beginning of exactly one: -ENOENT none, -EINVAL several.  *ret_report is a new reference. */
int cli_find_report(struct reader *r, const char *text, json_t **ret_report);
/*
 * A verb that is one list: opens the store, asks list(), prints its rows as JSON lines or with print().  none: said
 * when there are none, NULL: nothing.
 */
int cli_list(const struct cli *cli,
	     int64_t (*list)(const struct cli *cli, struct reader *r, json_t **ret_rows, struct strbuf *ret_error),
	     void (*print)(const json_t *rows), const char *none);
/*
 * The exit code of a query that returned n (rows or negative errno), with a message when it failed; truncated: shards of
 * the store were left out.
 */
int cli_query_done(const struct cli *cli, bool truncated, int64_t n, const struct strbuf *error);

#define VERB(name, args, options, min, max, text) int verb_##name(struct cli *cli);
#include "cli/verbs.def"
#undef VERB

#endif
