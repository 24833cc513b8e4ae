/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/incident.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/timeutil.h"
#include "base/ulid.h"

struct incidents {
	struct incident *items[INCIDENTS_OPEN_MAX];
	size_t count;
	char boot_id[64];
	int64_t hold_ns;
	uint64_t overflow;
};

struct incidents *incidents_new(const char *boot_id, int64_t hold_ns)
{
	struct incidents *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	snprintf(all->boot_id, sizeof(all->boot_id), "%s", boot_id);
	all->hold_ns = hold_ns;
	return all;
}

static void incident_free(struct incident *incident)
{
	diagnosis_clear(&incident->diagnosis);
	json_decref(incident->former);
	free(incident);
}

void incidents_free(struct incidents *all)
{
	if (!all)
		return;
	for (size_t i = 0; i < all->count; i++)
		incident_free(all->items[i]);
	free(all);
}

size_t incidents_count(const struct incidents *all)
{
	return all->count;
}

struct incident *incidents_at(const struct incidents *all, size_t i)
{
	return i < all->count ? all->items[i] : NULL;
}

uint64_t incidents_overflow(const struct incidents *all)
{
	return all->overflow;
}

void incident_id(const struct incident_key *key, const char *boot_id, int64_t onset_ns, char ret[27])
{
	uint64_t a, b;
	uint8_t rnd[10];

	a = hash_str(key->cause, 0);
	a = hash_bytes(&key->culprit_is_container, sizeof(key->culprit_is_container), a);
	a = hash_bytes(&key->culprit, sizeof(key->culprit), a);
	a = hash_str(key->what, a);
	a = hash_str(key->resource, a);
	a = hash_str(boot_id, a);
	a = hash_bytes(&onset_ns, sizeof(onset_ns), a);
	b = hash_bytes(&a, sizeof(a), 1);
	memcpy(rnd, &a, sizeof(a));
	memcpy(rnd + sizeof(a), &b, sizeof(rnd) - sizeof(a));
	ulid_format((uint64_t)(onset_ns / NSEC_PER_MSEC), rnd, ret);
}

void incident_key_of(const struct diagnosis *diagnosis, struct incident_key *ret)
{
	const struct hypothesis *root = diagnosis_root(diagnosis);
	const struct culprit *c = root->culprit_count ? &root->culprits[0] : NULL;

	*ret = (struct incident_key){ 0 };
	snprintf(ret->cause, sizeof(ret->cause), "%s", root->rule->cause);
	snprintf(ret->resource, sizeof(ret->resource), "%s", root->resource_name);
	if (!c)
		return;
	ret->culprit_is_container = c->is_container;
	ret->culprit = c->is_container ? c->container : 0;
	if (!c->is_container)
		snprintf(ret->what, sizeof(ret->what), "%s", c->what);
}

static bool same_key(const struct incident_key *a, const struct incident_key *b)
{
	return !strcmp(a->cause, b->cause) && a->culprit_is_container == b->culprit_is_container &&
	       a->culprit == b->culprit && !strcmp(a->what, b->what) && !strcmp(a->resource, b->resource);
}

static struct victim *victim_find(struct incident *incident, int64_t container, const struct symptom *symptom)
{
	for (size_t i = 0; i < incident->victim_count; i++) {
		struct victim *v = &incident->victims[i];

		if (v->episode.container == container && v->episode.symptom == symptom)
			return v;
	}
	return NULL;
}

struct incident *incidents_of(const struct incidents *all, int64_t container, const struct symptom *symptom)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct victim *v = all->items[i]->resolved ? NULL
								 : victim_find(all->items[i], container, symptom);

		if (v && !v->moved)
			return all->items[i];
	}
	return NULL;
}

size_t incident_subject(const struct incident *incident)
{
	const struct hypothesis *best = incident->diagnosis.best;
	size_t found = 0;

	for (size_t i = incident->victim_count; best && i-- > 0;) {
		const struct episode *e = &incident->victims[i].episode;

		if (e->container != best->victim)
			continue;
		found = i;
		if (rule_has_symptom(best->rule, e->symptom->name) && best->reason == e->symptom->reason)
			return i;
	}
	return found;
}

