/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/engine.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/memo.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/timeutil.h"

/* What is the same for all rules of one diagnosis. */
struct inquiry {
	struct sql *sql;
	const struct rules *rules;
	const struct window *window;
	const struct coverage *coverage;
	struct memo *memo; /* NULL: nothing is remembered */
};

static const char *const verdicts[] = { "untestable", "ruled_out", "supported" };
static const char *const levels[] = { "inconclusive", "possible", "probable", "confirmed" };

const char *verdict_name(enum verdict verdict)
{
	return verdicts[verdict];
}

const char *confidence_name(enum confidence level)
{
	return levels[level];
}

void hypothesis_free(struct hypothesis *h)
{
	if (!h)
		return;
	json_decref(h->basis);
	json_decref(h->capped_by);
	for (size_t i = 0; i < h->test_count; i++) {
		json_decref(h->tests[i].row);
		json_decref(h->tests[i].rows);
	}
	for (size_t i = 0; i < h->culprit_count; i++)
		json_decref(h->culprits[i].tasks);
	free(h);
}

static sqlite3_stmt *bound(struct sql *sql, const char *text, const struct hypothesis *h)
{
	const struct window *w = &h->window;
	sqlite3_stmt *stmt = sql_get_between(sql, text, w->from_ns, w->to_ns);

	if (!stmt)
		return NULL;
	sql_bind_int(stmt, ":victim", h->victim);
	sql_bind_int(stmt, ":span_ns", w->to_ns - w->from_ns);
	sql_bind_int(stmt, ":onset", w->onset_ns);
	sql_bind_int(stmt, ":baseline_from", w->baseline_from_ns);
	sql_bind_int(stmt, ":baseline_to", w->baseline_to_ns);
	if (h->culprit_count && h->culprits[0].is_container)
		sql_bind_int(stmt, ":culprit", h->culprits[0].container);
	sql_bind_text(stmt, ":reason", h->reason);
	if (h->waiter_reason) {
		sql_bind_int(stmt, ":waiter", h->waiter);
		sql_bind_text(stmt, ":waits", h->waiter_reason);
	}
	return stmt;
}

/* ---- culprits -------------------------------------------------------------------------------------------------- */

static int column_of(sqlite3_stmt *stmt, const char *name)
{
	for (int i = 0; i < sqlite3_column_count(stmt); i++)
		if (!strcmp(sqlite3_column_name(stmt, i), name))
			return i;
	return -1;
}

static int64_t named_int(sqlite3_stmt *stmt, const char *name)
{
	int column = column_of(stmt, name);

	return column < 0 ? 0 : sqlite3_column_int64(stmt, column);
}

static const char *named_text(sqlite3_stmt *stmt, const char *name)
{
	int column = column_of(stmt, name);

	return column < 0 ? "" : sql_text(stmt, column);
}

static void add_task(struct culprit *c, sqlite3_stmt *stmt)
{
	int64_t pid = named_int(stmt, "pid");

	if (!pid || json_array_size(c->tasks) >= CULPRIT_TASKS_MAX)
		return;
	json_array_append_new(c->tasks, json_pack("{s:I, s:I, s:o, s:o}", "pid", (json_int_t)pid, "tid",
						  (json_int_t)named_int(stmt, "tid"), "comm",
						  json_text(named_text(stmt, "comm")), "start_time_ns",
						  json_ns(named_int(stmt, "start_time_ns"))));
}

/* The culprit a row is about: rows of one container follow each other or not, each adds a task. */
static struct culprit *culprit_of(struct hypothesis *h, bool is_container, int64_t container, const char *what)
{
	struct culprit *c;

	for (size_t i = 0; i < h->culprit_count; i++) {
		c = &h->culprits[i];
		if (c->is_container == is_container &&
		    (is_container ? c->container == container : !strcmp(c->what, what)))
			return c;
	}
	if (h->culprit_count == CULPRITS_MAX)
		return NULL;
	c = &h->culprits[h->culprit_count++];
	*c = (struct culprit){ .is_container = is_container, .container = container, .tasks = json_array() };
	c->self = is_container && container == h->victim;
	snprintf(c->what, sizeof(c->what), "%s", what);
	return c;
}

static void take_culprit(struct hypothesis *h, sqlite3_stmt *stmt)
{
	int column = column_of(stmt, "container");
	bool is_container = sqlite3_column_type(stmt, column) != SQLITE_NULL;
	int share = column_of(stmt, "share");
	struct culprit *c = culprit_of(h, is_container, sqlite3_column_int64(stmt, column), named_text(stmt, "what"));

	if (!c)
		return;
	if (!json_array_size(c->tasks) && c->share == 0) {
		c->share = sqlite3_column_double(stmt, share);
		c->share = c->share < 0 ? 0 : c->share > 1 ? 1 : round(c->share * 10000) / 10000;
	}
	c->active |= named_int(stmt, "active") != 0;
	add_task(c, stmt);
}

