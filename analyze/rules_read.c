/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/rules_sql.h"
#include "analyze/yamlmap.h"
#include "base/hash.h"
#include "base/timeutil.h"
#include "schema/kinds.h"

/* What one file's parsing carries along. */
struct loader {
	struct yamlmap y; /* first: what setters are given is the loader */
	struct rule *rule;
	sqlite3 *db; /* what queries are checked against */
	sqlite3_stmt *evidence[RULE_EVIDENCE_MAX]; /* each piece's query; NULL: wrong */
};

static const char *const severity_names[] = { "info", "warning", "critical" };

bool rule_has_symptom(const struct rule *rule, const char *symptom)
{
	for (size_t i = 0; i < rule->symptoms.count; i++)
		if (!strcmp(rule->symptoms.items[i], symptom))
			return true;
	return false;
}

const char *severity_name(enum severity severity)
{
	return severity_names[severity];
}

static void complain_line(struct loader *l, unsigned int line, const char *what, const char *text)
{
	strbuf_addf(l->y.messages, "%s:%u: %s: %s\n", l->y.file, line, what, text);
	l->y.failed = true;
}

/* ---- scalars and lists --------------------------------------------------------------------------------------- */

static void add_text(struct yamlmap *y, const yaml_node_t *item, void *target)
{
	const char *text = yamlmap_scalar(y, item);
	struct string_list *list = target;

	if (list->count == RULE_LIST_MAX)
		yamlmap_complain(y, item, "more than %d items", RULE_LIST_MAX);
	else if (text)
		list->items[list->count++] = strdup(text);
}

static void set_list(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	struct string_list *list = target;

	list->line = yamlmap_line(node);
	yamlmap_each(y, node, target, add_text);
}

static void set_unit(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	const char *text = yamlmap_scalar(y, node);

	if (text && unit_parse(text, target) < 0)
		yamlmap_complain(y, node, "unit is one of ns bytes count ratio text");
}

static void set_int(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	const char *text = yamlmap_scalar(y, node);

	if (text && int_parse(text, target) < 0)
		yamlmap_complain(y, node, "a number is expected here");
}

static void set_severity(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	const char *text = yamlmap_scalar(y, node);

	for (size_t i = 0; text && i < ARRAY_SIZE(severity_names); i++) {
		if (!strcmp(severity_names[i], text)) {
			*(enum severity *)target = (enum severity)i;
			return;
		}
	}
	yamlmap_complain(y, node, "severity is one of info warning critical");
}

/* ---- mappings ------------------------------------------------------------------------------------------------ */

static const struct yamlmap_key evidence_keys[] = {
	{ "id", true, yamlmap_set_text, offsetof(struct evidence_def, id) },
	{ "claim", true, yamlmap_set_text, offsetof(struct evidence_def, claim) },
	{ "sql", true, yamlmap_set_text, offsetof(struct evidence_def, sql) },
	{ "rows_sql", false, yamlmap_set_text, offsetof(struct evidence_def, rows_sql) },
	{ "rules_out", false, yamlmap_set_text, offsetof(struct evidence_def, rules_out) },
	{ "probes", false, set_list, offsetof(struct evidence_def, probes) },
	{ "unit", false, set_unit, offsetof(struct evidence_def, unit) },
	{ 0 },
};

static void read_evidence(struct yamlmap *y, const yaml_node_t *item, struct rule *rule, enum evidence_role role)
{
	struct evidence_def *def;

	if (rule->evidence_count == RULE_EVIDENCE_MAX) {
		yamlmap_complain(y, item, "more than %d pieces of evidence", RULE_EVIDENCE_MAX);
		return;
	}
	def = &rule->evidence[rule->evidence_count++];
	def->role = role;
	def->line = yamlmap_line(item);
	yamlmap_read(y, item, evidence_keys, def);
	if (def->rules_out && role != EVIDENCE_REFUTE)
		yamlmap_complain(y, item, "only evidence under refute rules a cause out");
}

static void add_require(struct yamlmap *y, const yaml_node_t *item, void *target)
{
	read_evidence(y, item, target, EVIDENCE_REQUIRE);
}

