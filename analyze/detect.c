/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/detect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/timeutil.h"

#define CONTAINERS_MAX 65536
#define EPISODES_MAX 4096
#define TICKS_KEPT 8
#define FORGET_NS (600 * NSEC_PER_SEC)

/* What one tick said about a container. */
struct slice {
	int64_t ts_ns, span_ns;
	int64_t cpu_ns; /* -1 unknown */
	int64_t value[SYMPTOMS_MAX];
};

struct track {
	int64_t container;
	int64_t first_ns, last_ns; /* first and newest tick that mentioned it */
	struct slice slices[TICKS_KEPT];
	unsigned int newest;
	uint64_t ticks;
	int64_t single_ns[SYMPTOMS_MAX];       /* longest in this tick */
	int64_t single_onset_ns[SYMPTOMS_MAX]; /* of that one */
	struct past *past[SYMPTOMS_MAX];       /* made when first needed */
	struct episode *episodes[SYMPTOMS_MAX];
};

struct detector {
	struct thresholds thresholds;
	struct hashmap *tracks;
	struct episode **episodes;
	size_t episode_count;
	char *onset_sql[SYMPTOMS_MAX];
	uint64_t overflow;
};

/* The first occurrence of a symptom, to the nanosecond, where events tell. */
static char *onset_query(const struct symptom *symptom)
{
	AUTO(strbuf) struct strbuf sql = STRBUF_INIT;

	/* The first arm names the columns, whatever the symptom's query calls them. */
	strbuf_addf(&sql,
		    "SELECT min(onset_ns) FROM (SELECT NULL AS container, NULL AS onset_ns, NULL, NULL UNION ALL %s)"
		    " WHERE container = :victim AND onset_ns >= :earliest",
		    symptom->sql);
	return strbuf_detach(&sql, NULL);
}

struct detector *detector_new(const struct thresholds *thresholds)
{
	struct detector *d = calloc(1, sizeof(*d));
	const struct symptom *symptom;

	if (!d)
		return NULL;
	d->thresholds = *thresholds;
	d->tracks = hashmap_new(sizeof(int64_t), CONTAINERS_MAX);
	d->episodes = calloc(EPISODES_MAX, sizeof(struct episode *));
	for (size_t i = 0; (symptom = symptom_at(i)); i++)
		d->onset_sql[i] = onset_query(symptom);
	if (!d->tracks || !d->episodes) {
		detector_free(d);
		return NULL;
	}
	return d;
}

static void track_free(struct track *t)
{
	for (size_t i = 0; i < SYMPTOMS_MAX; i++) {
		free(t->past[i]);
		free(t->episodes[i]);
	}
	free(t);
}

void detector_free(struct detector *d)
{
	struct track *t;
	const void *key;

	if (!d)
		return;
	for (size_t i = 0; d->tracks && (t = hashmap_next(d->tracks, &i, &key));)
		track_free(t);
	hashmap_free(d->tracks);
	free(d->episodes);
	for (size_t i = 0; i < SYMPTOMS_MAX; i++)
		free(d->onset_sql[i]);
	free(d);
}

static struct track *track_of(struct detector *d, int64_t container, int64_t ts_ns)
{
	struct track *t = hashmap_get(d->tracks, &container);

	if (!t) {
		t = calloc(1, sizeof(*t));
		if (t)
			*t = (struct track){ .container = container, .first_ns = ts_ns };
		if (!t || hashmap_put(d->tracks, &container, t, NULL) < 0) {
			free(t);
			d->overflow++;
			return NULL;
		}
	}
	t->last_ns = ts_ns;
	return t;
}

static struct slice *slice_of(struct track *t)
{
	return &t->slices[t->newest];
}

/* Every known container gets a slice for every tick: silence is a value, too. */
static void begin_tick(struct detector *d, int64_t from_ns, int64_t to_ns)
{
	struct track *t;
	const void *key;

	for (size_t i = 0; (t = hashmap_next(d->tracks, &i, &key));) {
		if (to_ns - t->last_ns > FORGET_NS) {
			hashmap_remove(d->tracks, &t->container);
			track_free(t);
			continue;
		}
		t->newest = (t->newest + 1) % TICKS_KEPT;
		t->ticks++;
		*slice_of(t) = (struct slice){ .ts_ns = to_ns, .span_ns = to_ns - from_ns, .cpu_ns = -1 };
		memset(t->single_ns, 0, sizeof(t->single_ns));
	}
}

