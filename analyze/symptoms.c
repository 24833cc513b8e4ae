/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/symptoms.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/timeutil.h"

#define SPAN "ts_ns > :from AND ts_ns <= :to"
#define WAITS(view, where)                                                                             \
	"SELECT container, ts_ns - duration_ns AS onset_ns, ts_ns AS end_ns, duration_ns AS value FROM " view \
	" WHERE " SPAN " AND duration_ns >= :single" where
#define OCCURRENCES(view, where) "SELECT container, ts_ns, ts_ns, 1 FROM " view " WHERE " SPAN where

/* Numbers in the queries are those of schema/event.h (enum kw_wait_reason) and schema/ev_freeze.h. */
static const struct symptom symptoms[] = {
	{ "wait.cpu", SYMPTOM_WAIT, "cpu", "waited for a CPU", WAITS("v_runq", ""), false },
	{ "wait.throttled", SYMPTOM_WAIT, "throttled", "was stopped by a CPU quota", WAITS("v_throttle", ""), false },
	{ "wait.block", SYMPTOM_WAIT, "block", "waited for block I/O", WAITS("v_offcpu", " AND reason = 3"), false },
	{ "wait.lock", SYMPTOM_WAIT, "lock", "waited for a kernel lock",
	  WAITS("v_lock", " AND fs_freeze_level = 0 AND container IS NOT NULL"), false },
	{ "wait.reclaim", SYMPTOM_WAIT, "reclaim", "had to free memory itself", WAITS("v_reclaim", ""), false },
	{ "wait.frozen", SYMPTOM_WAIT, "frozen", "stood still, frozen", WAITS("v_offcpu", " AND reason = 6"), false },
	{ "wait.fsfrozen", SYMPTOM_WAIT, "fs_frozen", "could not write to a frozen file system",
	  WAITS("v_offcpu", " AND (reason = 7 OR wait_class = 'fs-freeze')") " UNION ALL "
	  WAITS("v_lock", " AND fs_freeze_level > 0"), true },
	{ "wait.other", SYMPTOM_WAIT, "other", "was stuck in the kernel",
	  WAITS("v_offcpu", " AND reason = 8 AND wait_class <> 'fs-freeze'"), false },
	{ "error.oom", SYMPTOM_ONCE, NULL, "lost a process to the OOM killer",
	  OCCURRENCES("v_oom", "") " UNION ALL SELECT u.container, u.ts_ns, u.ts_ns, 1 FROM v_usage u WHERE"
	  " u.ts_ns > :from AND u.ts_ns <= :to AND u.memory_oom_kills > 0 AND NOT EXISTS (SELECT 1 FROM v_oom o WHERE"
	  " o.container = u.container AND o.ts_ns > :from - 1000000000 AND o.ts_ns <= :to)", true },
	/* SIGKILL cannot be caught; any other signal counts once its target has died of it. */
	{ "error.killed", SYMPTOM_ONCE, NULL, "lost a process to a signal from outside",
	  "SELECT container, ts_ns, ts_ns, 1 FROM v_signal WHERE " SPAN
	  " AND signal = 9 AND by_kernel = 0 AND result = 0 AND peer IS NOT container"
	  " UNION ALL SELECT e.container, e.ts_ns, e.ts_ns, 1 FROM v_exit e WHERE e.ts_ns > :from AND e.ts_ns <= :to"
	  " AND EXISTS (SELECT 1 FROM v_signal s WHERE s.ts_ns > :from - 60000000000 AND s.ts_ns <= :to"
	  " AND s.pid = e.pid AND s.container = e.container AND s.signal = e.signal AND s.by_kernel = 0"
	  " AND s.peer IS NOT s.container)",
	  false },
	{ "error.io", SYMPTOM_ONCE, NULL, "got I/O errors", OCCURRENCES("v_block", " AND error NOT IN (0, 95)"), true },
	{ "error.drop", SYMPTOM_RATE, NULL, "lost packets on this host",
	  "SELECT coalesce(d.container, (SELECT n.container FROM v_netstat n WHERE n.netns = d.netns AND n.ts_ns >"
	  " :from - 3000000000 AND n.ts_ns <= :to LIMIT 1)), d.ts_ns, d.ts_ns, 1 FROM v_drop d WHERE d.ts_ns > :from"
	  " AND d.ts_ns <= :to AND d.class IN ('policy', 'rcvbuf', 'qdisc', 'backlog')", true },
	{ "error.retransmit", SYMPTOM_RATE, NULL, "had to send TCP segments again",
	  OCCURRENCES("v_retransmit", ""), true },
	/* Runtimes freeze a v1 cgroup for some milliseconds when they change its limits: that is not an incident. */
	{ "error.frozen", SYMPTOM_ONCE, NULL, "was frozen",
	  "SELECT f.container, f.ts_ns, :to, 1 FROM v_freeze f WHERE f.what = 1 AND f.ts_ns > :from - 100000000 AND"
	  " f.ts_ns <= :to - 100000000 AND NOT EXISTS (SELECT 1 FROM v_freeze t WHERE t.what = 2 AND t.container ="
	  " f.container AND t.ts_ns BETWEEN f.ts_ns AND f.ts_ns + 100000000)"
	  " UNION ALL " OCCURRENCES("v_usage", " AND frozen = 1"), false },
};

