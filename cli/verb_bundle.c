/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyze/bundle.h"
#include "base/cleanup.h"
#include "base/fileutil.h"
#include "base/log.h"
#include "base/timeutil.h"
#include "cli/cli.h"
#include "cli/privilege.h"
#include "cli/term.h"
#include "web/rows.h"

#define DEFAULT_NS (15 * 60 * NSEC_PER_SEC)

/* From --incident, from --since and --until, or the last quarter of an hour. */
static int choose_window(const struct cli *cli, struct bundle_request *request)
{
	json_t *report = NULL;
	struct reader *r;
	int code, error;

	request->to_ns = cli->until_ns ? cli->until_ns : cli->now_ns;
	request->from_ns = cli->since_ns ? cli->since_ns : request->to_ns - DEFAULT_NS;
	if (!cli->incident)
		return CLI_OK;
	if (cli->since_ns || cli->until_ns) {
		log_error("choose --incident, or --since and --until");
		return CLI_USAGE;
	}
	code = cli_open(cli, &r);
	if (code)
		return code;
	error = cli_find_report(r, cli->incident, &report);
	reader_free(r);
	if (error) {
		log_error("there is no incident \"%s\"; kwhy incidents lists them", cli->incident);
		return error == -ENOENT ? CLI_USAGE : CLI_STORE;
	}
	bundle_window(report, cli->now_ns, &request->from_ns, &request->to_ns);
	json_decref(report);
	return CLI_OK;
}

static void say_manifest(const struct cli *cli, const char *path, const json_t *manifest)
{
	AUTO(strbuf) struct strbuf from = STRBUF_INIT, to = STRBUF_INIT;

	if (cli->json) {
		term_json(manifest);
		return;
	}
	time_format(&from, value_int(manifest, "from_ns", 0));
	time_format(&to, value_int(manifest, "to_ns", 0));
	log_info("%s: %" PRId64 " incidents and %" PRId64 " events from %s to %s, redacted: %s, made by kwhy %s", path,
		 value_int(manifest, "incidents", 0), value_int(manifest, "events", 0), strbuf_str(&from),
		 strbuf_str(&to),
		 value_text(manifest, "redaction"), value_text(manifest, "version"));
}

static int export(const struct cli *cli, const char *path)
{
	struct bundle_request request = {
		.state_dir = cli->state,
		.path = path,
		.config = cli->config,
		.version = KWHY_VERSION,
		.created_ns = cli->now_ns,
	};
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *manifest = NULL;
	int code, r;

	if (bundle_redaction(cli->redact, &request.redaction)) {
		log_error("--redact is none, names or all, not \"%s\"", cli->redact);
		return CLI_USAGE;
	}
	code = choose_window(cli, &request);
	if (code)
		return code;
	r = bundle_export(&request, &manifest, &err);
	if (r) {
		log_error("%s", strbuf_str(&err));
		return r == -EEXIST ? CLI_USAGE : CLI_STORE;
	}
	say_manifest(cli, path, manifest);
	json_decref(manifest);
	return CLI_OK;
}

/* Into dir, which is empty or not there yet. */
static int unpack(const struct cli *cli, const char *path, const char *dir)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *manifest = NULL;
	int r = bundle_unpack(path, dir, true, &manifest, &err);

	if (!r)
		say_manifest(cli, path, manifest);
	else
		log_error("%s", strbuf_str(&err));
	json_decref(manifest);
	return r == -EBADMSG ? CLI_FINDING : r ? CLI_STORE : CLI_OK;
}

static int import(const struct cli *cli, const char *path)
{
	int code;

	/* rmdir() removes an empty directory alone: anything else there is somebody's. */
	if (rmdir(cli->state) && errno != ENOENT) {
		log_error("%s is not empty; name a new directory with --state", cli->state);
		return CLI_USAGE;
	}
	if (dir_make(cli->state, 0755)) {
		log_error("cannot make %s: %s", cli->state, strerror(errno));
		return CLI_STORE;
	}
	code = unpack(cli, path, cli->state);
	account_give(config_string(cli->config, "serve.user"), cli->state);
	return code;
}

static int verify(const struct cli *cli, const char *path)
{
	char dir[PATH_MAX];
	int r = dir_make_temporary(dir, sizeof(dir), "kwhy-bundle"), code;

	if (r) {
		log_error("cannot make a temporary directory: %s", strerror(-r));
		return CLI_STORE;
	}
	code = unpack(cli, path, dir);
	dir_remove(dir);
	return code;
}

int verb_bundle(struct cli *cli)
{
	static const struct {
		const char *name;
		int (*run)(const struct cli *cli, const char *path);
	} actions[] = { { "export", export }, { "import", import }, { "verify", verify } };

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (!strcmp(cli->args[0], actions[i].name))
			return actions[i].run(cli, cli->args[1]);
	log_error("bundle knows export, import and verify, not \"%s\"", cli->args[0]);
	return CLI_USAGE;
}
