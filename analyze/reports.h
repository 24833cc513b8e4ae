/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of incidents and reports: STATE/reports/reports.db.  One process
 * writes (the server, or a replay); others read through a reader.
 * Reports are report/v1 objects (docs: schema/report-v1.json).
 */
#ifndef KWHY_ANALYZE_REPORTS_H
#define KWHY_ANALYZE_REPORTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "analyze/reader.h"

struct reports;

int reports_open(const char *state_dir, struct reports **ret_reports,
		 struct strbuf *ret_error); /* for writing; makes and migrates it */
void reports_free(struct reports *r);
/* Adds a revision; the object must carry id and revision.  0, -EEXIST that revision is there, negative errno. */
int reports_put(struct reports *r, const json_t *report);
/* Keeps a copy of one event of an incident's window, a JSON object; one that is there already is left alone. */
int reports_freeze(struct reports *r, const char *id, int64_t ts_ns, const char *event);
/* Calls fn with the newest report of every incident that is not resolved.  The count or negative errno. */
int reports_open_incidents(struct reports *r, int (*fn)(void *ctx, const json_t *report), void *ctx);
/* Deletes incidents that ended before this time with all that belongs to them.  The count or negative errno. */
int reports_expire(struct reports *r, int64_t before_ns);

/* Reading, through a reader (select first).  Newest revision of each. */
struct incident_filter {
	int64_t since_ns, until_ns; /* overlap; 0: open end */
	const char *cause;          /* NULL: any; "cpu" matches cpu.* */
	const char *status, *severity,
		*container;	    /* NULL: any; container by name, ref or cgroup as victim or culprit */
	const char *handling;	    /* NULL: any; "acknowledged", "muted" or "none", by the two lists below */
	const char *acknowledged, *muted; /* ids of incidents, as JSON */
	int64_t limit;              /* 0: 1000 */
	const char *before_id;      /* cursor: strictly older than this incident, NULL: from the newest */
	bool brief; /* of each report only id, revision, cause, status, severity, headline, confidence.level and window */
};
/* Calls fn with each report (borrowed), newest onset first.  Returns the count or negative errno. */
int64_t reports_each(struct reader *r, const struct incident_filter *filter, int (*fn)(void *ctx, const json_t *report),
		     void *ctx);
/* The same with the text of each as it is stored, a JSON object: reading a hundred kilobytes only to write them is dear. */
int64_t reports_each_text(struct reader *r, const struct incident_filter *filter,
			  int (*fn)(void *ctx, const char *id, const char *json, size_t len), void *ctx);
/* SQL: writes the names that parties of incidents go by; a condition on i.id may follow. */
#define REPORTS_PARTIES                                                                                               \
	"INSERT OR IGNORE INTO party SELECT i.id, n.value FROM incident AS i JOIN report AS r ON r.id = i.id AND"      \
	" r.revision = i.revision, json_each('[\"victims\",\"culprits\"]') AS k, json_each(CASE WHEN"                  \
	" json_valid(r.body) THEN r.body ELSE '{}' END, '$.' || k.value) AS p, json_each(json_extract(p.value,"        \
	" '$.container')) AS n WHERE p.type = 'object' AND n.type = 'text' AND n.key IN ('name', 'ref', 'cgroup',"     \
	" 'id')"
/* SQL: what of the two lists an incident stands in; :acknowledged and :muted are bound to them. */
#define INCIDENT_HANDLING(id)                                                                                         \
	"CASE WHEN " id " IN (SELECT value FROM json_each(coalesce(:muted, '[]'))) THEN 'muted' WHEN " id              \
	" IN (SELECT value FROM json_each(coalesce(:acknowledged, '[]'))) THEN 'acknowledged' ELSE 'none' END"
/* -ENOENT when unknown.  revision 0: newest.  *ret_report is a new reference. */
int reports_get(struct reader *r, const char *id, int revision, json_t **ret_report);

#endif