static void find_culprits(struct sql *sql, struct hypothesis *h)
{
	const struct rule *rule = h->rule;
	sqlite3_stmt *stmt;

	switch (rule->culprit_kind) {
	case CULPRIT_SELF:
		culprit_of(h, true, h->victim, rule->title)->share = 1;
		break;
	case CULPRIT_SINK:
		culprit_of(h, false, 0, rule->culprit_what)->share = 1;
		break;
	case CULPRIT_SQL:
		stmt = bound(sql, rule->culprit_sql, h);
		while (stmt && sqlite3_step(stmt) == SQLITE_ROW)
			take_culprit(h, stmt);
		sql_done(stmt);
		break;
	case CULPRIT_NONE:
		break;
	}
}

/* ---- evidence -------------------------------------------------------------------------------------------------- */

/* What was missing of the probes a piece of evidence needs; sets t->lost and t->governed. */
static bool probes_present(const struct coverage *coverage, struct test *t)
{
	const struct string_list *probes = &t->def->probes;
	bool present = true;

	for (size_t i = 0; i < probes->count; i++) {
		const struct probe_coverage *p = coverage_find(coverage, probes->items[i]);

		if (p)
			t->lost += p->lost;
		if (p && p->governed[0] && !t->governed[0])
			snprintf(t->governed, sizeof(t->governed), "%s (%s)", p->name, p->governed);
		if (p && p->present)
			continue;
		if (present)
			snprintf(t->why, sizeof(t->why), "probe %.32s was not there%s%.120s", probes->items[i],
				 p && p->why[0] ? ": " : "", p ? p->why : "");
		present = false;
	}
	return present;
}

/* Evidence that was seen counts; that something was not seen counts only when it would have been. */
static void weigh_absence(const struct coverage *coverage, struct test *t)
{
	bool present = probes_present(coverage, t);

	if (t->holds == 1)
		return;
	if (!present) {
		t->holds = -1;
	} else if (t->holds == 0 && t->def->from_events && t->lost > 0) {
		t->holds = -1;
		snprintf(t->why, sizeof(t->why), "%lld records of its probe were lost", (long long)t->lost);
	} else if (t->holds == 0 && t->governed[0]) {
		AUTO(strbuf) struct strbuf why = STRBUF_INIT;

		t->holds = -1;
		strbuf_addf(&why, "a probe was over its budget and held back: %s", t->governed);
		snprintf(t->why, sizeof(t->why), "%s", strbuf_str(&why));
	} else if (t->holds == -1 && !t->why[0]) {
		snprintf(t->why, sizeof(t->why), "the data it needs are not there");
	}
}

static json_t *collect_rows(sqlite3_stmt *stmt)
{
	json_t *rows = json_array();

	while (stmt && json_array_size(rows) < EVIDENCE_ROWS_MAX && sqlite3_step(stmt) == SQLITE_ROW)
		json_array_append_new(rows, sql_row_json(stmt));
	return rows;
}

/* A hash of what bound() gives to a query. */
static uint64_t values_of(const struct hypothesis *h, const char *query)
{
	bool has_culprit = h->culprit_count && h->culprits[0].is_container && strstr(query, ":culprit");
	int64_t containers[] = { h->victim, has_culprit, has_culprit ? h->culprits[0].container : 0 };

	return hash_bytes(containers, sizeof(containers), hash_str(h->reason ? h->reason : "", 0));
}

/* Links of a chain have parameters of their own. */
static struct memo *memo_of(const struct inquiry *q, const struct hypothesis *h)
{
	return h->waiter_reason ? NULL : q->memo;
}

static json_t *ask_rows(const struct inquiry *q, const struct hypothesis *h, const char *query)
{
	struct memo *memo = memo_of(q, h);
	const struct answer *known = memo ? memo_find(memo, query, values_of(h, query)) : NULL;
	sqlite3_stmt *stmt;
	json_t *rows;

	if (known)
		return json_incref(known->json);
	stmt = bound(q->sql, query, h);
	rows = collect_rows(stmt);
	sql_done(stmt);
	if (memo)
		memo_add(memo, query, values_of(h, query), 0, rows);
	return rows;
}

/* Rows worth showing: its own, or those it asks for once it holds. */
static void show_rows(const struct inquiry *q, const struct hypothesis *h, struct test *t)
{
	if (t->def->rows_sql && t->holds == 1) {
		t->rows = ask_rows(q, h, t->def->rows_sql);
		return;
	}
	t->rows = json_array();
	if (t->row)
		json_array_append(t->rows, t->row);
}

