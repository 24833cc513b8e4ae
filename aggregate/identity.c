/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/facts.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/hashmap.h"
#include "base/timeutil.h"

#define CID_MASK ((INT64_C(1) << 52) - 1)
#define FORGET_AFTER_NS (600 * NSEC_PER_SEC)
#define HELD_MAX_NS (24 * 3600 * NSEC_PER_SEC) /* a record of a release may be lost */
#define PATH_SLOTS 4 /* paths whose hashes are the same, found beside each other */
#define ROOT_ID 1    /* of the root directory of every hierarchy, kernfs_create_root() */

enum { SOURCE_PATH = 1, SOURCE_KERNEL = 2 }; /* schema/sources.def */

struct identity {
	char boot_id[40];
	struct hashmap *nodes;	    /* key -> struct node */
	struct hashmap *containers; /* cid -> struct container */
	struct hashmap *paths;	    /* hash of path -> struct container, those that exist */
	struct container *dirty, **dirty_tail;
	struct container host;
	struct container scratch; /* the one that found no room */
	char scratch_path[IDENTITY_PATH_MAX + 1];
	char scratch_name[IDENTITY_PATH_MAX + 1];
	uint64_t overflow;
	bool releases; /* are followed */
};

static uint64_t node_key(unsigned int hierarchy, uint64_t directory)
{
	return (uint64_t)hierarchy << KW_CG_V1_SHIFT | (directory & KW_CG_ID_MASK);
}

static bool key_is_root(uint64_t key)
{
	return (key & KW_CG_ID_MASK) == ROOT_ID;
}

static void container_free(struct container *c)
{
	if (!c)
		return;
	free(c->path);
	free(c->name);
	free(c->facts);
	free(c);
}

struct identity *identity_new(const char *boot_id)
{
	struct identity *id = calloc(1, sizeof(*id));

	if (!id)
		return NULL;
	snprintf(id->boot_id, sizeof(id->boot_id), "%s", boot_id);
	id->nodes = hashmap_new(sizeof(uint64_t), IDENTITY_NODES_MAX);
	id->containers = hashmap_new(sizeof(int64_t), IDENTITY_NODES_MAX);
	id->paths = hashmap_new(sizeof(uint64_t), IDENTITY_NODES_MAX);
	id->dirty_tail = &id->dirty;
	id->host = (struct container){ .path = strdup("/"), .name = strdup("host") };
	id->host.what = (struct path_identity){ .kind = CONTAINER_HOST, .runtime = "", .qos = "" };
	if (!id->nodes || !id->containers || !id->paths || !id->host.path || !id->host.name) {
		identity_free(id);
		return NULL;
	}
	return id;
}

void identity_free(struct identity *id)
{
	void *v;

	if (!id)
		return;
	for (size_t i = 0; id->nodes && (v = hashmap_next(id->nodes, &i, NULL));)
		free(v);
	for (size_t i = 0; id->containers && (v = hashmap_next(id->containers, &i, NULL));)
		container_free(v);
	hashmap_free(id->nodes);
	hashmap_free(id->containers);
	hashmap_free(id->paths);
	free(id->host.path);
	free(id->host.name);
	free(id->host.facts);
	free(id);
}

struct container *identity_host(struct identity *id)
{
	return &id->host;
}

size_t identity_count(const struct identity *id)
{
	return hashmap_count(id->containers);
}

uint64_t identity_overflow(const struct identity *id)
{
	return id->overflow;
}

/* ---- changes to be written ------------------------------------------------------------------------------- */

void identity_mark(struct identity *id, struct container *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	c->next_dirty = NULL;
	*id->dirty_tail = c;
	id->dirty_tail = &c->next_dirty;
}

struct container *identity_next_dirty(struct identity *id)
{
	struct container *c = id->dirty;

	if (!c)
		return NULL;
	id->dirty = c->next_dirty;
	if (!id->dirty)
		id->dirty_tail = &id->dirty;
	c->dirty = false;
	return c;
}

