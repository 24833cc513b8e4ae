/* SPDX-License-Identifier: Apache-2.0 */
#include "web/top.h"

#include "base/timeutil.h"
#include "web/lists.h"
#include "web/rows.h"

#define WINDOW " WHERE ts_ns > :from AND ts_ns <= :to"
#define WAITED(reasons) "sum(CASE WHEN instr('" reasons "', ' ' || reason || ' ') THEN wait_ns ELSE 0 END)"

/* SQLite takes the other columns of a max() query from the row that has the maximum. */
static const char sql[] =
	"WITH w AS (SELECT container, " WAITED(WAITS_CPU) " AS cpu, " WAITED(WAITS_THROTTLED) " AS throttled, "
	WAITED(WAITS_STORAGE) " AS io, " WAITED(WAITS_MEMORY) " AS memory, " WAITED(WAITS_LOCKS) " AS lock,"
	" sum(wait_ns) AS whole FROM v_wait" WINDOW " GROUP BY container)"
	", u AS (SELECT container, sum(cpu_ns) * 1.0 / sum(span_ns) AS cpus, CASE WHEN cpu_quota_ns > 0 AND cpu_period_ns > 0"
	" THEN cpu_quota_ns * 1.0 / cpu_period_ns END AS cpus_limit, memory_bytes, memory_limit_bytes, max(ts_ns) FROM v_usage"
	WINDOW " GROUP BY container)"
	", p AS (SELECT container, sum(cpu_some_ns) * 1.0 / sum(span_ns) AS cpu, sum(memory_some_ns) * 1.0 / sum(span_ns) AS"
	" memory, sum(io_some_ns) * 1.0 / sum(span_ns) AS io FROM v_pressure" WINDOW " GROUP BY container)"
	", n AS (SELECT container, sum(coalesce(tcp_retransmits, 0) + coalesce(listen_overflows, 0) +"
	" coalesce(request_queue_drops, 0) + coalesce(udp_rcvbuf_errors, 0)) AS lost FROM v_netstat" WINDOW
	" GROUP BY container)"
	", b AS (SELECT victim, resource, culprit, sink, culprit_comm, max(ns) AS ns FROM (SELECT victim, resource, culprit,"
	" sink, culprit_comm, sum(ns) AS ns FROM v_blame" WINDOW
	" AND (culprit <> victim OR culprit IS NULL AND sink IN ('irq', 'steal')) GROUP BY victim, resource, culprit, sink)"
	" GROUP BY victim)"
	", i AS (SELECT v.value AS container, count(*) AS n, max(CASE severity WHEN 'critical' THEN 3 WHEN 'warning' THEN 2"
	" ELSE 1 END) AS worst, severity, cause, o.id FROM v_incident AS o, json_each(victims) AS v WHERE status = 'open' AND"
	" onset_ns <= :to GROUP BY v.value)"
	", k AS (SELECT container FROM w UNION SELECT container FROM u UNION SELECT container FROM p)"
	" SELECT k.container, " CONTAINER_NAMES("k.container") ","
	" (SELECT kind FROM v_container c WHERE c.container = k.container) AS kind, :to AS ts_ns, :to - :from AS span_ns,"
	" u.cpus, u.cpus_limit, u.memory_bytes, u.memory_limit_bytes, coalesce(w.cpu, 0) AS wait_cpu_ns,"
	" coalesce(w.throttled, 0) AS wait_throttled_ns, coalesce(w.io, 0) AS wait_io_ns, coalesce(w.memory, 0) AS"
	" wait_memory_ns, coalesce(w.lock, 0) AS wait_lock_ns, coalesce(w.whole - w.cpu - w.throttled - w.io - w.memory -"
	" w.lock, 0) AS wait_other_ns, p.cpu AS pressure_cpu, p.memory AS pressure_memory, p.io AS pressure_io, n.lost,"
	" b.resource, b.culprit, CASE WHEN b.culprit IS NULL THEN b.sink ELSE (SELECT coalesce(name, ref) FROM v_container c"
	" WHERE c.container = b.culprit) END AS culprit_name, b.culprit_comm AS culprit_task, coalesce(b.ns, 0) AS blamed_ns,"
	" coalesce(i.n, 0) AS open, i.severity, i.cause, i.id AS incident"
	" FROM k LEFT JOIN w ON w.container = k.container LEFT JOIN u ON u.container = k.container"
	" LEFT JOIN p ON p.container = k.container LEFT JOIN n ON n.container = k.container"
	" LEFT JOIN b ON b.victim = k.container LEFT JOIN i ON i.container = k.container"
	" ORDER BY coalesce(i.worst, 0) > 1 DESC, coalesce(w.whole, 0) DESC, coalesce(u.cpus, 0) DESC, k.container";

int64_t top_read(struct reader *r, int64_t at_ns, json_t **ret_rows, struct strbuf *ret_error)
{
	const struct query_limits limits = { .rows = 20000, .time_ns = 5 * NSEC_PER_SEC };
	struct query_param params[] = { { .name = ":from", .type = PARAM_INT }, { .name = ":to", .type = PARAM_INT } };
	int64_t first, to = at_ns;
	int64_t n = at_ns ? 0 : reader_bounds(r, &first, &to);

	if (n >= 0)
		n = reader_select(r, to - TOP_SPAN_NS, to);
	if (n < 0)
		return n;
	params[0].integer = to - TOP_SPAN_NS;
	params[1].integer = to;
	return rows_query(r, sql, params, ARRAY_SIZE(params), &limits, ret_rows, ret_error);
}
