/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/views.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

#include "base/strbuf.h"
#include "schema/kinds.h"

/*
 * A view over shards is a UNION ALL of plain SELECTs: SQLite pushes conditions down into each of them as long as they
 * hold no ORDER BY, aggregate or LIMIT (https://www.sqlite.org/optoverview.html#flattening).
 */
struct maker {
	sqlite3 *db;
	const char *const *shards;
	size_t count;
	int64_t at_ns; /* nothing later is known; INT64_MAX: everything is */
	const char *wanted;  /* a text that names those to be made; NULL: all */
	struct strbuf *made; /* names, each between spaces */
	struct strbuf sql;
};

/* One SELECT of a view for one shard. */
typedef void (*term_fn)(struct maker *m, size_t shard, const void *arg);

static const struct {
	const char *name, *expression; /* $ is the shard */
} envelope[] = {
	{ "ts_ns", "e.ts_ns" },
	{ "kind", "k.name" },
	{ "class", "k.class" },
	{ "container", "e.cid" },
	{ "container_name", "(SELECT c.name FROM $.container AS c WHERE c.cid = e.cid)" },
	{ "peer", "e.pcid" },
	{ "peer_name", "(SELECT c.name FROM $.container AS c WHERE c.cid = e.pcid)" },
	{ "pid", "e.pid" },
	{ "tid", "e.tid" },
	{ "comm", "(SELECT t.text FROM $.str AS t WHERE t.id = e.comm)" },
	{ "start_time_ns", "e.start_ns" },
	{ "peer_pid", "e.ppid" },
	{ "peer_tid", "e.ptid" },
	{ "peer_comm", "(SELECT t.text FROM $.str AS t WHERE t.id = e.pcomm)" },
	{ "peer_start_time_ns", "e.pstart_ns" },
	{ "duration_ns", "e.duration_ns" },
	{ "error", "e.error" },
	{ "flags", "e.flags" },
	{ "pending", "(e.flags & 1)" },
	{ "cpu", "e.cpu" },
	{ "stack", "e.stack" },
	{ "peer_stack", "e.pstack" },
};

static void add_expression(struct maker *m, const char *expression, size_t shard)
{
	for (; *expression; expression++)
		if (*expression == '$')
			strbuf_addstr(&m->sql, m->shards[shard]);
		else
			strbuf_addch(&m->sql, *expression);
}

static void add_column(struct maker *m, const char *expression, const char *name, size_t shard, bool first)
{
	strbuf_addstr(&m->sql, first ? "SELECT " : ", ");
	add_expression(m, expression, shard);
	strbuf_addf(&m->sql, " AS \"%s\"", name);
}

static void add_quoted(struct maker *m, const char *text)
{
	strbuf_addch(&m->sql, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			strbuf_addch(&m->sql, '\'');
		strbuf_addch(&m->sql, *text);
	}
	strbuf_addch(&m->sql, '\'');
}

static int execute(struct maker *m)
{
	int rc = strbuf_error(&m->sql) ? SQLITE_NOMEM : sqlite3_exec(m->db, strbuf_str(&m->sql), NULL, NULL, NULL);

	strbuf_reset(&m->sql);
	return rc == SQLITE_OK ? 0 : -EIO;
}

/* Whether v_NAME is to be made; it then counts as made. */
static bool take(struct maker *m, const char *name)
{
	char view[40];

	snprintf(view, sizeof(view), " v_%s ", name);
	if (strstr(strbuf_str(m->made), view))
		return false;
	if (m->wanted) {
		view[strlen(view) - 1] = '\0';
		if (!strcasestr(m->wanted, view + 1))
			return false;
	}
	strbuf_addf(m->made, " v_%s ", name);
	return true;
}

static int make_view(struct maker *m, const char *name, term_fn term, const void *arg)
{
	if (!take(m, name))
		return 0;
	strbuf_addf(&m->sql, "CREATE TEMP VIEW v_%s AS ", name);
	for (size_t i = 0; i < m->count; i++) {
		if (i)
			strbuf_addstr(&m->sql, " UNION ALL ");
		term(m, i, arg);
	}
	return execute(m);
}

/* ---- events ---------------------------------------------------------------------------------------------- */

