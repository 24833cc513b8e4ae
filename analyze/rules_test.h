/* SPDX-License-Identifier: Apache-2.0 */
/* `kwhy rules test`: rules against made-up evidence in a YAML file (analyze/rules/README.md). */
#ifndef KWHY_ANALYZE_RULES_TEST_H
#define KWHY_ANALYZE_RULES_TEST_H

#include "base/strbuf.h"

/*
 * Runs the tests of one file and adds a line for each to *out, "ok NAME" or "not ok NAME: why".  The number that failed,
 * or -EINVAL with what is wrong with the file in *out.
 */
int rules_test_file(const char *path, struct strbuf *out);

#endif
