/* SPDX-License-Identifier: Apache-2.0 */
/* What the probes could see during a window: a summary of v_coverage. */
#ifndef KWHY_ANALYZE_COVERAGE_H
#define KWHY_ANALYZE_COVERAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyze/sql.h"
#include "base/timeutil.h"
#include "schema/ev_probe.h"

#define COVERAGE_PROBES_MAX 128
/* No probe says nothing for longer, a tick that comes late included; kw_silence_ns() in SQL. */
#define COVERAGE_SILENCE_NS ((int64_t)KW_PROBE_EVERY_NS + 2 * NSEC_PER_SEC)

struct probe_coverage {
	char name[32];
	char why[128];
	bool wanted, present, degraded; /* present: attached, wholly or in part, all the time */
	char governed[12];              /* over its budget: 'raised', 'sampled', 'detached', the furthest; "" never */
	int64_t emitted, lost;          /* within the window; lost in the ring, by suppression or otherwise */
	int64_t first_emitted, first_lost;
};

struct coverage {
	struct probe_coverage probes[COVERAGE_PROBES_MAX];
	size_t count;
	double stolen; /* 0..1: what of all CPU time a hypervisor took */
};

/* 0 or -EIO. */
int coverage_load(struct sql *sql, int64_t from_ns, int64_t to_ns, struct coverage *ret);
/* NULL: nothing was ever said about that probe. */
const struct probe_coverage *coverage_find(const struct coverage *c, const char *probe);
/* 0..1: share of wanted probes that were there, times the share of records that were kept. */
double coverage_ratio(const struct coverage *c);
/* The data_quality object of report/v1. */
json_t *coverage_json(const struct coverage *c);

#endif
