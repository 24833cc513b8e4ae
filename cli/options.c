/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"
#include "cli/cli.h"

enum option_type {
	OPTION_FLAG,
	OPTION_TEXT,
	OPTION_MAYBE, /* --name or --name=TEXT; without text the value is "" */
	OPTION_TIME,
	OPTION_INT,
	OPTION_SIZE,
	OPTION_PIDS,
	OPTION_PARAM,
	OPTION_AGAINST,
	OPTION_SET,
	OPTION_CONFIG,
};

struct option_info {
	const char *name;
	enum option_type type;
	size_t offset;
	const char *metavar, *text;
};

#define AT(member) offsetof(struct cli, member)

static const struct option_info options[] = {
	{ "state", OPTION_TEXT, AT(state), "DIR", "where the store is ($KWHY_STATE, else /var/lib/kwhy)" },
	{ "config", OPTION_CONFIG, 0, "FILE", "settings, one \"key = value\" a line" },
	{ "set", OPTION_SET, 0, "KEY=VALUE", "one setting; may be repeated; see kwhy help config" },
	{ "help", OPTION_FLAG, AT(help), "", "this text" },
	{ "listen", OPTION_TEXT, AT(listen), "ADDR:PORT|unix:PATH", "where to serve (127.0.0.1:7070)" },
	{ "since", OPTION_TIME, AT(since_ns), "TIME", "from then on: 10:01, yesterday, -5min, 2026-11-22T10:01:00Z" },
	{ "until", OPTION_TIME, AT(until_ns), "TIME", "up to then" },
	{ "at", OPTION_TIME, AT(at_ns), "TIME", "as of that moment" },
	{ "json", OPTION_FLAG, AT(json), "", "JSON; for lists one object a line" },
	{ "csv", OPTION_FLAG, AT(csv), "", "comma-separated values (RFC 4180)" },
	{ "md", OPTION_FLAG, AT(md), "", "Markdown" },
	{ "html", OPTION_FLAG, AT(html), "", "a complete HTML document" },
	{ "follow", OPTION_FLAG, AT(follow), "", "go on with what comes" },
	{ "once", OPTION_FLAG, AT(once), "", "one look and no more; so does output that is no terminal" },
	{ "kind", OPTION_TEXT, AT(kind), "KIND", "only this kind, such as runq, block, oom" },
	{ "container", OPTION_TEXT, AT(container), "NAME",
	  "only this container, by name, ref, cgroup or beginning of its id" },
	{ "type", OPTION_TEXT, AT(type), "STRUCT", "what its buffers carry, when it cannot be found out" },
	{ "cause", OPTION_TEXT, AT(cause), "CODE", "only this cause; cpu means cpu.*" },
	{ "status", OPTION_TEXT, AT(status), "STATUS", "open or resolved" },
	{ "severity", OPTION_TEXT, AT(severity), "SEVERITY", "info, warning or critical" },
	{ "limit", OPTION_INT, AT(limit), "N", "the newest N" },
	{ "capture", OPTION_TEXT, AT(capture), "FILE.kwcap", "also write every record to a file for kwhy replay" },
	{ "capture-max", OPTION_SIZE, AT(capture_max), "SIZE", "stop capturing at this size" },
	{ "own-pid", OPTION_PIDS, 0, "PID", "a process to leave out; may be repeated" },
	{ "rounds", OPTION_INT, AT(rounds), "N", "so many rounds (9)" },
	{ "bare", OPTION_FLAG, AT(bare), "", "run the loads once beside whatever runs, and print their CPU time" },
	{ "against", OPTION_AGAINST, 0, "COMMAND", "another observer to compare with; may be repeated" },
	{ "supervised", OPTION_FLAG, AT(supervised), "", "ends with its parent, and leaves its parent's children out" },
	{ "saved", OPTION_TEXT, AT(saved), "NAME", "run this saved query" },
	{ "param", OPTION_PARAM, 0, "NAME=VALUE", "a parameter of the saved query; may be repeated" },
	{ "verify", OPTION_MAYBE, AT(verify), "[=EXPECTED.jsonl]",
	  "compare with what was reported before (FILE.reports.jsonl)" },
	{ "keep", OPTION_TEXT, AT(keep), "DIR", "make the store in this new directory and leave it there, for --state" },
	{ "bundle", OPTION_TEXT, AT(bundle), "FILE", "read this bundle instead of a state directory" },
	{ "incident", OPTION_TEXT, AT(incident), "ID", "the time of this incident, and what led to it" },
	{ "redact", OPTION_TEXT, AT(redact), "LEVEL",
	  "none; names (of containers, images, the node, kernel log); all (programs and addresses too)" },
};

