/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "analyze/rules_sql.h"
#include "base/hash.h"
#include "base/timeutil.h"
#include "schema/kinds.h"

/* What one file's parsing carries along. */
struct loader {
	const char *file;
	yaml_document_t doc;
	struct strbuf *messages;
	struct rule *rule;
	sqlite3 *db; /* what queries are checked against; made when first needed */
	bool failed;
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

PRINTF_LIKE(3, 4)
static void complain(struct loader *l, const yaml_node_t *node, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	strbuf_addf(l->messages, "%s:%zu: %s\n", l->file, node ? node->start_mark.line + 1 : 1, text);
	l->failed = true;
}

static void complain_line(struct loader *l, unsigned int line, const char *what, const char *text)
{
	strbuf_addf(l->messages, "%s:%u: %s: %s\n", l->file, line, what, text);
	l->failed = true;
}

/* ---- scalars and lists --------------------------------------------------------------------------------------- */

static const char *scalar(struct loader *l, const yaml_node_t *node)
{
	if (node->type != YAML_SCALAR_NODE || !node->data.scalar.length) {
		complain(l, node, "a text is expected here");
		return NULL;
	}
	return (const char *)node->data.scalar.value;
}

static void set_text(struct loader *l, const yaml_node_t *node, void *target)
{
	const char *text = scalar(l, node);
	char **out = target;

	if (text) {
		free(*out);
		*out = strdup(text);
	}
}

static void set_list(struct loader *l, const yaml_node_t *node, void *target)
{
	struct string_list *list = target;

	if (node->type != YAML_SEQUENCE_NODE) {
		complain(l, node, "a list is expected here");
		return;
	}
	list->line = (unsigned int)node->start_mark.line + 1;
	for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++) {
		const yaml_node_t *item = yaml_document_get_node(&l->doc, *i);
		const char *text = scalar(l, item);

		if (list->count == RULE_LIST_MAX)
			complain(l, item, "more than %d items", RULE_LIST_MAX);
		else if (text)
			list->items[list->count++] = strdup(text);
	}
}

static void set_unit(struct loader *l, const yaml_node_t *node, void *target)
{
	const char *text = scalar(l, node);

	if (text && unit_parse(text, target) < 0)
		complain(l, node, "unit is one of ns bytes count ratio text");
}

static void set_bool(struct loader *l, const yaml_node_t *node, void *target)
{
	const char *text = scalar(l, node);

	if (!text)
		return;
	if (strcmp(text, "true") && strcmp(text, "false"))
		complain(l, node, "true or false is expected here");
	*(bool *)target = !strcmp(text, "true");
}

static void set_int(struct loader *l, const yaml_node_t *node, void *target)
{
	const char *text = scalar(l, node);

	if (text && int_parse(text, target) < 0)
		complain(l, node, "a number is expected here");
}

static void set_severity(struct loader *l, const yaml_node_t *node, void *target)
{
	const char *text = scalar(l, node);

	for (size_t i = 0; text && i < ARRAY_SIZE(severity_names); i++) {
		if (!strcmp(severity_names[i], text)) {
			*(enum severity *)target = (enum severity)i;
			return;
		}
	}
	complain(l, node, "severity is one of info warning critical");
}

/* ---- mappings ------------------------------------------------------------------------------------------------ */

struct key {
	const char *name;
	bool required;
	void (*set)(struct loader *l, const yaml_node_t *node, void *target);
	size_t offset; /* of the target in the struct being filled */
};