/* The slice of a container in this tick, which may be its first. */
static struct track *track_now(struct detector *d, int64_t container, int64_t from_ns, int64_t to_ns)
{
	struct track *t = track_of(d, container, to_ns);

	if (t && slice_of(t)->ts_ns != to_ns)
		*slice_of(t) = (struct slice){ .ts_ns = to_ns, .span_ns = to_ns - from_ns, .cpu_ns = -1 };
	return t;
}

static void take_single(struct track *t, size_t symptom, int64_t onset_ns, int64_t value_ns)
{
	if (value_ns <= t->single_ns[symptom])
		return;
	t->single_ns[symptom] = value_ns;
	t->single_onset_ns[symptom] = onset_ns;
}

static int read_waits(struct detector *d, struct sql *sql, int64_t from_ns, int64_t to_ns)
{
	static const char query[] =
		"SELECT container, reason, sum(wait_ns), max(max_ns) FROM v_wait WHERE ts_ns > :from AND ts_ns <= :to"
		" AND container IS NOT NULL GROUP BY container, reason";
	sqlite3_stmt *stmt = sql_get_between(sql, query, from_ns, to_ns);

	if (!stmt)
		return -EIO;
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const struct symptom *symptom = symptom_of_reason(sql_text(stmt, 1));
		struct track *t = symptom ? track_now(d, sqlite3_column_int64(stmt, 0), from_ns, to_ns) : NULL;

		if (!t)
			continue;
		slice_of(t)->value[symptom_index(symptom)] += sqlite3_column_int64(stmt, 2);
		take_single(t, symptom_index(symptom), to_ns - sqlite3_column_int64(stmt, 3),
			    sqlite3_column_int64(stmt, 3));
	}
	sql_done(stmt);
	return 0;
}

static int read_usage(struct detector *d, struct sql *sql, int64_t from_ns, int64_t to_ns)
{
	static const char query[] =
		"SELECT container, sum(cpu_ns) FROM v_usage WHERE ts_ns > :from AND ts_ns <= :to AND container IS NOT"
		" NULL GROUP BY container";
	sqlite3_stmt *stmt = sql_get_between(sql, query, from_ns, to_ns);

	if (!stmt)
		return -EIO;
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		struct track *t = track_now(d, sqlite3_column_int64(stmt, 0), from_ns, to_ns);

		if (t && sqlite3_column_type(stmt, 1) != SQLITE_NULL)
			slice_of(t)->cpu_ns = sqlite3_column_int64(stmt, 1);
	}
	sql_done(stmt);
	return 0;
}

static int read_occurrences(struct detector *d, struct sql *sql, const struct symptom *symptom, int64_t from_ns,
			    int64_t to_ns)
{
	sqlite3_stmt *stmt = sql_get_between(sql, symptom->sql, from_ns, to_ns);
	size_t s = symptom_index(symptom);

	if (!stmt)
		return -EIO;
	sql_bind_int(stmt, ":single", d->thresholds.single_ns);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		struct track *t;

		if (sqlite3_column_type(stmt, 0) == SQLITE_NULL)
			continue;
		t = track_now(d, sqlite3_column_int64(stmt, 0), from_ns, to_ns);
		if (!t)
			continue;
		if (symptom->kind == SYMPTOM_WAIT) {
			take_single(t, s, sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 3));
		} else {
			if (!slice_of(t)->value[s] || sqlite3_column_int64(stmt, 1) < t->single_onset_ns[s])
				t->single_onset_ns[s] = sqlite3_column_int64(stmt, 1);
			slice_of(t)->value[s]++;
		}
	}
	sql_done(stmt);
	return 0;
}

/* ---- decisions ------------------------------------------------------------------------------------------------- */

/* Sums of the slices whose middle lies within the detection window. */
struct window_sums {
	int64_t value[SYMPTOMS_MAX];
	int64_t busy_ns, span_ns;
};

static bool in_window(const struct detector *d, const struct slice *s, int64_t to_ns)
{
	return s->ts_ns && s->ts_ns <= to_ns && s->ts_ns - s->span_ns / 2 > to_ns - d->thresholds.window_ns;
}

