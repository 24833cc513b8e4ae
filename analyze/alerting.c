/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/alerting.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/alertrules.h"
#include "analyze/alertstate.h"
#include "analyze/alertstore.h"
#include "analyze/deliver.h"
#include "analyze/reports.h"
#include "analyze/silences.h"
#include "analyze/sql.h"
#include "base/cleanup.h"
#include "base/fileutil.h"
#include "base/hash.h"
#include "base/timeutil.h"

#define SERIES_MAX 1000 /* of one rule at a time; more are cut and said */
#define SQL_TIME_NS (2 * NSEC_PER_SEC)
#define SQL_BYTES (4 << 20)
#define LOOK_BACK_NS (3600 * NSEC_PER_SEC) /* of the views a rule sees */
#define EXPIRE_EVERY_NS (3600 * NSEC_PER_SEC)
/* Alertmanager takes an alert that is not sent again for resolved (--resolve-timeout, 5min); Prometheus sends each
 * minute with an end four intervals ahead. */
#define RESEND_NS (60 * NSEC_PER_SEC)
#define ENDS_AHEAD_NS (4 * RESEND_NS)

/* One row of a rule's query, or one open incident. */
struct series {
	struct alert_pairs labels;
	double value;
	char *headline;
};

struct series_list {
	struct series items[SERIES_MAX];
	size_t count;
	bool cut;
};

struct entry {
	struct alert alert;
	bool touched, changed; /* true in this evaluation; its state just became firing or resolved */
};

struct alerting {
	const struct config *config;
	char *state_dir, *url;
	struct alert_rules *rules;
	struct alertstore *store; /* NULL: a back-test */
	struct reader *reader;
	struct entry *entries;
	size_t count, cap;
	int64_t due_ns[ALERT_RULES_MAX]; /* by rule */
	int64_t expire_ns; /* past alerts are looked through next */
	struct series_list *series;
	uint64_t dropped;
	json_t *victims; /* container name: id of the open incident it suffers from */
	json_t *changes; /* of a back-test */
};

/* ---- series ----------------------------------------------------------------------------------------------- */

static void series_clear(struct series_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		alert_pairs_cleanup(&list->items[i].labels);
		free(list->items[i].headline);
	}
	list->count = 0;
	list->cut = false;
}

static void set_value_label(struct alert_pairs *labels, const char *name, const struct query_value *v)
{
	char text[32];

	if (v->type == VALUE_TEXT) {
		alert_pairs_set(labels, name, v->text);
	} else if (v->type == VALUE_INT) {
		snprintf(text, sizeof(text), "%" PRId64, v->integer);
		alert_pairs_set(labels, name, text);
	} else if (v->type == VALUE_REAL) {
		snprintf(text, sizeof(text), "%g", v->real);
		alert_pairs_set(labels, name, text);
	}
}

static int add_row(void *ctx, int count, const char *const *names, const struct query_value *values)
{
	struct series_list *list = ctx;
	struct series *s = &list->items[list->count];
	double value = NAN;

	if (list->count == SERIES_MAX) {
		list->cut = true;
		return 0;
	}
	*s = (struct series){ 0 };
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], "value"))
			set_value_label(&s->labels, names[i], &values[i]);
		else if (values[i].type == VALUE_INT)
			value = (double)values[i].integer;
		else if (values[i].type == VALUE_REAL)
			value = values[i].real;
	if (isnan(value)) {
		alert_pairs_cleanup(&s->labels);
		return 0;
	}
	s->value = value;
	list->count++;
	return 0;
}

static int query_series(struct alerting *a, const struct alert_rule *rule, int64_t now_ns, struct strbuf *why)
{
	int64_t span = rule->interval_ns > ALERT_INTERVAL_NS ? rule->interval_ns : ALERT_INTERVAL_NS;
	const struct query_param params[] = {
		{ .name = ":now", .type = PARAM_INT, .integer = now_ns },
		{ .name = ":from", .type = PARAM_INT, .integer = now_ns - span },
	};
	const struct query_limits limits = { .rows = SERIES_MAX + 1, .time_ns = SQL_TIME_NS, .bytes = SQL_BYTES };
	int64_t n = reader_query(a->reader, rule->sql, params, ARRAY_SIZE(params), &limits, add_row, a->series, why);

	return n < 0 && n != -E2BIG ? (int)n : 0;
}

