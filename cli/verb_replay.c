/* SPDX-License-Identifier: Apache-2.0 */
/* A capture taken through the same path as live records: store, analysis, reports.  The same file gives the same bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aggregate/aggregate.h"
#include "aggregate/capture.h"
#include "analyze/analyzer.h"
#include "analyze/reports.h"
#include "base/fileutil.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/term.h"

#define EXPECTED_MAX (256u << 20)
#define DIFF_LINES 3

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_tree(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

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

static int analyze_store(const struct cli *cli, const char *dir)
{
	const struct analyzer_options options = { .state_dir = dir, .config = cli->config };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct analyzer *a;
	int r = analyzer_new(&options, &a, &err);

	if (r) {
		log_error("cannot analyse: %s", err.len ? strbuf_str(&err) : strerror(-r));
		return CLI_STORE;
	}
	while ((r = analyzer_run(a)) > 0)
		;
	if (r >= 0)
		r = analyzer_finish(a);
	analyzer_free(a);
	if (r < 0)
		log_error("analysis failed: %s", strerror(-r));
	return r < 0 ? CLI_STORE : CLI_OK;
}

static int add_report(void *ctx, const json_t *report)
{
	return json_array_append(ctx, (json_t *)report) ? -ENOMEM : 0;
}

static int dump_chunk(const char *data, size_t len, void *ctx)
{
	strbuf_add(ctx, data, len);
	return 0;
}

/* Newest revision of each report, oldest onset first, one a line. */
static int read_reports(const char *dir, struct strbuf *out)
{
	const struct incident_filter all = { .limit = 100000 };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *reports = json_array();
	struct reader *r = NULL;
	int64_t n = reader_open(dir, &r, &err);

	if (!n)
		n = reader_select(r, 0, INT64_MAX);
	if (n >= 0)
		n = reports_each(r, &all, add_report, reports);
	for (size_t i = json_array_size(reports); i-- > 0;) {
		json_dump_callback(json_array_get(reports, i), dump_chunk, out, JSON_COMPACT);
		strbuf_addch(out, '\n');
	}
	json_decref(reports);
	reader_free(r);
	if (n < 0)
		log_error("cannot read the reports: %s", err.len ? strbuf_str(&err) : strerror((int)-n));
	return n < 0 ? CLI_STORE : CLI_OK;
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

static int verify(const struct cli *cli, const struct strbuf *reports)
{
	AUTO(strbuf) struct strbuf path = STRBUF_INIT;
	AUTO_FREE char *expected = NULL;
	size_t len;
	int r;

	if (cli->arg_count > 1)
		strbuf_addstr(&path, cli->args[1]);
	else if (*cli->verify)
		strbuf_addstr(&path, cli->verify);
	else
		strbuf_addf(&path, "%s.reports.jsonl", cli->args[0]);
	r = file_read_alloc(AT_FDCWD, strbuf_str(&path), EXPECTED_MAX, &expected, &len);
	if (r) {
		log_error("cannot read what to compare with, %s: %s", strbuf_str(&path), strerror(-r));
		return CLI_STORE;
	}
	r = compare(expected, strbuf_str(reports));
	if (r)
		log_error("the diagnosis differs from %s", strbuf_str(&path));
	else
		log_info("the diagnosis is that of %s", strbuf_str(&path));
	return r;
}

int verb_replay(struct cli *cli)
{
	AUTO(strbuf) struct strbuf reports = STRBUF_INIT;
	const char *tmp = getenv("TMPDIR");
	char dir[256];
	int code, filled;

	if (cli->arg_count > 1 && !cli->verify) {
		log_error("a second file is what --verify compares with");
		return CLI_USAGE;
	}
	snprintf(dir, sizeof(dir), "%.200s/kwhy-replay-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(dir)) {
		log_error("cannot make %s: %s", dir, strerror(errno));
		return CLI_STORE;
	}
	filled = fill_store(cli, dir);
	code = filled == CLI_PARTIAL ? CLI_OK : filled;
	if (!code)
		code = analyze_store(cli, dir);
	if (!code)
		code = read_reports(dir, &reports);
	if (!code && cli->verify)
		code = verify(cli, &reports);
	else if (!code)
		term_print(strbuf_str(&reports));
	remove_tree(dir);
	return code ? code : filled;
}
