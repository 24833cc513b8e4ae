/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/viewdoc.h"

#include <stdbool.h>
#include <string.h>

#include "base/embed.h"
#include "base/strbuf.h"
#include "schema/kinds.h"

/* The columns of every view of a kind, before those of its payload (schema/VIEWS.md, v_event). */
static const char envelope[] =
	"ts_ns, container, container_name, peer, peer_name, pid, tid, comm, peer_pid, peer_tid, peer_comm,"
	" duration_ns, error, pending (0/1), cpu, stack, peer_stack";

static void add_column(json_t *columns, const char *name, size_t name_len, const char *text, size_t text_len)
{
	if (name_len)
		json_array_append_new(columns,
				      json_pack("{s:s%, s:s%}", "name", name, name_len, "text", text, text_len));
}

static void add_fields(json_t *columns, const struct kw_kind_info *info)
{
	for (const struct kw_field *f = info->fields; f->name; f++)
		add_column(columns, f->name, strlen(f->name), f->text, strlen(f->text));
}

/* "the fields of schema/ev_usage.h with -1 as NULL" */
static bool add_fields_of(json_t *columns, const char *item, size_t len)
{
	const struct kw_kind_info *info;
	char kind[32] = "";
	const char *header = strstr(item, "schema/ev_");
	size_t n;

	if (!header || header >= item + len)
		return false;
	n = strcspn(header + 10, ".");
	if (n >= sizeof(kind))
		return false;
	memcpy(kind, header + 10, n);
	info = kw_kind_by_name(kind);
	if (info)
		add_fields(columns, info);
	return info != NULL;
}

/* "ts_ns, kind (name), class ('context' and so on)": separated by commas outside parentheses. */
static void add_columns(json_t *columns, const char *list, size_t len)
{
	const char *end = list + len;

	while (list < end) {
		int depth = 0;
		const char *item = list, *paren;
		size_t n, name;

		for (; list < end && (depth || *list != ','); list++)
			depth += (*list == '(') - (*list == ')');
		n = (size_t)(list - item);
		list += list < end;
		while (n && *item == ' ')
			item++, n--;
		while (n && item[n - 1] == ' ')
			n--;
		if (add_fields_of(columns, item, n))
			continue;
		name = strspn(item, "abcdefghijklmnopqrstuvwxyz0123456789_");
		name = MIN(name, n);
		paren = memchr(item, '(', n);
		if (paren && item[n - 1] == ')')
			add_column(columns, item, name, paren + 1, (size_t)(item + n - paren) - 2);
		else
			add_column(columns, item, name, item + name, n - name);
	}
}

/* "| `v_wait` | ts_ns, span_ns, ... |" */
static void add_documented(json_t *views, const char *line, size_t len)
{
	const char *name = line + 3, *tick = memchr(name, '`', len - 3), *list;
	json_t *columns = json_array();

	if (!tick || tick - name > 40 || memchr(name, '<', (size_t)(tick - name)) || (size_t)(tick + 4 - line) > len) {
		json_decref(columns);
		return;
	}
	list = tick + 4;
	add_columns(columns, list, (size_t)(line + len - list) - (line[len - 1] == '|' ? 2 : 0));
	json_array_append_new(views, json_pack("{s:s%, s:s, s:o}", "view", name, (size_t)(tick - name), "about", "",
					       "columns", columns));
}

static bool is_documented(const json_t *views, const char *name)
{
	const json_t *view;
	size_t i;

	json_array_foreach ((json_t *)views, i, view)
		if (!strcmp(json_string_value(json_object_get(view, "view")), name))
			return true;
	return false;
}

static void add_kinds(json_t *views)
{
	const struct kw_kind_info *info;

	for (size_t i = 0; (info = kw_kind_at(i)); i++) {
		AUTO(strbuf) struct strbuf name = STRBUF_INIT;
		json_t *columns;

		strbuf_addf(&name, "v_%s", info->name);
		if (info->class != KW_CLASS_CONTEXT || is_documented(views, strbuf_str(&name)))
			continue;
		columns = json_array();
		add_columns(columns, envelope, strlen(envelope));
		add_fields(columns, info);
		json_array_append_new(views, json_pack("{s:s, s:s, s:o}", "view", strbuf_str(&name), "about",
						       info->title, "columns", columns));
	}
}

json_t *viewdoc_json(void)
{
	const struct embedded_file *file = embedded_find("schema/VIEWS.md");
	json_t *views = json_array();

	for (const char *line = file ? file->data : ""; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (!strncmp(line, "| `v_", 5))
			add_documented(views, line, strcspn(line, "\n"));
	add_kinds(views);
	return views;
}
