/* SPDX-License-Identifier: Apache-2.0 */
#include "web/lists.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/rows.h"

/* A tick every second or so; a collector that has not written for this long is taken for dead. */
#define FRESH_NS (5 * NSEC_PER_SEC)
/* Before a moment, for how things were then. */
#define STATE_SPAN_NS (60 * NSEC_PER_SEC)
#define PROCESSES_MAX 10 /* of one container */
/* Probe records come with each tick, ticks may be set to minutes. */
#define RECENT_NS (10 * 60 * NSEC_PER_SEC)

#define INT_PARAM(n, v)                                        \
	{                                                      \
		.name = (n), .type = PARAM_INT, .integer = (v) \
	}
#define TEXT_PARAM(n, v)                                                        \
	{                                                                       \
		.name = (n), .type = (v) ? PARAM_TEXT : PARAM_NULL, .text = (v) \
	}

#define EVENT_COLUMNS                                                                                          \
	"SELECT ts_ns, kind, container, container_name, pid, tid, comm, peer, peer_name, peer_pid, peer_tid, " \
	"peer_comm,"                                                                                           \
	" duration_ns, error, pending, cpu, stack, peer_stack, payload, summary FROM v_event"                  \
	" WHERE class = 'context' AND ts_ns >= :since AND ts_ns <= :until"

static const char events_all[] = EVENT_COLUMNS " ORDER BY ts_ns DESC LIMIT :limit OFFSET :skip";
static const char events_kind[] = EVENT_COLUMNS " AND kind = :kind ORDER BY ts_ns DESC LIMIT :limit OFFSET :skip";
static const char events_container[] =
	EVENT_COLUMNS " AND (:kind IS NULL OR kind = :kind)"
		      " AND (container IN " NAMED_CONTAINERS " OR peer IN " NAMED_CONTAINERS ")"
		      " ORDER BY ts_ns DESC LIMIT :limit OFFSET :skip";

static int64_t open_end(int64_t ns)
{
	return ns ? ns : INT64_MAX;
}

int64_t list_events(struct reader *r, const struct event_filter *f, json_t **ret_rows, struct strbuf *ret_error)
{
	int64_t until = MIN(open_end(f->until_ns), open_end(f->before_ns));
	const struct query_param params[] = {
		INT_PARAM(":since", f->since_ns), INT_PARAM(":until", until),
		INT_PARAM(":limit", f->limit),	  INT_PARAM(":skip", f->before_ns ? f->skip : 0),
		TEXT_PARAM(":kind", f->kind),	  TEXT_PARAM(":container", f->container),
	};
	const struct query_limits limits = { .rows = f->limit, .time_ns = 10 * NSEC_PER_SEC };
	const char *sql = f->container ? events_container : f->kind ? events_kind : events_all;
	int64_t n = reader_select(r, f->since_ns, until);

	if (n < 0)
		return n;
	return rows_query(r, sql, params, ARRAY_SIZE(params), &limits, ret_rows, ret_error);
}

int list_events_next(const struct event_filter *f, const json_t *rows, struct event_filter *ret_next)
{
	size_t n = json_array_size(rows), same = 0;
	int64_t last;

	if ((int64_t)n < f->limit || !n)
		return 0;
	last = value_int(json_array_get(rows, n - 1), "ts_ns", 0);
	while (same < n && value_int(json_array_get(rows, n - 1 - same), "ts_ns", 0) == last)
		same++;
	*ret_next = *f;
	ret_next->before_ns = last;
	ret_next->skip = (int64_t)same + (same == n && f->before_ns == last ? f->skip : 0);
	return 1;
}

