/* SPDX-License-Identifier: Apache-2.0 */
/* What kwhy knows: /rules lists the rules that are loaded, /rules/{cause} is the page of one cause. */
#include <errno.h>
#include <string.h>

#include "analyze/alertrules.h"
#include "analyze/rules.h"
#include "base/timeutil.h"
#include "web/html.h"
#include "web/page.h"
#include "web/routes.h"
#include "web/rows.h"
#include "web/web.h"

static const struct {
	enum evidence_role role;
	const char *key, *heading, *none;
} roles[] = {
	{ EVIDENCE_REQUIRE, "require", "What must hold", "Nothing must hold: it stands for what no other rule explains." },
	{ EVIDENCE_SUPPORT, "support", "What speaks for it", NULL },
	{ EVIDENCE_REFUTE, "refute", "What refutes it", "Nothing refutes it." },
};

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *list_json(const struct string_list *list)
{
	json_t *out = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(out, json_string(list->items[i]));
	return out;
}

static json_t *words_json(const struct alert_words *words)
{
	json_t *out = json_array();

	for (size_t i = 0; i < words->count; i++)
		json_array_append_new(out, json_string(words->items[i]));
	return out;
}

static json_t *pairs_json(const struct alert_pairs *pairs)
{
	json_t *out = json_object();

	for (size_t i = 0; i < pairs->count; i++)
		json_object_set_new(out, pairs->items[i].name, json_string(pairs->items[i].value));
	return out;
}

static json_t *symptoms_json(const struct rules *rules, const struct rule *rule)
{
	json_t *out = json_array();

	for (size_t i = 0; i < rule->symptoms.count; i++) {
		const struct symptom *s = symptom_find(rules_symptoms(rules), rule->symptoms.items[i]);

		json_array_append_new(out, json_pack("{s:s, s:o}", "name", rule->symptoms.items[i], "effect",
						     text_or_null(s ? s->effect : NULL)));
	}
	return out;
}

static json_t *evidence_json(const struct rule *rule, enum evidence_role role)
{
	json_t *out = json_array();

	for (size_t i = 0; i < rule->evidence_count; i++) {
		const struct evidence_def *e = &rule->evidence[i];

		if (e->role == role)
			json_array_append_new(out, json_pack("{s:s, s:s, s:b, s:o, s:o, s:s}", "id", e->id, "claim",
							     e->claim, "confirms", e->confirms, "rules_out",
							     text_or_null(e->rules_out), "probes",
							     list_json(&e->probes), "sql", e->sql));
	}
	return out;
}

static json_t *remedies_json(const struct rule *rule)
{
	json_t *out = json_array();

	for (size_t i = 0; i < rule->remedy_count; i++) {
		const struct remedy_def *m = &rule->remedies[i];

		json_array_append_new(out, json_pack("{s:s, s:o, s:o, s:o, s:b, s:b, s:o}", "action", m->action,
						     "command", text_or_null(m->command), "command_v1",
						     text_or_null(m->command_v1), "risk", text_or_null(m->risk), "host",
						     m->host, "reversible", m->reversible, "verify_sql",
						     text_or_null(m->verify_sql)));
	}
	return out;
}

static json_t *rule_json(const struct rules *rules, const struct rule *rule)
{
	json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:o, s:o, s:o, s:s}", "cause", rule->cause, "title",
				rule->title, "resource", rule->resource, "severity", severity_name(rule->severity),
				"builtin", rule->builtin, "headline", rule->headline, "symptoms",
				symptoms_json(rules, rule), "mechanism", text_or_null(rule->mechanism), "remedies",
				remedies_json(rule), "sha256", rule->sha256);

	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		json_object_set_new(out, roles[i].key, evidence_json(rule, roles[i].role));
	return out;
}

static json_t *alert_json(const struct alert_rule *a)
{
	return json_pack("{s:s, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o}", "alert", a->alert, "group",
			 a->group, "enabled", a->enabled, "builtin", a->builtin, "sql", text_or_null(a->sql), "cause",
			 words_json(&a->causes), "severity", words_json(&a->severities), "confidence",
			 words_json(&a->confidences), "for_s", (json_int_t)(a->for_ns / NSEC_PER_SEC), "keep_firing_for_s",
			 (json_int_t)(a->keep_ns / NSEC_PER_SEC), "labels", pairs_json(&a->labels), "annotations",
			 pairs_json(&a->annotations));
}

