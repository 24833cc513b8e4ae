/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/rules_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "analyze/engine.h"
#include "analyze/rules.h"
#include "analyze/rules_sql.h"
#include "analyze/sqlfuncs.h"
#include "base/cleanup.h"
#include "base/fileutil.h"
#include "base/timeutil.h"

#define FILE_MAX (1024 * 1024)
#define RULE_FILES_MAX 16
#define COLUMNS_MAX 64

/* One file being run. */
struct suite {
	const char *path;
	struct strbuf *out;
	yaml_document_t doc;
	struct rules *rules;
	int failed;
};

static const yaml_node_t *node_at(struct suite *s, int index)
{
	return yaml_document_get_node(&s->doc, index);
}

static const char *text_of(const yaml_node_t *node)
{
	return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static const yaml_node_t *member(struct suite *s, const yaml_node_t *map, const char *name)
{
	if (!map || map->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
		const char *key = text_of(node_at(s, p->key));

		if (key && !strcmp(key, name))
			return node_at(s, p->value);
	}
	return NULL;
}

static const char *member_text(struct suite *s, const yaml_node_t *map, const char *name)
{
	return text_of(member(s, map, name));
}

PRINTF_LIKE(3, 4)
static int refuse(struct suite *s, const yaml_node_t *node, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	strbuf_addf(s->out, "%s:%zu: %s\n", s->path, node ? node->start_mark.line + 1 : 1, text);
	return -EINVAL;
}

/* ---- evidence -------------------------------------------------------------------------------------------------- */

/* A name of a view or column goes into SQL text. */
static bool is_name(const char *text)
{
	return text && *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")];
}

static bool ends_in_ns(const char *column)
{
	size_t len = strlen(column);

	return len >= 3 && !strcmp(column + len - 3, "_ns");
}

/* Quoted scalars are text; others numbers where they can be, and spans in columns of times. */
static void bind_value(sqlite3_stmt *stmt, int i, const char *column, const yaml_node_t *node)
{
	const char *text = text_of(node);
	bool plain = text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	int64_t number;
	char *end;
	double real;

	if (!text || (plain && (!strcmp(text, "null") || !*text)))
		sqlite3_bind_null(stmt, i);
	else if (plain && int_parse(text, &number) == 0)
		sqlite3_bind_int64(stmt, i, number);
	else if (plain && ends_in_ns(column) && time_parse_span(text, &number) == 0)
		sqlite3_bind_int64(stmt, i, number);
	else if (plain && (real = strtod(text, &end), !*end))
		sqlite3_bind_double(stmt, i, real);
	else
		sqlite3_bind_text(stmt, i, text, -1, SQLITE_TRANSIENT);
}

static int add_row(struct suite *s, sqlite3 *db, const char *view, const yaml_node_t *row)
{
	AUTO(strbuf) struct strbuf sql = STRBUF_INIT;
	AUTO(strbuf) struct strbuf values = STRBUF_INIT;
	yaml_node_pair_t *pairs = row->data.mapping.pairs.start;
	size_t count = row->type == YAML_MAPPING_NODE ? (size_t)(row->data.mapping.pairs.top - pairs) : 0;
	sqlite3_stmt *stmt;
	int rc;

	if (!count || count > COLUMNS_MAX)
		return refuse(s, row, "a row is a mapping of columns to values");
	strbuf_addf(&sql, "INSERT INTO %s (", view);
	for (size_t i = 0; i < count; i++) {
		const char *column = text_of(node_at(s, pairs[i].key));

		if (!is_name(column))
			return refuse(s, row, "that is no name of a column");
		strbuf_addf(&sql, "%s\"%s\"", i ? ", " : "", column);
		strbuf_addstr(&values, i ? ", ?" : "?");
	}
	strbuf_addf(&sql, ") VALUES (%s)", strbuf_str(&values));
	if (sqlite3_prepare_v2(db, strbuf_str(&sql), -1, &stmt, NULL) != SQLITE_OK)
		return refuse(s, row, "%s", sqlite3_errmsg(db));
	for (size_t i = 0; i < count; i++)
		bind_value(stmt, (int)i + 1, text_of(node_at(s, pairs[i].key)), node_at(s, pairs[i].value));
	rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : refuse(s, row, "%s", sqlite3_errmsg(db));
}

static int add_rows(struct suite *s, sqlite3 *db, const yaml_node_t *test)
{
	const yaml_node_t *views = member(s, test, "rows");

	if (!views || views->type != YAML_MAPPING_NODE)
		return refuse(s, test, "a test has rows: views and their rows");
	for (yaml_node_pair_t *p = views->data.mapping.pairs.start; p < views->data.mapping.pairs.top; p++) {
		const yaml_node_t *rows = node_at(s, p->value);
		const char *view = text_of(node_at(s, p->key));

		if (!is_name(view) || strncmp(view, "v_", 2) || rows->type != YAML_SEQUENCE_NODE)
			return refuse(s, rows, "below rows stand names of views, each with a list of rows");
		for (yaml_node_item_t *i = rows->data.sequence.items.start; i < rows->data.sequence.items.top; i++)
			if (add_row(s, db, view, node_at(s, *i)) < 0)
				return -EINVAL;
	}
	return 0;
}

static bool listed(struct suite *s, const yaml_node_t *list, const char *name)
{
	if (!list || list->type != YAML_SEQUENCE_NODE)
		return false;
	for (yaml_node_item_t *i = list->data.sequence.items.start; i < list->data.sequence.items.top; i++) {
		const char *text = text_of(node_at(s, *i));

		if (text && !strcmp(text, name))
			return true;
	}
	return false;
}

/* Every probe that a rule asks for was there all the time, but for those the test says are missing. */
static void add_coverage(struct suite *s, sqlite3 *db, const yaml_node_t *missing, const struct window *w)
{
	static const char insert[] =
		"INSERT INTO v_coverage (ts_ns, probe, state, attach, why, emitted, stored, lost_ring, suppressed,"
		" lost_other, run_ns, run_count, cost_ppm) SELECT ?1, ?2, ?3, '', '', 0, 0, 0, 0, 0, 0, 0, 0 WHERE NOT EXISTS (SELECT 1"
		" FROM v_coverage WHERE probe = ?2)";
	const struct rule *rule;
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(db, insert, -1, &stmt, NULL) != SQLITE_OK)
		return;
	for (size_t i = 0; (rule = rules_at(s->rules, i)); i++) {
		for (size_t e = 0; e < rule->evidence_count; e++) {
			const struct string_list *probes = &rule->evidence[e].probes;

			for (size_t p = 0; p < probes->count; p++) {
				sqlite3_bind_int64(stmt, 1, w->to_ns);
				sqlite3_bind_text(stmt, 2, probes->items[p], -1, SQLITE_STATIC);
				sqlite3_bind_text(stmt, 3, listed(s, missing, probes->items[p]) ? "off" : "attached", -1,
						  SQLITE_STATIC);
				sqlite3_step(stmt);
				sqlite3_reset(stmt);
			}
		}
	}
	sqlite3_finalize(stmt);
}