static void add_support(struct yamlmap *y, const yaml_node_t *item, void *target)
{
	read_evidence(y, item, target, EVIDENCE_SUPPORT);
}

static void add_refute(struct yamlmap *y, const yaml_node_t *item, void *target)
{
	read_evidence(y, item, target, EVIDENCE_REFUTE);
}

static void set_require(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	yamlmap_each(y, node, target, add_require);
}

static void set_support(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	yamlmap_each(y, node, target, add_support);
}

static void set_refute(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	yamlmap_each(y, node, target, add_refute);
}

struct culprit_def {
	char *sql, *sink;
	bool self;
};

static const struct yamlmap_key culprit_keys[] = {
	{ "sql", false, yamlmap_set_text, offsetof(struct culprit_def, sql) },
	{ "self", false, yamlmap_set_bool, offsetof(struct culprit_def, self) },
	{ "sink", false, yamlmap_set_text, offsetof(struct culprit_def, sink) },
	{ 0 },
};

static void set_culprit(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	struct culprit_def def = { 0 };
	struct rule *rule = target;

	yamlmap_read(y, node, culprit_keys, &def);
	if (!!def.sql + def.self + !!def.sink != 1)
		yamlmap_complain(y, node, "culprit has one of sql, self: true, sink");
	free(rule->culprit_sql);
	free(rule->culprit_what);
	rule->culprit_kind = def.sql ? CULPRIT_SQL : def.self ? CULPRIT_SELF : CULPRIT_SINK;
	rule->culprit_sql = def.sql;
	rule->culprit_what = def.sink;
}

static const struct yamlmap_key remedy_keys[] = {
	{ "action", true, yamlmap_set_text, offsetof(struct remedy_def, action) },
	{ "command", false, yamlmap_set_text, offsetof(struct remedy_def, command) },
	{ "command_v1", false, yamlmap_set_text, offsetof(struct remedy_def, command_v1) },
	{ "host", false, yamlmap_set_bool, offsetof(struct remedy_def, host) },
	{ "risk", false, yamlmap_set_text, offsetof(struct remedy_def, risk) },
	{ "reversible", false, yamlmap_set_bool, offsetof(struct remedy_def, reversible) },
	{ "verify_sql", false, yamlmap_set_text, offsetof(struct remedy_def, verify_sql) },
	{ 0 },
};

static void add_remedy(struct yamlmap *y, const yaml_node_t *item, void *target)
{
	struct rule *rule = target;

	if (rule->remedy_count == RULE_REMEDIES_MAX)
		yamlmap_complain(y, item, "more than %d remedies", RULE_REMEDIES_MAX);
	else
		yamlmap_read(y, item, remedy_keys, &rule->remedies[rule->remedy_count++]);
}

static void set_remedy(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	yamlmap_each(y, node, target, add_remedy);
}

/* ---- symptoms ------------------------------------------------------------------------------------------------ */

static void set_kind(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	static const char *const names[] = { [SYMPTOM_WAIT] = "wait", [SYMPTOM_ONCE] = "once", [SYMPTOM_RATE] = "rate" };
	const char *text = yamlmap_scalar(y, node);

	for (size_t i = 0; text && i < ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i], text)) {
			*(enum symptom_kind *)target = (enum symptom_kind)i;
			return;
		}
	}
	yamlmap_complain(y, node, "kind is one of wait once rate");
}

static const struct yamlmap_key symptom_keys[] = {
	{ "name", true, yamlmap_set_text, offsetof(struct symptom, name) },
	{ "kind", true, set_kind, offsetof(struct symptom, kind) },
	{ "reason", false, yamlmap_set_text, offsetof(struct symptom, reason) },
	{ "effect", true, yamlmap_set_text, offsetof(struct symptom, effect) },
	{ "host", false, yamlmap_set_bool, offsetof(struct symptom, host) },
	{ "sql", true, yamlmap_set_text, offsetof(struct symptom, sql) },
	{ 0 },
};

