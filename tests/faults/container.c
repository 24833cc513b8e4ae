/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroups of one path in every hierarchy; their files; their network namespace. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/shared.h"

bool controller_is_v2(const struct sandbox *sb, const char *controller)
{
	char want[32];

	snprintf(want, sizeof(want), ",%s,", controller);
	for (unsigned int i = 0; i < sb->tree_count; i++)
		if (!sb->trees[i].v2 && strstr(sb->trees[i].options, want))
			return false;
	return true;
}

static const struct cgroup_tree *tree_of(const struct sandbox *sb, const char *controller)
{
	bool v2 = controller_is_v2(sb, controller);
	char want[32];

	snprintf(want, sizeof(want), ",%s,", controller);
	for (unsigned int i = 0; i < sb->tree_count; i++) {
		const struct cgroup_tree *t = &sb->trees[i];

		if (v2 ? t->v2 : (!t->v2 && strstr(t->options, want)))
			return t;
	}
	return NULL;
}

static int copy_parent_value(const char *dir, const char *file)
{
	char path[320], value[256] = "";
	const char *slash = strrchr(dir, '/');
	AUTO_FCLOSE FILE *f = NULL;

	snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - dir), dir, file);
	f = fopen(path, "re");
	if (!f || !fgets(value, sizeof(value), f))
		return -EIO;
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return sandbox_write_file(path, value);
}

/* A v2 controller works in a child only when its parent hands it down; the root may have members and do so. */
static void enable_controllers(const char *parent)
{
	static const char *const wanted[] = { "+cpu", "+memory", "+io", "+pids" };
	char path[320];

	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", parent);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		sandbox_write_file(path, wanted[i]); /* hybrid hosts have none to hand down */
}

static int make_dir(struct sandbox *sb, const struct cgroup_tree *t, const char *path)
{
	char dir[256], parent[256];
	int r;

	snprintf(dir, sizeof(dir), "%s%s", t->dir, path);
	if (t->v2) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(dir, '/') - dir), dir);
		enable_controllers(parent);
	}
	r = undo_add(sb->shared, UNDO_CGROUP, dir);
	if (r < 0)
		return r;
	if (mkdir(dir, 0755) < 0)
		return -errno;
	if (!strstr(t->options, ",cpuset,"))
		return 0;
	r = copy_parent_value(dir, "cpuset.cpus");
	return r < 0 ? r : copy_parent_value(dir, "cpuset.mems");
}

/* v2 last, as runc does it. */
static int make_everywhere(struct sandbox *sb, const char *path)
{
	for (int v2 = 0; v2 <= 1; v2++) {
		for (unsigned int i = 0; i < sb->tree_count; i++) {
			int r = sb->trees[i].v2 == v2 ? make_dir(sb, &sb->trees[i], path) : 0;

			if (r < 0)
				return sandbox_fail(sb, r, "cannot make cgroup %s in %s", path, sb->trees[i].dir);
		}
	}
	return 0;
}

/* The next free place, with that path. */
static int add_container(struct sandbox *sb, const char *path, struct container **ret_container)
{
	struct container *c = &sb->containers[sb->container_count];
	int r;

	if (sb->container_count >= SANDBOX_CONTAINERS_MAX)
		return -ENOSPC;
	c->netns_fd = -1;
	snprintf(c->comm, sizeof(c->comm), "%s", sandbox_word(sb));
	snprintf(c->path, sizeof(c->path), "%s", path);
	r = make_everywhere(sb, c->path);
	if (r < 0)
		return r == -EACCES || r == -EROFS || r == -EPERM ? -EOPNOTSUPP : r;
	sb->container_count++;
	*ret_container = c;
	return 0;
}

int container_group(struct sandbox *sb, struct container **ret_group)
{
	char path[64];

	snprintf(path, sizeof(path), "/%s%x.slice", sandbox_word(sb), sandbox_random(sb, 0x100, 0xfff));
	return add_container(sb, path, ret_group);
}

int container_new_in(struct sandbox *sb, const struct container *group, struct container **ret_container)
{
	char path[96];

	snprintf(path, sizeof(path), "%.60s/%s-%04x", group ? group->path : "", sandbox_word(sb),
		 sandbox_random(sb, 0x1000, 0xffff));
	return add_container(sb, path, ret_container);
}

