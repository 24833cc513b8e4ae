/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "aggregate/identity.h"
#include "base/timeutil.h"

#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER64 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

enum { SEEN = 1, MADE, REMOVED, RENAMED, RELEASED };

static struct identity *id;

static int setup(void **state)
{
	(void)state;
	id = identity_new("boot");
	return id ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	identity_free(id);
	return 0;
}

static struct container *cgroup(unsigned int op, unsigned int hierarchy, uint64_t directory, const char *path,
				int64_t ts)
{
	struct kw_cgroup cg = { .op = op, .hierarchy = hierarchy, .id = directory };
	struct container *c;

	snprintf(cg.path, sizeof(cg.path), "%s", path);
	assert_int_equal(identity_cgroup(id, &cg, ts, 0, &c), 0);
	return c;
}

static struct container *resolve(uint64_t v2, unsigned int hierarchy, uint64_t v1, int64_t ts)
{
	struct kw_cg cg = { .v2 = v2, .v1 = v1 ? (uint64_t)hierarchy << KW_CG_V1_SHIFT | v1 : 0 };
	struct container *c;

	assert_int_equal(identity_resolve(id, &cg, ts, &c, NULL), 0);
	return c;
}

static void same_path_is_one_container(void **state)
{
	struct container *c = cgroup(SEEN, 0, 10, "/batch", 5);

	(void)state;
	assert_ptr_equal(cgroup(SEEN, 3, 10, "/batch", 6), c);
	assert_ptr_not_equal(cgroup(SEEN, 3, 11, "/other", 6), c);
	assert_ptr_equal(resolve(10, 0, 0, 7), c);
	assert_ptr_equal(resolve(0, 3, 10, 7), c);
	assert_int_equal(c->first_ns, 5);
	assert_string_equal(c->name, "/batch");
}

static void validity_ends_with_the_last_directory(void **state)
{
	struct container *c = cgroup(MADE, 0, 10, "/batch", 5), *again;

	(void)state;
	cgroup(MADE, 3, 20, "/batch", 6);
	cgroup(REMOVED, 0, 10, "/batch", 8);
	assert_int_equal(c->last_ns, 0);
	cgroup(REMOVED, 3, 20, "/batch", 9);
	assert_int_equal(c->last_ns, 9);
	assert_ptr_equal(resolve(10, 0, 0, 12), c); /* late events still find it */
	again = cgroup(MADE, 0, 30, "/batch", 20);
	assert_ptr_not_equal(again, c);
	assert_int_not_equal(again->cid, c->cid);
	assert_int_equal(again->first_ns, 20);
}

static void a_lost_removal_does_not_join_two_containers(void **state)
{
	struct container *c = cgroup(MADE, 0, 10, "/batch", 5), *again = cgroup(MADE, 0, 11, "/batch", 50);

	(void)state;
	assert_ptr_not_equal(again, c);
	assert_int_equal(c->last_ns, 50);
}

/* Events come in the order of the kernel's: each is of whoever had the number then. */
static void ids_are_used_again(void **state)
{
	int64_t former = 0;

	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		char path[32];
		struct container *c;

		snprintf(path, sizeof(path), "/batch/%u", i);
		c = cgroup(MADE, 0, 10, path, 1000 * i + 1);
		assert_string_equal(c->name, path);
		assert_int_not_equal(c->cid, former);
		assert_ptr_equal(resolve(10, 0, 0, 1000 * i + 2), c);
		former = c->cid;
		if (i % 10) /* now and then the removal is lost */
			cgroup(REMOVED, 0, 10, path, 1000 * i + 3);
		assert_ptr_equal(resolve(10, 0, 0, 1000 * i + 4), c);
	}
}

static void which_directory_counts(void **state)
{
	struct container *docker = cgroup(SEEN, 4, 50, "/docker/" ID64, 1), *deep = cgroup(SEEN, 4, 51, "/a/b/c", 1);
	struct container *slice = cgroup(SEEN, 0, 60, "/user.slice", 1), *hosted = cgroup(SEEN, 0, 61, "/x/y/z/w", 1);

	(void)state;
	assert_ptr_equal(resolve(60, 4, 50, 2), docker); /* claimed by a runtime */
	assert_ptr_equal(resolve(61, 4, 50, 2), docker); /* even if less deep */
	assert_ptr_equal(resolve(60, 4, 51, 2), deep);	 /* else the deeper one */
	assert_ptr_equal(resolve(61, 4, 51, 2), hosted);
	assert_ptr_equal(resolve(1, 4, 50, 2), docker);	 /* root of v2 */
	assert_ptr_equal(resolve(60, 4, 1, 2), slice);	 /* root of v1 */
	assert_ptr_equal(resolve(60, 4, 999, 2), slice); /* unknown in v1 */
	assert_ptr_equal(resolve(1, 4, 1, 2), identity_host(id));
	assert_ptr_equal(resolve(1, 0, 0, 2), identity_host(id));
	assert_null(resolve(0, 0, 0, 2));
}