/* keys ends with a NULL name. */
static void read_mapping(struct loader *l, const yaml_node_t *node, const struct key *keys, void *object)
{
	uint64_t seen = 0;

	if (node->type != YAML_MAPPING_NODE) {
		complain(l, node, "keys and values are expected here");
		return;
	}
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = yaml_document_get_node(&l->doc, pair->key);
		const char *name = scalar(l, key);
		size_t k = 0;

		while (name && keys[k].name && strcmp(keys[k].name, name))
			k++;
		if (!name || !keys[k].name) {
			complain(l, key, "unknown key \"%s\"", name ? name : "");
			continue;
		}
		if (seen & (1ULL << k))
			complain(l, key, "key \"%s\" stands here twice", name);
		seen |= 1ULL << k;
		keys[k].set(l, yaml_document_get_node(&l->doc, pair->value), (char *)object + keys[k].offset);
	}
	for (size_t k = 0; keys[k].name; k++)
		if (keys[k].required && !(seen & (1ULL << k)))
			complain(l, node, "key \"%s\" is missing", keys[k].name);
}

static const struct key evidence_keys[] = {
	{ "id", true, set_text, offsetof(struct evidence_def, id) },
	{ "claim", true, set_text, offsetof(struct evidence_def, claim) },
	{ "sql", true, set_text, offsetof(struct evidence_def, sql) },
	{ "rows_sql", false, set_text, offsetof(struct evidence_def, rows_sql) },
	{ "rules_out", false, set_text, offsetof(struct evidence_def, rules_out) },
	{ "probes", false, set_list, offsetof(struct evidence_def, probes) },
	{ "unit", false, set_unit, offsetof(struct evidence_def, unit) },
	{ 0 },
};

static void read_evidence(struct loader *l, const yaml_node_t *node, enum evidence_role role)
{
	struct rule *rule = l->rule;

	if (node->type != YAML_SEQUENCE_NODE) {
		complain(l, node, "a list of evidence is expected here");
		return;
	}
	for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++) {
		const yaml_node_t *item = yaml_document_get_node(&l->doc, *i);
		struct evidence_def *def;

		if (rule->evidence_count == RULE_EVIDENCE_MAX) {
			complain(l, item, "more than %d pieces of evidence", RULE_EVIDENCE_MAX);
			return;
		}
		def = &rule->evidence[rule->evidence_count++];
		def->role = role;
		def->line = (unsigned int)item->start_mark.line + 1;
		read_mapping(l, item, evidence_keys, def);
		if (def->rules_out && role != EVIDENCE_REFUTE)
			complain(l, item, "only evidence under refute rules a cause out");
	}
}

static void set_require(struct loader *l, const yaml_node_t *node, void *target)
{
	(void)target;
	read_evidence(l, node, EVIDENCE_REQUIRE);
}

static void set_support(struct loader *l, const yaml_node_t *node, void *target)
{
	(void)target;
	read_evidence(l, node, EVIDENCE_SUPPORT);
}

static void set_refute(struct loader *l, const yaml_node_t *node, void *target)
{
	(void)target;
	read_evidence(l, node, EVIDENCE_REFUTE);
}

struct culprit_def {
	char *sql, *sink;
	bool self;
};

static const struct key culprit_keys[] = {
	{ "sql", false, set_text, offsetof(struct culprit_def, sql) },
	{ "self", false, set_bool, offsetof(struct culprit_def, self) },
	{ "sink", false, set_text, offsetof(struct culprit_def, sink) },
	{ 0 },
};

static void set_culprit(struct loader *l, const yaml_node_t *node, void *target)
{
	struct culprit_def def = { 0 };
	struct rule *rule = target;

	read_mapping(l, node, culprit_keys, &def);
	if (!!def.sql + def.self + !!def.sink != 1)
		complain(l, node, "culprit has one of sql, self: true, sink");
	free(rule->culprit_sql);
	free(rule->culprit_what);
	rule->culprit_kind = def.sql ? CULPRIT_SQL : def.self ? CULPRIT_SELF : CULPRIT_SINK;
	rule->culprit_sql = def.sql;
	rule->culprit_what = def.sink;
}

static const struct key remedy_keys[] = {
	{ "action", true, set_text, offsetof(struct remedy_def, action) },
	{ "command", false, set_text, offsetof(struct remedy_def, command) },
	{ "risk", false, set_text, offsetof(struct remedy_def, risk) },
	{ "reversible", false, set_bool, offsetof(struct remedy_def, reversible) },
	{ "verify_sql", false, set_text, offsetof(struct remedy_def, verify_sql) },
	{ 0 },
};