int container_new(struct sandbox *sb, struct container **ret_container)
{
	struct container *group = NULL;
	int r = sandbox_chance(sb, 0.35) ? container_group(sb, &group) : 0;

	return r < 0 ? r : container_new_in(sb, group, ret_container);
}

int sandbox_parties(struct sandbox *sb)
{
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, &sb->culprit);
	return r == 0 ? container_new(sb, &sb->bystander) : r;
}

static void file_path(const struct cgroup_tree *t, const struct container *c, const char *file, char *ret, size_t size)
{
	snprintf(ret, size, "%s%s/%s", t->dir, c->path, file);
}

int container_write(struct sandbox *sb, const struct container *c, const char *controller, const char *v1_file,
		    const char *v2_file, const char *value)
{
	const struct cgroup_tree *t = tree_of(sb, controller);
	char path[320];
	int r;

	if (!t)
		return sandbox_fail(sb, -EOPNOTSUPP, "no cgroup hierarchy with the %s controller", controller);
	file_path(t, c, t->v2 ? v2_file : v1_file, path, sizeof(path));
	r = sandbox_write_file(path, value);
	if (r == -ENOENT)
		return sandbox_fail(sb, -EOPNOTSUPP, "no %s", path);
	return r < 0 ? sandbox_fail(sb, r, "cannot write %s to %s", value, path) : 0;
}

static int64_t find_number(FILE *f, const char *key)
{
	char line[512];
	size_t len = key ? strlen(key) : 0;

	for (int i = 0; i < 256 && fgets(line, sizeof(line), f); i++) {
		if (!key)
			return strtoll(line, NULL, 10);
		if (strncmp(line, key, len) == 0 && (line[len] == ' ' || line[len] == '='))
			return strtoll(line + len + 1, NULL, 10);
	}
	return -ENOENT;
}

int64_t container_read(struct sandbox *sb, const struct container *c, const char *controller, const char *v1_file,
		       const char *v2_file, const char *key)
{
	const struct cgroup_tree *t = tree_of(sb, controller);
	AUTO_FCLOSE FILE *f = NULL;
	char path[320];

	if (!t)
		return -EOPNOTSUPP;
	file_path(t, c, t->v2 ? v2_file : v1_file, path, sizeof(path));
	f = fopen(path, "re");
	return f ? find_number(f, key) : -errno;
}

int64_t container_pressure_us(struct sandbox *sb, const struct container *c, const char *name)
{
	for (unsigned int i = 0; i < sb->tree_count; i++) {
		AUTO_FCLOSE FILE *f = NULL;
		char path[320], line[160];
		const char *total;

		if (!sb->trees[i].v2)
			continue;
		snprintf(path, sizeof(path), "%s%s/%s.pressure", sb->trees[i].dir, c->path, name);
		f = fopen(path, "re");
		if (!f || !fgets(line, sizeof(line), f))
			return -ENOENT;
		total = strstr(line, "total=");
		return total ? strtoll(total + 6, NULL, 10) : -EINVAL;
	}
	return -ENOENT;
}

/* Runs in a helper process that only lives until its namespace was opened. */
static void hold_netns(int ready)
{
	static const char *const off[] = { "/proc/sys/net/ipv6/conf/all/disable_ipv6",
					   "/proc/sys/net/ipv6/conf/default/disable_ipv6" };
	char ok = 1;

	if (unshare(CLONE_NEWNET) < 0)
		_exit(1);
	/* These are this namespace's own; its router solicitations would only be noise. */
	for (size_t i = 0; i < ARRAY_SIZE(off); i++)
		sandbox_write_file(off[i], "1");
	if (write(ready, &ok, 1) == 1)
		pause();
	_exit(1);
}

int container_netns(struct sandbox *sb, struct container *c)
{
	static const char *const up[] = { "ip", "link", "set", "lo", "up", NULL };
	char path[64], ok = 0;
	int fds[2], fd, r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		alarm(10);
		close(fds[0]);
		hold_netns(fds[1]);
	}
	close(fds[1]);
	r = pid < 0 || read(fds[0], &ok, 1) != 1 ? -EOPNOTSUPP : 0;
	close(fds[0]);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = r == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (fd < 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "cannot make a network namespace");
	c->netns_fd = fd;
	r = sandbox_keep_fd(sb, fd);
	return r < 0 ? r : sandbox_exec(sb, fd, up);
}
