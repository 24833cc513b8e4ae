/* SPDX-License-Identifier: Apache-2.0 */
/* `kwhy why`: one container, one window, on demand. */
#include <errno.h>
#include <string.h>

#include "analyze/analyzer.h"
#include "analyze/detect.h"
#include "analyze/engine.h"
#include "analyze/incident.h"
#include "analyze/node.h"
#include "analyze/report.h"
#include "base/hash.h"
#include "base/timeutil.h"

#define PAST_NS (300 * NSEC_PER_SEC)
/* Symptoms are looked for tick by tick in the newest part of a long window. */
#define DETECT_MAX_NS (3600 * NSEC_PER_SEC)
/* The tick after the window's end is looked for so far. */
#define TICK_MAX_NS (5 * NSEC_PER_SEC)
/* Parts of a symptom's time that are tried when the whole of it has no cause: its first ticks, and its end. */
#define PARTS_MAX 8

struct why {
	struct reader *reader;
	struct sql *sql;
	struct rules *rules;
	struct detector *detector;
	struct thresholds thresholds;
	json_t *node;
	char config_sha256[65];
	int64_t container, from_ns, to_ns;
	unsigned int ticks;
	/* The best so far. */
	struct incident *found;
	struct diagnosis undecided; /* of the strongest symptom that nothing explains */
	const struct symptom *symptom;
};

static void why_free(struct why *w)
{
	if (w->found) {
		diagnosis_clear(&w->found->diagnosis);
		free(w->found);
	}
	diagnosis_clear(&w->undecided);
	detector_free(w->detector);
	sql_free(w->sql);
	rules_free(w->rules);
	reader_free(w->reader);
	json_decref(w->node);
}

static int find_container(struct why *w, const char *name, struct strbuf *ret_error)
{
	static const char query[] =
		"SELECT container FROM v_container WHERE name = :name OR ref = :name OR cgroup = :name OR cgroup LIKE"
		" '%/' || :prefix ESCAPE '!' OR (length(:name) >= 4 AND id LIKE :prefix || '%' ESCAPE '!') ORDER BY"
		" name = :name DESC, ref = :name DESC, cgroup = :name DESC, last_ns IS NULL DESC, first_ns DESC LIMIT"
		" 1";
	sqlite3_stmt *stmt = sql_get(w->sql, query);
	AUTO(strbuf) struct strbuf prefix = STRBUF_INIT;
	int r = -ENOENT;

	if (!strcmp(name, "host"))
		return 0;
	for (const char *p = name; *p; p++) {
		if (strchr("%_!", *p))
			strbuf_addch(&prefix, '!');
		strbuf_addch(&prefix, *p);
	}
	if (!stmt)
		return -EIO;
	sql_bind_text(stmt, ":name", name);
	sql_bind_text(stmt, ":prefix", strbuf_str(&prefix));
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		w->container = sqlite3_column_int64(stmt, 0);
		r = 0;
	}
	sql_done(stmt);
	if (r < 0) {
		strbuf_addstr(ret_error, "no container is called ");
		strbuf_add_plain(ret_error, name);
	}
	return r;
}

/* What happened at the end stands in the row of the tick that came after it, where there is one. */
static int reach_tick(struct why *w)
{
	static const char query[] = "SELECT min(ts_ns) FROM v_tick WHERE ts_ns >= :from AND ts_ns < :to";
	sqlite3_stmt *stmt = sql_get_between(w->sql, query, w->to_ns, w->to_ns + TICK_MAX_NS);

	if (!stmt)
		return -EIO;
	if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		w->to_ns = sqlite3_column_int64(stmt, 0);
	sql_done(stmt);
	return 0;
}

static int count_ticks(struct why *w, struct strbuf *ret_error)
{
	static const char query[] = "SELECT count(*) FROM v_tick WHERE ts_ns BETWEEN :from AND :to";
	sqlite3_stmt *stmt = sql_get_between(w->sql, query, w->from_ns, w->to_ns);

	if (!stmt)
		return -EIO;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		w->ticks = (unsigned int)sqlite3_column_int64(stmt, 0);
	sql_done(stmt);
	if (!w->ticks)
		strbuf_addstr(ret_error, "nothing is stored for that window");
	return w->ticks ? 0 : -ENODATA;
}

/* The past to compare with ends where the symptom began, though the window may begin in the middle of it. */
static struct window window_of(const struct why *w, const struct episode *e, int64_t onset_ns, int64_t to_ns)
{
	struct window window = { .from_ns = MAX(onset_ns, w->from_ns) - NSEC_PER_SEC, .to_ns = to_ns,
				 .onset_ns = MAX(onset_ns, w->from_ns) };