bool incident_explains(const struct incident *incident)
{
	return incident && incident->level > CONFIDENCE_INCONCLUSIVE;
}

static bool has_victim(const struct incident *incident, int64_t container)
{
	for (size_t i = 0; i < incident->victim_count; i++)
		if (incident->victims[i].episode.container == container && !incident->victims[i].moved)
			return true;
	return false;
}

bool incidents_tell_of(const struct incidents *all, int64_t container, const char *resource)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct incident *incident = all->items[i];
		const struct hypothesis *root = diagnosis_root(&incident->diagnosis);

		if (!incident->resolved && root && incident_explains(incident) &&
		    !strcmp(root->rule->resource, resource) && has_victim(incident, container))
			return true;
	}
	return false;
}

static struct incident *by_key(const struct incidents *all, const struct incident_key *key)
{
	for (size_t i = 0; i < all->count; i++)
		if (!all->items[i]->resolved && same_key(&all->items[i]->key, key))
			return all->items[i];
	return NULL;
}

/* The same cause, and the culprit filed first is still among the culprits: who comes first may change from tick to
 * tick. */
static bool still_explains(const struct incident *incident, const struct diagnosis *d)
{
	const struct hypothesis *root = diagnosis_root(d);

	if (strcmp(incident->key.cause, root->rule->cause) || strcmp(incident->key.resource, root->resource_name))
		return false;
	for (size_t i = 0; i < root->culprit_count; i++) {
		const struct culprit *c = &root->culprits[i];

		if (c->is_container == incident->key.culprit_is_container && c->share >= 0.2 &&
		    (c->is_container ? c->container == incident->key.culprit : !strcmp(c->what, incident->key.what)))
			return true;
	}
	return false;
}

/* One fault that hits many is one incident, whichever of its culprits comes first for each of them. */
static struct incident *by_explanation(const struct incidents *all, const struct diagnosis *d)
{
	for (size_t i = 0; i < all->count; i++)
		if (!all->items[i]->resolved && still_explains(all->items[i], d))
			return all->items[i];
	return NULL;
}

static struct incident *incident_new(struct incidents *all, const struct incident_key *key,
				     const struct episode *episode, int64_t now_ns)
{
	struct incident *incident = all->count < INCIDENTS_OPEN_MAX ? calloc(1, sizeof(*incident)) : NULL;

	if (!incident) {
		all->overflow++;
		return NULL;
	}
	incident->key = *key;
	incident->onset_ns = episode->onset_ns;
	incident->detected_ns = now_ns;
	incident->last_ns = now_ns;
	incident->changed = true;
	incident_id(key, all->boot_id, episode->onset_ns, incident->id);
	all->items[all->count++] = incident;
	return incident;
}

/*
 * The walk from the victim came as far as the culprit filed and not beyond this time: what stopped the culprit was found
 * before, and a share near a half must not make the incident come and go.
 */
static bool ends_at_culprit(const struct incident *incident, const struct diagnosis *d)
{
	const struct hypothesis *h = diagnosis_root(d);

	return incident->diagnosis.depth > d->depth && h->culprit_count && h->culprits[0].is_container &&
	       incident->key.culprit_is_container && h->culprits[0].container == incident->key.culprit;
}

/* A closer name of the same thing, by the same container: a storm of processes is a neighbour, and more than that. */
static bool is_closer(const struct incident *incident, const struct diagnosis *d)
{
	const struct hypothesis *old = incident->diagnosis.best, *new = d->best;

	return old && !incident->diagnosis.depth && !d->depth && new->rule->priority > old->rule->priority &&
	       new->culprit_count && new->culprits[0].is_container && incident->key.culprit_is_container &&
	       new->culprits[0].container == incident->key.culprit && !strcmp(new->rule->resource, old->rule->resource);
}