void identity_mark_all(struct identity *id)
{
	struct container *c;

	identity_mark(id, &id->host);
	for (size_t i = 0; (c = hashmap_next(id->containers, &i, NULL));)
		identity_mark(id, c);
}

/* ---- paths ----------------------------------------------------------------------------------------------- */

static struct container *path_find(const struct identity *id, const char *path)
{
	uint64_t hash = hash_str(path, 0);

	for (unsigned int i = 0; i < PATH_SLOTS; i++, hash++) {
		struct container *c = hashmap_get(id->paths, &hash);

		if (c && !strcmp(c->path, path))
			return c;
	}
	return NULL;
}

/* Without room the path is merely not found by name later. */
static void path_put(struct identity *id, struct container *c)
{
	uint64_t hash = hash_str(c->path, 0);

	for (unsigned int i = 0; i < PATH_SLOTS; i++, hash++) {
		if (hashmap_get(id->paths, &hash))
			continue;
		if (hashmap_put(id->paths, &hash, c, NULL))
			id->overflow++;
		return;
	}
	id->overflow++;
}

static void path_remove(struct identity *id, struct container *c)
{
	uint64_t hash = hash_str(c->path, 0);

	for (unsigned int i = 0; i < PATH_SLOTS; i++, hash++)
		if (hashmap_get(id->paths, &hash) == c)
			hashmap_remove(id->paths, &hash);
}

static int64_t find_parent(const struct identity *id, const char *path)
{
	char parent[IDENTITY_PATH_MAX + 1];
	char *slash;

	snprintf(parent, sizeof(parent), "%s", path);
	while ((slash = strrchr(parent, '/')) && slash != parent) {
		const struct container *c;

		*slash = '\0';
		c = path_find(id, parent);
		if (c)
			return c->cid;
	}
	return 0;
}

/* ---- containers ------------------------------------------------------------------------------------------ */

static int64_t make_cid(const struct identity *id, const char *path, uint64_t key, uint64_t created_ns)
{
	uint64_t parts[2] = { key, created_ns };
	int64_t cid;

	cid = (int64_t)hash_bytes(parts, sizeof(parts), hash_str(path, hash_str(id->boot_id, 0))) & CID_MASK;
	return cid ? cid : 1;
}

/* Until somebody says its name a container is called by its id; 12 digits of it as docker ps shows them. */
static void make_name(const struct container *c, char *name, size_t size)
{
	AUTO_FREE char *said = facts_text(c->facts, "name");

	if (said)
		snprintf(name, size, "%s", said);
	else if (c->what.kind == CONTAINER_RUNTIME && c->what.id[0])
		snprintf(name, size, "%.*s", strlen(c->what.id) == 64 ? 12 : PATH_ID_LEN, c->what.id);
	else
		snprintf(name, size, "%s", c->path);
}

static void describe(const struct identity *id, struct container *c)
{
	path_identify(c->path, &c->what);
	/* A runtime may give its containers any cgroup. */
	if (c->what.kind == CONTAINER_CGROUP && facts_have(c->facts, "id"))
		c->what.kind = CONTAINER_RUNTIME;
	c->provisional = c->path[0] != '/';
	c->parent = c->provisional ? 0 : find_parent(id, c->path);
}

static int set_name(struct container *c)
{
	char name[IDENTITY_PATH_MAX + 1];
	char *new_name;

	make_name(c, name, sizeof(name));
	new_name = strdup(name);
	if (!new_name)
		return -ENOMEM;
	free(c->name);
	c->name = new_name;
	return 0;
}

/* What the path says beyond kind, runtime and id. */
static int take_path_facts(struct container *c)
{
	char said[128];

	if (!c->what.pod[0])
		return 0;
	snprintf(said, sizeof(said), "{\"pod_uid\":\"%s\",\"qos\":\"%s\"}", c->what.pod, c->what.qos);
	return MIN(facts_merge(&c->facts, SOURCE_PATH, said), 0);
}