static bool reason_known(const char *reason)
{
	for (unsigned int i = 1; i < KW_WAIT_MAX; i++)
		if (!strcmp(kw_wait_reason_name(i), reason))
			return true;
	return false;
}

static void check_symptom(struct loader *l, const struct symptom *symptom)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;

	if (symptom->reason && symptom->kind != SYMPTOM_WAIT)
		complain_line(l, symptom->line, symptom->name, "only a symptom of kind wait has a reason");
	else if (symptom->reason && !reason_known(symptom->reason))
		complain_line(l, symptom->line, symptom->name, "no wait has that reason");
	if (rules_sql_check_symptom(l->db, symptom->sql, &error) < 0)
		complain_line(l, symptom->line, symptom->name, strbuf_str(&error));
}

static struct symptom *read_symptom(struct loader *l, const yaml_node_t *node)
{
	struct symptom *symptom = calloc(1, sizeof(*symptom));
	bool failed = l->y.failed;

	if (!symptom)
		return NULL;
	symptom->line = yamlmap_line(node);
	l->y.failed = false;
	yamlmap_read(&l->y, node, symptom_keys, symptom);
	if (!l->y.failed)
		check_symptom(l, symptom);
	if (l->y.failed) {
		symptom_free(symptom);
		return NULL;
	}
	l->y.failed = failed;
	return symptom;
}

/* Takes one over; a rule tries what its own symptoms find. */
static void add_own(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	struct rule *rule = target;
	struct symptom *symptom;

	if (rule->own_count == RULE_SYMPTOMS_MAX || rule->symptoms.count == RULE_LIST_MAX) {
		yamlmap_complain(y, node, "more than %d symptoms", RULE_SYMPTOMS_MAX);
		return;
	}
	symptom = read_symptom((struct loader *)y, node);
	if (!symptom)
		return;
	rule->own[rule->own_count++] = symptom;
	if (!rule_has_symptom(rule, symptom->name))
		rule->symptoms.items[rule->symptoms.count++] = strdup(symptom->name);
}

/* One, or a list of them. */
static void set_symptom(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	if (node->type == YAML_SEQUENCE_NODE)
		yamlmap_each(y, node, target, add_own);
	else
		add_own(y, node, target);
}

/* ---- a rule -------------------------------------------------------------------------------------------------- */

static const struct yamlmap_key rule_keys[] = {
	{ "cause", true, yamlmap_set_text, offsetof(struct rule, cause) },
	{ "title", true, yamlmap_set_text, offsetof(struct rule, title) },
	{ "resource", true, yamlmap_set_text, offsetof(struct rule, resource) },
	{ "resource_sql", false, yamlmap_set_text, offsetof(struct rule, resource_sql) },
	{ "severity", true, set_severity, offsetof(struct rule, severity) },
	{ "severity_sql", false, yamlmap_set_text, offsetof(struct rule, severity_sql) },
	{ "priority", false, set_int, offsetof(struct rule, priority) },
	{ "fallback", false, yamlmap_set_bool, offsetof(struct rule, fallback) },
	{ "symptoms", false, set_list, offsetof(struct rule, symptoms) },
	{ "symptom", false, set_symptom, 0 },
	{ "require", true, set_require, 0 },
	{ "support", false, set_support, 0 },
	{ "refute", false, set_refute, 0 },
	{ "culprit", false, set_culprit, 0 },
	{ "mechanism", true, yamlmap_set_text, offsetof(struct rule, mechanism) },
	{ "confirmed_by", false, set_list, offsetof(struct rule, confirmed_by) },
	{ "chain_to", false, set_list, offsetof(struct rule, chain_to) },
	{ "headline", true, yamlmap_set_text, offsetof(struct rule, headline) },
	{ "remedy", true, set_remedy, 0 },
	{ 0 },
};

/* ---- checks over a whole rule -------------------------------------------------------------------------------- */

static struct evidence_def *evidence_find(struct rule *rule, const char *id, size_t len)
{
	for (size_t i = 0; i < rule->evidence_count; i++)
		if (rule->evidence[i].id && strlen(rule->evidence[i].id) == len &&
		    !strncmp(rule->evidence[i].id, id, len))
			return &rule->evidence[i];
	return NULL;
}

