/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/diagnosis.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "analyze/analyzer.h"
#include "analyze/reports.h"

#define REPORTS_MAX 100000

static int analyze_all(const char *state_dir, const struct config *config, struct strbuf *ret_error)
{
	const struct analyzer_options options = { .state_dir = state_dir, .config = config };
	struct analyzer *a;
	int r = analyzer_new(&options, &a, ret_error);

	if (r)
		return r;
	while ((r = analyzer_run(a)) > 0)
		;
	if (r >= 0)
		r = analyzer_finish(a);
	analyzer_free(a);
	return r < 0 ? r : 0;
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

static int read_reports(const char *state_dir, bool bare, struct strbuf *ret_lines, struct strbuf *ret_error)
{
	const struct incident_filter all = { .limit = REPORTS_MAX };
	json_t *reports = json_array();
	struct reader *r = NULL;
	int64_t n = reader_open(state_dir, &r, ret_error);

	if (!n)
		n = reader_select(r, 0, INT64_MAX);
	if (n >= 0)
		n = reports_each(r, &all, add_report, reports);
	for (size_t i = json_array_size(reports); i-- > 0;) {
		json_t *report = json_array_get(reports, i);

		if (bare)
			json_object_del(report, "generator");
		json_dump_callback(report, dump_chunk, ret_lines, JSON_COMPACT);
		strbuf_addch(ret_lines, '\n');
	}
	json_decref(reports);
	reader_free(r);
	return n < 0 ? (int)n : strbuf_error(ret_lines);
}

int diagnose_store(const char *state_dir, const struct config *config, bool bare, struct strbuf *ret_lines,
		   struct strbuf *ret_error)
{
	int r = analyze_all(state_dir, config, ret_error);

	if (!r)
		r = read_reports(state_dir, bare, ret_lines, ret_error);
	if (r && !ret_error->len)
		strbuf_addf(ret_error, "cannot diagnose %s: %s", state_dir, strerror(-r));
	return r;
}
