/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileutil.h"
#include "base/log.h"
#include "collect/cgroups.h"

#define PLACES_MAX 4
#define PERIOD_US 100000

struct place {
	char parent[PATH_MAX];
	char dir[PATH_MAX + 64];
	bool delegated; /* the parent's subtree_control was set by us */
};

struct confine {
	struct place places[PLACES_MAX];
	unsigned int count;
};

/*
 * Ten times the usual weight, and a slice of 0.1 ms, which brings its turn forward (EEVDF, 6.12): a host that has no CPU
 * left is what kwhy is there for, and in a flood of new processes it waited ten seconds for a turn of its own.  It takes
 * no more for that: what it may take is limited, and some thousandths of a CPU is what it uses.
 */
#define WEIGHT_V1 "10240"
#define WEIGHT_V2 "1000"
#define SLICE_NS 100000

struct limit {
	const char *controller;
	const char *v1, *v2; /* files */
	const char *weight_v1, *weight_v2; /* NULL: it has none */
	int64_t value;       /* 0: none wanted */
	char text[48];       /* as v2 wants it */
};

struct limits {
	struct limit cpu, memory;
};

static int write_text(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX + 128];
	AUTO_CLOSE int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; *p; p += strcspn(p, ", \n")) {
		p += strspn(p, ", \n");
		if (!strncmp(p, word, len) && strchr(", \n", p[len]))
			return true;
	}
	return false;
}

/* The directory of this process in a hierarchy.  self: text of /proc/self/cgroup, lines NUMBER:CONTROLLERS:PATH. */
static int own_directory(const char *self, const struct cgroup_hierarchy *h, char *ret, size_t size)
{
	size_t root = strcmp(h->root, "/") ? strlen(h->root) : 0;

	for (const char *line = self; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *path = memchr(line, ':', strcspn(line, "\n"));
		size_t len;

		path = path ? strchr(path + 1, ':') : NULL;
		if (!path || strtoul(line, NULL, 10) != h->number)
			continue;
		path++;
		len = strcspn(path, "\n");
		if (root > len || strncmp(path, h->root, root) != 0)
			return -ENOENT; /* outside of what is mounted here */
		path += root;
		len -= root;
		if (len == 1 && *path == '/')
			len = 0;
		return snprintf(ret, size, "%s%.*s", h->mount, (int)len, path) < (int)size ? 0 : -ENAMETOOLONG;
	}
	return -ENOENT;
}

/* Those of a kwhy that was killed are empty. */
static void remove_old(const char *parent)
{
	const struct dirent *d;
	DIR *dir = opendir(parent);

	while (dir && (d = readdir(dir)))
		if (!strncmp(d->d_name, CGROUP_OWN_PREFIX, strlen(CGROUP_OWN_PREFIX)))
			unlinkat(dirfd(dir), d->d_name, AT_REMOVEDIR);
	if (dir)
		closedir(dir);
}

static struct place *make_place(struct confine *c, const char *parent)
{
	struct place *p = &c->places[c->count];

	if (c->count == PLACES_MAX) {
		errno = ENOSPC;
		return NULL;
	}
	remove_old(parent);
	snprintf(p->parent, sizeof(p->parent), "%s", parent);
	snprintf(p->dir, sizeof(p->dir), "%s/" CGROUP_OWN_PREFIX "%d", parent, (int)getpid());
	p->delegated = false;
	if (mkdir(p->dir, 0755) && errno != EEXIST)
		return NULL;
	c->count++;
	return p;
}

static void leave_place(const struct place *p)
{
	if (p->delegated)
		write_text(p->parent, "cgroup.subtree_control", "-cpu -memory");
	write_text(p->parent, "cgroup.procs", "0");
	rmdir(p->dir);
}

static void say(struct strbuf *said, const struct limit *l, const char *text)
{
	strbuf_addf(said, "%s%s: %s", said->len ? "; " : "", l->controller, text);
}

