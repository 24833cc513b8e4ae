/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyze/node.h"
#include "analyze/report_parts.h"
#include "base/cleanup.h"
#include "base/timeutil.h"

/* ---- sentences ------------------------------------------------------------------------------------------------- */

/* What variables stand for. */
struct sentence {
	struct sql *sql;
	const struct hypothesis *h;
	const struct test *own;          /* a claim's own columns, else NULL */
	const struct episode *episode;   /* NULL: none at hand */
	int64_t duration_ns;
};

static void add_culprit(const struct sentence *s, struct strbuf *out)
{
	const struct culprit *c = s->h->culprit_count ? &s->h->culprits[0] : NULL;

	if (!c)
		strbuf_addstr(out, "somebody not seen");
	else if (c->self)
		strbuf_addstr(out, "it");
	else if (c->is_container)
		report_container_name(s->sql, c->container, out);
	else
		strbuf_add_plain(out, c->what);
}

static void add_culprit_cgroup(const struct sentence *s, struct strbuf *out)
{
	const struct culprit *c = s->h->culprit_count ? &s->h->culprits[0] : NULL;

	if (c && c->is_container)
		report_container_cgroup(s->sql, c->container, out);
}

static void add_impact(const struct episode *e, struct strbuf *out)
{
	if (e->symptom->kind != SYMPTOM_WAIT) {
		strbuf_addf(out, "%lld time%s", (long long)e->total, e->total == 1 ? "" : "s");
		return;
	}
	span_format(out, MAX(e->total, e->worst_ns));
	strbuf_addstr(out, " lost, ");
	if (e->share >= 0.005)
		strbuf_addf(out, "%.0f %% of its run and wait time, ", e->share * 100);
	strbuf_addstr(out, "longest ");
	span_format(out, e->worst_ns);
}

static void add_baseline(const struct episode *e, struct strbuf *out)
{
	if (e->known_ns < NSEC_PER_SEC) {
		strbuf_addstr(out, "no past known yet");
	} else if (e->known_ns < 30 * NSEC_PER_SEC) {
		strbuf_addf(out, "only %lld s of its past known", (long long)(e->known_ns / NSEC_PER_SEC));
	} else if (e->symptom->kind == SYMPTOM_WAIT) {
		strbuf_addstr(out, "usually ");
		span_format(out, e->usual);
		strbuf_addstr(out, " in 2 s");
	} else {
		strbuf_addf(out, "usually %lld in 2 s", (long long)e->usual);
	}
}

static const struct test *test_find(const struct hypothesis *h, const char *id, size_t len)
{
	for (size_t i = 0; i < h->test_count; i++)
		if (strlen(h->tests[i].def->id) == len && !strncmp(h->tests[i].def->id, id, len))
			return &h->tests[i];
	return NULL;
}

static enum unit column_unit(const struct test *t, const char *column)
{
	enum unit unit = unit_of_column(column);

	if (unit == UNIT_NONE && (!strcmp(column, "observed") || !strcmp(column, "expected")))
		return t->def->unit;
	return unit;
}

static bool add_column(const struct test *t, const char *column, struct strbuf *out)
{
	json_t *value = t ? json_object_get(t->row, column) : NULL;

	if (!t)
		return false;
	value_format(out, value, column_unit(t, column));
	return true;
}

static bool add_variable(void *ctx, const char *name, struct strbuf *out)
{
	const struct sentence *s = ctx;
	const char *dot = strchr(name, '.');

	if (dot)
		return add_column(test_find(s->h, name, (size_t)(dot - name)), dot + 1, out);
	if (!strcmp(name, "victim"))
		report_container_name(s->sql, s->h->victim, out);
	else if (!strcmp(name, "waiter") && s->h->waiter_reason)
		report_container_name(s->sql, s->h->waiter, out);
	else if (!strcmp(name, "culprit"))
		add_culprit(s, out);
	else if (!strcmp(name, "victim_cgroup"))
		report_container_cgroup(s->sql, s->h->victim, out);
	else if (!strcmp(name, "culprit_cgroup"))
		add_culprit_cgroup(s, out);
	else if (!strcmp(name, "resource"))
		strbuf_add_plain(out, s->h->resource_name);
	else if (!strcmp(name, "duration"))
		span_format(out, s->duration_ns);
	else if (!strcmp(name, "effect") && s->episode)
		strbuf_addstr(out, s->episode->symptom->effect);
	else if (!strcmp(name, "impact") && s->episode)
		add_impact(s->episode, out);
	else if (!strcmp(name, "baseline") && s->episode)
		add_baseline(s->episode, out);
	else
		return add_column(s->own, name, out);
	return true;
}

