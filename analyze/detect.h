/* SPDX-License-Identifier: Apache-2.0 */
/* Follows every container tick by tick and says which symptoms it has. */
#ifndef KWHY_ANALYZE_DETECT_H
#define KWHY_ANALYZE_DETECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyze/sql.h"
#include "analyze/symptoms.h"

/* One symptom of one container, from its onset until it has been gone for the hold time. */
struct episode {
	int64_t container;
	const struct symptom *symptom;
	int64_t onset_ns, detected_ns, last_ns, peak_ns; /* last: newest tick at which it held */
	int64_t total;      /* ns waited, or occurrences, since the onset */
	int64_t worst_ns;   /* longest wait */
	double share;       /* of run and wait time, at the peak */
	int64_t peak;       /* sum within the detection window at the peak */
	int64_t told_peak;  /* that when it was last diagnosed */
	int64_t usual;      /* the same, usually */
	int64_t known_ns;   /* past that "usual" is taken from */
	bool active;        /* at the newest tick */
	bool explained;     /* set by the caller: an incident has it; its onset stays */
	bool supported;     /* set by the caller: a rule held when it was last diagnosed */
	unsigned int ticks; /* analysed since the onset */
	unsigned int contradictions; /* of the caller: so often in a row something else was the cause of late */
};

struct detector;

/* symptoms must outlive it. */
struct detector *detector_new(const struct thresholds *thresholds, const struct symptoms *symptoms);
void detector_free(struct detector *d);
/* Takes the rows of one tick, (from, to].  0 or -EIO with the text of sql_error(). */
int detector_tick(struct detector *d, struct sql *sql, int64_t from_ns, int64_t to_ns);
/*
 * By container and symptom; valid until the next tick.  A symptom that was weak, and that nothing explained, begins
 * anew when it doubles: what happens then is not what was usual before.
 */
size_t detector_episodes(const struct detector *d, struct episode *const **ret_episodes);
/* Containers that could not be followed for want of room. */
uint64_t detector_overflow(const struct detector *d);

#endif
