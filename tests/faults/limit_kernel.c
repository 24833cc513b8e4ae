/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that are not a container's alone: inotify objects of a user, cgroups below a cgroup. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/shared.h"
#include "tests/faults/work.h"

#define OBJECTS_MAX 64

struct object_state {
	_Atomic uint64_t tried, refused;
	_Atomic int last_errno, owner; /* process id of who made the user namespace; 0 not yet */
	int allowed, period_ms;
	bool instances;
	char dir[192];
};

static void note(struct object_state *st, bool ok, int errno_wanted)
{
	atomic_fetch_add(&st->tried, 1);
	if (ok)
		return;
	atomic_store(&st->last_errno, errno);
	if (errno == errno_wanted)
		atomic_fetch_add(&st->refused, 1);
}

static int object_proof(struct sandbox *sb)
{
	struct object_state *st = sb->state;

	facts_int(&sb->proof, "tried", (int64_t)st->tried);
	facts_int(&sb->proof, "refused", (int64_t)st->refused);
	facts_int(&sb->proof, "last_errno", st->last_errno);
	return st->refused > 0 ? 0 : -ENODATA;
}

/* ---- inotify ----------------------------------------------------------------------------------------------------- */

static void file_name(const struct object_state *st, int i, char *ret, size_t size)
{
	snprintf(ret, size, "%s/%d.conf", st->dir, i);
}

/* Watches one more file, or makes one more instance. */
static bool take_one(const struct object_state *st, int watcher, int i)
{
	char path[256];

	if (st->instances)
		return inotify_init1(IN_CLOEXEC) >= 0;
	file_name(st, i, path, sizeof(path));
	return inotify_add_watch(watcher, path, IN_MODIFY) >= 0;
}

/* Until the fault ends it has all that its user may have; then it gives all back at once. */
static void hoard(struct sandbox *sb, struct object_state *st)
{
	int watcher = inotify_init1(IN_CLOEXEC), n = 0;

	while (sandbox_phase(sb) < PHASE_AFTER) {
		if (sandbox_phase(sb) == PHASE_FAULT && n < OBJECTS_MAX && take_one(st, watcher, n))
			n++;
		else
			nap_ns(st->period_ms * MS);
	}
	close_range(3, ~0U, 0);
}

/* Limits of a user namespace are its own to lower. */
static void hoarder(struct sandbox *sb, void *arg)
{
	struct object_state *st = arg;
	char value[16];

	snprintf(value, sizeof(value), "%d", st->allowed);
	if (unshare(CLONE_NEWUSER) < 0 ||
	    sandbox_write_file(st->instances ? "/proc/sys/user/max_inotify_instances" : "/proc/sys/user/max_inotify_watches",
			       value) < 0)
		return;
	atomic_store(&st->owner, getpid());
	hoard(sb, st);
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static bool join_user(struct sandbox *sb, struct object_state *st)
{
	AUTO_CLOSE int ns = -1;
	char path[64];

	while (!st->owner && sandbox_phase(sb) < PHASE_STOP)
		nap_ns(5 * MS);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", st->owner);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	return ns >= 0 && setns(ns, CLONE_NEWUSER) == 0;
}

/* Watches a file for a moment, as a program does that waits for its configuration. */
static void watcher(struct sandbox *sb, void *arg)
{
	struct object_state *st = arg;
	AUTO_CLOSE int own = -1;
	char path[256];

	if (!join_user(sb, st))
		return;
	own = inotify_init1(IN_CLOEXEC);
	file_name(st, 0, path, sizeof(path));
	while (own >= 0 && sandbox_phase(sb) < PHASE_STOP) {
		enum phase phase = sandbox_phase(sb);
		int got = st->instances ? inotify_init1(IN_CLOEXEC) : inotify_add_watch(own, path, IN_CREATE);

		if (phase == PHASE_FAULT)
			note(st, got >= 0, st->instances ? EMFILE : ENOSPC);
		if (got >= 0 && st->instances)
			close(got);
		else if (got >= 0)
			inotify_rm_watch(own, got);
		nap_ns(st->period_ms * MS);
	}
}

static int make_files(struct object_state *st)
{
	char path[256];

	if (mkdir(st->dir, 0755) < 0)
		return -errno;
	for (int i = 0; i < OBJECTS_MAX; i++) {
		AUTO_CLOSE int fd = -1;

		file_name(st, i, path, sizeof(path));
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0)
			return -errno;
	}
	return 0;
}

