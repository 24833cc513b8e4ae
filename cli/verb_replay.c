/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture taken through the same path as live records: store, analysis, reports; or a bundle, whose rows are stored
 * already.  The same file gives the same bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "aggregate/aggregate.h"
#include "aggregate/capture.h"
#include "analyze/bundle.h"
#include "analyze/diagnosis.h"
#include "base/fileutil.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/privilege.h"
#include "cli/term.h"

#define EXPECTED_MAX (256u << 20)
#define DIFF_LINES 3

/* Every record into a store below dir.  What stands before damage is used: CLI_PARTIAL. */
static int fill_store(const struct cli *cli, const char *dir)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct aggregate *aggregate = NULL;
	struct capture_reader *capture;
	struct capture_header header;
	const struct kw_event *event;
	uint64_t refused = 0;
	bool torn;
	int r = capture_open(cli->args[0], &capture, &header, &err);

	if (r) {
		log_error("cannot read %s: %s", cli->args[0], err.len ? strbuf_str(&err) : strerror(-r));
		return CLI_STORE;
	}
	r = aggregate_new(dir, cli->config, header.boot_id, &aggregate, &err);
	if (r)
		log_error("cannot make a store in %s: %s", dir, err.len ? strbuf_str(&err) : strerror(-r));
	else
		aggregate_origin(aggregate, header.node, header.kernel, header.arch);
	while (!r && (r = capture_read(capture, &event)) > 0) {
		r = aggregate_event(aggregate, event);
		refused += r == -EBADMSG;
		r = r == -EBADMSG ? 0 : r;
	}
	torn = r == -EBADMSG;
	if (torn) {
		log_warning("%s is torn or damaged; what stands before that is used", cli->args[0]);
		r = 0;
	} else if (r && aggregate) {
		log_error("cannot store the records: %s", strerror(-r));
	}
	if (refused)
		log_warning("%llu records were malformed", (unsigned long long)refused);
	aggregate_free(aggregate);
	capture_free(capture);
	return r ? CLI_STORE : torn || refused ? CLI_PARTIAL : CLI_OK;
}

/* A line around the first byte that differs. */
static void say_line(char sign, size_t number, const char *line, size_t len, size_t from)
{
	AUTO(strbuf) struct strbuf plain = STRBUF_INIT;
	AUTO_FREE char *cut;
	size_t start = from > 60 ? from - 60 : 0;

	cut = strndup(line + start, MIN(len - start, 160));
	strbuf_add_plain(&plain, cut ? cut : "");
	fprintf(stderr, "%c line %zu: %s%s\n", sign, number, start ? "…" : "", strbuf_str(&plain));
}

static int compare(const char *expected, const char *actual)
{
	size_t line = 0, shown = 0;

	while (*expected || *actual) {
		size_t a = strcspn(expected, "\n"), b = strcspn(actual, "\n"), same = 0;

		line++;
		while (same < a && same < b && expected[same] == actual[same])
			same++;
		if ((same != a || same != b) && shown++ < DIFF_LINES) {
			say_line('-', line, expected, a, same);
			say_line('+', line, actual, b, same);
		}
		expected += a + (expected[a] == '\n');
		actual += b + (actual[b] == '\n');
	}
	if (shown > DIFF_LINES)
		fprintf(stderr, "and %zu more lines differ\n", shown - DIFF_LINES);
	return shown ? CLI_FINDING : CLI_OK;
}

/* What to compare with: the file named, the one beside the capture, or the diagnosis that a bundle carries. */
static void expected_path(const struct cli *cli, const char *dir, bool bundle, struct strbuf *path)
{
	if (cli->arg_count > 1)
		strbuf_addstr(path, cli->args[1]);
	else if (*cli->verify)
		strbuf_addstr(path, cli->verify);
	else if (bundle)
		strbuf_addf(path, "%s/" BUNDLE_DIAGNOSIS, dir);
	else
		strbuf_addf(path, "%s.reports.jsonl", cli->args[0]);
}

static int verify(const struct cli *cli, const char *dir, bool bundle, const struct strbuf *reports)
{
	AUTO(strbuf) struct strbuf path = STRBUF_INIT;
	AUTO_FREE char *expected = NULL;
	const char *what;
	size_t len;
	int r;

	expected_path(cli, dir, bundle, &path);
	what = bundle && cli->arg_count == 1 && !*cli->verify ? "the one in the bundle" : strbuf_str(&path);
	r = file_read_alloc(AT_FDCWD, strbuf_str(&path), EXPECTED_MAX, &expected, &len);
	if (r) {
		log_error("cannot read what to compare with, %s: %s", strbuf_str(&path), strerror(-r));
		return CLI_STORE;
	}
	r = compare(expected, strbuf_str(reports));
	if (r)
		log_error("the diagnosis differs from %s", what);
	else
		log_info("the diagnosis is that of %s", what);
	return r;
}

static int fill_from_bundle(const struct cli *cli, const char *dir)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *manifest = NULL;
	int r = bundle_unpack(cli->args[0], dir, false, &manifest, &err);

	json_decref(manifest);
	if (r)
		log_error("%s", strbuf_str(&err));
	return r ? CLI_STORE : CLI_OK;
}

/* A new one: what is in a directory already is nobody's to mix with. */
static int make_directory(const struct cli *cli, char *ret_dir, size_t size)
{
	int r;

	if (!cli->keep) {
		r = dir_make_temporary(ret_dir, size, "kwhy-replay");
		if (r)
			log_error("cannot make a temporary directory: %s", strerror(-r));
		return r ? CLI_STORE : CLI_OK;
	}
	if ((size_t)snprintf(ret_dir, size, "%s", cli->keep) >= size || mkdir(cli->keep, 0755)) {
		log_error("cannot make %s: %s", cli->keep, strerror(errno));
		return CLI_STORE;
	}
	return CLI_OK;
}

int verb_replay(struct cli *cli)
{
	AUTO(strbuf) struct strbuf reports = STRBUF_INIT, err = STRBUF_INIT;
	bool bundle = bundle_is(cli->args[0]);
	char dir[PATH_MAX];
	int code, filled;

	if (cli->arg_count > 1 && !cli->verify) {
		log_error("a second file is what --verify compares with");
		return CLI_USAGE;
	}
	code = make_directory(cli, dir, sizeof(dir));
	if (code)
		return code;
	filled = bundle ? fill_from_bundle(cli, dir) : fill_store(cli, dir);
	code = filled == CLI_PARTIAL ? CLI_OK : filled;
	if (!code && diagnose_store(dir, cli->config, bundle, &reports, &err)) {
		log_error("%s", strbuf_str(&err));
		code = CLI_STORE;
	}
	if (!code && cli->verify)
		code = verify(cli, dir, bundle, &reports);
	else if (!code)
		term_print(strbuf_str(&reports));
	if (cli->keep)
		account_give(config_string(cli->config, "serve.user"), dir);
	else
		dir_remove(dir);
	return code ? code : filled;
}
