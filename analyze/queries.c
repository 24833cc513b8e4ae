/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/queries.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/embed.h"
#include "base/fileutil.h"
#include "base/timeutil.h"

#define FILE_MAX (64 * 1024)

struct saved_queries {
	struct saved_query *list;
	size_t count;
};

static const char *const types[] = {
	[SAVED_TEXT] = "text", [SAVED_INT] = "int", [SAVED_TIME] = "time", [SAVED_SPAN] = "span"
};

const char *saved_type_name(enum saved_type type)
{
	return types[type];
}

/* ---- one file -------------------------------------------------------------------------------------------- */

static int complain(struct strbuf *err, const char *name, const char *what)
{
	strbuf_add_plain(err, name);
	strbuf_addf(err, ".sql: %s", what);
	return -EINVAL;
}

static bool is_word(const char *text, size_t max)
{
	size_t len = strlen(text);

	return len && len < max && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

/* "NAME TYPE DEFAULT: meaning" */
static int parse_param(const char *line, struct saved_param *ret)
{
	char name[25], type[8], usual[65];
	int at = 0;

	if (sscanf(line, "%24s %7s %64[^: ]: %n", name, type, usual, &at) != 3 || !at ||
	    !is_word(name, sizeof(ret->name)))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcmp(type, types[i]))
			continue;
		ret->type = (enum saved_type)i;
		snprintf(ret->name, sizeof(ret->name), "%.23s", name);
		snprintf(ret->usual, sizeof(ret->usual), "%.63s", strcmp(usual, "-") ? usual : "");
		snprintf(ret->text, sizeof(ret->text), "%.159s", line + at);
		return 0;
	}
	return -EINVAL;
}

static int header_line(struct saved_query *q, const char *line, struct strbuf *err)
{
	if (!strncmp(line, "-- title: ", 10))
		snprintf(q->title, sizeof(q->title), "%.95s", line + 10);
	else if (!strncmp(line, "-- about: ", 10))
		snprintf(q->about, sizeof(q->about), "%.239s", line + 10);
	else if (!strncmp(line, "-- param: ", 10) && q->param_count == SAVED_PARAMS_MAX)
		return complain(err, q->name, "too many parameters");
	else if (!strncmp(line, "-- param: ", 10) && parse_param(line + 10, &q->params[q->param_count++]))
		return complain(err, q->name,
				"a parameter is \"NAME TYPE DEFAULT: meaning\", TYPE text, int, time or span");
	return 0;
}

int saved_query_parse(const char *name, const char *text, struct saved_query *ret, struct strbuf *ret_error)
{
	struct saved_query q = { 0 };
	char line[512];

	if (!is_word(name, sizeof(q.name)))
		return complain(ret_error, name, "a name has a-z, 0-9 and _, 47 at most");
	snprintf(q.name, sizeof(q.name), "%s", name);
	for (const char *p = text; !strncmp(p, "--", 2); p += strcspn(p, "\n"), p += *p == '\n') {
		snprintf(line, sizeof(line), "%.*s", (int)MIN(strcspn(p, "\n"), sizeof(line) - 1), p);
		if (header_line(&q, line, ret_error))
			return -EINVAL;
	}
	if (!q.title[0])
		return complain(ret_error, name, "it has no \"-- title:\"");
	q.sql = strdup(text);
	if (!q.sql)
		return -ENOMEM;
	*ret = q;
	return 0;
}

json_t *saved_query_json(const struct saved_query *q)
{
	json_t *params = json_array();

	for (size_t i = 0; i < q->param_count; i++) {
		const struct saved_param *p = &q->params[i];

		json_array_append_new(params,
				      json_pack("{s:s, s:s, s:s*, s:s}", "name", p->name, "type", types[p->type],
						"default", p->usual[0] ? p->usual : NULL, "text", p->text));
	}
	return json_pack("{s:s, s:s, s:s, s:o, s:s}", "name", q->name, "title", q->title, "about", q->about, "params",
			 params, "sql", q->sql);
}

/* ---- all of them ----------------------------------------------------------------------------------------- */

static struct saved_query *find(const struct saved_queries *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->list[i].name, name))
			return &s->list[i];
	return NULL;
}

/* Takes the query over; one of the same name goes. */
static int put(struct saved_queries *s, const struct saved_query *q)
{
	struct saved_query *old = find(s, q->name), *more;

	if (old) {
		free(old->sql);
		*old = *q;
		return 0;
	}
	more = s->count < SAVED_QUERIES_MAX ? reallocarray(s->list, s->count + 1, sizeof(*more)) : NULL;
	if (!more) {
		free(q->sql);
		return -ENOMEM;
	}
	s->list = more;
	s->list[s->count++] = *q;
	return 0;
}