static json_t *sentence_json(const struct sentence *s, const char *text)
{
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;

	if (!text)
		return json_null();
	template_expand(&out, text, add_variable, (void *)s);
	return json_text(strbuf_str(&out));
}

/* With a chain the root's act stands in the sentence, and what it led to behind it. */
static json_t *headline(struct sentence *s, const struct diagnosis *d)
{
	static const char plain[] = "{victim} {effect} ({impact}; {baseline}) for {duration} because {culprit} ";
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;
	struct sentence root;

	if (!d->depth)
		return sentence_json(s, s->h->rule->headline);
	template_expand(&out, plain, add_variable, s);
	template_expand(&out, s->h->rule->mechanism, add_variable, s);
	for (size_t i = 0; i < d->depth; i++) {
		root = (struct sentence){
			.sql = s->sql, .h = d->chain[i], .episode = s->episode, .duration_ns = s->duration_ns
		};
		strbuf_addstr(&out, ", and ");
		if (d->chain[i]->culprit_count && d->chain[i]->culprits[0].self)
			report_container_name(s->sql, d->chain[i]->victim, &out);
		else
			add_culprit(&root, &out);
		strbuf_addch(&out, ' ');
		template_expand(&out, d->chain[i]->rule->mechanism, add_variable, &root);
	}
	return json_text(strbuf_str(&out));
}

/* ---- victims and culprits -------------------------------------------------------------------------------------- */

static json_t *impact_json(const struct episode *e)
{
	AUTO(strbuf) struct strbuf baseline = STRBUF_INIT;
	bool wait = e->symptom->kind == SYMPTOM_WAIT;
	int64_t value = wait ? MAX(e->total, e->worst_ns) : e->total;
	json_t *impact;

	add_baseline(e, &baseline);
	impact = json_pack("{s:s, s:o, s:s, s:o}", "name", e->symptom->name, "value",
			   wait ? json_ns(value) : json_int(value), "unit", wait ? "ns" : "count", "baseline",
			   wait ? json_ns(e->usual) : json_int(e->usual));
	json_object_set_new(impact, "baseline_text", json_text(strbuf_str(&baseline)));
	if (wait) {
		json_object_set_new(impact, "longest_ns", json_ns(e->worst_ns));
		json_object_set_new(impact, "share", json_real(round(e->share * 10000) / 10000));
	}
	return impact;
}

static json_t *victims_json(const struct report_context *ctx, const struct incident *incident)
{
	json_t *victims = json_array();

	for (size_t i = 0; i < incident->victim_count; i++) {
		const struct episode *e = &incident->victims[i].episode;
		json_t *impact = json_array();
		bool first = true;

		for (size_t k = 0; k < i; k++)
			first &= incident->victims[k].episode.container != e->container;
		for (size_t k = i; first && k < incident->victim_count; k++)
			if (incident->victims[k].episode.container == e->container)
				json_array_append_new(impact, impact_json(&incident->victims[k].episode));
		if (first)
			json_array_append_new(
				victims, json_pack("{s:o, s:O, s:o}", "container",
						   report_container(ctx->sql, e->container), "impact", impact, "tasks",
						   report_tasks(ctx->sql, e->container, e->onset_ns, ctx->now_ns)));
		json_decref(impact);
	}
	return victims;
}

static json_t *culprits_json(const struct report_context *ctx, const struct hypothesis *root)
{
	json_t *culprits = json_array();

	for (size_t i = 0; i < root->culprit_count; i++) {
		const struct culprit *c = &root->culprits[i];
		struct sentence s = { .sql = ctx->sql, .h = root };
		json_t *what = c->what[0] ? sentence_json(&s, c->what) : sentence_json(&s, root->rule->mechanism);

		json_array_append_new(culprits, json_pack("{s:o, s:f, s:b, s:O, s:o}", "container",
							  report_culprit_container(ctx->sql, c), "share", c->share,
							  "self", c->self, "tasks", c->tasks, "what", what));
	}
	return culprits;
}

/* ---- evidence and hypotheses ----------------------------------------------------------------------------------- */