	window.baseline_to_ns = MIN(e->onset_ns - NSEC_PER_SEC, window.from_ns);
	window.baseline_from_ns = window.baseline_to_ns - PAST_NS;
	return window;
}

static int64_t waited_for(const struct episode *e, const struct hypothesis *root)
{
	return e->symptom->kind == SYMPTOM_WAIT && root->level >= CONFIDENCE_PROBABLE ? e->total : 0;
}

/* Of two waits the one that took more than twice the time is the answer, whoever is to blame for the other. */
static bool more_telling(const struct diagnosis *new, const struct episode *e, const struct incident *found)
{
	const struct hypothesis *a = diagnosis_root(new), *b = diagnosis_root(&found->diagnosis);
	int64_t now = waited_for(e, a), before = waited_for(&found->victims[0].episode, b);

	if (now && before && (now > 2 * before || before > 2 * now))
		return now > before;
	if (a->severity != b->severity)
		return a->severity > b->severity;
	if (a->level != b->level)
		return a->level > b->level;
	return a->weight > b->weight;
}

/* Makes the diagnosis (moved) the answer when it is better than the one at hand. */
static int offer(struct why *w, const struct episode *e, struct diagnosis *d, const struct coverage *coverage)
{
	const struct hypothesis *root = diagnosis_root(d);
	struct incident *incident;

	if (w->found && !more_telling(d, e, w->found))
		return 0;
	incident = calloc(1, sizeof(*incident));
	if (!incident)
		return -ENOMEM;
	incident_key_of(d, &incident->key);
	incident->resolved = true;
	incident->severity = MAX(root->severity, d->best->severity);
	incident->level = MIN(root->level, d->best->level);
	incident->onset_ns = e->onset_ns;
	incident->detected_ns = e->detected_ns;
	incident->peak_ns = e->peak_ns;
	incident->last_ns = MIN(e->last_ns, w->to_ns);
	incident->victims[0].episode = *e;
	incident->victim_count = 1;
	incident->coverage = *coverage;
	incident->diagnosis = *d;
	incident_id(&incident->key, node_boot_id(w->node), e->onset_ns, incident->id);
	*d = (struct diagnosis){ 0 };
	if (w->found) {
		diagnosis_clear(&w->found->diagnosis);
		free(w->found);
	}
	w->found = incident;
	return 0;
}

static int diagnose_part(struct why *w, const struct episode *e, int64_t onset_ns, int64_t to_ns,
			 struct coverage *ret_coverage, struct diagnosis *ret)
{
	struct window window = window_of(w, e, onset_ns, to_ns);
	int r = coverage_load(w->sql, window.from_ns, window.to_ns, ret_coverage);

	return r ? r : engine_diagnose(w->sql, w->rules, e->symptom, w->container, &window, ret_coverage, ret);
}

/* Ends of the parts to try: the first ticks of a symptom that goes on. */
static size_t first_ticks(struct why *w, int64_t onset_ns, int64_t to_ns, int64_t ret[PARTS_MAX])
{
	static const char query[] =
		"SELECT ts_ns FROM v_tick WHERE ts_ns > :from AND ts_ns < :to ORDER BY ts_ns LIMIT :limit";
	sqlite3_stmt *stmt = sql_get_between(w->sql, query, onset_ns, to_ns);
	size_t count = 0;

	if (!stmt)
		return 0;
	sql_bind_int(stmt, ":limit", PARTS_MAX);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		ret[count++] = sqlite3_column_int64(stmt, 0);
	sql_done(stmt);
	return count;
}

/*
 * What has no cause as a whole may have one in part, as it had while it was followed tick by tick: of its end, when
 * something came on top, or of its beginning.  ret_diagnosis is kept where that finds nothing.
 */
static int diagnose_parts(struct why *w, const struct episode *e, int64_t onset_ns, int64_t to_ns,
			  struct coverage *ret_coverage, struct diagnosis *ret_diagnosis)
{
	int64_t ticks[PARTS_MAX], begin_ns = to_ns - w->thresholds.window_ns - NSEC_PER_SEC;
	size_t count = first_ticks(w, onset_ns, to_ns, ticks);
	struct coverage coverage;
	struct diagnosis d = { 0 };
	int r = begin_ns > onset_ns ? diagnose_part(w, e, begin_ns, to_ns, &coverage, &d) : 0;

