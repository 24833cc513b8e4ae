/* SPDX-License-Identifier: Apache-2.0 */
/* A report for reading on a terminal: the headline, who did what to whom, the budget, the claims and the remedy. */
#ifndef KWHY_CLI_REPORT_TEXT_H
#define KWHY_CLI_REPORT_TEXT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/strbuf.h"

/* width 0: unlimited. */
void report_text(struct strbuf *out, const json_t *report, size_t width, bool colour);

#endif