/* A rule of the site that is wrong is left out, as in the analyzer; the agent's log says why. */
static int rules_get(const struct http_request *req, struct http_response *res, const struct rules **ret_rules)
{
	AUTO(strbuf) struct strbuf messages = STRBUF_INIT;
	int r = web_rules_get(req->web, ret_rules, &messages);

	return r ? http_problem(res, 503, "The rules could not be read: %s", strbuf_str(&messages)) : 0;
}

static json_t *alerts_model(const struct http_request *req)
{
	AUTO(strbuf) struct strbuf messages = STRBUF_INIT;
	struct alert_rules *alerts = NULL;
	const struct alert_rule *a;
	json_t *out = json_array();

	if (alert_rules_load(web_setting(req->web, "alerts.rules"), &alerts, &messages) < 0)
		return out;
	for (size_t i = 0; (a = alert_rules_at(alerts, i)); i++)
		json_array_append_new(out, alert_json(a));
	alert_rules_free(alerts);
	return out;
}

static void names(struct strbuf *b, const json_t *list, const char *key)
{
	json_t *item;
	size_t i;

	json_array_foreach ((json_t *)list, i, item) {
		strbuf_addstr(b, i ? ", " : "");
		strbuf_add_html(b, key ? value_text(item, key) : json_string_value(item));
	}
}

static void cell(struct strbuf *b, const char *text)
{
	strbuf_addstr(b, "<td>");
	strbuf_add_html(b, text);
	strbuf_addstr(b, "</td>");
}

static void causes_table(struct strbuf *b, const json_t *rules)
{
	json_t *rule;
	size_t i;

	strbuf_addstr(b, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Causes\"><table><thead><tr>"
			 "<th scope=\"col\">Cause</th><th scope=\"col\">What it means</th><th scope=\"col\">Looked into "
			 "when</th><th scope=\"col\" class=\"num\">Must hold</th><th scope=\"col\" class=\"num\">Refuted by</th>"
			 "<th scope=\"col\">From</th></tr></thead><tbody>\n");
	json_array_foreach ((json_t *)rules, i, rule) {
		strbuf_addstr(b, "<tr><th scope=\"row\">");
		html_cause_link(b, value_text(rule, "cause"));
		strbuf_addstr(b, "</th>");
		cell(b, value_text(rule, "title"));
		strbuf_addstr(b, "<td><small>");
		names(b, json_object_get(rule, "symptoms"), "name");
		strbuf_addf(b, "</small></td><td class=\"num\">%zu</td><td class=\"num\">%zu</td>",
			    json_array_size(json_object_get(rule, "require")),
			    json_array_size(json_object_get(rule, "refute")));
		cell(b, json_is_true(json_object_get(rule, "builtin")) ? "kwhy" : "this site");
		strbuf_addstr(b, "</tr>\n");
	}
	strbuf_addstr(b, "</tbody></table></div>\n");
}

static void only(struct strbuf *b, const char *label, const json_t *list)
{
	if (!json_array_size(list))
		return;
	strbuf_addf(b, "<br>%s: ", label);
	names(b, list, NULL);
}

static void alert_row_when(struct strbuf *b, const json_t *a)
{
	const char *sql = value_text(a, "sql");

	if (*sql) {
		strbuf_addstr(b, "<td><details><summary>its query gives a row</summary><pre class=\"sql\"><code>");
		strbuf_add_html(b, sql);
		strbuf_addstr(b, "</code></pre></details></td>");
		return;
	}
	strbuf_addstr(b, "<td>an incident is open");
	only(b, "severity", json_object_get(a, "severity"));
	only(b, "confidence", json_object_get(a, "confidence"));
	only(b, "cause", json_object_get(a, "cause"));
	strbuf_addstr(b, "</td>");
}

