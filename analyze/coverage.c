/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/coverage.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/timeutil.h"
#include "schema/ev_probe.h"

static void reset(struct probe_coverage *p)
{
	char name[sizeof(p->name)];

	memcpy(name, p->name, sizeof(name));
	*p = (struct probe_coverage){ .first_emitted = -1 };
	memcpy(p->name, name, sizeof(name));
}

static struct probe_coverage *slot_of(struct coverage *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (!strcmp(c->probes[i].name, name))
			return &c->probes[i];
	if (c->count == COVERAGE_PROBES_MAX)
		return NULL;
	snprintf(c->probes[c->count].name, sizeof(c->probes[0].name), "%s", name);
	reset(&c->probes[c->count]);
	return &c->probes[c->count++];
}

/* Totals restart with the collector: then what was counted since counts. */
static int64_t since(int64_t first, int64_t now)
{
	return now >= first ? now - first : now;
}

/* Held back for what it cost: how far, in the order of the steps (collect/objects_run.h, enum probe_level). */
static int govern_rank(const char *state)
{
	static const char *const states[] = { "raised", "sampled", "detached" };

	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (!strcmp(state, states[i]))
			return (int)i + 1;
	return 0;
}

static void take_row(struct coverage *c, sqlite3_stmt *stmt, int64_t from_ns)
{
	struct probe_coverage *p = slot_of(c, sql_text(stmt, 0));
	const char *state = sql_text(stmt, 1);
	int64_t emitted = sqlite3_column_int64(stmt, 3), lost = sqlite3_column_int64(stmt, 4);

	if (!p)
		return;
	if (sqlite3_column_int64(stmt, 5) <= from_ns)
		reset(p); /* of what was before the window only the last counts: it is what the window began with */
	if (p->first_emitted < 0) {
		p->first_emitted = emitted;
		p->first_lost = lost;
		p->present = true;
	}
	p->emitted = since(p->first_emitted, emitted);
	p->lost = since(p->first_lost, lost);
	p->wanted = strcmp(state, "off") != 0;
	if (strcmp(state, "attached") && strcmp(state, "degraded") && strcmp(state, "raised") &&
	    strcmp(state, "sampled"))
		p->present = false;
	p->degraded |= !strcmp(state, "degraded") || govern_rank(state);
	if (govern_rank(state) > govern_rank(p->governed))
		snprintf(p->governed, sizeof(p->governed), "%s", state);
	if (sql_text(stmt, 2)[0] && govern_rank(state) >= govern_rank(p->governed))
		snprintf(p->why, sizeof(p->why), "%s", sql_text(stmt, 2));
}

static int load_stolen(struct sql *sql, int64_t from_ns, int64_t to_ns, double *ret)
{
	static const char query[] = "SELECT total(steal_ns) / sum(cpus * span_ns) FROM v_host WHERE ts_ns > :from AND ts_ns"
				    " <= :to AND steal_ns IS NOT NULL";
	sqlite3_stmt *stmt = sql_get_between(sql, query, from_ns, to_ns);

	if (!stmt)
		return -EIO;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		*ret = sqlite3_column_double(stmt, 0);
	sql_done(stmt);
	return 0;
}

int coverage_load(struct sql *sql, int64_t from_ns, int64_t to_ns, struct coverage *ret)
{
	static const char query[] =
		"SELECT probe, state, why, emitted, lost_ring + suppressed + lost_other, ts_ns FROM v_coverage"
		" WHERE ts_ns BETWEEN :from AND :to ORDER BY ts_ns, probe";
	sqlite3_stmt *stmt = sql_get_between(sql, query, from_ns - COVERAGE_SILENCE_NS, to_ns);

	*ret = (struct coverage){ 0 };
	if (!stmt)
		return -EIO;
	while (sqlite3_step(stmt) == SQLITE_ROW)
		take_row(ret, stmt, from_ns);
	sql_done(stmt);
	return load_stolen(sql, from_ns, to_ns, &ret->stolen);
}

const struct probe_coverage *coverage_find(const struct coverage *c, const char *probe)
{
	for (size_t i = 0; i < c->count; i++)
		if (!strcmp(c->probes[i].name, probe))
			return &c->probes[i];
	return NULL;
}

double coverage_ratio(const struct coverage *c)
{
	double wanted = 0, present = 0, emitted = 0, lost = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct probe_coverage *p = &c->probes[i];

		if (!p->wanted)
			continue;
		wanted++;
		present += p->present;
		emitted += (double)MAX(p->emitted, p->lost);
		lost += (double)p->lost;
	}
	if (!wanted)
		return 0;
	return round(present / wanted * (emitted > 0 ? 1 - lost / emitted : 1) * 10000) / 10000;
}

json_t *coverage_json(const struct coverage *c)
{
	json_t *lost = json_array(), *missing = json_array();

	for (size_t i = 0; i < c->count; i++) {
		const struct probe_coverage *p = &c->probes[i];

		if (p->lost > 0)
			json_array_append_new(lost,
					      json_pack("{s:s, s:o}", "probe", p->name, "count", json_int(p->lost)));
		if (!p->present || p->degraded)
			json_array_append_new(missing, json_pack("{s:s, s:o}", "probe", p->name, "why",
								 json_text(p->why[0] ? p->why : "not attached")));
	}
	if (!c->count)
		json_array_append_new(missing, json_pack("{s:s, s:s}", "probe", "all", "why",
							 "no coverage was recorded in this window"));
	return json_pack("{s:f, s:o, s:o}", "coverage", coverage_ratio(c), "lost", lost, "missing", missing);
}
