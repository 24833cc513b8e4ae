/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/report_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/timeutil.h"

#define BUDGET_MAX 32
#define TIMELINE_MAX 50
#define BYSTANDERS_MAX 5
#define TASKS_MAX 5
#define PARENTS_MAX 32

static sqlite3_stmt *between(struct sql *sql, const char *query, int64_t container, int64_t from_ns, int64_t to_ns)
{
	sqlite3_stmt *stmt = sql_get_between(sql, query, from_ns, to_ns);

	if (!stmt)
		return NULL;
	sql_bind_int(stmt, ":victim", container);
	return stmt;
}

/* ---- containers ------------------------------------------------------------------------------------------------ */

json_t *report_container(struct sql *sql, int64_t container)
{
	static const char query[] =
		"SELECT ref, name, runtime, id, pod, namespace, image, cgroup, labels, owner, role, qos FROM v_container"
		" WHERE container = :victim ORDER BY first_ns DESC LIMIT 1";
	static const char *const optional[] = { "owner", "role", "qos" };
	sqlite3_stmt *stmt;
	json_t *c, *labels;

	if (container == 0)
		return json_pack("{s:s}", "ref", "host");
	stmt = between(sql, query, container, 0, 0);
	if (!stmt || sqlite3_step(stmt) != SQLITE_ROW) {
		sql_done(stmt);
		c = json_object();
		json_object_set_new(c, "ref", json_sprintf("container:%lld", (long long)container));
		return c;
	}
	c = sql_row_json(stmt);
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++)
		if (json_is_null(json_object_get(c, optional[i])))
			json_object_del(c, optional[i]);
	labels = json_loads(sql_text(stmt, 8), 0, NULL);
	json_object_set_new(c, "labels", json_is_object(labels) ? json_incref(labels) : json_object());
	json_decref(labels);
	sql_done(stmt);
	return c;
}

void report_container_name(struct sql *sql, int64_t container, struct strbuf *out)
{
	json_t *c = report_container(sql, container);
	const char *name = json_string_value(json_object_get(c, "name"));

	if (container == 0)
		strbuf_addstr(out, "the host");
	else
		strbuf_add_plain(out, name && *name ? name : json_string_value(json_object_get(c, "ref")));
	json_decref(c);
}

/* People paste commands: a container that can choose its cgroup's name must not choose what they run. */
static void add_shell_word(struct strbuf *out, const char *text)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._:@%+=,-";

	if (text[strspn(text, safe)] == '\0') {
		strbuf_addstr(out, text);
		return;
	}
	strbuf_addch(out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			strbuf_addstr(out, "'\\''");
		else
			strbuf_addch(out, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
	}
	strbuf_addch(out, '\'');
}

void report_container_cgroup(struct sql *sql, int64_t container, struct strbuf *out)
{
	json_t *c = report_container(sql, container);
	const char *path = json_string_value(json_object_get(c, "cgroup"));

	if (container != 0 && path)
		add_shell_word(out, path);
	json_decref(c);
}

json_t *report_culprit_container(struct sql *sql, const struct culprit *c)
{
	return c->is_container ? report_container(sql, c->container) : json_null();
}

json_t *report_tasks(struct sql *sql, int64_t container, int64_t from_ns, int64_t to_ns)
{
	static const char query[] =
		"SELECT pid, tid, comm, start_time_ns FROM v_event WHERE container = :victim AND ts_ns BETWEEN :from"
		" AND :to AND class = 'context' AND pid > 0 GROUP BY pid, tid, comm, start_time_ns ORDER BY"
		" sum(duration_ns) DESC, count(*) DESC, tid LIMIT 5";
	sqlite3_stmt *stmt = between(sql, query, container, from_ns, to_ns);
	json_t *tasks = json_array();

	while (stmt && json_array_size(tasks) < TASKS_MAX && sqlite3_step(stmt) == SQLITE_ROW)
		json_array_append_new(tasks, sql_row_json(stmt));
	sql_done(stmt);
	return tasks;
}

/* ---- budget ---------------------------------------------------------------------------------------------------- */

void budget_balance(struct budget_entry *entries, size_t count, int64_t wall_ns)
{
	int64_t sum = 0, scaled = 0;

	for (size_t i = 0; i + 1 < count; i++) {
		entries[i].ns = MAX(entries[i].ns, 0);
		sum += entries[i].ns;
	}
	for (size_t i = 0; sum > wall_ns && i + 1 < count; i++)
		entries[i].ns = (int64_t)((double)entries[i].ns * ((double)wall_ns / (double)sum));
	for (size_t i = 0; i + 1 < count; i++)
		scaled += entries[i].ns;
	/* Rounding down in floating point leaves a few ns, never too many; the remainder takes them. */
	if (count)
		entries[count - 1].ns = MAX(wall_ns - scaled, 0);
}