	for (size_t i = count; i-- > 0 && r == 0 && !d.best;) {
		diagnosis_clear(&d);
		r = diagnose_part(w, e, onset_ns, ticks[i], &coverage, &d);
	}
	if (r == 0 && d.best) {
		diagnosis_clear(ret_diagnosis);
		*ret_diagnosis = d;
		*ret_coverage = coverage;
		return 0;
	}
	diagnosis_clear(&d);
	return r;
}

static int try_episode(struct why *w, const struct episode *e)
{
	struct episode part = *e; /* what lies within the window */
	struct diagnosis d = { 0 };
	struct coverage coverage;
	int r;

	part.onset_ns = MAX(e->onset_ns, w->from_ns);
	part.last_ns = MIN(e->last_ns, w->to_ns);
	if (e->symptom->reason)
		part.total = engine_waited(w->sql, w->container, e->symptom->reason, part.onset_ns, part.last_ns);
	r = diagnose_part(w, e, part.onset_ns, part.last_ns, &coverage, &d);
	if (r == 0 && !d.best)
		r = diagnose_parts(w, e, part.onset_ns, part.last_ns, &coverage, &d);
	if (r == 0 && d.best) {
		r = offer(w, &part, &d, &coverage);
	} else if (r == 0 && !w->undecided.count) {
		w->undecided = d;
		w->symptom = e->symptom;
		return 0;
	}
	diagnosis_clear(&d);
	return r;
}

/* Of several times of the same symptom the worst. */
static void note_episode(struct episode *seen, const struct episode *e)
{
	if (!seen->symptom || seen->onset_ns == e->onset_ns || e->peak >= seen->peak)
		*seen = *e;
}

static int detect(struct why *w, struct episode *seen)
{
	static const char query[] = "SELECT ts_ns FROM v_tick WHERE ts_ns > :from AND ts_ns <= :to ORDER BY ts_ns";
	sqlite3_stmt *stmt = sql_get_between(w->sql, query, MAX(w->from_ns, w->to_ns - DETECT_MAX_NS) - PAST_NS,
					     w->to_ns);
	int64_t last_ns = 0;
	int r = stmt ? 0 : -EIO;

	if (!stmt)
		return r;
	while (r == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
		int64_t ts_ns = sqlite3_column_int64(stmt, 0);
		struct episode *const *episodes;
		size_t count;

		r = detector_tick(w->detector, w->sql, last_ns ? last_ns : ts_ns - NSEC_PER_SEC, ts_ns);
		last_ns = ts_ns;
		count = detector_episodes(w->detector, &episodes);
		for (size_t i = 0; i < count; i++) {
			if (episodes[i]->container != w->container)
				continue;
			episodes[i]->explained = true; /* no news within it: diagnose_parts() looks for that */
			if (episodes[i]->active && ts_ns >= w->from_ns)
				note_episode(&seen[episodes[i]->symptom->index], episodes[i]);
		}
	}
	sql_done(stmt);
	return r;
}

/* Nothing crossed an alarm: what it waited for most is worth a word when it is 1 % of the window. */
static int strongest_wait(struct why *w, struct episode *ret)
{
	static const char query[] =
		"SELECT reason, sum(wait_ns), max(max_ns), sum(wait_ns) * 1.0 / (sum(sum(wait_ns)) OVER () +"
		" coalesce((SELECT sum(cpu_ns) FROM v_usage WHERE container = :victim AND ts_ns > :from AND ts_ns <="
		" :to), 0)) FROM v_wait WHERE container = :victim AND ts_ns > :from AND ts_ns <= :to GROUP BY reason"
		" ORDER BY 2 DESC LIMIT 1";
	sqlite3_stmt *stmt = sql_get_between(w->sql, query, w->from_ns, w->to_ns);
	const struct symptom *symptom;
	int r = 0;

	if (!stmt)
		return -EIO;
	sql_bind_int(stmt, ":victim", w->container);
	if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int64(stmt, 1) >= (w->to_ns - w->from_ns) / 100) {
		symptom = symptom_of_reason(rules_symptoms(w->rules), sql_text(stmt, 0));
		if (symptom) {
			*ret = (struct episode){ .container = w->container,
						 .symptom = symptom,
						 .onset_ns = w->from_ns,
						 .detected_ns = w->to_ns,
						 .last_ns = w->to_ns,
						 .peak_ns = w->from_ns,
						 .total = sqlite3_column_int64(stmt, 1),
						 .worst_ns = sqlite3_column_int64(stmt, 2),
						 .share = sqlite3_column_double(stmt, 3) };
			r = 1;
		}
	}
	sql_done(stmt);
	return r;
}