static void sum_window(const struct detector *d, const struct track *t, int64_t to_ns, struct window_sums *ret)
{
	bool cpu_known = false;

	*ret = (struct window_sums){ 0 };
	for (size_t i = 0; i < TICKS_KEPT; i++) {
		const struct slice *s = &t->slices[i];

		if (!in_window(d, s, to_ns))
			continue;
		ret->span_ns += s->span_ns;
		if (s->cpu_ns >= 0) {
			cpu_known = true;
			ret->busy_ns += s->cpu_ns;
		}
		for (size_t k = 0; k < SYMPTOMS_MAX && symptom_at(k); k++) {
			ret->value[k] += s->value[k];
			if (symptom_at(k)->kind == SYMPTOM_WAIT)
				ret->busy_ns += s->value[k];
		}
	}
	/* Without CPU accounting the share is taken of one task's wall time, which errs towards silence. */
	if (!cpu_known)
		ret->busy_ns += ret->span_ns;
}

static int64_t usual_of(const struct track *t, size_t s)
{
	return t->past[s] ? (int64_t)past_median(t->past[s]) : 0;
}

static void remember(struct track *t, size_t s, int64_t value)
{
	if (!t->past[s]) {
		uint64_t before = MIN(t->ticks, (uint64_t)PAST_SAMPLES_MAX);

		if (!value)
			return; /* all zero so far */
		t->past[s] = calloc(1, sizeof(struct past));
		if (!t->past[s])
			return;
		while (before--)
			past_add(t->past[s], 0);
	}
	past_add(t->past[s], (double)value);
}

static bool has_symptom(const struct detector *d, const struct track *t, size_t s, const struct window_sums *sums,
			int64_t to_ns)
{
	const struct symptom *symptom = symptom_at(s);
	int64_t known_ns = to_ns - t->first_ns;

	if (t->container == 0 && !symptom->host)
		return false;
	switch (symptom->kind) {
	case SYMPTOM_WAIT:
		if (!sums->value[s] && !t->single_ns[s])
			return false;
		return wait_is_symptom(&d->thresholds, sums->value[s], sums->busy_ns, usual_of(t, s), known_ns,
				       t->single_ns[s]);
	case SYMPTOM_RATE:
		return sums->value[s] &&
		       rate_is_symptom(&d->thresholds, sums->value[s], usual_of(t, s), known_ns);
	default:
		return slice_of((struct track *)t)->value[s] > 0;
	}
}

/* Begin of the first slice in the window that has any of it; of the longest wait when that is earlier. */
static int64_t coarse_onset(const struct detector *d, const struct track *t, size_t s, int64_t to_ns)
{
	int64_t onset_ns = to_ns;

	for (size_t i = 0; i < TICKS_KEPT; i++) {
		const struct slice *slice = &t->slices[i];

		if (in_window(d, slice, to_ns) && slice->value[s])
			onset_ns = MIN(onset_ns, slice->ts_ns - slice->span_ns);
	}
	if (symptom_at(s)->kind == SYMPTOM_ONCE)
		return t->single_onset_ns[s];
	if (t->single_ns[s])
		onset_ns = MIN(onset_ns, t->single_onset_ns[s]);
	return onset_ns;
}

static int64_t fine_onset(const struct detector *d, struct sql *sql, const struct track *t, size_t s, int64_t coarse_ns,
			  int64_t to_ns)
{
	sqlite3_stmt *stmt;
	int64_t onset_ns = coarse_ns;

	if (symptom_at(s)->kind == SYMPTOM_ONCE || !d->onset_sql[s])
		return coarse_ns;
	stmt = sql_get_between(sql, d->onset_sql[s], coarse_ns, to_ns);
	if (!stmt)
		return coarse_ns;
	sql_bind_int(stmt, ":single", 0);
	sql_bind_int(stmt, ":victim", t->container);
	sql_bind_int(stmt, ":earliest", coarse_ns);
	if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		onset_ns = MAX(onset_ns, sqlite3_column_int64(stmt, 0));
	sql_done(stmt);
	return onset_ns;
}

static struct episode *open_episode(struct detector *d, struct sql *sql, struct track *t, size_t s, int64_t to_ns)
{
	struct episode *e = d->episode_count < EPISODES_MAX ? calloc(1, sizeof(*e)) : NULL;

	if (!e) {
		d->overflow++;
		return NULL;
	}
	e->container = t->container;
	e->symptom = symptom_at(s);
	e->onset_ns = fine_onset(d, sql, t, s, coarse_onset(d, t, s, to_ns), to_ns);
	e->detected_ns = to_ns;
	e->usual = usual_of(t, s);
	e->known_ns = to_ns - t->first_ns;
	t->episodes[s] = e;
	d->episodes[d->episode_count++] = e;
	return e;
}

