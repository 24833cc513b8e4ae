/* SPDX-License-Identifier: Apache-2.0 */
#include "web/series.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/html.h"
#include "web/rows.h"

#define WINDOW_NS (15 * 60 * NSEC_PER_SEC)
#define WINDOW_MIN_NS (60 * NSEC_PER_SEC)
/* What was usual is read over a time as long as the window, within these bounds. */
#define PAST_MIN_NS (5 * 60 * NSEC_PER_SEC)
#define PAST_MAX_NS (60 * 60 * NSEC_PER_SEC)
#define CHANGE_MIN_NS (60 * NSEC_PER_SEC)
#define TIME_LIMIT_NS (5 * NSEC_PER_SEC)
/* One sample in thirty is kept of those that say nothing new (aggregate/idle.h); ticks may be a little longer. */
#define STILL_NS (35 * NSEC_PER_SEC)
#define LOW 0.1
#define HIGH 0.9

/* What it means when there is no sample although kwhy ran. */
enum missing {
	UNKNOWN,
	ZERO,  /* only what happened is recorded */
	STILL, /* 0 for a while: a sample that says nothing new is left out, but one in so many */
	SAME,  /* as before for a while, likewise */
};

/* value is an aggregate over the samples of one step; :step is its length. */
struct series_def {
	const char *name, *group, *title, *unit, *view, *value;
	enum missing missing;
	bool host_only; /* the view has no containers */
};

#define SHARE(column) "sum(" column ") * 1.0 / sum(span_ns)"
#define RATE(column) "sum(" column ") * 1e9 / sum(span_ns)"
#define WAITS(reasons) "sum(wait_ns) FILTER (WHERE reason IN (" reasons ")) * 1.0 / :step"

