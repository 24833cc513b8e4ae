/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether and how kwhy limits itself, over a made-up tree of plain files: the kernel's side (who may write what, the
 * limits themselves) is seen in tests/program and in guests.  The directory that the kernel would fill is made beforehand.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileutil.h"
#include "cli/confine.h"
#include "collect/cgroups.h"

struct tree {
	char root[64];
	char own[PATH_MAX]; /* of kwhy, below the cgroup it was started in; relative to root */
	struct config *config;
	struct confine *confine;
	struct strbuf said;
};

static void put(const struct tree *t, const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX * 2];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/%s", t->root, dir, file);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void assert_file(const struct tree *t, const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX * 2], now[256];

	snprintf(path, sizeof(path), "%s/%s/%s", t->root, dir, file);
	assert_true(file_read(AT_FDCWD, path, now, sizeof(now)) >= 0);
	assert_string_equal(now, text);
}

static bool is_there(const struct tree *t, const char *name)
{
	char path[PATH_MAX * 2];

	snprintf(path, sizeof(path), "%s/%s", t->root, name);
	return !access(path, F_OK);
}

static void make_dir(const struct tree *t, const char *name)
{
	char path[PATH_MAX * 2];

	snprintf(path, sizeof(path), "%s/%s", t->root, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static int setup(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));
	int r = t ? dir_make_temporary(t->root, sizeof(t->root), "kwhy-confine") : -1;

	if (r)
		return r;
	t->config = config_new();
	*state = t;
	return t->config ? 0 : -1;
}

static int teardown(void **state)
{
	struct tree *t = *state;

	confine_leave(t->confine);
	dir_remove(t->root);
	config_free(t->config);
	strbuf_cleanup(&t->said);
	free(t);
	return 0;
}

/* A v2 cgroup as a service manager makes it: parent "" is the root. */
static void make_v2(struct tree *t, const char *parent, const char *procs, const char *below)
{
	put(t, "", "cgroup.controllers", "cpuset cpu io memory pids\n");
	if (*parent) {
		make_dir(t, parent);
		put(t, parent, "cgroup.type", "domain\n");
		put(t, parent, "cpu.max", "max 100000\n");
		put(t, parent, "memory.max", "max\n");
	}
	put(t, parent, "cgroup.procs", procs);
	put(t, parent, "cgroup.subtree_control", below);
	snprintf(t->own, sizeof(t->own), "%s%s" CGROUP_OWN_PREFIX "%d", parent, *parent ? "/" : "", (int)getpid());
}

/* What the kernel puts into a new cgroup. */
static void make_own(const struct tree *t, const char *const *files)
{
	make_dir(t, t->own);
	for (; *files; files++)
		put(t, t->own, *files, "");
}

static const char *const own_v2[] = { "cgroup.procs", "cpu.max", "cpu.weight", "memory.max", NULL };

static int enter(struct tree *t, const char *options, const char *self)
{
	char mountinfo[256];

	snprintf(mountinfo, sizeof(mountinfo), "30 23 0:26 / %s rw - %s\n", t->root, options);
	return confine_within(mountinfo, self, t->config, &t->confine, &t->said);
}

static int enter_v2(struct tree *t, const char *parent)
{
	char self[128];

	snprintf(self, sizeof(self), "0::/%s\n", parent);
	return enter(t, "cgroup2 cgroup2 rw", self);
}