/* ---- expectations ---------------------------------------------------------------------------------------------- */

static void expect(struct suite *s, const yaml_node_t *expected, const char *what, const char *got, struct strbuf *wrong)
{
	const char *text = member_text(s, expected, what);

	if (text && strcmp(text, got))
		strbuf_addf(wrong, "%s%s is %s, not %s", wrong->len ? "; " : "", what, got, text);
}

static void compare(struct suite *s, const yaml_node_t *expected, const struct hypothesis *h, struct strbuf *wrong)
{
	const struct culprit *c = h && h->culprit_count ? &h->culprits[0] : NULL;
	char culprit[160] = "none";

	if (c && c->is_container)
		snprintf(culprit, sizeof(culprit), "%lld", (long long)c->container);
	else if (c)
		snprintf(culprit, sizeof(culprit), "%s", c->what);
	expect(s, expected, "cause", h ? h->rule->cause : "none", wrong);
	expect(s, expected, "verdict", h ? verdict_name(h->verdict) : "none", wrong);
	expect(s, expected, "confidence", h ? confidence_name(h->level) : "none", wrong);
	expect(s, expected, "severity", h ? severity_name(h->severity) : "none", wrong);
	expect(s, expected, "culprit", culprit, wrong);
	expect(s, expected, "resource", h ? h->resource_name : "none", wrong);
	for (size_t i = 0; h && i < h->test_count; i++) {
		const char *held = h->tests[i].holds < 0 ? "untestable" : h->tests[i].holds ? "true" : "false";

		expect(s, member(s, expected, "evidence"), h->tests[i].def->id, held, wrong);
	}
}

/* ---- one test -------------------------------------------------------------------------------------------------- */

static int64_t span_at(struct suite *s, const yaml_node_t *map, const char *name, int64_t fallback)
{
	const char *text = member_text(s, map, name);
	int64_t ns;

	return text && time_parse_span(text, &ns) == 0 ? ns : fallback;
}

/* The whole choice among the rules of a symptom, or one rule alone. */
static int run_diagnosis(struct suite *s, struct sql *sql, const yaml_node_t *test, const struct window *w,
			 struct strbuf *wrong)
{
	const char *symptom_name = member_text(s, test, "symptom"), *cause = member_text(s, test, "rule");
	const struct symptom *symptom = symptom_name ? symptom_find(rules_symptoms(s->rules), symptom_name) : NULL;
	const struct rule *rule = cause ? rules_find(s->rules, cause) : NULL;
	const yaml_node_t *expected = member(s, test, "expect");
	const char *victim_text = member_text(s, test, "victim");
	struct diagnosis d = { 0 };
	struct hypothesis *h = NULL;
	struct coverage coverage;
	int64_t victim;
	int r;

