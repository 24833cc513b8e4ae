/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one alert, as Prometheus has it: pending while it is true for less than `for`, firing after that, and
 * firing still until it has been false for `keep_firing_for`.  Pure: no clock, no store.
 */
#ifndef KWHY_ANALYZE_ALERTSTATE_H
#define KWHY_ANALYZE_ALERTSTATE_H

#include <stdbool.h>
#include <stdint.h>

enum alert_state { ALERT_INACTIVE, ALERT_PENDING, ALERT_FIRING, ALERT_RESOLVED };

struct alert_life {
	enum alert_state state;
	int64_t active_ns; /* true since */
	int64_t fired_ns;  /* firing since; 0: not yet */
	int64_t seen_ns;   /* true last */
	int64_t ended_ns;  /* RESOLVED: since */
};

/*
 * One evaluation at now_ns.  True when the state became FIRING or RESOLVED: the moments that are told to people.  A
 * pending alert that is no longer true becomes INACTIVE and can be forgotten.  Time that steps back changes nothing.
 */
bool alert_life_step(struct alert_life *life, bool active, int64_t for_ns, int64_t keep_ns, int64_t now_ns);

/* What it was at then_ns, as far as this life tells; false: not yet active. */
bool alert_life_as_of(struct alert_life *life, int64_t then_ns);

const char *alert_state_name(enum alert_state state); /* "inactive", "pending", "firing", "resolved" */
enum alert_state alert_state_parse(const char *name); /* ALERT_INACTIVE for what is none */

#endif
