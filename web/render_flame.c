/* SPDX-License-Identifier: Apache-2.0 */
#include "web/render_flame.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "web/html.h"

#define ROW_PX 20
#define WIDTH_MIN 0.3 /* percent; narrower boxes are left out, wider ones when there are too many */
#define BOXES_MAX 400 /* some 400 bytes each: the page stays below 250 KB */
#define WIDTH_TAB 2.0 /* narrower ones are reached by pointer and through their parents, not by Tab */
#define TOP_MAX 25

struct drawing {
	struct strbuf *b;
	const struct flame *flame;
	const char *link;
	unsigned int from;
	int windows;
	double width_min; /* percent */
	unsigned int boxes, left_out, deepest;
};

static double share(const struct drawing *d, const int64_t *ns, enum flame_window w)
{
	int64_t total = flame_node(d->flame, d->from)->ns[w];

	return total > 0 ? (double)ns[w] / (double)total : 0;
}

/* Boxes are as wide as their share of the window looked at, or of the other one when that is empty. */
static double width_of(const struct drawing *d, const struct flame_node *n)
{
	bool empty = flame_node(d->flame, d->from)->ns[FLAME_NOW] <= 0;

	return 100 * share(d, n->ns, empty ? FLAME_BASE : FLAME_NOW);
}

/* "12.3 % of the time (1.2s), before 3.1 %" */
static void add_figures(const struct drawing *d, const struct flame_node *n)
{
	strbuf_addf(d->b, "%.3g %% (", 100 * share(d, n->ns, FLAME_NOW));
	html_span(d->b, n->ns[FLAME_NOW]);
	strbuf_addch(d->b, ')');
	if (d->windows > 1)
		strbuf_addf(d->b, ", in the other window %.3g %%", 100 * share(d, n->ns, FLAME_BASE));
}

static const char *class_of(const struct drawing *d, const struct flame_node *n)
{
	static const char *const kinds[] = {
		[FLAME_ALL] = "f-all",	 [FLAME_CONTAINER] = "f-group", [FLAME_REASON] = "f-group",
		[FLAME_TASK] = "f-task", [FLAME_USER] = "f-user",	[FLAME_KERNEL] = "f-kernel",
	};
	double moved = share(d, n->ns, FLAME_NOW) - share(d, n->ns, FLAME_BASE);

	if (d->windows < 2)
		return kinds[n->kind];
	return moved > 0.05 ? "f-more2" : moved > 0.005 ? "f-more1" : moved < -0.05 ? "f-less2" :
	       moved < -0.005 ? "f-less1" : "f-same";
}

/* What the kernel did is marked in the text, too, and so is which way a share moved. */
static const char *mark_of(const struct drawing *d, const struct flame_node *n)
{
	double moved = share(d, n->ns, FLAME_NOW) - share(d, n->ns, FLAME_BASE);

	if (d->windows > 1 && fabs(moved) > 0.005)
		return moved > 0 ? "▲ " : "▼ ";
	return n->kind == FLAME_KERNEL ? "◇ " : "";
}

static void box(struct drawing *d, const struct flame_node *n, double x, double width, unsigned int depth)
{
	struct strbuf *b = d->b;

	strbuf_addf(b, "<a href=\"%s%016" PRIx64 "\"%s aria-label=\"", d->link, n->id,
		    width < WIDTH_TAB ? " tabindex=\"-1\"" : "");
	strbuf_add_html(b, n->name);
	strbuf_addstr(b, ": ");
	add_figures(d, n);
	strbuf_addf(b, "\"><svg x=\"%.3f%%\" y=\"%u\" width=\"%.3f%%\" height=\"%d\"><title>", x, depth * ROW_PX, width,
		    ROW_PX - 1);
	strbuf_add_html(b, n->name);
	strbuf_addstr(b, n->kind == FLAME_KERNEL ? " (kernel): " : ": ");
	add_figures(d, n);
	strbuf_addf(b, "</title><rect class=\"%s\" width=\"100%%\" height=\"100%%\"/>", class_of(d, n));
	if (width >= WIDTH_TAB) {
		strbuf_addf(b, "<text x=\"4\" y=\"14\">%s", mark_of(d, n));
		strbuf_add_html(b, n->name);
		strbuf_addstr(b, "</text>");
	}
	strbuf_addstr(b, "</svg></a>\n");
}

static void draw(struct drawing *d, unsigned int at, double x, unsigned int depth)
{
	const struct flame_node *n = flame_node(d->flame, at);
	double width = width_of(d, n);

	if (width < d->width_min) {
		d->left_out++;
		return;
	}
	d->boxes++;
	if (depth > d->deepest)
		d->deepest = depth;
	if (d->b)
		box(d, n, x, width, depth);
	for (unsigned int i = n->first; i; i = flame_node(d->flame, i)->next) {
		draw(d, i, x, depth + 1);
		x += width_of(d, flame_node(d->flame, i));
	}
}

