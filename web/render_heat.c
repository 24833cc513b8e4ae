/* SPDX-License-Identifier: Apache-2.0 */
#include "web/render_heat.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/html.h"
#include "web/http.h"
#include "web/lists.h"
#include "web/page.h"
#include "web/rows.h"

#define HOUR_NS (3600 * NSEC_PER_SEC)
#define DAY_HOURS 24

/*
 * reasons: of v_wait; beside: those of them that pressure knows nothing of; groups: beginnings of cause codes.  All are
 * words; the last column takes what no other names.
 */
static const struct column {
	const char *title, *pressure, *reasons, *beside, *groups;
	bool losses;
} columns[] = {
	{ "CPU", "cpu_some_ns", WAITS_CPU WAITS_THROTTLED, " throttled stolen ", " cpu ", false },
	{ "Memory", "memory_some_ns", WAITS_MEMORY, " ", " mem ", false },
	{ "Storage", "io_some_ns", WAITS_STORAGE, " fs_frozen remote ", " io fs ", false },
	{ "Network", NULL, " ", " ", " net ", true },
	{ "Locks, peers", NULL, WAITS_LOCKS, " ", " lock ipc ", false },
	{ "Other", NULL, NULL, NULL, NULL, false },
};

static bool has_word(const char *words, const char *word)
{
	AUTO(strbuf) struct strbuf padded = STRBUF_INIT;

	strbuf_addf(&padded, " %s ", word);
	return strstr(words, strbuf_str(&padded)) != NULL;
}

/* The column whose words have this one. */
static const struct column *column_of(const char *word, bool reason)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(columns) - 1 && !has_word(reason ? columns[i].reasons : columns[i].groups, word))
		i++;
	return &columns[i];
}

struct cell {
	double share; /* of the time, or of what was sent; NaN: unknown */
	int64_t incidents; /* open ones */
};

static double share_of(const json_t *object, const char *part, const char *whole)
{
	double total = value_number(object, whole);

	return total > 0 ? value_number(object, part) / total : NAN;
}

static struct cell cell_of(const json_t *row, const struct column *column, int64_t span_ns)
{
	const json_t *losses = json_object_get(row, "losses");
	json_t *value, *waits = json_object_get(row, "waits"), *incidents = json_object_get(row, "incidents");
	double waited = 0, beside = 0; /* summed over tasks */
	struct cell c = { .share = NAN };
	const char *key;

	json_object_foreach (waits, key, value) {
		if (column_of(key, true) != column)
			continue;
		waited += (double)value_int(waits, key, 0);
		if (column->pressure && has_word(column->beside, key))
			beside += (double)value_int(waits, key, 0);
	}
	json_object_foreach (incidents, key, value)
		if (column_of(key, false) == column)
			c.incidents += value_int(incidents, key, 0);
	if (column->pressure)
		c.share = share_of(json_object_get(row, "pressure"), column->pressure, "span_ns");
	else if (column->losses)
		c.share = share_of(losses, "lost", "sent");
	if (isnan(c.share) ? waited > 0 : beside / (double)span_ns > c.share)
		c.share = (isnan(c.share) ? waited : beside) / (double)span_ns;
	return c;
}

/* 0 nothing to 3 hot.  Of packets a lost one in twenty is much already. */
static unsigned int heat_level(const struct column *column, double share)
{
	const double scale = column->losses ? 10 : 1;

	return share * scale >= 0.5 ? 3 : share * scale >= 0.1 ? 2 : share * scale >= 0.01 ? 1 : 0;
}

static void reasons(struct strbuf *b, const json_t *row, const struct column *column)
{
	json_t *value, *waits = json_object_get(row, "waits");
	const char *reason;

	json_object_foreach (waits, reason, value) {
		if (column_of(reason, true) != column || value_int(waits, reason, 0) < NSEC_PER_MSEC)
			continue;
		strbuf_addstr(b, "<small>");
		strbuf_add_html(b, reason);
		strbuf_addch(b, ' ');
		html_span(b, value_int(waits, reason, 0));
		strbuf_addstr(b, "</small>");
	}
}