static const struct series_def defs[] = {
	{ "psi.cpu", "Pressure", "CPU pressure", "ratio", "v_pressure", SHARE("cpu_some_ns"), STILL, false },
	{ "psi.memory", "Pressure", "Memory pressure", "ratio", "v_pressure", SHARE("memory_some_ns"), STILL, false },
	{ "psi.memory.full", "Pressure", "Memory pressure, all stalled", "ratio", "v_pressure", SHARE("memory_full_ns"),
	  STILL, false },
	{ "psi.io", "Pressure", "I/O pressure", "ratio", "v_pressure", SHARE("io_some_ns"), STILL, false },
	{ "psi.io.full", "Pressure", "I/O pressure, all stalled", "ratio", "v_pressure", SHARE("io_full_ns"), STILL,
	  false },
	{ "cpu.used", "CPU", "CPU used", "cores", "v_usage", SHARE("cpu_ns"), STILL, false },
	{ "cpu.throttled", "CPU", "Stopped by its quota", "ratio", "v_usage",
	  "sum(cpu_throttled_periods) * 1.0 / sum(cpu_periods)", STILL, false },
	{ "wait.cpu", "CPU", "Waiting for a CPU", "tasks", "v_wait", WAITS("'cpu'"), ZERO, false },
	{ "wait.throttled", "CPU", "Waiting for quota", "tasks", "v_wait", WAITS("'throttled'"), ZERO, false },
	{ "wait.stolen", "CPU", "Interrupted while running", "tasks", "v_wait", WAITS("'stolen'"), ZERO, false },
	{ "host.busy", "CPU", "CPU busy, of all CPUs", "ratio", "v_host",
	  "1 - sum(idle_ns + iowait_ns) * 1.0 / sum(cpus * span_ns)", UNKNOWN, true },
	{ "host.steal", "CPU", "Stolen by the hypervisor", "ratio", "v_host",
	  "sum(steal_ns) * 1.0 / sum(cpus * span_ns)", UNKNOWN, true },
	{ "host.running", "CPU", "Runnable tasks", "tasks", "v_host", "max(running)", UNKNOWN, true },
	{ "host.forks", "CPU", "Forks", "per s", "v_host", RATE("forks"), UNKNOWN, true },
	{ "memory.used", "Memory", "Memory charged", "bytes", "v_usage", "max(memory_bytes)", SAME, false },
	{ "memory.cache", "Memory", "Page cache", "bytes", "v_usage", "max(memory_file_bytes)", SAME, false },
	{ "memory.refaults", "Memory", "Pages read again after eviction", "per s", "v_usage", RATE("refaults"), STILL,
	  false },
	{ "memory.faults", "Memory", "Major faults", "per s", "v_usage", RATE("major_faults"), STILL, false },
	{ "memory.swap", "Memory", "Swapped out", "bytes", "v_usage", "max(memory_swap_bytes)", SAME, false },
	{ "wait.reclaim", "Memory", "Reclaiming memory", "tasks", "v_wait", WAITS("'reclaim'"), ZERO, false },
	{ "host.available", "Memory", "Memory available", "bytes", "v_host", "min(memory_available_bytes)", UNKNOWN,
	  true },
	{ "host.reclaim", "Memory", "Pages scanned by direct reclaim", "per s", "v_host", RATE("reclaim_direct_pages"),
	  UNKNOWN, true },
	{ "io.read", "Storage", "Read", "bytes per s", "v_usage", RATE("io_read_bytes"), STILL, false },
	{ "io.written", "Storage", "Written", "bytes per s", "v_usage", RATE("io_write_bytes"), STILL, false },
	{ "wait.block", "Storage", "Waiting for storage", "tasks", "v_wait", WAITS("'block'"), ZERO, false },
	{ "wait.filesystem", "Storage", "Waiting for a frozen or remote file system", "tasks", "v_wait",
	  WAITS("'fs_frozen', 'remote'"), ZERO, false },
	{ "host.dirty", "Storage", "Dirty pages", "bytes", "v_host", "max(dirty_bytes)", UNKNOWN, true },
	{ "net.sent", "Network", "TCP segments sent", "per s", "v_netstat", RATE("tcp_out_segs"), STILL, false },
	{ "net.retransmitted", "Network", "TCP segments sent again", "per s", "v_netstat", RATE("tcp_retransmits"),
	  STILL, false },
	{ "net.dropped", "Network", "Dropped at a full queue", "per s", "v_netstat",
	  "sum(coalesce(listen_overflows, 0) + coalesce(request_queue_drops, 0) + coalesce(udp_rcvbuf_errors, 0)) * "
	  "1e9 / sum(span_ns)",
	  STILL, false },
	{ "net.resets", "Network", "TCP resets sent", "per s", "v_netstat", RATE("tcp_resets_sent"), STILL, false },
	{ "wait.lock", "Locks and peers", "Waiting for a kernel lock", "tasks", "v_wait", WAITS("'lock'"), ZERO,
	  false },
	{ "wait.futex", "Locks and peers", "Waiting for a user-space lock", "tasks", "v_wait", WAITS("'futex'"), ZERO,
	  false },
	{ "wait.file_lock", "Locks and peers", "Waiting for a file lock", "tasks", "v_wait", WAITS("'file_lock'"), ZERO,
	  false },
	{ "wait.peer", "Locks and peers", "Waiting for the other end", "tasks", "v_wait", WAITS("'peer'"), ZERO,
	  false },
	{ "tasks", "Tasks", "Tasks", "tasks", "v_usage", "max(pids)", SAME, false },
	{ "wait.stopped", "Tasks", "Frozen, stopped or traced", "tasks", "v_wait",
	  WAITS("'frozen', 'stopped', 'traced'"), ZERO, false },
	{ "wait.other", "Tasks", "Waiting for something else", "tasks", "v_wait", WAITS("'other', 'unknown'"), ZERO,
	  false },
};

/* Chosen series of one container, a row of values each. */
struct grid {
	const struct series_def *chosen[ARRAY_SIZE(defs)];
	size_t count;
	int64_t container, from_ns, step_ns;
	size_t buckets;
	bool *ticked;	/* for each bucket, whether kwhy ran */
	double *values; /* NaN: none */
};

struct subject {
	int64_t container;
	json_t *object; /* { container, name, ref } */
};

static const char *const views[] = { "v_pressure", "v_usage", "v_wait", "v_host", "v_netstat" };

/* ---- choosing -------------------------------------------------------------------------------------------- */

static bool named(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (; *names; names += strspn(names, ",")) {
		size_t n = strcspn(names, ",");

		if (n == len && !strncmp(names, name, n))
			return true;
		names += n;
	}
	return false;
}

static size_t count_names(const char *names)
{
	size_t n = 0;

	for (names += strspn(names, ","); *names; names += strspn(names, ","), n++)
		names += strcspn(names, ",");
	return n;
}