void render_flame(struct strbuf *b, const struct flame *f, unsigned int from, int windows, const char *link,
		  const char *label)
{
	struct drawing d = { .flame = f, .link = link, .from = from, .windows = windows };

	for (d.width_min = WIDTH_MIN;; d.width_min *= 1.5) {
		d.boxes = d.deepest = 0;
		draw(&d, from, 0, 0);
		if (d.boxes <= BOXES_MAX)
			break;
	}
	strbuf_addstr(b, "<div class=\"scroll flame\" tabindex=\"0\" role=\"region\" aria-label=\"");
	strbuf_add_html(b, label);
	strbuf_addf(b, "\"><svg class=\"flamegraph\" role=\"group\" height=\"%u\" aria-label=\"", (d.deepest + 1) * ROW_PX);
	strbuf_add_html(b, label);
	strbuf_addstr(b, "\">\n");
	d.b = b;
	d.left_out = 0;
	draw(&d, from, 0, 0);
	strbuf_addstr(b, "</svg></div>\n<p class=\"note\">The wider a box, the more time; below it, what it called. "
			 "A click shows that box alone.");
	if (windows > 1)
		strbuf_addstr(b, " ▲ its share grew, ▼ its share shrank against the other window.");
	else
		strbuf_addstr(b, " ◇ is the kernel.");
	if (d.left_out)
		strbuf_addf(b, " %u boxes narrower than %.1f %% are left out.", d.left_out, d.width_min);
	strbuf_addstr(b, "</p>\n");
}

void render_flame_path(struct strbuf *b, const struct flame *f, unsigned int from, const char *link)
{
	unsigned int path[FLAME_DEPTH_MAX * 2 + 4], depth = 0;

	for (unsigned int at = from; depth < ARRAY_SIZE(path); at = flame_node(f, at)->parent) {
		path[depth++] = at;
		if (!at)
			break;
	}
	strbuf_addstr(b, "<nav class=\"crumbs\" aria-label=\"Zoom\"><ol>");
	while (depth-- > 0) {
		const struct flame_node *n = flame_node(f, path[depth]);

		strbuf_addf(b, "<li><a href=\"%s%016" PRIx64 "\"%s>", link, n->id, depth ? "" : " aria-current=\"true\"");
		strbuf_add_html(b, n->name);
		strbuf_addstr(b, "</a></li>");
	}
	strbuf_addstr(b, "</ol></nav>\n");
}

static void top_row(struct strbuf *b, const struct flame_top *t, const int64_t *total, int windows)
{
	double now = (double)t->self_ns[FLAME_NOW] / (double)MAX(total[FLAME_NOW], 1);
	double base = (double)t->self_ns[FLAME_BASE] / (double)MAX(total[FLAME_BASE], 1);

	strbuf_addstr(b, "<tr><td><code>");
	strbuf_add_html(b, t->name);
	strbuf_addf(b, "</code></td><td>%s</td><td class=\"num\">%.3g %%</td><td class=\"num\">",
		    t->kind == FLAME_KERNEL ? "kernel" : t->kind == FLAME_USER ? "user" : "–", 100 * now);
	html_span(b, t->self_ns[FLAME_NOW]);
	strbuf_addstr(b, "</td>");
	if (windows > 1)
		strbuf_addf(b, "<td class=\"num\">%.3g %%</td><td class=\"num\">%+.3g</td>", 100 * base,
			    100 * (now - base));
	strbuf_addstr(b, "</tr>\n");
}

void render_flame_top(struct strbuf *b, const struct flame *f, unsigned int from, int windows)
{
	struct flame_top top[TOP_MAX];
	size_t n = flame_top(f, from, windows, top, TOP_MAX);

	strbuf_addf(b, "<section aria-labelledby=\"top\"><h2 id=\"top\">%s</h2>\n<div class=\"scroll\" tabindex=\"0\" "
		       "role=\"region\" aria-label=\"Frames by their own time\"><table><thead><tr><th scope=\"col\">Frame</th>"
		       "<th scope=\"col\">Where</th><th scope=\"col\" class=\"num\">Share</th><th scope=\"col\" class=\"num\">"
		       "Time</th>%s</tr></thead><tbody>\n",
		    windows > 1 ? "Whose share moved most" : "Most time, without what it called",
		    windows > 1 ? "<th scope=\"col\" class=\"num\">Other window</th><th scope=\"col\" class=\"num\">"
				  "Points moved</th>" : "");
	for (size_t i = 0; i < n; i++)
		top_row(b, &top[i], flame_node(f, from)->ns, windows);
	strbuf_addstr(b, "</tbody></table></div></section>\n");
}