/* Sets path and name of a container that is in no path map. */
static int rename_container(const struct identity *id, struct container *c, const char *path)
{
	AUTO_FREE char *new_path = strdup(path);
	int r;

	if (!new_path)
		return -ENOMEM;
	free(c->path);
	c->path = TAKE_PTR(new_path);
	describe(id, c);
	r = take_path_facts(c);
	return r ? r : set_name(c);
}

int identity_describe(struct identity *id, struct container *c, unsigned int source, const char *said)
{
	int r;

	if (c == &id->scratch)
		return 0;
	r = facts_merge(&c->facts, source, said);
	if (r <= 0)
		return r;
	identity_mark(id, c);
	if (c == &id->host)
		return 0;
	describe(id, c);
	return set_name(c);
}

static int take_kernel_facts(struct identity *id, struct container *c, const struct kw_cgroup *cg)
{
	char said[96];

	if (!cg->netns || !c->cid)
		return 0;
	snprintf(said, sizeof(said), "{\"netns\":%llu,\"root_pid\":%u}", (unsigned long long)cg->netns, cg->pid);
	return identity_describe(id, c, SOURCE_KERNEL, said);
}

static struct container *use_scratch(struct identity *id, const char *path, int64_t cid, int64_t ts_ns)
{
	struct container *c = &id->scratch;

	while (c->dirty) /* nobody took it in time */
		identity_next_dirty(id);
	id->overflow++;
	snprintf(id->scratch_path, sizeof(id->scratch_path), "%s", path);
	*c = (struct container){
		.cid = cid, .path = id->scratch_path, .name = id->scratch_name, .first_ns = ts_ns, .used_ns = ts_ns
	};
	describe(id, c);
	make_name(c, id->scratch_name, sizeof(id->scratch_name));
	identity_mark(id, c);
	return c;
}

static int container_add(struct identity *id, const char *path, int64_t cid, int64_t first_ns, const char *facts,
			 struct container **ret)
{
	struct container *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->cid = cid;
	c->first_ns = first_ns;
	c->facts = facts ? strdup(facts) : NULL;
	r = hashmap_put(id->containers, &c->cid, c, NULL);
	if (!r)
		r = rename_container(id, c, path);
	if (r) {
		hashmap_remove(id->containers, &c->cid);
		container_free(c);
		return r;
	}
	if (!c->provisional)
		path_put(id, c);
	identity_mark(id, c);
	*ret = c;
	return 0;
}

/* The container of that exact name and origin, made when it is new; one that had gone comes back. */
static int container_get(struct identity *id, const char *path, uint64_t key, uint64_t boot_ns, int64_t first_ns,
			 struct container **ret)
{
	int64_t cid = make_cid(id, path, key, boot_ns);
	struct container *c;
	int r;

	while ((c = hashmap_get(id->containers, &cid)) && strcmp(c->path, path))
		cid = (cid & CID_MASK) == CID_MASK ? 1 : cid + 1;
	if (c) {
		if (c->last_ns && !c->provisional)
			path_put(id, c);
		if (c->last_ns)
			identity_mark(id, c);
		c->last_ns = 0;
		*ret = c;
		return 0;
	}
	r = container_add(id, path, cid, first_ns, NULL, ret);
	if (r != -ENOSPC)
		return r;
	*ret = use_scratch(id, path, cid, first_ns);
	return -ENOSPC;
}

static void container_end(struct identity *id, struct container *c, int64_t last_ns)
{
	if (c == &id->host || c->last_ns)
		return;
	c->last_ns = MAX(last_ns, c->first_ns);
	if (!c->last_ns)
		c->last_ns = 1;
	c->used_ns = MAX(c->used_ns, last_ns);
	path_remove(id, c);
	identity_mark(id, c);
}

/* ---- directories ----------------------------------------------------------------------------------------- */

static uint8_t path_depth(const char *path)
{
	unsigned int n = 0;

	for (; *path; path++)
		n += path[0] == '/' && path[1] && path[1] != '/';
	return (uint8_t)MIN(n, 255U);
}