static int choose(struct grid *g, const struct series_query *q, int64_t container, struct strbuf *ret_error)
{
	for (size_t i = 0; i < ARRAY_SIZE(defs); i++)
		if ((!q->names || named(q->names, defs[i].name)) && (!container || !defs[i].host_only))
			g->chosen[g->count++] = &defs[i];
	if (q->names && (!g->count || g->count < count_names(q->names))) {
		strbuf_addstr(ret_error, container ? "a container has no such series; there are:"
						   : "there is no such series; there are:");
		for (size_t i = 0; i < ARRAY_SIZE(defs); i++)
			if (!container || !defs[i].host_only)
				strbuf_addf(ret_error, " %s", defs[i].name);
		return -EINVAL;
	}
	g->container = container;
	return 0;
}

static int64_t find_subject(struct reader *r, const char *name, int64_t from_ns, int64_t to_ns, struct subject *ret,
			    struct strbuf *ret_error)
{
	/* One that was there then, before the newest; an exact name before the beginning of an id. */
	static const char sql[] =
		"SELECT container, name, ref FROM v_container WHERE (name = :name OR ref = :name OR cgroup = :name OR"
		" CAST(container AS TEXT) = :name OR (length(:name) >= 6 AND substr(id, 1, length(:name)) = :name))"
		" ORDER BY first_ns <= :to AND coalesce(last_ns, :to) >= :from DESC, name = :name DESC, ref = :name "
		"DESC,"
		" last_ns IS NULL DESC, first_ns DESC LIMIT 1";
	const struct query_param params[] = { { .name = ":name", .type = PARAM_TEXT, .text = name },
					      { .name = ":from", .type = PARAM_INT, .integer = from_ns },
					      { .name = ":to", .type = PARAM_INT, .integer = to_ns } };
	const struct query_limits limits = { .rows = 1, .time_ns = TIME_LIMIT_NS };
	json_t *rows = NULL;
	int64_t n;

	if (!name || !strcmp(name, "host")) {
		*ret = (struct subject){ 0,
					 json_pack("{s:i, s:s, s:s}", "container", 0, "name", "host", "ref", "host") };
		return 0;
	}
	n = rows_query(r, sql, params, ARRAY_SIZE(params), &limits, &rows, ret_error);
	if (n > 0)
		*ret = (struct subject){ value_int(json_array_get(rows, 0), "container", 0),
					 json_incref(json_array_get(rows, 0)) };
	else if (!n)
		strbuf_addstr(ret_error, "no container is called that");
	json_decref(rows);
	return n > 0 ? 0 : n ? n : -ENOENT;
}

/* ---- reading --------------------------------------------------------------------------------------------- */

struct filling {
	struct grid *grid;
	size_t rows[ARRAY_SIZE(defs)]; /* of the grid, for each column behind the first */
};

static double real_of(const struct query_value *v)
{
	return v->type == VALUE_INT ? (double)v->integer : v->type == VALUE_REAL ? v->real : NAN;
}

static int fill_row(void *ctx, int count, const char *const *names, const struct query_value *values)
{
	const struct filling *f = ctx;
	int64_t bucket = values[0].integer;

	(void)names;
	if (bucket < 0 || bucket >= (int64_t)f->grid->buckets)
		return 0;
	for (int i = 1; i < count; i++)
		f->grid->values[f->rows[i - 1] * f->grid->buckets + (size_t)bucket] = real_of(&values[i]);
	return 0;
}

static int64_t fill_view(struct reader *r, struct grid *g, const char *view, struct strbuf *ret_error)
{
	const struct query_param params[] = {
		{ .name = ":from", .type = PARAM_INT, .integer = g->from_ns },
		{ .name = ":to", .type = PARAM_INT, .integer = g->from_ns + g->step_ns * (int64_t)g->buckets },
		{ .name = ":step", .type = PARAM_INT, .integer = g->step_ns },
		{ .name = ":container", .type = PARAM_INT, .integer = g->container },
	};
	const struct query_limits limits = { .rows = (int64_t)g->buckets + 1, .time_ns = TIME_LIMIT_NS };
	AUTO(strbuf) struct strbuf sql = STRBUF_INIT;
	struct filling f = { .grid = g };
	size_t n = 0;

	strbuf_addstr(&sql, "SELECT (ts_ns - :from - 1) / :step AS bucket");
	for (size_t i = 0; i < g->count; i++)
		if (!strcmp(g->chosen[i]->view, view)) {
			strbuf_addf(&sql, ", %s", g->chosen[i]->value);
			f.rows[n++] = i;
		}
	strbuf_addf(&sql, " FROM %s WHERE ts_ns > :from AND ts_ns <= :to%s GROUP BY bucket", view,
		    strcmp(view, "v_host") ? " AND container = :container" : "");
	return n ? reader_query(r, strbuf_str(&sql), params, ARRAY_SIZE(params), &limits, fill_row, &f, ret_error) : 0;
}

