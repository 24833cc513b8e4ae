/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that the kernel works on or holds for a container: page faults, dentries and inodes, dead cgroups. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/faults/disk.h"
#include "tests/faults/faults.h"
#include "tests/faults/mem.h"
#include "tests/faults/shared.h"
#include "tests/faults/work.h"

struct kernel_state {
	struct tally requests[PHASES];
	_Atomic uint64_t faults, made;
	int64_t size, limit, bystander_used;
	bool unmaps;
	char dir[128];
	int64_t slab_before, slab_peak;
	char job[192], home[192];
	int64_t cgroups_before, cgroups_after;
};

/* ---- page faults ---------------------------------------------------------------------------------------------------- */

/* Gives memory back and takes it again at once, as an allocator with a bad setting does for each request. */
static void churn(struct kernel_state *st, char **p)
{
	mem_touch(*p, st->size);
	if (st->unmaps) {
		munmap(*p, (size_t)st->size);
		*p = mem_map(st->size);
	} else {
		madvise(*p, (size_t)st->size, MADV_DONTNEED);
	}
}

static void storm_body(struct sandbox *sb, void *arg)
{
	struct kernel_state *st = arg;
	char *p = mem_map(st->size);
	struct rusage before, after;
	enum phase phase;

	while (p && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		getrusage(RUSAGE_SELF, &before);
		if (phase == PHASE_FAULT)
			churn(st, &p);
		else
			mem_touch(p, st->size);
		getrusage(RUSAGE_SELF, &after);
		if (phase == PHASE_FAULT)
			atomic_fetch_add(&st->faults, (uint64_t)(after.ru_minflt - before.ru_minflt));
		tally_add(st->requests, phase, sandbox_phase(sb), clock_ns() - began);
		if (phase != PHASE_FAULT)
			nap_ns(10 * MS);
	}
}

static int storm_setup(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	st->size = sandbox_random(sb, 256, 4096) * (int64_t)PAGE;
	st->unmaps = sandbox_chance(sb, 0.5);
	facts_int(&sb->params, "bytes", st->size);
	facts_str(&sb->params, "by", st->unmaps ? "munmap" : "madvise");
	sb->culprit = sb->victim;
	if (r == 0)
		r = busy_container(sb, &sb->bystander);
	return r < 0 ? r : sandbox_spawn(sb, sb->victim, storm_body, st);
}

static int storm_proof(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;

	facts_tally(&sb->proof, "touch", st->requests);
	facts_int(&sb->proof, "faults", (int64_t)st->faults);
	return st->faults > (uint64_t)sb->fault_ms * 100 ? 0 : -ENODATA;
}

const struct fault fault_fault_storm = {
	.name = "fault_storm",
	.cause = "mem.fault_storm",
	.text = "A container gives its memory back and takes it again, over and over, and lives in page faults.",
	.probes = "cgroup",
	.needs = "root, the memory controller",
	.setup = storm_setup,
	.proof = storm_proof,
};

/* ---- dentries and inodes -------------------------------------------------------------------------------------------- */

static int64_t kernel_bytes(struct sandbox *sb, const struct container *c)
{
	bool v2 = controller_is_v2(sb, "memory");

	return container_read(sb, c, "memory", "memory.kmem.usage_in_bytes", "memory.stat", v2 ? "kernel" : NULL);
}

/* Looks for files that are not there: each answer stays in the dentry cache, on the container's account. */
static void slab_body(struct sandbox *sb, void *arg)
{
	struct kernel_state *st = arg;
	char path[192];
	struct stat sbuf;

	while (sandbox_phase(sb) < PHASE_STOP) {
		if (sandbox_phase(sb) != PHASE_FAULT || (int64_t)st->made * 192 > 3 * st->limit) {
			burn_cpu(MS);
			nap_ns(10 * MS);
			continue;
		}
		for (int i = 0; i < 100; i++) {
			snprintf(path, sizeof(path), "%s/session-%llx", st->dir,
				 (unsigned long long)atomic_fetch_add(&st->made, 1) * 2654435761ULL);
			stat(path, &sbuf);
		}
		st->slab_peak = MAX(st->slab_peak, kernel_bytes(sb, sb->victim));
	}
}

static int slab_setup(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	st->limit = sandbox_random(sb, 48, 96) * MIB;
	st->bystander_used = sandbox_random(sb, 16, 48) * MIB;
	facts_int(&sb->params, "limit_bytes", st->limit);
	sb->culprit = sb->victim;
	if (r == 0)
		r = mem_limit(sb, sb->victim, st->limit);
	if (r == 0)
		r = ext4_new(sb, sandbox_word(sb), 64 * MIB, st->dir, sizeof(st->dir));
	if (r == 0)
		r = container_new(sb, &sb->bystander);
	if (r == 0)
		r = sandbox_spawn(sb, sb->bystander, mem_steady_body, &st->bystander_used);
	return r < 0 ? r : sandbox_spawn(sb, sb->victim, slab_body, st);
}