/* Sets holds and row; -EIO when the query failed. */
static int ask(const struct inquiry *q, const struct hypothesis *h, struct test *t)
{
	const char *query = t->def->sql;
	struct memo *memo = memo_of(q, h);
	const struct answer *known = memo ? memo_find(memo, query, values_of(h, query)) : NULL;
	sqlite3_stmt *stmt;
	int column;

	if (known) {
		t->holds = known->holds;
		t->row = json_incref(known->json);
		return 0;
	}
	stmt = bound(q->sql, query, h);
	if (!stmt)
		return -EIO;
	column = column_of(stmt, "holds");
	if (sqlite3_step(stmt) == SQLITE_ROW && column >= 0) {
		if (sqlite3_column_type(stmt, column) != SQLITE_NULL)
			t->holds = sqlite3_column_double(stmt, column) != 0;
		t->row = sql_row_json(stmt);
	}
	sql_done(stmt);
	if (memo)
		memo_add(memo, query, values_of(h, query), t->holds, t->row);
	return 0;
}

static void run_test(const struct inquiry *q, struct hypothesis *h, const struct evidence_def *def)
{
	struct test *t = &h->tests[h->test_count++];

	*t = (struct test){ .def = def, .holds = -1 };
	if (ask(q, h, t) < 0) {
		snprintf(t->why, sizeof(t->why), "query failed: %.150s", sql_error(q->sql));
		t->rows = json_array();
		return;
	}
	weigh_absence(q->coverage, t);
	show_rows(q, h, t);
}