static const char always[] = "state config set help";

static bool in_list(const char *name, size_t len, const char *list)
{
	while (*list) {
		size_t n = strcspn(list, " ");

		if (n == len && !strncmp(list, name, n))
			return true;
		list += n + (list[n] == ' ');
	}
	return false;
}

static const struct option_info *find_option(const struct verb *verb, const char *name, size_t len)
{
	if (!in_list(name, len, always) && !in_list(name, len, verb->options))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (strlen(options[i].name) == len && !strncmp(options[i].name, name, len))
			return &options[i];
	return NULL;
}

static int bad_value(struct strbuf *err, const struct option_info *o, const char *value, const char *want)
{
	strbuf_addf(err, "--%s needs %s, not \"", o->name, want);
	strbuf_add_plain(err, value);
	strbuf_addch(err, '"');
	return -EINVAL;
}

static int read_int(const char *value, int64_t *ret)
{
	int64_t n;

	if (int_parse(value, &n) < 0 || n < 1)
		return -EINVAL;
	*ret = n;
	return 0;
}

static void remember_config(struct cli *cli, const char *name, const char *value)
{
	strbuf_addf(&cli->config_args, "--%s=%s", name, value);
	strbuf_addch(&cli->config_args, 0);
}

static int set_config(struct cli *cli, const struct option_info *o, const char *value, struct strbuf *err)
{
	const char *equals = strchr(value, '=');
	AUTO_FREE char *key = NULL;

	remember_config(cli, o->name, value);
	if (o->type == OPTION_CONFIG)
		return config_load(cli->config, value, err);
	if (!equals)
		return bad_value(err, o, value, "KEY=VALUE");
	key = strndup(value, (size_t)(equals - value));
	return key ? config_set(cli->config, key, equals + 1, err) : -ENOMEM;
}

static int set_value(struct cli *cli, const struct option_info *o, const char *value, struct strbuf *err)
{
	void *field = (char *)cli + o->offset;

	switch (o->type) {
	case OPTION_FLAG:
		*(bool *)field = true;
		return 0;
	case OPTION_TEXT:
	case OPTION_MAYBE:
		*(const char **)field = value;
		return 0;
	case OPTION_TIME:
		return time_parse(value, cli->now_ns, field)
			       ? bad_value(err, o, value,
					   "a time such as 10:01, yesterday, -5min or 2026-11-22T10:01:00Z")
			       : 0;
	case OPTION_INT:
		return read_int(value, field) ? bad_value(err, o, value, "a number from 1") : 0;
	case OPTION_SIZE:
		return size_parse(value, field) ? bad_value(err, o, value, "a size such as 64M") : 0;
	case OPTION_PIDS:
		if (cli->own_pid_count == CLI_OWN_PIDS_MAX || read_int(value, &cli->own_pids[cli->own_pid_count]))
			return bad_value(err, o, value, "a process id, at most eight times");
		cli->own_pid_count++;
		return 0;
	case OPTION_PARAM:
		if (cli->param_count == CLI_PARAMS_MAX || !strchr(value, '='))
			return bad_value(err, o, value, "NAME=VALUE, at most eight times");
		cli->params[cli->param_count++] = value;
		return 0;
	case OPTION_AGAINST:
		if (cli->against_count == CLI_AGAINST_MAX)
			return bad_value(err, o, value, "a command, at most four times");
		cli->against[cli->against_count++] = value;
		return 0;
	case OPTION_SET:
	case OPTION_CONFIG:
		return set_config(cli, o, value, err);
	}
	return -EINVAL;
}

static bool takes_value(const struct option_info *o)
{
	return o->type != OPTION_FLAG && o->type != OPTION_MAYBE;
}

