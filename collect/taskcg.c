/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/taskcg.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fileutil.h"

static uint64_t inode_of(const struct cgroup_hierarchy *h, const char *path)
{
	size_t root = strcmp(h->root, "/") ? strlen(h->root) : 0;
	char dir[4096];
	struct stat st;

	if (strncmp(path, h->root, root) != 0)
		return 0; /* outside of what is mounted here */
	snprintf(dir, sizeof(dir), "%s%s", h->mount, path + root);
	return stat(dir, &st) < 0 ? 0 : st.st_ino;
}

static bool has_controller(const struct cgroup_hierarchy *h, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = h->controllers; (p = strstr(p, name)); p += len)
		if ((p == h->controllers || p[-1] == ',') && (p[len] == ',' || !p[len]))
			return true;
	return false;
}

/* Lower is preferred; as in kw_cg_of_set().  -1: a hierarchy that identifies nobody. */
static int rank_of(const struct cgroup_hierarchy *h)
{
	static const char *const order[] = { "cpu", "memory", "freezer", "pids", "blkio" };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (has_controller(h, order[i]))
			return (int)i;
	return -1;
}

static const struct cgroup_hierarchy *hierarchy_of(const struct cgroups *c, unsigned int number)
{
	const struct cgroup_hierarchy *h;

	for (size_t i = 0; (h = cgroups_hierarchy(c, i)); i++)
		if (h->number == number)
			return h;
	return NULL;
}

/* One line of /proc/TID/cgroup: "4:memory:/docker/8a..."; see cgroups(7). */
static void take_line(const struct cgroups *c, const char *line, int *best, struct kw_cg *ret)
{
	const char *path = strchr(line, ':');
	const struct cgroup_hierarchy *h = hierarchy_of(c, strtoul(line, NULL, 10));
	uint64_t inode;
	int rank;

	path = path ? strchr(path + 1, ':') : NULL;
	if (!h || !path)
		return;
	inode = inode_of(h, path + 1);
	if (!h->number) {
		ret->v2 = inode;
		return;
	}
	rank = rank_of(h);
	if (inode <= 1 || rank < 0 || rank > *best)
		return; /* the root of a v1 hierarchy says nothing */
	*best = rank;
	ret->v1 = (uint64_t)h->number << KW_CG_V1_SHIFT | (inode & KW_CG_ID_MASK);
}

void task_party(const struct cgroups *c, const char *proc, int32_t tid, struct kw_party *ret)
{
	char path[64], text[16384], *line, *rest;
	int best = INT32_MAX;

	ret->pid = ret->tid = tid;
	snprintf(path, sizeof(path), "%.32s/%d/status", proc, tid);
	if (file_read(AT_FDCWD, path, text, sizeof(text)) > 0) {
		line = strstr(text, "\nTgid:");
		if (line)
			ret->pid = strtoul(line + 6, NULL, 10);
		if (!ret->comm[0])
			sscanf(text, "Name:%*[\t]%15[^\n]", ret->comm);
	}
	snprintf(path, sizeof(path), "%.32s/%d/cgroup", proc, tid);
	if (file_read(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		take_line(c, line, &best, &ret->cg);
}