static const char *container_name(const json_t *party)
{
	const json_t *container = json_object_get(party, "container");

	return json_is_object(container) ? (*json_field_text(container, "name") ? json_field_text(container, "name")
								       : json_field_text(container, "ref"))
					 : json_field_text(party, "what");
}

struct report_series {
	struct alerting *a;
	const struct alert_rule *rule; /* NULL: only who suffers from what */
};

static int add_report(void *ctx, const json_t *report)
{
	const struct report_series *x = ctx;
	struct series_list *list = x->a->series;
	const char *severity = json_field_text(report, "severity"), *cause = json_field_text(report, "cause");
	const char *confidence = json_field_text(json_object_get(report, "confidence"), "level");
	const json_t *victims = json_object_get(report, "victims"), *victim;
	struct series *s = &list->items[list->count];
	size_t i;

	if (!x->rule) {
		json_array_foreach (victims, i, victim)
			if (strcmp(severity, "info"))
				json_object_set_new(x->a->victims, container_name(victim),
						    json_string(json_field_text(report, "id")));
		return 0;
	}
	if (!alert_rule_matches(x->rule, cause, severity, confidence) || list->count == SERIES_MAX)
		return 0;
	*s = (struct series){ .value = 1, .headline = strdup(json_field_text(report, "headline")) };
	alert_pairs_set(&s->labels, "incident", json_field_text(report, "id"));
	alert_pairs_set(&s->labels, "cause", cause);
	alert_pairs_set(&s->labels, "severity", severity);
	alert_pairs_set(&s->labels, "confidence", confidence);
	alert_pairs_set(&s->labels, "container", container_name(json_array_get(victims, 0)));
	alert_pairs_set(&s->labels, "culprit",
			container_name(json_array_get(json_object_get(report, "culprits"), 0)));
	alert_pairs_set(&s->labels, "resource", json_field_text(json_object_get(report, "resource"), "kind"));
	list->count++;
	return 0;
}

/* Incidents that were open at now_ns. */
static int report_series(struct alerting *a, const struct alert_rule *rule, int64_t now_ns)
{
	const struct incident_filter open = { .since_ns = now_ns, .until_ns = now_ns, .limit = SERIES_MAX };
	struct report_series ctx = { a, rule };
	int64_t n = reports_each(a->reader, &open, add_report, &ctx);

	return n < 0 ? (int)n : 0;
}

/* ---- alerts ----------------------------------------------------------------------------------------------- */

static json_t *pairs_json(const struct alert_pairs *pairs)
{
	json_t *object = json_object();

	for (size_t i = 0; i < pairs->count; i++)
		json_object_set_new(object, pairs->items[i].name, json_text(pairs->items[i].value));
	return object;
}

/* The rule's own labels over those of the row; empty ones are none (as in Prometheus). */
static json_t *labels_of(const struct alert_rule *rule, const struct series *s)
{
	struct alert_pairs all = { 0 };
	json_t *labels;

	for (size_t i = 0; i < s->labels.count; i++)
		if (*s->labels.items[i].value)
			alert_pairs_set(&all, s->labels.items[i].name, s->labels.items[i].value);
	for (size_t i = 0; i < rule->labels.count; i++) {
		AUTO(strbuf) struct strbuf text = STRBUF_INIT;

		alert_expand(&text, rule->labels.items[i].value, &s->labels, s->value, s->headline);
		alert_pairs_set(&all, rule->labels.items[i].name, strbuf_str(&text));
	}
	alert_pairs_set(&all, "alertname", rule->alert);
	labels = pairs_json(&all);
	alert_pairs_cleanup(&all);
	return labels;
}

static json_t *annotations_of(const struct alert_rule *rule, const struct series *s)
{
	json_t *annotations = json_object();

	for (size_t i = 0; i < rule->annotations.count; i++) {
		AUTO(strbuf) struct strbuf text = STRBUF_INIT;

		alert_expand(&text, rule->annotations.items[i].value, &s->labels, s->value, s->headline);
		json_object_set_new(annotations, rule->annotations.items[i].name, json_text(strbuf_str(&text)));
	}
	return annotations;
}