static void one_text(struct sql *sql, const struct hypothesis *h, const char *query, char *ret, size_t size)
{
	sqlite3_stmt *stmt = query ? bound(sql, query, h) : NULL;

	if (stmt && sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		snprintf(ret, size, "%s", sql_text(stmt, 0));
	sql_done(stmt);
}

static void find_severity(struct sql *sql, struct hypothesis *h)
{
	char text[16] = "";

	h->severity = h->rule->severity;
	one_text(sql, h, h->rule->severity_sql, text, sizeof(text));
	for (enum severity s = SEVERITY_INFO; s <= SEVERITY_CRITICAL; s++)
		if (!strcmp(text, severity_name(s)))
			h->severity = s;
	/*
	 * The host is no tenant: what its own threads lose is worth knowing, not waking somebody.  What its hardware
	 * and its kernel report of themselves is everybody's.
	 */
	if (h->victim == 0 && h->severity == SEVERITY_WARNING && strcmp(h->rule->resource, "hardware") != 0 &&
	    strcmp(h->rule->resource, "kernel") != 0)
		h->severity = SEVERITY_INFO;
}

static void find_weight(struct hypothesis *h)
{
	h->weight = 1;
	for (size_t i = 0; i < h->test_count; i++) {
		const json_t *weight = json_object_get(h->tests[i].row, "weight");

		if (json_is_number(weight)) {
			h->weight = json_number_value(weight);
			return;
		}
	}
}

static bool asks_for_culprit(const struct rule *rule)
{
	for (size_t i = 0; i < rule->evidence_count; i++) {
		const struct evidence_def *def = &rule->evidence[i];

		if (strstr(def->sql, ":culprit") || (def->rows_sql && strstr(def->rows_sql, ":culprit")))
			return true;
	}
	return false;
}

/* Nobody is looked for who would be to blame for what did not happen. */
static bool lacks(const struct hypothesis *h)
{
	for (size_t i = 0; i < h->test_count; i++)
		if (h->tests[i].def->role == EVIDENCE_REQUIRE && h->tests[i].holds == 0)
			return true;
	return false;
}

static struct hypothesis *evaluate(const struct inquiry *q, const struct rule *rule, int64_t victim,
				   const char *reason)
{
	struct hypothesis *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->rule = rule;
	h->victim = victim;
	h->reason = reason;
	h->window = *q->window;
	h->stolen = q->coverage->stolen;
	h->basis = json_array();
	h->capped_by = json_array();
	if (asks_for_culprit(rule))
		find_culprits(q->sql, h);
	for (size_t i = 0; i < rule->evidence_count; i++)
		run_test(q, h, &rule->evidence[i]);
	if (!asks_for_culprit(rule) && !lacks(h))
		find_culprits(q->sql, h);
	find_weight(h);
	snprintf(h->resource_name, sizeof(h->resource_name), "%s", rule->resource);
	hypothesis_judge(h);
	if (h->verdict == VERDICT_SUPPORTED) {
		one_text(q->sql, h, rule->resource_sql, h->resource_name, sizeof(h->resource_name));
		find_severity(q->sql, h);
	}
	return h;
}

struct hypothesis *engine_evaluate(struct sql *sql, const struct rule *rule, int64_t victim, const char *reason,
				   const struct window *window, const struct coverage *coverage)
{
	const struct inquiry q = { .sql = sql, .window = window, .coverage = coverage };

	return evaluate(&q, rule, victim, reason);
}

/* ---- judgement ------------------------------------------------------------------------------------------------- */

static void say(json_t *list, const char *fmt, const char *a, const char *b)
{
	char text[320];

	snprintf(text, sizeof(text), fmt, a, b);
	json_array_append_new(list, json_text(text));
}

struct tally {
	unsigned int failed, untested, refuted, alike_untested, alike_tested, confirms, confirmed;
};

static struct tally count_tests(const struct hypothesis *h)
{
	struct tally n = { 0 };

	for (size_t i = 0; i < h->test_count; i++) {
		const struct test *t = &h->tests[i];

		if (t->def->role == EVIDENCE_REQUIRE) {
			n.failed += t->holds == 0;
			n.untested += t->holds < 0;
		} else if (t->def->role == EVIDENCE_REFUTE) {
			n.refuted += t->holds == 1;
			n.alike_untested += t->holds < 0;
			n.alike_tested += t->holds == 0;
		}
		n.confirms += t->def->confirms;
		n.confirmed += t->def->confirms && t->holds == 1;
	}
	return n;
}

#define STOLEN_MUCH 0.25 /* of all CPU time, by a hypervisor */
#define STOLEN_MOST 0.5

/* Whether somebody else is blamed because it was seen on the CPU. */
static bool blames_occupant(const struct hypothesis *h)
{
	bool from_switches = false;

	for (size_t i = 0; i < h->test_count; i++)
		for (size_t k = 0; k < h->tests[i].def->probes.count; k++)
			from_switches |= h->tests[i].def->role == EVIDENCE_REQUIRE &&
					 !strcmp(h->tests[i].def->probes.items[k], "runq");
	return from_switches && h->culprit_count && h->culprits[0].is_container && h->culprits[0].container != h->victim;
}

/*
 * The scheduler accounts for what a hypervisor took with its next clock update: while that is much, who had a CPU and who
 * was only there when it went away cannot be told apart for sure.
 */
static enum confidence cap_stolen(const struct hypothesis *h, enum confidence level)
{
	char percent[16];

	if (h->stolen < STOLEN_MUCH || !blames_occupant(h))
		return level;
	snprintf(percent, sizeof(percent), "%.0f %%", 100 * h->stolen);
	say(h->capped_by, "the hypervisor took %s of the CPUs meanwhile: who really had one is not known for sure%s", percent,
	    "");
	return MIN(level, h->stolen < STOLEN_MOST ? CONFIDENCE_PROBABLE : CONFIDENCE_POSSIBLE);
}

/* Each reason why the level is not higher, in the order of the tests. */
static enum confidence cap(const struct hypothesis *h, enum confidence level)
{
	/* An edge that was seen is not undone by what else may be true. */
	const enum confidence untested = level == CONFIDENCE_CONFIRMED ? CONFIDENCE_PROBABLE : CONFIDENCE_POSSIBLE;

	for (size_t i = 0; i < h->test_count; i++) {
		const struct test *t = &h->tests[i];

		if (t->def->role == EVIDENCE_REFUTE && t->holds < 0) {
			say(h->capped_by, "look-alike %s could not be tested: %s",
			    t->def->rules_out ? t->def->rules_out : t->def->id, t->why);
			level = MIN(level, untested);
		} else if ((t->def->role == EVIDENCE_REQUIRE || t->def->confirms) && t->def->from_events &&
			   t->lost > 0 && t->holds == 1) {
			char count[32];

			snprintf(count, sizeof(count), "%lld", (long long)t->lost);
			say(h->capped_by, "%s rests on events of which %s were lost", t->def->id, count);
			level = MIN(level, CONFIDENCE_PROBABLE);
		} else if ((t->def->role == EVIDENCE_REQUIRE || t->def->confirms) && t->holds == 1 && t->governed[0]) {
			say(h->capped_by, "%s rests on a probe that was over its budget and held back: %s", t->def->id,
			    t->governed);
			level = MIN(level, CONFIDENCE_PROBABLE);
		}
	}
	return cap_stolen(h, level);
}

static void explain_level(const struct hypothesis *h, const struct tally *n)
{
	for (size_t i = 0; i < h->test_count; i++) {
		const struct test *t = &h->tests[i];

		if (t->def->confirms && t->holds == 1)
			say(h->basis, "%s: the kernel itself showed it%s", t->def->id, "");
	}
	say(h->basis, "all required evidence holds%s%s",
	    n->alike_tested ? ", look-alikes were tested and ruled out" : "", "");
}

void hypothesis_judge(struct hypothesis *h)
{
	struct tally n = count_tests(h);

	h->level = CONFIDENCE_INCONCLUSIVE;
	if (n.failed || n.refuted) {
		h->verdict = VERDICT_RULED_OUT;
		return;
	}
	if (n.untested) {
		h->verdict = VERDICT_UNTESTABLE;
		for (size_t i = 0; i < h->test_count; i++)
			if (h->tests[i].def->role == EVIDENCE_REQUIRE && h->tests[i].holds < 0)
				say(h->capped_by, "%s would decide: %s", h->tests[i].def->id, h->tests[i].why);
		return;
	}
	h->verdict = VERDICT_SUPPORTED;
	h->level = n.confirms && n.confirms == n.confirmed ? CONFIDENCE_CONFIRMED : CONFIDENCE_PROBABLE;
	h->level = h->rule && h->rule->fallback ? CONFIDENCE_INCONCLUSIVE : cap(h, h->level);
	explain_level(h, &n);
}

/* ---- choice ---------------------------------------------------------------------------------------------------- */

void diagnosis_clear(struct diagnosis *d)
{
	for (size_t i = 0; i < d->count; i++)
		hypothesis_free(d->candidates[i]);
	for (size_t i = 0; i < d->depth; i++)
		hypothesis_free(d->chain[i]);
	*d = (struct diagnosis){ 0 };
}

const struct hypothesis *diagnosis_root(const struct diagnosis *d)
{
	return d->depth ? d->chain[d->depth - 1] : d->best;
}

static bool better(const struct hypothesis *a, const struct hypothesis *b)
{
	if (!b)
		return true;
	if (a->level != b->level)
		return a->level > b->level;
	if (fabs(a->weight - b->weight) > 0.01)
		return a->weight > b->weight;
	return a->rule->priority > b->rule->priority; /* else the first in order of cause */
}

static int add_candidate(const struct inquiry *q, const struct rule *rule, bool eligible, int64_t victim,
			 const char *reason, struct diagnosis *d)
{
	struct hypothesis *h;

	for (size_t i = 0; i < d->count; i++)
		if (d->candidates[i]->rule == rule)
			return 0;
	if (d->count == CANDIDATES_MAX)
		return 0;
	h = evaluate(q, rule, victim, reason);
	if (!h)
		return -ENOMEM;
	h->eligible = eligible;
	d->candidates[d->count++] = h;
	if (eligible && h->verdict == VERDICT_SUPPORTED && better(h, d->best))
		d->best = h;
	return 0;
}

/* Adds what the candidates so far name as look-alikes: they show in the report, and cannot win. */
static int add_lookalikes(const struct inquiry *q, int64_t victim, const char *reason, struct diagnosis *d)
{
	size_t candidates = d->count;
	int r = 0;

	for (size_t i = 0; i < candidates; i++) {
		const struct rule *rule = d->candidates[i]->rule;

		for (size_t e = 0; e < rule->evidence_count && r == 0; e++) {
			const char *cause = rule->evidence[e].rules_out;
			const struct rule *other = cause ? rules_find(q->rules, cause) : NULL;

			if (other)
				r = add_candidate(q, other, false, victim, reason, d);
		}
	}
	return r;
}

int64_t engine_waited(struct sql *sql, int64_t container, const char *reason, int64_t from_ns, int64_t to_ns)
{
	static const char query[] =
		"SELECT sum(wait_ns) FROM v_wait WHERE container = :victim AND reason = :reason AND ts_ns > :from"
		" AND ts_ns <= :to";
	sqlite3_stmt *stmt = sql_get_between(sql, query, from_ns, to_ns);
	int64_t ns = 0;

	if (!stmt)
		return 0;
	sql_bind_int(stmt, ":victim", container);
	sql_bind_text(stmt, ":reason", reason);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		ns = sqlite3_column_int64(stmt, 0);
	sql_done(stmt);
	return ns;
}

/* ---- the walk backwards ------------------------------------------------------------------------------------------ */

/*
 * What the waiter waited for, and what stopped the very tasks it waited for meanwhile: such a stop ends before the wait
 * does, because the task has to run to end it.  The longest waits will do; many may lie one over the other for as long
 * as the window, as those for one file lock do, and what happened meanwhile is not read more than three times for them.
 * A wait that is pending has several rows, which begin in the same moment, and so has a stop.
 */
#define HELD                                                                                                    \
	"WITH r AS MATERIALIZED (SELECT ts_ns - duration_ns AS a, ts_ns AS b, peer_tid AS tid FROM v_stop WHERE"        \
	" container = :waiter AND reason = :waits AND peer = :victim AND peer_tid > 0 AND ts_ns > :onset AND"         \
	" ts_ns <= :to ORDER BY duration_ns DESC, ts_ns LIMIT 200),"                                                \
	" l AS (SELECT min(a) AS a, max(b) AS b, tid FROM r GROUP BY tid, a / 10000000 ORDER BY b - a DESC LIMIT 50)," \
	" w AS MATERIALIZED (SELECT a, b, tid FROM (SELECT a, b, tid, total(b - a) OVER (ORDER BY b - a DESC, a, tid" \
	" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS longer FROM l) WHERE longer <= 2 * (:to - :onset)),"  \
	" s AS MATERIALIZED (SELECT s.reason, w.tid, w.a, w.b, s.ts_ns - s.duration_ns AS begin_ns, s.ts_ns AS end_ns" \
	" FROM w CROSS JOIN v_stop s WHERE s.container = :victim AND s.ts_ns > w.a AND s.ts_ns <= w.b + 1000000"    \
	" AND s.tid = w.tid),"                                                                                      \
	" o AS MATERIALIZED (SELECT reason, tid, a, b, min(begin_ns) AS begin_ns, max(end_ns) AS end_ns FROM s GROUP" \
	" BY reason, tid, a, begin_ns / 10000000)"
#define HELD_NS "min(b, end_ns) - max(a, begin_ns)"

/* The stops; and the waits, without a reason.  What held_up asks for, for all reasons at once: it reads every wait of the
 * window, and once has to do. */
static const char held_by_reason[] =
	HELD " SELECT * FROM (SELECT reason, tid, a AS wait_begin_ns, b AS wait_end_ns, begin_ns AS stop_begin_ns, end_ns AS"
	     " stop_end_ns, " HELD_NS ", max(a - begin_ns, 0) FROM o UNION ALL SELECT NULL, tid, a, b, NULL, NULL, b - a,"
	     " 0 FROM w) ORDER BY wait_end_ns - wait_begin_ns DESC, wait_begin_ns, stop_begin_ns";
#define HELD_COLUMNS 5 /* worth showing, behind the reason */

static const struct evidence_def held_up = {
	.role = EVIDENCE_REQUIRE,
	.id = "held_up",
	.claim = "those tasks of {victim} that {waiter} waited for were stopped themselves for {observed} of that time;"
		 " {expected} is half of it",
	.unit = UNIT_NS,
	.from_events = true,
	.sql = HELD " SELECT coalesce(sum(" HELD_NS "), 0) * 2 >= (SELECT sum(b - a) FROM w) AS holds, coalesce(sum("
		    HELD_NS "), 0) AS observed, (SELECT sum(b - a) FROM w) / 2 AS expected, min(max(a - begin_ns, 0)) AS"
		    " lag_ns FROM o WHERE reason = :reason",
	.rows_sql = HELD " SELECT tid, a AS wait_begin_ns, b AS wait_end_ns, begin_ns AS stop_begin_ns, end_ns AS"
			 " stop_end_ns FROM o WHERE reason = :reason ORDER BY b - a DESC, a, begin_ns LIMIT 20",
};

/* What the one who was waited for ran and waited, where it had something to do. */
#define BUSY                                                                                                      \
	"busy AS (SELECT coalesce((SELECT sum(cpu_ns) FROM v_usage WHERE container = :victim AND ts_ns > :onset AND" \
	" ts_ns <= :to), 0) + coalesce((SELECT sum(wait_ns) FROM v_wait WHERE container = :victim AND ts_ns > :onset" \
	" AND ts_ns <= :to), 0) AS ns)"

/* Where the waits do not name a task. */
static const struct evidence_def stopped_meanwhile = {
	.role = EVIDENCE_REQUIRE,
	.id = "stopped_meanwhile",
	.claim = "{victim} was stopped itself for {observed} meanwhile; {expected} is half of the time, or of what it ran"
		 " and waited in that",
	.unit = UNIT_NS,
	.sql = "WITH " BUSY ", v AS (SELECT coalesce(nullif(sum(wait_ns), 0), min(:to - :onset, max((:to - :onset) / 2,"
	       " (SELECT ns FROM busy)))) AS ns FROM v_wait WHERE container = :waiter AND reason = :waits AND ts_ns >"
	       " :onset AND ts_ns <= :to) SELECT coalesce(sum(wait_ns), 0) * 2 >= (SELECT ns FROM v) AS holds,"
	       " coalesce(sum(wait_ns), 0) AS observed, (SELECT ns FROM v) / 2 AS expected, 0 AS lag_ns FROM v_wait"
	       " WHERE container = :victim AND reason = :reason AND ts_ns > :onset AND ts_ns <= :to",
};

/* Half of what makes a link: no proof, and enough for a doubt. */
static const char held_somewhat[] =
	"WITH " BUSY " SELECT sum(wait_ns) * 4 >= max((:to - :onset) / 2, (SELECT ns FROM busy)), sum(wait_ns) FROM"
	" v_wait WHERE container = :victim AND ts_ns > :onset AND ts_ns <= :to";

const struct test *hypothesis_link(const struct hypothesis *h)
{
	const struct test *last = h->test_count ? &h->tests[h->test_count - 1] : NULL;

	return last && (last->def == &held_up || last->def == &stopped_meanwhile) ? last : NULL;
}

#define HELD_REASONS_MAX 16

/* How long the tasks that the waiter waited for were held up themselves. */
struct held {
	int64_t waited_ns; /* 0: the waits name no task, and only sums can tell */
	size_t count;
	struct held_reason {
		char reason[16];
		int64_t ns, lag_ns;
		json_t *rows;
	} by[HELD_REASONS_MAX];
};

static void held_clear(struct held *held)
{
	for (size_t i = 0; i < held->count; i++)
		json_decref(held->by[i].rows);
	held->count = 0;
}

static struct held_reason *held_find(struct held *held, const char *reason)
{
	for (size_t i = 0; i < held->count; i++)
		if (!strcmp(held->by[i].reason, reason))
			return &held->by[i];
	return NULL;
}

static struct held_reason *held_add(struct held *held, const char *reason)
{
	struct held_reason *by = held_find(held, reason);

	if (by || held->count == HELD_REASONS_MAX)
		return by;
	by = &held->by[held->count++];
	*by = (struct held_reason){ .lag_ns = INT64_MAX, .rows = json_array() };
	snprintf(by->reason, sizeof(by->reason), "%s", reason);
	return by;
}

static void held_take(struct held *held, sqlite3_stmt *stmt)
{
	struct held_reason *by = held_add(held, sql_text(stmt, 0));
	json_t *row;

	if (!by)
		return;
	by->ns += sqlite3_column_int64(stmt, HELD_COLUMNS + 1);
	by->lag_ns = MIN(by->lag_ns, sqlite3_column_int64(stmt, HELD_COLUMNS + 2));
	if (json_array_size(by->rows) >= EVIDENCE_ROWS_MAX)
		return;
	row = json_object();
	for (int i = 1; i <= HELD_COLUMNS; i++)
		json_object_set_new(row, sqlite3_column_name(stmt, i), sql_json(stmt, i));
	json_array_append_new(by->rows, row);
}

static void load_held(struct sql *sql, const struct hypothesis *link, struct held *ret)
{
	sqlite3_stmt *stmt = bound(sql, held_by_reason, link);

	*ret = (struct held){ 0 };
	while (stmt && sqlite3_step(stmt) == SQLITE_ROW) {
		if (sqlite3_column_type(stmt, 0) == SQLITE_NULL)
			ret->waited_ns += sqlite3_column_int64(stmt, HELD_COLUMNS + 1);
		else
			held_take(ret, stmt);
	}
	sql_done(stmt);
}

/* Whether the container was stopped for that reason for half of the time; only asked when no wait names a task. */
static bool was_stopped(struct sql *sql, const struct hypothesis *link)
{
	sqlite3_stmt *stmt = bound(sql, stopped_meanwhile.sql, link);
	bool holds = stmt && sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0);

	sql_done(stmt);
	return holds;
}