/* "path/NAME.sql" to NAME; false when it is no such path. */
static bool name_of(const char *path, char *ret_name, size_t size)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t len = strlen(base);

	if (len < 5 || strcmp(base + len - 4, ".sql") || len - 4 >= size)
		return false;
	snprintf(ret_name, size, "%.*s", (int)(len - 4), base);
	return true;
}

static int add(struct saved_queries *s, const char *path, const char *text, struct strbuf *err)
{
	struct saved_query q;
	char name[64];
	int r;

	if (!name_of(path, name, sizeof(name)))
		return 0;
	r = saved_query_parse(name, text, &q, err);
	return r ? r : put(s, &q);
}

static int add_ours(struct saved_queries *s, struct strbuf *err)
{
	const struct embedded_file *file;
	int r = 0;

	for (size_t i = 0; (file = embedded_at(i)) && !r; i++)
		if (!strncmp(file->path, "analyze/queries/", 16))
			r = add(s, file->path, file->data, err);
	return r;
}

static void add_site(struct saved_queries *s, const char *path, struct strbuf *messages)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir) {
		strbuf_addf(messages, "%s: %s\n", path, strerror(errno));
		return;
	}
	while ((entry = readdir(dir))) {
		AUTO(strbuf) struct strbuf err = STRBUF_INIT;
		AUTO_FREE char *text = NULL;
		char name[64];

		if (!name_of(entry->d_name, name, sizeof(name)))
			continue;
		if (file_read_alloc(dirfd(dir), entry->d_name, FILE_MAX, &text, NULL))
			strbuf_addf(&err, "%s: cannot be read", name);
		else
			add(s, entry->d_name, text, &err);
		if (err.len)
			strbuf_addf(messages, "%s/%s\n", path, strbuf_str(&err));
	}
	closedir(dir);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct saved_query *)a)->name, ((const struct saved_query *)b)->name);
}

int saved_queries_load(const char *dir, struct saved_queries **ret_queries, struct strbuf *ret_messages)
{
	struct saved_queries *s = calloc(1, sizeof(*s));
	int r = s ? add_ours(s, ret_messages) : -ENOMEM;

	if (r) {
		saved_queries_free(s);
		return r;
	}
	if (*dir)
		add_site(s, dir, ret_messages);
	if (s->count)
		qsort(s->list, s->count, sizeof(*s->list), by_name);
	*ret_queries = s;
	return 0;
}

void saved_queries_free(struct saved_queries *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		free(s->list[i].sql);
	free(s->list);
	free(s);
}

const struct saved_query *saved_queries_at(const struct saved_queries *s, size_t i)
{
	return i < s->count ? &s->list[i] : NULL;
}

const struct saved_query *saved_queries_find(const struct saved_queries *s, const char *name)
{
	return find(s, name);
}

/* ---- values ---------------------------------------------------------------------------------------------- */

static int bind_value(const struct saved_param *p, const char *value, int64_t now_ns, struct query_param *ret)
{
	ret->type = PARAM_INT;
	switch (p->type) {
	case SAVED_INT:
		return int_parse(value, &ret->integer);
	case SAVED_TIME:
		return time_parse(value, now_ns, &ret->integer);
	case SAVED_SPAN:
		return time_parse_span(value, &ret->integer);
	case SAVED_TEXT:
		ret->type = PARAM_TEXT;
		ret->text = value;
		return 0;
	}
	return -EINVAL;
}

int saved_query_bind(const struct saved_query *q, const char *(*given)(const void *ctx, const char *name),
		     const void *ctx, int64_t since_ns, int64_t until_ns, int64_t now_ns, struct saved_values *ret,
		     struct strbuf *ret_error)
{
	int64_t until = until_ns ? until_ns : now_ns;

	*ret = (struct saved_values){ .count = q->param_count + 2 };
	for (size_t i = 0; i < q->param_count; i++) {
		const struct saved_param *p = &q->params[i];
		const char *value = given(ctx, p->name);

		value = value ? value : p->usual;
		snprintf(ret->names[i], sizeof(ret->names[i]), ":%s", p->name);
		ret->params[i] = (struct query_param){ .name = ret->names[i], .type = PARAM_NULL };
		if (!*value || !bind_value(p, value, now_ns, &ret->params[i]))
			continue;
		strbuf_addf(ret_error, "%s must be %s %s; it is \"", p->name, p->type == SAVED_INT ? "an" : "a",
			    types[p->type]);
		strbuf_add_plain(ret_error, value);
		strbuf_addch(ret_error, '"');
		return -EINVAL;
	}
	ret->params[q->param_count] = (struct query_param){ .name = ":since",
							    .type = PARAM_INT,
							    .integer = since_ns ? since_ns : until - SAVED_SPAN_NS };
	ret->params[q->param_count + 1] = (struct query_param){ .name = ":until", .type = PARAM_INT, .integer = until };
	return 0;
}
