/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/timeutil.h"
#include "collect/cgroups.h"
#include "schema/kinds.h"

static const char hybrid[] =
	"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"50 31 0:32 /docker/1 /mnt/a\\040b rw - cgroup cgroup rw,memory\n"
	"32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 master:1 - cgroup cgroup rw,cpuacct,cpu\n"
	"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
	"36 31 0:33 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
	"40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
	"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";
static const char hybrid_self[] = "9:name=systemd:/init\n4:memory:/\n3:cpuset:/\n1:cpu,cpuacct:/a:b\n0::/\n";

static void free_list(struct cgroup_hierarchy *list, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		free(list[i].mount);
		free(list[i].root);
	}
}

static const struct cgroup_hierarchy *by_number(const struct cgroup_hierarchy *list, unsigned int count,
						unsigned int number)
{
	for (unsigned int i = 0; i < count; i++)
		if (list[i].number == number)
			return &list[i];
	return NULL;
}

static void joins_mounts_with_numbers(void **state)
{
	struct cgroup_hierarchy list[CGROUP_HIERARCHIES_MAX];
	unsigned int count = cgroup_hierarchies_parse(hybrid, hybrid_self, list, CGROUP_HIERARCHIES_MAX);

	(void)state;
	assert_int_equal(count, 5);
	assert_string_equal(by_number(list, count, 0)->mount, "/sys/fs/cgroup/unified");
	assert_string_equal(by_number(list, count, 0)->controllers, "");
	/* The order of controllers differs between the two files; "cpu" is not "cpuset". */
	assert_string_equal(by_number(list, count, 1)->mount, "/sys/fs/cgroup/cpu");
	assert_string_equal(by_number(list, count, 3)->mount, "/sys/fs/cgroup/cpuset");
	assert_string_equal(by_number(list, count, 9)->controllers, "name=systemd");
	/* The bind mount of one container came first, and shows less. */
	assert_string_equal(by_number(list, count, 4)->mount, "/sys/fs/cgroup/memory");
	assert_string_equal(by_number(list, count, 4)->root, "/");
	free_list(list, count);
}

static void v2_alone(void **state)
{
	struct cgroup_hierarchy list[4];
	unsigned int count = cgroup_hierarchies_parse("29 23 0:26 / /sys/fs/cgroup rw - cgroup2 none rw\n", "0::/\n",
						      list, 4);

	(void)state;
	assert_int_equal(count, 1);
	assert_int_equal(list[0].number, 0);
	free_list(list, count);
}

static void survives_odd_text(void **state)
{
	struct cgroup_hierarchy list[4];
	unsigned int count;

	(void)state;
	assert_int_equal(cgroup_hierarchies_parse("", "", list, 4), 0);
	assert_int_equal(cgroup_hierarchies_parse(" - cgroup2\n\n1 2 3 4\n", ":\n::\nx:cpu:/\n", list, 4), 0);
	assert_int_equal(cgroup_hierarchies_parse("1 1 0:1 / /m rw - cgroup c rw,cpu\n", "300:cpu:/\n", list, 4), 0);
	count = cgroup_hierarchies_parse(hybrid, hybrid_self, list, 2);
	assert_int_equal(count, 2);
	free_list(list, count);
}

/* ---- a tree of ordinary directories stands in for cgroupfs ------------------------------------------------------- */

struct seen {
	uint32_t op;
	uint64_t id;
	uint64_t netns;
	uint64_t v2;
	char path[448];
};

struct fixture {
	char folder[64];
	struct cgroups *cgroups;
	struct seen seen[64];
	unsigned int count;
};