static void set_remedy(struct loader *l, const yaml_node_t *node, void *target)
{
	struct rule *rule = target;

	if (node->type != YAML_SEQUENCE_NODE) {
		complain(l, node, "a list of remedies is expected here");
		return;
	}
	for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++) {
		const yaml_node_t *item = yaml_document_get_node(&l->doc, *i);

		if (rule->remedy_count == RULE_REMEDIES_MAX)
			complain(l, item, "more than %d remedies", RULE_REMEDIES_MAX);
		else
			read_mapping(l, item, remedy_keys, &rule->remedies[rule->remedy_count++]);
	}
}

static sqlite3 *checker(struct loader *l)
{
	if (!l->db)
		l->db = rules_sql_open();
	if (!l->db)
		complain(l, NULL, "out of memory");
	return l->db;
}

/* ---- symptoms ------------------------------------------------------------------------------------------------ */

static void set_kind(struct loader *l, const yaml_node_t *node, void *target)
{
	static const char *const names[] = { [SYMPTOM_WAIT] = "wait", [SYMPTOM_ONCE] = "once", [SYMPTOM_RATE] = "rate" };
	const char *text = scalar(l, node);

	for (size_t i = 0; text && i < ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i], text)) {
			*(enum symptom_kind *)target = (enum symptom_kind)i;
			return;
		}
	}
	complain(l, node, "kind is one of wait once rate");
}

static const struct key symptom_keys[] = {
	{ "name", true, set_text, offsetof(struct symptom, name) },
	{ "kind", true, set_kind, offsetof(struct symptom, kind) },
	{ "reason", false, set_text, offsetof(struct symptom, reason) },
	{ "effect", true, set_text, offsetof(struct symptom, effect) },
	{ "host", false, set_bool, offsetof(struct symptom, host) },
	{ "sql", true, set_text, offsetof(struct symptom, sql) },
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
	sqlite3 *db = checker(l);

	if (symptom->reason && symptom->kind != SYMPTOM_WAIT)
		complain_line(l, symptom->line, symptom->name, "only a symptom of kind wait has a reason");
	else if (symptom->reason && !reason_known(symptom->reason))
		complain_line(l, symptom->line, symptom->name, "no wait has that reason");
	if (db && rules_sql_check_symptom(db, symptom->sql, &error) < 0)
		complain_line(l, symptom->line, symptom->name, strbuf_str(&error));
}

static struct symptom *read_symptom(struct loader *l, const yaml_node_t *node)
{
	struct symptom *symptom = calloc(1, sizeof(*symptom));
	bool failed = l->failed;

	if (!symptom)
		return NULL;
	symptom->line = (unsigned int)node->start_mark.line + 1;
	l->failed = false;
	read_mapping(l, node, symptom_keys, symptom);
	if (!l->failed)
		check_symptom(l, symptom);
	if (l->failed) {
		symptom_free(symptom);
		return NULL;
	}
	l->failed = failed;
	return symptom;
}

/* Takes one over; a rule tries what its own symptoms find. */
static void add_own(struct loader *l, const yaml_node_t *node)
{
	struct rule *rule = l->rule;
	struct symptom *symptom;

	if (rule->own_count == RULE_SYMPTOMS_MAX || rule->symptoms.count == RULE_LIST_MAX) {
		complain(l, node, "more than %d symptoms", RULE_SYMPTOMS_MAX);
		return;
	}
	symptom = read_symptom(l, node);
	if (!symptom)
		return;
	rule->own[rule->own_count++] = symptom;
	if (!rule_has_symptom(rule, symptom->name))
		rule->symptoms.items[rule->symptoms.count++] = strdup(symptom->name);
}