/* One "--name[=value]"; returns how many further arguments it took, or -EINVAL. */
static int parse_option(struct cli *cli, int argc, char *const *argv, struct strbuf *err)
{
	const char *name = argv[0] + 2, *value = strchr(name, '=');
	size_t len = value ? (size_t)(value - name) : strlen(name);
	const struct option_info *o = find_option(cli->verb, name, len);
	int taken = 0;

	if (!o) {
		strbuf_addf(err, "%s knows no option --", cli->verb->name);
		strbuf_add_plain(err, name);
		return -EINVAL;
	}
	if (value)
		value++;
	if (value && o->type == OPTION_FLAG)
		return bad_value(err, o, value, "no value");
	if (!value && takes_value(o)) {
		if (argc < 2) {
			strbuf_addf(err, "--%s needs a value: %s", o->name, o->metavar);
			return -EINVAL;
		}
		value = argv[1];
		taken = 1;
	}
	return set_value(cli, o, value ? value : "", err) ? -EINVAL : taken;
}

static int add_argument(struct cli *cli, const char *arg, struct strbuf *err)
{
	if (cli->arg_count < MIN(cli->verb->args_max, CLI_ARGS_MAX)) {
		cli->args[cli->arg_count++] = arg;
		return 0;
	}
	strbuf_addf(err, "%s takes %s%s, not \"", cli->verb->name, cli->verb->args_max ? "only " : "no arguments",
		    cli->verb->args_max ? cli->verb->args : "");
	strbuf_add_plain(err, arg);
	strbuf_addch(err, '"');
	return -EINVAL;
}

static int check(const struct cli *cli, struct strbuf *err)
{
	if (cli->help)
		return 0;
	if (cli->arg_count < cli->verb->args_min) {
		strbuf_addf(err, "%s needs %s", cli->verb->name, cli->verb->args);
		return -EINVAL;
	}
	if (cli->json + cli->csv + cli->md + cli->html > 1) {
		strbuf_addstr(err, "choose one form of output");
		return -EINVAL;
	}
	if (cli->since_ns && cli->until_ns && cli->since_ns > cli->until_ns) {
		strbuf_addstr(err, "--since is later than --until");
		return -EINVAL;
	}
	return 0;
}

int cli_parse(struct cli *cli, const struct verb *verb, int argc, char *const *argv, struct strbuf *ret_error)
{
	const char *state = getenv("KWHY_STATE");
	bool only_arguments = false;
	int r = 0;

	*cli = (struct cli){ .verb = verb, .now_ns = time_wall_ns(), .config = config_new() };
	if (!cli->config)
		return -ENOMEM;
	cli->state = state && *state ? state : "/var/lib/kwhy";
	cli->listen = "127.0.0.1:7070";
	for (int i = 0; i < argc && r >= 0; i++) {
		if (!only_arguments && !strcmp(argv[i], "--")) {
			only_arguments = true;
		} else if (!only_arguments && !strcmp(argv[i], "-h")) {
			cli->help = true;
		} else if (!only_arguments && !strncmp(argv[i], "--", 2)) {
			r = parse_option(cli, argc - i, argv + i, ret_error);
			i += MAX(r, 0);
		} else if (!only_arguments && argv[i][0] == '-' && argv[i][1]) {
			strbuf_addstr(ret_error, "options have two dashes: -");
			strbuf_add_plain(ret_error, argv[i]);
			r = -EINVAL;
		} else {
			r = add_argument(cli, argv[i], ret_error);
		}
	}
	return r < 0 ? r : check(cli, ret_error);
}

void cli_cleanup(struct cli *cli)
{
	config_free(cli->config);
	strbuf_cleanup(&cli->config_args);
}

static void describe_option(const struct option_info *o, struct strbuf *out)
{
	char head[64];

	snprintf(head, sizeof(head), "--%s%s%s", o->name, *o->metavar && *o->metavar != '[' ? " " : "", o->metavar);
	strbuf_addf(out, "  %-28s %s\n", head, o->text);
}

void cli_describe(const struct verb *verb, struct strbuf *out)
{
	strbuf_addf(out, "Usage: kwhy %s%s%s [OPTIONS]\n\n%s.\n\nOptions:\n", verb->name, *verb->args ? " " : "",
		    verb->args, verb->text);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (find_option(verb, options[i].name, strlen(options[i].name)))
			describe_option(&options[i], out);
}

void cli_each_option(const struct verb *verb, bool common, cli_option_fn fn, void *ctx)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option_info *o = &options[i];
		size_t len = strlen(o->name);

		if (in_list(o->name, len, common ? always : verb->options))
			fn(ctx, o->name, o->metavar, o->text);
	}
}