	if (!victim_text || int_parse(victim_text, &victim) < 0 || !expected || !symptom == !rule)
		return refuse(s, test, "a test has victim (a number), expect, and a known rule or symptom");
	r = coverage_load(sql, w->from_ns, w->to_ns, &coverage);
	if (r == 0 && symptom)
		r = engine_diagnose(sql, s->rules, symptom, victim, w, &coverage, &d);
	else if (r == 0)
		h = engine_evaluate(sql, rule, victim, NULL, w, &coverage);
	if (r == 0)
		compare(s, expected, symptom ? diagnosis_root(&d) : h, wrong);
	diagnosis_clear(&d);
	hypothesis_free(h);
	return r;
}

static int run_test(struct suite *s, const yaml_node_t *test)
{
	AUTO(strbuf) struct strbuf wrong = STRBUF_INIT;
	const char *name = member_text(s, test, "name");
	struct window w = { .onset_ns = span_at(s, test, "onset", 300 * NSEC_PER_SEC),
			    .to_ns = span_at(s, test, "to", 310 * NSEC_PER_SEC) };
	sqlite3 *db = rules_sql_open();
	struct sql *sql = sql_new();
	int r = db && sql && sqlfuncs_register(db) == 0 ? 0 : -ENOMEM;

	w.from_ns = w.baseline_to_ns = w.onset_ns - NSEC_PER_SEC;
	w.baseline_from_ns = w.from_ns - 300 * NSEC_PER_SEC;
	if (r == 0)
		r = add_rows(s, db, test);
	if (r == 0) {
		add_coverage(s, db, member(s, test, "missing"), &w);
		sql_use(sql, db);
		r = run_diagnosis(s, sql, test, &w, &wrong);
	}
	if (r == 0) {
		strbuf_addf(s->out, "%s %s%s%s\n", wrong.len ? "not ok" : "ok", name ? name : "?", wrong.len ? ": " : "",
			    strbuf_str(&wrong));
		s->failed += wrong.len > 0;
	}
	sql_free(sql);
	sqlite3_close(db);
	return r;
}

/* ---- a file ---------------------------------------------------------------------------------------------------- */

/* The embedded rules and the files the tests name, beside their own. */
static int load_rules(struct suite *s, const yaml_node_t *root)
{
	const yaml_node_t *list = member(s, root, "rules");
	const char *slash = strrchr(s->path, '/');
	struct strbuf paths[RULE_FILES_MAX] = { 0 };
	const char *names[RULE_FILES_MAX];
	size_t count = 0;
	int r;

	if (list && list->type != YAML_SEQUENCE_NODE)
		return refuse(s, list, "rules is a list of files");
	for (yaml_node_item_t *i = list ? list->data.sequence.items.start : NULL;
	     list && i < list->data.sequence.items.top && count < RULE_FILES_MAX; i++) {
		const char *file = text_of(node_at(s, *i));

		if (!file)
			continue;
		if (*file != '/' && slash)
			strbuf_addf(&paths[count], "%.*s/", (int)(slash - s->path), s->path);
		strbuf_addstr(&paths[count], file);
		names[count] = strbuf_str(&paths[count]);
		count++;
	}
	r = rules_load_files(names, count, &s->rules, s->out);
	for (size_t i = 0; i < count; i++)
		strbuf_cleanup(&paths[i]);
	return r;
}

static int run_suite(struct suite *s)
{
	const yaml_node_t *root = yaml_document_get_root_node(&s->doc), *tests = member(s, root, "tests");
	int r;

	if (!tests || tests->type != YAML_SEQUENCE_NODE)
		return refuse(s, root, "the file has a list of tests");
	r = load_rules(s, root);
	for (yaml_node_item_t *i = tests->data.sequence.items.start; r == 0 && i < tests->data.sequence.items.top; i++)
		r = run_test(s, node_at(s, *i));
	rules_free(s->rules);
	return r < 0 ? r : s->failed;
}

int rules_test_file(const char *path, struct strbuf *out)
{
	struct suite s = { .path = path, .out = out };
	AUTO_FREE char *text = NULL;
	yaml_parser_t parser;
	size_t len;
	int r = file_read_alloc(AT_FDCWD, path, FILE_MAX, &text, &len);

	if (r < 0)
		return refuse(&s, NULL, "%s", strerror(-r));
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (yaml_parser_load(&parser, &s.doc)) {
		r = run_suite(&s);
		yaml_document_delete(&s.doc);
	} else {
		strbuf_addf(out, "%s:%zu: %s\n", path, parser.problem_mark.line + 1,
			    parser.problem ? parser.problem : "not YAML");
		r = -EINVAL;
	}
	yaml_parser_delete(&parser);
	return r;
}