/* One, or a list of them. */
static void set_symptom(struct loader *l, const yaml_node_t *node, void *target)
{
	(void)target;
	if (node->type != YAML_SEQUENCE_NODE) {
		add_own(l, node);
		return;
	}
	for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++)
		add_own(l, yaml_document_get_node(&l->doc, *i));
}

/* ---- a rule -------------------------------------------------------------------------------------------------- */

static const struct key rule_keys[] = {
	{ "cause", true, set_text, offsetof(struct rule, cause) },
	{ "title", true, set_text, offsetof(struct rule, title) },
	{ "resource", true, set_text, offsetof(struct rule, resource) },
	{ "resource_sql", false, set_text, offsetof(struct rule, resource_sql) },
	{ "severity", true, set_severity, offsetof(struct rule, severity) },
	{ "severity_sql", false, set_text, offsetof(struct rule, severity_sql) },
	{ "priority", false, set_int, offsetof(struct rule, priority) },
	{ "fallback", false, set_bool, offsetof(struct rule, fallback) },
	{ "symptoms", false, set_list, offsetof(struct rule, symptoms) },
	{ "symptom", false, set_symptom, 0 },
	{ "require", true, set_require, 0 },
	{ "support", false, set_support, 0 },
	{ "refute", false, set_refute, 0 },
	{ "culprit", false, set_culprit, 0 },
	{ "mechanism", true, set_text, offsetof(struct rule, mechanism) },
	{ "confirmed_by", false, set_list, offsetof(struct rule, confirmed_by) },
	{ "chain_to", false, set_list, offsetof(struct rule, chain_to) },
	{ "headline", true, set_text, offsetof(struct rule, headline) },
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
	struct rule *rule;
	const struct evidence_def *own; /* its columns need no prefix */
	sqlite3 *db;
};

static bool column_known(sqlite3 *db, const struct evidence_def *def, const char *column)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	sqlite3_stmt *stmt;
	bool found;

	if (!def->sql || rules_sql_check(db, def->sql, NULL, &stmt, &error) < 0)
		return false;
	found = rules_sql_column(stmt, column) >= 0;
	sqlite3_finalize(stmt);
	return found;
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
		return known->own && column_known(known->db, known->own, name);
	def = evidence_find(known->rule, name, (size_t)(dot - name));
	return def && column_known(known->db, def, dot + 1);
}

static void check_template(struct loader *l, sqlite3 *db, const struct evidence_def *own, unsigned int line,
			   const char *what, const char *text)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct known known = { .rule = l->rule, .own = own, .db = db };

	if (text && template_check(text, variable_known, &known, &error) < 0)
		complain_line(l, line, what, strbuf_str(&error));
}

static void check_sql(struct loader *l, sqlite3 *db, unsigned int line, const char *what, const char *sql,
		      const char *const *columns)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;

	if (sql && rules_sql_check(db, sql, columns, NULL, &error) < 0)
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

static void check_evidence(struct loader *l, sqlite3 *db, struct evidence_def *def)
{
	static const char *const columns[] = { "holds", "observed", "expected", NULL };

	if (!def->id || !def->sql)
		return;
	if (evidence_find(l->rule, def->id, strlen(def->id)) != def)
		complain_line(l, def->line, def->id, "another piece of evidence has this id");
	check_sql(l, db, def->line, def->id, def->sql, columns);
	check_sql(l, db, def->line, def->id, def->rows_sql, NULL);
	check_template(l, db, def, def->line, def->id, def->claim);
	def->from_events = reads_events(def->sql);
}

