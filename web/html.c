/* SPDX-License-Identifier: Apache-2.0 */
#include "web/html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/rows.h"

void html_time(struct strbuf *b, int64_t wall_ns)
{
	AUTO(strbuf) struct strbuf iso = STRBUF_INIT;
	const char *text;

	if (wall_ns <= 0) {
		strbuf_addstr(b, "–");
		return;
	}
	time_format(&iso, wall_ns);
	text = strbuf_str(&iso);
	strbuf_addf(b, "<time datetime=\"%s\">", text);
	for (; *text; text++)
		if (*text != 'Z')
			strbuf_addch(b, (char)(*text == 'T' ? ' ' : *text));
	strbuf_addstr(b, "</time>");
}

void html_time_short(struct strbuf *b, int64_t wall_ns)
{
	AUTO(strbuf) struct strbuf iso = STRBUF_INIT;

	time_format(&iso, wall_ns);
	/* 2026-11-22T10:01:02.345Z */
	strbuf_addf(b, "<time class=\"short\" datetime=\"%s\">%.8s</time>", strbuf_str(&iso),
		    iso.len > 19 ? strbuf_str(&iso) + 11 : "");
}

void html_span(struct strbuf *b, int64_t ns)
{
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;

	span_format(&text, ns);
	strbuf_add_html(b, strbuf_str(&text));
}

void text_quantity(struct strbuf *b, double value, const char *unit)
{
	static const char *const said[] = { "ns", "bytes", "bytes per s", "ratio", "count", "" };
	bool fits = value > -9e18 && value < 9e18;

	if (isnan(value)) {
		strbuf_addstr(b, "unknown");
		return;
	}
	if (!strcmp(unit, "ns") && fits)
		span_format(b, (int64_t)value);
	else if (!strncmp(unit, "bytes", 5) && fits)
		size_format(b, (int64_t)value);
	else if (!strcmp(unit, "ratio"))
		strbuf_addf(b, "%.3g %%", value * 100);
	else if (value == floor(value) && fabs(value) < 1e15)
		strbuf_addf(b, "%.0f", value);
	else
		strbuf_addf(b, *unit ? "%.3g" : "%.4g", value);
	if (!strcmp(unit, "bytes per s"))
		strbuf_addstr(b, "/s");
	for (size_t i = 0; i < ARRAY_SIZE(said); i++)
		if (!strcmp(unit, said[i]))
			return;
	strbuf_addch(b, ' ');
	strbuf_add_plain(b, unit);
}

void html_quantity(struct strbuf *b, double value, const char *unit)
{
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;

	text_quantity(&text, value, unit);
	strbuf_add_html(b, strbuf_str(&text));
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && !strcmp(text + len - end_len, end);
}

