/* SPDX-License-Identifier: Apache-2.0 */
/* Adding and ending silences, for the API and the form of /alerts. */
#ifndef KWHY_WEB_SILENCING_H
#define KWHY_WEB_SILENCING_H

#include <jansson.h>

#include "web/http.h"

/* given: as the API takes it (analyze/silences.h).  0 and a new reference, or what http_problem() returned. */
int silence_add(const struct http_request *req, struct http_response *res, const json_t *given, json_t **ret_silence);
int silence_end(const struct http_request *req, struct http_response *res, const char *id);

#endif
