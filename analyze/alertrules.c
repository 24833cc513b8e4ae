/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/alertrules.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/rules_sql.h"
#include "analyze/yamlmap.h"
#include "base/cleanup.h"
#include "base/embed.h"
#include "base/fileutil.h"
#include "base/timeutil.h"

#define EMBEDDED_DIR "analyze/alertrules/"
#define FILE_MAX (256 * 1024)

struct alert_rules {
	struct alert_rule *items[ALERT_RULES_MAX];
	size_t count;
	char *dir; /* NULL: none */
	uint64_t dir_state;
};

/* ---- pairs ------------------------------------------------------------------------------------------------ */

const char *alert_pairs_get(const struct alert_pairs *pairs, const char *name)
{
	for (size_t i = 0; i < pairs->count; i++)
		if (!strcmp(pairs->items[i].name, name))
			return pairs->items[i].value;
	return NULL;
}

int alert_pairs_set(struct alert_pairs *pairs, const char *name, const char *value)
{
	struct alert_pair *p = pairs->items;
	char *copy = strdup(value), *key;

	if (!copy)
		return -ENOMEM;
	while (p < pairs->items + pairs->count && strcmp(p->name, name))
		p++;
	if (p < pairs->items + pairs->count) {
		free(p->value);
		p->value = copy;
		return 0;
	}
	key = pairs->count < ALERT_LABELS_MAX ? strdup(name) : NULL;
	if (!key) {
		free(copy);
		return pairs->count < ALERT_LABELS_MAX ? -ENOMEM : -E2BIG;
	}
	*p = (struct alert_pair){ key, copy };
	pairs->count++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct alert_pair *)a)->name, ((const struct alert_pair *)b)->name);
}

void alert_pairs_sort(struct alert_pairs *pairs)
{
	qsort(pairs->items, pairs->count, sizeof(pairs->items[0]), by_name);
}

void alert_pairs_cleanup(struct alert_pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		free(pairs->items[i].name);
		free(pairs->items[i].value);
	}
	pairs->count = 0;
}

/* ---- sentences -------------------------------------------------------------------------------------------- */

static void add_value(struct strbuf *out, double value)
{
	if (value == floor(value) && fabs(value) < 1e15)
		strbuf_addf(out, "%.0f", value);
	else
		strbuf_addf(out, "%.6g", value);
}

/* One variable between the braces, already trimmed; false when it is none. */
static bool add_variable(struct strbuf *out, const char *name, size_t len, const struct alert_pairs *labels,
			 double value, const char *headline)
{
	static const char label[] = "$labels.";
	char key[64];

	if (len == 6 && !strncmp(name, "$value", 6)) {
		add_value(out, value);
	} else if (len == 9 && !strncmp(name, "$headline", 9)) {
		strbuf_addstr(out, headline ? headline : "");
	} else if (len > sizeof(label) - 1 && len < sizeof(key) && !strncmp(name, label, sizeof(label) - 1)) {
		const char *found;

		snprintf(key, sizeof(key), "%.*s", (int)(len - sizeof(label) + 1), name + sizeof(label) - 1);
		found = alert_pairs_get(labels, key);
		strbuf_addstr(out, found ? found : "");
	} else {
		return false;
	}
	return true;
}

/* Length of the variable at text, which begins behind "{{"; *ret_end is behind "}}".  0: no end. */
static size_t variable_at(const char **text, const char **ret_end)
{
	const char *p = *text + strspn(*text, " "), *end = strstr(p, "}}");
	size_t len;

	if (!end)
		return 0;
	len = (size_t)(end - p);
	while (len && p[len - 1] == ' ')
		len--;
	*text = p;
	*ret_end = end + 2;
	return len;
}