static bool may_link(struct sql *sql, const struct hypothesis *link, struct held *held)
{
	const struct held_reason *by;

	if (!link->reason)
		return true;
	if (!held->waited_ns)
		return was_stopped(sql, link);
	by = held_find(held, link->reason);
	return by && by->ns * 2 >= held->waited_ns;
}

/* The test that held_up stands for, from what was loaded already. */
static struct test held_test(struct held *held, const char *reason)
{
	struct held_reason *by = held_find(held, reason);

	return (struct test){ .def = &held_up, .holds = by->ns * 2 >= held->waited_ns, .rows = json_incref(by->rows),
			      .row = json_pack("{s:i, s:o, s:o, s:o}", "holds", by->ns * 2 >= held->waited_ns, "observed",
					       json_int(by->ns), "expected", json_int(held->waited_ns / 2), "lag_ns",
					       json_ns(by->lag_ns)) };
}

static bool in_chain(const struct diagnosis *d, const struct rule *rule, int64_t victim)
{
	if (d->best->rule == rule && d->best->victim == victim)
		return true;
	for (size_t i = 0; i < d->depth; i++)
		if (d->chain[i]->rule == rule && d->chain[i]->victim == victim)
			return true;
	return false;
}

static bool leads_to_waits(const struct rule *from)
{
	for (size_t i = 0; i < from->chain_to.count; i++)
		if (!strcmp(from->chain_to.items[i], RULE_CHAIN_WAITS))
			return true;
	return false;
}

