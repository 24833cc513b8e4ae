/* SPDX-License-Identifier: Apache-2.0 */
/* Builds report/v1 objects (schema/report-v1.json) from incidents. */
#ifndef KWHY_ANALYZE_REPORT_H
#define KWHY_ANALYZE_REPORT_H

#include <jansson.h>
#include <stdint.h>

#include "analyze/incident.h"
#include "analyze/rules.h"
#include "analyze/sql.h"

struct report_context {
	struct sql *sql;
	const struct rules *rules;
	const json_t *node;        /* the report's node object, borrowed */
	const char *config_sha256;
	int64_t now_ns;            /* the tick */
};

/* The incident's next revision; new reference, NULL when out of memory.  Does not change the incident. */
json_t *report_build(const struct report_context *ctx, const struct incident *incident);
/*
 * A report that names no cause, for `kwhy why`: victim over [from, to] of window, with what was tested (d may be
 * empty). level says how sure that is.
 */
json_t *report_nothing(const struct report_context *ctx, int64_t victim, const struct window *window,
		       const struct coverage *coverage, const struct diagnosis *d, enum confidence level,
		       const char *headline, const char *basis);
/* A C object of the contract. */
json_t *report_container(struct sql *sql, int64_t container);
/* Name for sentences: the container's name, its ref, or "the host". */
void report_container_name(struct sql *sql, int64_t container, struct strbuf *out);
/* Its cgroup's path with the leading slash, quoted for a shell where it must be; "" for the host. */
void report_container_cgroup(struct sql *sql, int64_t container, struct strbuf *out);
json_t *report_generator(const struct report_context *ctx);

/* One line of the budget before it is made to sum. */
struct budget_entry {
	const char *state;
	bool has_culprit;
	int64_t culprit;
	int64_t ns;
};

/* Scales the entries down in proportion when they exceed wall_ns, and puts what is left into the last one: they sum. */
void budget_balance(struct budget_entry *entries, size_t count, int64_t wall_ns);

#endif