static const struct kw_field *find_field(const struct kw_kind_info *info, const char *name)
{
	for (const struct kw_field *f = info->fields; f->name; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

/* "not available" is -1 in samples, NULL to whoever asks. */
static void add_field_expression(struct maker *m, const struct kw_kind_info *info, const struct kw_field *f)
{
	bool nullable = info->class == KW_CLASS_SAMPLE && f->type == KW_TYPE_S64;
	const char *function = "kw_u";

	if (f->type == KW_TYPE_S32 || f->type == KW_TYPE_S64)
		function = "kw_i";
	else if (f->type == KW_TYPE_STR)
		function = "kw_s";
	else if (f->type == KW_TYPE_CG)
		function = "kw_cg";
	else if (f->type == KW_TYPE_ADDR)
		function = "kw_addr";
	strbuf_addf(&m->sql, "%s%s(e.payload, %u, %u)%s", nullable ? "nullif(" : "", function, f->offset, f->size,
		    nullable ? ", -1)" : "");
}

static void add_fields(struct maker *m, const struct kw_kind_info *info, const char *without)
{
	for (const struct kw_field *f = info->fields; f->name; f++) {
		if (without && !strcmp(f->name, without))
			continue;
		strbuf_addstr(&m->sql, ", ");
		add_field_expression(m, info, f);
		strbuf_addf(&m->sql, " AS \"%s\"", f->name);
	}
}

static bool is_past(const struct maker *m)
{
	return m->at_ns != INT64_MAX;
}

static void add_from(struct maker *m, size_t shard, unsigned int kind)
{
	strbuf_addf(&m->sql, " FROM %s.event AS e WHERE e.kind = %u", m->shards[shard], kind);
	if (is_past(m))
		strbuf_addf(&m->sql, " AND e.ts_ns <= %" PRId64, m->at_ns);
}

static void event_term(struct maker *m, size_t shard, const void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(envelope); i++)
		add_column(m, envelope[i].expression, envelope[i].name, shard, !i);
	add_column(m, "kw_json(e.kind, e.payload)", "payload", shard, false);
	add_column(
		m,
		"kw_summary(e.kind, e.duration_ns, e.error, (SELECT t.text FROM $.str AS t WHERE t.id = e.comm), e.pid,"
		" (SELECT c.name FROM $.container AS c WHERE c.cid = e.cid),"
		" (SELECT c.name FROM $.container AS c WHERE c.cid = e.pcid),"
		" (SELECT t.text FROM $.str AS t WHERE t.id = e.pcomm), e.payload)",
		"summary", shard, false);
	strbuf_addf(&m->sql, " FROM %s.event AS e JOIN temp.kw_kind AS k ON k.number = e.kind", m->shards[shard]);
	if (is_past(m))
		strbuf_addf(&m->sql, " WHERE e.ts_ns <= %" PRId64, m->at_ns);
}

static const char *class_name(enum kw_class class)
{
	static const char *const names[] = {
		[KW_CLASS_CONTROL] = "control", [KW_CLASS_CONTEXT] = "context", [KW_CLASS_SAMPLE] = "sample"
	};

	return names[class];
}

static void kind_term(struct maker *m, size_t shard, const void *arg)
{
	const struct kw_kind_info *info = arg;
	bool first = true;

	for (size_t i = 0; i < ARRAY_SIZE(envelope); i++) {
		const char *name = envelope[i].name;
		char constant[64];

		if (find_field(info, name))
			continue;
		snprintf(constant, sizeof(constant), "'%s'",
			 !strcmp(name, "kind") ? info->name : class_name(info->class));
		add_column(m, envelope[i].expression[0] == 'k' ? constant : envelope[i].expression, name, shard, first);
		first = false;
	}
	add_fields(m, info, NULL);
	add_from(m, shard, info->number);
}

/* ---- samples and others with columns of their own -------------------------------------------------------- */

/* {name} in an expression is that field of the payload. */
static void add_template(struct maker *m, const struct kw_kind_info *info, const char *template, size_t shard)
{
	while (*template) {
		const char *end = *template == '{' ? strchr(template, '}') : NULL;
		char name[32];

		if (!end) {
			char one[2] = { *template ++, '\0' };

			add_expression(m, one, shard);
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)(end - template - 1), template + 1);
		add_field_expression(m, info, find_field(info, name));
		template = end + 1;
	}
}

