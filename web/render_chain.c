/* SPDX-License-Identifier: Apache-2.0 */
#include "web/render_chain.h"

#include <stdbool.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/html.h"
#include "web/rows.h"

#define NODES_MAX 24
#define EDGES_MAX 48
#define BOX_WIDTH 220
#define BOX_HEIGHT 54
#define GAP 200 /* between two boxes, for what happened from one to the other */
#define ROW 112
#define MARGIN 6
#define LABEL_CHARS 23
#define LINE_CHARS 26
#define LINES_MAX 4
#define LINE_HEIGHT 15

struct box {
	const json_t *node;
	unsigned int layer, row;
	bool is_cause, is_victim; /* nothing comes in; nothing goes out */
};

struct arrow {
	const json_t *edge;
	size_t from, to;
};

struct graph {
	struct box boxes[NODES_MAX];
	struct arrow arrows[EDGES_MAX];
	size_t box_count, arrow_count;
	unsigned int layers, rows;
};

static size_t find_box(const struct graph *g, const json_t *id)
{
	size_t i = 0;

	while (i < g->box_count && !json_equal(json_object_get(g->boxes[i].node, "id"), id))
		i++;
	return i;
}

static void read_graph(struct graph *g, const json_t *chain)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(chain, "nodes"), i, item)
		if (g->box_count < NODES_MAX)
			g->boxes[g->box_count++] = (struct box){ .node = item, .is_cause = true, .is_victim = true };
	json_array_foreach (json_object_get(chain, "edges"), i, item) {
		size_t from = find_box(g, json_object_get(item, "from")), to = find_box(g, json_object_get(item, "to"));

		if (from == g->box_count || to == g->box_count || from == to || g->arrow_count == EDGES_MAX)
			continue;
		g->arrows[g->arrow_count++] = (struct arrow){ item, from, to };
		g->boxes[from].is_victim = false;
		g->boxes[to].is_cause = false;
	}
}

/* As many layers from the left as the longest way there has steps; a circle ends with the number of boxes. */
static void place(struct graph *g)
{
	unsigned int used[NODES_MAX + 1] = { 0 };
	bool moved = true;

	for (size_t round = 0; moved && round < g->box_count; round++) {
		moved = false;
		for (size_t i = 0; i < g->arrow_count; i++) {
			struct box *from = &g->boxes[g->arrows[i].from], *to = &g->boxes[g->arrows[i].to];

			if (to->layer > from->layer || from->layer + 1 >= g->box_count)
				continue;
			to->layer = from->layer + 1;
			moved = true;
		}
	}
	for (size_t i = 0; i < g->box_count; i++) {
		struct box *box = &g->boxes[i];

		box->row = used[box->layer]++;
		g->layers = MAX(g->layers, box->layer + 1);
		g->rows = MAX(g->rows, box->row + 1);
	}
}

static unsigned int x_of(const struct box *box)
{
	return MARGIN + box->layer * (BOX_WIDTH + GAP);
}

static unsigned int y_of(const struct box *box)
{
	return MARGIN + (ROW - BOX_HEIGHT) / 2 + box->row * ROW;
}

/* ---- text ------------------------------------------------------------------------------------------------ */