_Static_assert(sizeof(symptoms) / sizeof(symptoms[0]) <= SYMPTOMS_MAX, "SYMPTOMS_MAX");

const struct symptom *symptom_at(size_t i)
{
	return i < ARRAY_SIZE(symptoms) ? &symptoms[i] : NULL;
}

const struct symptom *symptom_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(symptoms); i++)
		if (!strcmp(symptoms[i].name, name))
			return &symptoms[i];
	return NULL;
}

size_t symptom_index(const struct symptom *symptom)
{
	return (size_t)(symptom - symptoms);
}

const struct symptom *symptom_of_reason(const char *reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(symptoms); i++)
		if (symptoms[i].reason && !strcmp(symptoms[i].reason, reason))
			return &symptoms[i];
	return NULL;
}

void thresholds_from_config(const struct config *config, struct thresholds *ret)
{
	const char *sensitivity = config_string(config, "analyze.sensitivity");
	double scale = !strcmp(sensitivity, "low") ? 2 : !strcmp(sensitivity, "high") ? 0.5 : 1;

	*ret = (struct thresholds){
		.single_ns = (int64_t)((double)config_ns(config, "analyze.wait_single") * scale),
		.share = config_ratio(config, "analyze.wait_share") * scale,
		.factor = config_ratio(config, "analyze.usual_factor"),
		.rate = MAX(1, (int64_t)((double)config_int(config, "analyze.error_rate") * scale)),
		.window_ns = config_ns(config, "analyze.window"),
		.hold_ns = config_ns(config, "analyze.hold"),
		.known_ns = 30 * NSEC_PER_SEC,
	};
	/* A container that hardly runs soon waits for a tenth of it: a twentieth of the time is the least. */
	ret->floor_ns = ret->window_ns / 20;
}

/* Three times the usual, once the past is long enough to say what is usual. */
static bool is_unusual(const struct thresholds *t, double value, double usual, int64_t known_ns)
{
	return known_ns < t->known_ns || value >= t->factor * usual;
}

bool wait_is_symptom(const struct thresholds *t, int64_t sum_ns, int64_t busy_ns, int64_t usual_ns, int64_t known_ns,
		     int64_t single_ns)
{
	if (single_ns >= t->single_ns)
		return true;
	return sum_ns >= t->floor_ns && (double)sum_ns >= t->share * (double)busy_ns &&
	       is_unusual(t, (double)sum_ns, (double)usual_ns, known_ns);
}

bool rate_is_symptom(const struct thresholds *t, int64_t count, int64_t usual, int64_t known_ns)
{
	return count >= t->rate && is_unusual(t, (double)count, (double)usual, known_ns);
}

void past_add(struct past *p, double value)
{
	p->values[p->next] = (float)value;
	p->next = (p->next + 1) % PAST_SAMPLES_MAX;
	p->count = MIN(p->count + 1, PAST_SAMPLES_MAX);
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

double past_median(const struct past *p)
{
	float sorted[PAST_SAMPLES_MAX];

	if (!p->count)
		return 0;
	memcpy(sorted, p->values, p->count * sizeof(sorted[0]));
	qsort(sorted, p->count, sizeof(sorted[0]), by_value);
	return p->count % 2 ? sorted[p->count / 2] : (sorted[p->count / 2 - 1] + sorted[p->count / 2]) / 2.0;
}