static void alerts_table(struct strbuf *b, const json_t *alerts)
{
	json_t *a;
	size_t i;

	strbuf_addstr(b, "<section aria-labelledby=\"h-alerts\"><h2 id=\"h-alerts\">Alert rules</h2><div class=\"scroll\" "
			 "tabindex=\"0\" role=\"region\" aria-label=\"Alert rules\"><table><thead><tr><th scope=\"col\">"
			 "Alert</th><th scope=\"col\">Group</th><th scope=\"col\">State</th><th scope=\"col\">When</th>"
			 "<th scope=\"col\">For</th><th scope=\"col\">It says</th></tr></thead><tbody>\n");
	json_array_foreach ((json_t *)alerts, i, a) {
		strbuf_addstr(b, "<tr><th scope=\"row\">");
		strbuf_add_html(b, value_text(a, "alert"));
		strbuf_addstr(b, "</th>");
		cell(b, value_text(a, "group"));
		cell(b, json_is_true(json_object_get(a, "enabled")) ? "on" : "off");
		alert_row_when(b, a);
		strbuf_addstr(b, "<td>");
		if (value_int(a, "for_s", 0))
			html_span(b, value_int(a, "for_s", 0) * NSEC_PER_SEC);
		else
			strbuf_addstr(b, "at once");
		strbuf_addstr(b, "</td>");
		cell(b, value_text(json_object_get(a, "annotations"), "summary"));
		strbuf_addstr(b, "</tr>\n");
	}
	strbuf_addstr(b, "</tbody></table></div></section>\n");
}

int page_rules(const struct http_request *req, struct http_response *res)
{
	const struct page page = { .title = "Rules", .section = "/rules" };
	struct strbuf *b = &res->body;
	const struct rule *rule;
	const struct rules *rules;
	json_t *model;

	if (rules_get(req, res, &rules))
		return -EIO;
	model = json_pack("{s:s, s:[], s:o}", "sha256", rules_sha256(rules), "rules", "alerts", alerts_model(req));
	for (size_t i = 0; (rule = rules_at(rules, i)); i++)
		json_array_append_new(json_object_get(model, "rules"), rule_json(rules, rule));
	web_rules_put(req->web);
	if (page_wants_json(req))
		return http_json(res, model);
	page_begin(res, &page);
	strbuf_addf(b,
		    "<h1>Rules</h1>\n<p class=\"lead\">%zu causes that kwhy can tell apart, and what it asks before it "
		    "names one.</p>\n",
		    json_array_size(json_object_get(model, "rules")));
	causes_table(b, json_object_get(model, "rules"));
	alerts_table(b, json_object_get(model, "alerts"));
	page_end(res);
	json_decref(model);
	return 0;
}

static void evidence_item(struct strbuf *b, const json_t *e)
{
	strbuf_addstr(b, "<li><details class=\"evidence\"><summary>");
	strbuf_add_html(b, value_text(e, "claim"));
	if (*value_text(e, "rules_out")) {
		strbuf_addstr(b, " <small>then it is rather</small> ");
		html_cause(b, value_text(e, "rules_out"));
	}
	if (json_is_true(json_object_get(e, "confirms")))
		strbuf_addstr(b, " <small>(confirms)</small>");
	strbuf_addstr(b, "</summary><p class=\"note\">Probes: ");
	if (json_array_size(json_object_get(e, "probes")))
		names(b, json_object_get(e, "probes"), NULL);
	else
		strbuf_addstr(b, "none of its own");
	strbuf_addstr(b, "</p><pre class=\"sql\"><code>");
	strbuf_add_html(b, value_text(e, "sql"));
	strbuf_addstr(b, "</code></pre></details></li>\n");
}

static void evidence_section(struct strbuf *b, const json_t *items, const char *heading, const char *none)
{
	json_t *item;
	size_t i;

	if (!json_array_size(items) && !none)
		return;
	strbuf_addf(b, "<section><h2>%s</h2>\n", heading);
	if (json_array_size(items)) {
		strbuf_addstr(b, "<ul class=\"claims\">\n");
		json_array_foreach ((json_t *)items, i, item)
			evidence_item(b, item);
		strbuf_addstr(b, "</ul>\n");
	} else {
		page_empty(b, none);
	}
	strbuf_addstr(b, "</section>\n");
}

