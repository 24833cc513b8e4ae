/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/alertstate.h"

#include <string.h>

#include "base/cleanup.h"

static const char *const names[] = {
	[ALERT_INACTIVE] = "inactive",
	[ALERT_PENDING] = "pending",
	[ALERT_FIRING] = "firing",
	[ALERT_RESOLVED] = "resolved",
};

const char *alert_state_name(enum alert_state state)
{
	return names[state];
}

enum alert_state alert_state_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name))
			return (enum alert_state)i;
	return ALERT_INACTIVE;
}

static bool became_active(struct alert_life *life, int64_t for_ns, int64_t now_ns)
{
	if (life->state == ALERT_INACTIVE || life->state == ALERT_RESOLVED)
		*life = (struct alert_life){ .state = ALERT_PENDING, .active_ns = now_ns };
	life->seen_ns = now_ns;
	if (life->state == ALERT_FIRING || now_ns - life->active_ns < for_ns)
		return false;
	life->state = ALERT_FIRING;
	life->fired_ns = now_ns;
	return true;
}

bool alert_life_step(struct alert_life *life, bool active, int64_t for_ns, int64_t keep_ns, int64_t now_ns)
{
	if (now_ns < life->seen_ns)
		return false;
	if (active)
		return became_active(life, for_ns, now_ns);
	if (life->state == ALERT_PENDING)
		life->state = ALERT_INACTIVE;
	if (life->state != ALERT_FIRING || now_ns - life->seen_ns < keep_ns)
		return false;
	life->state = ALERT_RESOLVED;
	life->ended_ns = now_ns;
	return true;
}

bool alert_life_as_of(struct alert_life *life, int64_t then_ns)
{
	if (life->ended_ns > then_ns) {
		life->ended_ns = 0;
		life->state = ALERT_FIRING;
	}
	if (life->fired_ns > then_ns) {
		life->fired_ns = 0;
		life->state = ALERT_PENDING;
	}
	life->seen_ns = life->seen_ns < then_ns ? life->seen_ns : then_ns;
	return life->active_ns <= then_ns;
}