static void unknown_ids_are_named_later(void **state)
{
	struct container *c = resolve(0, 5, 123, 10);
	int64_t cid = c->cid;

	(void)state;
	assert_true(c->provisional);
	assert_string_equal(c->name, "cgroup:5:123");
	assert_ptr_equal(resolve(0, 5, 123, 11), c);
	assert_ptr_equal(cgroup(SEEN, 5, 123, "/docker/" ID64, 12), c);
	assert_int_equal(c->cid, cid);
	assert_false(c->provisional);
	assert_string_equal(c->name, "0123456789ab");
	assert_string_equal(c->what.runtime, "docker");
	assert_int_equal(c->first_ns, 10);
	cgroup(REMOVED, 5, 123, "/docker/" ID64, 20);
	assert_int_equal(c->last_ns, 20);
}

static void a_provisional_one_joins_its_container(void **state)
{
	struct container *real = cgroup(SEEN, 0, 9, "/docker/" ID64, 1), *guess = resolve(0, 5, 123, 10);

	(void)state;
	assert_ptr_not_equal(guess, real);
	assert_ptr_equal(cgroup(SEEN, 5, 123, "/docker/" ID64, 12), real);
	assert_ptr_equal(resolve(0, 5, 123, 13), real);
	assert_string_equal(guess->name, real->name);
	assert_int_equal(guess->last_ns, 12);
}

static void directories_inside_belong_to_the_container(void **state)
{
	struct container *c = cgroup(SEEN, 0, 9, "/docker/" ID64, 1);
	struct kw_cg cg = { .v2 = 10 };
	struct container *inner;
	bool inside;

	(void)state;
	assert_ptr_equal(cgroup(SEEN, 0, 10, "/docker/" ID64 "/init.scope", 1), c);
	assert_int_equal(identity_resolve(id, &cg, 2, &inner, &inside), 0);
	assert_ptr_equal(inner, c);
	assert_true(inside);
	cg.v2 = 9;
	assert_int_equal(identity_resolve(id, &cg, 2, &inner, &inside), 0);
	assert_false(inside);
	inner = cgroup(SEEN, 0, 11, "/docker/" ID64 "/docker/" OTHER64, 1);
	assert_ptr_not_equal(inner, c);
	assert_int_equal(inner->parent, c->cid);
	assert_string_equal(c->path, "/docker/" ID64);
	cgroup(REMOVED, 0, 10, "/docker/" ID64 "/init.scope", 3);
	assert_int_equal(c->last_ns, 0);
}

static void parents_are_containers_too(void **state)
{
	struct container *a = cgroup(SEEN, 0, 2, "/a", 1), *b = cgroup(SEEN, 0, 3, "/a/b", 1);
	struct container *deep = cgroup(SEEN, 0, 4, "/a/unseen/c", 1);

	(void)state;
	assert_int_equal(a->parent, 0);
	assert_int_equal(b->parent, a->cid);
	assert_int_equal(deep->parent, a->cid);
}

static void renames_keep_the_number(void **state)
{
	struct container *c = cgroup(SEEN, 4, 2, "/a", 1);
	int64_t cid = c->cid;

	(void)state;
	assert_ptr_equal(cgroup(RENAMED, 4, 2, "/b", 2), c);
	assert_int_equal(c->cid, cid);
	assert_string_equal(c->name, "/b");
	assert_ptr_not_equal(cgroup(MADE, 4, 3, "/a", 3), c);
}

/* Of one that has directories in several hierarchies all are renamed, one by one, or one is. */
static void a_rename_splits_no_container(void **state)
{
	struct container *c = cgroup(SEEN, 4, 2, "/docker/" ID64, 1), *inner = cgroup(SEEN, 4, 9, "/a/in", 1);

	(void)state;
	cgroup(SEEN, 5, 2, "/docker/" ID64, 1);
	cgroup(SEEN, 0, 7, "/docker/" ID64, 1);
	assert_ptr_equal(cgroup(RENAMED, 4, 2, "/docker/mine", 2), c);
	assert_string_equal(c->path, "/docker/" ID64);
	assert_ptr_equal(resolve(0, 4, 2, 3), c);
	assert_ptr_equal(cgroup(RENAMED, 5, 2, "/docker/mine", 2), c);
	assert_ptr_equal(cgroup(RENAMED, 0, 7, "/docker/mine", 2), c);
	assert_string_equal(c->path, "/docker/mine");
	assert_int_equal(c->last_ns, 0);
	/* What lies inside a renamed one is told by the next walk. */
	assert_ptr_equal(cgroup(SEEN, 4, 9, "/b/in", 4), inner);
	assert_string_equal(inner->path, "/b/in");
}

