/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/yamlmap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileutil.h"
#include "base/timeutil.h"

unsigned int yamlmap_line(const yaml_node_t *node)
{
	return node ? (unsigned int)node->start_mark.line + 1 : 1;
}

void yamlmap_complain(struct yamlmap *y, const yaml_node_t *node, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	strbuf_addf(y->messages, "%s:%u: ", y->file, yamlmap_line(node));
	strbuf_add_plain(y->messages, text);
	strbuf_addch(y->messages, '\n');
	y->failed = true;
}

int yamlmap_open(struct yamlmap *y, const char *file, const char *text, size_t len, struct strbuf *messages)
{
	yaml_parser_t parser;

	*y = (struct yamlmap){ .file = file, .messages = messages };
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (!yaml_parser_load(&parser, &y->doc)) {
		strbuf_addf(messages, "%s:%zu: %s\n", file, parser.problem_mark.line + 1,
			    parser.problem ? parser.problem : "no YAML");
		yaml_parser_delete(&parser);
		return -EINVAL;
	}
	yaml_parser_delete(&parser);
	if (yaml_document_get_root_node(&y->doc))
		return 0;
	strbuf_addf(messages, "%s:1: the file is empty\n", file);
	yaml_document_delete(&y->doc);
	return -EINVAL;
}

void yamlmap_close(struct yamlmap *y)
{
	yaml_document_delete(&y->doc);
}

const yaml_node_t *yamlmap_node(struct yamlmap *y, int index)
{
	return yaml_document_get_node(&y->doc, index);
}

const char *yamlmap_scalar(struct yamlmap *y, const yaml_node_t *node)
{
	if (node->type == YAML_SCALAR_NODE && node->data.scalar.length)
		return (const char *)node->data.scalar.value;
	yamlmap_complain(y, node, "a text is expected here");
	return NULL;
}

void yamlmap_read(struct yamlmap *y, const yaml_node_t *node, const struct yamlmap_key *keys, void *object)
{
	uint64_t seen = 0;

	if (node->type != YAML_MAPPING_NODE) {
		yamlmap_complain(y, node, "keys and values are expected here");
		return;
	}
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = yamlmap_node(y, pair->key);
		const char *name = yamlmap_scalar(y, key);
		size_t k = 0;

		while (name && keys[k].name && strcmp(keys[k].name, name))
			k++;
		if (!name || !keys[k].name) {
			yamlmap_complain(y, key, "unknown key \"%s\"", name ? name : "");
			continue;
		}
		if (seen & (1ULL << k))
			yamlmap_complain(y, key, "key \"%s\" stands here twice", name);
		seen |= 1ULL << k;
		keys[k].set(y, yamlmap_node(y, pair->value), (char *)object + keys[k].offset);
	}
	for (size_t k = 0; keys[k].name; k++)
		if (keys[k].required && !(seen & (1ULL << k)))
			yamlmap_complain(y, node, "key \"%s\" is missing", keys[k].name);
}

void yamlmap_each(struct yamlmap *y, const yaml_node_t *node, void *target,
		  void (*fn)(struct yamlmap *y, const yaml_node_t *item, void *target))
{
	if (node->type != YAML_SEQUENCE_NODE) {
		yamlmap_complain(y, node, "a list is expected here");
		return;
	}
	for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++)
		fn(y, yamlmap_node(y, *i), target);
}

void yamlmap_set_text(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	const char *text = yamlmap_scalar(y, node);
	char **out = target;

	if (!text)
		return;
	free(*out);
	*out = strdup(text);
}

void yamlmap_set_bool(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	const char *text = yamlmap_scalar(y, node);

	if (!text)
		return;
	if (strcmp(text, "true") && strcmp(text, "false"))
		yamlmap_complain(y, node, "true or false is expected here");
	*(bool *)target = !strcmp(text, "true");
}

void yamlmap_set_span(struct yamlmap *y, const yaml_node_t *node, void *target)
{
	const char *text = yamlmap_scalar(y, node);

	if (text && time_parse_span(text, target))
		yamlmap_complain(y, node, "a time span such as 30s or 5min is expected here");
}

int yamlmap_read_file(const char *path, size_t max, char **ret_text, size_t *ret_len, struct strbuf *messages)
{
	int r = file_read_alloc(AT_FDCWD, path, max, ret_text, ret_len);

	if (r < 0)
		strbuf_addf(messages, "%s:1: %s\n", path, strerror(-r));
	return r;
}

static int is_yaml(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && ((len > 5 && !strcmp(entry->d_name + len - 5, ".yaml")) ||
					   (len > 4 && !strcmp(entry->d_name + len - 4, ".yml")));
}

void yamlmap_each_file(const char *dir, size_t max, struct strbuf *messages,
		       void (*fn)(void *ctx, const char *path, const char *text, size_t len), void *ctx)
{
	struct dirent **entries;
	int count = scandir(dir, &entries, is_yaml, alphasort);

	if (count < 0) {
		strbuf_addf(messages, "%s:1: %s\n", dir, strerror(errno));
		return;
	}
	for (int i = 0; i < count; i++) {
		AUTO(strbuf) struct strbuf path = STRBUF_INIT;
		AUTO_FREE char *text = NULL;
		size_t len;

		strbuf_addf(&path, "%s/%s", dir, entries[i]->d_name);
		if (!yamlmap_read_file(strbuf_str(&path), max, &text, &len, messages))
			fn(ctx, strbuf_str(&path), text, len);
		free(entries[i]);
	}
	free(entries);
}