bool incident_keeps(const struct incident *incident, const struct diagnosis *d)
{
	const struct hypothesis *root = diagnosis_root(d);

	if (still_explains(incident, d) || ends_at_culprit(incident, d))
		return true;
	if (is_closer(incident, d))
		return false;
	for (size_t i = 0; i < d->count; i++) {
		const struct hypothesis *h = d->candidates[i];

		if (h->verdict == VERDICT_SUPPORTED && h->level >= root->level && !d->depth &&
		    !strcmp(h->rule->cause, incident->key.cause) && strcmp(h->rule->cause, root->rule->cause))
			return true;
	}
	return false;
}

/*
 * What looked like one cause proved to be another: a sole victim takes its incident along, which keeps its id and gets
 * a revision; from a shared one it moves out, and from one whose time is over because something new came on top.
 */
static struct incident *move_victim(struct incident *from, struct incident *to, const struct incident_key *key,
				    const struct episode *episode)
{
	if (!to && from->victim_count == 1 && episode->onset_ns <= from->onset_ns) {
		from->key = *key;
		from->level = CONFIDENCE_INCONCLUSIVE;
		from->severity = SEVERITY_INFO;
		from->changed = from->urgent = true;
		diagnosis_clear(&from->diagnosis);
		return from;
	}
	victim_find(from, episode->container, episode->symptom)->moved = true;
	return to;
}

/* An incident that has no victim left ends: it was part of the other one, unless that came on top of it later. */
static void merge(struct incident *from, const struct incident *into, const struct episode *episode)
{
	for (size_t i = 0; i < from->victim_count; i++)
		if (!from->victims[i].moved)
			return;
	if (!incident_explains(from) || episode->onset_ns <= from->onset_ns)
		snprintf(from->merged_into, sizeof(from->merged_into), "%s", into->id);
	from->resolved = true;
	from->changed = true;
}

static void note_episode(struct incident *incident, const struct episode *episode, int64_t now_ns)
{
	struct victim *v = victim_find(incident, episode->container, episode->symptom);

	if (!v && incident->victim_count < VICTIMS_MAX) {
		incident->urgent |= !has_victim(incident, episode->container);
		v = &incident->victims[incident->victim_count++];
		incident->changed = true;
	}
	if (!v) {
		incident->victims_left_out++;
		return;
	}
	v->episode = *episode;
	v->moved = false;
	incident->onset_ns = MIN(incident->onset_ns, episode->onset_ns);
	incident->peak_ns = MAX(incident->peak_ns, episode->peak_ns);
	incident->last_ns = now_ns;
}

static bool leads_over(const struct diagnosis *d, int64_t container)
{
	for (size_t i = 0; i < d->depth; i++)
		if (d->chain[i]->victim == container)
			return true;
	return false;
}

static enum severity severity_of(const struct diagnosis *d)
{
	return MAX(diagnosis_root(d)->severity, d->best->severity);
}

/*
 * The newest of the same hop; else a longer chain of the same victim, or one that leads over the other one's victim,
 * tells more.  Of victims that have nothing to do with each other the worse off is told of, then the surer diagnosis: a
 * detour of somebody else's is no news.
 */
static bool tells_more(const struct diagnosis *new, const struct diagnosis *old)
{
	bool same = old->best && new->best->victim == old->best->victim, over_old, over_new;

	if (!old->best || (same && new->best->rule == old->best->rule))
		return true;
	over_old = same || leads_over(new, old->best->victim);
	over_new = same || leads_over(old, new->best->victim);
	if (over_old != over_new)
		return over_old;
	if (over_old && new->depth != old->depth)
		return new->depth > old->depth;
	if (!same && severity_of(new) != severity_of(old))
		return severity_of(new) > severity_of(old);
	return diagnosis_root(new)->level > diagnosis_root(old)->level;
}

static void raise_levels(struct incident *incident, const struct diagnosis *d)
{
	const struct hypothesis *root = diagnosis_root(d);
	enum severity severity = MAX(root->severity, d->best->severity);
	enum confidence level = MIN(root->level, d->best->level);

	if (severity > incident->severity || level > incident->level)
		incident->changed = true;
	incident->severity = MAX(incident->severity, severity);
	incident->level = MAX(incident->level, level);
}