static int confine_v1(struct confine *c, const char *parent, const struct limit *l, struct strbuf *said)
{
	struct place *p = make_place(c, parent);
	char text[32];
	int r = p ? 0 : -errno;

	snprintf(text, sizeof(text), "%" PRId64, l->value);
	if (!r)
		r = write_text(p->dir, l->v1, text);
	if (!r)
		r = write_text(p->dir, "cgroup.procs", "0");
	if (!r && l->weight_v1)
		write_text(p->dir, l->weight_v1, WEIGHT_V1);
	if (!r)
		return 1;
	if (p) {
		rmdir(p->dir);
		c->count--;
	}
	say(said, l, strerror(-r));
	return 0;
}

/* Whether this process is the only one there. */
static bool is_alone(const char *dir)
{
	char path[PATH_MAX + 32], text[64], *end;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	n = file_read(AT_FDCWD, path, text, sizeof(text));
	return n > 0 && strtol(text, &end, 10) == getpid() && !strcmp(end, "\n");
}

static bool is_root(const char *dir)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/cgroup.type", dir); /* every cgroup but the root has one */
	return access(path, F_OK) != 0;
}

static bool enabled_below(const char *dir)
{
	char path[PATH_MAX + 32], text[256];

	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", dir);
	return file_read(AT_FDCWD, path, text, sizeof(text)) > 0 && has_word(text, "cpu") && has_word(text, "memory");
}

static bool is_limited(const char *dir)
{
	char path[PATH_MAX + 32], cpu[64], memory[64];

	snprintf(path, sizeof(path), "%s/cpu.max", dir);
	if (file_read(AT_FDCWD, path, cpu, sizeof(cpu)) <= 0 || !strncmp(cpu, "max", 3))
		return false;
	snprintf(path, sizeof(path), "%s/memory.max", dir);
	return file_read(AT_FDCWD, path, memory, sizeof(memory)) > 0 && strncmp(memory, "max", 3) != 0;
}

static int confine_v2(struct confine *c, const char *parent, const struct limits *l, struct strbuf *said)
{
	bool root = is_root(parent);
	struct place *p;
	int held = 0;

	if (!root && is_limited(parent)) {
		strbuf_addstr(said, "whoever started it has limited its cgroup");
		return 0;
	}
	if (root ? !enabled_below(parent) : !is_alone(parent)) {
		strbuf_addstr(said, root ? "the root cgroup has not enabled the controllers cpu and memory" :
					   "other processes share its cgroup");
		return 0;
	}
	p = make_place(c, parent);
	if (!p || write_text(p->dir, "cgroup.procs", "0") < 0) {
		strbuf_addf(said, "no cgroup of its own: %s", strerror(errno));
		return 0;
	}
	p->delegated = !root && !enabled_below(parent);
	if (p->delegated)
		write_text(parent, "cgroup.subtree_control", "+cpu +memory");
	for (const struct limit *one = &l->cpu; one <= &l->memory; one++) {
		int r = one->value ? write_text(p->dir, one->v2, one->text) : 0;

		if (r < 0)
			say(said, one, strerror(-r));
		if (one->value && !r && one->weight_v2)
			write_text(p->dir, one->weight_v2, WEIGHT_V2);
		held += one->value && !r;
	}
	return held;
}

static int confine_one(struct confine *c, const char *self, const struct cgroup_hierarchy *h, const struct limits *l,
		       struct strbuf *said)
{
	char dir[PATH_MAX];
	int held = 0, r = own_directory(self, h, dir, sizeof(dir));

	if (!h->number) {
		char path[PATH_MAX + 32], text[256];

		snprintf(path, sizeof(path), "%s/cgroup.controllers", h->mount);
		if (r < 0 || file_read(AT_FDCWD, path, text, sizeof(text)) <= 0 || !has_word(text, "cpu"))
			return 0; /* the controllers are in v1 hierarchies */
		return confine_v2(c, dir, l, said);
	}
	for (const struct limit *one = &l->cpu; one <= &l->memory; one++) {
		if (!one->value || !has_word(h->controllers, one->controller))
			continue;
		if (r < 0)
			say(said, one, strerror(-r));
		else
			held += confine_v1(c, dir, one, said);
	}
	return held;
}

