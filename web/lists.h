/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists that a page, an API resource and a verb of the command line all
 * show: one place for each query.  Every function selects its shards itself.
 * Errors are those of reader_query(), with a line in *ret_error.
 */
#ifndef KWHY_WEB_LISTS_H
#define KWHY_WEB_LISTS_H

#include <jansson.h>
#include <stdint.h>

#include "analyze/reader.h"
#include "analyze/reports.h"

/* SQL: the containers that people mean by the text :container. */
#define NAMED_CONTAINERS                                                                                              \
	"(SELECT container FROM v_container WHERE name = :container OR ref = :container OR cgroup = :container"       \
	" OR pod || '/' || name = :container OR CAST(container AS TEXT) = :container"                                 \
	" OR (length(:container) >= 6 AND substr(id, 1, length(:container)) = :container))"

/* SQL: looked up for each row of the answer: a join would look for each of those that were added up. */
#define CONTAINER_NAMES(container)                                                                                   \
	"(SELECT name FROM v_container c WHERE c.container = " container ") AS name, (SELECT ref FROM v_container c" \
	" WHERE c.container = " container ") AS ref"

/* Reasons of v_wait that people see as one: words between spaces. */
#define WAITS_CPU " cpu stolen "
#define WAITS_THROTTLED " throttled "
#define WAITS_MEMORY " reclaim "
#define WAITS_STORAGE " block fs_frozen remote "
#define WAITS_LOCKS " lock futex file_lock peer "

struct event_filter {
	int64_t since_ns, until_ns; /* 0: open */
	const char *kind;	    /* NULL: any */
	const char *
		container; /* NULL: any; name, ref, number, cgroup path or the beginning of an id; as subject or peer */
	int64_t limit;
	/* Cursor: events up to this moment, the newest `skip` of exactly that moment left out; 0: from the newest. */
	int64_t before_ns;
	int64_t skip;
};

/* Newest first. */
int64_t list_events(struct reader *r, const struct event_filter *filter, json_t **ret_rows, struct strbuf *ret_error);
/* Where the next page begins, given what list_events() returned; 0 when it was the last. */
int list_events_next(const struct event_filter *filter, const json_t *rows, struct event_filter *ret_next);

/* Identities valid at that moment (0: as of the newest record), containers before plain cgroups. */
int64_t list_containers(struct reader *r, int64_t at_ns, json_t **ret_rows, struct strbuf *ret_error);
/* The newest of that name, ref, cgroup, number or id (six digits of it suffice); no row when there is none. */
int64_t list_container(struct reader *r, const char *name, json_t **ret_rows, struct strbuf *ret_error);
/*
 * Adds to each container of rows how it was at that moment (0: of the newest record): "state" (running, frozen, empty,
 * gone), "usage" and "pressure" of the minute before, "processes" (up to ten, those that used most CPU first), and how
 * many incidents above info were "open"; "limits" become those that were in force.  What cannot be had is left out.
 */
void list_state(struct reader *r, int64_t at_ns, json_t *rows);
/* Processes that events of that container named, newest first. */
int64_t list_tasks(struct reader *r, int64_t container, json_t **ret_rows, struct strbuf *ret_error);
/* Adds to each container of rows as "history" what each source said of it and when. */
int64_t list_history(struct reader *r, int64_t until_ns, json_t *rows, struct strbuf *ret_error);
/*
 * How many incidents there are of each group of causes ("cpu"), severity, status and handling: { facet, value, n }.  Each facet
 * counts what the filter's other fields leave; limit and cursor do not count.
 */
int64_t list_facets(struct reader *r, const struct incident_filter *filter, json_t **ret_rows,
		    struct strbuf *ret_error);
/* Up to five earlier incidents of the same cause that share a party or the resource: { id, headline, onset_ns, culprit,
 * victim (whether they are the same) }, those that share most first. */
int64_t list_similar(struct reader *r, const char *id, json_t **ret_rows, struct strbuf *ret_error);
/* Newest record of each probe. */
int64_t list_probes(struct reader *r, json_t **ret_rows, struct strbuf *ret_error);
/* Per container over the span before the newest tick (at_ns: before that moment): waits by reason, pressure, CPU used. */
int64_t list_waits(struct reader *r, int64_t span_ns, json_t **ret_rows, struct strbuf *ret_error);
/* Records that the rate limit held back, by container and kind; the most first. */
int64_t list_held(struct reader *r, int64_t span_ns, json_t **ret_rows, struct strbuf *ret_error);
int64_t list_usage(struct reader *r, int64_t at_ns, int64_t span_ns, json_t **ret_rows, struct strbuf *ret_error);
int64_t list_pressure(struct reader *r, int64_t at_ns, int64_t span_ns, json_t **ret_rows, struct strbuf *ret_error);
/* Packets lost or sent again, and sent. */
int64_t list_losses(struct reader *r, int64_t span_ns, json_t **ret_rows, struct strbuf *ret_error);
/* Incidents above info that were open then, by victim and group of causes: { container, name, ref, cause, n }. */
int64_t list_suffering(struct reader *r, int64_t at_ns, json_t **ret_rows, struct strbuf *ret_error);
/* Incidents by the hour of their onset since from_ns: { hour, n, worst }. */
int64_t list_hours(struct reader *r, int64_t from_ns, json_t **ret_rows, struct strbuf *ret_error);

/*
 * Whether kwhy is up: { ready, tick: {ts_ns, age_ns, seq, ...}|null, probes: {attached, degraded, off, failed},
 * missing: [ { what, name, why } ] }.  A new reference.
 */
json_t *list_readiness(struct reader *r, int64_t now_ns);

#endif