/* A rule may be what stopped the culprit when the one before names it, or any wait and this one explains waits. */
static bool leads_to(const struct rule *from, const struct rule *rule, const struct symptom *symptom)
{
	for (size_t i = 0; i < from->chain_to.count; i++)
		if (!strcmp(from->chain_to.items[i], rule->cause))
			return true;
	return symptom && symptom->reason && leads_to_waits(from);
}

/* Writes down what makes it a link. */
static void prove_link(const struct inquiry *q, struct hypothesis *h, const struct hypothesis *link,
		       struct held *held)
{
	h->waiter = link->waiter;
	h->waiter_reason = link->waiter_reason;
	if (!link->reason)
		return;
	if (held->waited_ns) {
		struct test *t = &h->tests[h->test_count++];

		*t = held_test(held, link->reason);
		weigh_absence(q->coverage, t);
	} else {
		run_test(q, h, &stopped_meanwhile);
		say(h->capped_by, "what stopped %s was not seen task by task%s", "the culprit", "");
		h->level = MIN(h->level, CONFIDENCE_PROBABLE);
	}
}

/*
 * Nothing is known to have stopped the culprit, but no wait names its tasks either, and it was held up for a good part
 * of its time: it may be a hop of something whose root does not show yet.
 */
static void doubt(const struct inquiry *q, const struct hypothesis *link, const struct held *held,
		  struct hypothesis *from)
{
	sqlite3_stmt *stmt;

