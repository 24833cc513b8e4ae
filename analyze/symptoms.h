/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes the analyzer look closer at a container: the symptoms that rule
 * files define (analyze/rules/README.md), and the decisions of "when something
 * is an incident" as pure functions.
 */
#ifndef KWHY_ANALYZE_SYMPTOMS_H
#define KWHY_ANALYZE_SYMPTOMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"

#define SYMPTOMS_MAX 128
#define PAST_SAMPLES_MAX 300

enum symptom_kind {
	SYMPTOM_WAIT, /* time: one long wait, or a share of what was run and waited */
	SYMPTOM_ONCE, /* one occurrence is enough */
	SYMPTOM_RATE, /* so many occurrences within the detection window */
};

struct symptom {
	char *name;
	enum symptom_kind kind;
	char *reason; /* of v_wait, whose sums feed it; SYMPTOM_WAIT only, NULL: only its single waits count */
	char *effect; /* "waited for the CPU": what the victim suffered, for sentences */
	/*
	 * Columns container, onset_ns, end_ns, value (ns for waits, else how many), over :from < ts_ns <= :to; waits only from
	 * :single on.  Rows without container do not count.
	 */
	char *sql;
	bool host; /* counts for the host outside containers, too */
	bool builtin;
	unsigned int line; /* of its file, for messages */
	size_t index; /* in its set */
};

void symptom_free(struct symptom *symptom); /* NULL is fine */

/* All that are defined, in order of name. */
struct symptoms {
	struct symptom *items[SYMPTOMS_MAX];
	size_t count;
};

/* NULL past the end. */
const struct symptom *symptom_at(const struct symptoms *all, size_t i);
const struct symptom *symptom_find(const struct symptoms *all, const char *name);
/* The symptom that v_wait rows of a reason feed; NULL: none. */
const struct symptom *symptom_of_reason(const struct symptoms *all, const char *reason);

struct thresholds {
	int64_t single_ns;  /* one wait */
	double share;       /* of run and wait time within the window */
	double factor;      /* times the usual */
	int64_t rate;       /* errors within the window */
	int64_t window_ns, hold_ns;
	int64_t floor_ns;   /* sums below this within the window are never a symptom */
	int64_t known_ns;   /* past needed before the factor counts */
};

void thresholds_from_config(const struct config *config, struct thresholds *ret);

/*
 * sum_ns: waits within the window, busy_ns: CPU time and all waits in it; usual_ns: what the sum usually is, over
 * known_ns of past; single_ns: longest wait.
 */
bool wait_is_symptom(const struct thresholds *t, int64_t sum_ns, int64_t busy_ns, int64_t usual_ns, int64_t known_ns,
		     int64_t single_ns);
bool rate_is_symptom(const struct thresholds *t, int64_t count, int64_t usual, int64_t known_ns);

/* The container's own past of one symptom: its sums per detection window. */
struct past {
	float values[PAST_SAMPLES_MAX];
	unsigned int count, next;
};
void past_add(struct past *p, double value);
double past_median(const struct past *p); /* 0 when empty */

#endif