struct incident *incidents_file(struct incidents *all, const struct episode *episode, struct diagnosis *diagnosis,
				const struct coverage *coverage, int64_t now_ns)
{
	struct incident *old = incidents_of(all, episode->container, episode->symptom), *incident;
	struct incident_key key;

	if (old && incident_keeps(old, diagnosis)) {
		incident = old;
		if (!still_explains(old, diagnosis)) {
			note_episode(incident, episode, now_ns);
			return incident;
		}
	} else {
		incident_key_of(diagnosis, &key);
		incident = by_key(all, &key);
		if (!incident)
			incident = by_explanation(all, diagnosis);
		if (old && old != incident)
			incident = move_victim(old, incident, &key, episode);
		if (!incident)
			incident = incident_new(all, &key, episode, now_ns);
	}
	if (!incident)
		return NULL;
	if (old && old != incident)
		merge(old, incident, episode);
	note_episode(incident, episode, now_ns);
	raise_levels(incident, diagnosis);
	incident->coverage = *coverage;
	if (tells_more(diagnosis, &incident->diagnosis)) {
		diagnosis_clear(&incident->diagnosis);
		incident->diagnosis = *diagnosis;
		*diagnosis = (struct diagnosis){ 0 };
	}
	return incident;
}

void incidents_touch(struct incidents *all, const struct episode *episode, int64_t now_ns)
{
	struct incident *incident = incidents_of(all, episode->container, episode->symptom);

	if (incident)
		note_episode(incident, episode, now_ns);
}

void incidents_end(struct incidents *all, int64_t now_ns, bool everything)
{
	for (size_t i = 0; i < all->count; i++) {
		struct incident *incident = all->items[i];

		if (incident->resolved || (!everything && now_ns - incident->last_ns <= all->hold_ns))
			continue;
		incident->resolved = true;
		incident->changed = true;
	}
}

bool incident_due(const struct incident *incident, int64_t now_ns)
{
	if (!incident->changed)
		return false;
	return incident->resolved || incident->urgent || !incident->revision ||
	       now_ns - incident->written_ns >= REVISION_GAP_NS;
}

void incidents_sweep(struct incidents *all)
{
	size_t kept = 0;

	for (size_t i = 0; i < all->count; i++) {
		if (all->items[i]->resolved)
			incident_free(all->items[i]);
		else
			all->items[kept++] = all->items[i];
	}
	all->count = kept;
}

/* ---- taking over ----------------------------------------------------------------------------------------------- */

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static int64_t ns_at(const json_t *object, const char *key)
{
	return strtoll(text_at(object, key), NULL, 10);
}

int incidents_adopt(struct incidents *all, const json_t *report)
{
	const json_t *window = json_object_get(report, "window"), *key = json_object_get(report, "key");
	const char *severity = text_at(report, "severity");
	struct incident *incident = all->count < INCIDENTS_OPEN_MAX ? calloc(1, sizeof(*incident)) : NULL;

	if (!incident)
		return -ENOMEM;
	snprintf(incident->id, sizeof(incident->id), "%s", text_at(report, "id"));
	incident->revision = (int)json_integer_value(json_object_get(report, "revision"));
	snprintf(incident->key.cause, sizeof(incident->key.cause), "%s", text_at(report, "cause"));
	snprintf(incident->key.what, sizeof(incident->key.what), "%s", text_at(key, "what"));
	snprintf(incident->key.resource, sizeof(incident->key.resource), "%s", text_at(key, "resource"));
	incident->key.culprit_is_container = json_is_integer(json_object_get(key, "culprit"));
	incident->key.culprit = json_integer_value(json_object_get(key, "culprit"));
	while (incident->severity < SEVERITY_CRITICAL && strcmp(severity, severity_name(incident->severity)))
		incident->severity++;
	incident->onset_ns = ns_at(window, "onset_ns");
	incident->detected_ns = ns_at(window, "detected_ns");
	incident->peak_ns = ns_at(window, "peak_ns");
	incident->last_ns = MAX(ns_at(window, "to_ns"), incident->peak_ns);
	incident->written_ns = incident->last_ns;
	incident->former = json_deep_copy(report);
	all->items[all->count++] = incident;
	return 0;
}