/* What an alert is: its name and labels, but for those that change in the life of one incident. */
static void fingerprint_of(const json_t *labels, char ret[ALERT_FINGERPRINT_LEN + 1])
{
	json_t *identity = json_copy((json_t *)labels);
	char *text;

	if (json_object_get(identity, "incident")) {
		json_object_del(identity, "severity");
		json_object_del(identity, "confidence");
		json_object_del(identity, "culprit");
		json_object_del(identity, "container");
	}
	text = json_dumps(identity, JSON_COMPACT | JSON_SORT_KEYS);
	sha256_hex(text ? text : "", text ? strlen(text) : 0, ret);
	free(text);
	json_decref(identity);
}

static struct entry *find_entry(struct alerting *a, const char *fingerprint)
{
	for (size_t i = 0; i < a->count; i++)
		if (!strcmp(a->entries[i].alert.fingerprint, fingerprint))
			return &a->entries[i];
	return NULL;
}

/* A new one at the end; NULL when there are too many. */
static struct entry *add_entry(struct alerting *a)
{
	if (a->count == ALERTS_MAX) {
		a->dropped++;
		return NULL;
	}
	if (a->count == a->cap) {
		size_t cap = a->cap ? 2 * a->cap : 64;
		struct entry *more = reallocarray(a->entries, cap, sizeof(*more));

		if (!more)
			return NULL;
		a->entries = more;
		a->cap = cap;
	}
	a->entries[a->count] = (struct entry){ 0 };
	return &a->entries[a->count++];
}

static void remove_entry(struct alerting *a, size_t i)
{
	alert_cleanup(&a->entries[i].alert);
	a->entries[i] = a->entries[--a->count];
}

static void note_change(struct alerting *a, const struct entry *e, int64_t now_ns)
{
	if (a->changes && json_array_size(a->changes) < 100000)
		json_array_append_new(a->changes,
				      json_pack("{s:o, s:s, s:s, s:O, s:f}", "ts_ns", json_ns(now_ns), "alert",
						e->alert.rule, "state", alert_state_name(e->alert.life.state), "labels",
						e->alert.labels, "value", e->alert.value));
}

static void step(struct alerting *a, struct entry *e, const struct alert_rule *rule, bool active, int64_t now_ns)
{
	enum alert_state before = e->alert.life.state;

	e->touched = true;
	if (alert_life_step(&e->alert.life, active, rule ? rule->for_ns : 0, rule ? rule->keep_ns : 0, now_ns)) {
		e->changed = true;
		if (e->alert.life.state == ALERT_FIRING)
			e->alert.sent_ns = 0;
	}
	if (e->alert.life.state != before)
		note_change(a, e, now_ns);
}

static void take_series(struct alerting *a, const struct alert_rule *rule, const struct series *s, int64_t now_ns)
{
	char fingerprint[ALERT_FINGERPRINT_LEN + 1];
	json_t *labels = labels_of(rule, s);
	struct entry *e;

	fingerprint_of(labels, fingerprint);
	e = find_entry(a, fingerprint);
	if (!e) {
		e = add_entry(a);
		if (!e) {
			json_decref(labels);
			return;
		}
		memcpy(e->alert.fingerprint, fingerprint, sizeof(fingerprint));
		e->alert.rule = strdup(rule->alert);
	}
	json_decref(e->alert.labels);
	json_decref(e->alert.annotations);
	e->alert.labels = labels;
	e->alert.annotations = annotations_of(rule, s);
	e->alert.value = s->value;
	step(a, e, rule, true, now_ns);
}