static int look(struct why *w)
{
	struct episode seen[SYMPTOMS_MAX] = { 0 }, wait;
	int r = detect(w, seen);

	for (size_t i = 0; i < SYMPTOMS_MAX && r == 0; i++)
		if (seen[i].symptom)
			r = try_episode(w, &seen[i]);
	if (r == 0 && !w->found && !w->undecided.count) {
		r = strongest_wait(w, &wait);
		if (r > 0)
			r = try_episode(w, &wait);
	}
	return r;
}

static json_t *say_nothing(struct why *w, const struct report_context *ctx)
{
	const struct window window = { .from_ns = w->from_ns, .to_ns = w->to_ns, .onset_ns = w->from_ns,
				       .baseline_from_ns = w->from_ns - PAST_NS, .baseline_to_ns = w->from_ns };
	AUTO(strbuf) struct strbuf headline = STRBUF_INIT;
	AUTO(strbuf) struct strbuf basis = STRBUF_INIT;
	struct coverage coverage;
	double ratio;
	bool sure;

	coverage_load(w->sql, w->from_ns, w->to_ns, &coverage);
	ratio = coverage_ratio(&coverage);
	sure = ratio >= 0.99 && !w->undecided.count;
	if (!w->undecided.count)
		strbuf_addstr(&headline, "nothing was wrong in the kernel: ");
	report_container_name(w->sql, w->container, &headline);
	if (w->undecided.count)
		strbuf_addf(&headline, " %s, but no rule explains it", w->symptom->effect);
	else
		strbuf_addstr(&headline, " lost nothing to it or to others");
	strbuf_addstr(&headline, " within ");
	span_format(&headline, w->to_ns - w->from_ns);
	strbuf_addf(&headline, " (%u ticks, coverage %.0f %%)", w->ticks, ratio * 100);
	strbuf_addf(&basis, "%u ticks were analysed; %.0f %% of the probes and records wanted were there", w->ticks,
		    ratio * 100);
	return report_nothing(ctx, w->container, &window, &coverage, &w->undecided,
			      sure ? CONFIDENCE_CONFIRMED : CONFIDENCE_INCONCLUSIVE, strbuf_str(&headline),
			      strbuf_str(&basis));
}

static int prepare(struct why *w, const char *state_dir, const struct config *config, struct strbuf *ret_error)
{
	AUTO(strbuf) struct strbuf dump = STRBUF_INIT;
	int r = rules_load(config_string(config, "analyze.rules"), &w->rules, ret_error);

	config_dump(config, &dump);
	sha256_hex(strbuf_str(&dump), dump.len, w->config_sha256);
	thresholds_from_config(config, &w->thresholds);
	if (r == 0)
		r = reader_open(state_dir, &w->reader, ret_error);
	if (r == 0) {
		r = reader_select(w->reader, w->from_ns - PAST_NS, w->to_ns + TICK_MAX_NS);
		r = MIN(r, 0);
	}
	if (r < 0)
		return r;
	w->sql = sql_new();
	w->detector = detector_new(&w->thresholds, rules_symptoms(w->rules));
	if (!w->sql || !w->detector)
		return -ENOMEM;
	sql_use(w->sql, reader_db(w->reader));
	w->node = node_json(w->sql);
	return w->node ? 0 : -ENOMEM;
}

int analyze_why(const char *state_dir, const struct config *config, const char *container, int64_t from_ns,
		int64_t to_ns, json_t **ret_report, struct strbuf *ret_error)
{
	struct why w = { .from_ns = from_ns, .to_ns = MIN(to_ns, INT64_MAX - TICK_MAX_NS) };
	struct report_context ctx;
	json_t *report = NULL;
	int r = prepare(&w, state_dir, config, ret_error);

	if (r == 0)
		r = reach_tick(&w);
	if (r == 0)
		r = count_ticks(&w, ret_error);
	if (r == 0)
		r = find_container(&w, container, ret_error);
	if (r == 0)
		r = look(&w);
	if (r == 0) {
		ctx = (struct report_context){ .sql = w.sql,
					       .rules = w.rules,
					       .node = w.node,
					       .config_sha256 = w.config_sha256,
					       .now_ns = w.to_ns };
		report = w.found ? report_build(&ctx, w.found) : say_nothing(&w, &ctx);
		r = report ? 0 : -ENOMEM;
	}
	why_free(&w);
	if (r == 0)
		*ret_report = report;
	else if (!ret_error->len)
		strbuf_addf(ret_error, "diagnosis failed: %s", strerror(-r));
	return r;
}
