/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every live cgroup of every mounted hierarchy, and the announcements of them
 * ("cgroup" records), so that no record refers to an id nobody has heard of.
 *
 * An id is the inode of the directory (kernfs), unique only within its
 * hierarchy.  Directories come from a walk at start, from mkdir/rmdir records,
 * from a slow rescan, and from resolving an unknown id by its file handle.
 */
#ifndef KWHY_COLLECT_CGROUPS_H
#define KWHY_COLLECT_CGROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/event.h"

#define CGROUPS_MAX 65536
#define CGROUP_HIERARCHIES_MAX 32
#define CGROUP_OWN_PREFIX "kwhy.self." /* a cgroup that kwhy made for itself; believed of those it is in */

struct cgroups;
struct kw_cgroup;

/* One mounted hierarchy. */
struct cgroup_hierarchy {
	unsigned int number;  /* as in /proc/PID/cgroup; 0 is v2 */
	char controllers[32]; /* "cpu,cpuacct", "name=systemd"; "" for v2 */
	char *mount;          /* mount point */
	char *root;           /* path of the mounted directory below the root of the hierarchy, mostly "/" */
};

struct cgroup_info {
	unsigned int hierarchy;
	uint64_t id;
	const char *path;        /* below the root of the hierarchy, "/" for the root; lives until the next poll */
	const char *mount;       /* "/sys/fs/cgroup/memory": mount + path is the directory */
	const char *controllers; /* "" for v2 */
	uint64_t netns;          /* inode of the network namespace of a process inside, 0 unknown */
	int32_t netns_pid;       /* a process that was in it, 0 unknown */
};

typedef int (*cgroups_emit_fn)(void *ctx, const struct kw_event *event);

/* proc: "/proc".  -ENODEV when no cgroup hierarchy is mounted. */
int cgroups_new(const char *proc, cgroups_emit_fn emit, void *emit_ctx, struct cgroups **ret_cgroups);
void cgroups_free(struct cgroups *c);

/* Walks everything; announces what is new ("seen") and what has gone ("removed").  Number of live cgroups. */
int cgroups_scan(struct cgroups *c, uint64_t now_ns);
/*
 * Once a tick: some network namespaces, young cgroups first; the slow rescan.  polled: no tracepoint tells, so look
 * every 2 s.
 */
void cgroups_tick(struct cgroups *c, uint64_t now_ns, bool polled);
/*
 * Looks at the youngest between ticks, as a container may be gone before the next one; bounded for each tick.  When to do
 * that again; UINT64_MAX: not before the next tick.
 */
uint64_t cgroups_look_early(struct cgroups *c, uint64_t now_ns);

/* A cgroup record from the ring: completes it (controllers) and updates the table.  Hand it on afterwards. */
void cgroups_on_record(struct cgroups *c, const struct kw_event *event, struct kw_cgroup *payload);
/* Announces both ids of cg unless they are known. */
void cgroups_ensure(struct cgroups *c, const struct kw_cg *cg, uint64_t now_ns);

/* for (size_t i = 0; cgroups_next(c, &i, &info);) ; in no particular order, without those of kwhy itself */
bool cgroups_next(const struct cgroups *c, size_t *iter, struct cgroup_info *ret_info);
bool cgroups_find(const struct cgroups *c, unsigned int hierarchy, uint64_t id, struct cgroup_info *ret_info);
/* The first process that the cgroup lists, 0 when it has none or is not known. */
int32_t cgroups_first_process(const struct cgroups *c, unsigned int hierarchy, uint64_t id);
/* The only container that has that device mounted (major << 20 | minor); false: none, or several. */
bool cgroups_mount_owner(const struct cgroups *c, uint32_t dev, struct kw_cg *ret_cg);
/* The i-th mounted hierarchy; NULL past the last. */
const struct cgroup_hierarchy *cgroups_hierarchy(const struct cgroups *c, size_t i);
/* Ids that were not taken because the table was full. */
uint64_t cgroups_overflow(const struct cgroups *c);

/* What it has cost so far. */
struct cgroups_work {
	uint64_t directories; /* read by walks: those that have others inside */
	uint64_t looks;       /* for a network namespace */
};
void cgroups_work(const struct cgroups *c, struct cgroups_work *ret_work);

/* The inode of the network namespace of a process, 0 when it cannot be asked.  proc: "/proc". */
uint64_t netns_of_process(const char *proc, int32_t pid);

/*
 * The mounted hierarchies from the texts of /proc/self/mountinfo and /proc/self/cgroup.  Returns how many; the caller
 * frees mount and root of each.
 */
unsigned int cgroup_hierarchies_parse(const char *mountinfo, const char *self_cgroup, struct cgroup_hierarchy *ret,
				      unsigned int max);

#endif
