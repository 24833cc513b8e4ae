/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits now, for what and for whom: again every second on a terminal, or once. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "analyze/reports.h"
#include "base/log.h"
#include "base/timeutil.h"
#include "cli/cli.h"
#include "cli/signals.h"
#include "cli/term.h"
#include "web/html.h"
#include "web/rows.h"
#include "web/top.h"

#define EVERY_MS 1000
#define INCIDENTS_SHOWN 3
#define PAST_NS (5 * NSEC_PER_SEC) /* a newest record older than this is no present */

/* ---- the table ------------------------------------------------------------------------------------------- */

static void put_container(struct table *t, const json_t *row, const char *key)
{
	(void)key;
	table_add(t, container_label(row));
}

/* What is not known, or too little to speak of, stays empty. */
static void put_number(struct table *t, double value, double least, int digits)
{
	if (value >= least)
		table_addf(t, "%.*f", digits, value);
	else
		table_add(t, "");
}

static void put_cpus(struct table *t, const json_t *row, const char *key)
{
	put_number(t, value_number(row, key), 0, 2);
}

/* Milliseconds a second, summed over tasks. */
static double rate(const json_t *row, const char *key)
{
	return 1000 * value_number(row, key) / value_number(row, "span_ns");
}

static void put_wait(struct table *t, const json_t *row, const char *key)
{
	put_number(t, rate(row, key), 0.5, 0);
}

static void put_cpu_wait(struct table *t, const json_t *row, const char *key)
{
	put_number(t, rate(row, key) + rate(row, "wait_throttled_ns"), 0.5, 0);
}

static void put_share(struct table *t, const json_t *row, const char *key)
{
	put_number(t, 100 * value_number(row, key), 0.5, 0);
}

static void put_count(struct table *t, const json_t *row, const char *key)
{
	put_number(t, value_number(row, key), 1, 0);
}

static void put_culprit(struct table *t, const json_t *row, const char *key)
{
	const char *task = value_text(row, "culprit_task"), *name = value_text(row, key);

	if (value_int(row, "wait_throttled_ns", 0) > value_int(row, "blamed_ns", 0))
		table_add(t, "a CPU limit");
	else if (!value_int(row, "blamed_ns", 0))
		table_add(t, "");
	else if (*task)
		table_addf(t, "%s (%s)", *name ? name : "nobody known", task);
	else
		table_add(t, *name ? name : "nobody known");
}

static void put_text(struct table *t, const json_t *row, const char *key)
{
	table_add(t, value_text(row, key));
}

/* from: the narrowest terminal that has room for it. */
static const struct top_column {
	struct column column;
	size_t from;
	void (*put)(struct table *t, const json_t *row, const char *key);
	const char *key;
} top_columns[] = {
	{ { "CONTAINER", false, true }, 0, put_container, NULL },
	{ { "CPUS", true, false }, 0, put_cpus, "cpus" },
	{ { "CPU", true, false }, 0, put_cpu_wait, "wait_cpu_ns" },
	{ { "I/O", true, false }, 0, put_wait, "wait_io_ns" },
	{ { "MEM", true, false }, 50, put_wait, "wait_memory_ns" },
	{ { "LOCK", true, false }, 50, put_wait, "wait_lock_ns" },
	{ { "OTHER", true, false }, 80, put_wait, "wait_other_ns" },
	{ { "LOST", true, false }, 80, put_count, "lost" },
	{ { "PSI CPU%", true, false }, 110, put_share, "pressure_cpu" },
	{ { "MEM%", true, false }, 110, put_share, "pressure_memory" },
	{ { "I/O%", true, false }, 110, put_share, "pressure_io" },
	{ { "WAITS FOR", false, true }, 0, put_culprit, "culprit_name" },
	{ { "INCIDENT", false, true }, 100, put_text, "cause" },
};

static bool is_shown(const struct top_column *c, size_t width)
{
	return !width || c->from <= width;
}