struct known {
	struct loader *l;
	const struct evidence_def *own; /* its columns need no prefix */
};

static bool column_known(struct loader *l, const struct evidence_def *def, const char *column)
{
	sqlite3_stmt *stmt = l->evidence[def - l->rule->evidence];

	return stmt && rules_sql_column(stmt, column) >= 0;
}

static bool variable_known(void *ctx, const char *name)
{
	static const char *const fixed[] = { "victim",	 "culprit",  "effect",	      "impact",	       "duration",
					     "baseline", "resource", "victim_cgroup", "culprit_cgroup" };
	const struct known *known = ctx;
	const struct evidence_def *def;
	const char *dot = strchr(name, '.');

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (!strcmp(fixed[i], name))
			return true;
	if (!dot)
		return known->own && column_known(known->l, known->own, name);
	def = evidence_find(known->l->rule, name, (size_t)(dot - name));
	return def && column_known(known->l, def, dot + 1);
}

static void check_template(struct loader *l, const struct evidence_def *own, unsigned int line, const char *what,
			   const char *text)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct known known = { .l = l, .own = own };

	if (text && template_check(text, variable_known, &known, &error) < 0)
		complain_line(l, line, what, strbuf_str(&error));
}

static void check_sql(struct loader *l, unsigned int line, const char *what, const char *sql,
		      const char *const *columns)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;

	if (sql && rules_sql_check(l->db, sql, columns, NULL, &error) < 0)
		complain_line(l, line, what, strbuf_str(&error));
}

/* Occurrences travel through the ring buffer and may be lost; sums stay in the kernel until they are read. */
static bool reads_events(const char *sql)
{
	const struct kw_kind_info *kind;
	char view[32];

	for (size_t i = 0; (kind = kw_kind_at(i)); i++) {
		snprintf(view, sizeof(view), "v_%s", kind->name);
		if (kind->class == KW_CLASS_CONTEXT && strstr(sql, view))
			return true;
	}
	return false;
}

static void check_evidence(struct loader *l, struct evidence_def *def)
{
	static const char *const columns[] = { "holds", "observed", "expected", NULL };
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;

	if (!def->id || !def->sql)
		return;
	if (evidence_find(l->rule, def->id, strlen(def->id)) != def)
		complain_line(l, def->line, def->id, "another piece of evidence has this id");
	if (rules_sql_check(l->db, def->sql, columns, &l->evidence[def - l->rule->evidence], &error) < 0)
		complain_line(l, def->line, def->id, strbuf_str(&error));
	check_sql(l, def->line, def->id, def->rows_sql, NULL);
	def->from_events = reads_events(def->sql);
}

static void check_lists(struct loader *l)
{
	struct rule *rule = l->rule;

	if (!rule->symptoms.count && !rule->fallback)
		yamlmap_complain(&l->y, NULL, "neither \"symptoms\" nor \"symptom\" says when to try this rule");
	for (size_t i = 0; i < rule->confirmed_by.count; i++) {
		const char *id = rule->confirmed_by.items[i];
		struct evidence_def *def = evidence_find(rule, id, strlen(id));

		if (!def || def->role == EVIDENCE_REFUTE)
			complain_line(l, rule->confirmed_by.line, "confirmed_by: no such evidence under require or support", id);
		else
			def->confirms = true;
	}
}

