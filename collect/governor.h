/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to do about probes that take too much kernel time: a decision over numbers, apart from measuring
 * (collect/measure.c) and doing (collect/objects_run.c).
 *
 * Over its budget in five windows one after the other, or five times over it in two, a probe is held back by one level:
 * thresholds raised (if it has any), fewer records, detached.  It comes back level by level, each after a hold, which is
 * twice as long each time that it had come back too soon.  When all together are over, the dearest is the one that
 * is over.
 */
#ifndef KWHY_COLLECT_GOVERNOR_H
#define KWHY_COLLECT_GOVERNOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/timeutil.h"
#include "collect/objects_run.h"

#define GOVERN_HOLD_MAX_NS (3600 * NSEC_PER_SEC)

struct governed {
	/* set by the caller before each decision */
	bool fixed; /* must not be touched: not attached, or nothing works without it */
	bool has_threshold;
	bool stays;     /* cannot be detached: fewer records are all that can be done */
	uint32_t cost_ppm; /* kernel time in this window, millionths of one CPU */
	/* the governor's */
	enum probe_level level;
	unsigned int over; /* windows one after the other */
	int64_t since_ns;  /* at this level */
	int64_t hold_ns;   /* at least so long; 0: was never over, or long ago */
	bool tried;        /* was let go since it was last held back */
};

struct govern_limits {
	uint32_t probe_ppm, total_ppm;
	int64_t hold_ns; /* the first */
};

struct govern_step {
	unsigned int probe;
	enum probe_level level, former;
	uint32_t budget_ppm;
	int64_t hold_ns;
};

/* After a window: at most one step, which is taken as done.  *ret_hurry: somebody is over, measure on. */
bool governor_decide(struct governed *list, unsigned int count, const struct govern_limits *limits, int64_t now_ns,
		     struct govern_step *ret_step, bool *ret_hurry);

#endif
