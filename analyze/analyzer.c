/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/analyzer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/detect.h"
#include "analyze/engine.h"
#include "analyze/incident.h"
#include "analyze/node.h"
#include "analyze/report.h"
#include "analyze/reports.h"
#include "analyze/rules.h"
#include "analyze/sql.h"
#include "base/hash.h"
#include "base/timeutil.h"

/* Past that is read before the first tick: what is usual is taken from it. */
#define PAST_NS (300 * NSEC_PER_SEC)
/* Ticks analysed per selection of shards, so that a long store is walked in pieces. */
#define BATCH_NS (1800 * NSEC_PER_SEC)
/* Evidence of a long incident: its newest part. */
#define WINDOW_MAX_NS (120 * NSEC_PER_SEC)
/* Diagnosed at every tick at first, then now and then: evidence gathers, and causes change slowly. */
#define EAGER_TICKS 6
#define LAZY_TICKS 5
#define FALL_BACK_TICKS 5   /* so long an explanation is waited for */
#define CONTRADICTIONS 2    /* in a row, until a symptom is taken from what explains it */
#define UNEXPLAINED_TICKS 30 /* so long every tick, while nothing explains it */
#define FROZEN_MAX 10000
/* A gap between ticks up to this is a collector that did not get to run: what it stored afterwards is of that time. */
#define GAP_MAX_NS (60 * NSEC_PER_SEC)
#define EXPIRE_EVERY_NS (3600 * NSEC_PER_SEC)

struct analyzer {
	char *state_dir;
	const struct config *config;
	struct thresholds thresholds;
	char config_sha256[65];
	int64_t from_ns, last_ns; /* first tick to analyse, newest one seen */
	int64_t expired_ns;
	struct reader *reader;
	struct sql *sql;
	struct rules *rules;
	struct reports *reports;
	struct detector *detector;
	struct incidents *incidents;
	json_t *node;
	void (*fn)(void *ctx, const json_t *report);
	void *ctx;
};

static void hash_config(const struct config *config, char ret[65])
{
	AUTO(strbuf) struct strbuf dump = STRBUF_INIT;

	config_dump(config, &dump);
	sha256_hex(strbuf_str(&dump), dump.len, ret);
}