static void check_lists(struct loader *l)
{
	struct rule *rule = l->rule;

	if (!rule->symptoms.count && !rule->fallback)
		complain(l, NULL, "neither \"symptoms\" nor \"symptom\" says when to try this rule");
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
	sqlite3 *db = checker(l);

	if (!db)
		return;
	for (size_t i = 0; i < rule->evidence_count; i++)
		check_evidence(l, db, &rule->evidence[i]);
	check_lists(l);
	check_sql(l, db, 1, "culprit", rule->culprit_sql, culprit_columns);
	check_sql(l, db, 1, "resource_sql", rule->resource_sql, NULL);
	check_sql(l, db, 1, "severity_sql", rule->severity_sql, NULL);
	check_template(l, db, NULL, 1, "headline", rule->headline);
	check_template(l, db, NULL, 1, "mechanism", rule->mechanism);
	check_template(l, db, NULL, 1, "culprit", rule->culprit_what);
	for (size_t i = 0; i < rule->remedy_count; i++) {
		check_template(l, db, NULL, 1, "remedy", rule->remedies[i].action);
		check_template(l, db, NULL, 1, "remedy", rule->remedies[i].command);
		check_template(l, db, NULL, 1, "remedy", rule->remedies[i].risk);
		check_sql(l, db, 1, "remedy: verify_sql", rule->remedies[i].verify_sql, NULL);
	}
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
		free(rule->remedies[i].risk);
		free(rule->remedies[i].verify_sql);
	}
	for (size_t i = 0; i < rule->own_count; i++)
		symptom_free(rule->own[i]);
	free(rule);
}

/* Calls read with the root node of the text. */
static void read_document(struct loader *l, const char *text, size_t len,
			  void (*read)(struct loader *l, const yaml_node_t *root, void *target), void *target)
{
	yaml_parser_t parser;
	yaml_node_t *root;

	if (!yaml_parser_initialize(&parser)) {
		complain(l, NULL, "out of memory");
		return;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (!yaml_parser_load(&parser, &l->doc)) {
		strbuf_addf(l->messages, "%s:%zu: %s\n", l->file, parser.problem_mark.line + 1,
			    parser.problem ? parser.problem : "not YAML");
		l->failed = true;
		yaml_parser_delete(&parser);
		return;
	}
	root = yaml_document_get_root_node(&l->doc);
	if (root)
		read(l, root, target);
	else
		complain(l, NULL, "the file is empty");
	yaml_document_delete(&l->doc);
	yaml_parser_delete(&parser);
}

static void read_rule(struct loader *l, const yaml_node_t *root, void *target)
{
	read_mapping(l, root, rule_keys, target);
}

int rules_parse(const char *file, const char *text, size_t len, struct rule **ret_rule, struct strbuf *ret_messages)
{
	struct loader l = { .file = file, .messages = ret_messages };

	l.rule = calloc(1, sizeof(*l.rule));
	if (!l.rule)
		return -ENOMEM;
	l.rule->file = strdup(file);
	sha256_hex(text, len, l.rule->sha256);
	read_document(&l, text, len, read_rule, l.rule);
	if (!l.failed)
		check_rule(&l);
	sqlite3_close(l.db);
	if (l.failed) {
		rule_free(l.rule);
		return -EINVAL;
	}
	*ret_rule = l.rule;
	return 0;
}

static void read_symptoms(struct loader *l, const yaml_node_t *root, void *target)
{
	struct symptoms *all = target;

	if (root->type != YAML_SEQUENCE_NODE) {
		complain(l, root, "a list of symptoms is expected here");
		return;
	}
	for (yaml_node_item_t *i = root->data.sequence.items.start; i < root->data.sequence.items.top; i++) {
		const yaml_node_t *item = yaml_document_get_node(&l->doc, *i);
		struct symptom *symptom = all->count < SYMPTOMS_MAX ? read_symptom(l, item) : NULL;

		if (all->count == SYMPTOMS_MAX)
			complain(l, item, "more than %d symptoms", SYMPTOMS_MAX);
		else if (symptom)
			all->items[all->count++] = symptom;
	}
}

int symptoms_parse(const char *file, const char *text, size_t len, struct symptoms *ret_symptoms,
		   struct strbuf *ret_messages)
{
	struct loader l = { .file = file, .messages = ret_messages };

	read_document(&l, text, len, read_symptoms, ret_symptoms);
	sqlite3_close(l.db);
	return l.failed ? -EINVAL : 0;
}
