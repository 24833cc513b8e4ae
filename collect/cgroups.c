/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fileutil.h"
#include "base/hashmap.h"
#include "base/timeutil.h"
#include "collect/mounts.h"
#include "schema/kinds.h"

#define DEPTH_MAX 64
#define OWN_MAX 4
#define UNKNOWN_MAX 8192 /* ids that could not be resolved, remembered so as not to ask again at once */
#define UNKNOWN_RETRY_NS (10 * NSEC_PER_SEC)
#define RESCAN_NS (30 * NSEC_PER_SEC)
#define RESCAN_POLLED_NS (2 * NSEC_PER_SEC)
#define LOOKS_PER_TICK 512 /* for network namespaces: two files each, 20 us, ten times that for a file never opened */

struct cgroup_key {
	uint64_t hierarchy;
	uint64_t id;
};

/*
 * When to look for a cgroup's network namespace: a container's first process comes a moment after the cgroup, and joins
 * its namespace a moment after that.  Those without a process are looked at now and then.
 */
static const uint64_t look_after_ns[] = { 40 * NSEC_PER_MSEC, NSEC_PER_SEC, 3 * NSEC_PER_SEC, 30 * NSEC_PER_SEC };

#define LOOKS ARRAY_SIZE(look_after_ns)
#define LAST_LOOK (LOOKS - 1)

struct cgroup_entry {
	uint32_t slot; /* in hierarchies[] */
	uint32_t scan; /* the last walk that met it */
	uint64_t id;
	uint64_t netns;
	uint64_t created_ns;
	int32_t netns_pid;
	uint32_t look; /* which queue it is in */
	uint64_t look_ns;
	struct cgroup_entry *next, **prev; /* in the queue; prev NULL: in none */
	char path[];
};

/* Everything in one queue waits equally long, so that the first is due first. */
struct look_queue {
	struct cgroup_entry *first, **last;
};

struct unknown {
	struct cgroup_key key;
	uint64_t retry_ns;
};

struct cgroups {
	char proc[256];
	cgroups_emit_fn emit;
	void *emit_ctx;
	struct cgroup_hierarchy hierarchies[CGROUP_HIERARCHIES_MAX];
	unsigned int hierarchy_count;
	char *own[OWN_MAX]; /* paths of the cgroups that kwhy made for itself */
	unsigned int own_count;
	struct hashmap *table; /* cgroup_key -> cgroup_entry */
	struct hashmap *unknown; /* cgroup_key -> struct unknown */
	struct look_queue looks[LOOKS];
	struct mounts *mounts;
	struct cgroups_work work;
	unsigned int early_left; /* looks before the next tick */
	uint32_t scan;
	bool scan_incomplete; /* this walk met an error or its bounds: absence proves nothing */
	bool rescan_soon;
	uint64_t scanned_ns;
	uint64_t overflow;
};

/* ---- when to look for network namespaces -------------------------------------------------------------------------- */

static void queue_append(struct cgroups *c, struct cgroup_entry *e, unsigned int look, uint64_t look_ns)
{
	struct look_queue *q = &c->looks[look];

	e->look = look;
	e->look_ns = look_ns;
	e->next = NULL;
	e->prev = q->last;
	*q->last = e;
	q->last = &e->next;
}

static void queue_remove(struct cgroups *c, struct cgroup_entry *e)
{
	if (!e->prev)
		return;
	*e->prev = e->next;
	if (e->next)
		e->next->prev = e->prev;
	else
		c->looks[e->look].last = e->prev;
	e->prev = NULL;
}

/* ---- table ------------------------------------------------------------------------------------------------------- */

static int slot_of(const struct cgroups *c, unsigned int hierarchy)
{
	for (unsigned int i = 0; i < c->hierarchy_count; i++)
		if (c->hierarchies[i].number == hierarchy)
			return i;
	return -1;
}

static struct cgroup_entry *find(const struct cgroups *c, unsigned int hierarchy, uint64_t id)
{
	return hashmap_get(c->table, &(struct cgroup_key){ hierarchy, id });
}

static struct kw_cg cg_of(unsigned int hierarchy, uint64_t id)
{
	if (!hierarchy)
		return (struct kw_cg){ .v2 = id };
	return (struct kw_cg){ .v1 = (uint64_t)hierarchy << KW_CG_V1_SHIFT | (id & KW_CG_ID_MASK) };
}

