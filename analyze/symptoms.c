/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/symptoms.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/timeutil.h"

void symptom_free(struct symptom *symptom)
{
	if (!symptom)
		return;
	free(symptom->name);
	free(symptom->reason);
	free(symptom->effect);
	free(symptom->sql);
	free(symptom);
}

const struct symptom *symptom_at(const struct symptoms *all, size_t i)
{
	return i < all->count ? all->items[i] : NULL;
}

const struct symptom *symptom_find(const struct symptoms *all, const char *name)
{
	for (size_t i = 0; i < all->count; i++)
		if (!strcmp(all->items[i]->name, name))
			return all->items[i];
	return NULL;
}

const struct symptom *symptom_of_reason(const struct symptoms *all, const char *reason)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->items[i]->reason && !strcmp(all->items[i]->reason, reason))
			return all->items[i];
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