static void limits_of(const struct config *config, struct limits *ret)
{
	*ret = (struct limits){
		.cpu = { .controller = "cpu", .v1 = "cpu.cfs_quota_us", .v2 = "cpu.max",
			 .weight_v1 = "cpu.shares", .weight_v2 = "cpu.weight",
			 .value = (int64_t)(config_ratio(config, "self.cpu") * PERIOD_US) },
		.memory = { .controller = "memory", .v1 = "memory.limit_in_bytes", .v2 = "memory.max",
			    .value = config_bytes(config, "self.memory") },
	};
	snprintf(ret->cpu.text, sizeof(ret->cpu.text), "%" PRId64 " %d", ret->cpu.value, PERIOD_US);
	snprintf(ret->memory.text, sizeof(ret->memory.text), "%" PRId64, ret->memory.value);
}

static int confine_all(struct confine *c, const char *mountinfo, const char *self, const struct limits *l,
		       struct strbuf *said)
{
	struct cgroup_hierarchy list[CGROUP_HIERARCHIES_MAX] = { 0 };
	unsigned int count = cgroup_hierarchies_parse(mountinfo, self, list, CGROUP_HIERARCHIES_MAX);
	int held = 0;

	for (unsigned int i = 0; i < count; i++) {
		held += confine_one(c, self, &list[i], l, said);
		free(list[i].mount);
		free(list[i].root);
	}
	return held;
}

int confine_within(const char *mountinfo, const char *self, const struct config *config, struct confine **ret_confine,
		   struct strbuf *ret_said)
{
	struct confine *c = calloc(1, sizeof(*c));
	AUTO(strbuf) struct strbuf said = STRBUF_INIT;
	struct limits l;
	int held;

	if (!c)
		return -ENOMEM;
	limits_of(config, &l);
	held = confine_all(c, mountinfo, self, &l, &said);
	if (held)
		strbuf_addf(ret_said, "limited to %.3g CPUs and %" PRId64 " MiB by a cgroup of its own",
			    (double)l.cpu.value / PERIOD_US, l.memory.value >> 20);
	else
		strbuf_addstr(ret_said, "not limited by a cgroup of its own");
	if (said.len)
		strbuf_addf(ret_said, " (%s)", strbuf_str(&said));
	*ret_confine = c;
	return held;
}

int confine_enter(const struct config *config, struct confine **ret_confine, struct strbuf *ret_said)
{
	AUTO_FREE char *mountinfo = NULL, *self = NULL;
	bool read = !file_read_alloc(AT_FDCWD, "/proc/self/mountinfo", 16 << 20, &mountinfo, NULL) &&
		    !file_read_alloc(AT_FDCWD, "/proc/self/cgroup", 1 << 20, &self, NULL);

	return confine_within(read ? mountinfo : "", read ? self : "", config, ret_confine, ret_said);
}

/* Threads and children inherit it; kernels that do not know it for this policy leave it aside. */
static void shorten_slice(void)
{
	struct sched_attr attr = { 0 };

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) || attr.sched_policy != SCHED_NORMAL)
		return;
	attr.sched_runtime = SLICE_NS;
	syscall(SYS_sched_setattr, 0, &attr, 0);
}

struct confine *confine_self(const struct config *config)
{
	AUTO(strbuf) struct strbuf said = STRBUF_INIT;
	struct confine *c = NULL;

	shorten_slice();
	if (confine_enter(config, &c, &said) >= 0)
		log_info("%s", strbuf_str(&said));
	return c;
}

void confine_leave(struct confine *c)
{
	for (unsigned int i = 0; c && i < c->count; i++)
		leave_place(&c->places[i]);
	free(c);
}