static int inotify_setup(struct sandbox *sb)
{
	struct object_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, &sb->culprit);
	st->instances = sandbox_chance(sb, 0.5);
	st->allowed = sandbox_random(sb, 8, OBJECTS_MAX - 4);
	st->period_ms = sandbox_random(sb, 10, 60);
	snprintf(st->dir, sizeof(st->dir), "%s/%s", sb->dir, sandbox_word(sb));
	facts_str(&sb->params, "objects", st->instances ? "instances" : "watches");
	facts_int(&sb->params, "allowed", st->allowed);
	if (r == 0)
		r = make_files(st);
	if (r == 0)
		r = sandbox_spawn(sb, sb->culprit, hoarder, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->victim, watcher, st);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

const struct fault fault_limit_inotify = {
	.name = "limit_inotify",
	.cause = "limit.inotify",
	.text = "A container takes all inotify watches or instances of its user, so that another one gets none.",
	.probes = "limits",
	.needs = "root, user namespaces",
	.setup = inotify_setup,
	.proof = object_proof,
};

/* ---- cgroups ----------------------------------------------------------------------------------------------------- */

static void cgroup_name(const struct object_state *st, int i, char *ret, size_t size)
{
	snprintf(ret, size, "%s/job-%d", st->dir, i);
}

/* A cgroup for each of its jobs, and jobs do not end any more while the fault lasts. */
static void cgroup_maker(struct sandbox *sb, void *arg)
{
	struct object_state *st = arg;
	char path[256];
	int n = 0;

	while (sandbox_phase(sb) < PHASE_AFTER) {
		enum phase phase = sandbox_phase(sb);
		bool ok;

		cgroup_name(st, n, path, sizeof(path));
		ok = mkdir(path, 0755) == 0;
		if (phase == PHASE_FAULT)
			note(st, ok, EAGAIN);
		if (ok && phase == PHASE_FAULT && n + 1 < OBJECTS_MAX)
			n++;
		else if (ok)
			rmdir(path);
		if (!ok || phase != PHASE_FAULT)
			nap_ns(st->period_ms * MS);
	}
	while (n-- > 0) {
		cgroup_name(st, n, path, sizeof(path));
		rmdir(path);
	}
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static int remember_cgroups(struct sandbox *sb)
{
	struct object_state *st = sb->state;
	char path[256];
	int r = 0;

	for (unsigned int i = 0; i < sb->tree_count; i++)
		if (sb->trees[i].v2)
			snprintf(st->dir, sizeof(st->dir), "%s%.60s", sb->trees[i].dir, sb->victim->path);
	for (int i = 0; i <= st->allowed && r == 0; i++) {
		cgroup_name(st, i, path, sizeof(path));
		r = undo_add(sb->shared, UNDO_CGROUP, path);
	}
	return r;
}

static int cgroups_setup(struct sandbox *sb)
{
	struct object_state *st = sb->state;
	int r = container_new(sb, &sb->victim);
	char value[16];

	sb->culprit = sb->victim;
	st->allowed = sandbox_random(sb, 3, 40);
	st->period_ms = sandbox_random(sb, 10, 60);
	facts_int(&sb->params, "allowed", st->allowed);
	snprintf(value, sizeof(value), "%d", st->allowed);
	if (r == 0) /* whatever v1 hierarchies there are, this is of the default one */
		r = container_write(sb, sb->victim, "cgroup", "", "cgroup.max.descendants", value);
	if (r == 0)
		r = remember_cgroups(sb);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, cgroup_maker, st);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

const struct fault fault_limit_cgroups = {
	.name = "limit_cgroups",
	.cause = "limit.cgroups",
	.text = "A container makes cgroups for its jobs until the limit of cgroups below its own refuses more.",
	.probes = "limits",
	.needs = "root, the default cgroup hierarchy",
	.fault_ms = 6000, /* the limit is looked at every fourth second */
	.setup = cgroups_setup,
	.proof = object_proof,
};
