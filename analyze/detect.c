/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/detect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/views.h"
#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/timeutil.h"
#include "schema/kinds.h"

#define CONTAINERS_MAX 65536
#define EPISODES_MAX 4096
#define TICKS_KEPT 8
#define FORGET_NS (600 * NSEC_PER_SEC)

/* What one tick said about a container. */
struct slice {
	int64_t ts_ns, span_ns;
	int64_t cpu_ns; /* -1 unknown */
};

/* One symptom of one container, made when there is something to say of it. */
struct series {
	int64_t value[TICKS_KEPT];           /* of the slice with the same index */
	int64_t single_ns, single_onset_ns;  /* longest wait in this tick */
	struct past past;
	struct episode *episode;
};

struct track {
	int64_t container;
	int64_t first_ns, last_ns; /* first and newest tick that mentioned it */
	struct slice slices[TICKS_KEPT];
	unsigned int newest;
	uint64_t ticks;
	struct series *series[SYMPTOMS_MAX]; /* by index of the symptom */
};

/* What a symptom's query reads, so that it need not be asked of a tick that has nothing of it. */
struct reads {
	bool more; /* than these kinds, or more than the tick */
	bool kinds[KW_KINDS_MAX];
};

struct detector {
	struct thresholds thresholds;
	const struct symptoms *symptoms;
	struct hashmap *tracks;
	struct episode **episodes;
	size_t episode_count;
	char *onset_sql[SYMPTOMS_MAX];
	struct reads reads[SYMPTOMS_MAX];
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

/* ":from - 1000000000": what it finds may have been there before. */
static bool looks_back(const char *sql)
{
	for (const char *p = sql; (p = strchr(p, ':')); p++) {
		size_t len = !strncmp(p, ":from", 5) ? 5 : !strncmp(p, ":to", 3) ? 3 : 0;

		if (len && p[len + strspn(p + len, " \t\n")] == '-')
			return true;
	}
	return !strstr(sql, ":from");
}

struct detector *detector_new(const struct thresholds *thresholds, const struct symptoms *symptoms)
{
	struct detector *d = calloc(1, sizeof(*d));
	const struct symptom *symptom;