	if (held->waited_ns || from->level <= CONFIDENCE_PROBABLE || !leads_to_waits(from->rule))
		return;
	stmt = bound(q->sql, held_somewhat, link);
	if (stmt && sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0)) {
		AUTO(strbuf) struct strbuf span = STRBUF_INIT;

		span_format(&span, sqlite3_column_int64(stmt, 1));
		say(from->capped_by, "the culprit was held up itself for %s meanwhile: what did that may be the root%s",
		    strbuf_str(&span), "");
		from->level = CONFIDENCE_PROBABLE;
	}
	sql_done(stmt);
}

/* What stopped the first culprit, while its victim waited for it. */
static struct hypothesis *next_link(const struct inquiry *q, struct hypothesis *from, const char *from_reason,
				    const struct diagnosis *d)
{
	struct hypothesis link = { .window = from->window, .waiter = from->victim,
				   .waiter_reason = from_reason ? from_reason : "" };
	struct hypothesis *found = NULL;
	const struct rule *rule;
	struct held held;

	if (!from->rule->chain_to.count || !from->culprit_count || !from->culprits[0].is_container ||
	    from->culprits[0].active)
		return NULL;
	link.victim = from->culprits[0].container;
	load_held(q->sql, &link, &held);
	for (size_t i = 0; (rule = rules_at(q->rules, i)); i++) {
		for (size_t s = 0; s < rule->symptoms.count; s++) {
			const struct symptom *symptom = symptom_find(rules_symptoms(q->rules), rule->symptoms.items[s]);
			struct hypothesis *h;

			link.reason = symptom ? symptom->reason : NULL;
			if (!leads_to(from->rule, rule, symptom) || in_chain(d, rule, link.victim) ||
			    (found && found->rule == rule) || !may_link(q->sql, &link, &held))
				continue;
			h = evaluate(q, rule, link.victim, link.reason);
			if (h && h->verdict == VERDICT_SUPPORTED && better(h, found)) {
				hypothesis_free(found);
				found = TAKE_PTR(h);
			}
			hypothesis_free(h);
		}
	}
	if (found) {
		link.reason = found->reason;
		prove_link(q, found, &link, &held);
	} else {
		doubt(q, &link, &held, from);
	}
	held_clear(&held);
	return found;
}