void alert_expand(struct strbuf *out, const char *text, const struct alert_pairs *labels, double value,
		  const char *headline)
{
	const char *open, *end;

	while ((open = strstr(text, "{{"))) {
		const char *name = open + 2;
		size_t len = variable_at(&name, &end);

		strbuf_add(out, text, (size_t)(open - text));
		if (!len)
			break;
		if (!add_variable(out, name, len, labels, value, headline))
			strbuf_addch(out, '?');
		text = end;
	}
	strbuf_addstr(out, open ? open : text);
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

/* Prometheus's label names: letters, digits, underscores, no digit first. */
static bool is_label(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return len && !name[len] && len < 64 && (*name < '0' || *name > '9');
}

static void check_sentence(struct yamlmap *y, const yaml_node_t *node, const char *text)
{
	static const struct alert_pairs none;
	AUTO(strbuf) struct strbuf scratch = STRBUF_INIT;
	const char *open, *end;

	for (; (open = strstr(text, "{{")); text = end) {
		const char *name = open + 2;
		size_t len = variable_at(&name, &end);

		if (!len) {
			yamlmap_complain(y, node, "\"{{\" without \"}}\"");
			return;
		}
		if (!add_variable(&scratch, name, len, &none, 0, ""))
			yamlmap_complain(y, node,
					 "unknown variable \"%.*s\"; there are $labels.NAME, $value and $headline",
					 (int)len, name);
	}
}

static void set_pairs(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	struct alert_pairs *pairs = target;

	if (node->type != YAML_MAPPING_NODE) {
		yamlmap_complain(y, node, "names and texts are expected here");
		return;
	}
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = yamlmap_node(y, pair->key), *value = yamlmap_node(y, pair->value);
		const char *name = yamlmap_scalar(y, key), *text = yamlmap_scalar(y, value);

		if (name && !is_label(name))
			yamlmap_complain(y, key, "\"%s\" is no name: letters, digits and underscores", name);
		else if (name && text && alert_pairs_set(pairs, name, text))
			yamlmap_complain(y, key, "more than %d names", ALERT_LABELS_MAX);
		else if (text)
			check_sentence(y, value, text);
	}
}

static void add_word(struct yamlmap *y, const yaml_node_t *item, void *target)
{
	const char *text = yamlmap_scalar(y, item);
	struct alert_words *words = target;

	if (words->count == ALERT_LIST_MAX)
		yamlmap_complain(y, item, "more than %d items", ALERT_LIST_MAX);
	else if (text)
		words->items[words->count++] = strdup(text);
}

/* One word, or a list of them. */
static void set_words(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	if (node->type == YAML_SEQUENCE_NODE)
		yamlmap_each(y, node, target, add_word);
	else
		add_word(y, node, target);
}

static void check_words(struct yamlmap *y, const yaml_node_t *node, const struct alert_words *words,
			const char *const *allowed)
{
	for (size_t i = 0; i < words->count; i++) {
		size_t k = 0;

		while (allowed[k] && strcmp(allowed[k], words->items[i]))
			k++;
		if (!allowed[k])
			yamlmap_complain(y, node, "\"%s\" is none of %s, %s, %s%s%s", words->items[i], allowed[0],
					 allowed[1], allowed[2], allowed[3] ? ", " : "", allowed[3] ? allowed[3] : "");
	}
}

static void set_on_report(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	static const struct yamlmap_key keys[] = {
		{ "cause", false, set_words, offsetof(struct alert_rule, causes) },
		{ "severity", false, set_words, offsetof(struct alert_rule, severities) },
		{ "confidence", false, set_words, offsetof(struct alert_rule, confidences) },
		{ 0 },
	};
	static const char *const severities[] = { "info", "warning", "critical", NULL };
	static const char *const confidences[] = { "confirmed", "probable", "possible", "inconclusive", NULL };
	struct alert_rule *rule = target;

	yamlmap_read(y, node, keys, rule);
	check_words(y, node, &rule->severities, severities);
	check_words(y, node, &rule->confidences, confidences);
}

static void rule_free(struct alert_rule *r)
{
	struct alert_words *const words[] = { &r->causes, &r->severities, &r->confidences };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		for (size_t k = 0; k < words[i]->count; k++)
			free(words[i]->items[k]);
	alert_pairs_cleanup(&r->labels);
	alert_pairs_cleanup(&r->annotations);
	free(r->alert);
	free(r->group);
	free(r->file);
	free(r->sql);
	free(r);
}

struct group {
	char *name;
	int64_t interval_ns;
	const yaml_node_t *rules;
};

static void set_node(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	(void)y;
	*(const yaml_node_t **)target = node;
}

struct reading {
	struct alert_rules *set;
	sqlite3 *views; /* what queries are checked against */
	struct group group;
};