	if (!d)
		return NULL;
	d->thresholds = *thresholds;
	d->symptoms = symptoms;
	d->tracks = hashmap_new(sizeof(int64_t), CONTAINERS_MAX);
	d->episodes = calloc(EPISODES_MAX, sizeof(struct episode *));
	for (size_t i = 0; (symptom = symptom_at(d->symptoms, i)); i++) {
		d->onset_sql[i] = onset_query(symptom);
		d->reads[i].more = !views_kinds(symptom->sql, d->reads[i].kinds) || looks_back(symptom->sql);
	}
	if (!d->tracks || !d->episodes) {
		detector_free(d);
		return NULL;
	}
	return d;
}

static void track_free(struct track *t)
{
	for (size_t i = 0; i < SYMPTOMS_MAX; i++) {
		if (t->series[i])
			free(t->series[i]->episode);
		free(t->series[i]);
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

/* What was silent so far has a past of zeroes.  NULL when out of memory. */
static struct series *series_of(struct track *t, const struct symptom *symptom)
{
	struct series **series = &t->series[symptom->index];

	if (!*series) {
		*series = calloc(1, sizeof(struct series));
		if (*series)
			(*series)->past.count = (unsigned int)MIN(t->ticks, (uint64_t)PAST_SAMPLES_MAX);
		if (*series)
			(*series)->past.next = (*series)->past.count % PAST_SAMPLES_MAX;
	}
	return *series;
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
		for (size_t s = 0; s < d->symptoms->count; s++) {
			if (!t->series[s])
				continue;
			t->series[s]->value[t->newest] = 0;
			t->series[s]->single_ns = 0;
		}
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

static void take_single(struct series *series, int64_t onset_ns, int64_t value_ns)
{
	if (value_ns <= series->single_ns)
		return;
	series->single_ns = value_ns;
	series->single_onset_ns = onset_ns;
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
		const struct symptom *symptom = symptom_of_reason(d->symptoms, sql_text(stmt, 1));
		struct track *t = symptom ? track_now(d, sqlite3_column_int64(stmt, 0), from_ns, to_ns) : NULL;
		struct series *series = t ? series_of(t, symptom) : NULL;

		if (!series)
			continue;
		series->value[t->newest] += sqlite3_column_int64(stmt, 2);
		take_single(series, to_ns - sqlite3_column_int64(stmt, 3), sqlite3_column_int64(stmt, 3));
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

/* Not DISTINCT: SQLite would then make every column of every row. */
static int read_kinds(struct sql *sql, int64_t from_ns, int64_t to_ns, bool ret_kinds[KW_KINDS_MAX])
{
	static const char query[] = "SELECT kind FROM v_event WHERE ts_ns > :from AND ts_ns <= :to";
	sqlite3_stmt *stmt = sql_get_between(sql, query, from_ns, to_ns);

	if (!stmt)
		return -EIO;
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const struct kw_kind_info *info = kw_kind_by_name(sql_text(stmt, 0));

		if (info)
			ret_kinds[info->number] = true;
	}
	sql_done(stmt);
	return 0;
}

static bool may_have(const struct reads *reads, const bool kinds[KW_KINDS_MAX])
{
	for (size_t i = 0; i < KW_KINDS_MAX; i++)
		if (reads->kinds[i] && kinds[i])
			return true;
	return reads->more;
}

static void take_occurrence(struct track *t, struct series *series, const struct symptom *symptom, sqlite3_stmt *stmt)
{
	int64_t onset_ns = sqlite3_column_int64(stmt, 1), *value = &series->value[t->newest];

	if (symptom->kind == SYMPTOM_WAIT) {
		take_single(series, onset_ns, sqlite3_column_int64(stmt, 3));
		return;
	}
	if (!*value || onset_ns < series->single_onset_ns)
		series->single_onset_ns = onset_ns;
	*value += MAX(1, sqlite3_column_int64(stmt, 3));
}

static int read_occurrences(struct detector *d, struct sql *sql, const struct symptom *symptom, int64_t from_ns,
			    int64_t to_ns)
{
	sqlite3_stmt *stmt = sql_get_between(sql, symptom->sql, from_ns, to_ns);

	if (!stmt)
		return -EIO;
	sql_bind_int(stmt, ":single", d->thresholds.single_ns);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		struct track *t;
		struct series *series;

		if (sqlite3_column_type(stmt, 0) == SQLITE_NULL)
			continue;
		t = track_now(d, sqlite3_column_int64(stmt, 0), from_ns, to_ns);
		series = t ? series_of(t, symptom) : NULL;
		if (series)
			take_occurrence(t, series, symptom, stmt);
	}
	sql_done(stmt);
	return 0;
}

/* ---- decisions ------------------------------------------------------------------------------------------------- */

static bool in_window(const struct detector *d, const struct slice *s, int64_t to_ns)
{
	return s->ts_ns && s->ts_ns <= to_ns && s->ts_ns - s->span_ns / 2 > to_ns - d->thresholds.window_ns;
}

/* Sum of the slices whose middle lies within the detection window. */
static int64_t sum_window(const struct detector *d, const struct track *t, const struct series *series, int64_t to_ns)
{
	int64_t sum = 0;

	for (size_t i = 0; i < TICKS_KEPT; i++)
		if (in_window(d, &t->slices[i], to_ns))
			sum += series->value[i];
	return sum;
}

/* What its tasks ran and waited within the detection window. */
static int64_t busy_window(const struct detector *d, const struct track *t, int64_t to_ns)
{
	int64_t busy_ns = 0, span_ns = 0;
	bool cpu_known = false;

	for (size_t i = 0; i < TICKS_KEPT; i++) {
		const struct slice *s = &t->slices[i];

		if (!in_window(d, s, to_ns))
			continue;
		span_ns += s->span_ns;
		if (s->cpu_ns >= 0) {
			cpu_known = true;
			busy_ns += s->cpu_ns;
		}
	}
	for (size_t k = 0; k < d->symptoms->count; k++)
		if (t->series[k] && d->symptoms->items[k]->kind == SYMPTOM_WAIT)
			busy_ns += sum_window(d, t, t->series[k], to_ns);
	/* Without CPU accounting the share is taken of one task's wall time, which errs towards silence. */
	return cpu_known ? busy_ns : busy_ns + span_ns;
}

static int64_t usual_of(const struct series *series)
{
	return (int64_t)past_median(&series->past);
}

/* What is usual is asked for last: it is the median of some minutes. */
static bool has_symptom(const struct detector *d, const struct track *t, const struct symptom *symptom,
			const struct series *series, int64_t sum, int64_t busy_ns, int64_t to_ns)
{
	int64_t known_ns = to_ns - t->first_ns;

	if (t->container == 0 && !symptom->host)
		return false;
	switch (symptom->kind) {
	case SYMPTOM_WAIT:
		return (sum || series->single_ns) &&
		       wait_is_symptom(&d->thresholds, sum, busy_ns, 0, known_ns, series->single_ns) &&
		       wait_is_symptom(&d->thresholds, sum, busy_ns, usual_of(series), known_ns, series->single_ns);
	case SYMPTOM_RATE:
		return sum && rate_is_symptom(&d->thresholds, sum, 0, known_ns) &&
		       rate_is_symptom(&d->thresholds, sum, usual_of(series), known_ns);
	default:
		return series->value[t->newest] > 0;
	}
}

/* Everybody waits a little all the time: a slice belongs to a wait that has a tenth of what its largest slice has. */
static int64_t least_of(const struct detector *d, const struct track *t, const struct symptom *symptom,
			const struct series *series, int64_t to_ns)
{
	int64_t largest = 0;

	for (size_t i = 0; i < TICKS_KEPT && symptom->kind == SYMPTOM_WAIT; i++)
		if (in_window(d, &t->slices[i], to_ns))
			largest = MAX(largest, series->value[i]);
	return MAX(1, largest / 10);
}

/* Begin of the first slice in the window that has some of it; of the longest wait when that is earlier. */
static int64_t coarse_onset(const struct detector *d, const struct track *t, const struct symptom *symptom,
			    const struct series *series, int64_t to_ns)
{
	int64_t onset_ns = to_ns, least = least_of(d, t, symptom, series, to_ns);

	if (symptom->kind == SYMPTOM_ONCE)
		return series->single_onset_ns;
	for (size_t i = 0; i < TICKS_KEPT; i++) {
		const struct slice *slice = &t->slices[i];

		if (in_window(d, slice, to_ns) && series->value[i] >= least)
			onset_ns = MIN(onset_ns, slice->ts_ns - slice->span_ns);
	}
	if (series->single_ns)
		onset_ns = MIN(onset_ns, series->single_onset_ns);
	return onset_ns;
}

static int64_t fine_onset(const struct detector *d, struct sql *sql, int64_t container, const struct symptom *symptom,
			  int64_t coarse_ns, int64_t to_ns)
{
	const char *query = d->onset_sql[symptom->index];
	sqlite3_stmt *stmt;
	int64_t onset_ns = coarse_ns;

	if (symptom->kind == SYMPTOM_ONCE || !query)
		return coarse_ns;
	stmt = sql_get_between(sql, query, coarse_ns, to_ns);
	if (!stmt)
		return coarse_ns;
	sql_bind_int(stmt, ":single", 0);
	sql_bind_int(stmt, ":victim", container);
	sql_bind_int(stmt, ":earliest", coarse_ns);
	if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		onset_ns = MAX(onset_ns, sqlite3_column_int64(stmt, 0));
	sql_done(stmt);
	return onset_ns;
}

static struct episode *open_episode(struct detector *d, struct sql *sql, const struct track *t,
				    const struct symptom *symptom, struct series *series, int64_t to_ns)
{
	struct episode *e = d->episode_count < EPISODES_MAX ? calloc(1, sizeof(*e)) : NULL;

	if (!e) {
		d->overflow++;
		return NULL;
	}
	e->container = t->container;
	e->symptom = symptom;
	e->onset_ns = fine_onset(d, sql, t->container, symptom, coarse_onset(d, t, symptom, series, to_ns), to_ns);
	e->detected_ns = to_ns;
	e->usual = usual_of(series);
	e->known_ns = to_ns - t->first_ns;
	series->episode = e;
	d->episodes[d->episode_count++] = e;
	return e;
}

/* Something new on top of what was there: the onset is in the newest slice.  While a window fills, sums double by
 * themselves. */
static bool surges(const struct detector *d, const struct episode *e, int64_t peak, int64_t to_ns)
{
	return !e->explained && to_ns - e->detected_ns > d->thresholds.window_ns && peak > 2 * e->peak &&
	       e->symptom->kind != SYMPTOM_ONCE;
}

static void restart_episode(struct detector *d, struct sql *sql, struct episode *e, struct track *t,
			    const struct series *series, int64_t to_ns)
{
	const struct slice *now = slice_of(t);
	int64_t begin_ns = now->ts_ns - now->span_ns;

	if (series->single_ns)
		begin_ns = MIN(begin_ns, series->single_onset_ns);
	e->onset_ns = fine_onset(d, sql, t->container, e->symptom, begin_ns, to_ns);
	e->detected_ns = to_ns;
	e->total = 0;
	e->ticks = 0;
}

static void update_episode(struct episode *e, const struct series *series, int64_t sum, int64_t busy_ns, int64_t to_ns)
{
	int64_t peak = MAX(sum, series->single_ns);

	e->active = true;
	e->ticks++;
	e->last_ns = to_ns;
	e->worst_ns = MAX(e->worst_ns, series->single_ns);
	if (peak > e->peak) {
		e->peak = peak;
		e->peak_ns = to_ns;
		e->share = busy_ns ? MIN(1.0, (double)sum / (double)busy_ns) : 0;
	}
}

static void decide_series(struct detector *d, struct sql *sql, struct track *t, const struct symptom *symptom,
			  struct series *series, int64_t busy_ns, int64_t to_ns)
{
	int64_t sum = sum_window(d, t, series, to_ns), now = series->value[t->newest];
	struct episode *e = series->episode;

	if (!has_symptom(d, t, symptom, series, sum, busy_ns, to_ns)) {
		if (!e)
			past_add(&series->past, (double)sum);
		else
			e->total += now;
		return;
	}
	if (!e) {
		e = open_episode(d, sql, t, symptom, series, to_ns);
		now = sum;
	} else if (surges(d, e, MAX(sum, series->single_ns), to_ns)) {
		restart_episode(d, sql, e, t, series, to_ns);
	}
	if (!e)
		return;
	e->total += now;
	update_episode(e, series, sum, busy_ns, to_ns);
}

static void decide(struct detector *d, struct sql *sql, struct track *t, int64_t to_ns)
{
	int64_t busy_ns;

	if (slice_of(t)->ts_ns != to_ns)
		return;
	busy_ns = busy_window(d, t, to_ns);
	for (size_t s = 0; s < d->symptoms->count; s++)
		if (t->series[s])
			decide_series(d, sql, t, d->symptoms->items[s], t->series[s], busy_ns, to_ns);
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
			t->series[e->symptom->index]->episode = NULL;
		free(e);
	}
	d->episode_count = kept;
}

static int by_container(const void *a, const void *b)
{
	const struct episode *x = *(struct episode *const *)a, *y = *(struct episode *const *)b;

	if (x->container != y->container)
		return x->container < y->container ? -1 : 1;
	return (x->symptom->index > y->symptom->index) - (x->symptom->index < y->symptom->index);
}

int detector_tick(struct detector *d, struct sql *sql, int64_t from_ns, int64_t to_ns)
{
	bool kinds[KW_KINDS_MAX] = { false };
	const struct symptom *symptom;
	struct track *t;
	const void *key;
	int r;

	end_episodes(d, to_ns);
	begin_tick(d, from_ns, to_ns);
	r = read_waits(d, sql, from_ns, to_ns);
	if (r == 0)
		r = read_usage(d, sql, from_ns, to_ns);
	if (r == 0)
		r = read_kinds(sql, from_ns, to_ns, kinds);
	for (size_t i = 0; r == 0 && (symptom = symptom_at(d->symptoms, i)); i++)
		if (may_have(&d->reads[i], kinds))
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