int analyzer_new(const struct analyzer_options *options, struct analyzer **ret_analyzer, struct strbuf *ret_error)
{
	struct analyzer *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->state_dir = strdup(options->state_dir);
	a->config = options->config;
	a->from_ns = options->from_ns;
	thresholds_from_config(a->config, &a->thresholds);
	hash_config(a->config, a->config_sha256);
	a->sql = sql_new();
	r = a->state_dir && a->sql ? 0 : -ENOMEM;
	if (r == 0)
		r = rules_load(config_string(a->config, "analyze.rules"), &a->rules, ret_error);
	if (r == 0) {
		a->detector = detector_new(&a->thresholds, rules_symptoms(a->rules));
		r = a->detector ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = reports_open(a->state_dir, &a->reports, ret_error);
	if (r < 0) {
		analyzer_free(a);
		return r;
	}
	*ret_analyzer = a;
	return 0;
}

void analyzer_free(struct analyzer *a)
{
	if (!a)
		return;
	incidents_free(a->incidents);
	detector_free(a->detector);
	sql_free(a->sql);
	reader_free(a->reader);
	reports_free(a->reports);
	rules_free(a->rules);
	json_decref(a->node);
	free(a->state_dir);
	free(a);
}

void analyzer_on_report(struct analyzer *a, void (*fn)(void *ctx, const json_t *report), void *ctx)
{
	a->fn = fn;
	a->ctx = ctx;
}

/* ---- reports --------------------------------------------------------------------------------------------------- */

static void freeze_container(struct analyzer *a, const struct incident *incident, int64_t container, int64_t from_ns,
			     int64_t to_ns)
{
	static const char query[] =
		"SELECT ts_ns, json_object('ts_ns', CAST(ts_ns AS TEXT), 'kind', kind, 'container', container,"
		" 'container_name', container_name, 'peer', peer, 'peer_name', peer_name, 'pid', pid, 'tid', tid,"
		" 'comm', comm, 'peer_pid', peer_pid, 'peer_comm', peer_comm, 'duration_ns',"
		" CAST(duration_ns AS TEXT), 'error', error, 'stack', stack, 'peer_stack', peer_stack,"
		" 'payload', json(payload)) FROM v_event WHERE container = :victim AND ts_ns BETWEEN :from AND :to"
		" AND class = 'context' ORDER BY ts_ns LIMIT :limit";
	sqlite3_stmt *stmt = sql_get_between(a->sql, query, from_ns, to_ns);

	if (!stmt)
		return;
	sql_bind_int(stmt, ":victim", container);
	sql_bind_int(stmt, ":limit", FROZEN_MAX / VICTIMS_MAX);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		reports_freeze(a->reports, incident->id, sqlite3_column_int64(stmt, 0), sql_text(stmt, 1));
	sql_done(stmt);
}

/* Copies what the incident rests on beside its report. */
static void freeze(struct analyzer *a, const struct incident *incident, int64_t now_ns)
{
	int64_t from_ns = MAX(incident->onset_ns - NSEC_PER_SEC, now_ns - WINDOW_MAX_NS);

	for (size_t i = 0; i < incident->victim_count; i++)
		freeze_container(a, incident, incident->victims[i].episode.container, from_ns, now_ns);
	if (incident->key.culprit_is_container)
		freeze_container(a, incident, incident->key.culprit, from_ns, now_ns);
}

static int write_report(struct analyzer *a, struct incident *incident, int64_t now_ns)
{
	const struct report_context ctx = { .sql = a->sql, .rules = a->rules, .node = a->node,
					    .config_sha256 = a->config_sha256, .now_ns = now_ns };
	json_t *report = report_build(&ctx, incident);
	int r = report ? reports_put(a->reports, report) : -ENOMEM;

	/* A replay over an earlier one meets its own revisions: they are the same. */
	if (r == 0 || r == -EEXIST) {
		incident->revision++;
		incident->written_ns = now_ns;
		incident->changed = incident->urgent = false;
		if (r == 0 && (incident->resolved || incident->revision == 1))
			freeze(a, incident, now_ns);
		if (r == 0 && a->fn)
			a->fn(a->ctx, report);
		r = 0;
	}
	json_decref(report);
	return r;
}

static int write_due(struct analyzer *a, int64_t now_ns)
{
	struct incident *incident;
	int r = 0;

	for (size_t i = 0; (incident = incidents_at(a->incidents, i)); i++) {
		int err = incident_due(incident, now_ns) ? write_report(a, incident, now_ns) : 0;

		r = err < 0 ? err : r;
	}
	incidents_sweep(a->incidents);
	return r;
}

/* ---- one tick -------------------------------------------------------------------------------------------------- */

static struct window window_of(int64_t onset_ns, int64_t to_ns)
{
	struct window w = { .onset_ns = onset_ns, .to_ns = to_ns };

	w.from_ns = MAX(onset_ns - NSEC_PER_SEC, to_ns - WINDOW_MAX_NS);
	w.baseline_to_ns = onset_ns - NSEC_PER_SEC;
	w.baseline_from_ns = w.baseline_to_ns - PAST_NS;
	return w;
}

static int diagnose_from(struct analyzer *a, const struct episode *e, int64_t onset_ns, int64_t now_ns,
			 struct coverage *ret_coverage, struct diagnosis *ret_diagnosis)
{
	struct window window = window_of(onset_ns, now_ns);
	int r = coverage_load(a->sql, window.from_ns, window.to_ns, ret_coverage);

	return r ? r
		 : engine_diagnose(a->sql, a->rules, e->symptom, e->container, &window, ret_coverage, ret_diagnosis);
}

static int64_t recent_ns(const struct analyzer *a, int64_t now_ns)
{
	return now_ns - a->thresholds.window_ns - NSEC_PER_SEC;
}

/*
 * What went on for long without an explanation may have one now: somebody else came, and is the cause of what happens
 * since.  The episode then begins there.
 */
static int diagnose_recent(struct analyzer *a, struct episode *e, int64_t now_ns, struct coverage *ret_coverage,
			   struct diagnosis *ret_diagnosis)
{
	int64_t begin_ns = recent_ns(a, now_ns);
	int r;

	if (ret_diagnosis->best || e->explained || e->symptom->kind != SYMPTOM_WAIT || e->onset_ns >= begin_ns)
		return 0;
	diagnosis_clear(ret_diagnosis);
	r = diagnose_from(a, e, begin_ns, now_ns, ret_coverage, ret_diagnosis);
	if (r == 0 && ret_diagnosis->best)
		e->onset_ns = begin_ns;
	return r;
}

/*
 * Something else may have come on top of what an incident explains: of the newest part of the time its cause is no
 * longer the cause, and another one is.  The episode then begins there; the incident has had its time.
 */
static int diagnose_change(struct analyzer *a, struct episode *e, int64_t now_ns, struct coverage *ret_coverage,
			   struct diagnosis *ret_diagnosis)
{
	const struct incident *incident = incidents_of(a->incidents, e->container, e->symptom);
	int64_t begin_ns = recent_ns(a, now_ns);
	struct coverage coverage;
	struct diagnosis d;
	int r;

	if (!ret_diagnosis->best || !incident_explains(incident) || e->symptom->kind != SYMPTOM_WAIT ||
	    e->onset_ns >= begin_ns)
		return 0;
	r = diagnose_from(a, e, begin_ns, now_ns, &coverage, &d);
	if (r)
		return r;
	/* The same first hop is no change: how far the walk comes is for the whole time to say. */
	if (!d.best || d.best->rule == ret_diagnosis->best->rule || diagnosis_root(&d)->level < CONFIDENCE_PROBABLE ||
	    incident_keeps(incident, &d)) {
		e->contradictions = 0;
	} else if (++e->contradictions >= CONTRADICTIONS) {
		e->contradictions = 0;
		e->onset_ns = begin_ns;
		diagnosis_clear(ret_diagnosis);
		*ret_diagnosis = d;
		*ret_coverage = coverage;
		return 0;
	}
	diagnosis_clear(&d);
	return 0;
}

/* The headline's number is that of the evidence: the same rows, from the same onset. */
static void count_impact(struct analyzer *a, struct episode *e, int64_t to_ns)
{
	if (e->symptom->kind == SYMPTOM_WAIT)
		e->total = engine_waited(a->sql, e->container, e->symptom->reason, e->onset_ns, to_ns);
}

static bool any_untestable(const struct diagnosis *d)
{
	for (size_t i = 0; i < d->count; i++)
		if (d->candidates[i]->eligible && d->candidates[i]->verdict == VERDICT_UNTESTABLE)
			return true;
	return false;
}

static bool is_refuted(const struct hypothesis *h)
{
	for (size_t i = 0; i < h->test_count; i++)
		if (h->tests[i].def->role == EVIDENCE_REFUTE && h->tests[i].holds == 1)
			return true;
	return false;
}

/* What speaks against the causes of an error, where an incident on the same resource tells it already. */
static bool told_already(const struct analyzer *a, const struct episode *e, const struct diagnosis *d)
{
	if (e->symptom->kind == SYMPTOM_WAIT)
		return false;
	for (size_t i = 0; i < d->count; i++) {
		const struct hypothesis *h = d->candidates[i];

		if (h->eligible && is_refuted(h) && incidents_tell_of(a->incidents, e->container, h->rule->resource))
			return true;
	}
	return false;
}

/*
 * What goes on without an explanation is said, too, with what would decide.  A single event that its rules ruled out was
 * nothing: an orderly stop is no kill.
 */
static int fall_back(struct analyzer *a, const struct episode *e, int64_t now_ns, const struct coverage *coverage,
		     struct diagnosis *d)
{
	struct window window = window_of(e->onset_ns, now_ns);
	bool once = e->symptom->kind == SYMPTOM_ONCE;

	if (d->best || e->explained || !d->count || (once ? !any_untestable(d) : e->ticks < FALL_BACK_TICKS) ||
	    told_already(a, e, d))
		return 0;
	return engine_fall_back(a->sql, a->rules, e->symptom, e->container, &window, coverage, d);
}

static int diagnose(struct analyzer *a, struct episode *e, int64_t now_ns)
{
	struct coverage coverage;
	struct diagnosis d;
	int r = diagnose_from(a, e, e->onset_ns, now_ns, &coverage, &d);

	e->told_peak = e->peak;
	if (r == 0)
		r = diagnose_recent(a, e, now_ns, &coverage, &d);
	if (r == 0)
		r = diagnose_change(a, e, now_ns, &coverage, &d);
	if (r == 0)
		r = fall_back(a, e, now_ns, &coverage, &d);
	if (r)
		return r;
	e->supported = d.best != NULL;
	count_impact(a, e, now_ns);
	if (d.best)
		incidents_file(a->incidents, e, &d, &coverage, now_ns);
	diagnosis_clear(&d);
	return 0;
}

/* A sum needs its whole window before it can say who did it; one long wait, or an error, says so at once. */
static bool ripe(const struct analyzer *a, const struct episode *e)
{
	return e->symptom->kind != SYMPTOM_WAIT || e->worst_ns >= a->thresholds.single_ns || e->ticks >= 2;
}

/* By some: what hangs for minutes has a new peak every tick. */
static bool is_worse(const struct episode *e, int64_t now_ns)
{
	return e->peak_ns == now_ns && e->peak > e->told_peak + e->told_peak / 10;
}

static bool to_be_diagnosed(const struct analyzer *a, const struct episode *e, int64_t now_ns)
{
	unsigned int eager = e->explained ? EAGER_TICKS : UNEXPLAINED_TICKS;

	return ripe(a, e) && (e->ticks <= eager || e->ticks % LAZY_TICKS == 0 || is_worse(e, now_ns) || e->contradictions);
}

/* Whether something is known to stop a container just now. */
static bool is_stopped(const struct analyzer *a, int64_t container)
{
	struct episode *const *episodes;
	size_t count = detector_episodes(a->detector, &episodes);

	for (size_t i = 0; i < count; i++)
		if (episodes[i]->container == container && episodes[i]->active && episodes[i]->explained &&
		    episodes[i]->symptom->kind == SYMPTOM_WAIT)
			return true;
	return false;
}

/*
 * An error may be over before its root shows: a queue ran full at once, and what kept its owner from it takes some time
 * to be known.  It is looked at again until its hold time is over.
 */
static int look_for_root(struct analyzer *a, struct episode *e, int64_t now_ns)
{
	const struct incident *incident = incidents_of(a->incidents, e->container, e->symptom);
	const struct diagnosis *told = incident ? &incident->diagnosis : NULL;
	struct coverage coverage;
	struct diagnosis d;
	int r;

	if (e->symptom->kind == SYMPTOM_WAIT || !told || !told->best || told->depth ||
	    !told->best->rule->chain_to.count || !told->best->culprit_count || !told->best->culprits[0].is_container ||
	    !is_stopped(a, told->best->culprits[0].container))
		return 0;
	r = diagnose_from(a, e, e->onset_ns, now_ns, &coverage, &d);
	if (r)
		return r;
	if (d.best && d.best->rule == told->best->rule && d.depth)
		incidents_file(a->incidents, e, &d, &coverage, now_ns);
	diagnosis_clear(&d);
	return 0;
}

static int follow_episodes(struct analyzer *a, int64_t now_ns)
{
	struct episode *const *episodes;
	size_t count = detector_episodes(a->detector, &episodes);
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		struct episode *e = episodes[i];

		if (!e->active) {
			r = look_for_root(a, e, now_ns);
			continue;
		}
		if (to_be_diagnosed(a, e, now_ns))
			r = diagnose(a, e, now_ns);
		/* What is no longer explained by its incident does not keep it open. */
		if (e->supported)
			incidents_touch(a->incidents, e, now_ns);
		e->explained = incident_explains(incidents_of(a->incidents, e->container, e->symptom));
	}
	return r;
}