static void set_controllers(const struct cgroups *c, unsigned int hierarchy, struct kw_cgroup *p)
{
	int slot = slot_of(c, hierarchy);

	if (slot >= 0)
		memcpy(p->controllers, c->hierarchies[slot].controllers, sizeof(p->controllers));
}

/* kwhy is part of the host, not a container beside others. */
static bool is_own(const struct cgroups *c, const char *path)
{
	for (unsigned int i = 0; i < c->own_count; i++)
		if (!strcmp(c->own[i], path))
			return true;
	return false;
}

/* Innermost parts tell what a cgroup is, so a path that is too long loses its beginning. */
static void set_path(struct kw_cgroup *p, const char *path)
{
	size_t len = strlen(path);

	if (len < sizeof(p->path))
		memcpy(p->path, path, len);
	else
		snprintf(p->path, sizeof(p->path), "...%s", path + len - (sizeof(p->path) - 4));
}

static void announce(struct cgroups *c, const struct cgroup_entry *e, uint32_t op, uint64_t now_ns)
{
	unsigned int hierarchy = c->hierarchies[e->slot].number;
	struct {
		struct kw_event e;
		struct kw_cgroup p;
	} r = {
		.e = { .kind = KW_KIND_cgroup, .payload_size = sizeof(r.p), .flags = KW_FLAG_POLLED, .ts_ns = now_ns,
		       .subject.cg = cg_of(hierarchy, e->id) },
		.p = { .op = op, .hierarchy = hierarchy, .id = e->id, .netns = e->netns, .pid = (uint32_t)e->netns_pid,
		       .created_ns = e->created_ns },
	};

	set_controllers(c, hierarchy, &r.p);
	set_path(&r.p, is_own(c, e->path) ? "/" : e->path);
	c->emit(c->emit_ctx, &r.e);
}

static void entry_free(struct cgroups *c, struct cgroup_entry *e)
{
	if (!e)
		return;
	queue_remove(c, e);
	free(e);
}

/* It was removed. */
static void drop(struct cgroups *c, const struct cgroup_key *key)
{
	const struct kw_cg cg = cg_of((unsigned int)key->hierarchy, key->id);

	mounts_gone(c->mounts, &cg);
	entry_free(c, hashmap_remove(c->table, key));
}

/* Adds or replaces; NULL when full or out of memory. */
static struct cgroup_entry *put(struct cgroups *c, unsigned int slot, uint64_t id, const char *path)
{
	struct cgroup_key key = { c->hierarchies[slot].number, id };
	size_t len = strlen(path) + 1;
	struct cgroup_entry *e = calloc(1, sizeof(*e) + len);
	void *old = NULL;

	if (!e)
		return NULL;
	e->slot = slot;
	e->id = id;
	e->scan = c->scan;
	memcpy(e->path, path, len);
	if (hashmap_count(c->table) >= CGROUPS_MAX && !hashmap_get(c->table, &key)) {
		c->overflow++;
		free(e);
		return NULL;
	}
	if (hashmap_put(c->table, &key, e, &old) < 0) {
		c->overflow++;
		free(e);
		return NULL;
	}
	entry_free(c, old);
	free(hashmap_remove(c->unknown, &key));
	return e;
}

static void remember_unknown(struct cgroups *c, const struct cgroup_key *key, uint64_t now_ns)
{
	struct unknown *u = hashmap_get(c->unknown, key);
	const void *at;

	if (u) {
		u->retry_ns = now_ns + UNKNOWN_RETRY_NS;
		return;
	}
	if (hashmap_count(c->unknown) >= UNKNOWN_MAX)
		for (size_t i = 0; (u = hashmap_next(c->unknown, &i, &at));)
			free(hashmap_remove(c->unknown, &u->key));
	u = malloc(sizeof(*u));
	if (!u)
		return;
	*u = (struct unknown){ *key, now_ns + UNKNOWN_RETRY_NS };
	if (hashmap_put(c->unknown, key, u, NULL) < 0)
		free(u);
}

/* ---- network namespaces ------------------------------------------------------------------------------------------ */