static void format_table(const json_t *rows, size_t width, bool colour, struct strbuf *out)
{
	struct column columns[ARRAY_SIZE(top_columns)];
	AUTO(table) struct table t = { .columns = columns };
	json_t *row;
	size_t i;

	for (size_t c = 0; c < ARRAY_SIZE(top_columns); c++)
		if (is_shown(&top_columns[c], width))
			columns[t.column_count++] = top_columns[c].column;
	json_array_foreach ((json_t *)rows, i, row)
		for (size_t c = 0; c < ARRAY_SIZE(top_columns); c++)
			if (is_shown(&top_columns[c], width))
				top_columns[c].put(&t, row, top_columns[c].key);
	table_format(&t, width, colour, out);
}

/* ---- a screen -------------------------------------------------------------------------------------------- */

struct screen {
	size_t width, height; /* 0: no end */
	bool colour, live;
};

struct view {
	json_t *rows, *incidents;
	int64_t at_ns;
	bool stale; /* this should have been now */
};

static void view_cleanup(struct view *v)
{
	json_decref(v->rows);
	json_decref(v->incidents);
}

/* A severity above info as a colour; "" for none. */
static const char *colour_of(const struct screen *s, const char *severity)
{
	if (!s->colour)
		return "";
	return !strcmp(severity, "critical") ? "\033[31m" : !strcmp(severity, "warning") ? "\033[33m" : "";
}

/* One line, cut at the screen's edge. */
static void add_line(struct strbuf *out, const struct screen *s, const char *colour, const char *text, size_t len)
{
	size_t shown = 0, end = 0;

	for (; end < len; end++)
		if ((text[end] & 0xc0) != 0x80 && s->width && shown++ == s->width)
			break;
	strbuf_addstr(out, colour);
	strbuf_add(out, text, end);
	strbuf_addstr(out, *colour ? "\033[0m" : "");
	strbuf_addstr(out, s->live ? "\033[K\n" : "\n");
}

static void add_head(struct strbuf *out, const struct screen *s, const struct view *v)
{
	AUTO(strbuf) struct strbuf line = STRBUF_INIT;
	size_t open = json_array_size(v->incidents);

	strbuf_addstr(&line, "kwhy top  ");
	time_format(&line, v->at_ns);
	if (v->stale)
		strbuf_addstr(&line, "  (nobody is watching)");
	strbuf_addf(&line, "  %zu incident%s open  waits in ms/s, the last 10 s", open, open == 1 ? "" : "s");
	add_line(out, s, "", strbuf_str(&line), line.len);
}

static void add_incidents(struct strbuf *out, const struct screen *s, const struct view *v)
{
	json_t *report;
	size_t i;

	json_array_foreach (v->incidents, i, report) {
		AUTO(strbuf) struct strbuf line = STRBUF_INIT;

		if (i == INCIDENTS_SHOWN)
			break;
		strbuf_addf(&line, "! %s  ", value_text(report, "id"));
		strbuf_add_plain(&line, value_text(report, "headline"));
		add_line(out, s, colour_of(s, value_text(report, "severity")), strbuf_str(&line), line.len);
	}
}

/* The table's first line is its title, which brings its own colour. */
static void add_rows(struct strbuf *out, const struct screen *s, const struct view *v, size_t room)
{
	AUTO(strbuf) struct strbuf table = STRBUF_INIT;
	const char *line;
	size_t n = 0, len;

	format_table(v->rows, s->width, false, &table);
	for (line = strbuf_str(&table); *line && (!s->height || n < room); line += len + 1, n++) {
		const json_t *row = n ? json_array_get(v->rows, n - 1) : NULL;

		len = strcspn(line, "\n");
		add_line(out, s, row ? colour_of(s, value_text(row, "severity")) : s->colour ? "\033[1m" : "", line, len);
	}
}

static void format_view(const struct screen *s, const struct view *v, struct strbuf *out)
{
	size_t head = 2 + MIN(json_array_size(v->incidents), (size_t)INCIDENTS_SHOWN);

	add_head(out, s, v);
	add_incidents(out, s, v);
	add_line(out, s, "", "", 0);
	/* The last line stays free: a newline there would scroll. */
	add_rows(out, s, v, s->height > head + 1 ? s->height - head - 1 : 0);
}

