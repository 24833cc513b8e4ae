/* SPDX-License-Identifier: Apache-2.0 */
#include "web/render_chart.h"

#include <math.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/html.h"
#include "web/rows.h"

/* Of the drawing's own coordinates; it is stretched to whatever room there is. */
#define WIDTH 1000.0
#define HEIGHT 100.0

struct numbers {
	double last, most, scale; /* NaN: none; scale is what the full height stands for */
	size_t most_at;
};

static double value_at(const json_t *values, size_t i)
{
	const json_t *v = json_array_get(values, i);

	return json_is_number(v) ? json_number_value(v) : NAN;
}

static struct numbers measure(const json_t *item)
{
	const json_t *values = json_object_get(item, "values");
	struct numbers n = { NAN, NAN, 0, 0 };
	double high = value_number(item, "high");

	for (size_t i = 0; i < json_array_size(values); i++) {
		double v = value_at(values, i);

		if (isnan(v))
			continue;
		n.last = v;
		if (isnan(n.most) || v > n.most) {
			n.most = v;
			n.most_at = i;
		}
	}
	n.scale = fmax(isnan(n.most) ? 0 : n.most, isnan(high) ? 0 : high) * 1.05;
	if (n.scale <= 0)
		n.scale = 1;
	return n;
}

bool chart_is_quiet(const json_t *item)
{
	const struct numbers n = measure(item);

	return isnan(n.most) || n.most <= 0;
}

static double x_of(const struct chart_frame *f, int64_t ns)
{
	double x = (double)(ns - f->from_ns) / (double)(f->to_ns - f->from_ns) * WIDTH;

	return fmin(WIDTH, fmax(0, x));
}

static double y_of(const struct numbers *n, double value)
{
	return HEIGHT - fmin(1, fmax(0, value / n->scale)) * HEIGHT;
}

static void area(struct strbuf *b, const char *attributes, const struct chart_frame *f, int64_t from_ns, int64_t to_ns)
{
	double x = x_of(f, from_ns);

	strbuf_addf(b, "<rect%s x=\"%.1f\" width=\"%.1f\" height=\"100\"/>", attributes, x,
		    fmax(from_ns < to_ns ? 2 : 0, x_of(f, to_ns) - x));
}

/* Those of one severity are one group, whose opacity is that of all: many at a time are no darker than one. */
static void shades(struct strbuf *b, const struct chart_frame *f)
{
	static const char *const severities[] = { "info", "warning", "critical" };
	const json_t *incident;

	for (size_t s = 0; s < ARRAY_SIZE(severities); s++) {
		size_t i;

		strbuf_addf(b, "<g class=\"shade %s\">", severities[s]);
		json_array_foreach ((json_t *)f->incidents, i, incident) {
			int64_t end = value_int(incident, "end_ns", 0);

			if (!strcmp(value_text(incident, "severity"), severities[s]))
				area(b, "", f, value_int(incident, "onset_ns", f->from_ns), end > 0 ? end : f->to_ns);
		}
		strbuf_addstr(b, "</g>");
	}
}

static void band(struct strbuf *b, const json_t *item, const struct numbers *n)
{
	double low = value_number(item, "low"), high = value_number(item, "high");

	if (isnan(low) || isnan(high))
		return;
	strbuf_addf(b, "<rect class=\"band\" y=\"%.1f\" width=\"1000\" height=\"%.1f\"/>", y_of(n, high),
		    fmax(1, y_of(n, low) - y_of(n, high)));
}

/* Steps, as each value is that of a span of time; a gap where nothing was recorded. */
static void line(struct strbuf *b, const struct chart_frame *f, const json_t *values, const struct numbers *n)
{
	bool drawing = false;

	strbuf_addstr(b, "<path class=\"line\" d=\"");
	for (size_t i = 0; i < json_array_size(values); i++) {
		double v = value_at(values, i);
		int64_t from = f->from_ns + (int64_t)i * f->step_ns;

		if (isnan(v)) {
			drawing = false;
			continue;
		}
		if (drawing)
			strbuf_addf(b, "V%.1f", y_of(n, v));
		else
			strbuf_addf(b, "M%.1f %.1f", x_of(f, from), y_of(n, v));
		strbuf_addf(b, "H%.1f", x_of(f, from + f->step_ns));
		drawing = true;
	}
	strbuf_addstr(b, "\"/>");
}

static void drawing(struct strbuf *b, const struct chart_frame *f, const json_t *item, const struct numbers *n)
{
	strbuf_addstr(
		b,
		"<div class=\"plot\"><svg viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
	shades(b, f);
	band(b, item, n);
	line(b, f, json_object_get(item, "values"), n);
	area(b, " class=\"selected\"", f, f->selected_from_ns, f->selected_to_ns);
	strbuf_addstr(b, "<line class=\"cursor\" y2=\"100\" x1=\"-9\" x2=\"-9\"/></svg><span class=\"scale\">");
	html_quantity(b, n->scale / 1.05, value_text(item, "unit"));
	strbuf_addstr(b, "</span></div>\n");
}

/* What the drawing shows, in words. */
static void words(struct strbuf *b, const struct chart_frame *f, const json_t *item, const struct numbers *n)
{
	const char *unit = value_text(item, "unit");
	double usual = value_number(item, "usual");

	strbuf_addstr(b, "<span class=\"now\">");
	html_quantity(b, n->last, unit);
	strbuf_addstr(b, "</span> <small class=\"range\">");
	if (!isnan(usual)) {
		strbuf_addstr(b, "usually ");
		html_quantity(b, usual, unit);
		strbuf_addstr(b, "; ");
	}
	strbuf_addstr(b, "at most ");
	html_quantity(b, n->most, unit);
	strbuf_addstr(b, " at ");
	html_time_short(b, f->from_ns + (int64_t)n->most_at * f->step_ns);
	strbuf_addstr(b, "</small>");
}

static void values_list(struct strbuf *b, const json_t *values)
{
	for (size_t i = 0; i < json_array_size(values); i++) {
		double v = value_at(values, i);

		if (i)
			strbuf_addch(b, ',');
		if (!isnan(v))
			strbuf_addf(b, "%.4g", v);
	}
}

void render_chart(struct strbuf *b, const struct chart_frame *f, const json_t *item, const char *label)
{
	const struct numbers n = measure(item);

	strbuf_addstr(b, "<figure class=\"chart\" aria-label=\"");
	strbuf_add_html(b, label);
	strbuf_addstr(b, "\" data-unit=\"");
	strbuf_add_html(b, value_text(item, "unit"));
	strbuf_addstr(b, "\" data-values=\"");
	values_list(b, json_object_get(item, "values"));
	strbuf_addstr(b, "\"><figcaption><b>");
	strbuf_add_html(b, label);
	strbuf_addstr(b, "</b> ");
	words(b, f, item, &n);
	strbuf_addstr(b, "</figcaption>\n");
	drawing(b, f, item, &n);
	strbuf_addstr(b, "<p class=\"axis\" aria-hidden=\"true\">");
	html_time_short(b, f->from_ns);
	strbuf_addch(b, ' ');
	html_time_short(b, f->from_ns + (f->to_ns - f->from_ns) / 2);
	strbuf_addch(b, ' ');
	html_time_short(b, f->to_ns);
	strbuf_addstr(b, "</p></figure>\n");
}
