/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diagnosis rules: one YAML file a cause, in analyze/rules/ (inside the
 * program) and in the directory of the setting analyze.rules, which replaces
 * those of the same cause.  The keys, and what a query must return, are
 * documented in analyze/rules/README.md.
 */
#ifndef KWHY_ANALYZE_RULES_H
#define KWHY_ANALYZE_RULES_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyze/symptoms.h"
#include "analyze/template.h"
#include "base/strbuf.h"

#define RULE_EVIDENCE_MAX 24
#define RULE_LIST_MAX 12
#define RULE_REMEDIES_MAX 6
#define RULE_SYMPTOMS_MAX 4
#define RULES_MAX 256
#define RULE_CHAIN_WAITS "waits" /* in chain_to: whatever causes waits */

enum evidence_role { EVIDENCE_REQUIRE, EVIDENCE_SUPPORT, EVIDENCE_REFUTE };
enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL };
enum culprit_kind { CULPRIT_NONE, CULPRIT_SQL, CULPRIT_SELF, CULPRIT_SINK };

const char *severity_name(enum severity severity);

struct string_list {
	char *items[RULE_LIST_MAX];
	size_t count;
	unsigned int line; /* of the file; 0: no such list there */
};

struct evidence_def {
	enum evidence_role role;
	char *id, *claim, *sql;
	char *rows_sql;              /* NULL: none */
	char *rules_out;             /* cause; refute only, may be NULL */
	struct string_list probes;   /* without these, not holding means untestable */
	enum unit unit;              /* of observed and expected */
	bool from_events;            /* reads single occurrences, which the ring buffer can lose */
	bool confirms;               /* named in confirmed_by */
	unsigned int line;
};

struct remedy_def {
	char *action, *command, *risk, *verify_sql; /* all but action may be NULL */
	char *command_v1; /* in place of command where cgroup v1 has the controllers; NULL: the same */
	bool host;        /* only when the culprit is the host itself, outside containers */
	bool reversible;
};

struct rule {
	char *file;                  /* for messages */
	bool builtin;                /* came with the program */
	char *cause, *title, *resource, *headline;
	char *resource_sql;          /* one text column: the name of the resource; NULL: its kind */
	char *severity_sql;          /* one text column; NULL result or none: severity */
	enum severity severity;
	int64_t priority;            /* higher wins among equals */
	bool fallback;               /* for symptoms that no other rule explains: inconclusive, whatever holds */
	struct string_list symptoms, confirmed_by, chain_to;
	struct evidence_def evidence[RULE_EVIDENCE_MAX];
	size_t evidence_count;
	enum culprit_kind culprit_kind;
	char *culprit_sql, *culprit_what;
	char *mechanism;             /* what the culprit did, for the chain */
	struct remedy_def remedies[RULE_REMEDIES_MAX];
	size_t remedy_count;
	struct symptom *own[RULE_SYMPTOMS_MAX]; /* defined in its file, and part of symptoms; a set takes them over */
	size_t own_count;
	char sha256[65];             /* of the file's text */
};

struct rules;

/*
 * The embedded rules, then those of dir ("" or NULL: none), which replace those of the same cause or symptom.
 * -EINVAL when an embedded one is wrong.  A wrong one of dir is left out and takes no other down; what is wrong stands
 * in *ret_messages as "file:line: text" lines: unknown or missing keys, SQL that does not prepare against the views,
 * unknown variables, symptoms, evidence or causes.
 */
int rules_load(const char *dir, struct rules **ret_rules, struct strbuf *ret_messages);
/* Whether a file of the directory they were loaded from came, went or was written since. */
bool rules_changed(const struct rules *rules);
/*
 * Checks files against the embedded rules and each other: 0, or -EINVAL with what is wrong, as above.  A file named
 * symptoms.yaml holds symptoms only.
 */
int rules_check_files(const char *const *paths, size_t count, struct strbuf *ret_messages);
/* The same, and hands the set over. */
int rules_load_files(const char *const *paths, size_t count, struct rules **ret_rules, struct strbuf *ret_messages);
/*
 * One file's text alone; symptoms and causes it names need not exist.  Its queries are checked against views, an open
 * rules_sql_open(): making one costs more than the file does.
 */
int rules_parse(sqlite3 *views, const char *file, const char *text, size_t len, struct rule **ret_rule,
		struct strbuf *ret_messages);
/* A list of symptoms; each that is right is added to *ret_symptoms. */
int symptoms_parse(sqlite3 *views, const char *file, const char *text, size_t len, struct symptoms *ret_symptoms,
		   struct strbuf *ret_messages);
void rules_free(struct rules *rules);
void rule_free(struct rule *rule);

/* In order of cause; NULL past the end. */
const struct rule *rules_at(const struct rules *rules, size_t i);
const struct rule *rules_find(const struct rules *rules, const char *cause);
bool rule_has_symptom(const struct rule *rule, const char *symptom);
const struct symptoms *rules_symptoms(const struct rules *rules);
/* Over the texts in order of cause, then those of symptoms. */
const char *rules_sha256(const struct rules *rules);

#endif
