/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The analyzer: follows the ticks in the event store and turns symptoms into
 * incidents and reports.  Deterministic: it looks at nothing but the store,
 * the rules and the settings; every tick is analysed once, in order, over rows
 * with ts_ns <= the tick's.
 */
#ifndef KWHY_ANALYZE_ANALYZER_H
#define KWHY_ANALYZE_ANALYZER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "analyze/reader.h"
#include "base/config.h"

struct analyzer;

struct analyzer_options {
	const char *state_dir;
	const struct config *config; /* must outlive the analyzer */
	int64_t from_ns; /* ticks before this are not analysed (0: all stored); live: now minus a little, or the last
			    tick analysed before a restart */
};

/* *ret_error may hold warnings when it succeeds: rules of the site that were left out. */
int analyzer_new(const struct analyzer_options *options, struct analyzer **ret_analyzer, struct strbuf *ret_error);
void analyzer_free(struct analyzer *a);

/* Analyses every tick committed since the last call.  Returns the number of ticks, or negative errno (the store
 * vanished; try again later). */
int analyzer_run(struct analyzer *a);
/* Wall-clock time of the newest tick analysed; 0: none was. */
int64_t analyzer_newest(const struct analyzer *a);
/* Called with each report written (borrowed reference); NULL to unset. */
void analyzer_on_report(struct analyzer *a, void (*fn)(void *ctx, const json_t *report), void *ctx);
/* Whether the rules it works with are no longer those of the site's directory: begin anew, as after a restart. */
bool analyzer_outdated(const struct analyzer *a);
/* Ends what is open as of the last tick: for a replay at its end. */
int analyzer_finish(struct analyzer *a);

/*
 * Diagnoses one container (name, ref, id prefix or cgroup path) over a window on demand, nothing stored.
 * *ret_report: a report/v1 object (new reference) with the best hypothesis, or with cause "none", confidence
 * inconclusive or confirmed, and a headline that says that nothing was wrong in the kernel, and on what coverage.
 * -ENOENT unknown container, -ENODATA nothing stored for that window.
 */
int analyze_why(const char *state_dir, const struct config *config, const char *container, int64_t from_ns,
		int64_t to_ns, json_t **ret_report, struct strbuf *ret_error);

#endif
