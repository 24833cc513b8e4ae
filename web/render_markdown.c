/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/html.h"
#include "web/render_report.h"
#include "web/rows.h"

/* Text in a paragraph or table cell: nothing in it can begin markup, HTML, or end the cell. */
static void md(struct strbuf *b, const char *s)
{
	AUTO(strbuf) struct strbuf plain = STRBUF_INIT;

	strbuf_add_plain(&plain, s);
	for (const char *c = strbuf_str(&plain); *c; c++) {
		if (*c == '<')
			strbuf_addstr(b, "&lt;");
		else if (*c == '&')
			strbuf_addstr(b, "&amp;");
		else if (*c == '\n')
			strbuf_addch(b, ' ');
		else {
			if (strchr("\\`*_{}[]>|#~!", *c))
				strbuf_addch(b, '\\');
			strbuf_addch(b, *c);
		}
	}
}

static void fence(struct strbuf *b, size_t len)
{
	while (len--)
		strbuf_addch(b, '`');
}

/* A code block whose fence is longer than any run of backticks inside. */
static void md_code(struct strbuf *b, const char *language, const char *code)
{
	size_t run = 0, longest = 2;

	for (const char *c = code; *c; c++) {
		run = *c == '`' ? run + 1 : 0;
		longest = MAX(longest, run);
	}
	strbuf_addch(b, '\n');
	fence(b, longest + 1);
	strbuf_addf(b, "%s\n", language);
	while (*code) {
		size_t len = strcspn(code, "\n");
		AUTO_FREE char *line = strndup(code, len);

		for (char *c = line; c && *c; c++)
			if (*c == '\t')
				*c = ' ';
		strbuf_add_plain(b, line ? line : "");
		strbuf_addch(b, '\n');
		code += len + (code[len] == '\n');
	}
	fence(b, longest + 1);
	strbuf_addch(b, '\n');
}

static void md_value(struct strbuf *b, const json_t *v)
{
	AUTO_FREE char *dumped = NULL;

	if (!v || json_is_null(v))
		md(b, "–");
	else if (json_is_string(v))
		md(b, json_string_value(v));
	else if (json_is_object(v) && json_object_get(v, "ref"))
		md(b, container_label(v));
	else {
		dumped = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
		md(b, dumped ? dumped : "?");
	}
}

static void md_list(struct strbuf *b, const json_t *array)
{
	json_t *item;
	size_t i;

	json_array_foreach ((json_t *)array, i, item) {
		strbuf_addstr(b, i ? ", " : "");
		md_value(b, item);
	}
}

static void md_culprit(struct strbuf *b, const json_t *c)
{
	const json_t *container = json_object_get(c, "container");

	md(b, json_is_object(container) ? container_label(container) : value_text(c, "what"));
}

static void head(struct strbuf *b, const json_t *r)
{
	const json_t *confidence = json_object_get(r, "confidence"), *window = json_object_get(r, "window");
	const json_t *node = json_object_get(r, "node"), *resource = json_object_get(r, "resource");
	int64_t onset = value_int(window, "onset_ns", 0), end = value_int(window, "end_ns", 0);

	strbuf_addstr(b, "# ");
	md(b, value_text(r, "headline"));
	strbuf_addstr(b, "\n\n- **Cause:** ");
	md(b, value_text(r, "cause"));
	strbuf_addstr(b, "\n- **Severity:** ");
	md(b, value_text(r, "severity"));
	strbuf_addstr(b, ", ");
	md(b, value_text(r, "status"));
	strbuf_addstr(b, "\n- **Confidence:** ");
	md(b, value_text(confidence, "level"));
	strbuf_addf(b, " (%s)", confidence_meaning(value_text(confidence, "level")));
	if (json_array_size(json_object_get(confidence, "capped_by"))) {
		strbuf_addstr(b, ", capped by ");
		md_list(b, json_object_get(confidence, "capped_by"));
	}
	strbuf_addstr(b, "\n- **Onset:** ");
	time_format(b, onset);
	strbuf_addstr(b, "\n- **Duration:** ");
	if (end > onset)
		span_format(b, end - onset);
	else
		strbuf_addstr(b, "still going on");
	strbuf_addstr(b, "\n- **Resource:** ");
	md(b, value_text(resource, "kind"));
	strbuf_addch(b, ' ');
	md(b, value_text(resource, "name"));
	strbuf_addstr(b, "\n- **Node:** ");
	md(b, value_text(node, "name"));
	strbuf_addch(b, ' ');
	md(b, value_text(node, "kernel"));
	strbuf_addstr(b, "\n- **Incident:** ");
	md(b, value_text(r, "id"));
	strbuf_addf(b, ", revision %lld\n", (long long)value_int(r, "revision", 0));
}

