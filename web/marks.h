/* SPDX-License-Identifier: Apache-2.0 */
/* What people say about incidents: acknowledged, muted, or that taken back; kept with who, when and why. */
#ifndef KWHY_WEB_MARKS_H
#define KWHY_WEB_MARKS_H

#include <jansson.h>

#include "web/http.h"

/* Sets "mark" of every report of a list to the newest that holds: { what, author, comment, at_ns, until_ns }. */
void marks_add(const struct http_request *req, json_t *reports);
/* JSON lists of the ids of incidents that are acknowledged or muted now. */
struct marked {
	char *acknowledged, *muted;
};
void marks_ids(const struct http_request *req, struct marked *ret);
void marked_cleanup(struct marked *m);
/* The history of one incident and the form that adds to it. */
void marks_section(struct strbuf *b, const struct http_request *req, const char *incident);
/* <span class="badge">: that an incident is acknowledged or muted, and by whom; nothing when mark is NULL. */
void marks_badge(struct strbuf *b, const json_t *mark);
/* What that form sent.  Answers with a redirect to the incident. */
int marks_post(const struct http_request *req, struct http_response *res);

#endif