static int32_t first_process(const struct cgroups *c, const struct cgroup_entry *e)
{
	char path[PATH_MAX + 64], text[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%s%s/cgroup.procs", c->hierarchies[e->slot].mount, e->path);
	n = file_read(AT_FDCWD, path, text, sizeof(text));
	return n > 0 || n == -E2BIG ? (int32_t)strtol(text, NULL, 10) : 0;
}

uint64_t netns_of_process(const char *proc, int32_t pid)
{
	char path[300], text[64];
	unsigned long long inode;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%d/ns/net", proc, pid);
	n = readlink(path, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return sscanf(text, "net:[%llu]", &inode) == 1 ? inode : 0;
}

static void look_at_mounts(const struct cgroups *c, const struct cgroup_entry *e, uint64_t now_ns)
{
	const struct kw_cg cg = cg_of(c->hierarchies[e->slot].number, e->id);

	if (e->netns_pid)
		mounts_look(c->mounts, &cg, e->netns_pid, now_ns);
}

/* true when it became known or another one.  The root's processes are the host's: nothing to learn there. */
static bool look_at_netns(const struct cgroups *c, struct cgroup_entry *e)
{
	int32_t pid = strcmp(e->path, "/") != 0 ? first_process(c, e) : 0;
	uint64_t netns = pid > 0 ? netns_of_process(c->proc, pid) : 0;

	if (!netns)
		return false;
	e->netns_pid = pid;
	if (netns == e->netns)
		return false;
	e->netns = netns;
	return true;
}

static struct cgroup_entry *add(struct cgroups *c, unsigned int slot, uint64_t id, const char *path, uint64_t now_ns)
{
	struct cgroup_entry *e = put(c, slot, id, path);

	if (!e)
		return NULL;
	/* What was there before us can wait its turn: there may be very many. */
	queue_append(c, e, c->scanned_ns ? 0 : LAST_LOOK, c->scanned_ns ? now_ns + look_after_ns[0] : 0);
	announce(c, e, KW_CGROUP_SEEN, now_ns);
	return e;
}

/* ---- walk -------------------------------------------------------------------------------------------------------- */

static void meet(struct cgroups *c, unsigned int slot, uint64_t id, const char *path, uint64_t now_ns)
{
	struct cgroup_entry *e = find(c, c->hierarchies[slot].number, id);

	if (e && !strcmp(e->path, path)) {
		e->scan = c->scan;
		return;
	}
	add(c, slot, id, path, now_ns);
}

static void walk(struct cgroups *c, unsigned int slot, int dir, char *path, size_t len, unsigned int depth,
		 uint64_t now_ns);

/* d_ino is the kernfs id (fs/kernfs/dir.c); directories never change theirs. */
static void walk_entry(struct cgroups *c, unsigned int slot, int dir, const struct dirent *d, char *path, size_t len,
		       unsigned int depth, uint64_t now_ns)
{
	size_t base = len > 1 ? len : 0, name = strlen(d->d_name);
	AUTO_CLOSE int fd = -1;
	struct stat st;

	if (depth == DEPTH_MAX || base + 1 + name >= PATH_MAX) {
		c->scan_incomplete = true;
		return;
	}
	path[base] = '/';
	memcpy(path + base + 1, d->d_name, name + 1);
	meet(c, slot, d->d_ino, path, now_ns);
	/* Links count the directories inside (fs/kernfs/inode.c, kernfs_refresh_inode()): two are none, and most have none. */
	if (!fstatat(dir, d->d_name, &st, AT_SYMLINK_NOFOLLOW) && st.st_nlink == 2) {
		path[len] = '\0';
		return;
	}
	fd = openat(dir, d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		walk(c, slot, TAKE_FD(fd), path, base + 1 + name, depth + 1, now_ns);
	else if (errno != ENOENT)
		c->scan_incomplete = true;
	path[len] = '\0';
}

/* Takes dir over. */
static void walk(struct cgroups *c, unsigned int slot, int dir, char *path, size_t len, unsigned int depth,
		 uint64_t now_ns)
{
	DIR *stream = fdopendir(dir);
	const struct dirent *d;

	c->work.directories++;
	if (!stream) {
		close(dir);
		c->scan_incomplete = true;
		return;
	}
	while ((d = readdir(stream)))
		if (d->d_type == DT_DIR && strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			walk_entry(c, slot, dirfd(stream), d, path, len, depth, now_ns);
	closedir(stream);
}

static void walk_hierarchy(struct cgroups *c, unsigned int slot, uint64_t now_ns)
{
	char path[PATH_MAX];
	struct stat st;
	int fd = open(c->hierarchies[slot].mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		c->scan_incomplete = true;
		if (fd >= 0)
			close(fd);
		return;
	}
	snprintf(path, sizeof(path), "/");
	meet(c, slot, st.st_ino, path, now_ns);
	walk(c, slot, fd, path, 1, 0, now_ns);
}

int cgroups_scan(struct cgroups *c, uint64_t now_ns)
{
	struct cgroup_entry *e;
	const void *key;

	c->scan++;
	c->scan_incomplete = false;
	for (unsigned int i = 0; i < c->hierarchy_count; i++)
		walk_hierarchy(c, i, now_ns);
	for (size_t i = 0; !c->scan_incomplete && (e = hashmap_next(c->table, &i, &key));) {
		if (e->scan == c->scan)
			continue;
		announce(c, e, KW_CGROUP_REMOVED, now_ns);
		drop(c, &(struct cgroup_key){ c->hierarchies[e->slot].number, e->id });
	}
	c->scanned_ns = now_ns;
	c->rescan_soon = false;
	return hashmap_count(c->table);
}

/* At those of one queue that are due, at most so many.  Number that are left to others. */
static unsigned int look_at_queue(struct cgroups *c, unsigned int look, unsigned int left, uint64_t now_ns)
{
	unsigned int next = MIN(look + 1, LAST_LOOK);
	struct cgroup_entry *e;

	while (left && (e = c->looks[look].first) && e->look_ns <= now_ns) {
		left--;
		c->work.looks++;
		queue_remove(c, e);
		if (look_at_netns(c, e))
			announce(c, e, KW_CGROUP_SEEN, now_ns);
		look_at_mounts(c, e, now_ns);
		if (look < LAST_LOOK || !e->netns)
			queue_append(c, e, next, now_ns + look_after_ns[next]);
	}
	return left;
}

static void look_at_some(struct cgroups *c, uint64_t now_ns)
{
	unsigned int left = LOOKS_PER_TICK;

	for (unsigned int look = 0; look < LOOKS; look++)
		left = look_at_queue(c, look, left, now_ns);
	c->early_left = LOOKS_PER_TICK;
}

uint64_t cgroups_look_early(struct cgroups *c, uint64_t now_ns)
{
	const struct cgroup_entry *e;

	c->early_left = look_at_queue(c, 0, c->early_left, now_ns);
	e = c->looks[0].first;
	return e && c->early_left ? e->look_ns : UINT64_MAX;
}

void cgroups_tick(struct cgroups *c, uint64_t now_ns, bool polled)
{
	uint64_t period = polled ? RESCAN_POLLED_NS : RESCAN_NS;
	bool due = now_ns - c->scanned_ns >= period;

	if (due || c->rescan_soon)
		cgroups_scan(c, now_ns);
	look_at_some(c, now_ns);
}

/* ---- records and unknown ids ------------------------------------------------------------------------------------- */

static const char *next_argument(const char *at, const char *end)
{
	at += strnlen(at, (size_t)(end - at)) + 1;
	return at < end ? at : NULL;
}

/*
 * Of a command line goes on what finds an OCI bundle: the program's name, the directory it was given and its last
 * argument, the container's id, unless the line was cut.  The rest is nobody's business: people write secrets there.
 */
static void reduce_maker(struct kw_cgroup *p)
{
	const size_t size = sizeof(p->maker) - 1;
	const char *end = p->maker + size, *dir = NULL, *last = "", *slash;
	char text[3 * sizeof(p->maker)] = ""; /* none of the three is longer than all were together */
	bool cut;

	p->maker[size] = '\0';
	while (end > p->maker && !end[-1])
		end--;
	cut = end == p->maker + size;
	for (const char *at = p->maker; at && at < end; at = next_argument(at, end)) {
		if (!strcmp(at, "--bundle") || !strcmp(at, "-b"))
			dir = next_argument(at, end);
		else if (!strncmp(at, "--bundle=", 9))
			dir = at + 9;
		last = at;
	}
	slash = strrchr(p->maker, '/');
	if (dir && dir[0] == '/')
		snprintf(text, sizeof(text), "%s\n%s\n%s", slash ? slash + 1 : p->maker, dir, cut ? "" : last);
	memcpy(p->maker, text, size);
}

void cgroups_on_record(struct cgroups *c, const struct kw_event *event, struct kw_cgroup *payload)
{
	struct cgroup_key key = { payload->hierarchy, payload->id };
	int slot = slot_of(c, payload->hierarchy);
	struct cgroup_entry *e;

	payload->path[sizeof(payload->path) - 1] = '\0';
	reduce_maker(payload);
	set_controllers(c, payload->hierarchy, payload);
	if (slot < 0 || payload->op == KW_CGROUP_RELEASED)
		return; /* in a hierarchy mounted nowhere we see; went with its removal */
	if (payload->op == KW_CGROUP_REMOVED) {
		drop(c, &key);
		remember_unknown(c, &key, event->ts_ns);
		return;
	}
	e = put(c, slot, payload->id, payload->path);
	if (!e)
		return;
	e->created_ns = payload->created_ns;
	queue_append(c, e, 0, event->ts_ns + look_after_ns[0]);
	/* Of what lies inside nothing is told, though its path is another now. */
	c->rescan_soon |= payload->op == KW_CGROUP_RENAMED;
}

/* The path of an id without a search: a kernfs file handle is the id itself (fs/kernfs/mount.c, FILEID_KERNFS). */
static int resolve(const struct cgroup_hierarchy *h, uint64_t id, char *ret, size_t size)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + sizeof(uint64_t)];
	} u = { .handle = { .handle_bytes = sizeof(id), .handle_type = 0xfe } };
	AUTO_CLOSE int mount = open(h->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int fd = -1;
	size_t prefix = strlen(h->mount);
	char link[64], full[PATH_MAX];
	ssize_t n;

	if (mount < 0)
		return -errno;
	memcpy(u.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(mount, &u.handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, full, sizeof(full) - 1);
	if (n < (ssize_t)prefix || strncmp(full, h->mount, prefix) != 0)
		return -ESTALE;
	full[n] = '\0';
	if (strstr(full, " (deleted)") || (full[prefix] && full[prefix] != '/'))
		return -ESTALE;
	snprintf(ret, size, "%s", full[prefix] ? full + prefix : "/");
	return 0;
}

static void ensure(struct cgroups *c, unsigned int hierarchy, uint64_t id, uint64_t now_ns)
{
	struct cgroup_key key = { hierarchy, id };
	const struct unknown *u;
	char path[PATH_MAX];
	int slot;

	if (!id || hashmap_get(c->table, &key))
		return;
	u = hashmap_get(c->unknown, &key);
	if (u && now_ns < u->retry_ns)
		return;
	slot = slot_of(c, hierarchy);
	if (slot < 0 || resolve(&c->hierarchies[slot], id, path, sizeof(path)) < 0) {
		remember_unknown(c, &key, now_ns);
		return;
	}
	if (add(c, slot, id, path, now_ns))
		c->rescan_soon = true; /* its parents may be as unknown */
}

void cgroups_ensure(struct cgroups *c, const struct kw_cg *cg, uint64_t now_ns)
{
	ensure(c, 0, cg->v2, now_ns);
	if (cg->v1)
		ensure(c, cg->v1 >> KW_CG_V1_SHIFT, cg->v1 & KW_CG_ID_MASK, now_ns);
}

/* ---- life and reading -------------------------------------------------------------------------------------------- */

/* Those that kwhy made for itself and is in: lines NUMBER:CONTROLLERS:PATH. */
static void find_own(struct cgroups *c, const char *self)
{
	while (*self && c->own_count < OWN_MAX) {
		size_t len = strcspn(self, "\n");
		char line[PATH_MAX + 256];
		const char *path, *name;

		snprintf(line, sizeof(line), "%.*s", (int)len, self);
		self += len + (self[len] == '\n');
		path = strchr(line, ':');
		path = path ? strchr(path + 1, ':') : NULL;
		name = path ? strrchr(path, '/') : NULL;
		if (name && !strncmp(name + 1, CGROUP_OWN_PREFIX, strlen(CGROUP_OWN_PREFIX)))
			c->own[c->own_count] = strdup(path + 1);
		c->own_count += c->own[c->own_count] != NULL;
	}
}

static int read_hierarchies(struct cgroups *c)
{
	AUTO_FREE char *mountinfo = NULL;
	AUTO_FREE char *self = NULL;
	char path[300];
	int r;

	snprintf(path, sizeof(path), "%s/self/mountinfo", c->proc);
	r = file_read_alloc(AT_FDCWD, path, 16 << 20, &mountinfo, NULL);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/self/cgroup", c->proc);
	r = file_read_alloc(AT_FDCWD, path, 1 << 20, &self, NULL);
	if (r < 0)
		return r;
	c->hierarchy_count = cgroup_hierarchies_parse(mountinfo, self, c->hierarchies, CGROUP_HIERARCHIES_MAX);
	find_own(c, self);
	return c->hierarchy_count ? 0 : -ENODEV;
}

int cgroups_new(const char *proc, cgroups_emit_fn emit, void *emit_ctx, struct cgroups **ret_cgroups)
{
	struct cgroups *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	snprintf(c->proc, sizeof(c->proc), "%s", proc);
	c->emit = emit;
	c->emit_ctx = emit_ctx;
	for (unsigned int i = 0; i < LOOKS; i++)
		c->looks[i].last = &c->looks[i].first;
	c->mounts = mounts_new(proc, emit, emit_ctx);
	c->table = hashmap_new(sizeof(struct cgroup_key), CGROUPS_MAX + 1);
	c->unknown = hashmap_new(sizeof(struct cgroup_key), UNKNOWN_MAX + 1);
	r = c->mounts && c->table && c->unknown ? read_hierarchies(c) : -ENOMEM;
	if (r < 0) {
		cgroups_free(c);
		return r;
	}
	*ret_cgroups = c;
	return 0;
}

static void free_values(struct hashmap *m)
{
	const void *key;
	void *value;

	for (size_t i = 0; m && (value = hashmap_next(m, &i, &key));)
		free(value);
	hashmap_free(m);
}

void cgroups_free(struct cgroups *c)
{
	if (!c)
		return;
	free_values(c->table);
	free_values(c->unknown);
	mounts_free(c->mounts);
	for (unsigned int i = 0; i < c->hierarchy_count; i++) {
		free(c->hierarchies[i].mount);
		free(c->hierarchies[i].root);
	}
	for (unsigned int i = 0; i < c->own_count; i++)
		free(c->own[i]);
	free(c);
}

static void info_of(const struct cgroups *c, const struct cgroup_entry *e, struct cgroup_info *ret)
{
	const struct cgroup_hierarchy *h = &c->hierarchies[e->slot];

	*ret = (struct cgroup_info){
		.hierarchy = h->number,
		.id = e->id,
		.path = e->path,
		.mount = h->mount,
		.controllers = h->controllers,
		.netns = e->netns,
		.netns_pid = e->netns_pid,
	};
}

bool cgroups_next(const struct cgroups *c, size_t *iter, struct cgroup_info *ret_info)
{
	const struct cgroup_entry *e;
	const void *key;

	do
		e = hashmap_next(c->table, iter, &key);
	while (e && is_own(c, e->path));
	if (!e)
		return false;
	info_of(c, e, ret_info);
	return true;
}

bool cgroups_find(const struct cgroups *c, unsigned int hierarchy, uint64_t id, struct cgroup_info *ret_info)
{
	const struct cgroup_entry *e = find(c, hierarchy, id);

	if (!e)
		return false;
	info_of(c, e, ret_info);
	return true;
}

const struct cgroup_hierarchy *cgroups_hierarchy(const struct cgroups *c, size_t i)
{
	return i < c->hierarchy_count ? &c->hierarchies[i] : NULL;
}

bool cgroups_mount_owner(const struct cgroups *c, uint32_t dev, struct kw_cg *ret_cg)
{
	return mounts_owner(c->mounts, dev, ret_cg);
}

int32_t cgroups_first_process(const struct cgroups *c, unsigned int hierarchy, uint64_t id)
{
	const struct cgroup_entry *e = find(c, hierarchy, id);

	return e ? first_process(c, e) : 0;
}

uint64_t cgroups_overflow(const struct cgroups *c)
{
	return c->overflow;
}

void cgroups_work(const struct cgroups *c, struct cgroups_work *ret_work)
{
	*ret_work = c->work;
}