static void parties(struct strbuf *b, const json_t *r)
{
	json_t *item, *impact;
	size_t i, j;

	strbuf_addstr(b, "\n## Who did what to whom\n\n| Role | Who | What |\n| --- | --- | --- |\n");
	json_array_foreach (json_object_get(r, "victims"), i, item) {
		strbuf_addstr(b, "| victim | ");
		md(b, container_label(json_object_get(item, "container")));
		strbuf_addstr(b, " | ");
		json_array_foreach (json_object_get(item, "impact"), j, impact) {
			strbuf_addstr(b, j ? "; " : "");
			md(b, value_text(impact, "name"));
			strbuf_addch(b, ' ');
			text_quantity(b, value_number(impact, "value"), value_text(impact, "unit"));
			if (!isnan(value_number(impact, "baseline"))) {
				strbuf_addstr(b, ", usually ");
				text_quantity(b, value_number(impact, "baseline"), value_text(impact, "unit"));
			}
		}
		strbuf_addstr(b, " |\n");
	}
	json_array_foreach (json_object_get(r, "culprits"), i, item) {
		strbuf_addstr(b, "| culprit | ");
		md_culprit(b, item);
		strbuf_addstr(b, " | ");
		if (!isnan(value_number(item, "share")))
			strbuf_addf(b, "%.0f %%: ", value_number(item, "share") * 100);
		md(b, value_text(item, "what"));
		strbuf_addstr(b, " |\n");
	}
	json_array_foreach (json_object_get(r, "bystanders"), i, item) {
		strbuf_addstr(b, "| not to blame | ");
		md(b, container_label(json_object_get(item, "container")));
		strbuf_addstr(b, " | ");
		md(b, value_text(item, "why"));
		strbuf_addstr(b, " |\n");
	}
}

static void budget(struct strbuf *b, const json_t *list)
{
	json_t *part;
	size_t i;

	if (!json_array_size(list))
		return;
	strbuf_addstr(b, "\n## Where the victim's time went\n\n| State | Because of | Time |\n| --- | --- | ---: |\n");
	json_array_foreach ((json_t *)list, i, part) {
		strbuf_addstr(b, "| ");
		md(b, value_text(part, "state"));
		strbuf_addstr(b, " | ");
		md_value(b, json_object_get(part, "culprit"));
		strbuf_addstr(b, " | ");
		span_format(b, value_int(part, "ns", 0));
		strbuf_addstr(b, " |\n");
	}
}

static void remedies(struct strbuf *b, const json_t *list)
{
	json_t *item;
	size_t i;

	if (!json_array_size(list))
		return;
	strbuf_addstr(b, "\n## What to do\n");
	json_array_foreach ((json_t *)list, i, item) {
		strbuf_addf(b, "\n%zu. ", i + 1);
		md(b, value_text(item, "action"));
		strbuf_addstr(b, " (risk: ");
		md(b, value_text(item, "risk"));
		strbuf_addstr(b, json_is_true(json_object_get(item, "reversible")) ? "; reversible)\n" : ")\n");
		if (*value_text(item, "command"))
			md_code(b, "sh", value_text(item, "command"));
		if (*value_text(item, "verify_sql")) {
			strbuf_addstr(b, "\nTo verify:\n");
			md_code(b, "sql", value_text(item, "verify_sql"));
		}
	}
}

