/* SPDX-License-Identifier: Apache-2.0 */
/* The whole of a state directory diagnosed in one go: what replays, bundles and their checks compare. */
#ifndef KWHY_ANALYZE_DIAGNOSIS_H
#define KWHY_ANALYZE_DIAGNOSIS_H

#include <stdbool.h>

#include "base/config.h"
#include "base/strbuf.h"

/*
 * Analyses every tick stored below state_dir, which has no reports yet, and appends the newest revision of each report
 * to *ret_lines, oldest onset first, a compact JSON object a line; without its generator (version and hashes) when
 * bare, so that other rules or another version count only where they change something.
 * Negative errno with a line in *ret_error.
 */
int diagnose_store(const char *state_dir, const struct config *config, bool bare, struct strbuf *ret_lines,
		   struct strbuf *ret_error);

#endif