/* How a container ended is what its runtime says, else what the kernel showed. */
#define CONTAINERS                                                                                                   \
	"SELECT c.container, c.ref, c.name, c.runtime, c.id, c.pod, c.namespace, c.image, c.labels, c.cgroup, "      \
	"c.parent, c.kind, c.first_ns, c.last_ns, c.pod_uid, c.owner, c.qos, c.role, c.unit, c.restarts, "           \
	"c.annotations, c.limits, c.requests, c.netns, c.root_pid, o.name AS outer, c.exit_code, "                   \
	"CASE WHEN c.last_ns IS NOT NULL THEN coalesce(c.exit_reason, (SELECT 'OOMKilled' FROM v_oom e"              \
	" WHERE e.container = c.container LIMIT 1), (SELECT 'signal ' || e.signal FROM v_exit e"                     \
	" WHERE e.container = c.container ORDER BY e.ts_ns DESC LIMIT 1)) END AS exit_reason, c.facts"               \
	" FROM v_container c LEFT JOIN v_container o ON o.container = c.parent AND o.kind = 'container'"

int64_t list_containers(struct reader *r, int64_t at_ns, json_t **ret_rows, struct strbuf *ret_error)
{
	static const char sql[] =
		CONTAINERS " WHERE c.first_ns <= :at AND (c.last_ns IS NULL OR c.last_ns >= :at)"
			   " ORDER BY CASE c.kind WHEN 'host' THEN 0 WHEN 'container' THEN 1 WHEN 'pod' THEN 2 ELSE 3 END,"
			   " c.name, c.container";
	const struct query_limits limits = { .rows = 20000, .time_ns = 10 * NSEC_PER_SEC };
	struct query_param param = INT_PARAM(":at", at_ns);
	int64_t first, last, n;

	n = reader_bounds(r, &first, &last);
	if (n < 0)
		return n;
	if (!param.integer)
		param.integer = last;
	n = reader_select(r, param.integer - RECENT_NS, param.integer);
	return n < 0 ? n : rows_query(r, sql, &param, 1, &limits, ret_rows, ret_error);
}

int64_t list_container(struct reader *r, const char *name, json_t **ret_rows, struct strbuf *ret_error)
{
	static const char sql[] = CONTAINERS " WHERE c.container IN " NAMED_CONTAINERS " ORDER BY c.first_ns DESC LIMIT 1";
	const struct query_limits limits = { .rows = 1, .time_ns = 5 * NSEC_PER_SEC };
	struct query_param param = TEXT_PARAM(":container", name);
	int64_t n = reader_select(r, 0, INT64_MAX);

	return n < 0 ? n : rows_query(r, sql, &param, 1, &limits, ret_rows, ret_error);
}

/* rows by their container's number. */
static json_t *by_number(json_t *rows)
{
	json_t *items = json_object(), *row;
	char key[24];
	size_t i;

	json_array_foreach (rows, i, row) {
		value_key(key, sizeof(key), row, "container");
		json_object_set(items, key, row);
	}
	return items;
}

/* Takes said over: each row of it becomes an item of "history" of its container among rows. */
static void attach_history(json_t *rows, json_t *said)
{
	json_t *items = by_number(rows), *row;
	char key[24];
	size_t i;

	json_array_foreach (rows, i, row)
		json_object_set_new(row, "history", json_array());
	json_array_foreach (said, i, row) {
		value_key(key, sizeof(key), row, "container");
		json_object_del(row, "container");
		json_array_append(json_object_get(json_object_get(items, key), "history"), row);
	}
	json_decref(items);
	json_decref(said);
}

int64_t list_history(struct reader *r, int64_t until_ns, json_t *rows, struct strbuf *ret_error)
{
	static const char all[] = "SELECT container, ts_ns, source, field, value FROM v_fact WHERE ts_ns <= :until"
				  " ORDER BY ts_ns LIMIT 100000";
	static const char one[] = "SELECT container, ts_ns, source, field, value FROM v_fact WHERE ts_ns <= :until"
				  " AND container = :container ORDER BY ts_ns LIMIT 1000";
	const struct query_limits limits = { .rows = 100000, .time_ns = 10 * NSEC_PER_SEC };
	const struct query_param params[] = {
		INT_PARAM(":until", open_end(until_ns)),
		INT_PARAM(":container", value_int(json_array_get(rows, 0), "container", 0)),
	};
	bool single = json_array_size(rows) == 1;
	json_t *said = NULL;
	int64_t n = reader_select(r, 0, open_end(until_ns));

	if (n >= 0)
		n = rows_query(r, single ? one : all, params, single ? 2 : 1, &limits, &said, ret_error);
	if (n >= 0 || n == -E2BIG)
		attach_history(rows, said);
	else
		json_decref(said);
	return n;
}