static json_t *evidence_id(const struct hypothesis *h, const struct test *t)
{
	return json_sprintf("%s/%s@%lld", h->rule->cause, t->def->id, (long long)h->victim);
}

static json_t *params_json(const struct hypothesis *h)
{
	const struct window *w = &h->window;
	json_t *params = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", ":victim", json_int(h->victim), ":from",
				   json_ns(w->from_ns), ":to", json_ns(w->to_ns), ":span_ns",
				   json_ns(w->to_ns - w->from_ns), ":onset", json_ns(w->onset_ns), ":baseline_from",
				   json_ns(w->baseline_from_ns), ":baseline_to", json_ns(w->baseline_to_ns));
	bool culprit = h->culprit_count && h->culprits[0].is_container;

	json_object_set_new(params, ":culprit", culprit ? json_int(h->culprits[0].container) : json_null());
	if (h->reason)
		json_object_set_new(params, ":reason", json_string(h->reason));
	if (h->waiter_reason) {
		json_object_set_new(params, ":waiter", json_int(h->waiter));
		json_object_set_new(params, ":waits", json_string(h->waiter_reason));
	}
	return params;
}

static json_t *measured(const struct test *t, const char *column)
{
	json_t *value = json_object_get(t->row, column);

	if (!value)
		return json_null();
	if (t->def->unit == UNIT_NS && json_is_number(value))
		return json_ns((int64_t)json_number_value(value));
	return json_incref(value);
}

static json_t *evidence_json(const struct report_context *ctx, const struct hypothesis *h, const struct test *t)
{
	static const char *const roles[] = { "require", "support", "refute" };
	struct sentence s = { .sql = ctx->sql, .h = h, .own = t };
	json_t *e = json_pack("{s:o, s:s, s:o, s:s, s:o, s:O, s:o, s:o}", "id", evidence_id(h, t), "kind",
			      roles[t->def->role], "claim",
			      t->row ? sentence_json(&s, t->def->claim) : json_text(t->why), "sql", t->def->sql,
			      "params", params_json(h), "rows", t->rows, "observed", measured(t, "observed"),
			      "baseline", measured(t, "expected"));

	json_object_set_new(e, "holds", t->holds < 0 ? json_null() : json_boolean(t->holds));
	json_object_set_new(e, "unit", json_string(unit_name(t->def->unit)));
	return e;
}

static json_t *formatted(const struct test *t, const char *column)
{
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;

	value_format(&out, json_object_get(t->row, column), t->def->unit);
	return json_text(strbuf_str(&out));
}

static json_t *test_json(const struct hypothesis *h, const struct test *t)
{
	bool refute = t->def->role == EVIDENCE_REFUTE;
	json_t *pass = t->holds < 0 ? json_null() : json_boolean(refute ? !t->holds : t->holds);
	json_t *test = json_pack("{s:s, s:o, s:o, s:o, s:[o]}", "name", t->def->id, "expected",
				 formatted(t, "expected"), "observed",
				 t->holds < 0 && t->why[0] ? json_text(t->why) : formatted(t, "observed"), "pass", pass,
				 "evidence", evidence_id(h, t));

	if (t->def->rules_out)
		json_object_set_new(test, "rules_out", json_string(t->def->rules_out));
	return test;
}

static void add_hypothesis(const struct report_context *ctx, const struct hypothesis *h, json_t *hypotheses,
			   json_t *evidence)
{
	json_t *tests = json_array(), *entry;

	for (size_t i = 0; i < h->test_count; i++) {
		json_array_append_new(tests, test_json(h, &h->tests[i]));
		json_array_append_new(evidence, evidence_json(ctx, h, &h->tests[i]));
	}
	entry = json_pack("{s:s, s:s, s:o, s:s}", "cause", h->rule->cause, "verdict", verdict_name(h->verdict), "tests",
			  tests, "confidence", confidence_name(h->level));
	json_object_set_new(entry, "victim", report_container(ctx->sql, h->victim));
	json_array_append_new(hypotheses, entry);
}

static void add_hypotheses(const struct report_context *ctx, const struct diagnosis *d, json_t *hypotheses,
			   json_t *evidence)
{
	if (d->best)
		add_hypothesis(ctx, d->best, hypotheses, evidence);
	for (size_t i = 0; i < d->depth; i++)
		add_hypothesis(ctx, d->chain[i], hypotheses, evidence);
	for (size_t i = 0; i < d->count; i++)
		if (d->candidates[i] != d->best)
			add_hypothesis(ctx, d->candidates[i], hypotheses, evidence);
}