/* ---- reading --------------------------------------------------------------------------------------------- */

static int keep_report(void *ctx, const json_t *report)
{
	if (!strcmp(value_text(report, "severity"), "info"))
		return 0;
	return json_array_append(ctx, (json_t *)report) ? -ENOMEM : 0;
}

/* An exit code; said when it is not CLI_OK. */
static int read_view(const struct cli *cli, struct reader *r, struct view *ret)
{
	const struct incident_filter open = { .status = "open", .limit = 100, .brief = true };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct view v = { .incidents = json_array(), .at_ns = cli->at_ns };
	int64_t first, n = top_read(r, cli->at_ns, &v.rows, &err);

	if (n >= 0 && !v.at_ns)
		n = reader_bounds(r, &first, &v.at_ns);
	if (n >= 0 && !cli->json)
		n = reports_each(r, &open, keep_report, v.incidents);
	if (n >= 0) {
		v.stale = !cli->at_ns && !cli->bundle && time_wall_ns() - v.at_ns > PAST_NS;
		*ret = v;
		return CLI_OK;
	}
	view_cleanup(&v);
	log_error("%s", err.len ? strbuf_str(&err) : n == -ENODATA ? "nothing is stored" : strerror((int)-n));
	return CLI_STORE;
}

static int print_once(const struct cli *cli, struct reader *r)
{
	const struct screen s = { .width = term_width(), .colour = term_colour() };
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;
	AUTO(view) struct view v = { 0 };
	json_t *row;
	size_t i;
	int code = read_view(cli, r, &v);

	if (code)
		return code;
	if (cli->json) {
		json_array_foreach (v.rows, i, row)
			term_json(row);
		return CLI_OK;
	}
	format_view(&s, &v, &out);
	return term_print(strbuf_str(&out));
}

/* ---- live ------------------------------------------------------------------------------------------------ */

static struct screen screen_now(void)
{
	struct winsize size;
	struct screen s = { .width = term_width(), .height = 24, .colour = term_colour(), .live = true };

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row)
		s.height = size.ws_row;
	return s;
}

static int draw(const struct cli *cli, struct reader *r)
{
	const struct screen s = screen_now();
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;
	AUTO(view) struct view v = { 0 };
	int code = read_view(cli, r, &v);

	if (code)
		return code;
	strbuf_addstr(&out, "\033[H");
	format_view(&s, &v, &out);
	strbuf_addstr(&out, "\033[J");
	term_print(strbuf_str(&out));
	fflush(stdout);
	return ferror(stdout) ? CLI_PARTIAL : CLI_OK;
}

/* Until the next time to draw; true: it is enough. */
static bool wait_key(int signals, bool keys)
{
	struct pollfd fds[] = { { .fd = signals, .events = POLLIN }, { .fd = keys ? STDIN_FILENO : -1, .events = POLLIN } };
	char key = 0;

	if (poll(fds, ARRAY_SIZE(fds), EVERY_MS) <= 0)
		return false;
	if (fds[1].revents && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q'))
		return true;
	return fds[0].revents && signals_wait(signals, 0) != SIGWINCH;
}

static int follow(const struct cli *cli, struct reader *r)
{
	static const int watched[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH, 0 };
	AUTO_CLOSE int signals = signals_open(watched);
	struct termios before, raw;
	bool keys = !tcgetattr(STDIN_FILENO, &before);
	int code;

	if (keys) {
		raw = before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	term_print("\033[?1049h\033[?25l"); /* the other screen, no cursor */
	do
		code = draw(cli, r);
	while (!code && !wait_key(signals, keys));
	term_print("\033[?25h\033[?1049l");
	if (keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	return code;
}

int verb_top(struct cli *cli)
{
	bool live = isatty(STDOUT_FILENO) && !cli->once && !cli->json && !cli->at_ns && !cli->bundle;
	struct reader *r;
	int code = cli_open(cli, &r);

	if (code)
		return code;
	if (cli->at_ns)
		reader_as_of(r, cli->at_ns);
	code = live ? follow(cli, r) : print_once(cli, r);
	reader_free(r);
	return code;
}
