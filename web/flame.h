/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree of stacks with the time spent in each, of one window or of two that are compared: what a flame graph shows.
 * Pure: rows in, tree out.  Bounded; what did not fit is counted.
 */
#ifndef KWHY_WEB_FLAME_H
#define KWHY_WEB_FLAME_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

#define FLAME_NODES_MAX 40000
#define FLAME_DEPTH_MAX 80 /* container, task and two stacks of 32 frames */

enum flame_window { FLAME_NOW, FLAME_BASE, FLAME_WINDOWS };

/* What a box stands for. */
enum flame_kind { FLAME_ALL, FLAME_CONTAINER, FLAME_REASON, FLAME_TASK, FLAME_USER, FLAME_KERNEL };

struct flame_node {
	char *name;
	enum flame_kind kind;
	uint64_t id; /* of the path to it: the same in every window and on every day */
	unsigned int parent, first, next; /* indices; 0: none (the root is nobody's child) */
	int64_t ns[FLAME_WINDOWS];	  /* with what is above it */
	int64_t self_ns[FLAME_WINDOWS];
};

struct flame;

struct flame *flame_new(void); /* NULL: out of memory */
void flame_free(struct flame *f);

/*
 * One row: container, reason (NULL: none) and task become boxes; user and kernel are texts of v_stack, innermost frame
 * first, or NULL.  Frames are told by function, those of user mode whose function is not known by file and offset.
 */
struct flame_row {
	const char *container, *reason, *task, *user, *kernel;
	int64_t ns;
};
void flame_add(struct flame *f, enum flame_window window, const struct flame_row *row);
/* Orders what is beside each other, the largest first.  Once, after the last row. */
void flame_sort(struct flame *f);

size_t flame_count(const struct flame *f);
/* 0 is the root. */
const struct flame_node *flame_node(const struct flame *f, unsigned int i);
/* The node of that id, 0 when there is none. */
unsigned int flame_find(const struct flame *f, uint64_t id);
int64_t flame_lost_ns(const struct flame *f); /* of rows for which there was no room */

/* { name, kind, ns, self_ns, base_ns, base_self_ns, id, children: [..] } from a node on; base_ only with two windows. */
json_t *flame_json(const struct flame *f, unsigned int from, int windows);
/*
 * "all;container;task;frame;frame 1234" a line, in microseconds, as flamegraph.pl takes it; with two windows "1000 1234",
 * base first, as difffolded.pl writes it.
 */
void flame_folded(const struct flame *f, int windows, struct strbuf *out);

struct flame_top {
	const char *name;
	enum flame_kind kind;
	int64_t self_ns[FLAME_WINDOWS];
};
/*
 * Frames by the time spent in them and in nothing they called, wherever in the tree below `from`: largest difference
 * between the shares of the windows first when there are two, else largest first.  Number of those filled in.
 */
size_t flame_top(const struct flame *f, unsigned int from, int windows, struct flame_top *ret, size_t max);

#endif