int64_t list_facets(struct reader *r, const struct incident_filter *f, json_t **ret_rows, struct strbuf *ret_error)
{
	/* Handling counts only where somebody has marked something. */
	static const char sql[] =
		"WITH m AS MATERIALIZED (SELECT i.cause, i.severity, i.status,"
		" :cause IS NULL OR i.cause = :cause OR i.cause LIKE :cause || '.%' AS c,"
		" :severity IS NULL OR i.severity = :severity AS v, :status IS NULL OR i.status = :status AS s,"
		" i.handling, :handling IS NULL OR :handling = i.handling AS h FROM (SELECT *, "
		INCIDENT_HANDLING("id") " AS handling FROM v_incident) i WHERE (:since = 0 OR coalesce(i.end_ns, :since) >= :since)"
		" AND (:until = 0 OR i.onset_ns <= :until) AND (:container IS NULL OR i.id IN (SELECT p.id FROM v_party p WHERE"
		" p.name = :container)))"
		" SELECT 'cause' AS facet, substr(cause, 1, instr(cause || '.', '.') - 1) AS value, count(*) AS n"
		" FROM m WHERE v AND s AND h GROUP BY value"
		" UNION ALL SELECT 'severity', severity, count(*) FROM m WHERE c AND s AND h GROUP BY severity"
		" UNION ALL SELECT 'status', status, count(*) FROM m WHERE c AND v AND h GROUP BY status"
		" UNION ALL SELECT 'handling', handling, count(*) FROM m WHERE c AND v AND s AND (:muted <> '[]' OR"
		" :acknowledged <> '[]') GROUP BY handling"
		" ORDER BY facet, n DESC, value";
	const struct query_param params[] = {
		INT_PARAM(":since", f->since_ns),	INT_PARAM(":until", f->until_ns),
		TEXT_PARAM(":cause", f->cause),		TEXT_PARAM(":severity", f->severity),
		TEXT_PARAM(":status", f->status),	TEXT_PARAM(":container", f->container),
		TEXT_PARAM(":handling", f->handling),	TEXT_PARAM(":acknowledged", f->acknowledged),
		TEXT_PARAM(":muted", f->muted),
	};
	const struct query_limits limits = { .rows = 200, .time_ns = 5 * NSEC_PER_SEC };

	return rows_query(r, sql, params, ARRAY_SIZE(params), &limits, ret_rows, ret_error);
}

int64_t list_similar(struct reader *r, const char *id, json_t **ret_rows, struct strbuf *ret_error)
{
	static const char sql[] =
		"WITH this AS MATERIALIZED (SELECT * FROM v_incident WHERE id = :id), m AS (SELECT i.id, i.headline, i.onset_ns,"
		" coalesce(i.culprit = t.culprit, 0) AS culprit, EXISTS (SELECT 1 FROM json_each(i.victims) a JOIN"
		" json_each(t.victims) b ON a.value = b.value) AS victim, coalesce(i.resource_name = t.resource_name, 0) AS"
		" resource FROM v_incident i JOIN this t ON i.cause = t.cause AND i.onset_ns < t.onset_ns)"
		" SELECT id, headline, onset_ns, culprit, victim FROM m WHERE culprit OR victim OR resource"
		" ORDER BY 2 * culprit + 2 * victim + resource DESC, onset_ns DESC LIMIT 5";
	const struct query_limits limits = { .rows = 5, .time_ns = 2 * NSEC_PER_SEC };
	const struct query_param param = TEXT_PARAM(":id", id);

	return rows_query(r, sql, &param, 1, &limits, ret_rows, ret_error);
}