static const struct special {
	const char *view, *select;
	unsigned int kind;
	bool all_fields; /* followed by every field of the payload but span_ns */
} specials[] = {
	{ "wait",
	  "e.ts_ns AS ts_ns, {span_ns} AS span_ns, e.cid AS container, kw_wait_reason({reason}) AS reason, {sum_ns} AS"
	  " wait_ns, {count} AS count, {max_ns} AS max_ns",
	  KW_KIND_wait, false },
	{ "blame",
	  "e.ts_ns AS ts_ns, {span_ns} AS span_ns, kw_resource({resource}) AS resource, e.cid AS victim,"
	  " CASE WHEN {sink} IN (0, 6) THEN e.pcid END AS culprit, kw_sink({sink}) AS sink, e.ppid AS culprit_pid,"
	  " e.ptid AS culprit_tid, (SELECT t.text FROM $.str AS t WHERE t.id = e.pcomm) AS culprit_comm,"
	  " e.pstart_ns AS culprit_start_time_ns, {object} AS object, {ns} AS ns, {count} AS count",
	  KW_KIND_blame, false },
	{ "profile",
	  "e.ts_ns AS ts_ns, {span_ns} AS span_ns, e.cid AS container, e.pid AS pid, e.tid AS tid, (SELECT t.text FROM"
	  " $.str AS t WHERE t.id = e.comm) AS comm, {samples} AS samples, {ns} AS ns, e.stack AS stack, e.pstack AS"
	  " user_stack",
	  KW_KIND_profile, false },
	{ "wakeup",
	  "e.ts_ns AS ts_ns, {span_ns} AS span_ns, e.cid AS container, e.pcid AS waker, e.ppid AS waker_pid, e.ptid AS"
	  " waker_tid, (SELECT t.text FROM $.str AS t WHERE t.id = e.pcomm) AS waker_comm, {count} AS count, {sum_ns} AS"
	  " sum_ns, {max_ns} AS max_ns",
	  KW_KIND_wakeup, false },
	{ "tally", "e.ts_ns AS ts_ns, {span_ns} AS span_ns, e.cid AS container", KW_KIND_tally, true },
	{ "held", "e.ts_ns AS ts_ns, {span_ns} AS span_ns, e.cid AS container", KW_KIND_held, true },
	{ "usage", "e.ts_ns AS ts_ns, {span_ns} AS span_ns, e.cid AS container", KW_KIND_usage, true },
	{ "pressure", "e.ts_ns AS ts_ns, {span_ns} AS span_ns, e.cid AS container", KW_KIND_pressure, true },
	{ "host", "e.ts_ns AS ts_ns, {span_ns} AS span_ns", KW_KIND_host, true },
	{ "netstat", "e.ts_ns AS ts_ns, {span_ns} AS span_ns, e.cid AS container", KW_KIND_netstat, true },
	{ "log", "e.ts_ns AS ts_ns, {priority} AS priority, {facility} AS facility, {seq} AS seq, {text} AS text",
	  KW_KIND_log, false },
	{ "coverage",
	  "e.ts_ns AS ts_ns, {name} AS probe, kw_probe_state({state}) AS state, {attach} AS attach, {why} AS why,"
	  " {emitted} AS emitted, {stored} AS stored, {lost_ring} AS lost_ring, {suppressed} AS suppressed,"
	  " {lost_other} AS lost_other, {run_ns} AS run_ns, {run_count} AS run_count, {cost_ppm} AS cost_ppm",
	  KW_KIND_probe, false },
	{ "tick",
	  "e.ts_ns AS ts_ns, {seq} AS seq, {emitted} AS emitted, {stored} AS stored, {lost} AS lost, {bpf} AS bpf,"
	  " {probes_missing} AS probes_missing, coalesce({off}, 0) AS off",
	  KW_KIND_tick, false },
};

static void special_term(struct maker *m, size_t shard, const void *arg)
{
	const struct special *s = arg;
	const struct kw_kind_info *info = kw_kind_by_number(s->kind);

	strbuf_addstr(&m->sql, "SELECT ");
	add_template(m, info, s->select, shard);
	if (s->all_fields)
		add_fields(m, info, "span_ns");
	add_from(m, shard, info->number);
}

/* ---- waits of single tasks, whatever recorded them --------------------------------------------------------- */

