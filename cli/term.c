/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/term.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/timeutil.h"

#define GAP 2

int term_print(const char *text)
{
	fputs(text, stdout);
	return 0;
}

void term_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
	putchar('\n');
}

bool term_colour(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no && *no);
}

size_t term_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return 0;
	return !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : 80;
}

void table_cleanup(struct table *t)
{
	for (size_t i = 0; i < t->cell_count; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->cell_count = t->cell_cap = 0;
}

static void take_cell(struct table *t, char *text)
{
	if (t->cell_count == t->cell_cap) {
		size_t cap = t->cell_cap ? t->cell_cap * 2 : 64;
		char **cells = realloc(t->cells, cap * sizeof(*cells));

		if (!cells) {
			t->failed = true;
			free(text);
			return;
		}
		t->cells = cells;
		t->cell_cap = cap;
	}
	t->cells[t->cell_count++] = text;
}

void table_add(struct table *t, const char *text)
{
	AUTO(strbuf) struct strbuf plain = STRBUF_INIT;
	char *copy;

	strbuf_add_plain(&plain, text ? text : "");
	copy = strdup(strbuf_str(&plain));
	if (copy)
		take_cell(t, copy);
	else
		t->failed = true;
}

void table_addf(struct table *t, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	table_add(t, text);
}

void table_add_time(struct table *t, int64_t wall_ns)
{
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;

	if (wall_ns > 0)
		time_format(&text, wall_ns);
	if (text.len > 10 && text.data[10] == 'T')
		text.data[10] = ' ';
	table_add(t, strbuf_str(&text));
}

void table_add_span(struct table *t, int64_t ns)
{
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;

	if (ns)
		span_format(&text, ns);
	table_add(t, strbuf_str(&text));
}

/* Characters, not bytes. */
static size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static void fit_widths(const struct table *t, size_t width, size_t widths[TABLE_COLUMNS_MAX])
{
	size_t total = 0, elastic = 0, share;

	for (size_t c = 0; c < t->column_count; c++) {
		widths[c] = text_width(t->columns[c].title);
		for (size_t i = c; i < t->cell_count; i += t->column_count)
			widths[c] = MAX(widths[c], text_width(t->cells[i]));
		total += widths[c] + GAP;
		elastic += t->columns[c].elastic;
	}
	total -= GAP;
	/* What is too much is taken from the elastic columns, the widest first, none below 12. */
	while (width && total > width && elastic) {
		size_t widest = TABLE_COLUMNS_MAX;

		for (size_t c = 0; c < t->column_count; c++)
			if (t->columns[c].elastic && widths[c] > 12 &&
			    (widest == TABLE_COLUMNS_MAX || widths[c] > widths[widest]))
				widest = c;
		if (widest == TABLE_COLUMNS_MAX)
			return;
		share = MIN(total - width, MAX(1, (widths[widest] - 12) / 2));
		widths[widest] -= share;
		total -= share;
	}
}

static void pad(struct strbuf *out, size_t n)
{
	while (n--)
		strbuf_addch(out, ' ');
}

/* Where the character of that index begins. */
static const char *at_character(const char *s, size_t index)
{
	for (size_t n = 0; *s; s++)
		if ((*s & 0xc0) != 0x80 && n++ == index)
			break;
	return s;
}

/* A path is told apart by its end, anything else by its beginning. */
static void put_cut(struct strbuf *out, const char *text, size_t n, size_t width)
{
	if (*text == '/' && !strchr(text, ' '))
		strbuf_addf(out, "…%s", at_character(text, n - width + 1));
	else
		strbuf_addf(out, "%.*s…", (int)(at_character(text, width - 1) - text), text);
}

static void put_cell(struct strbuf *out, const char *text, size_t width, bool right, bool last)
{
	size_t n = text_width(text), used = MIN(n, width);

	if (right)
		pad(out, width - used);
	if (n <= width)
		strbuf_addstr(out, text);
	else
		put_cut(out, text, n, width);
	if (!last)
		pad(out, GAP + (right ? 0 : width - used));
}

void table_format(const struct table *t, size_t width, bool bold_title, struct strbuf *out)
{
	size_t widths[TABLE_COLUMNS_MAX], n = t->column_count;

	fit_widths(t, width, widths);
	strbuf_addstr(out, bold_title ? "\033[1m" : "");
	for (size_t c = 0; c < n; c++)
		put_cell(out, t->columns[c].title, widths[c], t->columns[c].right, c == n - 1);
	strbuf_addstr(out, bold_title ? "\033[0m\n" : "\n");
	for (size_t i = 0; i + n <= t->cell_count; i += n) {
		for (size_t c = 0; c < n; c++)
			put_cell(out, t->cells[i + c], widths[c], t->columns[c].right, c == n - 1);
		while (out->len && out->data[out->len - 1] == ' ')
			out->data[--out->len] = 0;
		strbuf_addch(out, '\n');
	}
}

void table_print(const struct table *t)
{
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;

	table_format(t, term_width(), term_colour(), &out);
	term_print(strbuf_str(&out));
}