static int64_t one_number(sqlite3_stmt *stmt)
{
	int64_t n = stmt && sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;

	sql_done(stmt);
	return n;
}

static const char *state_of(const char *reason)
{
	static const char *const names[][2] = {
		{ "throttled", "throttled" }, { "block", "blocked_io" }, { "lock", "lock" }, { "reclaim", "reclaim" },
		{ "frozen", "frozen" }, { "fs_frozen", "frozen" }, { "other", "other" }, { "cpu", "runnable" }, { "stolen", "stolen" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i][0], reason))
			return names[i][1];
	return "other";
}

/* Who held the CPU while the victim was runnable; what the blame does not cover has no culprit. */
static size_t add_runnable(struct sql *sql, struct budget_entry *entries, size_t count, int64_t victim, int64_t from_ns,
			   int64_t to_ns, int64_t runnable_ns)
{
	static const char query[] =
		"SELECT culprit, sum(ns) FROM v_blame WHERE resource = 'cpu' AND victim = :victim AND ts_ns > :from"
		" AND ts_ns <= :to AND sink = 'container' AND culprit IS NOT NULL GROUP BY culprit ORDER BY sum(ns)"
		" DESC, culprit LIMIT 8";
	sqlite3_stmt *stmt = between(sql, query, victim, from_ns, to_ns);
	int64_t left = runnable_ns;

	while (stmt && sqlite3_step(stmt) == SQLITE_ROW && count + 2 < BUDGET_MAX) {
		int64_t ns = MIN(sqlite3_column_int64(stmt, 1), left);

		entries[count++] = (struct budget_entry){ "runnable", true, sqlite3_column_int64(stmt, 0), ns };
		left -= ns;
	}
	sql_done(stmt);
	if (left > 0)
		entries[count++] = (struct budget_entry){ .state = "runnable", .ns = left };
	return count;
}

static size_t read_budget(struct sql *sql, struct budget_entry *entries, int64_t victim, int64_t from_ns, int64_t to_ns)
{
	/* The scheduler counts what interrupts took as run time of the task they interrupted. */
	static const char cpu[] =
		"SELECT sum(cpu_ns) - coalesce((SELECT sum(wait_ns) FROM v_wait WHERE container = :victim AND reason ="
		" 'stolen' AND ts_ns > :from AND ts_ns <= :to), 0) FROM v_usage WHERE container = :victim AND ts_ns >"
		" :from AND ts_ns <= :to";
	static const char waits[] =
		"SELECT reason, sum(wait_ns) FROM v_wait WHERE container = :victim AND ts_ns > :from AND ts_ns <= :to"
		" GROUP BY reason ORDER BY reason";
	sqlite3_stmt *stmt;
	int64_t runnable_ns = 0;
	size_t count = 0;

	entries[count++] = (struct budget_entry){ .state = "on_cpu",
						  .ns = one_number(between(sql, cpu, victim, from_ns, to_ns)) };
	stmt = between(sql, waits, victim, from_ns, to_ns);
	while (stmt && sqlite3_step(stmt) == SQLITE_ROW && count < 12) {
		const char *state = state_of(sql_text(stmt, 0));

		if (!strcmp(state, "runnable"))
			runnable_ns += sqlite3_column_int64(stmt, 1);
		else
			entries[count++] = (struct budget_entry){ .state = state, .ns = sqlite3_column_int64(stmt, 1) };
	}
	sql_done(stmt);
	if (runnable_ns)
		count = add_runnable(sql, entries, count, victim, from_ns, to_ns, runnable_ns);
	entries[count++] = (struct budget_entry){ .state = "idle or unknown" };
	return count;
}

json_t *report_budget(struct sql *sql, int64_t victim, int64_t from_ns, int64_t to_ns)
{
	struct budget_entry entries[BUDGET_MAX];
	size_t count = read_budget(sql, entries, victim, from_ns, to_ns);
	json_t *budget = json_array();

	budget_balance(entries, count, MAX(to_ns - from_ns, 0));
	for (size_t i = 0; i < count; i++) {
		const struct budget_entry *e = &entries[i];
		json_t *culprit = e->has_culprit ? report_container(sql, e->culprit) : json_null();

		json_array_append_new(budget, json_pack("{s:s, s:o, s:o}", "state", e->state, "culprit", culprit, "ns",
							json_ns(e->ns)));
	}
	return budget;
}

