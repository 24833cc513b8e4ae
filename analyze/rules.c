/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/rules.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "analyze/analyzer.h"
#include "analyze/rules_sql.h"
#include "analyze/symptoms.h"
#include "base/embed.h"
#include "base/fileutil.h"
#include "base/hash.h"
#include "base/timeutil.h"
#include "schema/kinds.h"

#define RULE_FILE_MAX (256 * 1024)

struct rules {
	struct rule *items[RULES_MAX];
	size_t count;
	char sha256[65];
};

/* What one file's parsing carries along. */
struct loader {
	const char *file;
	yaml_document_t doc;
	struct strbuf *messages;
	struct rule *rule;
	bool failed;
};

static const char *const severity_names[] = { "info", "warning", "critical" };

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

static const struct key rule_keys[] = {
	{ "cause", true, set_text, offsetof(struct rule, cause) },
	{ "title", true, set_text, offsetof(struct rule, title) },
	{ "resource", true, set_text, offsetof(struct rule, resource) },
	{ "resource_sql", false, set_text, offsetof(struct rule, resource_sql) },
	{ "severity", true, set_severity, offsetof(struct rule, severity) },
	{ "severity_sql", false, set_text, offsetof(struct rule, severity_sql) },
	{ "priority", false, set_int, offsetof(struct rule, priority) },
	{ "symptoms", true, set_list, offsetof(struct rule, symptoms) },
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

	for (size_t i = 0; i < rule->symptoms.count; i++)
		if (!symptom_find(rule->symptoms.items[i]))
			complain_line(l, 1, "symptoms: unknown symptom", rule->symptoms.items[i]);
	for (size_t i = 0; i < rule->confirmed_by.count; i++) {
		const char *id = rule->confirmed_by.items[i];
		struct evidence_def *def = evidence_find(rule, id, strlen(id));

		if (!def || def->role == EVIDENCE_REFUTE)
			complain_line(l, 1, "confirmed_by: no such evidence under require or support", id);
		else
			def->confirms = true;
	}
}

static void check_rule(struct loader *l)
{
	static const char *const culprit_columns[] = { "container", "share", "what", NULL };
	struct rule *rule = l->rule;
	sqlite3 *db = rules_sql_open();

	if (!db) {
		complain(l, NULL, "out of memory");
		return;
	}
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
	sqlite3_close(db);
}

/* ---- files --------------------------------------------------------------------------------------------------- */

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
	free(rule);
}

static void read_document(struct loader *l, const char *text, size_t len)
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
		read_mapping(l, root, rule_keys, l->rule);
	else
		complain(l, NULL, "the file is empty");
	yaml_document_delete(&l->doc);
	yaml_parser_delete(&parser);
}

int rules_parse(const char *file, const char *text, size_t len, struct rule **ret_rule, struct strbuf *ret_messages)
{
	struct loader l = { .file = file, .messages = ret_messages };

	l.rule = calloc(1, sizeof(*l.rule));
	if (!l.rule)
		return -ENOMEM;
	l.rule->file = strdup(file);
	sha256_hex(text, len, l.rule->sha256);
	read_document(&l, text, len);
	if (!l.failed)
		check_rule(&l);
	if (l.failed) {
		rule_free(l.rule);
		return -EINVAL;
	}
	*ret_rule = l.rule;
	return 0;
}

/* Adds, or replaces the rule of the same cause when site is set; two of one kind are an error. */
static int add_rule(struct rules *rules, struct rule *rule, bool site, struct strbuf *messages)
{
	rule->builtin = !site;
	for (size_t i = 0; i < rules->count; i++) {
		if (strcmp(rules->items[i]->cause, rule->cause))
			continue;
		if (!site || !rules->items[i]->builtin) {
			strbuf_addf(messages, "%s:1: cause %s has a rule in %s already\n", rule->file, rule->cause,
				    rules->items[i]->file);
			return -EEXIST;
		}
		rule_free(rules->items[i]);
		rules->items[i] = rule;
		return 0;
	}
	if (rules->count == RULES_MAX) {
		strbuf_addf(messages, "%s:1: more than %d rules\n", rule->file, RULES_MAX);
		return -E2BIG;
	}
	rules->items[rules->count++] = rule;
	return 0;
}

static int load_text(struct rules *rules, const char *file, const void *text, size_t len, bool site,
		     struct strbuf *messages)
{
	struct rule *rule;
	int r = rules_parse(file, text, len, &rule, messages);

	if (r == 0) {
		r = add_rule(rules, rule, site, messages);
		if (r < 0)
			rule_free(rule);
	}
	return r;
}

static int is_yaml(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && !strcmp(entry->d_name + len - 5, ".yaml");
}

