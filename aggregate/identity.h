/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the kernel's cgroup ids to containers.  A container is a path below
 * the root of the cgroup hierarchies, for as long as a directory of that path
 * exists in any of them; directories inside a container that a runtime rule
 * claims belong to it.  Everything derives from records alone, so that a
 * replay gives the same numbers.  Times are wall-clock nanoseconds.
 *
 * Bounded: at most IDENTITY_NODES_MAX directories; beyond that containers are
 * still numbered and named, but not remembered, and counted.
 */
#ifndef KWHY_AGGREGATE_IDENTITY_H
#define KWHY_AGGREGATE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/idle.h"
#include "aggregate/paths.h"
#include "schema/payloads.h"

#define IDENTITY_NODES_MAX 65536
#define IDENTITY_PATH_MAX sizeof(((struct kw_cgroup *)0)->path)

struct identity;

struct container {
	int64_t cid; /* 1 .. 2^52 - 1; 0 the host */
	struct path_identity what;
	char *path; /* cgroup; "cgroup:HIERARCHY:ID" while provisional */
	char *name;
	char *facts;		   /* of aggregate/facts.h; NULL: none */
	int64_t parent;		   /* cid */
	int64_t first_ns, last_ns; /* last_ns 0: still there */
	int64_t used_ns;
	struct kw_cg asked;  /* sources of metadata are asked about it under this name; all 0: not yet */
	bool provisional;    /* no record has named it yet */
	bool dirty;	     /* to be written to the store */
	uint64_t generation; /* of the shard that has it, for the store's use */
	struct idle idle;
	struct node *nodes;
	unsigned int live; /* directories that exist */
	struct container *next_dirty;
};

/* A directory that belongs to a container. */
struct node {
	uint64_t key; /* hierarchy << 56 | id */
	struct container *container;
	struct node *next, **prev; /* of the container */
	uint64_t path_hash;	   /* 0: the directory has gone, or was never named */
	int64_t gone_ns;
	bool released; /* gone, and nothing in the kernel refers to it any more */
	uint8_t depth;
	bool inside; /* a directory inside the container, not its own */
	bool unseen; /* loaded from a shard, not announced since */
};

struct identity *identity_new(const char *boot_id); /* NULL when out of memory */
void identity_free(struct identity *id);

/* Takes a cgroup record.  The container of that directory, NULL: released, but never known; -ENOMEM. */
int identity_cgroup(struct identity *id, const struct kw_cgroup *cgroup, int64_t ts_ns, int64_t created_ns,
		    struct container **ret_container);

/*
 * While identity_overflow() is not 0, take what identity_next_dirty() has after every call: the container that found no
 * room is remembered until the next one only.
 *
 * *ret_container is NULL for nobody (all zero), never for an id that is merely unknown.  The pointer is valid until the
 * next call.  *ret_inside: the directory lies inside the container (NULL when not wanted).
 */
int identity_resolve(struct identity *id, const struct kw_cg *cg, int64_t ts_ns, struct container **ret_container,
		     bool *ret_inside);
struct container *identity_host(struct identity *id);

/*
 * Takes what a source says of a container: a JSON object of fields of aggregate/facts.def.  0, -EBADMSG, -ENOMEM.
 * The container that found no room has none.
 */
int identity_describe(struct identity *id, struct container *c, unsigned int source, const char *said);

/* What a former run had stored.  path_hash as in struct node. */
int identity_load_container(struct identity *id, int64_t cid, const char *path, int64_t parent, int64_t first_ns,
			    const char *facts);
int identity_load_node(struct identity *id, unsigned int hierarchy, uint64_t directory, int64_t cid, bool inside,
		       uint64_t path_hash);
/* After the first tick: what was loaded and not announced again had gone by last_ns. */
void identity_settle(struct identity *id, int64_t last_ns);

/*
 * Forgets what has been gone, or was never named nor used, for a while.  Where releases are followed that is not before
 * the release: until then there can be events about its memory or its I/O.
 */
void identity_sweep(struct identity *id, int64_t now_ns);

/* Containers changed since they were last taken from here, in order of change; NULL: no more. */
struct container *identity_next_dirty(struct identity *id);
void identity_mark(struct identity *id, struct container *c);
/* Marks all, for a new shard. */
void identity_mark_all(struct identity *id);

size_t identity_count(const struct identity *id);
uint64_t identity_overflow(const struct identity *id);

#endif