static int note_tick(void *ctx, int count, const char *const *names, const struct query_value *values)
{
	const struct grid *g = ctx;
	int64_t bucket = values[0].integer;

	(void)count;
	(void)names;
	if (bucket >= 0 && bucket < (int64_t)g->buckets)
		g->ticked[bucket] = true;
	return 0;
}

/* Where there was a tick, kwhy ran.  The caller frees g->ticked. */
static int64_t read_ticks(struct reader *r, struct grid *g, struct strbuf *ret_error)
{
	static const char sql[] =
		"SELECT DISTINCT (ts_ns - :from - 1) / :step FROM v_tick WHERE ts_ns > :from AND ts_ns <= :to";
	const struct query_param params[] = {
		{ .name = ":from", .type = PARAM_INT, .integer = g->from_ns },
		{ .name = ":to", .type = PARAM_INT, .integer = g->from_ns + g->step_ns * (int64_t)g->buckets },
		{ .name = ":step", .type = PARAM_INT, .integer = g->step_ns },
	};
	const struct query_limits limits = { .rows = (int64_t)g->buckets + 1, .time_ns = TIME_LIMIT_NS };

	g->ticked = calloc(MAX(1, g->buckets), sizeof(*g->ticked));
	return g->ticked ? reader_query(r, sql, params, ARRAY_SIZE(params), &limits, note_tick, g, ret_error) : -ENOMEM;
}

static void complete_row(const struct grid *g, size_t i)
{
	size_t age = 0, still = (size_t)MAX(1, STILL_NS / g->step_ns);
	double last = NAN, *row = g->values + i * g->buckets;

	for (size_t k = 0; k < g->buckets; k++, age++) {
		bool recent = !isnan(last) && age < still;

		if (!isnan(row[k])) {
			last = row[k];
			age = 0;
		} else if (g->ticked[k] &&
			   (g->chosen[i]->missing == ZERO || (g->chosen[i]->missing == STILL && recent))) {
			row[k] = 0;
		} else if (g->ticked[k] && g->chosen[i]->missing == SAME && recent) {
			row[k] = last;
		}
	}
}

/* The caller frees g->values. */
static int64_t fill(struct reader *r, struct grid *g, struct strbuf *ret_error)
{
	int64_t n = 0;

	g->values = malloc(MAX(1, g->count * g->buckets) * sizeof(double));
	if (!g->values)
		return -ENOMEM;
	for (size_t i = 0; i < g->count * g->buckets; i++)
		g->values[i] = NAN;
	for (size_t i = 0; i < ARRAY_SIZE(views) && n >= 0; i++)
		n = fill_view(r, g, views[i], ret_error);
	for (size_t i = 0; i < g->count && n >= 0; i++)
		complete_row(g, i);
	return n;
}

/* ---- what was usual -------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

/* Moves the numbers of a row to its front, sorted; how many there are. */
static size_t sort_row(double *row, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (!isnan(row[i]))
			row[n++] = row[i];
	qsort(row, n, sizeof(*row), compare);
	return n;
}

static json_t *quantile(const double *sorted, size_t n, double q)
{
	return n ? json_real(sorted[(size_t)(q * (double)(n - 1) + 0.5)]) : json_null();
}