/* Selects what is before a moment, 0: the end of the store, which the newest record has. */
static int64_t select_before(struct reader *r, int64_t at_ns, int64_t span_ns, int64_t *ret_until)
{
	int64_t first, last;
	int n = reader_bounds(r, &first, &last);

	if (n < 0)
		return n;
	n = reader_select(r, (at_ns ? at_ns : last) - MAX(span_ns, RECENT_NS), open_end(at_ns));
	if (n < 0)
		return n;
	/* Shards may have been added since. */
	if (!reader_bounds(r, &first, &last))
		*ret_until = at_ns ? at_ns : last;
	return 0;
}

static int64_t query_recent(struct reader *r, int64_t span_ns, const char *sql, json_t **ret_rows,
			    struct strbuf *ret_error)
{
	const struct query_limits limits = { .rows = 20000, .time_ns = 10 * NSEC_PER_SEC };
	struct query_param param = INT_PARAM(":from", 0);
	int64_t n = select_before(r, 0, span_ns, &param.integer);

	param.integer -= span_ns;
	return n < 0 ? n : rows_query(r, sql, &param, 1, &limits, ret_rows, ret_error);
}

/* The same of the span before a moment, 0: the newest record, between :from and :until. */
static int64_t query_before(struct reader *r, int64_t at_ns, int64_t span_ns, const char *sql, json_t **ret_rows,
			    struct strbuf *ret_error)
{
	const struct query_limits limits = { .rows = 20000, .time_ns = 10 * NSEC_PER_SEC };
	struct query_param params[] = { INT_PARAM(":from", 0), INT_PARAM(":until", 0) };
	int64_t n = select_before(r, at_ns, span_ns, &params[1].integer);

	params[0].integer = params[1].integer - span_ns;
	return n < 0 ? n : rows_query(r, sql, params, ARRAY_SIZE(params), &limits, ret_rows, ret_error);
}

int64_t list_probes(struct reader *r, json_t **ret_rows, struct strbuf *ret_error)
{
	/* SQLite takes the other columns of a max() query from the row that has the maximum. */
	static const char sql[] =
		"SELECT probe, max(ts_ns) AS ts_ns, state, attach, why, emitted, stored, lost_ring, suppressed,"
		" lost_other, run_ns, run_count, cost_ppm FROM v_coverage WHERE ts_ns >= :from GROUP BY probe ORDER BY probe";
	const struct query_limits limits = { .rows = 20000, .time_ns = 10 * NSEC_PER_SEC };
	struct query_param param = INT_PARAM(":from", 0);
	json_t *tick = NULL;
	int64_t n = query_recent(r, RECENT_NS,
				 "SELECT ts_ns - kw_silence_ns() AS from_ns FROM v_tick WHERE ts_ns >= :from ORDER BY ts_ns DESC LIMIT 1",
				 &tick, ret_error);

	/*
	 * What is older than the newest tick by more than a probe is ever silent is a former collector's.  That moment is
	 * asked for first: a view is not searched by what another query in the same statement finds.
	 */
	param.integer = value_int(json_array_get(tick, 0), "from_ns", 0);
	json_decref(tick);
	return n < 0 ? n : rows_query(r, sql, &param, 1, &limits, ret_rows, ret_error);
}

int64_t list_waits(struct reader *r, int64_t span_ns, json_t **ret_rows, struct strbuf *ret_error)
{
	return query_recent(
		r, span_ns,
		"SELECT w.container, " CONTAINER_NAMES("w.container") ", w.reason, sum(w.wait_ns) AS wait_ns,"
		" sum(w.count) AS count, max(w.max_ns) AS max_ns FROM v_wait w WHERE w.ts_ns > :from GROUP BY w.container, w.reason ORDER BY wait_ns DESC",
		ret_rows, ret_error);
}