static const struct {
	unsigned int kind;
	const char *reason;
} stops[] = {
	{ KW_KIND_runq, "'cpu'" },
	{ KW_KIND_throttle, "'throttled'" },
	{ KW_KIND_lock, "CASE {fs_freeze_level} WHEN 0 THEN 'lock' ELSE 'fs_frozen' END" },
	{ KW_KIND_reclaim, "'reclaim'" },
	{ KW_KIND_blocked, "CASE WHEN {what} = 1 THEN 'futex' WHEN {what} IN (2, 3) THEN 'file_lock' WHEN {what} IN (4, 5)"
			   " THEN 'peer' WHEN {what} = 6 THEN 'stopped' WHEN {what} = 8 THEN 'fault' ELSE 'traced' END" },
	{ KW_KIND_offcpu, "CASE {reason} WHEN 0 THEN 'sleep' ELSE kw_wait_reason({reason}) END" },
};

static void stop_term(struct maker *m, size_t shard, const void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(stops); i++) {
		const struct kw_kind_info *info = kw_kind_by_number(stops[i].kind);

		strbuf_addf(&m->sql, "%sSELECT e.ts_ns AS ts_ns, '%s' AS kind, ", i ? " UNION ALL " : "", info->name);
		add_template(m, info, stops[i].reason, shard);
		add_template(m, info, " AS reason, e.cid AS container, e.pid AS pid, e.tid AS tid,"
			     " e.duration_ns AS duration_ns, (e.flags & 1) AS pending, e.pcid AS peer, e.ppid AS peer_pid,"
			     " e.ptid AS peer_tid", shard);
		add_from(m, shard, info->number);
	}
}

/* ---- what sources of metadata said, field by field ----------------------------------------------------------- */

/* Not everything in a store was written by us: what is no JSON says nothing. */
static void fact_term(struct maker *m, size_t shard, const void *arg)
{
	const struct kw_kind_info *info = kw_kind_by_number(KW_KIND_identity);

	(void)arg;
	add_template(m, info,
		     "SELECT e.ts_ns AS ts_ns, e.cid AS container, kw_source({source}) AS source, f.key AS field, f.value AS"
		     " value FROM $.event AS e, json_each(CASE WHEN json_valid({fields}) THEN {fields} ELSE '[]' END) AS f",
		     shard);
	strbuf_addf(&m->sql, " WHERE e.kind = %u", info->number);
	if (is_past(m))
		strbuf_addf(&m->sql, " AND e.ts_ns <= %" PRId64, m->at_ns);
}

/* ---- dictionaries: a row that several shards have is that of the newest ---------------------------------- */

static void add_newest_only(struct maker *m, size_t shard, const char *table, const char *key)
{
	for (size_t i = 0; i < shard; i++)
		strbuf_addf(&m->sql, "%s NOT EXISTS (SELECT 1 FROM %s.%s AS n WHERE n.%s = t.%s)",
			    i ? " AND" : " WHERE", m->shards[i], table, key, key);
}

static void stack_term(struct maker *m, size_t shard, const void *arg)
{
	(void)arg;
	strbuf_addf(&m->sql, "SELECT t.hash AS stack, t.text AS frames FROM %s.stack AS t", m->shards[shard]);
	add_newest_only(m, shard, "stack", "hash");
}

/* Shards of an older schema know less. */
static bool has_column(struct maker *m, size_t shard, const char *table, const char *column)
{
	return sqlite3_table_column_metadata(m->db, m->shards[shard], table, column, NULL, NULL, NULL, NULL, NULL) ==
	       SQLITE_OK;
}

static void container_term(struct maker *m, size_t shard, const void *arg)
{
	/* Of the facts of a container (aggregate/facts.def), those that have no column of their own. */
	static const char *const facts[] = { "pod_uid",	 "owner", "qos",      "role",	   "unit",	"restarts",
					     "annotations", "limits", "requests", "netns", "root_pid", "exit_code",
					     "exit_reason" };
	bool known = has_column(m, shard, "container", "facts");

	(void)arg;
	strbuf_addstr(&m->sql,
		      "SELECT t.cid AS container, t.ref AS ref, t.name AS name, t.runtime AS runtime, t.id AS id, t.pod"
		      " AS pod, t.namespace AS namespace, t.image AS image, t.labels AS labels, t.cgroup AS cgroup,"
		      " t.parent AS parent, t.first_ns AS first_ns");
	if (is_past(m))
		strbuf_addf(&m->sql, ", CASE WHEN t.last_ns <= %" PRId64 " THEN t.last_ns END AS last_ns, t.kind AS kind",
			    m->at_ns);
	else
		strbuf_addstr(&m->sql, ", t.last_ns AS last_ns, t.kind AS kind");
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		if (known)
			strbuf_addf(&m->sql, ", json_extract(t.facts, '$.%s[1]') AS %s", facts[i], facts[i]);
		else
			strbuf_addf(&m->sql, ", NULL AS %s", facts[i]);
	strbuf_addf(&m->sql, ", %s AS facts FROM %s.container AS t", known ? "t.facts" : "NULL", m->shards[shard]);
	add_newest_only(m, shard, "container", "cid");
	if (is_past(m))
		strbuf_addf(&m->sql, " %s t.first_ns <= %" PRId64, shard ? "AND" : "WHERE", m->at_ns);
}