/* What is about to be closed gets its last numbers from the whole of its time. */
static int conclude(struct analyzer *a, int64_t now_ns)
{
	struct incident *incident;
	int r = 0;

	for (size_t i = 0; r == 0 && (incident = incidents_at(a->incidents, i)); i++) {
		struct diagnosis *d = &incident->diagnosis;
		struct episode *subject = &incident->victims[incident_subject(incident)].episode;
		struct window window;
		struct diagnosis last;

		if (!incident->resolved || incident->merged_into[0] || !d->best || !incident->victim_count)
			continue;
		window = window_of(incident->onset_ns, incident->last_ns);
		if (coverage_load(a->sql, window.from_ns, window.to_ns, &incident->coverage) < 0)
			return -EIO;
		r = engine_diagnose(a->sql, a->rules, subject->symptom, d->best->victim, &window, &incident->coverage,
				    &last);
		/* Kept only when it says the same: the end must not turn a cause over. */
		if (r == 0 && last.best && last.best->rule == d->best->rule && last.depth == d->depth) {
			diagnosis_clear(d);
			*d = last;
			count_impact(a, subject, window.to_ns);
		} else if (r == 0) {
			diagnosis_clear(&last);
		}
	}
	(void)now_ns;
	return r;
}

static int look_at_tick(struct analyzer *a, int64_t from_ns, int64_t now_ns)
{
	int r = detector_tick(a->detector, a->sql, from_ns, now_ns);

	if (r < 0 || now_ns < a->from_ns)
		return r;
	r = follow_episodes(a, now_ns);
	incidents_end(a->incidents, now_ns, false);
	if (r == 0)
		r = conclude(a, now_ns);
	if (r == 0)
		r = write_due(a, now_ns);
	return r;
}