static void check_rule(struct loader *l)
{
	static const char *const culprit_columns[] = { "container", "share", "what", NULL };
	struct rule *rule = l->rule;

	for (size_t i = 0; i < rule->evidence_count; i++)
		check_evidence(l, &rule->evidence[i]);
	for (size_t i = 0; i < rule->evidence_count; i++)
		check_template(l, &rule->evidence[i], rule->evidence[i].line, rule->evidence[i].id,
			       rule->evidence[i].claim);
	check_lists(l);
	check_sql(l, 1, "culprit", rule->culprit_sql, culprit_columns);
	check_sql(l, 1, "resource_sql", rule->resource_sql, NULL);
	check_sql(l, 1, "severity_sql", rule->severity_sql, NULL);
	check_template(l, NULL, 1, "headline", rule->headline);
	check_template(l, NULL, 1, "mechanism", rule->mechanism);
	check_template(l, NULL, 1, "culprit", rule->culprit_what);
	for (size_t i = 0; i < rule->remedy_count; i++) {
		check_template(l, NULL, 1, "remedy", rule->remedies[i].action);
		check_template(l, NULL, 1, "remedy", rule->remedies[i].command);
		check_template(l, NULL, 1, "remedy", rule->remedies[i].command_v1);
		check_template(l, NULL, 1, "remedy", rule->remedies[i].risk);
		check_sql(l, 1, "remedy: verify_sql", rule->remedies[i].verify_sql, NULL);
	}
	for (size_t i = 0; i < rule->evidence_count; i++)
		sqlite3_finalize(l->evidence[i]);
}

/* ---- whole files --------------------------------------------------------------------------------------------- */

static void list_free(struct string_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
}

static void evidence_free(struct evidence_def *def)
{
	free(def->id);
	free(def->claim);
	free(def->sql);
	free(def->rows_sql);
	free(def->rules_out);
	list_free(&def->probes);
}

void rule_free(struct rule *rule)
{
	char **texts[] = { &rule->file,		&rule->cause,	     &rule->title,	  &rule->resource,
			   &rule->headline,	&rule->resource_sql, &rule->severity_sql, &rule->culprit_sql,
			   &rule->culprit_what, &rule->mechanism };

	if (!rule)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(*texts[i]);
	list_free(&rule->symptoms);
	list_free(&rule->confirmed_by);
	list_free(&rule->chain_to);
	for (size_t i = 0; i < rule->evidence_count; i++)
		evidence_free(&rule->evidence[i]);
	for (size_t i = 0; i < rule->remedy_count; i++) {
		free(rule->remedies[i].action);
		free(rule->remedies[i].command);
		free(rule->remedies[i].command_v1);
		free(rule->remedies[i].risk);
		free(rule->remedies[i].verify_sql);
	}
	for (size_t i = 0; i < rule->own_count; i++)
		symptom_free(rule->own[i]);
	free(rule);
}

int rules_parse(sqlite3 *views, const char *file, const char *text, size_t len, struct rule **ret_rule,
		struct strbuf *ret_messages)
{
	struct loader l = { .db = views };
	int r = yamlmap_open(&l.y, file, text, len, ret_messages);

	if (r)
		return r;
	l.rule = calloc(1, sizeof(*l.rule));
	if (!l.rule) {
		yamlmap_close(&l.y);
		return -ENOMEM;
	}
	l.rule->file = strdup(file);
	sha256_hex(text, len, l.rule->sha256);
	yamlmap_read(&l.y, yaml_document_get_root_node(&l.y.doc), rule_keys, l.rule);
	yamlmap_close(&l.y);
	if (!l.y.failed)
		check_rule(&l);
	if (l.y.failed) {
		rule_free(l.rule);
		return -EINVAL;
	}
	*ret_rule = l.rule;
	return 0;
}

static void add_symptom(struct yamlmap *y, const yaml_node_t *item, void *target)
{
	struct symptoms *all = target;
	struct symptom *symptom = all->count < SYMPTOMS_MAX ? read_symptom((struct loader *)y, item) : NULL;

	if (all->count == SYMPTOMS_MAX)
		yamlmap_complain(y, item, "more than %d symptoms", SYMPTOMS_MAX);
	else if (symptom)
		all->items[all->count++] = symptom;
}

int symptoms_parse(sqlite3 *views, const char *file, const char *text, size_t len, struct symptoms *ret_symptoms,
		   struct strbuf *ret_messages)
{
	struct loader l = { .db = views };
	int r = yamlmap_open(&l.y, file, text, len, ret_messages);

	if (r)
		return r;
	yamlmap_each(&l.y, yaml_document_get_root_node(&l.y.doc), ret_symptoms, add_symptom);
	yamlmap_close(&l.y);
	return l.y.failed ? -EINVAL : 0;
}