static void node_term(struct maker *m, size_t shard, const void *arg)
{
	static const char *const keys[] = { "boot_id", "node", "kernel", "arch" };

	(void)arg;
	strbuf_addf(&m->sql, "SELECT (SELECT min(ts_ns) FROM %s.event) AS first_ns", m->shards[shard]);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		strbuf_addf(&m->sql, ", (SELECT value FROM %s.meta WHERE key = '%s') AS %s", m->shards[shard], keys[i],
			    keys[i]);
	/* Rows of v1 hierarchies come last in the primary key. */
	strbuf_addf(&m->sql, ", (SELECT max(hierarchy) > 0 FROM %s.directory) AS cgroup_v1", m->shards[shard]);
}

/* ---- reports --------------------------------------------------------------------------------------------- */

static const struct {
	const char *view, *some, *none;
} report_views[] = {
	{ "incident",
	  "SELECT id, cause, status, severity, confidence, headline, onset_ns, detected_ns, end_ns, revision,"
	  " resource_kind, resource_name, culprit, victims FROM reports.incident",
	  "SELECT NULL AS id, NULL AS cause, NULL AS status, NULL AS severity, NULL AS confidence, NULL AS headline,"
	  " NULL AS onset_ns, NULL AS detected_ns, NULL AS end_ns, NULL AS revision, NULL AS resource_kind,"
	  " NULL AS resource_name, NULL AS culprit, NULL AS victims WHERE 0" },
	{ "report", "SELECT id, revision, created_ns, body AS report FROM reports.report",
	  "SELECT NULL AS id, NULL AS revision, NULL AS created_ns, NULL AS report WHERE 0" },
};

/* As the newest revision of that moment has it. */
static void add_past_report_view(struct maker *m, const char *view)
{
	static const char columns[] =
		"json_extract(r.body, '$.cause') AS cause, json_extract(r.body, '$.status') AS status,"
		" json_extract(r.body, '$.severity') AS severity, json_extract(r.body, '$.confidence.level') AS"
		" confidence, json_extract(r.body, '$.headline') AS headline, i.onset_ns AS onset_ns, i.detected_ns AS"
		" detected_ns, CAST(json_extract(r.body, '$.window.end_ns') AS INTEGER) AS end_ns, r.revision AS"
		" revision, i.resource_kind AS resource_kind, i.resource_name AS resource_name, i.culprit AS culprit,"
		" i.victims AS victims";

	if (!strcmp(view, "report"))
		strbuf_addf(&m->sql,
			    "SELECT id, revision, created_ns, body AS report FROM reports.report WHERE created_ns <= %" PRId64,
			    m->at_ns);
	else
		strbuf_addf(&m->sql,
			    "SELECT i.id AS id, %s FROM reports.incident AS i JOIN reports.report AS r ON r.id = i.id AND"
			    " r.revision = (SELECT max(n.revision) FROM reports.report AS n WHERE n.id = i.id AND n.created_ns"
			    " <= %" PRId64 ")",
			    columns, m->at_ns);
}

/* An older file has no table of them, and that of a newer one is of now. */
static int make_parties(struct maker *m, bool reports)
{
	bool table = reports && !is_past(m) &&
		     sqlite3_table_column_metadata(m->db, "reports", "party", "name", NULL, NULL, NULL, NULL, NULL) ==
			     SQLITE_OK;

	if (!take(m, "party"))
		return 0;
	strbuf_addf(&m->sql, "CREATE TEMP VIEW v_party AS %s",
		    table ? "SELECT id, name FROM reports.party"
			  : "SELECT DISTINCT i.id AS id, n.value AS name FROM v_incident AS i JOIN v_report AS r ON r.id = i.id"
			    " AND r.revision = i.revision, json_each('[\"victims\",\"culprits\"]') AS k, json_each(r.report,"
			    " '$.' || k.value) AS p, json_each(json_extract(p.value, '$.container')) AS n WHERE p.type ="
			    " 'object' AND n.type = 'text' AND n.key IN ('name', 'ref', 'cgroup', 'id')");
	return execute(m);
}