static int slab_onset(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;

	st->slab_before = kernel_bytes(sb, sb->victim);
	return 0;
}

static int slab_proof(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;

	facts_int(&sb->proof, "lookups", (int64_t)st->made);
	facts_int(&sb->proof, "kernel_bytes_before", st->slab_before);
	facts_int(&sb->proof, "kernel_bytes_peak", st->slab_peak);
	return st->slab_peak > st->limit / 2 ? 0 : -ENODATA;
}

const struct fault fault_slab = {
	.name = "slab",
	.cause = "mem.slab",
	.text = "A container asks for files that do not exist until negative dentries fill its memory.",
	.probes = "cgroup",
	.needs = "root, the memory controller, loop devices, ext4, mkfs.ext4",
	.setup = slab_setup,
	.onset = slab_onset,
	.proof = slab_proof,
};

/* ---- dead cgroups --------------------------------------------------------------------------------------------------- */

/* Of the memory controller, those that linger included; negative errno. */
static int64_t count_cgroups(void)
{
	AUTO_FCLOSE FILE *f = fopen("/proc/cgroups", "re");
	long long hierarchy, count;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memory %lld %lld", &hierarchy, &count) == 2)
			return count;
	return -ENOENT;
}

/* A job in a cgroup of its own leaves a page behind that lives on in a shared file: the cgroup cannot go. */
static int one_job(struct kernel_state *st, int fd)
{
	char path[256], page[PAGE];
	int r = mkdir(st->job, 0755) < 0 ? -errno : 0;

	memset(page, 'x', sizeof(page));
	snprintf(path, sizeof(path), "%.190s/cgroup.procs", st->job);
	if (r == 0)
		r = sandbox_write_file(path, "0");
	if (r == 0 && write(fd, page, sizeof(page)) != sizeof(page))
		r = -EIO;
	snprintf(path, sizeof(path), "%.190s/cgroup.procs", st->home);
	if (r == 0)
		r = sandbox_write_file(path, "0");
	if (r == 0 && rmdir(st->job) < 0)
		r = -errno;
	return r;
}

static void job_runner(struct sandbox *sb, void *arg)
{
	struct kernel_state *st = arg;
	AUTO_CLOSE int fd = -1;
	char path[160];

	snprintf(path, sizeof(path), "%s/shared.log", sb->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	while (fd >= 0 && sandbox_phase(sb) < PHASE_STOP) {
		if (sandbox_phase(sb) != PHASE_FAULT || st->made >= 3000) {
			burn_cpu(MS);
			nap_ns(10 * MS);
		} else if (one_job(st, fd) == 0) {
			atomic_fetch_add(&st->made, 1);
		} else {
			return;
		}
	}
}

static int zombie_setup(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;
	struct container *group = NULL, *home = NULL;
	int r = container_group(sb, &group);

	if (r == 0)
		r = container_new_in(sb, group, &home);
	for (unsigned int i = 0; i < sb->tree_count && r == 0; i++) {
		const struct cgroup_tree *t = &sb->trees[i];

		if (controller_is_v2(sb, "memory") ? !t->v2 : !strstr(t->options, ",memory,"))
			continue;
		snprintf(st->job, sizeof(st->job), "%s%.60s/job", t->dir, group->path);
		snprintf(st->home, sizeof(st->home), "%s%.60s", t->dir, home->path);
		r = undo_add(sb->shared, UNDO_CGROUP, st->job);
	}
	facts_str(&sb->params, "group", group ? group->path : "");
	sb->culprit = group;
	if (r == 0)
		r = busy_container(sb, &sb->bystander);
	return r < 0 ? r : sandbox_spawn(sb, home, job_runner, st);
}

static int zombie_onset(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;

	st->cgroups_before = count_cgroups();
	return 0;
}

static int zombie_end(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;

	st->cgroups_after = count_cgroups();
	return 0;
}

static int zombie_proof(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;

	facts_int(&sb->proof, "jobs", (int64_t)st->made);
	facts_int(&sb->proof, "memory_cgroups_before", st->cgroups_before);
	facts_int(&sb->proof, "memory_cgroups_after", st->cgroups_after);
	return st->cgroups_after - st->cgroups_before > 600 ? 0 : -ENODATA;
}

const struct fault fault_zombie_cgroups = {
	.name = "zombie_cgroups",
	.cause = "mem.zombie_cgroups",
	.text = "Jobs in cgroups of their own leave pages in a shared file: the cgroups are removed and do not go away.",
	.probes = "cgroup",
	.needs = "root, the memory controller",
	.fault_ms = 8000,
	.setup = zombie_setup,
	.onset = zombie_onset,
	.end = zombie_end,
	.proof = zombie_proof,
};