static json_t *number_or_null(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *item_of(const struct grid *g, size_t i, const struct grid *past, const json_t *subject)
{
	const struct series_def *def = g->chosen[i];
	double *before = past->values + i * past->buckets;
	size_t n = sort_row(before, past->buckets);
	json_t *values = json_array();

	for (size_t k = 0; k < g->buckets; k++)
		json_array_append_new(values, number_or_null(g->values[i * g->buckets + k]));
	return json_pack("{s:s, s:s, s:s, s:s, s:O?, s:O?, s:o, s:o, s:o, s:o}", "name", def->name, "title", def->title,
			 "group", def->group, "unit", def->unit, "container", json_object_get(subject, "container"),
			 "container_name", json_object_get(subject, "name"), "usual", quantile(before, n, 0.5), "low",
			 quantile(before, n, LOW), "high", quantile(before, n, HIGH), "values", values);
}

/* ---- steps ----------------------------------------------------------------------------------------------- */

static int take_span(void *ctx, int count, const char *const *names, const struct query_value *values)
{
	int64_t *span_ns = ctx;

	(void)count;
	(void)names;
	*span_ns = MAX(*span_ns, values[0].integer);
	return 0;
}

/* What the longest sample of that time stands for: a second, or more where older ones were put together. */
static int64_t sample_span(struct reader *r, int64_t from_ns, int64_t to_ns)
{
	static const char sql[] =
		"SELECT coalesce(max(span_ns), 0) FROM v_pressure WHERE container = 0 AND ts_ns > :from AND"
		" ts_ns <= :to";
	const struct query_param params[] = { { .name = ":from", .type = PARAM_INT, .integer = from_ns },
					      { .name = ":to", .type = PARAM_INT, .integer = to_ns } };
	const struct query_limits limits = { .rows = 1, .time_ns = TIME_LIMIT_NS };
	AUTO(strbuf) struct strbuf ignored = STRBUF_INIT;
	int64_t span_ns = NSEC_PER_SEC;

	reader_query(r, sql, params, ARRAY_SIZE(params), &limits, take_span, &span_ns, &ignored);
	return MIN(span_ns, 600 * NSEC_PER_SEC);
}

/*
 * Whole seconds, and never shorter than a sample, so that each step has one; the last may reach beyond the window.  A
 * tick is not a second to the nanosecond.
 */
static int64_t lay_out(struct reader *r, struct grid *g, int64_t from_ns, int64_t to_ns, int64_t points,
		       struct strbuf *ret_error)
{
	int64_t span = to_ns - from_ns, step = MAX((span + points - 1) / points, sample_span(r, from_ns, to_ns));

	g->from_ns = from_ns;
	g->step_ns = MAX(NSEC_PER_SEC, (step - NSEC_PER_SEC / 10 + NSEC_PER_SEC - 1) / NSEC_PER_SEC * NSEC_PER_SEC);
	if (g->step_ns * points < span)
		g->step_ns += NSEC_PER_SEC;
	g->buckets = (size_t)((span + g->step_ns - 1) / g->step_ns);
	return read_ticks(r, g, ret_error);
}

/* The series of g->container. */
static int64_t add_items(struct reader *r, struct grid *g, struct grid *past, const json_t *subject, json_t *items,
			 struct strbuf *ret_error)
{
	int64_t n = fill(r, g, ret_error);

	past->container = g->container;
	if (n >= 0)
		n = fill(r, past, ret_error);
	for (size_t i = 0; i < g->count && n >= 0; i++)
		json_array_append_new(items, item_of(g, i, past, subject));
	free(TAKE_PTR(past->values));
	free(TAKE_PTR(g->values));
	return n;
}

/* ---- by container ---------------------------------------------------------------------------------------- */

/* Those that have most of a series, as { container, name, ref }. */
static int64_t top_containers(struct reader *r, const struct grid *g, json_t **ret_rows, struct strbuf *ret_error)
{
	int64_t to = g->from_ns + g->step_ns * (int64_t)g->buckets;
	const struct query_param params[] = {
		{ .name = ":from", .type = PARAM_INT, .integer = g->from_ns },
		{ .name = ":to", .type = PARAM_INT, .integer = to },
		{ .name = ":step", .type = PARAM_INT, .integer = to - g->from_ns },
		{ .name = ":limit", .type = PARAM_INT, .integer = SERIES_CONTAINERS_MAX },
	};
	const struct query_limits limits = { .rows = SERIES_CONTAINERS_MAX, .time_ns = TIME_LIMIT_NS };
	AUTO(strbuf) struct strbuf sql = STRBUF_INIT;

	strbuf_addf(
		&sql,
		"WITH t AS MATERIALIZED (SELECT container AS number, %s AS amount FROM %s WHERE ts_ns > :from AND "
		"ts_ns <= :to"
		" AND container <> 0 GROUP BY 1 HAVING amount > 0 ORDER BY amount DESC LIMIT :limit)"
		" SELECT t.number AS container, c.name, c.ref FROM t LEFT JOIN v_container c ON c.container = t.number"
		" ORDER BY t.amount DESC",
		g->chosen[0]->value, g->chosen[0]->view);
	return rows_query(r, strbuf_str(&sql), params, ARRAY_SIZE(params), &limits, ret_rows, ret_error);
}

static int64_t add_by_container(struct reader *r, struct grid *g, struct grid *past, json_t *items,
				struct strbuf *ret_error)
{
	json_t *rows = NULL, *row;
	int64_t n;
	size_t i;

	if (g->chosen[0]->host_only) {
		strbuf_addstr(ret_error, "containers have no such series");
		return -EINVAL;
	}
	g->count = past->count = 1;
	n = top_containers(r, g, &rows, ret_error);
	json_array_foreach (rows, i, row) {
		if (n < 0)
			break;
		g->container = value_int(row, "container", 0);
		n = add_items(r, g, past, row, items, ret_error);
	}
	json_decref(rows);
	return n;
}

/* ---- the whole ------------------------------------------------------------------------------------------- */

static int64_t add_incidents(struct reader *r, const struct subject *subject, int64_t from_ns, int64_t to_ns,
			     json_t *model, struct strbuf *ret_error)
{
	static const char sql[] =
		"SELECT id, severity, status, cause, headline, onset_ns, end_ns FROM v_incident WHERE onset_ns <= :to"
		" AND coalesce(end_ns, :to) >= :from AND (:container = 0 OR culprit = :container OR EXISTS (SELECT 1"
		" FROM json_each(victims) v WHERE v.value = :container)) ORDER BY onset_ns DESC LIMIT 50";
	const struct query_param params[] = {
		{ .name = ":from", .type = PARAM_INT, .integer = from_ns },
		{ .name = ":to", .type = PARAM_INT, .integer = to_ns },
		{ .name = ":container", .type = PARAM_INT, .integer = subject->container },
	};
	const struct query_limits limits = { .rows = 50, .time_ns = TIME_LIMIT_NS };
	json_t *rows = NULL;
	int64_t n = rows_query(r, sql, params, ARRAY_SIZE(params), &limits, &rows, ret_error);

	if (n >= 0)
		json_object_set_new(model, "incidents", rows);
	return n;
}

/* Selects the shards of the window and its past; fills in what the query leaves open. */
static int64_t open_window(struct reader *r, const struct series_query *q, int64_t past_ns, int64_t *ret_from,
			   int64_t *ret_to, struct strbuf *ret_error)
{
	int64_t first, last, n = reader_bounds(r, &first, &last);

	if (n < 0) {
		strbuf_addstr(ret_error, "nothing is stored yet");
		return n;
	}
	*ret_to = q->until_ns ? q->until_ns : last;
	/* What was before kwhy began is no part of a window that nobody asked for. */
	*ret_from = q->since_ns ? q->since_ns : MAX(*ret_to - WINDOW_NS, MIN(first - 1, *ret_to - WINDOW_MIN_NS));
	if (*ret_from >= *ret_to) {
		strbuf_addstr(ret_error, "the window ends before it begins");
		return -EINVAL;
	}
	n = reader_select(r, *ret_from - past_ns, *ret_to);
	return MIN(n, 0);
}

static int64_t read_items(struct reader *r, struct grid *g, const struct series_query *q, const struct subject *subject,
			  int64_t from, int64_t to, json_t *items, struct strbuf *ret_error)
{
	int64_t past_ns = MIN(MAX(to - from, PAST_MIN_NS), PAST_MAX_NS);
	struct grid past = *g;
	int64_t n = lay_out(r, g, from, to, q->points ? q->points : SERIES_POINTS, ret_error);

	if (n >= 0)
		n = lay_out(r, &past, from - past_ns, from, MAX(1, past_ns / g->step_ns), ret_error);
	if (n >= 0)
		n = q->by_container ? add_by_container(r, g, &past, items, ret_error)
				    : add_items(r, g, &past, subject->object, items, ret_error);
	free(g->ticked);
	free(past.ticked);
	return n;
}

int64_t series_read(struct reader *r, const struct series_query *q, json_t **ret_model, struct strbuf *ret_error)
{
	struct subject subject = { 0 };
	struct grid g = { 0 };
	json_t *model, *items;
	int64_t from, to, n = open_window(r, q, PAST_MAX_NS, &from, &to, ret_error);

	if (n >= 0)
		n = find_subject(r, q->container, from, to, &subject, ret_error);
	if (n >= 0)
		n = choose(&g, q, subject.container, ret_error);
	if (n < 0) {
		json_decref(subject.object);
		return n;
	}
	items = json_array();
	n = read_items(r, &g, q, &subject, from, to, items, ret_error);
	model = json_pack("{s:o, s:o, s:o, s:o, s:o}", "from_ns", rows_ns(from), "to_ns", rows_ns(to), "step_ns",
			  rows_ns(g.step_ns), "container", subject.object, "items", items);
	if (n >= 0)
		n = add_incidents(r, &subject, from, to, model, ret_error);
	if (n < 0) {
		json_decref(model);
		return n;
	}
	*ret_model = model;
	return 0;
}

/* ---- what changed ---------------------------------------------------------------------------------------- */

static double mean(const double *row, size_t count)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (!isnan(row[i])) {
			sum += row[i];
			n++;
		}
	return n ? sum / (double)n : NAN;
}