static int analyze_tick(struct analyzer *a, int64_t from_ns, int64_t now_ns)
{
	int r;

	sql_begin(a->sql);
	r = look_at_tick(a, from_ns, now_ns);
	sql_end(a->sql);
	return r;
}

/* ---- following the store --------------------------------------------------------------------------------------- */

static int adopt(void *ctx, const json_t *report)
{
	return incidents_adopt(ctx, report);
}

static int open_store(struct analyzer *a)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;

	return a->reader ? 0 : reader_open(a->state_dir, &a->reader, &error);
}

static int select_span(struct analyzer *a, int64_t from_ns, int64_t to_ns)
{
	int r = reader_select(a->reader, from_ns, to_ns);

	if (r < 0)
		return r;
	if (r > 0 || !a->node)
		sql_use(a->sql, reader_db(a->reader));
	return 0;
}

/* Once the store can be read: where it comes from, and what an earlier run left open. */
static int begin_following(struct analyzer *a)
{
	if (a->incidents)
		return 0;
	a->node = node_json(a->sql);
	a->incidents = a->node ? incidents_new(node_boot_id(a->node), a->thresholds.hold_ns) : NULL;
	if (!a->incidents)
		return -ENOMEM;
	reports_open_incidents(a->reports, adopt, a->incidents);
	return 0;
}