static int on_event(void *ctx, const struct kw_event *e)
{
	struct fixture *f = ctx;
	const struct kw_cgroup *p = (const void *)(e + 1);
	struct seen *s = &f->seen[f->count++];

	assert_int_equal(e->kind, KW_KIND_cgroup);
	assert_int_equal(e->payload_size, sizeof(*p));
	assert_true(f->count < 64);
	*s = (struct seen){ .op = p->op, .id = p->id, .netns = p->netns, .v2 = e->subject.cg.v2 };
	memcpy(s->path, p->path, sizeof(s->path));
	return 0;
}

static void make(const struct fixture *f, const char *path)
{
	char full[1024];

	snprintf(full, sizeof(full), "%s/%s", f->folder, path);
	assert_int_equal(mkdir(full, 0755), 0);
}

static void gone(const struct fixture *f, const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s/%s", f->folder, path);
	assert_int_equal(rmdir(full), 0);
}

static void write_text(const struct fixture *f, const char *path, const char *text)
{
	char full[512];
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", f->folder, path);
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static uint64_t inode(const struct fixture *f, const char *path)
{
	char full[512];
	struct stat st;

	snprintf(full, sizeof(full), "%s/%s", f->folder, path);
	assert_int_equal(stat(full, &st), 0);
	return st.st_ino;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[256], proc[128];

	assert_non_null(f);
	snprintf(f->folder, sizeof(f->folder), "/tmp/kwhy-cgroups-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	make(f, "proc");
	make(f, "proc/self");
	make(f, "proc/77");
	make(f, "proc/77/ns");
	snprintf(text, sizeof(text), "%s/proc/77/ns/net", f->folder);
	assert_int_equal(symlink("net:[4026531999]", text), 0);
	make(f, "cg");
	make(f, "cg/system.slice");
	make(f, "cg/system.slice/a.service");
	make(f, "cg/pod");
	snprintf(text, sizeof(text), "29 23 0:26 / %s/cg rw - cgroup2 none rw\n", f->folder);
	write_text(f, "proc/self/mountinfo", text);
	write_text(f, "proc/self/cgroup", "0::/\n");
	snprintf(proc, sizeof(proc), "%s/proc", f->folder);
	assert_int_equal(cgroups_new(proc, on_event, f, &f->cgroups), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	cgroups_free(f->cgroups);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static const struct seen *saw(const struct fixture *f, const char *path)
{
	for (unsigned int i = 0; i < f->count; i++)
		if (!strcmp(f->seen[i].path, path))
			return &f->seen[i];
	return NULL;
}

static void walk_announces_everything_once(void **state)
{
	struct fixture *f = *state;
	struct cgroup_info info;

	assert_int_equal(cgroups_scan(f->cgroups, 1), 4);
	assert_int_equal(f->count, 4);
	assert_string_equal(f->seen[0].path, "/");
	assert_non_null(saw(f, "/system.slice/a.service"));
	assert_int_equal(saw(f, "/system.slice/a.service")->id, inode(f, "cg/system.slice/a.service"));
	assert_int_equal(saw(f, "/pod")->v2, inode(f, "cg/pod"));
	assert_int_equal(saw(f, "/pod")->op, 1);
	assert_true(cgroups_find(f->cgroups, 0, inode(f, "cg/pod"), &info));
	assert_string_equal(info.path, "/pod");
	f->count = 0;
	cgroups_scan(f->cgroups, 2);
	assert_int_equal(f->count, 0);
}

/* The one it is in is the host's; one that only has the name is like any other. */
static void its_own_is_no_container(void **state)
{
	struct fixture *f = *state;
	struct cgroup_info info;
	unsigned int listed = 0;
	char proc[128];

	make(f, "cg/" CGROUP_OWN_PREFIX "7");
	make(f, "cg/pod/" CGROUP_OWN_PREFIX "7");
	write_text(f, "proc/self/cgroup", "0::/" CGROUP_OWN_PREFIX "7\n");
	cgroups_free(f->cgroups);
	snprintf(proc, sizeof(proc), "%s/proc", f->folder);
	assert_int_equal(cgroups_new(proc, on_event, f, &f->cgroups), 0);
	assert_int_equal(cgroups_scan(f->cgroups, 1), 6);
	assert_null(saw(f, "/" CGROUP_OWN_PREFIX "7"));
	assert_non_null(saw(f, "/pod/" CGROUP_OWN_PREFIX "7"));
	for (unsigned int n = 0; n < f->count; n++)
		if (f->seen[n].id == inode(f, "cg/" CGROUP_OWN_PREFIX "7"))
			assert_string_equal(f->seen[n].path, "/");
	for (size_t n = 0; cgroups_next(f->cgroups, &n, &info);)
		listed++;
	assert_int_equal(listed, 5);
}

static void walk_tells_what_came_and_went(void **state)
{
	struct fixture *f = *state;

	cgroups_scan(f->cgroups, 1);
	f->count = 0;
	make(f, "cg/late"); /* first: unlike kernfs, the file system below /tmp reuses an inode at once */
	gone(f, "cg/pod");
	assert_int_equal(cgroups_scan(f->cgroups, 2), 4);
	assert_int_equal(f->count, 2);
	assert_int_equal(saw(f, "/pod")->op, 3);
	assert_int_equal(saw(f, "/late")->op, 1);
}

static struct kw_cgroup record(uint32_t op, uint64_t id, const char *path)
{
	struct kw_cgroup p = { .op = op, .id = id };

	snprintf(p.path, sizeof(p.path), "%s", path);
	return p;
}

static void records_keep_the_table(void **state)
{
	struct fixture *f = *state;
	const struct kw_event e = { .ts_ns = 5 };
	struct kw_cgroup made = record(2, 987654, "/new/one"), removed = record(3, 987654, "/new/one");
	struct kw_cgroup released = record(5, 987654, "/new/one");
	const struct kw_cg cg = { .v2 = 987654 };
	struct cgroup_info info;

	cgroups_scan(f->cgroups, 1);
	f->count = 0;
	cgroups_on_record(f->cgroups, &e, &made);
	assert_true(cgroups_find(f->cgroups, 0, 987654, &info));
	assert_string_equal(info.path, "/new/one");
	cgroups_ensure(f->cgroups, &cg, 6);
	assert_int_equal(f->count, 0);
	cgroups_on_record(f->cgroups, &e, &removed);
	assert_false(cgroups_find(f->cgroups, 0, 987654, &info));
	cgroups_on_record(f->cgroups, &e, &released);
	assert_false(cgroups_find(f->cgroups, 0, 987654, &info));
	/* A late record of the dead one neither announces it again nor asks for its handle each time. */
	cgroups_ensure(f->cgroups, &cg, 7);
	assert_int_equal(f->count, 0);
}

/* Of a command line only what finds a bundle is kept. */
static void who_made_it_is_reduced(void **state)
{
	static const struct {
		const char *line; /* arguments by lines */
		const char *kept;
	} cases[] = {
		{ "/usr/bin/runc\n--root\n/x\nrun\n--bundle\n/srv/b\none\n", "runc\n/srv/b\none" },
		{ "crun\nrun\n--bundle=/srv/b\none\n", "crun\n/srv/b\none" },
		{ "podman\nrun\n-e\nPASSWORD=x\nimage\n", "" },
		{ "runc\nrun\n-b\nrelative\none\n", "" },
		{ "runc\nrun\n-b\n", "" },
		{ "", "" },
	};
	struct fixture *f = *state;
	const struct kw_event e = { .ts_ns = 5 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kw_cgroup made = record(2, 77, "/x");

		for (size_t k = 0; cases[i].line[k]; k++)
			made.maker[k] = cases[i].line[k] == '\n' ? '\0' : cases[i].line[k];
		cgroups_on_record(f->cgroups, &e, &made);
		assert_string_equal(made.maker, cases[i].kept);
	}
	/* Cut, without an end: the id is not known. */
	struct kw_cgroup made = record(2, 77, "/x");

	memset(made.maker, 'x', sizeof(made.maker));
	memcpy(made.maker, "runc\0-b\0/srv/b\0one", 18);
	cgroups_on_record(f->cgroups, &e, &made);
	assert_string_equal(made.maker, "runc\n/srv/b\n");
}

static void path_in_a_record_is_bounded(void **state)
{
	struct fixture *f = *state;
	const struct kw_event e = { .ts_ns = 5 };
	struct kw_cgroup made = record(2, 55, "");
	struct cgroup_info info;

	memset(made.path, 'a', sizeof(made.path));
	cgroups_on_record(f->cgroups, &e, &made);
	assert_true(cgroups_find(f->cgroups, 0, 55, &info));
	assert_int_equal(strlen(info.path), sizeof(made.path) - 1);
}

static void namespace_is_told_when_known(void **state)
{
	struct fixture *f = *state;

	cgroups_scan(f->cgroups, 1);
	assert_int_equal(saw(f, "/pod")->netns, 0);
	write_text(f, "cg/pod/cgroup.procs", "77\n78\n");
	f->count = 0;
	cgroups_tick(f->cgroups, 2, false);
	assert_int_equal(f->count, 1);
	assert_int_equal(saw(f, "/pod")->op, 1);
	assert_int_equal(saw(f, "/pod")->netns, 4026531999);
	f->count = 0;
	cgroups_tick(f->cgroups, 3, false);
	assert_int_equal(f->count, 0);
}

/* A container may be gone before the next tick: its cgroup is looked into as soon as something may be in it. */
static void the_young_are_looked_at_between_ticks(void **state)
{
	struct fixture *f = *state;
	struct kw_event e = { .ts_ns = NSEC_PER_SEC };
	struct kw_cgroup made = record(2, 987654, "/new");
	uint64_t due_ns;

	cgroups_scan(f->cgroups, 1);
	cgroups_tick(f->cgroups, 2, false);
	make(f, "cg/new");
	write_text(f, "cg/new/cgroup.procs", "77\n");
	f->count = 0;
	cgroups_on_record(f->cgroups, &e, &made);
	due_ns = cgroups_look_early(f->cgroups, NSEC_PER_SEC);
	assert_in_range(due_ns, NSEC_PER_SEC + 1, NSEC_PER_SEC + 100 * NSEC_PER_MSEC);
	assert_int_equal(f->count, 0);
	assert_true(cgroups_look_early(f->cgroups, due_ns) == UINT64_MAX);
	assert_int_equal(f->count, 1);
	assert_int_equal(saw(f, "/new")->netns, 4026531999);
	assert_true(cgroups_look_early(f->cgroups, due_ns + 1) == UINT64_MAX);
	assert_int_equal(f->count, 1);
}

static void rescans_sooner_when_polled(void **state)
{
	struct fixture *f = *state;

	cgroups_scan(f->cgroups, NSEC_PER_SEC);
	make(f, "cg/late");
	f->count = 0;
	cgroups_tick(f->cgroups, 4 * NSEC_PER_SEC, false);
	assert_int_equal(f->count, 0);
	cgroups_tick(f->cgroups, 4 * NSEC_PER_SEC, true);
	assert_int_equal(f->count, 1);
	make(f, "cg/later");
	cgroups_tick(f->cgroups, 35 * NSEC_PER_SEC, false);
	assert_int_equal(f->count, 2);
}

static void long_paths_keep_their_end(void **state)
{
	struct fixture *f = *state;
	char path[700] = "cg";
	unsigned int cut = 0;

	for (unsigned int i = 0; i < 5; i++) {
		size_t len = strlen(path);

		path[len] = '/';
		memset(path + len + 1, 'a' + (int)i, 120);
		path[len + 121] = '\0';
		make(f, path);
	}
	cgroups_scan(f->cgroups, 1);
	for (unsigned int i = 0; i < f->count; i++) {
		size_t len = strnlen(f->seen[i].path, sizeof(f->seen[i].path));

		assert_true(len < sizeof(f->seen[i].path));
		cut += f->seen[i].path[0] == '.';
		if (f->seen[i].path[0] == '.')
			assert_true(f->seen[i].path[len - 1] >= 'd');
	}
	assert_int_equal(cut, 2);
}

static int count_event(void *ctx, const struct kw_event *e)
{
	(void)e;
	++*(unsigned int *)ctx;
	return 0;
}

/*
 * Thousands of cgroups are one system call each at the start; looking into them is spread over ticks, and what is made
 * meanwhile does not wait behind them.
 */
static void many_cost_little(void **state)
{
	enum { MANY = 2000, BEFORE = 5, PER_TICK = 512 };
	struct fixture *f = *state;
	struct cgroup_info info;
	struct cgroups_work work;
	unsigned int count = 0;
	struct kw_event e = { .ts_ns = NSEC_PER_SEC };
	struct kw_cgroup made = record(2, 987654, "/new");
	char path[32], proc[128];
	struct cgroups *c;
	struct stat st;

	make(f, "cg/many");
	for (unsigned int i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "cg/many/%u", i);
		make(f, path);
	}
	snprintf(proc, sizeof(proc), "%s/cg/many/0", f->folder);
	assert_int_equal(stat(proc, &st), 0);
	if (st.st_nlink != 2)
		skip(); /* not a file system that counts directories as kernfs does */
	snprintf(proc, sizeof(proc), "%s/proc", f->folder);
	assert_int_equal(cgroups_new(proc, count_event, &count, &c), 0);
	assert_int_equal(cgroups_scan(c, NSEC_PER_SEC), MANY + BEFORE);
	cgroups_work(c, &work);
	assert_int_equal(work.directories, 3); /* the root, system.slice, many */
	assert_int_equal(work.looks, 0);
	assert_int_equal(count, MANY + BEFORE);
	make(f, "cg/new");
	write_text(f, "cg/new/cgroup.procs", "77\n");
	cgroups_on_record(c, &e, &made);
	cgroups_tick(c, NSEC_PER_SEC + 50 * NSEC_PER_MSEC, false);
	cgroups_work(c, &work);
	assert_int_equal(work.looks, PER_TICK);
	assert_true(cgroups_find(c, 0, 987654, &info));
	assert_int_equal(info.netns, 4026531999);
	for (unsigned int i = 1; i <= MANY / PER_TICK + 1; i++)
		cgroups_tick(c, (1 + i) * NSEC_PER_SEC, false);
	cgroups_work(c, &work);
	assert_in_range(work.looks, MANY + BEFORE + 1, MANY + BEFORE + 3); /* the new one three times */
	cgroups_free(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(joins_mounts_with_numbers),
		cmocka_unit_test(v2_alone),
		cmocka_unit_test(survives_odd_text),
		cmocka_unit_test_setup_teardown(walk_announces_everything_once, setup, teardown),
		cmocka_unit_test_setup_teardown(its_own_is_no_container, setup, teardown),
		cmocka_unit_test_setup_teardown(walk_tells_what_came_and_went, setup, teardown),
		cmocka_unit_test_setup_teardown(records_keep_the_table, setup, teardown),
		cmocka_unit_test_setup_teardown(who_made_it_is_reduced, setup, teardown),
		cmocka_unit_test_setup_teardown(path_in_a_record_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(namespace_is_told_when_known, setup, teardown),
		cmocka_unit_test_setup_teardown(the_young_are_looked_at_between_ticks, setup, teardown),
		cmocka_unit_test_setup_teardown(rescans_sooner_when_polled, setup, teardown),
		cmocka_unit_test_setup_teardown(long_paths_keep_their_end, setup, teardown),
		cmocka_unit_test_setup_teardown(many_cost_little, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