int64_t list_held(struct reader *r, int64_t span_ns, json_t **ret_rows, struct strbuf *ret_error)
{
	return query_recent(
		r, span_ns,
		"SELECT h.container, " CONTAINER_NAMES("h.container") ", h.what, sum(h.count) AS count, max(h.ts_ns) AS ts_ns"
		" FROM v_held h WHERE h.ts_ns > :from"
		" GROUP BY h.container, h.what ORDER BY count DESC LIMIT 20",
		ret_rows, ret_error);
}

int64_t list_usage(struct reader *r, int64_t at_ns, int64_t span_ns, json_t **ret_rows, struct strbuf *ret_error)
{
	return query_before(
		r, at_ns, span_ns,
		"SELECT u.container, " CONTAINER_NAMES("u.container") ", (SELECT kind FROM v_container c WHERE c.container = u.container) AS"
		" kind, sum(u.span_ns) AS span_ns, sum(u.cpu_ns) AS cpu_ns,"
		" max(u.ts_ns) AS ts_ns, u.memory_bytes, u.memory_limit_bytes, u.pids, u.pids_limit, u.frozen,"
		" CASE WHEN u.cpu_quota_ns > 0 AND u.cpu_period_ns > 0 THEN u.cpu_quota_ns * 1.0 / u.cpu_period_ns END"
		" AS cpu_limit"
		" FROM v_usage u WHERE u.ts_ns > :from AND u.ts_ns <= :until GROUP BY u.container ORDER BY cpu_ns DESC",
		ret_rows, ret_error);
}

int64_t list_pressure(struct reader *r, int64_t at_ns, int64_t span_ns, json_t **ret_rows, struct strbuf *ret_error)
{
	return query_before(
		r, at_ns, span_ns,
		"SELECT p.container, " CONTAINER_NAMES("p.container") ", sum(p.span_ns) AS span_ns, sum(p.cpu_some_ns) AS cpu_some_ns,"
		" sum(p.memory_some_ns) AS memory_some_ns, sum(p.io_some_ns) AS io_some_ns"
		" FROM v_pressure p WHERE p.ts_ns > :from AND p.ts_ns <= :until GROUP BY p.container",
		ret_rows, ret_error);
}

int64_t list_losses(struct reader *r, int64_t span_ns, json_t **ret_rows, struct strbuf *ret_error)
{
	return query_recent(
		r, span_ns,
		"SELECT n.container, " CONTAINER_NAMES("n.container") ", sum(coalesce(n.tcp_retransmits, 0)"
		" + coalesce(n.listen_overflows, 0) + coalesce(n.request_queue_drops, 0) + coalesce(n.udp_rcvbuf_errors, 0)) AS lost,"
		" sum(coalesce(n.tcp_out_segs, 0) + coalesce(n.tcp_in_segs, 0) + coalesce(n.udp_in_datagrams, 0)"
		" + coalesce(n.udp_out_datagrams, 0)) AS sent"
		" FROM v_netstat n WHERE n.ts_ns > :from GROUP BY n.container",
		ret_rows, ret_error);
}

int64_t list_suffering(struct reader *r, int64_t at_ns, json_t **ret_rows, struct strbuf *ret_error)
{
	return query_before(
		r, at_ns, RECENT_NS,
		"SELECT v.value AS container, " CONTAINER_NAMES("v.value") ", substr(i.cause, 1, instr(i.cause || '.', '.') - 1) AS cause,"
		" count(*) AS n FROM v_incident i JOIN json_each(i.victims) v"
		" WHERE (i.end_ns IS NULL OR i.end_ns > :until) AND i.onset_ns <= :until AND i.severity <> 'info'"
		" AND :from IS NOT NULL"
		" GROUP BY 1, 4",
		ret_rows, ret_error);
}

int64_t list_hours(struct reader *r, int64_t from_ns, json_t **ret_rows, struct strbuf *ret_error)
{
	static const char sql[] =
		"SELECT onset_ns / 3600000000000 AS hour, count(*) AS n, CASE max(CASE severity WHEN 'critical' THEN 3"
		" WHEN 'warning' THEN 2 ELSE 1 END) WHEN 3 THEN 'critical' WHEN 2 THEN 'warning' ELSE 'info' END AS worst"
		" FROM v_incident WHERE onset_ns >= :from GROUP BY 1 ORDER BY 1";
	const struct query_limits limits = { .rows = 100, .time_ns = 5 * NSEC_PER_SEC };
	struct query_param param = INT_PARAM(":from", from_ns);

	return rows_query(r, sql, &param, 1, &limits, ret_rows, ret_error);
}