static bool evaluate(struct alerting *a, const struct alert_rule *rule, int64_t now_ns, struct strbuf *ret_messages)
{
	AUTO(strbuf) struct strbuf why = STRBUF_INIT;
	int r;

	series_clear(a->series);
	r = rule->sql ? query_series(a, rule, now_ns, &why) : report_series(a, rule, now_ns);
	if (r) {
		/* What cannot be told now stays as it is: neither true nor false. */
		strbuf_addf(ret_messages, "alert %s (%s:%u): %s\n", rule->alert, rule->file, rule->line,
			    why.len ? strbuf_str(&why) : strerror(-r));
		return false;
	}
	if (a->series->cut)
		strbuf_addf(ret_messages, "alert %s (%s:%u): more than %d rows, the rest is left out\n", rule->alert,
			    rule->file, rule->line, SERIES_MAX);
	for (size_t i = 0; i < a->series->count; i++)
		take_series(a, rule, &a->series->items[i], now_ns);
	for (size_t i = 0; i < a->count; i++)
		if (!a->entries[i].touched && !strcmp(a->entries[i].alert.rule, rule->alert))
			step(a, &a->entries[i], rule, false, now_ns);
	return true;
}

/* ---- holding back and telling ----------------------------------------------------------------------------- */

static void hold(struct alerting *a, struct entry *e, const json_t *silences, int64_t now_ns)
{
	const char *container = json_field_text(e->alert.labels, "container");
	const char *incident = *container ? json_string_value(json_object_get(a->victims, container)) : NULL;
	const json_t *silence;
	size_t i;

	*e->alert.held_by = 0;
	json_array_foreach (silences, i, silence)
		if (silence_matches(silence, e->alert.labels, now_ns)) {
			snprintf(e->alert.held_by, sizeof(e->alert.held_by), "silence %s", json_field_text(silence, "id"));
			return;
		}
	/* The incident's own alert says what there is to say about its victims. */
	if (incident && !*json_field_text(e->alert.labels, "incident"))
		snprintf(e->alert.held_by, sizeof(e->alert.held_by), "incident %s", incident);
}

static json_t *time_text(int64_t ns)
{
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;

	time_format(&text, ns);
	return json_string(strbuf_str(&text));
}

/* As Alertmanager writes an alert in its webhook's body. */
static json_t *alert_json(const struct alerting *a, const struct alert *alert, int64_t now_ns)
{
	AUTO(strbuf) struct strbuf url = STRBUF_INIT;
	const char *incident = json_field_text(alert->labels, "incident");
	bool firing = alert->life.state == ALERT_FIRING;

	strbuf_addf(&url, "%s%s%s", a->url, *incident ? "incidents/" : "alerts", incident);
	return json_pack("{s:s, s:O, s:O, s:o, s:o, s:s, s:s}", "status", firing ? "firing" : "resolved", "labels",
			 alert->labels, "annotations", alert->annotations, "startsAt", time_text(alert->life.active_ns),
			 "endsAt", time_text(firing ? now_ns + ENDS_AHEAD_NS : alert->life.ended_ns), "generatorURL",
			 strbuf_str(&url), "fingerprint", alert->fingerprint);
}

static const char *group_of(const struct alert *alert)
{
	const char *incident = json_field_text(alert->labels, "incident");

	return *incident ? incident : alert->rule;
}

static bool to_be_told(const struct entry *e)
{
	const struct alert *alert = &e->alert;

	if (alert->life.state == ALERT_FIRING)
		return !*alert->held_by && !alert->sent_ns;
	return e->changed && alert->life.state == ALERT_RESOLVED && alert->sent_ns;
}

/* Every alert of one group, in one message for each receiver. */
static int tell_group(struct alerting *a, size_t first, int64_t now_ns)
{
	const char *group = group_of(&a->entries[first].alert);
	json_t *alerts = json_array();
	int r;

	for (size_t i = first; i < a->count; i++) {
		struct entry *e = &a->entries[i];

		if (!to_be_told(e) || strcmp(group_of(&e->alert), group))
			continue;
		json_array_append_new(alerts, alert_json(a, &e->alert, now_ns));
		e->changed = false;
		e->alert.sent_ns = now_ns;
	}
	r = deliver_enqueue(a->config, a->store, a->url, group, alerts, now_ns);
	json_decref(alerts);
	return r;
}

