/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of every page and the small pieces of HTML that pages share.  All text is escaped here. */
#ifndef KWHY_WEB_PAGE_H
#define KWHY_WEB_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "web/http.h"

struct page {
	const char *title;    /* before " · kwhy" */
	const char *section;  /* path of the navigation entry that is current; NULL: none */
	unsigned int refresh; /* seconds between two times that it fetches itself again, at least; 0: it never does */
	const char *script;   /* a module of web/static/ beside the one of every page; NULL: none */
	const char *style;    /* likewise */
	bool on_incident;     /* it does when an incident changed, else with every tick */
};

/* Whether the program carries the libraries that draw charts in the browser (web/ui); pages do without, too. */
bool page_has_libraries(void);
void page_begin(struct http_response *res, const struct page *page);
void page_end(struct http_response *res);
/* Whether ?format=json asks for the model instead of the page. */
bool page_wants_json(const struct http_request *req);
/* A whole page for a request that failed. */
void page_problem(const struct http_request *req, struct http_response *res);
/* When a list has no rows: what that means. */
void page_empty(struct strbuf *b, const char *text);
/*
 * Addresses of pages are permanent: a since, until, at, from or to that is not absolute ("-5min") is answered with a redirect to
 * the address with that moment written out.  True when it was.
 */
bool page_absolute_times(const struct http_request *req, struct http_response *res);
/* "since=..&kind=.." of the request without these parameters; ends with '&' unless empty.  For links.  also: may be NULL. */
void page_query_without(struct strbuf *b, const struct http_request *req, const char *name, const char *also);
/* A link to the query console with this SQL. */
void page_console_link(struct strbuf *b, const char *sql, const char *text);
/* A labelled text field of a filter form, filled with what the request has. */
void page_field(struct strbuf *b, const struct http_request *req, const char *name, const char *label,
		const char *hint);
/* A labelled choice; choices ends with NULL. */
void page_select(struct strbuf *b, const struct http_request *req, const char *name, const char *label,
		 const char *const *choices);
/*
 * One value of a facet, { value, n }: an item with a link that narrows the page to it, or takes that back when it is what
 * was asked for.
 */
void page_facet(struct strbuf *b, const struct http_request *req, const char *facet, const json_t *row);
/* One row of a list of incidents. */
void page_incident_rows(struct strbuf *b, const json_t *reports);
/* The field "author" of a form: filled in when a token says who somebody is. */
void page_author(struct strbuf *b, const struct http_request *req);
void page_container_link(struct strbuf *b, const char *name);

#endif
