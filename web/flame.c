/* SPDX-License-Identifier: Apache-2.0 */
#include "web/flame.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/hashmap.h"

#define NAME_MAX_SHOWN 160

struct flame {
	struct flame_node *nodes;
	size_t count, cap;
	struct hashmap *by_id; /* id -> index */
	int64_t lost_ns;
};

/* ---- the tree ---------------------------------------------------------------------------------------------------- */

static unsigned int node_new(struct flame *f, unsigned int parent, enum flame_kind kind, const char *name, uint64_t id)
{
	struct flame_node *n;

	if (f->count == FLAME_NODES_MAX)
		return 0;
	if (f->count == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 256;
		struct flame_node *nodes = reallocarray(f->nodes, cap, sizeof(*nodes));

		if (!nodes)
			return 0;
		f->nodes = nodes;
		f->cap = cap;
	}
	n = &f->nodes[f->count];
	*n = (struct flame_node){ .name = strdup(name), .kind = kind, .id = id, .parent = parent };
	/* Index 0 is the root, which nobody looks up as a child. */
	if (!n->name || (f->count && hashmap_put(f->by_id, &id, (void *)(uintptr_t)f->count, NULL))) {
		free(n->name);
		return 0;
	}
	if (f->count) {
		n->next = f->nodes[parent].first;
		f->nodes[parent].first = (unsigned int)f->count;
	}
	return (unsigned int)f->count++;
}

struct flame *flame_new(void)
{
	struct flame *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->by_id = hashmap_new(sizeof(uint64_t), FLAME_NODES_MAX);
	if (f->by_id)
		node_new(f, 0, FLAME_ALL, "all", 0);
	if (!f->count) {
		flame_free(f);
		return NULL;
	}
	return f;
}

void flame_free(struct flame *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->count; i++)
		free(f->nodes[i].name);
	free(f->nodes);
	hashmap_free(f->by_id);
	free(f);
}

/* The child of that name, made when it is not there; 0: no room. */
static unsigned int child(struct flame *f, unsigned int parent, enum flame_kind kind, const char *name)
{
	uint64_t seed[2] = { f->nodes[parent].id, kind };
	uint64_t id = hash_str(name, hash_bytes(seed, sizeof(seed), 1));
	uintptr_t known = (uintptr_t)hashmap_get(f->by_id, &id);

	return known ? (unsigned int)known : node_new(f, parent, kind, name, id);
}

/*
 * A function is one box wherever in it the CPU was: "symbol+0x12 [module]" without the offset.  In user mode what has no
 * file behind it is none: "file+0x1234", or "file+0x1234 (build id)", of which the latter is for machines.
 */
static void frame_name(const char *line, size_t len, enum flame_kind kind, char *ret, size_t size)
{
	const char *plus = memchr(line, '+', len);
	const char *module = plus ? memchr(plus, '[', (size_t)(line + len - plus)) : NULL;

	if (kind != FLAME_KERNEL && !module) {
		const char *id = plus ? memchr(plus, '(', (size_t)(line + len - plus)) : NULL;

		len = id && id[-1] == ' ' ? (size_t)(id - 1 - line) : len;
		plus = NULL;
	}
	if (module)
		snprintf(ret, size, "%.*s %.*s", (int)(plus - line), line, (int)(line + len - module), module);
	else
		snprintf(ret, size, "%.*s", (int)(plus ? plus - line : (ptrdiff_t)len), line);
}

/* Frames of a text, the last line (the outermost) first.  0: no room. */
static unsigned int add_frames(struct flame *f, unsigned int at, const char *text, enum flame_kind kind)
{
	size_t end = text ? strlen(text) : 0;
	char name[NAME_MAX_SHOWN];

	for (unsigned int depth = 0; at && end && depth < FLAME_DEPTH_MAX; depth++) {
		size_t begin;

		if (text[end - 1] == '\n')
			end--;
		for (begin = end; begin && text[begin - 1] != '\n'; begin--)
			;
		if (end > begin) {
			frame_name(text + begin, end - begin, kind, name, sizeof(name));
			at = child(f, at, kind, name);
		}
		end = begin;
	}
	return at;
}