/* on_report's target is the rule itself, so its offset is 0; whether it was there is told by sql alone being absent. */
static const struct yamlmap_key rule_keys[] = {
	{ "alert", true, yamlmap_set_text, offsetof(struct alert_rule, alert) },
	{ "sql", false, yamlmap_set_text, offsetof(struct alert_rule, sql) },
	{ "on_report", false, set_on_report, 0 },
	{ "for", false, yamlmap_set_span, offsetof(struct alert_rule, for_ns) },
	{ "keep_firing_for", false, yamlmap_set_span, offsetof(struct alert_rule, keep_ns) },
	{ "enabled", false, yamlmap_set_bool, offsetof(struct alert_rule, enabled) },
	{ "labels", false, set_pairs, offsetof(struct alert_rule, labels) },
	{ "annotations", false, set_pairs, offsetof(struct alert_rule, annotations) },
	{ 0 },
};

static bool has_key(struct yamlmap *y, const yaml_node_t *node, const char *name)
{
	if (node->type != YAML_MAPPING_NODE)
		return false;
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = yamlmap_node(y, pair->key);

		if (key->type == YAML_SCALAR_NODE && !strcmp((const char *)key->data.scalar.value, name))
			return true;
	}
	return false;
}

static void check_sql(struct yamlmap *y, const yaml_node_t *item, sqlite3 *views, const struct alert_rule *rule)
{
	AUTO(strbuf) struct strbuf why = STRBUF_INIT;

	if (rule->sql && rules_sql_check_alert(views, rule->sql, &why))
		yamlmap_complain(y, item, "%s", strbuf_str(&why));
}

/* A rule that is wrong is left out; the others of its file count. */
static void read_rule(struct yamlmap *y, const yaml_node_t *item, void *target)
{
	struct reading *reading = target;
	struct alert_rules *set = reading->set;
	struct alert_rule *rule = calloc(1, sizeof(*rule));
	bool failed = y->failed;

	if (!rule)
		return;
	rule->enabled = true;
	rule->line = yamlmap_line(item);
	rule->interval_ns = reading->group.interval_ns;
	rule->group = strdup(reading->group.name);
	rule->file = strdup(y->file);
	y->failed = false;
	yamlmap_read(y, item, rule_keys, rule);
	if (has_key(y, item, "sql") == has_key(y, item, "on_report"))
		yamlmap_complain(y, item, "a rule has either sql or on_report");
	if (rule->alert && !is_label(rule->alert))
		yamlmap_complain(y, item, "\"%s\" is no name: letters, digits and underscores", rule->alert);
	check_sql(y, item, reading->views, rule);
	for (size_t i = 0; rule->alert && i < set->count; i++)
		if (!strcmp(set->items[i]->alert, rule->alert) && !strcmp(set->items[i]->file, rule->file))
			yamlmap_complain(y, item, "alert %s stands here twice", rule->alert);
	if (set->count == ALERT_RULES_MAX)
		yamlmap_complain(y, item, "more than %d rules", ALERT_RULES_MAX);
	if (y->failed)
		rule_free(rule);
	else
		set->items[set->count++] = rule;
	y->failed |= failed;
}

static void read_group(struct yamlmap *y, const yaml_node_t *item, void *target)
{
	static const struct yamlmap_key keys[] = {
		{ "name", true, yamlmap_set_text, offsetof(struct group, name) },
		{ "interval", false, yamlmap_set_span, offsetof(struct group, interval_ns) },
		{ "rules", true, set_node, offsetof(struct group, rules) },
		{ 0 },
	};
	struct reading *reading = target;

	reading->group = (struct group){ .interval_ns = ALERT_INTERVAL_NS };
	yamlmap_read(y, item, keys, &reading->group);
	if (reading->group.interval_ns < NSEC_PER_SEC)
		yamlmap_complain(y, item, "an interval is at least 1s");
	if (reading->group.name && reading->group.rules)
		yamlmap_each(y, reading->group.rules, reading, read_rule);
	free(reading->group.name);
}

static void set_groups(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	struct reading reading = { .set = target, .views = rules_sql_open() };

	if (reading.views)
		yamlmap_each(y, node, &reading, read_group);
	else
		yamlmap_complain(y, node, "out of memory");
	sqlite3_close(reading.views);
}

static int read_text(struct alert_rules *set, const char *file, const char *text, size_t len,
		     struct strbuf *messages)
{
	static const struct yamlmap_key keys[] = { { "groups", true, set_groups, 0 }, { 0 } };
	struct yamlmap y;
	int r = yamlmap_open(&y, file, text, len, messages);

	if (r)
		return r;
	yamlmap_read(&y, yaml_document_get_root_node(&y.doc), keys, set);
	yamlmap_close(&y);
	return y.failed ? -EINVAL : 0;
}