/* Moments since 1970 are told from spans by name: views call them ts_ns, first_ns, last_ns, onset_ns and so on. */
static bool is_moment(const char *name)
{
	static const char *const names[] = { "ts_ns",	    "first_ns", "last_ns", "onset_ns",
					     "detected_ns", "peak_ns",	"end_ns",  "created_ns" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static void html_json(struct strbuf *b, const json_t *value)
{
	AUTO_FREE char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	strbuf_add_html(b, text ? text : "?");
}

static void html_number(struct strbuf *b, const char *name, double value, int64_t integer)
{
	if (is_moment(name) && integer > INT64_C(1000000000000000000))
		html_time(b, integer);
	else if (ends_with(name, "_ns"))
		html_quantity(b, value, "ns");
	else if (ends_with(name, "_bytes"))
		html_quantity(b, value, "bytes");
	else
		html_quantity(b, value, "");
}

void html_value(struct strbuf *b, const char *name, const json_t *v)
{
	if (!v || json_is_null(v)) {
		strbuf_addstr(b, "<span class=\"none\">–</span>");
	} else if (json_is_string(v)) {
		const char *text = json_string_value(v);
		int64_t n;

		if (ends_with(name, "_ns") && int_parse(text, &n) == 0)
			html_number(b, name, (double)n, n);
		else
			strbuf_add_html(b, text);
	} else if (json_is_integer(v)) {
		html_number(b, name, (double)json_integer_value(v), json_integer_value(v));
	} else if (json_is_real(v)) {
		html_number(b, name, json_real_value(v), 0);
	} else if (json_is_boolean(v)) {
		strbuf_addstr(b, json_is_true(v) ? "yes" : "no");
	} else if (json_is_object(v) && json_object_get(v, "ref")) {
		strbuf_add_html(b, container_label(v));
	} else {
		html_json(b, v);
	}
}

/* The first of the table when none has the name. */
struct look {
	const char *name, *css, *shape, *word;
};

static void html_badge(struct strbuf *b, const struct look *look, const char *name)
{
	strbuf_addf(b, "<span class=\"badge %s\"><span class=\"shape\" aria-hidden=\"true\">%s</span> ", look->css,
		    look->shape);
	strbuf_add_html(b, look->word ? look->word : name);
	strbuf_addstr(b, "</span>");
}

static const struct look *look_up(const struct look *looks, size_t count, const char *name)
{
	for (size_t i = 1; i < count; i++)
		if (!strcmp(looks[i].name, name))
			return &looks[i];
	return &looks[0];
}

void html_severity(struct strbuf *b, const char *severity)
{
	static const struct look looks[] = {
		{ "", "info", "○", NULL },
		{ "info", "info", "●", "info" },
		{ "warning", "warning", "▲", "warning" },
		{ "critical", "critical", "◆", "critical" },
	};

	html_badge(b, look_up(looks, ARRAY_SIZE(looks), severity), severity);
}

void html_status(struct strbuf *b, const char *status)
{
	static const struct look looks[] = {
		{ "", "plain", "○", NULL },
		{ "open", "open", "◉", "open" },
		{ "resolved", "resolved", "✓", "resolved" },
	};

	html_badge(b, look_up(looks, ARRAY_SIZE(looks), status), status);
}

void html_confidence(struct strbuf *b, const char *level)
{
	static const struct look looks[] = {
		{ "", "plain", "○", NULL },
		{ "confirmed", "plain", "●●●", "confirmed" },
		{ "probable", "plain", "●●○", "probable" },
		{ "possible", "plain", "●○○", "possible" },
		{ "inconclusive", "plain", "○○○", "inconclusive" },
	};

	html_badge(b, look_up(looks, ARRAY_SIZE(looks), level), level);
}

void html_cause(struct strbuf *b, const char *cause)
{
	strbuf_addstr(b, "<code class=\"cause\">");
	strbuf_add_html(b, cause);
	strbuf_addstr(b, "</code>");
}

void html_cause_link(struct strbuf *b, const char *cause)
{
	/* Codes are lower-case words with dots; anything else is no address. */
	bool code = *cause && cause[strspn(cause, "abcdefghijklmnopqrstuvwxyz0123456789._")] == 0;

	if (code)
		strbuf_addf(b, "<a href=\"/rules/%s\">", cause);
	html_cause(b, cause);
	if (code)
		strbuf_addstr(b, "</a>");
}

const char *confidence_meaning(const char *level)
{
	if (!strcmp(level, "confirmed"))
		return "the kernel itself showed the causal edge";
	if (!strcmp(level, "probable"))
		return "all required evidence holds, in the right order, and the look-alikes were tested and ruled out";
	if (!strcmp(level, "possible"))
		return "the evidence fits, but alternatives remain";
	if (!strcmp(level, "inconclusive"))
		return "the evidence does not decide; the report says which data would";
	return "";
}

void html_meter(struct strbuf *b, double share, const char *label)
{
	double percent = isnan(share) || share < 0 ? 0 : share > 1 ? 100 : share * 100;

	strbuf_addstr(b, "<span class=\"meter\"><svg class=\"meter-bar\" aria-hidden=\"true\"><rect class=\"track\" "
			 "width=\"100%\" height=\"100%\"/>");
	strbuf_addf(b, "<rect class=\"fill%s\" width=\"%.1f%%\" height=\"100%%\"/></svg> <span class=\"figure\">",
		    percent >= 50   ? " high"
		    : percent >= 10 ? " mid"
				    : "",
		    percent);
	strbuf_add_html(b, label);
	strbuf_addstr(b, "</span></span>");
}

const char *container_label(const json_t *c)
{
	static const char *const keys[] = { "name", "pod", "cgroup", "ref" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (*value_text(c, keys[i]))
			return value_text(c, keys[i]);
	return json_is_object(c) ? "host" : "nobody";
}

void html_rows_table(struct strbuf *b, const json_t *rows, const char *caption)
{
	json_t *row, *value;
	const char *key;
	size_t i;

	strbuf_addstr(b, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
	strbuf_add_html(b, caption);
	strbuf_addstr(b, "\"><table><thead><tr>");
	json_object_foreach (json_array_get(rows, 0), key, value) {
		strbuf_addstr(b, json_is_number(value) ? "<th scope=\"col\" class=\"num\">" : "<th scope=\"col\">");
		strbuf_add_html(b, key);
		strbuf_addstr(b, "</th>");
	}
	strbuf_addstr(b, "</tr></thead><tbody>\n");
	json_array_foreach (rows, i, row) {
		strbuf_addstr(b, "<tr>");
		json_object_foreach (row, key, value) {
			strbuf_addstr(b, json_is_number(value) ? "<td class=\"num\">" : "<td>");
			html_value(b, key, value);
			strbuf_addstr(b, "</td>");
		}
		strbuf_addstr(b, "</tr>\n");
	}
	strbuf_addstr(b, "</tbody></table></div>\n");
}

double value_number(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);
	double number;
	char *end;

	if (json_is_number(v))
		return json_number_value(v);
	if (!json_is_string(v) || !*json_string_value(v))
		return NAN;
	number = strtod(json_string_value(v), &end);
	return *end ? NAN : number;
}