static int make_report_views(struct maker *m, bool reports)
{
	int r = make_parties(m, reports);

	for (size_t i = 0; !r && i < ARRAY_SIZE(report_views); i++) {
		if (!take(m, report_views[i].view))
			continue;
		strbuf_addf(&m->sql, "CREATE TEMP VIEW v_%s AS ", report_views[i].view);
		if (reports && is_past(m))
			add_past_report_view(m, report_views[i].view);
		else
			strbuf_addstr(&m->sql, reports ? report_views[i].some : report_views[i].none);
		r = execute(m);
	}
	return r;
}

/* ---- deviation ------------------------------------------------------------------------------------------- */

/*
 * What each series of a container is against its own past of five minutes: median, and the distance of the quartiles
 * over 1.349, which is the standard deviation where values are spread normally.  The floor keeps a container that was
 * silent from deviating by next to nothing; it grows with what is usual, as noise does.
 */
#define PAST "300000000000"
#define KNOWN "min(" PAST ", s.ts_ns - k.first_ns)"

static const struct {
	const char *series, *table, *value; /* series: an expression over a row s of the table */
	const char *same;                   /* makes rows p the same series */
	const char *of;                     /* number of values; "": as many as there are rows */
	const char *floor;
} baselines[] = {
	{ "'wait.' || s.reason", "v_wait", "wait_ns", " AND p.reason = s.reason", ", " KNOWN " / s.span_ns", "10000000" },
	{ "'cpu'", "v_usage", "cpu_ns", "", "", "10000000" },
	{ "'memory'", "v_usage", "memory_bytes", "", "", "1048576" },
	{ "'io_read'", "v_usage", "io_read_bytes", "", "", "1048576" },
	{ "'io_write'", "v_usage", "io_write_bytes", "", "", "1048576" },
};

static void add_quantile(struct maker *m, size_t i, const char *q)
{
	strbuf_addf(&m->sql,
		    "coalesce((SELECT quantile(p.%s, %s%s) FROM %s p WHERE p.container = s.container AND p.ts_ns BETWEEN"
		    " s.ts_ns - " PAST " AND s.ts_ns - 1%s), 0)",
		    baselines[i].value, q, baselines[i].of, baselines[i].table, baselines[i].same);
}

static int make_deviation(struct maker *m)
{
	if (!take(m, "deviation"))
		return 0;
	strbuf_addstr(&m->sql, "CREATE TEMP VIEW v_deviation AS SELECT ts_ns,"
			       " container, series, value, usual, spread, round((value - usual) / max(spread, floor, 0.1 *"
			       " usual), 2) AS deviation, known_ns, known_ns < 30000000000 AS warm_up FROM (");
	for (size_t i = 0; i < ARRAY_SIZE(baselines); i++) {
		strbuf_addf(&m->sql, "%sSELECT s.ts_ns AS ts_ns, s.container AS container, %s AS series, s.%s AS value, ",
			    i ? " UNION ALL " : "", baselines[i].series, baselines[i].value);
		add_quantile(m, i, "0.5");
		strbuf_addstr(&m->sql, " AS usual, (");
		add_quantile(m, i, "0.75");
		strbuf_addstr(&m->sql, " - ");
		add_quantile(m, i, "0.25");
		strbuf_addf(&m->sql,
			    ") / 1.349 AS spread, %s AS floor, " KNOWN " AS known_ns FROM %s s JOIN v_container k ON"
			    " k.container = s.container",
			    baselines[i].floor, baselines[i].table);
	}
	strbuf_addstr(&m->sql, ")");
	return execute(m);
}

/* ---- all ------------------------------------------------------------------------------------------------- */

/* Kinds by name, so that a condition on v_event.kind becomes one on the number, which is indexed. */
static int make_kinds(struct maker *m)
{
	const struct kw_kind_info *info;

	strbuf_addstr(&m->sql,
		      "CREATE TEMP TABLE IF NOT EXISTS kw_kind (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
		      " class TEXT NOT NULL, title TEXT NOT NULL)");
	for (size_t i = 0; (info = kw_kind_at(i)); i++) {
		strbuf_addf(&m->sql, "; INSERT OR IGNORE INTO temp.kw_kind VALUES (%u, '%s', '%s', ", info->number,
			    info->name, class_name(info->class));
		add_quoted(m, info->title);
		strbuf_addch(&m->sql, ')');
	}
	return execute(m);
}