struct change {
	const struct series_def *def;
	double before, after, distance; /* in widths of what was usual */
};

static int farther(const void *a, const void *b)
{
	double left = ((const struct change *)a)->distance, right = ((const struct change *)b)->distance;

	return left < right ? 1 : left > right ? -1 : 0;
}

/* What noise is: the width of what was usual, but at least a tenth of it and a hundredth of what a person would see. */
static double width_of(const struct series_def *def, const double *sorted, size_t n)
{
	double low = sorted[(size_t)(LOW * (double)(n - 1))], high = sorted[(size_t)(HIGH * (double)(n - 1) + 0.5)];
	double least = !strncmp(def->unit, "bytes", 5) ? 1 << 20 : !strcmp(def->unit, "per s") ? 1 : 0.01;

	return MAX(MAX(high - low, 0.1 * fabs(high)), least);
}

static json_t *changed_series(struct grid *now, struct grid *past)
{
	struct change list[ARRAY_SIZE(defs)];
	json_t *out = json_array();
	size_t count = 0;

	for (size_t i = 0; i < now->count; i++) {
		double *before = past->values + i * past->buckets;
		struct change c = { now->chosen[i], mean(before, past->buckets),
				    mean(now->values + i * now->buckets, now->buckets), 0 };
		size_t n = sort_row(before, past->buckets);

		if (!n || isnan(c.after))
			continue;
		c.distance = fabs(c.after - c.before) / width_of(c.def, before, n);
		if (c.distance >= 1)
			list[count++] = c;
	}
	qsort(list, count, sizeof(*list), farther);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(out,
				      json_pack("{s:s, s:s, s:s, s:s, s:f, s:f}", "name", list[i].def->name, "title",
						list[i].def->title, "group", list[i].def->group, "unit",
						list[i].def->unit, "before", list[i].before, "after", list[i].after));
	return out;
}

