/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a report that are queries of their own, not a rule's. */
#ifndef KWHY_ANALYZE_REPORT_PARTS_H
#define KWHY_ANALYZE_REPORT_PARTS_H

#include "analyze/report.h"

json_t *report_budget(struct sql *sql, int64_t victim, int64_t from_ns, int64_t to_ns);
json_t *report_timeline(struct sql *sql, const struct incident *incident);
json_t *report_bystanders(struct sql *sql, const struct incident *incident);
/* Earlier incidents of the same cause, resource and culprit: { count, ids (newest first, at most 5), last_onset_ns }. */
json_t *report_recurrence(struct sql *sql, const struct incident *incident);
json_t *report_tasks(struct sql *sql, int64_t container, int64_t from_ns, int64_t to_ns);
/* {ref, name ...} of a culprit, or null. */
json_t *report_culprit_container(struct sql *sql, const struct culprit *c);

#endif