static void add_missing(json_t *missing, const char *what, const char *name, const char *why)
{
	json_array_append_new(missing, json_pack("{s:s, s:s, s:s}", "what", what, "name", name, "why", why));
}

static json_t *newest_tick(struct reader *r, int64_t now_ns)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *rows = NULL, *tick;
	char age[24];

	if (query_recent(r, RECENT_NS,
			 "SELECT ts_ns, seq, emitted, stored, lost, bpf, probes_missing, off FROM v_tick ORDER BY ts_ns "
			 "DESC LIMIT 1",
			 &rows, &err) < 0)
		return NULL;
	tick = json_incref(json_array_get(rows, 0));
	json_decref(rows);
	if (tick) {
		snprintf(age, sizeof(age), "%" PRId64, now_ns - value_int(tick, "ts_ns", 0));
		json_object_set_new(tick, "age_ns", json_string(age));
	}
	return tick;
}

/* Counts probes by state and names those that are not fully attached. */
static size_t probe_states(struct reader *r, json_t *states, json_t *missing)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *rows = NULL, *row;
	size_t i, count;

	if (list_probes(r, &rows, &err) < 0)
		return 0;
	json_array_foreach (rows, i, row) {
		const char *state = value_text(row, "state");

		json_object_set_new(states, state, json_integer(value_int(states, state, 0) + 1));
		if (strcmp(state, "attached") && strcmp(state, "off"))
			add_missing(missing, state, value_text(row, "probe"), value_text(row, "why"));
	}
	count = json_array_size(rows);
	json_decref(rows);
	return count;
}

json_t *list_readiness(struct reader *r, int64_t now_ns)
{
	json_t *missing = json_array(), *states = json_object(), *tick = newest_tick(r, now_ns);
	bool fresh = tick && value_int(tick, "age_ns", INT64_MAX) < FRESH_NS;
	size_t probes = probe_states(r, states, missing);

	if (!tick)
		add_missing(missing, "store", "first flush", "the collector has stored nothing yet");
	else if (!fresh)
		add_missing(missing, "collector", "heartbeat",
			    "the newest record is older than 5 s: the collector does not run");
	else if (!probes)
		add_missing(missing, "probes", "all", "no probe has reported its state yet");
	return json_pack("{s:b, s:o, s:o, s:o}", "ready", fresh && probes, "tick", tick ? tick : json_null(), "probes",
			 states, "missing", missing);
}

/* ---- containers as they were at a moment -------------------------------------------------------------------------- */

/* Who worked in the minute before, and of whom something was recorded; those who used most of the CPU first. */
static int64_t list_processes(struct reader *r, int64_t at_ns, json_t **ret_rows, struct strbuf *ret_error)
{
	return query_before(
		r, at_ns, STATE_SPAN_NS,
		"SELECT container, pid, comm, sum(ns) AS cpu_ns, max(ts_ns) AS ts_ns FROM ("
		"SELECT container, pid, comm, ns, ts_ns FROM v_profile WHERE ts_ns > :from AND ts_ns <= :until UNION ALL"
		" SELECT container, pid, comm, 0, ts_ns FROM v_event WHERE ts_ns > :from AND ts_ns <= :until"
		" AND class = 'context') WHERE pid > 0 AND container IS NOT NULL GROUP BY container, pid"
		" ORDER BY cpu_ns DESC, ts_ns DESC",
		ret_rows, ret_error);
}

/* Takes extra over: each row becomes the member `name` of the item of its container. */
static void attach(json_t *items, json_t *extra, const char *name)
{
	json_t *row, *item;
	char key[24];
	size_t i;

	json_array_foreach (extra, i, row) {
		value_key(key, sizeof(key), row, "container");
		item = json_object_get(items, key);
		if (item)
			json_object_set(item, name, row);
	}
	json_decref(extra);
}