static size_t chars_in(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

static void add_part(struct strbuf *b, const char *text, size_t len)
{
	AUTO_FREE char *part = strndup(text, len);

	strbuf_add_html(b, part ? part : "");
}

/* The end of a name says more than its beginning: they are paths, or end with a number. */
static void short_name(struct strbuf *b, const char *name)
{
	size_t n = chars_in(name, strlen(name));

	if (n > LABEL_CHARS)
		strbuf_addstr(b, "…");
	for (; n > LABEL_CHARS; name++)
		n -= ((unsigned char)name[1] & 0xc0) != 0x80;
	strbuf_add_html(b, name);
}

/* Length of the first line of a text, broken at a space. */
static size_t line_length(const char *text)
{
	size_t fits = 0, i = 0;

	for (; text[i]; i++) {
		if (text[i] == ' ')
			fits = i;
		if (fits && chars_in(text, i) >= LINE_CHARS)
			return fits;
	}
	return chars_in(text, i) > LINE_CHARS && fits ? fits : i;
}

/* Lines around the middle of the gap, the arrow between them. */
static void wrapped(struct strbuf *b, const char *text, unsigned int x, unsigned int y)
{
	for (unsigned int line = 0; *text && line < LINES_MAX; line++) {
		size_t len = line_length(text);
		/* two above the arrow, the others below it */
		unsigned int at = line < 2 ? y - 24 + line * LINE_HEIGHT : y + 20 + (line - 2) * LINE_HEIGHT;

		strbuf_addf(b, "<text class=\"mechanism\" x=\"%u\" y=\"%u\">", x, at);
		add_part(b, text, len);
		text += len;
		text += *text == ' ';
		strbuf_addstr(b, *text && line == LINES_MAX - 1 ? "…</text>" : "</text>");
	}
}

/* ---- drawing --------------------------------------------------------------------------------------------- */

static const char *name_of(const json_t *node)
{
	if (*value_text(node, "label"))
		return value_text(node, "label");
	if (json_is_object(json_object_get(node, "container")))
		return container_label(json_object_get(node, "container"));
	return *value_text(node, "what") ? value_text(node, "what") : value_text(node, "id");
}

static void draw_box(struct strbuf *b, const struct box *box)
{
	unsigned int x = x_of(box), y = y_of(box);

	strbuf_addf(b, "<g class=\"box %s\"><title>",
		    box->is_victim  ? "victim"
		    : box->is_cause ? "culprit"
				    : "between");
	strbuf_add_html(b, name_of(box->node));
	strbuf_addf(b, "</title><rect x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\" rx=\"8\"/>", x, y, BOX_WIDTH,
		    BOX_HEIGHT);
	strbuf_addf(b, "<text class=\"role\" x=\"%u\" y=\"%u\">%s</text><text class=\"name\" x=\"%u\" y=\"%u\">",
		    x + 14, y + 20,
		    box->is_victim  ? "Victim"
		    : box->is_cause ? "Root"
				    : "Between",
		    x + 14, y + 40);
	short_name(b, name_of(box->node));
	strbuf_addstr(b, "</text></g>\n");
}

static void draw_arrow(struct strbuf *b, const struct graph *g, const struct arrow *a)
{
	const struct box *from = &g->boxes[a->from], *to = &g->boxes[a->to];
	unsigned int x1 = x_of(from) + BOX_WIDTH, y1 = y_of(from) + BOX_HEIGHT / 2, x2 = x_of(to),
		     y2 = y_of(to) + BOX_HEIGHT / 2;

	/* A way back, in a circle, runs below the boxes. */
	if (to->layer <= from->layer)
		strbuf_addf(b, "<path class=\"way\" d=\"M%u %uV%uH%uV%u\"/>", x1 - BOX_WIDTH / 2, y1 + BOX_HEIGHT / 2,
			    g->rows * ROW, x2 + BOX_WIDTH / 2, y2 + BOX_HEIGHT / 2 + 3);
	else
		strbuf_addf(b, "<path class=\"way\" d=\"M%u %uL%u %uM%u %ul-9 -6m9 6l-9 6\"/>", x1 + 3, y1, x2 - 4, y2,
			    x2 - 3, y2);
	wrapped(b, value_text(a->edge, "mechanism"), (x1 + x2) / 2, (y1 + y2) / 2);
	strbuf_addch(b, '\n');
}

void render_chain(struct strbuf *b, const json_t *chain)
{
	struct graph g = { 0 };

	read_graph(&g, chain);
	if (!g.arrow_count)
		return;
	place(&g);
	strbuf_addf(
		b,
		"<div class=\"scroll chain-graph\" tabindex=\"0\" role=\"region\" aria-label=\"Chain as a graph\"><svg"
		" aria-hidden=\"true\" width=\"%u\" height=\"%u\">\n",
		2 * MARGIN + g.layers * BOX_WIDTH + (g.layers - 1) * GAP, 2 * MARGIN + g.rows * ROW);
	for (size_t i = 0; i < g.arrow_count; i++)
		draw_arrow(b, &g, &g.arrows[i]);
	for (size_t i = 0; i < g.box_count; i++)
		draw_box(b, &g.boxes[i]);
	strbuf_addstr(b, "</svg></div>\n");
}