struct ticks {
	int64_t *ts_ns;
	size_t count, room;
};

static int read_ticks(struct analyzer *a, int64_t from_ns, int64_t to_ns, struct ticks *ret)
{
	static const char query[] = "SELECT ts_ns FROM v_tick WHERE ts_ns > :from AND ts_ns <= :to ORDER BY ts_ns";
	sqlite3_stmt *stmt = sql_get_between(a->sql, query, from_ns, to_ns);

	*ret = (struct ticks){ 0 };
	if (!stmt)
		return -EIO;
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		if (ret->count == ret->room) {
			size_t room = ret->room ? ret->room * 2 : 64;
			int64_t *more = realloc(ret->ts_ns, room * sizeof(*more));

			if (!more)
				break;
			ret->ts_ns = more;
			ret->room = room;
		}
		ret->ts_ns[ret->count++] = sqlite3_column_int64(stmt, 0);
	}
	sql_done(stmt);
	return 0;
}

/* The begin of a tick's rows: the former tick, or one usual length back after a gap. */
static int64_t tick_begin(const struct analyzer *a, int64_t ts_ns)
{
	int64_t usual_ns = config_ns(a->config, "collect.tick");

	return a->last_ns && ts_ns - a->last_ns <= MAX(GAP_MAX_NS, 10 * usual_ns) ? a->last_ns : ts_ns - usual_ns;
}

static int run_batch(struct analyzer *a, int64_t to_ns, int *ret_done)
{
	struct ticks ticks;
	int r = select_span(a, a->last_ns - PAST_NS, to_ns);

	if (r == 0)
		r = begin_following(a);
	if (r == 0)
		r = read_ticks(a, a->last_ns, to_ns, &ticks);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ticks.count && r == 0; i++) {
		r = analyze_tick(a, tick_begin(a, ticks.ts_ns[i]), ticks.ts_ns[i]);
		if (r == 0) {
			a->last_ns = ticks.ts_ns[i];
			++*ret_done;
		}
	}
	free(ticks.ts_ns);
	return r;
}

static void expire(struct analyzer *a)
{
	if (a->last_ns - a->expired_ns < EXPIRE_EVERY_NS)
		return;
	a->expired_ns = a->last_ns;
	reports_expire(a->reports, a->last_ns - config_ns(a->config, "analyze.keep"));
}

int analyzer_run(struct analyzer *a)
{
	int64_t first_ns, newest_ns;
	int done = 0, r = open_store(a);

	if (r == 0)
		r = reader_bounds(a->reader, &first_ns, &newest_ns);
	if (r)
		return r == -ENODATA ? 0 : r;
	if (!a->last_ns)
		a->last_ns = MAX(first_ns - 1, a->from_ns - PAST_NS);
	while (r == 0 && a->last_ns < newest_ns) {
		int64_t before_ns = a->last_ns, to_ns = MIN(newest_ns, a->last_ns + BATCH_NS);

		r = run_batch(a, to_ns, &done);
		if (r == 0 && a->last_ns == before_ns) {
			if (to_ns == newest_ns)
				break; /* events of a tick that has not come yet */
			a->last_ns = to_ns;
		}
	}
	expire(a);
	return r < 0 ? r : done;
}

int64_t analyzer_newest(const struct analyzer *a)
{
	return a->last_ns;
}

bool analyzer_outdated(const struct analyzer *a)
{
	return rules_changed(a->rules);
}

int analyzer_finish(struct analyzer *a)
{
	int r;

	if (!a->incidents)
		return 0;
	incidents_end(a->incidents, a->last_ns, true);
	r = conclude(a, a->last_ns);
	return r < 0 ? r : write_due(a, a->last_ns);
}