/* ---- chain ----------------------------------------------------------------------------------------------------- */

static void node_id(const struct hypothesis *h, const struct culprit *c, char ret[160])
{
	if (c && !c->is_container)
		snprintf(ret, 160, "sink:%s", c->what);
	else
		snprintf(ret, 160, "container:%lld", (long long)(c ? c->container : h->victim));
}

static void add_node(const struct report_context *ctx, json_t *nodes, const char *id, const struct hypothesis *h,
		     const struct culprit *c)
{
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;
	struct sentence s = { .sql = ctx->sql, .h = h };
	size_t i;
	json_t *node;

	json_array_foreach(nodes, i, node)
		if (!strcmp(json_string_value(json_object_get(node, "id")), id))
			return;
	if (c)
		template_expand(&text, h->rule->mechanism, add_variable, &s);
	else
		strbuf_addstr(&text, "the victim");
	node = json_pack("{s:s, s:s, s:o, s:o}", "id", id, "kind", c && !c->is_container ? "sink" : "container",
			 "container", c ? report_culprit_container(ctx->sql, c) : report_container(ctx->sql, h->victim),
			 "text", json_text(strbuf_str(&text)));
	json_array_append_new(nodes, node);
}

/* From the begin of what stopped the culprit to the begin of the wait for it; at the root there is nothing before. */
static json_t *lag_json(const struct hypothesis *next)
{
	const struct test *link = next ? hypothesis_link(next) : NULL;

	return json_ns(link ? (int64_t)json_number(json_object_get(link->row, "lag_ns"), 0) : 0);
}

static json_t *edge_json(const struct report_context *ctx, const struct hypothesis *h, const struct hypothesis *next,
			 const char *from, const char *to)
{
	struct sentence s = { .sql = ctx->sql, .h = h };
	json_t *ids = json_array();

	for (size_t i = 0; i < h->test_count; i++)
		if (h->tests[i].def->role != EVIDENCE_REFUTE && h->tests[i].holds == 1)
			json_array_append_new(ids, evidence_id(h, &h->tests[i]));
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:s}", "from", from, "to", to, "mechanism",
			 sentence_json(&s, h->rule->mechanism), "lag_ns", lag_json(next), "evidence", ids, "cause",
			 h->rule->cause);
}

static json_t *chain_json(const struct report_context *ctx, const struct incident *incident)
{
	const struct diagnosis *d = &incident->diagnosis;
	json_t *nodes = json_array(), *edges = json_array();
	char victim[160], culprit[160];

	for (size_t i = 0; i <= d->depth; i++) {
		const struct hypothesis *h = i ? d->chain[i - 1] : d->best;
		const struct culprit *c = h->culprit_count ? &h->culprits[0] : NULL;

		node_id(h, NULL, victim);
		add_node(ctx, nodes, victim, h, NULL);
		if (!c)
			continue;
		node_id(h, c, culprit);
		if (c->self)
			snprintf(culprit, sizeof(culprit), "container:%lld:own", (long long)c->container);
		add_node(ctx, nodes, culprit, h, c);
		json_array_append_new(edges, edge_json(ctx, h, i < d->depth ? d->chain[i] : NULL, culprit, victim));
	}
	return json_pack("{s:o, s:o}", "nodes", nodes, "edges", edges);
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

/* Whether cgroup v1 has controllers: the collector then follows one of its hierarchies beside v2. */
static bool has_cgroup_v1(struct sql *sql)
{
	sqlite3_stmt *stmt = sql_get(sql, "SELECT max(cgroup_v1) FROM v_node");
	bool found = stmt && sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0);

	sql_done(stmt);
	return found;
}

/* A command that names a cgroup is for whoever has one: the host has not, nor has a culprit that was not seen. */
static bool remedy_fits(const struct remedy_def *r, const struct hypothesis *h)
{
	const struct culprit *c = h->culprit_count ? &h->culprits[0] : NULL;
	const char *command = r->command ? r->command : "";

	if (r->host)
		return c && c->is_container && c->container == 0;
	if (strstr(command, "{culprit_cgroup}") && !(c && c->is_container && c->container != 0))
		return false;
	return h->victim != 0 || !strstr(command, "{victim_cgroup}");
}