static void only_me(char ret[32])
{
	snprintf(ret, 32, "%d\n", (int)getpid());
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void alone(void **state)
{
	struct tree *t = *state;
	char me[32];

	only_me(me);
	make_v2(t, "kwhy.service", me, "");
	make_own(t, own_v2);
	assert_int_equal(enter_v2(t, "kwhy.service"), 2);
	assert_string_equal(strbuf_str(&t->said), "limited to 1 CPUs and 512 MiB by a cgroup of its own");
	assert_file(t, t->own, "cpu.max", "100000 100000");
	assert_file(t, t->own, "cpu.weight", "1000");
	assert_file(t, t->own, "memory.max", "536870912");
	assert_file(t, t->own, "cgroup.procs", "0");
	assert_file(t, "kwhy.service", "cgroup.subtree_control", "+cpu +memory");
	confine_leave(t->confine);
	t->confine = NULL;
	assert_file(t, "kwhy.service", "cgroup.subtree_control", "-cpu -memory");
}

static void others_share_its_cgroup(void **state)
{
	struct tree *t = *state;
	char procs[64];

	snprintf(procs, sizeof(procs), "%d\n1\n", (int)getpid());
	make_v2(t, "session.scope", procs, "");
	assert_int_equal(enter_v2(t, "session.scope"), 0);
	assert_string_equal(strbuf_str(&t->said),
			    "not limited by a cgroup of its own (other processes share its cgroup)");
	assert_false(is_there(t, t->own));
	assert_file(t, "session.scope", "cgroup.subtree_control", "");
}

static void already_limited(void **state)
{
	struct tree *t = *state;
	char me[32];

	only_me(me);
	make_v2(t, "kwhy.service", me, "");
	put(t, "kwhy.service", "cpu.max", "50000 100000\n");
	put(t, "kwhy.service", "memory.max", "1073741824\n");
	assert_int_equal(enter_v2(t, "kwhy.service"), 0);
	assert_string_equal(strbuf_str(&t->said),
			    "not limited by a cgroup of its own (whoever started it has limited its cgroup)");
	assert_false(is_there(t, t->own));
}

/* Of two limits one is not enough: the other is still wanted. */
static void half_limited(void **state)
{
	struct tree *t = *state;
	char me[32];

	only_me(me);
	make_v2(t, "kwhy.service", me, "");
	put(t, "kwhy.service", "cpu.max", "50000 100000\n");
	make_own(t, own_v2);
	assert_int_equal(enter_v2(t, "kwhy.service"), 2);
	assert_file(t, t->own, "memory.max", "536870912");
}

static void at_the_root(void **state)
{
	struct tree *t = *state;

	make_v2(t, "", "1\n2\n", "cpuset pids\n");
	assert_int_equal(enter_v2(t, ""), 0);
	assert_non_null(strstr(strbuf_str(&t->said), "the root cgroup has not enabled the controllers cpu and memory"));
	assert_false(is_there(t, t->own));
}

static void at_a_root_that_has_controllers(void **state)
{
	struct tree *t = *state;

	make_v2(t, "", "1\n2\n", "cpu memory pids\n");
	make_own(t, own_v2);
	assert_int_equal(enter_v2(t, ""), 2);
	assert_file(t, "", "cgroup.subtree_control", "cpu memory pids\n"); /* not ours to change */
}

/* Hybrid: the v2 tree has no controllers, v1 has; one of the two hierarchies does not let us. */
static void v1(void **state)
{
	static const char *const own[] = { "cgroup.procs", "cpu.cfs_quota_us", "cpu.shares", NULL };
	struct tree *t = *state;

	make_dir(t, "a");
	put(t, "a", "cgroup.procs", "1\n");
	snprintf(t->own, sizeof(t->own), "a/" CGROUP_OWN_PREFIX "%d", (int)getpid());
	make_own(t, own);
	assert_int_equal(enter(t, "cgroup cgroup rw,cpu,memory", "3:cpu,memory:/a\n"), 1);
	assert_file(t, t->own, "cpu.cfs_quota_us", "100000");
	assert_file(t, t->own, "cpu.shares", "10240");
	assert_string_equal(strbuf_str(&t->said), "limited to 1 CPUs and 512 MiB by a cgroup of its own"
						  " (memory: No such file or directory)");
}

static void no_hierarchy(void **state)
{
	struct tree *t = *state;

	assert_int_equal(confine_within("", "", t->config, &t->confine, &t->said), 0);
	assert_string_equal(strbuf_str(&t->said), "not limited by a cgroup of its own");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(alone, setup, teardown),
		cmocka_unit_test_setup_teardown(others_share_its_cgroup, setup, teardown),
		cmocka_unit_test_setup_teardown(already_limited, setup, teardown),
		cmocka_unit_test_setup_teardown(half_limited, setup, teardown),
		cmocka_unit_test_setup_teardown(at_the_root, setup, teardown),
		cmocka_unit_test_setup_teardown(at_a_root_that_has_controllers, setup, teardown),
		cmocka_unit_test_setup_teardown(v1, setup, teardown),
		cmocka_unit_test_setup_teardown(no_hierarchy, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