static void node_unlink(struct node *n)
{
	*n->prev = n->next;
	if (n->next)
		n->next->prev = n->prev;
	n->container->live -= n->path_hash != 0;
}

static void node_link(struct identity *id, struct node *n, struct container *c)
{
	n->container = c;
	n->next = c->nodes;
	n->prev = &c->nodes;
	if (n->next)
		n->next->prev = &n->next;
	c->nodes = n;
	c->live += n->path_hash != 0;
	identity_mark(id, c);
}

static void node_set_path(struct node *n, uint64_t path_hash)
{
	n->container->live += path_hash != 0;
	n->container->live -= n->path_hash != 0;
	n->path_hash = path_hash;
}

static int node_add(struct identity *id, uint64_t key, struct container *c, struct node **ret)
{
	struct node *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	n->key = key;
	r = hashmap_put(id->nodes, &n->key, n, NULL);
	if (r) {
		free(n);
		return r;
	}
	node_link(id, n, c);
	*ret = n;
	return 0;
}

/*
 * The directory has gone.  Its node stays for a while, without path, so that late events still find the container:
 * pages stay charged to a memcg for long after rmdir.
 */
static void node_gone(struct identity *id, struct node *n, int64_t ts_ns)
{
	node_set_path(n, 0);
	n->gone_ns = ts_ns;
	n->unseen = false;
	if (!n->container->live)
		container_end(id, n->container, ts_ns);
}

/* A directory of the same hierarchy and path under another id was removed without our notice. */
static void drop_predecessor(struct identity *id, struct container *c, uint64_t key, uint64_t path_hash, int64_t ts_ns)
{
	for (struct node *n = c->nodes; n; n = n->next)
		if (n->key != key && n->key >> KW_CG_V1_SHIFT == key >> KW_CG_V1_SHIFT && n->path_hash == path_hash) {
			node_gone(id, n, ts_ns);
			return;
		}
}

/* The path of the container a directory belongs to: its own, or that of the claimed directory it lies in. */
static bool owning_path(const char *path, char owner[IDENTITY_PATH_MAX + 1])
{
	struct path_identity what;

	path_identify(path, &what);
	snprintf(owner, IDENTITY_PATH_MAX + 1, "%.*s", (int)what.length, path);
	return what.length < strlen(path);
}

/* The provisional container gets the name it should have had, and ends: the directory has another number from now on.
 */
static void merge_provisional(struct identity *id, struct container *from, const struct container *to, int64_t ts_ns)
{
	char *path = strdup(to->path), *name = strdup(to->name), *facts = to->facts ? strdup(to->facts) : NULL;

	if (path && name) {
		free(from->path);
		free(from->name);
		free(from->facts);
		from->path = path;
		from->name = name;
		from->facts = facts;
		from->what = to->what;
		from->parent = to->parent;
	} else {
		free(path);
		free(name);
		free(facts);
	}
	from->provisional = false;
	from->last_ns = MAX(ts_ns, from->first_ns);
	identity_mark(id, from);
}

static int name_provisional(struct identity *id, struct node *n, const char *owner, int64_t first_ns)
{
	struct container *c = n->container;
	int r = rename_container(id, c, owner);

	if (r)
		return r;
	c->first_ns = MIN(c->first_ns, first_ns);
	c->last_ns = 0;
	path_put(id, c);
	identity_mark(id, c);
	return 0;
}

static void node_move(struct identity *id, struct node *n, struct container *to, int64_t ts_ns)
{
	struct container *from = n->container;

	if (from == to)
		return;
	node_unlink(n);
	node_link(id, n, to);
	if (from->provisional)
		merge_provisional(id, from, to, ts_ns);
	else if (!from->live)
		container_end(id, from, ts_ns);
}