/* Takes suffering over: rows of container, area and count. */
static void attach_incidents(json_t *items, json_t *suffering)
{
	json_t *row, *item;
	char key[24];
	size_t i;

	json_array_foreach (suffering, i, row) {
		value_key(key, sizeof(key), row, "container");
		item = json_object_get(items, key);
		if (item)
			json_object_set_new(item, "open",
					    json_integer(value_int(item, "open", 0) + value_int(row, "n", 0)));
	}
	json_decref(suffering);
}

/* Takes processes over: the first PROCESSES_MAX rows of each container become its "processes". */
static void attach_processes(json_t *items, json_t *processes)
{
	json_t *row, *item, *list;
	char key[24];
	size_t i;

	json_array_foreach (processes, i, row) {
		value_key(key, sizeof(key), row, "container");
		item = json_object_get(items, key);
		if (!item)
			continue;
		list = json_object_get(item, "processes");
		if (!list) {
			list = json_array();
			json_object_set_new(item, "processes", list);
		}
		json_object_del(row, "container");
		if (json_array_size(list) < PROCESSES_MAX)
			json_array_append(list, row);
	}
	json_decref(processes);
}

/* Limits are those in force, as the cgroup's files had them; where they say nothing, those asked for. */
static void set_limits(json_t *item)
{
	static const struct {
		const char *limit, *usage;
	} names[] = { { "cpu", "cpu_limit" }, { "memory", "memory_limit_bytes" }, { "pids", "pids_limit" } };
	const json_t *usage = json_object_get(item, "usage");
	json_t *limits = json_object_get(item, "limits");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		json_t *value = json_object_get(usage, names[i].usage);

		if (!json_is_number(value))
			continue;
		if (!json_is_object(limits)) {
			limits = json_object();
			json_object_set_new(item, "limits", limits);
		}
		json_object_set(limits, names[i].limit, value);
	}
}

static const char *state_of(const json_t *item, int64_t at_ns)
{
	const json_t *usage = json_object_get(item, "usage");
	int64_t last_ns = value_int(item, "last_ns", 0);

	if (last_ns && (!at_ns || last_ns <= at_ns))
		return "gone";
	if (value_int(usage, "frozen", 0) == 1)
		return "frozen";
	return value_int(usage, "pids", 1) ? "running" : "empty";
}

void list_state(struct reader *r, int64_t at_ns, json_t *rows)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *items = by_number(rows), *extra = NULL, *item;
	const char *key;

	list_usage(r, at_ns, STATE_SPAN_NS, &extra, &err);
	attach(items, extra, "usage");
	extra = NULL;
	list_pressure(r, at_ns, STATE_SPAN_NS, &extra, &err);
	attach(items, extra, "pressure");
	extra = NULL;
	list_suffering(r, at_ns, &extra, &err);
	attach_incidents(items, extra);
	extra = NULL;
	list_processes(r, at_ns, &extra, &err);
	attach_processes(items, extra);
	json_object_foreach (items, key, item) {
		set_limits(item);
		json_object_set_new(item, "state", json_string(state_of(item, at_ns)));
	}
	json_decref(items);
}

int64_t list_tasks(struct reader *r, int64_t container, json_t **ret_rows, struct strbuf *ret_error)
{
	static const char sql[] =
		"SELECT pid, comm, min(ts_ns) AS first_ns, max(ts_ns) AS last_ns, count(*) AS events FROM v_event"
		" WHERE container = :container AND class = 'context' AND pid > 0 GROUP BY pid, comm"
		" ORDER BY last_ns DESC LIMIT 50";
	const struct query_limits limits = { .rows = 50, .time_ns = 5 * NSEC_PER_SEC };
	const struct query_param param = INT_PARAM(":container", container);

	return rows_query(r, sql, &param, 1, &limits, ret_rows, ret_error);
}