static void evidence(struct strbuf *b, const json_t *list)
{
	json_t *item;
	size_t i;

	strbuf_addstr(b, "\n## Evidence\n");
	json_array_foreach ((json_t *)list, i, item) {
		strbuf_addstr(b, "\n### ");
		md(b, value_text(item, "id"));
		strbuf_addstr(b, "\n\n");
		md(b, evidence_prefix(item));
		md(b, value_text(item, "claim"));
		strbuf_addstr(b, "\n\nObserved ");
		md_value(b, json_object_get(item, "observed"));
		strbuf_addstr(b, "; baseline ");
		md_value(b, json_object_get(item, "baseline"));
		strbuf_addch(b, '\n');
		if (!*value_text(item, "sql"))
			continue;
		md_code(b, "sql", value_text(item, "sql"));
		if (json_object_size(json_object_get(item, "params"))) {
			strbuf_addstr(b, "\nwith ");
			md_value(b, json_object_get(item, "params"));
			strbuf_addch(b, '\n');
		}
	}
}

static void hypotheses(struct strbuf *b, const json_t *list)
{
	json_t *h, *test;
	size_t i, j;

	if (!json_array_size(list))
		return;
	strbuf_addstr(b, "\n## Explanations tested\n\n| Cause | Verdict | Test | Expected | Observed | Holds |\n"
			 "| --- | --- | --- | --- | --- | --- |\n");
	json_array_foreach ((json_t *)list, i, h)
		json_array_foreach (json_object_get(h, "tests"), j, test) {
			const json_t *pass = json_object_get(test, "pass");

			strbuf_addstr(b, "| ");
			md(b, value_text(h, "cause"));
			strbuf_addstr(b, " | ");
			md(b, value_text(h, "verdict"));
			strbuf_addstr(b, " | ");
			md(b, value_text(test, "name"));
			strbuf_addstr(b, " | ");
			md_value(b, json_object_get(test, "expected"));
			strbuf_addstr(b, " | ");
			md_value(b, json_object_get(test, "observed"));
			strbuf_addf(b, " | %s |\n",
				    json_is_boolean(pass) ? json_is_true(pass) ? "yes" : "no" : "unknown");
		}
}

static void timeline(struct strbuf *b, const json_t *list)
{
	json_t *item;
	size_t i;

	if (!json_array_size(list))
		return;
	strbuf_addstr(b, "\n## Timeline\n\n");
	json_array_foreach ((json_t *)list, i, item) {
		strbuf_addstr(b, "- ");
		time_format(b, value_int(item, "ts_ns", 0));
		strbuf_addstr(b, " **");
		md(b, value_text(item, "kind"));
		strbuf_addstr(b, "** ");
		md(b, value_text(item, "text"));
		strbuf_addch(b, '\n');
	}
}

static void quality(struct strbuf *b, const json_t *q)
{
	json_t *item;
	size_t i;

	strbuf_addstr(b, "\n## Data quality\n\n");
	if (!isnan(value_number(q, "coverage")))
		strbuf_addf(b, "- Coverage: %.0f %%\n", value_number(q, "coverage") * 100);
	json_array_foreach (json_object_get(q, "lost"), i, item) {
		strbuf_addstr(b, "- Lost: ");
		md(b, value_text(item, "probe"));
		strbuf_addf(b, " %lld\n", (long long)value_int(item, "count", 0));
	}
	json_array_foreach (json_object_get(q, "missing"), i, item) {
		strbuf_addstr(b, "- Missing: ");
		md(b, value_text(item, "probe"));
		strbuf_addstr(b, ": ");
		md(b, value_text(item, "why"));
		strbuf_addch(b, '\n');
	}
}

void render_report_markdown(struct strbuf *b, const json_t *r)
{
	head(b, r);
	parties(b, r);
	budget(b, json_object_get(r, "budget"));
	remedies(b, json_object_get(r, "remediation"));
	evidence(b, json_object_get(r, "evidence"));
	hypotheses(b, json_object_get(r, "hypotheses"));
	timeline(b, json_object_get(r, "timeline"));
	quality(b, json_object_get(r, "data_quality"));
	strbuf_addstr(b, "\n---\nkwhy ");
	md(b, value_text(json_object_get(r, "generator"), "version"));
	strbuf_addch(b, '\n');
}