static json_t *remediation_json(const struct report_context *ctx, const struct hypothesis *root)
{
	struct sentence s = { .sql = ctx->sql, .h = root };
	bool v1 = has_cgroup_v1(ctx->sql);
	json_t *list = json_array();

	for (size_t i = 0; i < root->rule->remedy_count; i++) {
		const struct remedy_def *r = &root->rule->remedies[i];

		if (!remedy_fits(r, root))
			continue;
		json_array_append_new(list,
				      json_pack("{s:o, s:o, s:o, s:b, s:o}", "action", sentence_json(&s, r->action),
						"command",
						sentence_json(&s, v1 && r->command_v1 ? r->command_v1 : r->command),
						"risk", sentence_json(&s, r->risk), "reversible", r->reversible,
						"verify_sql", r->verify_sql ? json_text(r->verify_sql) : json_null()));
	}
	return list;
}

static json_t *confidence_json(const struct incident *incident, const struct hypothesis *root)
{
	json_t *basis = json_copy(root->basis);

	json_array_append_new(basis,
			      json_text("budget: times of all tasks; scaled to the wall time when they exceed it, the "
					"remainder is idle or unknown"));
	return json_pack("{s:s, s:o, s:O}", "level", confidence_name(incident->level), "basis", basis, "capped_by",
			 incident->diagnosis.best->capped_by);
}

json_t *report_generator(const struct report_context *ctx)
{
	return json_pack("{s:s, s:s, s:s}", "version", KWHY_VERSION, "rules_sha256", rules_sha256(ctx->rules),
			 "config_sha256", ctx->config_sha256);
}

static json_t *window_json(const struct incident *incident, int64_t now_ns)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "onset_ns", json_ns(incident->onset_ns), "detected_ns",
			 json_ns(incident->detected_ns), "peak_ns", json_ns(incident->peak_ns), "end_ns",
			 incident->resolved ? json_ns(incident->last_ns) : json_null(), "to_ns",
			 json_ns(incident->resolved ? incident->last_ns : now_ns));
}

/* Container numbers, as SQL over the views knows them: what the incident table and a later run need. */
static json_t *key_json(const struct incident *incident)
{
	const struct incident_key *key = &incident->key;
	json_t *victims = json_array();
	int64_t last = -1;

	for (size_t i = 0; i < incident->victim_count; i++) {
		if (incident->victims[i].episode.container != last)
			json_array_append_new(victims, json_integer(incident->victims[i].episode.container));
		last = incident->victims[i].episode.container;
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "culprit",
			 key->culprit_is_container ? json_integer(key->culprit) : json_null(), "what",
			 json_text(key->what), "resource", json_text(key->resource), "victims", victims);
}

/* An incident of an earlier run that never came back: its last report, ended. */
static json_t *end_former(const struct report_context *ctx, const struct incident *incident)
{
	json_t *report = json_deep_copy(incident->former);

	json_object_set_new(report, "revision", json_integer(incident->revision + 1));
	json_object_set_new(report, "status", json_string("resolved"));
	json_object_set_new(report, "created_ns", json_ns(ctx->now_ns));
	json_object_set_new(json_object_get(report, "window"), "end_ns", json_ns(incident->last_ns));
	return report;
}

