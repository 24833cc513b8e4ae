/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_text.h"

#include <math.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/html.h"
#include "web/render_report.h"
#include "web/rows.h"

struct text {
	struct strbuf *out;
	size_t width;
	bool colour;
};

/* Words of s after a prefix, broken at the width, further lines indented as far. */
static void wrapped(const struct text *t, const char *prefix, const char *s)
{
	AUTO(strbuf) struct strbuf plain = STRBUF_INIT;
	size_t indent = strlen(prefix), column = indent;

	strbuf_add_plain(&plain, s);
	strbuf_addstr(t->out, prefix);
	for (const char *word = strbuf_str(&plain); *word;) {
		size_t n = strcspn(word, " ");

		if (t->width && column > indent && column + n + 1 > t->width) {
			strbuf_addf(t->out, "\n%*s", (int)indent, "");
			column = indent;
		}
		if (column > indent)
			strbuf_addch(t->out, ' ');
		column += n + (column > indent);
		strbuf_add(t->out, word, n);
		word += n;
		word += strspn(word, " ");
	}
	strbuf_addch(t->out, '\n');
}

static void title(const struct text *t, const char *name)
{
	strbuf_addf(t->out, "\n%s%s%s\n", t->colour ? "\033[1m" : "", name, t->colour ? "\033[0m" : "");
}

static void head(const struct text *t, const json_t *r)
{
	const json_t *window = json_object_get(r, "window"), *confidence = json_object_get(r, "confidence");
	int64_t onset = value_int(window, "onset_ns", 0), end = value_int(window, "end_ns", 0);
	AUTO(strbuf) struct strbuf line = STRBUF_INIT;

	if (t->colour)
		strbuf_addstr(t->out, "\033[1m");
	wrapped(t, "", value_text(r, "headline"));
	if (t->colour)
		strbuf_addstr(t->out, "\033[0m");
	strbuf_addf(&line, "%s · %s · %s", value_text(r, "cause"), value_text(r, "severity"), value_text(r, "status"));
	wrapped(t, "  ", strbuf_str(&line));
	strbuf_reset(&line);
	strbuf_addf(&line, "%s: %s", value_text(confidence, "level"),
		    confidence_meaning(value_text(confidence, "level")));
	wrapped(t, "  ", strbuf_str(&line));
	strbuf_reset(&line);
	time_format(&line, onset);
	strbuf_addstr(&line, end > onset ? ", for " : ", still going on");
	if (end > onset)
		span_format(&line, end - onset);
	wrapped(t, "  ", strbuf_str(&line));
	strbuf_reset(&line);
	strbuf_addf(&line, "%s, revision %lld", value_text(r, "id"), (long long)value_int(r, "revision", 0));
	wrapped(t, "  ", strbuf_str(&line));
}

static void impact_line(struct strbuf *line, const json_t *impact)
{
	double baseline = value_number(impact, "baseline");

	strbuf_addf(line, "%s ", value_text(impact, "name"));
	text_quantity(line, value_number(impact, "value"), value_text(impact, "unit"));
	if (!isnan(baseline)) {
		strbuf_addstr(line, ", usually ");
		text_quantity(line, baseline, value_text(impact, "unit"));
	}
}

static void parties(const struct text *t, const json_t *r)
{
	json_t *item, *impact;
	size_t i, j;

	title(t, "Who did what to whom");
	json_array_foreach (json_object_get(r, "victims"), i, item) {
		AUTO(strbuf) struct strbuf line = STRBUF_INIT;

		strbuf_addstr(&line, container_label(json_object_get(item, "container")));
		json_array_foreach (json_object_get(item, "impact"), j, impact) {
			strbuf_addstr(&line, j ? "; " : ": ");
			impact_line(&line, impact);
		}
		wrapped(t, "  victim     ", strbuf_str(&line));
	}
	json_array_foreach (json_object_get(r, "culprits"), i, item) {
		const json_t *container = json_object_get(item, "container");
		AUTO(strbuf) struct strbuf line = STRBUF_INIT;

		strbuf_addstr(&line, json_is_object(container) ? container_label(container) : value_text(item, "what"));
		if (!isnan(value_number(item, "share")))
			strbuf_addf(&line, " (%.0f %%)", value_number(item, "share") * 100);
		if (json_is_object(container) && *value_text(item, "what"))
			strbuf_addf(&line, ": %s", value_text(item, "what"));
		wrapped(t, "  culprit    ", strbuf_str(&line));
	}
	json_array_foreach (json_object_get(r, "bystanders"), i, item) {
		AUTO(strbuf) struct strbuf line = STRBUF_INIT;

		strbuf_addf(&line, "%s: %s", container_label(json_object_get(item, "container")),
			    value_text(item, "why"));
		wrapped(t, "  not guilty ", strbuf_str(&line));
	}
}

