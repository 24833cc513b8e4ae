/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alert rules: YAML in the shape of Prometheus's.
 *
 *   groups:
 *     - name: waits
 *       interval: 15s                    # how often its rules are evaluated; 15s without it
 *       rules:
 *         - alert: LongLockWaits
 *           sql: SELECT name AS container, max_ns AS value FROM ...   # or on_report, below
 *           for: 30s                     # pending until it has been true for this long
 *           keep_firing_for: 1min        # firing until it has been false for this long
 *           enabled: false               # true without it
 *           labels: {severity: warning}
 *           annotations: {summary: "{{ $labels.container }} waits: {{ $value }}"}
 *         - alert: RootCause
 *           on_report: {severity: [warning, critical], confidence: [confirmed], cause: [cpu, io.neighbor]}
 *
 * sql: every row is a series; the column "value" is its value (no row for what is not wrong; a NULL value is skipped),
 * all other columns are labels.  Parameters: :now, :from (now minus the interval, at least 15 s).
 * on_report: every open incident that matches is a series, with the labels incident, cause, severity, confidence,
 * container (first victim), culprit, resource; "cpu" matches cpu.*.  {{ $headline }} is its headline.
 */
#ifndef KWHY_ANALYZE_ALERTRULES_H
#define KWHY_ANALYZE_ALERTRULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

#define ALERT_RULES_MAX 256
#define ALERT_LABELS_MAX 24
#define ALERT_LIST_MAX 16
#define ALERT_INTERVAL_NS INT64_C(15000000000)

struct alert_pair {
	char *name, *value;
};

struct alert_pairs {
	struct alert_pair items[ALERT_LABELS_MAX];
	size_t count;
};

struct alert_words {
	char *items[ALERT_LIST_MAX];
	size_t count; /* 0: any */
};

struct alert_rule {
	char *alert, *group, *file;
	unsigned int line;
	bool enabled, builtin;
	char *sql; /* NULL: on_report */
	struct alert_words causes, severities, confidences;
	int64_t interval_ns, for_ns, keep_ns;
	struct alert_pairs labels, annotations;
};

struct alert_rules;

/*
 * The shipped groups, then the files of dir ("" or NULL: none); a group of a site replaces the shipped one of its name.
 * A wrong file or rule of dir is left out and takes no other down; what is wrong stands in *ret_messages.
 */
int alert_rules_load(const char *dir, struct alert_rules **ret_rules, struct strbuf *ret_messages);
/* Checks one file, its SQL against the views too.  0 or -EINVAL with lines in *ret_messages. */
int alert_rules_check(const char *path, struct strbuf *ret_messages);
/* Whether the text looks like alert rules, as against a diagnosis rule. */
bool alert_rules_are(const char *text);
/* Exactly these rules. */
int alert_rules_parse(const char *file, const char *text, size_t len, struct alert_rules **ret_rules,
		      struct strbuf *ret_messages);
void alert_rules_free(struct alert_rules *set);
bool alert_rules_changed(const struct alert_rules *set);
const struct alert_rule *alert_rules_at(const struct alert_rules *set, size_t i); /* NULL past the end */

/* Whether a report's cause, severity and confidence are those of the rule. */
bool alert_rule_matches(const struct alert_rule *rule, const char *cause, const char *severity,
			const char *confidence);

/* "{{ $labels.NAME }}", "{{ $value }}" and "{{ $headline }}" replaced; labels may be missing (""). */
void alert_expand(struct strbuf *out, const char *text, const struct alert_pairs *labels, double value,
		  const char *headline);

const char *alert_pairs_get(const struct alert_pairs *pairs, const char *name); /* NULL when absent */
/* Copies; replaces one of the same name.  -E2BIG when full. */
int alert_pairs_set(struct alert_pairs *pairs, const char *name, const char *value);
void alert_pairs_sort(struct alert_pairs *pairs);
void alert_pairs_cleanup(struct alert_pairs *pairs);

#endif