bool alert_rules_are(const char *text)
{
	return !strncmp(text, "groups:", 7) || strstr(text, "\ngroups:");
}

int alert_rules_parse(const char *file, const char *text, size_t len, struct alert_rules **ret_rules,
		      struct strbuf *ret_messages)
{
	struct alert_rules *set = calloc(1, sizeof(*set));
	int r = set ? read_text(set, file, text, len, ret_messages) : -ENOMEM;

	if (r) {
		alert_rules_free(set);
		return r;
	}
	*ret_rules = set;
	return 0;
}

int alert_rules_check(const char *path, struct strbuf *ret_messages)
{
	struct alert_rules *set = NULL;
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = yamlmap_read_file(path, FILE_MAX, &text, &len, ret_messages);

	if (!r)
		r = alert_rules_parse(path, text, len, &set, ret_messages);
	alert_rules_free(set);
	return r ? -EINVAL : 0;
}

/* ---- the set in force ------------------------------------------------------------------------------------- */

static bool is_site_group(const struct alert_rules *set, const char *group)
{
	for (size_t i = 0; i < set->count; i++)
		if (!set->items[i]->builtin && !strcmp(set->items[i]->group, group))
			return true;
	return false;
}

struct loading {
	struct alert_rules *set;
	struct strbuf *messages;
};

static void load_site(void *ctx, const char *path, const char *text, size_t len)
{
	const struct loading *l = ctx;

	read_text(l->set, path, text, len, l->messages);
}

/* The shipped ones come after the site's, without the groups that a site replaced. */
static int load_embedded(struct alert_rules *set, struct strbuf *messages)
{
	const struct embedded_file *file;

	for (size_t i = 0; (file = embedded_at(i)); i++) {
		struct alert_rules *shipped;
		int r;

		if (strncmp(file->path, EMBEDDED_DIR, strlen(EMBEDDED_DIR)))
			continue;
		r = alert_rules_parse(file->path, (const char *)file->data, file->size, &shipped, messages);
		if (r)
			return r;
		for (size_t k = 0; k < shipped->count; k++) {
			struct alert_rule *rule = shipped->items[k];

			rule->builtin = true;
			if (set->count < ALERT_RULES_MAX && !is_site_group(set, rule->group))
				set->items[set->count++] = rule;
			else
				rule_free(rule);
		}
		shipped->count = 0;
		alert_rules_free(shipped);
	}
	return 0;
}

int alert_rules_load(const char *dir, struct alert_rules **ret_rules, struct strbuf *ret_messages)
{
	struct alert_rules *set = calloc(1, sizeof(*set));
	int r;

	if (!set)
		return -ENOMEM;
	if (dir && *dir) {
		set->dir = strdup(dir);
		set->dir_state = dir_state(dir);
		yamlmap_each_file(dir, FILE_MAX, ret_messages, load_site, &(struct loading){ set, ret_messages });
	}
	r = load_embedded(set, ret_messages);
	if (r) {
		alert_rules_free(set);
		return r;
	}
	*ret_rules = set;
	return 0;
}

bool alert_rules_changed(const struct alert_rules *set)
{
	return set->dir && dir_state(set->dir) != set->dir_state;
}

void alert_rules_free(struct alert_rules *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->count; i++)
		rule_free(set->items[i]);
	free(set->dir);
	free(set);
}

const struct alert_rule *alert_rules_at(const struct alert_rules *set, size_t i)
{
	return i < set->count ? set->items[i] : NULL;
}

/* ---- reports ---------------------------------------------------------------------------------------------- */

static bool has_word(const struct alert_words *words, const char *text)
{
	for (size_t i = 0; i < words->count; i++)
		if (!strcmp(words->items[i], text))
			return true;
	return !words->count;
}

static bool has_cause(const struct alert_words *words, const char *cause)
{
	for (size_t i = 0; i < words->count; i++) {
		size_t len = strlen(words->items[i]);

		if (!strncmp(words->items[i], cause, len) && (!cause[len] || cause[len] == '.'))
			return true;
	}
	return !words->count;
}

bool alert_rule_matches(const struct alert_rule *rule, const char *cause, const char *severity, const char *confidence)
{
	return !rule->sql && has_cause(&rule->causes, cause) && has_word(&rule->severities, severity) &&
	       has_word(&rule->confidences, confidence);
}