/* The kernel gave the number to another directory, and its former one's end was not seen. */
static void a_number_used_again_is_another_container(void **state)
{
	struct container *c = cgroup(MADE, 4, 2, "/a", 1), *other = cgroup(MADE, 4, 2, "/b", 9);

	(void)state;
	assert_ptr_not_equal(other, c);
	assert_int_equal(c->last_ns, 9);
	assert_string_equal(c->path, "/a");
	assert_ptr_equal(resolve(0, 4, 2, 10), other);
	cgroup(REMOVED, 4, 2, "/b", 11);
	assert_string_equal(cgroup(MADE, 4, 2, "/c", 12)->path, "/c");
}

static void numbers_are_stable(void **state)
{
	int64_t first, second;

	(void)state;
	first = cgroup(SEEN, 0, 10, "/batch", 5)->cid;
	identity_free(id);
	id = identity_new("boot");
	second = cgroup(SEEN, 0, 10, "/batch", 999)->cid;
	assert_int_equal(first, second);
	identity_free(id);
	id = identity_new("another boot");
	assert_int_not_equal(cgroup(SEEN, 0, 10, "/batch", 5)->cid, first);
	assert_true(first > 0 && first < INT64_C(1) << 52);
}

static void drain(void)
{
	while (identity_next_dirty(id))
		;
}

static void the_dead_are_forgotten(void **state)
{
	(void)state;
	for (uint64_t i = 10; i < 1000; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/c%llu", (unsigned long long)i);
		cgroup(MADE, 0, i, path, 1);
		cgroup(REMOVED, 0, i, path, 2);
		resolve(0, 7, i, 3); /* never named */
	}
	cgroup(MADE, 0, 5000, "/alive", 1);
	assert_int_equal(identity_count(id), 2 * 990 + 1);
	drain();
	identity_sweep(id, 100 * NSEC_PER_SEC);
	assert_int_equal(identity_count(id), 2 * 990 + 1);
	identity_sweep(id, 700 * NSEC_PER_SEC);
	drain();
	identity_sweep(id, 1400 * NSEC_PER_SEC);
	assert_int_equal(identity_count(id), 1);
	assert_string_equal(resolve(5000, 0, 0, 9)->name, "/alive");
}

/* The page cache of the dead belongs to them for as long as it is there; only then the name is given up. */
static void the_dead_keep_what_is_charged_to_them(void **state)
{
	struct container *c = cgroup(MADE, 4, 30, "/docker/" ID64, 1);

	(void)state;
	cgroup(MADE, 0, 10, "/docker/" ID64, 1);
	cgroup(REMOVED, 0, 10, "/docker/" ID64, 2);
	cgroup(REMOVED, 4, 30, "/docker/" ID64, 2);
	assert_ptr_equal(cgroup(RELEASED, 0, 10, "/docker/" ID64, 3), c);
	assert_null(cgroup(RELEASED, 0, 77, "/before/us", 3));
	assert_int_equal(c->last_ns, 2);
	drain();
	identity_sweep(id, 3600 * NSEC_PER_SEC);
	assert_ptr_equal(resolve(0, 4, 30, 3600 * NSEC_PER_SEC), c); /* memory */
	assert_true(resolve(10, 0, 0, 3600 * NSEC_PER_SEC)->provisional); /* that number could be somebody else's now */
	assert_ptr_equal(cgroup(RELEASED, 4, 30, "/docker/" ID64, 3601), c);
	drain();
	identity_sweep(id, 7200 * NSEC_PER_SEC);
	drain();
	identity_sweep(id, 10800 * NSEC_PER_SEC);
	assert_int_equal(identity_count(id), 0);
}

/* A release of which no record came keeps nothing for ever. */
static void a_lost_release_is_given_up(void **state)
{
	(void)state;
	cgroup(MADE, 4, 30, "/a", 1);
	cgroup(REMOVED, 4, 30, "/a", 2);
	cgroup(RELEASED, 4, 31, "/b", 2);
	drain();
	identity_sweep(id, 23 * 3600 * NSEC_PER_SEC);
	assert_int_equal(identity_count(id), 1);
	identity_sweep(id, 25 * 3600 * NSEC_PER_SEC);
	assert_int_equal(identity_count(id), 0);
}