/* v1 directories can be renamed: the container keeps its number, and its name until the last of them has another. */
static bool rename_in_place(struct identity *id, const struct node *n, const char *owner, uint64_t path_hash)
{
	struct container *c = n->container;

	if (c == &id->host || c->provisional || c->last_ns || n->inside || path_find(id, owner))
		return false;
	for (const struct node *other = c->nodes; other; other = other->next)
		if (other != n && !other->inside && other->path_hash && other->path_hash != path_hash)
			return true;
	path_remove(id, c);
	if (rename_container(id, c, owner))
		return false;
	path_put(id, c);
	identity_mark(id, c);
	return true;
}

static int attach_new(struct identity *id, uint64_t key, const char *owner, uint64_t boot_ns, int64_t first_ns,
		      struct container **ret_container, struct node **ret_node)
{
	struct container *c = strcmp(owner, "/") ? path_find(id, owner) : &id->host;
	int r;

	if (!c) {
		r = container_get(id, owner, key, boot_ns, first_ns, &c);
		*ret_container = c;
		if (r)
			return r;
	}
	*ret_container = c;
	r = node_add(id, key, c, ret_node);
	if (r == -ENOSPC)
		id->overflow++;
	return r;
}

static int attach_known(struct identity *id, struct node *n, const char *owner, uint64_t path_hash, uint64_t boot_ns,
			int64_t ts_ns, int64_t first_ns)
{
	struct container *c = strcmp(owner, "/") ? path_find(id, owner) : &id->host;
	int r;

	if (c == n->container)
		return 0;
	if (!c && n->container->provisional)
		return name_provisional(id, n, owner, first_ns);
	if (!c && n->path_hash && rename_in_place(id, n, owner, path_hash))
		return 0;
	if (!c) {
		r = container_get(id, owner, n->key, boot_ns, first_ns, &c);
		if (r)
			return r;
	}
	node_move(id, n, c, ts_ns);
	return 0;
}

static int announce(struct identity *id, const struct kw_cgroup *cg, const char *path, int64_t ts_ns, int64_t first_ns,
		    struct container **ret_container)
{
	uint64_t key = node_key(cg->hierarchy, cg->id), path_hash = hash_str(path, 0) | 1;
	struct node *n = hashmap_get(id->nodes, &key);
	char owner[IDENTITY_PATH_MAX + 1];
	bool inside = owning_path(path, owner);
	struct container *before = path_find(id, owner);
	int r;

	if (before && !inside)
		drop_predecessor(id, before, key, path_hash, ts_ns);
	if (n && n->path_hash == path_hash) { /* announced again */
		n->unseen = false;
		*ret_container = n->container;
		return 0;
	}
	if (n && cg->op == KW_CGROUP_MADE && n->path_hash) /* the number's former directory went without our notice */
		node_gone(id, n, ts_ns);
	if (n)
		r = attach_known(id, n, owner, path_hash, cg->created_ns, ts_ns, first_ns);
	else
		r = attach_new(id, key, owner, cg->created_ns, first_ns, ret_container, &n);
	if (r == -ENOSPC)
		return 0;
	if (r)
		return r;
	node_set_path(n, path_hash);
	n->depth = path_depth(path);
	n->inside = inside;
	n->unseen = false;
	*ret_container = n->container;
	return 0;
}

/* A path that is not one stays harmless: nothing but directories below a root can be announced. */
static void clean_path(const char *text, char path[IDENTITY_PATH_MAX + 1])
{
	size_t len;

	snprintf(path, IDENTITY_PATH_MAX + 1, "%s%.*s", text[0] == '/' ? "" : "/", (int)IDENTITY_PATH_MAX - 1, text);
	len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
}

static struct container *release(struct identity *id, uint64_t key, int64_t ts_ns)
{
	struct node *n = hashmap_get(id->nodes, &key);

	id->releases = true;
	if (!n)
		return NULL;
	if (n->path_hash) /* the record of its removal was lost */
		node_gone(id, n, ts_ns);
	n->released = true;
	return n->container;
}

