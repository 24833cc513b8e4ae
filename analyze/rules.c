/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/rules_sql.h"
#include "analyze/yamlmap.h"
#include "base/cleanup.h"
#include "base/embed.h"
#include "base/fileutil.h"
#include "base/hash.h"

#define RULE_FILE_MAX (256 * 1024)
#define SYMPTOMS_FILE "symptoms.yaml"

struct rules {
	struct rule *items[RULES_MAX];
	size_t count;
	struct symptoms symptoms;
	sqlite3 *views; /* what queries are checked against; only while files are read */
	char *dir; /* NULL: none */
	uint64_t dir_state;
	char sha256[65];
};

/* ---- adding ---------------------------------------------------------------------------------------------------- */

/* Takes the symptom over; one of a site replaces the embedded one of its name. */
static int add_symptom(struct rules *rules, const char *file, struct symptom *symptom, bool site,
		       struct strbuf *messages)
{
	struct symptoms *all = &rules->symptoms;
	const struct symptom *of_reason = symptom->reason ? symptom_of_reason(all, symptom->reason) : NULL;
	size_t i = 0;

	symptom->builtin = !site;
	while (i < all->count && strcmp(all->items[i]->name, symptom->name))
		i++;
	if (i < all->count && (!site || !all->items[i]->builtin))
		strbuf_addf(messages, "%s:%u: symptom %s is defined already\n", file, symptom->line, symptom->name);
	else if (of_reason && strcmp(of_reason->name, symptom->name))
		strbuf_addf(messages, "%s:%u: waits for reason %s feed symptom %s already\n", file, symptom->line,
			    symptom->reason, of_reason->name);
	else if (i == SYMPTOMS_MAX)
		strbuf_addf(messages, "%s:%u: more than %d symptoms\n", file, symptom->line, SYMPTOMS_MAX);
	else {
		if (i < all->count)
			symptom_free(all->items[i]);
		else
			all->count++;
		all->items[i] = symptom;
		return 0;
	}
	symptom_free(symptom);
	return -EEXIST;
}

/* Adds, or replaces the rule of the same cause when site is set; two of one kind are an error. */
static int add_rule(struct rules *rules, struct rule *rule, bool site, struct strbuf *messages)
{
	size_t i = 0;
	int r = 0;

	rule->builtin = !site;
	while (i < rules->count && strcmp(rules->items[i]->cause, rule->cause))
		i++;
	if (i < rules->count && (!site || !rules->items[i]->builtin)) {
		strbuf_addf(messages, "%s:1: cause %s has a rule in %s already\n", rule->file, rule->cause,
			    rules->items[i]->file);
		return -EEXIST;
	}
	if (i == RULES_MAX) {
		strbuf_addf(messages, "%s:1: more than %d rules\n", rule->file, RULES_MAX);
		return -E2BIG;
	}
	while (rule->own_count && r == 0)
		r = add_symptom(rules, rule->file, rule->own[--rule->own_count], site, messages);
	if (r < 0)
		return r;
	if (i < rules->count)
		rule_free(rules->items[i]);
	else
		rules->count++;
	rules->items[i] = rule;
	return 0;
}

static int load_symptoms(struct rules *rules, const char *file, const void *text, size_t len, bool site,
			 struct strbuf *messages)
{
	struct symptoms found = { 0 };
	int result = symptoms_parse(rules->views, file, text, len, &found, messages), r;

	for (size_t i = 0; i < found.count; i++) {
		r = add_symptom(rules, file, found.items[i], site, messages);
		result = r < 0 ? r : result;
	}
	return result;
}

static int load_text(struct rules *rules, const char *file, const void *text, size_t len, bool site,
		     struct strbuf *messages)
{
	const char *slash = strrchr(file, '/');
	struct rule *rule;
	int r;

	if (!strcmp(slash ? slash + 1 : file, SYMPTOMS_FILE))
		return load_symptoms(rules, file, text, len, site, messages);
	r = rules_parse(rules->views, file, text, len, &rule, messages);
	if (r == 0) {
		r = add_rule(rules, rule, site, messages);
		if (r < 0)
			rule_free(rule);
	}
	return r;
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static int load_file(struct rules *rules, const char *path, struct strbuf *messages)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = yamlmap_read_file(path, RULE_FILE_MAX, &text, &len, messages);

	return r < 0 ? r : load_text(rules, path, text, len, true, messages);
}

struct loading {
	struct rules *rules;
	struct strbuf *messages;
};

static void load_site(void *ctx, const char *path, const char *text, size_t len)
{
	const struct loading *l = ctx;

	load_text(l->rules, path, text, len, true, l->messages);
}

bool rules_changed(const struct rules *rules)
{
	return rules->dir && dir_state(rules->dir) != rules->dir_state;
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

/* ---- the whole set --------------------------------------------------------------------------------------------- */

static int by_cause(const void *a, const void *b)
{
	return strcmp((*(struct rule *const *)a)->cause, (*(struct rule *const *)b)->cause);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct symptom *const *)a)->name, (*(struct symptom *const *)b)->name);
}

static int check_cause(const struct rules *rules, const struct rule *rule, unsigned int line, const char *cause,
		       struct strbuf *messages)
{
	if (rules_find(rules, cause))
		return 0;
	strbuf_addf(messages, "%s:%u: no rule has cause %s\n", rule->file, line, cause);
	return -EINVAL;
}