/* What there was from :before to :from, for as long a time as the window is. */
#define AS_LONG(n) "CAST(round(1.0 * " n " * (:to - :from) / (:from - :before)) AS INTEGER)"

/* Each: rows of the window and of the time before it. */
static const struct {
	const char *name, *sql;
} lists[] = {
	{ "blame",
	  "SELECT b.resource, CASE WHEN b.culprit IS NULL THEN b.sink ELSE coalesce((SELECT c.name FROM v_container c"
	  " WHERE c.container = b.culprit), 'unknown') END AS culprit,"
	  " " AS_LONG("sum(b.ns) FILTER (WHERE b.ts_ns <= :from)") " AS before_ns, sum(b.ns) FILTER (WHERE b.ts_ns > :from) AS "
	  "after_ns"
	  " FROM v_blame b WHERE b.ts_ns > :before AND b.ts_ns <= :to AND (:container = 0 OR b.victim = :container)"
	  " GROUP BY 1, 2 HAVING max(coalesce(before_ns, 0), coalesce(after_ns, 0)) >= 10000000"
	  " ORDER BY abs(coalesce(after_ns, 0) - coalesce(before_ns, 0)) DESC LIMIT 10" },
	{ "events", "SELECT kind, " AS_LONG("count(*) FILTER (WHERE ts_ns <= :from)") " AS before, count(*) FILTER (WHERE ts_ns > "
		    ":from) AS after"
		    " FROM v_event WHERE class = 'context' AND ts_ns > :before AND ts_ns <= :to AND (:container = 0 OR "
		    "container ="
		    " :container OR peer = :container) GROUP BY kind HAVING before <> after ORDER BY abs(after - "
		    "before) DESC LIMIT 10" },
	{ "containers",
	  "SELECT name, ref, CASE WHEN first_ns > :from AND first_ns <= :to THEN 'began' ELSE 'ended' END AS what,"
	  " CASE WHEN first_ns > :from AND first_ns <= :to THEN first_ns ELSE last_ns END AS ts_ns FROM v_container "
	  "WHERE"
	  " kind IN ('container', 'pod', 'cgroup') AND (first_ns > :from AND first_ns <= :to OR last_ns > :from AND "
	  "last_ns"
	  " <= :to) ORDER BY 4 LIMIT 20" },
	{ "log", "SELECT ts_ns, text FROM v_log WHERE ts_ns > :from AND ts_ns <= :to AND priority <= 4 ORDER BY ts_ns "
		 "LIMIT 20" },
};