/* Something new on top of what was there: the onset is in the newest slice.  While a window fills, sums double by
 * themselves. */
static bool surges(const struct detector *d, const struct episode *e, size_t s, const struct track *t,
		   const struct window_sums *sums, int64_t to_ns)
{
	return !e->explained && to_ns - e->detected_ns > d->thresholds.window_ns &&
	       MAX(sums->value[s], t->single_ns[s]) > 2 * e->peak && e->symptom->kind != SYMPTOM_ONCE;
}

static void restart_episode(struct detector *d, struct sql *sql, struct episode *e, struct track *t, size_t s,
			    int64_t to_ns)
{
	const struct slice *now = slice_of(t);
	int64_t begin_ns = now->ts_ns - now->span_ns;

	if (t->single_ns[s])
		begin_ns = MIN(begin_ns, t->single_onset_ns[s]);
	e->onset_ns = fine_onset(d, sql, t, s, begin_ns, to_ns);
	e->detected_ns = to_ns;
	e->total = 0;
	e->ticks = 0;
}

static void update_episode(struct episode *e, const struct track *t, size_t s, const struct window_sums *sums,
			   int64_t to_ns)
{
	int64_t peak = MAX(sums->value[s], t->single_ns[s]);

	e->active = true;
	e->ticks++;
	e->last_ns = to_ns;
	e->worst_ns = MAX(e->worst_ns, t->single_ns[s]);
	if (peak > e->peak) {
		e->peak = peak;
		e->peak_ns = to_ns;
		e->share = sums->busy_ns ? MIN(1.0, (double)sums->value[s] / (double)sums->busy_ns) : 0;
	}
}

static void decide(struct detector *d, struct sql *sql, struct track *t, int64_t to_ns)
{
	const struct slice *now = slice_of(t);
	struct window_sums sums;

	if (now->ts_ns != to_ns)
		return;
	sum_window(d, t, to_ns, &sums);
	for (size_t s = 0; symptom_at(s); s++) {
		struct episode *e = t->episodes[s];
		bool fresh = !e;

		if (!has_symptom(d, t, s, &sums, to_ns)) {
			if (!e)
				remember(t, s, sums.value[s]);
			else
				e->total += now->value[s];
			continue;
		}
		if (!e)
			e = open_episode(d, sql, t, s, to_ns);
		if (!e)
			continue;
		if (!fresh && surges(d, e, s, t, &sums, to_ns))
			restart_episode(d, sql, e, t, s, to_ns);
		e->total += fresh ? sums.value[s] : now->value[s];
		update_episode(e, t, s, &sums, to_ns);
	}
}

static void end_episodes(struct detector *d, int64_t to_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->episode_count; i++) {
		struct episode *e = d->episodes[i];
		struct track *t = hashmap_get(d->tracks, &e->container);

		if (t && to_ns - e->last_ns <= d->thresholds.hold_ns) {
			e->active = false;
			d->episodes[kept++] = e;
			continue;
		}
		if (t)
			t->episodes[symptom_index(e->symptom)] = NULL;
		free(e);
	}
	d->episode_count = kept;
}

static int by_container(const void *a, const void *b)
{
	const struct episode *x = *(struct episode *const *)a, *y = *(struct episode *const *)b;

	if (x->container != y->container)
		return x->container < y->container ? -1 : 1;
	return (x->symptom > y->symptom) - (x->symptom < y->symptom);
}

int detector_tick(struct detector *d, struct sql *sql, int64_t from_ns, int64_t to_ns)
{
	const struct symptom *symptom;
	struct track *t;
	const void *key;
	int r;

	end_episodes(d, to_ns);
	begin_tick(d, from_ns, to_ns);
	r = read_waits(d, sql, from_ns, to_ns);
	if (r == 0)
		r = read_usage(d, sql, from_ns, to_ns);
	for (size_t i = 0; r == 0 && (symptom = symptom_at(i)); i++)
		r = read_occurrences(d, sql, symptom, from_ns, to_ns);
	if (r < 0)
		return r;
	for (size_t i = 0; (t = hashmap_next(d->tracks, &i, &key));)
		decide(d, sql, t, to_ns);
	qsort(d->episodes, d->episode_count, sizeof(struct episode *), by_container);
	return 0;
}

size_t detector_episodes(const struct detector *d, struct episode *const **ret_episodes)
{
	*ret_episodes = d->episodes;
	return d->episode_count;
}

uint64_t detector_overflow(const struct detector *d)
{
	return d->overflow;
}
