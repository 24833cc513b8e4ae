/* SPDX-License-Identifier: Apache-2.0 */
/* What the API and the page /alerts share: which span is asked for; adding and ending silences. */
#ifndef KWHY_WEB_SILENCING_H
#define KWHY_WEB_SILENCING_H

#include <jansson.h>

#include "web/http.h"

/* From ?at=, ?since= and ?until=, for alertstore_between().  -EINVAL after http_problem(). */
int alert_span(const struct http_request *req, struct http_response *res, int64_t *ret_since_ns, int64_t *ret_until_ns);
/* given: as the API takes it (analyze/silences.h).  0 and a new reference, or what http_problem() returned. */
int silence_add(const struct http_request *req, struct http_response *res, const json_t *given, json_t **ret_silence);
int silence_end(const struct http_request *req, struct http_response *res, const char *id);

#endif