static int64_t add_lists(struct reader *r, int64_t container, int64_t before_ns, int64_t from_ns, int64_t to_ns,
			 json_t *model, struct strbuf *ret_error)
{
	const struct query_param params[] = {
		{ .name = ":before", .type = PARAM_INT, .integer = before_ns },
		{ .name = ":from", .type = PARAM_INT, .integer = from_ns },
		{ .name = ":to", .type = PARAM_INT, .integer = to_ns },
		{ .name = ":container", .type = PARAM_INT, .integer = container },
	};
	const struct query_limits limits = { .rows = 20, .time_ns = TIME_LIMIT_NS };
	int64_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lists) && n >= 0; i++) {
		json_t *rows = NULL;

		n = rows_query(r, lists[i].sql, params, ARRAY_SIZE(params), &limits, &rows, ret_error);
		if (n >= 0)
			json_object_set_new(model, lists[i].name, rows);
	}
	return n;
}

static int64_t compare_windows(struct reader *r, const struct series_query *q, const struct subject *subject,
			       int64_t from, int64_t to, int64_t before, json_t *model, struct strbuf *ret_error)
{
	struct grid now = { 0 }, past;
	int64_t n = choose(&now, q, subject->container, ret_error);

	past = now;
	if (n >= 0)
		n = lay_out(r, &now, from, to, SERIES_POINTS, ret_error);
	if (n >= 0)
		n = lay_out(r, &past, before, from, SERIES_POINTS, ret_error);
	if (n >= 0)
		n = fill(r, &now, ret_error);
	if (n >= 0)
		n = fill(r, &past, ret_error);
	if (n >= 0)
		json_object_set_new(model, "series", changed_series(&now, &past));
	free(now.values);
	free(now.ticked);
	free(past.values);
	free(past.ticked);
	if (n >= 0)
		n = add_lists(r, subject->container, before, from, to, model, ret_error);
	return n < 0 ? n : add_incidents(r, subject, from, to, model, ret_error);
}

int64_t series_changes(struct reader *r, const struct series_query *q, json_t **ret_model, struct strbuf *ret_error)
{
	int64_t from, to, before, n = open_window(r, q, PAST_MAX_NS, &from, &to, ret_error);
	struct subject subject = { 0 };
	json_t *model;

	if (n >= 0)
		n = find_subject(r, q->container, from, to, &subject, ret_error);
	if (n < 0)
		return n;
	before = from - MIN(MAX(to - from, CHANGE_MIN_NS), PAST_MAX_NS);
	model = json_pack("{s:o, s:o, s:o, s:o}", "before_ns", rows_ns(before), "from_ns", rows_ns(from), "to_ns",
			  rows_ns(to), "container", subject.object);
	n = compare_windows(r, q, &subject, from, to, before, model, ret_error);
	if (n < 0) {
		json_decref(model);
		return n;
	}
	*ret_model = model;
	return 0;
}