/* ---- timeline -------------------------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
	const json_t *const *x = a, *const *y = b;

	return strcmp(json_string_value(json_object_get(*x, "ts_ns")), json_string_value(json_object_get(*y, "ts_ns")));
}

static void add_moment(json_t **moments, size_t *count, int64_t ts_ns, const char *kind, const char *text)
{
	if (*count < TIMELINE_MAX)
		moments[(*count)++] = json_pack("{s:o, s:s, s:o, s:[]}", "ts_ns", json_ns(ts_ns), "kind", kind, "text",
						json_text(text), "evidence");
}

json_t *report_timeline(struct sql *sql, const struct incident *incident)
{
	static const char query[] =
		"SELECT ts_ns, kind, summary FROM v_event WHERE class = 'context' AND ts_ns BETWEEN :from AND :to AND"
		" container = :victim ORDER BY (error <> 0 OR kind IN ('oom', 'signal', 'exit', 'freeze')) DESC,"
		" duration_ns DESC, ts_ns LIMIT 40";
	const struct hypothesis *best = incident->diagnosis.best;
	json_t *moments[TIMELINE_MAX], *timeline = json_array();
	sqlite3_stmt *stmt;
	size_t count = 0;
	char merged[80];

	add_moment(moments, &count, incident->onset_ns, "onset", "the symptom begins");
	add_moment(moments, &count, incident->detected_ns, "detected", "the symptom passes its threshold");
	if (incident->merged_into[0]) {
		snprintf(merged, sizeof(merged), "incident %s explains it from here on", incident->merged_into);
		add_moment(moments, &count, incident->last_ns, "merged", merged);
	} else if (incident->resolved) {
		add_moment(moments, &count, incident->last_ns, "end", "the symptom holds for the last time");
	}
	stmt = best ? between(sql, query, best->victim, best->window.from_ns, best->window.to_ns) : NULL;
	while (stmt && sqlite3_step(stmt) == SQLITE_ROW)
		add_moment(moments, &count, sqlite3_column_int64(stmt, 0), sql_text(stmt, 1), sql_text(stmt, 2));
	sql_done(stmt);
	qsort(moments, count, sizeof(json_t *), by_time);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(timeline, moments[i]);
	return timeline;
}

/* ---- recurrence ------------------------------------------------------------------------------------------------ */

/* A container that was made anew has another number and the same name. */
json_t *report_recurrence(struct sql *sql, const struct incident *incident)
{
	static const char query[] =
		"SELECT i.id, i.onset_ns, count(*) OVER () FROM v_incident i WHERE i.cause = :cause AND i.resource_name ="
		" :resource AND i.id <> :id AND i.onset_ns < :to AND (i.culprit IS :victim OR (SELECT name FROM v_container"
		" WHERE container = i.culprit) = (SELECT name FROM v_container WHERE container = :victim)) ORDER BY"
		" i.onset_ns DESC, i.id DESC LIMIT 5";
	const struct incident_key *key = &incident->key;
	sqlite3_stmt *stmt = sql_get_between(sql, query, 0, incident->onset_ns);
	json_t *ids = json_array(), *last = json_null();
	int64_t count = 0;

	if (stmt && key->culprit_is_container)
		sql_bind_int(stmt, ":victim", key->culprit);
	if (stmt) {
		sql_bind_text(stmt, ":cause", key->cause);
		sql_bind_text(stmt, ":resource", key->resource);
		sql_bind_text(stmt, ":id", incident->id);
	}
	while (stmt && sqlite3_step(stmt) == SQLITE_ROW) {
		count = sqlite3_column_int64(stmt, 2);
		if (!json_array_size(ids))
			last = json_ns(sqlite3_column_int64(stmt, 1));
		json_array_append_new(ids, json_text(sql_text(stmt, 0)));
	}
	sql_done(stmt);
	return json_pack("{s:o, s:o, s:o}", "count", json_int(count), "ids", ids, "last_onset_ns", last);
}

/* ---- bystanders ------------------------------------------------------------------------------------------------ */

struct bystander_query {
	const char *resource; /* kind, as in v_blame */
	const char *sql;      /* container, its use, its share of the blame on that resource, for all victims */
	const char *verb;
	bool bytes;           /* use is bytes, else ns */
};