static int load_dir(struct rules *rules, const char *dir, struct strbuf *messages)
{
	struct dirent **entries;
	int count = scandir(dir, &entries, is_yaml, alphasort), result = 0;

	if (count < 0) {
		strbuf_addf(messages, "%s:1: %s\n", dir, strerror(errno));
		return -errno;
	}
	for (int i = 0; i < count; i++) {
		AUTO(strbuf) struct strbuf path = STRBUF_INIT;
		AUTO_FREE char *text = NULL;
		size_t len;
		int r;

		strbuf_addf(&path, "%s/%s", dir, entries[i]->d_name);
		r = file_read_alloc(AT_FDCWD, strbuf_str(&path), RULE_FILE_MAX, &text, &len);
		if (r < 0)
			strbuf_addf(messages, "%s:1: %s\n", strbuf_str(&path), strerror(-r));
		else
			r = load_text(rules, strbuf_str(&path), text, len, true, messages);
		result = r < 0 ? r : result;
		free(entries[i]);
	}
	free(entries);
	return result;
}

static int load_embedded(struct rules *rules, struct strbuf *messages)
{
	static const char prefix[] = "analyze/rules/";
	const struct embedded_file *file;
	int result = 0, r;

	for (size_t i = 0; (file = embedded_at(i)); i++) {
		size_t len = strlen(file->path);

		if (strncmp(file->path, prefix, sizeof(prefix) - 1) || len < 5 || strcmp(file->path + len - 5, ".yaml"))
			continue;
		r = load_text(rules, file->path, file->data, file->size, false, messages);
		result = r < 0 ? r : result;
	}
	return result;
}

static int by_cause(const void *a, const void *b)
{
	return strcmp((*(struct rule *const *)a)->cause, (*(struct rule *const *)b)->cause);
}

static int check_cause(const struct rules *rules, const struct rule *rule, unsigned int line, const char *cause,
		       struct strbuf *messages)
{
	if (rules_find(rules, cause))
		return 0;
	strbuf_addf(messages, "%s:%u: no rule has cause %s\n", rule->file, line, cause);
	return -EINVAL;
}

static int check_causes(const struct rules *rules, struct strbuf *messages)
{
	int result = 0;

	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *rule = rules->items[i];

		for (size_t e = 0; e < rule->evidence_count; e++)
			if (rule->evidence[e].rules_out && check_cause(rules, rule, rule->evidence[e].line,
								       rule->evidence[e].rules_out, messages) < 0)
				result = -EINVAL;
		for (size_t c = 0; c < rule->chain_to.count; c++)
			if (check_cause(rules, rule, 1, rule->chain_to.items[c], messages) < 0)
				result = -EINVAL;
	}
	return result;
}

static void hash_rules(struct rules *rules)
{
	AUTO(strbuf) struct strbuf all = STRBUF_INIT;

	for (size_t i = 0; i < rules->count; i++)
		strbuf_addf(&all, "%s %s\n", rules->items[i]->sha256, rules->items[i]->cause);
	sha256_hex(strbuf_str(&all), all.len, rules->sha256);
}

int rules_load(const char *dir, struct rules **ret_rules, struct strbuf *ret_messages)
{
	struct rules *rules = calloc(1, sizeof(*rules));
	int r, result;

	if (!rules)
		return -ENOMEM;
	result = load_embedded(rules, ret_messages);
	if (dir && *dir) {
		r = load_dir(rules, dir, ret_messages);
		result = r < 0 ? r : result;
	}
	qsort(rules->items, rules->count, sizeof(struct rule *), by_cause);
	if (result == 0)
		result = check_causes(rules, ret_messages);
	if (result < 0) {
		rules_free(rules);
		return -EINVAL;
	}
	hash_rules(rules);
	*ret_rules = rules;
	return 0;
}

void rules_free(struct rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->count; i++)
		rule_free(rules->items[i]);
	free(rules);
}

const struct rule *rules_at(const struct rules *rules, size_t i)
{
	return i < rules->count ? rules->items[i] : NULL;
}

const struct rule *rules_find(const struct rules *rules, const char *cause)
{
	for (size_t i = 0; i < rules->count; i++)
		if (!strcmp(rules->items[i]->cause, cause))
			return rules->items[i];
	return NULL;
}

bool rule_has_symptom(const struct rule *rule, const char *symptom)
{
	for (size_t i = 0; i < rule->symptoms.count; i++)
		if (!strcmp(rule->symptoms.items[i], symptom))
			return true;
	return false;
}

const char *rules_sha256(const struct rules *rules)
{
	return rules->sha256;
}

int rules_check_file(const char *path, struct strbuf *ret_messages)
{
	AUTO_FREE char *text = NULL;
	struct rule *rule;
	size_t len;
	int r = file_read_alloc(AT_FDCWD, path, RULE_FILE_MAX, &text, &len);

	if (r < 0) {
		strbuf_addf(ret_messages, "%s:1: %s\n", path, strerror(-r));
		return r;
	}
	r = rules_parse(path, text, len, &rule, ret_messages);
	if (r == 0)
		rule_free(rule);
	return r;
}