void flame_add(struct flame *f, enum flame_window window, const struct flame_row *row)
{
	unsigned int at;

	if (row->ns <= 0)
		return;
	at = child(f, 0, FLAME_CONTAINER, row->container);
	if (at && row->reason)
		at = child(f, at, FLAME_REASON, row->reason);
	if (at && row->task)
		at = child(f, at, FLAME_TASK, row->task);
	at = add_frames(f, at, row->user, FLAME_USER);
	at = add_frames(f, at, row->kernel, FLAME_KERNEL);
	if (!at) {
		f->lost_ns += row->ns;
		return;
	}
	f->nodes[at].self_ns[window] += row->ns;
	for (;; at = f->nodes[at].parent) {
		f->nodes[at].ns[window] += row->ns;
		if (!at)
			return;
	}
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

struct order {
	unsigned int index;
	int64_t ns;
	const char *name;
};

static int by_size(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? 1 : -1;
	return strcmp(x->name, y->name);
}

static void sort_children(struct flame *f, unsigned int parent, struct order *space)
{
	size_t n = 0;

	for (unsigned int i = f->nodes[parent].first; i; i = f->nodes[i].next) {
		const struct flame_node *node = &f->nodes[i];

		space[n++] = (struct order){ i, node->ns[FLAME_NOW] + node->ns[FLAME_BASE], node->name };
	}
	if (n < 2)
		return;
	qsort(space, n, sizeof(*space), by_size);
	f->nodes[parent].first = space[0].index;
	for (size_t i = 0; i < n; i++)
		f->nodes[space[i].index].next = i + 1 < n ? space[i + 1].index : 0;
}

void flame_sort(struct flame *f)
{
	AUTO_FREE struct order *space = calloc(f->count, sizeof(*space));

	for (unsigned int i = 0; space && i < f->count; i++)
		sort_children(f, i, space);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

size_t flame_count(const struct flame *f)
{
	return f->count;
}

const struct flame_node *flame_node(const struct flame *f, unsigned int i)
{
	return &f->nodes[i];
}

unsigned int flame_find(const struct flame *f, uint64_t id)
{
	return (unsigned int)(uintptr_t)hashmap_get(f->by_id, &id);
}

int64_t flame_lost_ns(const struct flame *f)
{
	return f->lost_ns;
}

static const char *kind_name(enum flame_kind kind)
{
	static const char *const names[] = {
		[FLAME_ALL] = "all",   [FLAME_CONTAINER] = "container", [FLAME_REASON] = "reason",
		[FLAME_TASK] = "task", [FLAME_USER] = "user",		[FLAME_KERNEL] = "kernel",
	};

	return names[kind];
}

static json_t *ns_text(int64_t ns)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, ns);
	return json_string(text);
}

json_t *flame_json(const struct flame *f, unsigned int from, int windows)
{
	const struct flame_node *n = &f->nodes[from];
	json_t *children = json_array(), *object;
	char id[20];

	for (unsigned int i = n->first; i; i = f->nodes[i].next)
		json_array_append_new(children, flame_json(f, i, windows));
	snprintf(id, sizeof(id), "%016" PRIx64, n->id);
	object = json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", n->name, "kind", kind_name(n->kind), "id", id, "ns",
			   ns_text(n->ns[FLAME_NOW]), "self_ns", ns_text(n->self_ns[FLAME_NOW]));
	if (object && windows > 1) {
		json_object_set_new(object, "base_ns", ns_text(n->ns[FLAME_BASE]));
		json_object_set_new(object, "base_self_ns", ns_text(n->self_ns[FLAME_BASE]));
	}
	if (!object)
		json_decref(children);
	else
		json_object_set_new(object, "children", children);
	return object;
}