/* Alertmanager is told again what still fires, unless there is something waiting for it anyway. */
static int tell_again(struct alerting *a, int64_t now_ns)
{
	json_t *alerts = json_array();
	int r = 0;

	for (size_t i = 0; i < a->count; i++) {
		struct entry *e = &a->entries[i];

		if (e->alert.life.state != ALERT_FIRING || !e->alert.sent_ns || *e->alert.held_by ||
		    now_ns - e->alert.sent_ns < RESEND_NS)
			continue;
		json_array_append_new(alerts, alert_json(a, &e->alert, now_ns));
		e->alert.sent_ns = now_ns;
	}
	if (json_array_size(alerts))
		r = deliver_again(a->config, a->store, alerts, now_ns);
	json_decref(alerts);
	return r;
}

static int store_all(struct alerting *a, int64_t now_ns)
{
	int r = 0;

	for (size_t i = 0; !r && i < a->count;) {
		struct entry *e = &a->entries[i];
		bool gone = e->alert.life.state == ALERT_INACTIVE ||
			    (e->alert.life.state == ALERT_RESOLVED &&
			     now_ns - e->alert.life.ended_ns > ALERTS_RECENT_NS);

		if (gone)
			r = alertstore_forget(a->store, e->alert.fingerprint);
		else if (e->touched)
			r = alertstore_put(a->store, &e->alert);
		if (r == -E2BIG) /* the others are kept all the same */
			r = 0;
		e->changed = false;
		if (gone)
			remove_entry(a, i);
		else
			i++;
	}
	return r;
}

static int take_stored(void *ctx, struct alert *alert)
{
	struct alerting *a = ctx;
	struct entry *e = add_entry(a);

	if (!e)
		return -ENOMEM;
	e->alert = *alert;
	*alert = (struct alert){ 0 };
	return 0;
}

static int load(struct alerting *a)
{
	int r;

	while (a->count)
		remove_entry(a, a->count - 1);
	r = alertstore_each(a->store, take_stored, a);
	return MIN(r, 0);
}

static int decide(struct alerting *a, int64_t now_ns)
{
	json_t *silences = NULL;
	int r = alertstore_silences(a->store, now_ns, &silences);

	for (size_t i = 0; !r && i < a->count; i++)
		hold(a, &a->entries[i], silences, now_ns);
	for (size_t i = 0; !r && i < a->count; i++)
		if (to_be_told(&a->entries[i]))
			r = tell_group(a, i, now_ns);
	if (!r)
		r = tell_again(a, now_ns);
	if (!r)
		r = store_all(a, now_ns);
	if (!r && now_ns >= a->expire_ns) {
		a->expire_ns = now_ns + EXPIRE_EVERY_NS;
		r = alertstore_expire(a->store, now_ns - config_ns(a->config, "analyze.keep"));
	}
	json_decref(silences);
	return r;
}

/*
 * State and deliveries in one transaction: what was decided is told, and what could not be stored was not decided: it
 * is forgotten, to be decided anew by the next evaluation.
 */
static int conclude(struct alerting *a, int64_t now_ns)
{
	int r = alertstore_begin(a->store);

	if (!r) {
		r = decide(a, now_ns);
		if (r)
			alertstore_rollback(a->store);
		else
			r = alertstore_commit(a->store);
	}
	if (r)
		load(a);
	return r;
}

/* ---- running ---------------------------------------------------------------------------------------------- */

static int new_empty(const char *state_dir, struct alerting **ret)
{
	struct alerting *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->state_dir = strdup(state_dir);
	a->series = calloc(1, sizeof(*a->series));
	a->victims = json_object();
	if (!a->state_dir || !a->series || !a->victims) {
		alerting_free(a);
		return -ENOMEM;
	}
	*ret = a;
	return 0;
}

int alerting_new(const struct alerting_options *options, struct alerting **ret_alerting, struct strbuf *ret_messages)
{
	struct alerting *a;
	int r = new_empty(options->state_dir, &a);

	if (r)
		return r;
	a->config = options->config;
	a->url = strdup(options->url);
	r = a->url ? alert_rules_load(config_string(a->config, "alerts.rules"), &a->rules, ret_messages) : -ENOMEM;
	if (!r)
		r = alertstore_open(a->state_dir, true, &a->store, ret_messages);
	if (!r)
		r = load(a);
	if (r) {
		alerting_free(a);
		return r;
	}
	*ret_alerting = a;
	return 0;
}