/* A name that nothing has does no harm: what it stands for is never found. */
static int check_names(const struct rules *rules, const struct rule *rule, struct strbuf *messages)
{
	int result = 0;

	for (size_t e = 0; e < rule->evidence_count; e++)
		if (rule->evidence[e].rules_out &&
		    check_cause(rules, rule, rule->evidence[e].line, rule->evidence[e].rules_out, messages) < 0)
			result = -EINVAL;
	for (size_t c = 0; c < rule->chain_to.count; c++)
		if (strcmp(rule->chain_to.items[c], RULE_CHAIN_WAITS) &&
		    check_cause(rules, rule, rule->chain_to.line, rule->chain_to.items[c], messages) < 0)
			result = -EINVAL;
	for (size_t s = 0; s < rule->symptoms.count; s++) {
		if (symptom_find(&rules->symptoms, rule->symptoms.items[s]))
			continue;
		strbuf_addf(messages, "%s:%u: unknown symptom %s\n", rule->file, MAX(rule->symptoms.line, 1U),
			    rule->symptoms.items[s]);
		result = -EINVAL;
	}
	return result;
}

static int check_set(const struct rules *rules, bool site, struct strbuf *messages)
{
	int result = 0;

	for (size_t i = 0; i < rules->count; i++)
		if (rules->items[i]->builtin != site && check_names(rules, rules->items[i], messages) < 0)
			result = -EINVAL;
	return result;
}

static void sort_set(struct rules *rules)
{
	struct symptoms *symptoms = &rules->symptoms;

	qsort(rules->items, rules->count, sizeof(struct rule *), by_cause);
	qsort(symptoms->items, symptoms->count, sizeof(struct symptom *), by_name);
	for (size_t i = 0; i < symptoms->count; i++)
		symptoms->items[i]->index = i;
}

static void hash_rules(struct rules *rules)
{
	AUTO(strbuf) struct strbuf all = STRBUF_INIT;

	for (size_t i = 0; i < rules->count; i++)
		strbuf_addf(&all, "%s %s\n", rules->items[i]->sha256, rules->items[i]->cause);
	for (size_t i = 0; i < rules->symptoms.count; i++) {
		const struct symptom *s = rules->symptoms.items[i];

		strbuf_addf(&all, "%s %d %s %s %d\n%s\n", s->name, (int)s->kind, s->reason ? s->reason : "", s->effect,
			    s->host, s->sql);
	}
	sha256_hex(strbuf_str(&all), all.len, rules->sha256);
}

static struct rules *begin_set(void)
{
	struct rules *rules = calloc(1, sizeof(*rules));

	if (rules)
		rules->views = rules_sql_open();
	if (rules && !rules->views) {
		free(rules);
		return NULL;
	}
	return rules;
}

static struct rules *finish_set(struct rules *rules)
{
	sqlite3_close(rules->views);
	rules->views = NULL;
	sort_set(rules);
	hash_rules(rules);
	return rules;
}

int rules_load(const char *dir, struct rules **ret_rules, struct strbuf *ret_messages)
{
	struct rules *rules = begin_set();
	int r;

	if (!rules)
		return -ENOMEM;
	r = load_embedded(rules, ret_messages);
	if (r == 0)
		r = check_set(rules, false, ret_messages);
	if (r < 0) {
		rules_free(rules);
		return -EINVAL;
	}
	if (dir && *dir) {
		rules->dir = strdup(dir);
		rules->dir_state = dir_state(dir); /* before it is read: a change meanwhile is seen next time */
		yamlmap_each_file(dir, RULE_FILE_MAX, ret_messages, load_site,
				  &(struct loading){ rules, ret_messages });
		check_set(rules, true, ret_messages);
	}
	*ret_rules = finish_set(rules);
	return 0;
}

int rules_load_files(const char *const *paths, size_t count, struct rules **ret_rules, struct strbuf *ret_messages)
{
	struct rules *rules = begin_set();
	int result, r;

	if (!rules)
		return -ENOMEM;
	result = load_embedded(rules, ret_messages);
	for (size_t i = 0; i < count; i++) {
		r = load_file(rules, paths[i], ret_messages);
		result = r < 0 ? r : result;
	}
	r = check_set(rules, true, ret_messages);
	if (result < 0 || r < 0) {
		rules_free(rules);
		return -EINVAL;
	}
	*ret_rules = finish_set(rules);
	return 0;
}

int rules_check_files(const char *const *paths, size_t count, struct strbuf *ret_messages)
{
	struct rules *rules;
	int r = rules_load_files(paths, count, &rules, ret_messages);

	if (r == 0)
		rules_free(rules);
	return r;
}

void rules_free(struct rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->count; i++)
		rule_free(rules->items[i]);
	for (size_t i = 0; i < rules->symptoms.count; i++)
		symptom_free(rules->symptoms.items[i]);
	sqlite3_close(rules->views);
	free(rules->dir);
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

const struct symptoms *rules_symptoms(const struct rules *rules)
{
	return &rules->symptoms;
}

const char *rules_sha256(const struct rules *rules)
{
	return rules->sha256;
}