static void cell(struct strbuf *b, const json_t *row, const struct column *column, int64_t span_ns)
{
	static const char *const shapes[] = { "○", "◔", "◑", "●" };
	const struct cell c = cell_of(row, column, span_ns);
	unsigned int level = heat_level(column, c.share);

	strbuf_addf(b, "<td class=\"heat h%u\">", level);
	if (isnan(c.share))
		strbuf_addstr(b, "<span class=\"none\">–</span>");
	else
		strbuf_addf(b, "<span class=\"shape\" aria-hidden=\"true\">%s</span> %.*f %%%s", shapes[level],
			    c.share < 0.0995 && c.share > 0 ? 1 : 0, c.share * 100, column->losses ? " lost" : "");
	reasons(b, row, column);
	if (c.incidents) {
		AUTO(strbuf) struct strbuf href = STRBUF_INIT;

		http_url_encode(&href, container_label(row));
		strbuf_addf(b,
			    "<a class=\"hit\" href=\"/incidents?status=open&amp;container=%s\"><span "
			    "aria-hidden=\"true\">▲</span> %" PRId64 " open</a>",
			    strbuf_str(&href), c.incidents);
	}
	strbuf_addstr(b, "</td>");
}

static void heat_row(struct strbuf *b, const json_t *row, int64_t span_ns)
{
	const json_t *usage = json_object_get(row, "usage");
	double cpus = share_of(usage, "cpu_ns", "span_ns");

	strbuf_addstr(b, "<tr><th scope=\"row\">");
	page_container_link(b, container_label(row));
	strbuf_addstr(b, "</th><td class=\"num\">");
	if (!isnan(cpus))
		strbuf_addf(b, "%.2f", cpus);
	strbuf_addstr(b, "</td><td class=\"num\">");
	if (value_int(usage, "memory_bytes", -1) >= 0)
		html_quantity(b, value_number(usage, "memory_bytes"), "bytes");
	strbuf_addstr(b, "</td>");
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		cell(b, row, &columns[i], span_ns);
	strbuf_addstr(b, "</tr>\n");
}

void render_heat(struct strbuf *b, const json_t *rows, int64_t span_ns)
{
	json_t *row;
	size_t i;

	strbuf_addstr(b, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Containers and subsystems\">"
			 "<table class=\"heatmap\"><thead><tr><th scope=\"col\">Container</th>"
			 "<th scope=\"col\" class=\"num\">CPUs used</th><th scope=\"col\" class=\"num\">RAM</th>");
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		strbuf_addf(b, "<th scope=\"col\">%s</th>", columns[i].title);
	strbuf_addstr(b, "</tr></thead><tbody>\n");
	json_array_foreach ((json_t *)rows, i, row)
		heat_row(b, row, span_ns);
	strbuf_addstr(b, "</tbody></table></div>\n");
	strbuf_addstr(b, "<p class=\"note\">CPU, memory and storage: share of the time in which some task waited "
			 "(pressure). Network: packets lost or sent again. What neither counts, and beneath: "
			 "waits summed over tasks, which can exceed 100 %. ○ below 1 %, ◔ from 1 %, ◑ from 10 %, ● from "
			 "50 %; of packets a tenth of that. ▲ open incidents above info.</p>\n");
}

static const json_t *find_hour(const json_t *hours, int64_t hour)
{
	json_t *row;
	size_t i;

	json_array_foreach ((json_t *)hours, i, row)
		if (value_int(row, "hour", -1) == hour)
			return row;
	return NULL;
}

static void hour_cell(struct strbuf *b, const json_t *row, int64_t hour)
{
	static const struct {
		const char *severity, *shape;
	} shapes[] = { { "info", "●" }, { "warning", "▲" }, { "critical", "◆" } };
	const char *worst = value_text(row, "worst"), *shape = "";
	int64_t n = value_int(row, "n", 0);

	strbuf_addf(b, "<li class=\"%s\"><span class=\"hour\">%02" PRId64 "</span>", n ? worst : "calm", hour % DAY_HOURS);
	if (!n) {
		strbuf_addstr(b, "<span class=\"count\"><span aria-hidden=\"true\">·</span></span></li>");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		if (!strcmp(shapes[i].severity, worst))
			shape = shapes[i].shape;
	strbuf_addf(b,
		    "<a class=\"count\" href=\"/incidents?since=%" PRId64 "&amp;until=%" PRId64 "\" aria-label=\"%02" PRId64
		    ":00: %" PRId64 " incident%s, worst %s\">%s %" PRId64 "</a></li>",
		    hour * HOUR_NS, (hour + 1) * HOUR_NS - 1, hour % DAY_HOURS, n, n == 1 ? "" : "s", worst, shape, n);
}

void render_day(struct strbuf *b, const json_t *hours, int64_t now_ns)
{
	int64_t last = now_ns / HOUR_NS;

	strbuf_addstr(b, "<ol class=\"day\">\n");
	for (int64_t hour = last - DAY_HOURS + 1; hour <= last; hour++)
		hour_cell(b, find_hour(hours, hour), hour);
	strbuf_addstr(b, "</ol>\n<p class=\"note\">Incidents by the hour (UTC) in which they began, with the worst of "
			 "each: ● info, ▲ warning, ◆ critical.</p>\n");
}