static void remedies(struct strbuf *b, const json_t *items)
{
	json_t *item;
	size_t i;

	if (!json_array_size(items))
		return;
	strbuf_addstr(b, "<section><h2>What to do</h2>\n<ul class=\"remedies\">\n");
	json_array_foreach ((json_t *)items, i, item) {
		strbuf_addstr(b, "<li><h3>");
		strbuf_add_html(b, value_text(item, "action"));
		strbuf_addstr(b, "</h3>");
		if (*value_text(item, "command")) {
			strbuf_addstr(b, "<pre class=\"command\"><code>");
			strbuf_add_html(b, value_text(item, "command"));
			strbuf_addstr(b, "</code></pre>");
		}
		if (*value_text(item, "command_v1")) {
			strbuf_addstr(b, "<p class=\"note\">With cgroup v1:</p><pre class=\"command\"><code>");
			strbuf_add_html(b, value_text(item, "command_v1"));
			strbuf_addstr(b, "</code></pre>");
		}
		strbuf_addf(b, "<p class=\"note\">%s%s be undone.%s",
			    json_is_true(json_object_get(item, "host")) ? "Where the culprit is the host itself. " : "",
			    json_is_true(json_object_get(item, "reversible")) ? "Can" : "Cannot",
			    *value_text(item, "risk") ? " Risk: " : "");
		strbuf_add_html(b, value_text(item, "risk"));
		strbuf_addstr(b, "</p></li>\n");
	}
	strbuf_addstr(b, "</ul></section>\n");
}

static void rule_head(struct strbuf *b, const json_t *rule)
{
	json_t *symptom;
	size_t i;

	strbuf_addstr(b, "<p class=\"eyebrow\"><a href=\"/rules\">Rules</a> / ");
	strbuf_add_html(b, value_text(rule, "cause"));
	strbuf_addstr(b, "</p>\n<h1>");
	strbuf_add_html(b, value_text(rule, "title"));
	strbuf_addstr(b, "</h1>\n<p class=\"badges\">");
	html_cause(b, value_text(rule, "cause"));
	html_severity(b, value_text(rule, "severity"));
	strbuf_addstr(b, "<a href=\"/incidents?cause=");
	strbuf_add_html(b, value_text(rule, "cause"));
	strbuf_addstr(b, "\">Its incidents</a></p>\n<p class=\"lead\">");
	strbuf_add_html(b, value_text(rule, "headline"));
	strbuf_addstr(b, "</p>\n<section><h2>Looked into when a container</h2>\n<ul class=\"plain\">\n");
	json_array_foreach (json_object_get(rule, "symptoms"), i, symptom) {
		strbuf_addstr(b, "<li>");
		strbuf_add_html(b, value_text(symptom, "effect"));
		strbuf_addstr(b, " <code>");
		strbuf_add_html(b, value_text(symptom, "name"));
		strbuf_addstr(b, "</code></li>\n");
	}
	strbuf_addstr(b, "</ul></section>\n");
}

int page_rule(const struct http_request *req, struct http_response *res)
{
	struct page page = { .section = "/rules" };
	struct strbuf *b = &res->body;
	const struct rule *found;
	const struct rules *rules;
	json_t *rule = NULL;

	if (rules_get(req, res, &rules))
		return -EIO;
	found = rules_find(rules, req->arg);
	if (found)
		rule = rule_json(rules, found);
	web_rules_put(req->web);
	if (!rule)
		return http_problem(res, 404, "There is no rule for the cause \"%s\".", req->arg);
	if (page_wants_json(req))
		return http_json(res, rule);
	page.title = value_text(rule, "title");
	page_begin(res, &page);
	rule_head(b, rule);
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		evidence_section(b, json_object_get(rule, roles[i].key), roles[i].heading, roles[i].none);
	remedies(b, json_object_get(rule, "remedies"));
	strbuf_addstr(b, "<p class=\"note report-foot\">What stands in {braces} is filled in by a report. SHA-256 of the rule "
			 "<code>");
	strbuf_add_html(b, value_text(rule, "sha256"));
	strbuf_addstr(b, "</code></p>\n");
	page_end(res);
	json_decref(rule);
	return 0;
}