/* A name may hold what the format gives a meaning to. */
static void add_folded_name(struct strbuf *out, const char *name)
{
	for (; *name; name++)
		strbuf_addch(out, *name == ';' || (unsigned char)*name < 0x20 || *name == 0x7f ? '?' : *name);
}

void flame_folded(const struct flame *f, int windows, struct strbuf *out)
{
	for (unsigned int i = 1; i < f->count; i++) {
		unsigned int path[FLAME_DEPTH_MAX * 2 + 4], depth = 0;
		const struct flame_node *n = &f->nodes[i];

		if (!n->self_ns[FLAME_NOW] && !n->self_ns[FLAME_BASE])
			continue;
		for (unsigned int at = i; at && depth < ARRAY_SIZE(path); at = f->nodes[at].parent)
			path[depth++] = at;
		while (depth-- > 0) {
			const struct flame_node *step = &f->nodes[path[depth]];

			add_folded_name(out, step->name);
			if (step->kind == FLAME_KERNEL)
				strbuf_addstr(out, "_[k]");
			strbuf_addch(out, depth ? ';' : ' ');
		}
		if (windows > 1)
			strbuf_addf(out, "%" PRId64 " ", n->self_ns[FLAME_BASE] / 1000);
		strbuf_addf(out, "%" PRId64 "\n", n->self_ns[FLAME_NOW] / 1000);
	}
}

/* ---- the top ----------------------------------------------------------------------------------------------------- */

static bool is_below(const struct flame *f, unsigned int i, unsigned int from)
{
	for (; i; i = f->nodes[i].parent)
		if (i == from)
			return true;
	return !from;
}

static int by_name(const void *a, const void *b)
{
	const struct flame_top *x = a, *y = b;

	return x->kind != y->kind ? (int)x->kind - (int)y->kind : strcmp(x->name, y->name);
}

/* How much an entry matters: its time, or how far its share moved.  Windows may differ in length. */
static double weight(const struct flame_top *t, const int64_t total[FLAME_WINDOWS], int windows)
{
	double now = (double)t->self_ns[FLAME_NOW] / (double)MAX(total[FLAME_NOW], 1);

	return windows > 1 ? fabs(now - (double)t->self_ns[FLAME_BASE] / (double)MAX(total[FLAME_BASE], 1)) : now;
}

/* Moves the max heaviest to the front, the heaviest first. */
static void select_top(struct flame_top *all, size_t n, size_t max, const int64_t *total, int windows)
{
	for (size_t i = 0; i < max && i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			if (weight(&all[j], total, windows) > weight(&all[i], total, windows)) {
				struct flame_top t = all[i];

				all[i] = all[j];
				all[j] = t;
			}
}

size_t flame_top(const struct flame *f, unsigned int from, int windows, struct flame_top *ret, size_t max)
{
	AUTO_FREE struct flame_top *all = calloc(f->count, sizeof(*all));
	size_t n = 0, merged = 0;

	for (unsigned int i = 1; all && i < f->count; i++) {
		const struct flame_node *node = &f->nodes[i];

		if ((node->self_ns[FLAME_NOW] || node->self_ns[FLAME_BASE]) && is_below(f, i, from))
			all[n++] = (struct flame_top){ node->name, node->kind,
						       { node->self_ns[FLAME_NOW], node->self_ns[FLAME_BASE] } };
	}
	if (!n)
		return 0;
	qsort(all, n, sizeof(*all), by_name);
	for (size_t i = 1; i < n; i++) {
		if (by_name(&all[merged], &all[i])) {
			all[++merged] = all[i];
			continue;
		}
		all[merged].self_ns[FLAME_NOW] += all[i].self_ns[FLAME_NOW];
		all[merged].self_ns[FLAME_BASE] += all[i].self_ns[FLAME_BASE];
	}
	n = merged + 1;
	select_top(all, n, max, f->nodes[from].ns, windows);
	n = MIN(n, max);
	memcpy(ret, all, n * sizeof(*ret));
	return n;
}
