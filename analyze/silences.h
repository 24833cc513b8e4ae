/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Silences: matchers over an alert's labels, with an author, a reason and an end.  As JSON, in and out of the API and
 * the store: {"id", "matchers": [{"name", "op": "="|"!="|"=~"|"!~", "value"}], "author", "comment", "starts_ns",
 * "ends_ns"}; regular expressions are POSIX extended ones over the whole value, without back-references.
 */
#ifndef KWHY_ANALYZE_SILENCES_H
#define KWHY_ANALYZE_SILENCES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

#define SILENCE_MATCHERS_MAX 16
#define SILENCE_TEXT_MAX 256

/* A clean copy of what somebody sent: starts_ns is now when absent, an id is given.  NULL with a line in *ret_error. */
json_t *silence_read(const json_t *given, int64_t now_ns, struct strbuf *ret_error);
/* "container=web", "cause=~cpu.*": one matcher as people write it.  NULL when it is none. */
json_t *silence_matcher(const char *text);
/* Whether it holds the alert back at that moment.  A label that is missing is "". */
bool silence_matches(const json_t *silence, const json_t *labels, int64_t now_ns);

#endif