static void follow_chain(const struct inquiry *q, const char *reason, struct diagnosis *d)
{
	struct hypothesis *at = d->best;

	while (d->depth < CHAIN_MAX) {
		struct hypothesis *next = next_link(q, at, reason, d);

		if (!next)
			return;
		d->chain[d->depth++] = next;
		at = next;
		reason = next->reason;
	}
}

static int diagnose(const struct inquiry *q, const struct symptom *symptom, int64_t victim, struct diagnosis *d)
{
	const struct rule *rule;
	int r = 0;

	for (size_t i = 0; r == 0 && (rule = rules_at(q->rules, i)); i++)
		if (rule_has_symptom(rule, symptom->name))
			r = add_candidate(q, rule, true, victim, symptom->reason, d);
	if (r == 0)
		r = add_lookalikes(q, victim, symptom->reason, d);
	if (r == 0 && d->best)
		follow_chain(q, symptom->reason, d);
	return r;
}

int engine_diagnose(struct sql *sql, const struct rules *rules, const struct symptom *symptom, int64_t victim,
		    const struct window *window, const struct coverage *coverage, struct diagnosis *ret)
{
	struct memo memo = { .count = 0 };
	const struct inquiry q = { .sql = sql, .rules = rules, .window = window, .coverage = coverage, .memo = &memo };
	int r;

	*ret = (struct diagnosis){ 0 };
	r = diagnose(&q, symptom, victim, ret);
	memo_clear(&memo);
	if (r < 0)
		diagnosis_clear(ret);
	return r;
}

/* What a rule that was tried lacked: the first test that decided against it. */
static void say_lacking(const struct hypothesis *h, json_t *list)
{
	for (size_t i = 0; i < h->test_count; i++) {
		const struct test *t = &h->tests[i];
		bool refute = t->def->role == EVIDENCE_REFUTE;
		char cause[160];

		if (t->def->role == EVIDENCE_SUPPORT || t->holds == !refute)
			continue;
		snprintf(cause, sizeof(cause), "%s: %s", h->rule->cause, t->def->id);
		if (t->holds < 0)
			say(list, "%s would decide: %s", cause, t->why);
		else
			say(list, refute ? "%s speaks against it%s" : "%s does not hold%s", cause, "");
		return;
	}
}

int engine_fall_back(struct sql *sql, const struct rules *rules, const struct symptom *symptom, int64_t victim,
		     const struct window *window, const struct coverage *coverage, struct diagnosis *d)
{
	const struct inquiry q = { .sql = sql, .rules = rules, .window = window, .coverage = coverage };
	size_t tried = d->count;
	const struct rule *rule;
	int r = 0;

	for (size_t i = 0; r == 0 && (rule = rules_at(rules, i)); i++)
		if (rule->fallback)
			r = add_candidate(&q, rule, true, victim, symptom->reason, d);
	for (size_t i = 0; r == 0 && d->best && i < tried; i++)
		if (d->candidates[i]->eligible)
			say_lacking(d->candidates[i], d->best->capped_by);
	return r;
}