void alerting_free(struct alerting *a)
{
	if (!a)
		return;
	while (a->count)
		remove_entry(a, a->count - 1);
	if (a->series)
		series_clear(a->series);
	free(a->series);
	free(a->entries);
	alert_rules_free(a->rules);
	alertstore_free(a->store);
	reader_free(a->reader);
	json_decref(a->victims);
	free(a->state_dir);
	free(a->url);
	free(a);
}

/* A rule that is gone or off ends its alerts. */
static void end_orphans(struct alerting *a, int64_t now_ns)
{
	for (size_t i = 0; i < a->count; i++) {
		bool known = false;

		for (size_t k = 0; !known && alert_rules_at(a->rules, k); k++)
			known = alert_rules_at(a->rules, k)->enabled &&
				!strcmp(alert_rules_at(a->rules, k)->alert, a->entries[i].alert.rule);
		if (!known)
			step(a, &a->entries[i], NULL, false, now_ns);
	}
}

static int open_reader(struct alerting *a, int64_t now_ns, struct strbuf *ret_messages)
{
	int r = a->reader ? 0 : reader_open(a->state_dir, &a->reader, ret_messages);

	if (!r)
		r = reader_select(a->reader, now_ns - LOOK_BACK_NS, now_ns);
	return r < 0 ? r : 0;
}

static int evaluate_due(struct alerting *a, int64_t now_ns, struct strbuf *ret_messages)
{
	const struct alert_rule *rule;
	int n = 0;

	json_object_clear(a->victims);
	report_series(a, NULL, now_ns);
	for (size_t i = 0; i < a->count; i++)
		a->entries[i].touched = false;
	for (size_t i = 0; (rule = alert_rules_at(a->rules, i)); i++) {
		if (!rule->enabled || now_ns < a->due_ns[i])
			continue;
		a->due_ns[i] = now_ns + rule->interval_ns;
		evaluate(a, rule, now_ns, ret_messages);
		n++;
	}
	return n;
}

static void reload(struct alerting *a, struct strbuf *ret_messages)
{
	struct alert_rules *rules;

	if (!alert_rules_changed(a->rules) ||
	    alert_rules_load(config_string(a->config, "alerts.rules"), &rules, ret_messages))
		return;
	alert_rules_free(a->rules);
	a->rules = rules;
	memset(a->due_ns, 0, sizeof(a->due_ns));
}

int alerting_run(struct alerting *a, int64_t now_ns, struct strbuf *ret_messages)
{
	const struct alert_rule *rule;
	bool due = false;
	int n, r;

	for (size_t i = 0; (rule = alert_rules_at(a->rules, i)); i++)
		due |= rule->enabled && now_ns >= a->due_ns[i];
	if (!due)
		return 0;
	reload(a, ret_messages);
	r = open_reader(a, now_ns, ret_messages);
	if (r)
		return r;
	n = evaluate_due(a, now_ns, ret_messages);
	end_orphans(a, now_ns);
	r = conclude(a, now_ns);
	return r ? r : n;
}

int alerting_back_test(const char *state_dir, const char *rules_path, int64_t from_ns, int64_t to_ns,
		       json_t **ret_changes, struct strbuf *ret_messages)
{
	AUTO_FREE char *text = NULL;
	struct alerting *a;
	size_t len;
	int r = file_read_alloc(AT_FDCWD, rules_path, 256 * 1024, &text, &len);

	if (r) {
		strbuf_addf(ret_messages, "%s: %s\n", rules_path, strerror(-r));
		return r;
	}
	r = new_empty(state_dir, &a);
	if (r)
		return r;
	a->changes = json_array();
	r = alert_rules_parse(rules_path, text, len, &a->rules, ret_messages);
	for (int64_t now = from_ns; !r && now <= to_ns; now += NSEC_PER_SEC) {
		bool due = false;

		for (size_t i = 0; alert_rules_at(a->rules, i); i++)
			due |= now >= a->due_ns[i];
		if (due)
			r = open_reader(a, now, ret_messages);
		if (due && !r)
			evaluate_due(a, now, ret_messages);
	}
	if (r)
		json_decref(a->changes);
	else
		*ret_changes = a->changes;
	alerting_free(a);
	return r;
}
