/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML read into structs by tables of keys: every mistake becomes a line
 * "file:line: text" and reading goes on, so that one pass says all of them.
 */
#ifndef KWHY_ANALYZE_YAMLMAP_H
#define KWHY_ANALYZE_YAMLMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

struct yamlmap {
	const char *file;
	yaml_document_t doc;
	struct strbuf *messages;
	bool failed;
};

/* -EINVAL with a message when it is no YAML or empty; then there is nothing to close. */
int yamlmap_open(struct yamlmap *y, const char *file, const char *text, size_t len, struct strbuf *messages);
void yamlmap_close(struct yamlmap *y);

void yamlmap_complain(struct yamlmap *y, const yaml_node_t *node, const char *fmt, ...) PRINTF_LIKE(3, 4);
unsigned int yamlmap_line(const yaml_node_t *node);
const yaml_node_t *yamlmap_node(struct yamlmap *y, int index);
/* NULL after a complaint when it is no text, or an empty one. */
const char *yamlmap_scalar(struct yamlmap *y, const yaml_node_t *node);

struct yamlmap_key {
	const char *name;
	bool required;
	void (*set)(struct yamlmap *y, const yaml_node_t *node, void *target);
	size_t offset; /* of the target in the struct being filled */
};

/* keys ends with a NULL name and has at most 64 entries. */
void yamlmap_read(struct yamlmap *y, const yaml_node_t *node, const struct yamlmap_key *keys, void *object);
/* Calls fn for each item of a list. */
void yamlmap_each(struct yamlmap *y, const yaml_node_t *node, void *target,
		  void (*fn)(struct yamlmap *y, const yaml_node_t *item, void *target));

/* Setters: char * (owned), bool, int64_t in ns ("30s", "1h30m"). */
void yamlmap_set_text(struct yamlmap *y, const yaml_node_t *node, void *target);
void yamlmap_set_bool(struct yamlmap *y, const yaml_node_t *node, void *target);
void yamlmap_set_span(struct yamlmap *y, const yaml_node_t *node, void *target);

/* A whole file of at most max bytes; otherwise a negative errno and a message. */
int yamlmap_read_file(const char *path, size_t max, char **ret_text, size_t *ret_len, struct strbuf *messages);
/* Calls fn with each *.yaml or *.yml file of a directory, in the order of their names; problems become messages. */
void yamlmap_each_file(const char *dir, size_t max, struct strbuf *messages,
		       void (*fn)(void *ctx, const char *path, const char *text, size_t len), void *ctx);

#endif
