/* SPDX-License-Identifier: Apache-2.0 */
/* Owners of file systems, over a tree that stands in for /proc. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collect/mounts.h"
#include "schema/kinds.h"

#define DEV(major, minor) ((major) << 20 | (minor))

static const char host[] = "20 1 254:1 / / rw - ext4 /dev/vda rw\n21 20 7:3 / /var/lib/vol rw - ext4 /dev/loop3 rw\n";
static const char service[] = "40 1 254:1 / / rw - ext4 /dev/vda rw\n41 40 7:3 / /var/lib/vol rw - ext4 /dev/loop3 rw\n"
			      "42 40 0:50 / /tmp rw - tmpfs tmpfs rw\n";
/* A root of its own, the host's file below it, a volume twice, a part of another one, an export. */
static const char container[] = "50 1 0:60 / / rw - overlay overlay rw,lowerdir=/a\n51 50 0:61 / /proc rw - proc proc rw\n"
				"52 50 254:1 /etc/x /etc/hosts rw - ext4 /dev/vda rw\n"
				"53 50 7:3 / /a\\040b rw shared:1 - ext4 /dev/loop3 rw\n53 50 7:3 / /again rw - ext4 /dev/loop3 rw\n"
				"54 50 7:4 /part /part rw - ext4 /dev/loop4 rw\n55 50 0:70 / /nfs rw - nfs4 server:/export rw\n"
				"nonsense\n1 2 x:y / / - a b c\n";
/* By hand, on a directory of the host's disk; nothing of its own but a volume. */
static const char other[] = "60 1 254:1 /srv/rootfs / rw - ext4 /dev/vda rw\n61 60 7:3 / /vol rw - ext4 /dev/loop3 rw\n";

struct fixture {
	char folder[64];
	struct mounts *mounts;
	struct kw_mount seen[16];
	struct kw_cg by[16];
	unsigned int count;
};

static int on_event(void *ctx, const struct kw_event *e)
{
	struct fixture *f = ctx;

	assert_int_equal(e->kind, KW_KIND_mount);
	assert_true(f->count < 16);
	f->by[f->count] = e->subject.cg;
	memcpy(&f->seen[f->count++], e + 1, sizeof(f->seen[0]));
	return 0;
}

static void make_process(const struct fixture *f, const char *process, const char *ns, const char *mounts)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->folder, process);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/%s/ns", f->folder, process);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/%s/ns/mnt", f->folder, process);
	assert_int_equal(symlink(ns, path), 0);
	snprintf(path, sizeof(path), "%s/%s/mountinfo", f->folder, process);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(mounts, file);
	fclose(file);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->folder, sizeof(f->folder), "/tmp/kwhy-mounts-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	make_process(f, "1", "mnt:[100]", host);
	make_process(f, "7", "mnt:[100]", host);
	make_process(f, "8", "mnt:[108]", service);
	make_process(f, "9", "mnt:[109]", container);
	make_process(f, "10", "mnt:[110]", other);
	f->mounts = mounts_new(f->folder, on_event, f);
	assert_non_null(f->mounts);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	mounts_free(f->mounts);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static const struct kw_cg one = { .v2 = 11 }, two = { .v1 = 4ULL << KW_CG_V1_SHIFT | 11 };

static void containers_own_what_they_mounted(void **state)
{
	struct fixture *f = *state;
	struct kw_cg owner = { 0 };

	mounts_look(f->mounts, &one, 9, 5);
	assert_int_equal(f->count, 2); /* not the host's disk, nor a part of one, nor what the kernel makes up */
	assert_int_equal(f->seen[0].dev, DEV(7, 3));
	assert_string_equal(f->seen[0].point, "/a b");
	assert_string_equal(f->seen[0].type, "ext4");
	assert_string_equal(f->seen[1].source, "server:/export");
	assert_int_equal(f->by[0].v2, 11);
	assert_true(mounts_owner(f->mounts, DEV(7, 3), &owner));
	assert_int_equal(owner.v2, 11);
	assert_false(mounts_owner(f->mounts, DEV(7, 4), &owner));
	assert_false(mounts_owner(f->mounts, DEV(254, 1), &owner));
	/* Another directory of the same container, in another hierarchy, is no other owner. */
	mounts_look(f->mounts, &two, 9, 6);
	assert_int_equal(f->count, 2);
	assert_true(mounts_owner(f->mounts, DEV(7, 3), &owner));
}

static void the_host_owns_nothing(void **state)
{
	struct fixture *f = *state;
	struct kw_cg owner;

	mounts_look(f->mounts, &one, 7, 5);
	mounts_look(f->mounts, &one, 8, 5);
	mounts_look(f->mounts, &one, 4711, 5); /* has gone */
	assert_int_equal(f->count, 0);
	assert_false(mounts_owner(f->mounts, DEV(7, 3), &owner));
}

static void what_two_have_is_nobodys(void **state)
{
	struct fixture *f = *state;
	struct kw_cg owner;

	mounts_look(f->mounts, &one, 9, 5);
	mounts_look(f->mounts, &two, 10, 5);
	assert_int_equal(f->count, 3);
	assert_false(mounts_owner(f->mounts, DEV(7, 3), &owner));
	mounts_gone(f->mounts, &one);
	mounts_gone(f->mounts, &one);
	assert_true(mounts_owner(f->mounts, DEV(7, 3), &owner));
	assert_int_equal(owner.v1, two.v1);
	mounts_look(f->mounts, &one, 9, 6); /* told again of who came back */
	assert_int_equal(f->count, 5);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(containers_own_what_they_mounted, setup, teardown),
		cmocka_unit_test_setup_teardown(the_host_owns_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(what_two_have_is_nobodys, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