static void budget(const struct text *t, const json_t *list)
{
	json_t *part;
	size_t i;

	if (!json_array_size(list))
		return;
	title(t, "Where the victim's time went");
	json_array_foreach ((json_t *)list, i, part) {
		AUTO(strbuf) struct strbuf line = STRBUF_INIT;

		span_format(&line, value_int(part, "ns", 0));
		strbuf_addf(&line, " %s", value_text(part, "state"));
		if (json_is_object(json_object_get(part, "culprit")))
			strbuf_addf(&line, " because of %s", container_label(json_object_get(part, "culprit")));
		wrapped(t, "  ", strbuf_str(&line));
	}
}

/* Ids of evidence begin with the cause it was gathered for: "cpu.neighbor/waits@42". */
static bool is_of(const json_t *item, const char *cause)
{
	const char *id = value_text(item, "id");
	size_t n = strlen(cause);

	return n && !strncmp(id, cause, n) && id[n] == '/';
}

static bool is_supported(const json_t *h)
{
	return !strcmp(value_text(h, "verdict"), "supported");
}

/* Of a cause that was tested and does not hold; what belongs to none is of the report itself. */
static bool is_of_other(const json_t *item, const json_t *hypotheses)
{
	json_t *h;
	size_t i;

	json_array_foreach ((json_t *)hypotheses, i, h)
		if (!is_supported(h) && is_of(item, value_text(h, "cause")))
			return true;
	return false;
}

static void other_cause(const struct text *t, const json_t *report, const json_t *h)
{
	bool ruled_out = !strcmp(value_text(h, "verdict"), "ruled_out");
	AUTO(strbuf) struct strbuf line = STRBUF_INIT, reason = STRBUF_INIT;

	strbuf_addf(&line, "%s, %s", value_text(h, "cause"), ruled_out ? "ruled out" : "could not be tested");
	hypothesis_reason(report, h, &reason);
	if (reason.len)
		strbuf_addf(&line, ": %s", strbuf_str(&reason));
	wrapped(t, "  - ", strbuf_str(&line));
}

static void claims(const struct text *t, const json_t *r)
{
	const json_t *hypotheses = json_object_get(r, "hypotheses");
	bool titled = false;
	json_t *item, *h;
	size_t i;

	title(t, "Evidence");
	json_array_foreach (json_object_get(r, "evidence"), i, item)
		if (json_is_true(json_object_get(item, "holds")) && !is_of_other(item, hypotheses))
			wrapped(t, "  - ", value_text(item, "claim"));
	json_array_foreach ((json_t *)hypotheses, i, h) {
		if (is_supported(h))
			continue;
		if (!titled)
			title(t, "What it was not");
		titled = true;
		other_cause(t, r, h);
	}
}

static void remedies(const struct text *t, const json_t *list)
{
	json_t *item;
	size_t i;

	if (!json_array_size(list))
		return;
	title(t, "What to do");
	json_array_foreach ((json_t *)list, i, item) {
		wrapped(t, "  - ", value_text(item, "action"));
		if (*value_text(item, "command")) {
			strbuf_addstr(t->out, "      ");
			strbuf_add_plain(t->out, value_text(item, "command"));
			strbuf_addch(t->out, '\n');
		}
		if (*value_text(item, "risk"))
			wrapped(t, "    risk: ", value_text(item, "risk"));
	}
}

static void quality(const struct text *t, const json_t *q)
{
	json_t *item;
	size_t i;

	json_array_foreach (json_object_get(q, "missing"), i, item) {
		AUTO(strbuf) struct strbuf line = STRBUF_INIT;

		if (!i)
			title(t, "Missing data");
		strbuf_addf(&line, "%s: %s", value_text(item, "probe"), value_text(item, "why"));
		wrapped(t, "  - ", strbuf_str(&line));
	}
}

void report_text(struct strbuf *out, const json_t *report, size_t width, bool colour)
{
	const struct text t = { out, width, colour };

	head(&t, report);
	parties(&t, report);
	budget(&t, json_object_get(report, "budget"));
	claims(&t, report);
	remedies(&t, json_object_get(report, "remediation"));
	quality(&t, json_object_get(report, "data_quality"));
}