int identity_cgroup(struct identity *id, const struct kw_cgroup *cgroup, int64_t ts_ns, int64_t created_ns,
		    struct container **ret_container)
{
	struct kw_cg cg = { .v1 = node_key(cgroup->hierarchy, cgroup->id) };
	char path[IDENTITY_PATH_MAX + 1];
	struct node *n;

	if (cgroup->op == KW_CGROUP_RELEASED) {
		*ret_container = release(id, cg.v1, ts_ns);
		return 0;
	}
	clean_path(cgroup->path, path);
	if (cgroup->op != KW_CGROUP_REMOVED) {
		int r = announce(id, cgroup, path, ts_ns, created_ns ? created_ns : ts_ns, ret_container);
		const struct container *c = r ? NULL : *ret_container;

		/* Processes of a directory inside the container are its own, but not its first. */
		return c && !strcmp(c->path, path) ? take_kernel_facts(id, *ret_container, cgroup) : r;
	}
	n = hashmap_get(id->nodes, &cg.v1);
	if (!n) { /* made and removed before we looked: name it, and end it at once */
		struct container *c = NULL;
		int r = announce(id, cgroup, path, ts_ns, created_ns ? created_ns : ts_ns, &c);

		n = hashmap_get(id->nodes, &cg.v1);
		if (r)
			return r;
		*ret_container = c;
		if (!n)
			return 0;
	}
	*ret_container = n->container;
	node_gone(id, n, ts_ns);
	return 0;
}

/* ---- events ---------------------------------------------------------------------------------------------- */

static int provisional(struct identity *id, uint64_t key, int64_t ts_ns, struct container **ret_container)
{
	char path[64];
	struct container *c;
	struct node *n;
	int r;

	snprintf(path, sizeof(path), "cgroup:%u:%llu", (unsigned int)(key >> KW_CG_V1_SHIFT),
		 (unsigned long long)(key & KW_CG_ID_MASK));
	r = container_get(id, path, key, 0, ts_ns, &c);
	if (!r)
		r = node_add(id, key, c, &n);
	if (r && r != -ENOSPC)
		return r;
	*ret_container = c;
	return 0;
}

/* Of two directories of one task, on a host where runtimes use both kinds of hierarchy or only one. */
static const struct node *prefer(const struct node *v2, const struct node *v1)
{
	bool claimed2 = v2->container->what.kind == CONTAINER_RUNTIME,
	     claimed1 = v1->container->what.kind == CONTAINER_RUNTIME;

	if (v1->container == v2->container)
		return v2->inside ? v1 : v2;
	if (claimed1 != claimed2)
		return claimed1 ? v1 : v2;
	if (v1->container->provisional != v2->container->provisional)
		return v1->container->provisional ? v2 : v1;
	return v1->depth > v2->depth ? v1 : v2;
}

/* NULL: the root or none, or unknown (then *ret_unknown). */
static struct node *look_up(const struct identity *id, uint64_t key, bool *ret_unknown)
{
	struct node *n;

	*ret_unknown = false;
	if (!(key & KW_CG_ID_MASK) || key_is_root(key))
		return NULL;
	n = hashmap_get(id->nodes, &key);
	*ret_unknown = !n;
	return n && n->container == &id->host ? NULL : n;
}

int identity_resolve(struct identity *id, const struct kw_cg *cg, int64_t ts_ns, struct container **ret_container,
		     bool *ret_inside)
{
	uint64_t v2 = cg->v2 & KW_CG_ID_MASK;
	bool unknown2, unknown1;
	const struct node *n2, *n1, *n;
	int r = 0;

	if (ret_inside)
		*ret_inside = false;
	if (!cg->v2 && !cg->v1) {
		*ret_container = NULL;
		return 0;
	}
	n2 = look_up(id, v2, &unknown2);
	n1 = look_up(id, cg->v1, &unknown1);
	n = n1 && n2 ? prefer(n2, n1) : n2 ? n2 : n1;
	if (n) {
		*ret_container = n->container;
		if (ret_inside)
			*ret_inside = n->inside;
	} else if (unknown2 || unknown1) {
		r = provisional(id, unknown2 ? v2 : cg->v1, ts_ns, ret_container);
	} else {
		*ret_container = &id->host;
	}
	if (!r)
		(*ret_container)->used_ns = ts_ns;
	return r;
}