static int make_kind_views(struct maker *m)
{
	const struct kw_kind_info *info;
	int r = 0;

	for (size_t i = 0; !r && (info = kw_kind_at(i)); i++) {
		bool special = info->number == KW_KIND_stack;

		for (size_t j = 0; j < ARRAY_SIZE(specials); j++)
			special = special || !strcmp(specials[j].view, info->name);
		if (!special)
			r = make_view(m, info->name, kind_term, info);
	}
	for (size_t i = 0; !r && i < ARRAY_SIZE(specials); i++)
		r = make_view(m, specials[i].view, special_term, &specials[i]);
	return r;
}

int views_prepare(struct sqlite3 *db)
{
	struct maker m = { .db = db };
	int r = make_kinds(&m);

	strbuf_cleanup(&m.sql);
	return r;
}

static int make_all(struct maker *m, bool reports)
{
	int r = make_view(m, "event", event_term, NULL);

	if (!r)
		r = make_kind_views(m);
	if (!r)
		r = make_view(m, "stop", stop_term, NULL);
	if (!r)
		r = make_view(m, "fact", fact_term, NULL);
	if (!r)
		r = make_view(m, "stack", stack_term, NULL);
	if (!r)
		r = make_view(m, "container", container_term, NULL);
	if (!r)
		r = make_view(m, "node", node_term, NULL);
	if (!r)
		r = make_deviation(m);
	return r ? r : make_report_views(m, reports);
}

int views_make(struct sqlite3 *db, const struct views *v, const char *text)
{
	struct maker m = { .db = db, .shards = v->shards, .count = v->count, .at_ns = v->at_ns, .made = v->made };
	AUTO(strbuf) struct strbuf wanted = STRBUF_INIT;
	int r;

	if (text) {
		strbuf_addstr(&wanted, text);
		/* What they are made of. */
		if (strcasestr(text, "v_deviation"))
			strbuf_addstr(&wanted, " v_wait v_usage v_container");
		if (strcasestr(text, "v_party"))
			strbuf_addstr(&wanted, " v_incident v_report");
		if (strbuf_error(&wanted))
			return -EIO;
		m.wanted = strbuf_str(&wanted);
	}
	r = make_all(&m, v->reports);
	strbuf_cleanup(&m.sql);
	if (!r && !strbuf_error(v->made))
		return 0;
	views_drop(db, v->made); /* what is missing would count as made */
	return -EIO;
}

/* 0: it is not of one kind. */
static unsigned int kind_of_view(const char *name, size_t len)
{
	const struct kw_kind_info *info;

	for (size_t i = 0; i < ARRAY_SIZE(specials); i++)
		if (strlen(specials[i].view) == len && !strncasecmp(specials[i].view, name, len))
			return specials[i].kind;
	for (size_t i = 0; (info = kw_kind_at(i)); i++)
		if (strlen(info->name) == len && !strncasecmp(info->name, name, len))
			return info->number == KW_KIND_stack ? 0 : info->number;
	return 0;
}

bool views_kinds(const char *sql, bool kinds[KW_KINDS_MAX])
{
	static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	bool all = true;

	for (const char *p = sql; *(p += strcspn(p, word)); p += strspn(p, word)) {
		unsigned int kind;

		if (strncasecmp(p, "v_", 2) != 0)
			continue;
		kind = kind_of_view(p + 2, strspn(p + 2, word));
		all = all && kind;
		if (kind)
			kinds[kind] = true;
	}
	return all;
}

int views_drop(struct sqlite3 *db, struct strbuf *made)
{
	AUTO(strbuf) struct strbuf sql = STRBUF_INIT;

	for (const char *p = strbuf_str(made); *(p += strspn(p, " ")); p += strcspn(p, " "))
		strbuf_addf(&sql, "DROP VIEW IF EXISTS temp.%.*s;", (int)strcspn(p, " "), p);
	strbuf_reset(made);
	return strbuf_error(&sql) || sqlite3_exec(db, strbuf_str(&sql), NULL, NULL, NULL) != SQLITE_OK ? -EIO : 0;
}