#define BLAME_SHARE(resource) \
	"coalesce((SELECT sum(ns) FROM v_blame b WHERE b.resource = '" resource "' AND b.culprit = u.container" \
	" AND b.victim = :victim AND b.ts_ns > :from AND b.ts_ns <= :to) * 1.0 / (SELECT sum(ns) FROM v_blame b" \
	" WHERE b.resource = '" resource "' AND b.victim = :victim AND b.ts_ns > :from AND b.ts_ns <= :to), 0)"

static const struct bystander_query bystander_queries[] = {
	{ "cpu", "SELECT u.container, sum(u.cpu_ns) AS used, " BLAME_SHARE("cpu") " FROM v_usage u WHERE"
	  " u.container > 0 AND u.ts_ns > :from AND u.ts_ns <= :to GROUP BY u.container HAVING"
	  " used > 0.05 * (:to - :from) ORDER BY used DESC, u.container LIMIT 16", "ran for", false },
	{ "block", "SELECT u.container, sum(u.io_read_bytes + u.io_write_bytes) AS used, " BLAME_SHARE("block")
	  " FROM v_usage u WHERE u.container > 0 AND u.ts_ns > :from AND u.ts_ns <= :to GROUP BY u.container"
	  " HAVING used > 1048576 ORDER BY used DESC, u.container LIMIT 16", "moved", true },
};

/* A group's use is that of what is below it: whose group it is did not run itself. */
static bool is_or_above(struct sql *sql, int64_t group, int64_t container)
{
	static const char query[] = "SELECT parent FROM v_container WHERE container = :victim";

	for (int depth = 0; depth < PARENTS_MAX && container > 0; depth++) {
		if (container == group)
			return true;
		container = one_number(between(sql, query, container, 0, 0));
	}
	return false;
}

static bool is_involved(struct sql *sql, const struct incident *incident, int64_t container)
{
	const struct diagnosis *d = &incident->diagnosis;

	for (size_t i = 0; i < incident->victim_count; i++)
		if (is_or_above(sql, container, incident->victims[i].episode.container))
			return true;
	for (size_t k = 0; k <= d->depth; k++) {
		const struct hypothesis *h = k ? d->chain[k - 1] : d->best;

		for (size_t i = 0; i < h->culprit_count; i++)
			if (h->culprits[i].is_container && is_or_above(sql, container, h->culprits[i].container))
				return true;
	}
	return false;
}

static json_t *bystander(struct sql *sql, const struct bystander_query *q, int64_t container, int64_t used,
			 double share)
{
	AUTO(strbuf) struct strbuf why = STRBUF_INIT;

	strbuf_addf(&why, "%s ", q->verb);
	if (q->bytes)
		size_format(&why, used);
	else
		span_format(&why, used);
	strbuf_addf(&why, " meanwhile, yet holds %.0f %% of the blame", share * 100);
	return json_pack("{s:o, s:s}", "container", report_container(sql, container), "why", strbuf_str(&why));
}

static void add_bystanders(struct sql *sql, const struct bystander_query *q, const struct incident *incident,
			   json_t *list)
{
	const struct hypothesis *best = incident->diagnosis.best;
	struct { int64_t container, used; double share; } found[16];
	sqlite3_stmt *stmt = between(sql, q->sql, best->victim, best->window.onset_ns, best->window.to_ns);
	size_t count = 0;

	while (stmt && count < ARRAY_SIZE(found) && sqlite3_step(stmt) == SQLITE_ROW) {
		found[count].container = sqlite3_column_int64(stmt, 0);
		found[count].used = sqlite3_column_int64(stmt, 1);
		found[count++].share = sqlite3_column_double(stmt, 2);
	}
	sql_done(stmt);
	for (size_t i = 0; i < count && json_array_size(list) < BYSTANDERS_MAX; i++)
		if (found[i].share < 0.1 && !is_involved(sql, incident, found[i].container))
			json_array_append_new(list,
					      bystander(sql, q, found[i].container, found[i].used, found[i].share));
}

json_t *report_bystanders(struct sql *sql, const struct incident *incident)
{
	const struct hypothesis *best = incident->diagnosis.best;
	json_t *list = json_array();

	for (size_t i = 0; best && i < ARRAY_SIZE(bystander_queries); i++)
		if (!strcmp(best->rule->resource, bystander_queries[i].resource))
			add_bystanders(sql, &bystander_queries[i], incident, list);
	return list;
}