static void inner_directories_are_forgotten(void **state)
{
	struct container *c = cgroup(MADE, 0, 2, "/docker/" ID64, 1);
	unsigned int nodes = 0;

	(void)state;
	for (uint64_t i = 10; i < 1000; i++) {
		cgroup(MADE, 0, i, "/docker/" ID64 "/init.scope", 1);
		cgroup(REMOVED, 0, i, "/docker/" ID64 "/init.scope", 2);
	}
	drain();
	identity_sweep(id, 700 * NSEC_PER_SEC);
	for (const struct node *n = c->nodes; n; n = n->next)
		nodes++;
	assert_int_equal(nodes, 1);
	assert_int_equal(c->live, 1);
	assert_int_equal(c->last_ns, 0);
}

static void too_many_are_still_numbered(void **state)
{
	int64_t a, b;

	(void)state;
	for (uint64_t i = 2; i < IDENTITY_NODES_MAX + 2; i++)
		resolve(i, 0, 0, 1);
	assert_int_equal(identity_overflow(id), 0);
	drain();
	a = resolve(0, 3, 77, 2)->cid;
	b = resolve(0, 3, 78, 2)->cid;
	assert_int_not_equal(a, b);
	assert_int_equal(resolve(0, 3, 77, 2)->cid, a);
	assert_true(identity_overflow(id) > 0);
	assert_string_equal(resolve(0, 3, 78, 2)->name, "cgroup:3:78");
	assert_string_equal(cgroup(SEEN, 3, 79, "/late", 3)->name, "/late");
}

static void a_former_run_is_continued(void **state)
{
	int64_t cid = cgroup(SEEN, 0, 10, "/batch", 5)->cid;
	struct container *c;
	const struct node *n;
	uint64_t hash;

	(void)state;
	n = resolve(10, 0, 0, 5)->nodes;
	hash = n->path_hash;
	identity_free(id);
	id = identity_new("boot");
	assert_int_equal(identity_load_container(id, cid, "/batch", 0, 5, NULL), 0);
	assert_int_equal(identity_load_container(id, 77, "/gone", 0, 6, NULL), 0);
	assert_int_equal(identity_load_node(id, 0, 10, cid, false, hash), 0);
	assert_int_equal(identity_load_node(id, 0, 11, 77, false, 1), 0);
	c = cgroup(SEEN, 3, 20, "/batch", 50); /* another hierarchy is announced first this time */
	assert_int_equal(c->cid, cid);
	cgroup(SEEN, 0, 10, "/batch", 50);
	assert_int_equal(resolve(11, 0, 0, 51)->cid, 77);
	identity_settle(id, 40);
	assert_int_equal(c->last_ns, 0);
	assert_int_equal(c->first_ns, 5);
	assert_int_equal(resolve(11, 0, 0, 51)->last_ns, 40);
}

static void hostile_paths_are_harmless(void **state)
{
	char path[sizeof(((struct kw_cgroup *)0)->path) + 8];
	struct kw_cgroup cg = { .op = MADE, .id = 3 };
	struct container *c;

	(void)state;
	memset(cg.path, '/', sizeof(cg.path)); /* not ended */
	assert_int_equal(identity_cgroup(id, &cg, 1, 0, &c), 0);
	memset(path, 'x', sizeof(path));
	memcpy(cg.path, path, sizeof(cg.path));
	cg.id = 4;
	assert_int_equal(identity_cgroup(id, &cg, 1, 0, &c), 0);
	assert_string_equal(cgroup(MADE, 0, 5, "no/slash", 1)->path, "/no/slash");
	assert_ptr_equal(cgroup(MADE, 0, 6, "/", 1), identity_host(id));
	cgroup(REMOVED, 0, 6, "/", 1);
	assert_int_equal(identity_host(id)->last_ns, 0);
	cgroup(99, 0, 7, "/odd", 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(same_path_is_one_container),
		TEST(validity_ends_with_the_last_directory),
		TEST(a_lost_removal_does_not_join_two_containers),
		TEST(ids_are_used_again),
		TEST(which_directory_counts),
		TEST(unknown_ids_are_named_later),
		TEST(a_provisional_one_joins_its_container),
		TEST(directories_inside_belong_to_the_container),
		TEST(parents_are_containers_too),
		TEST(renames_keep_the_number),
		TEST(a_rename_splits_no_container),
		TEST(a_number_used_again_is_another_container),
		TEST(numbers_are_stable),
		TEST(the_dead_are_forgotten),
		TEST(the_dead_keep_what_is_charged_to_them),
		TEST(a_lost_release_is_given_up),
		TEST(inner_directories_are_forgotten),
		TEST(too_many_are_still_numbered),
		TEST(a_former_run_is_continued),
		TEST(hostile_paths_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