json_t *report_build(const struct report_context *ctx, const struct incident *incident)
{
	const struct diagnosis *d = &incident->diagnosis;
	const struct hypothesis *root = diagnosis_root(d);
	int64_t to_ns = incident->resolved ? incident->last_ns : ctx->now_ns;
	json_t *report, *hypotheses, *evidence;
	struct sentence s;

	if (!d->best)
		return incident->former ? end_former(ctx, incident) : NULL;
	hypotheses = json_array();
	evidence = json_array();
	s = (struct sentence){ .sql = ctx->sql, .h = d->best, .episode = &incident->victims[incident_subject(incident)].episode,
			       .duration_ns = to_ns - incident->onset_ns };
	add_hypotheses(ctx, d, hypotheses, evidence);
	report = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:o, s:o}", "schema", "kwhy.report/v1", "id", incident->id,
			   "revision", incident->revision + 1, "status", incident->resolved ? "resolved" : "open",
			   "severity", severity_name(incident->severity), "cause", root->rule->cause, "headline",
			   headline(&s, d), "confidence", confidence_json(incident, root));
	json_object_set_new(report, "window", window_json(incident, ctx->now_ns));
	json_object_set(report, "node", (json_t *)ctx->node);
	json_object_set_new(
		report, "resource",
		json_pack("{s:s, s:o}", "kind", root->rule->resource, "name", json_text(root->resource_name)));
	json_object_set_new(report, "victims", victims_json(ctx, incident));
	json_object_set_new(report, "culprits", culprits_json(ctx, root));
	json_object_set_new(report, "bystanders", report_bystanders(ctx->sql, incident));
	json_object_set_new(report, "budget", report_budget(ctx->sql, d->best->victim, incident->onset_ns, to_ns));
	json_object_set_new(report, "chain", chain_json(ctx, incident));
	json_object_set_new(report, "evidence", evidence);
	json_object_set_new(report, "hypotheses", hypotheses);
	json_object_set_new(report, "timeline", report_timeline(ctx->sql, incident));
	json_object_set_new(report, "data_quality", coverage_json(&incident->coverage));
	json_object_set_new(report, "remediation", remediation_json(ctx, root));
	json_object_set_new(report, "generator", report_generator(ctx));
	json_object_set_new(report, "title", json_text(root->rule->title));
	json_object_set_new(report, "created_ns", json_ns(ctx->now_ns));
	json_object_set_new(report, "key", key_json(incident));
	json_object_set_new(report, "recurrence", report_recurrence(ctx->sql, incident));
	if (incident->merged_into[0])
		json_object_set_new(report, "merged_into", json_string(incident->merged_into));
	return report;
}

json_t *report_nothing(const struct report_context *ctx, int64_t victim, const struct window *window,
		       const struct coverage *coverage, const struct diagnosis *d, enum confidence level,
		       const char *headline_text, const char *basis)
{
	json_t *hypotheses = json_array(), *evidence = json_array(), *capped = json_array(), *report;
	struct incident_key key = { .cause = "none" };
	char id[27];

	add_hypotheses(ctx, d, hypotheses, evidence);
	for (size_t i = 0; i < d->count; i++)
		if (d->candidates[i]->verdict == VERDICT_UNTESTABLE && json_array_size(d->candidates[i]->capped_by))
			json_array_append(capped, json_array_get(d->candidates[i]->capped_by, 0));
	incident_id(&key, node_boot_id(ctx->node), window->from_ns, id);
	report = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:o, s:{s:s, s:[o], s:o}}", "schema", "kwhy.report/v1", "id",
			   id, "revision", 1, "status", "resolved", "severity", "info", "cause", "none", "headline",
			   json_text(headline_text), "confidence", "level", confidence_name(level), "basis",
			   json_text(basis), "capped_by", capped);
	json_object_set_new(report, "window",
			    json_pack("{s:o, s:o, s:o, s:o, s:o}", "onset_ns", json_ns(window->from_ns), "detected_ns",
				      json_ns(window->to_ns), "peak_ns", json_ns(window->from_ns), "end_ns",
				      json_ns(window->to_ns), "to_ns", json_ns(window->to_ns)));
	json_object_set(report, "node", (json_t *)ctx->node);
	json_object_set_new(report, "resource", json_pack("{s:s, s:s}", "kind", "kernel", "name", "kernel"));
	json_object_set_new(
		report, "victims",
		json_pack("[{s:o, s:[], s:[]}]", "container", report_container(ctx->sql, victim), "impact", "tasks"));
	json_object_set_new(report, "culprits", json_array());
	json_object_set_new(report, "bystanders", json_array());
	json_object_set_new(report, "budget", report_budget(ctx->sql, victim, window->from_ns, window->to_ns));
	json_object_set_new(report, "chain", json_pack("{s:[], s:[]}", "nodes", "edges"));
	json_object_set_new(report, "evidence", evidence);
	json_object_set_new(report, "hypotheses", hypotheses);
	json_object_set_new(report, "timeline", json_array());
	json_object_set_new(report, "data_quality", coverage_json(coverage));
	json_object_set_new(report, "remediation", json_array());
	json_object_set_new(report, "generator", report_generator(ctx));
	json_object_set_new(report, "title", json_string("Nothing found"));
	json_object_set_new(report, "created_ns", json_ns(ctx->now_ns));
	return report;
}