/* ---- a former run, and forgetting ------------------------------------------------------------------------ */

int identity_load_container(struct identity *id, int64_t cid, const char *path, int64_t parent, int64_t first_ns,
			    const char *facts)
{
	struct container *c;
	int r;

	if (cid <= 0 || cid > CID_MASK || strlen(path) > IDENTITY_PATH_MAX || hashmap_get(id->containers, &cid) ||
	    (path[0] == '/' && path_find(id, path)))
		return 0;
	r = container_add(id, path, cid, first_ns, facts, &c);
	if (r)
		return r == -ENOSPC ? 0 : r;
	c->parent = parent;
	return 0;
}

int identity_load_node(struct identity *id, unsigned int hierarchy, uint64_t directory, int64_t cid, bool inside,
		       uint64_t path_hash)
{
	uint64_t key = node_key(hierarchy, directory);
	struct container *c = cid ? hashmap_get(id->containers, &cid) : &id->host;
	struct node *n;
	int r;

	if (!c || hashmap_get(id->nodes, &key))
		return 0;
	r = node_add(id, key, c, &n);
	if (r)
		return r == -ENOSPC ? 0 : r;
	n->inside = inside;
	node_set_path(n, path_hash);
	n->depth = path_depth(c->path);
	n->unseen = true;
	return 0;
}

void identity_settle(struct identity *id, int64_t last_ns)
{
	struct container *c;
	struct node *n;

	for (size_t i = 0; (n = hashmap_next(id->nodes, &i, NULL));)
		if (n->unseen)
			node_gone(id, n, last_ns);
	for (size_t i = 0; (c = hashmap_next(id->containers, &i, NULL));)
		if (!c->provisional && !c->live)
			container_end(id, c, last_ns);
}

static void forget(struct identity *id, struct container *c)
{
	while (c->nodes) {
		struct node *n = c->nodes;

		c->nodes = n->next;
		hashmap_remove(id->nodes, &n->key);
		free(n);
	}
	path_remove(id, c);
	container_free(c);
}

/* Somebody's memory or I/O may still be charged to it.  Bounded: half of the room is for those that live. */
static bool is_held(const struct identity *id, const struct node *n, int64_t now_ns)
{
	return id->releases && n->gone_ns && !n->released && now_ns - n->gone_ns < HELD_MAX_NS &&
	       hashmap_count(id->nodes) < IDENTITY_NODES_MAX / 2;
}

static bool is_any_held(const struct identity *id, const struct container *c, int64_t now_ns)
{
	for (const struct node *n = c->nodes; n; n = n->next)
		if (is_held(id, n, now_ns))
			return true;
	return false;
}

/* Directories that went while their container stayed, as those inside of it do. */
static void sweep_nodes(struct identity *id, int64_t now_ns)
{
	struct node *n;

	for (size_t i = 0; (n = hashmap_next(id->nodes, &i, NULL));) {
		if (!n->gone_ns || n->path_hash || now_ns - n->gone_ns < FORGET_AFTER_NS || is_held(id, n, now_ns))
			continue;
		node_unlink(n);
		hashmap_remove(id->nodes, &n->key);
		free(n);
	}
}

void identity_sweep(struct identity *id, int64_t now_ns)
{
	struct container *c;

	sweep_nodes(id, now_ns);
	for (size_t i = 0; (c = hashmap_next(id->containers, &i, NULL));) {
		if (c->dirty || now_ns - c->used_ns < FORGET_AFTER_NS)
			continue;
		if (c->last_ns && is_any_held(id, c, now_ns))
			continue;
		if (c->last_ns) {
			int64_t cid = c->cid;

			hashmap_remove(id->containers, &cid);
			forget(id, c);
		} else if (c->provisional) {
			container_end(id, c, c->used_ns);
		}
	}
}
