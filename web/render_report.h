/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A report/v1 object as text for people.  Total functions: whatever the JSON holds or lacks, the output is well-formed
 * and every string in it is escaped.
 */
#ifndef KWHY_WEB_RENDER_REPORT_H
#define KWHY_WEB_RENDER_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/strbuf.h"

struct report_links {
	const char *address; /* of this report on the server, with or without a query string */
	bool stored;	     /* as an incident: it has other forms too */
	const char *behind_head, *before_foot; /* HTML of the page's; NULL: none */
};

/* The <article>.  links: to the query console and other forms of the report, for a page of the server; NULL: none. */
void render_report_article(struct strbuf *b, const json_t *report, const struct report_links *links);
/* A complete document that needs nothing else: the style sheet is inside. */
void render_report_html(struct strbuf *b, const json_t *report);
/* CommonMark with tables. */
void render_report_markdown(struct strbuf *b, const json_t *report);

/* "", or for a claim that was tested and did not hold what must stand before it: without, it would read as a fact. */
const char *evidence_prefix(const json_t *item);

/* Adds why a cause of the report's hypotheses is not the answer, as plain text; nothing when no test says. */
void hypothesis_reason(const json_t *report, const json_t *hypothesis, struct strbuf *out);

#endif
