/* SPDX-License-Identifier: Apache-2.0 */
/* Page cache: too small for what is read, thrown out by somebody, or too dirty to write any more. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/faults/disk.h"
#include "tests/faults/faults.h"
#include "tests/faults/mem.h"
#include "tests/faults/work.h"

struct cache_state {
	struct tally reads[PHASES], bystander[PHASES], writes[PHASES];
	_Atomic uint64_t served, acts;
	struct loop disk, other;
	int64_t limit, calm_size, fault_size;
	int nap_ms, act_ms;
	bool by_reclaim;
	int64_t refaults;
	int writers;
};

/* ---- readers of a disk, through the page cache ---------------------------------------------------------------------- */

static void read_disk(struct sandbox *sb, const char *dev, int64_t calm_size, int64_t fault_size, int nap_ms,
		      struct tally *tally)
{
	AUTO_CLOSE int fd = open(dev, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *buf = malloc(PIECE);
	uint64_t seed = (uint64_t)getpid();
	enum phase phase;

	/* No readahead: what is read is what was asked for. */
	if (fd < 0 || !buf || posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) != 0)
		return;
	for (int64_t at = 0; at < calm_size && sandbox_phase(sb) < PHASE_STOP; at += PIECE)
		if (pread(fd, buf, PIECE, at) != PIECE)
			return;
	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t size = phase == PHASE_FAULT ? fault_size : calm_size, began = clock_ns();

		if (pread(fd, buf, PIECE, (int64_t)(mem_step(&seed) % (uint64_t)(size / PIECE)) * PIECE) != PIECE)
			return;
		tally_add(tally, phase, sandbox_phase(sb), clock_ns() - began);
		burn_cpu(MS / 4);
		nap_ns(nap_ms * MS);
	}
}

static void reader(struct sandbox *sb, void *arg)
{
	struct cache_state *st = arg;

	read_disk(sb, st->disk.dev, st->calm_size, st->fault_size, st->nap_ms, st->reads);
}

static void other_reader(struct sandbox *sb, void *arg)
{
	struct cache_state *st = arg;

	read_disk(sb, st->other.dev, 16 * MIB, 16 * MIB, 5, st->bystander);
}

/* A disk for the victim, which takes its time, and a quick one for the bystander. */
static int disks_new(struct sandbox *sb, struct cache_state *st, int64_t size, int slowest_us)
{
	struct slow_disk disk = { .size = size,
				  .request_ns = sandbox_random(sb, 1500, slowest_us) * MS / 1000,
				  .bytes_per_sec = sandbox_random(sb, 60, 120) * MIB,
				  .served = &st->served };
	char image[128];
	int r = slow_disk_new(sb, &disk, &st->disk);

	if (r == 0)
		r = image_new(sb, "other.img", 16 * MIB, image, sizeof(image));
	if (r == 0)
		r = loop_new(sb, image, false, &st->other);
	facts_str(&sb->params, "device", st->disk.dev + strlen("/dev/"));
	facts_ns(&sb->params, "service_ns", disk.request_ns);
	facts_int(&sb->params, "disk_bytes_per_s", disk.bytes_per_sec);
	return r;
}

static int64_t refaults(struct sandbox *sb, const struct container *c)
{
	return container_read(sb, c, "memory", "memory.stat", "memory.stat",
			      controller_is_v2(sb, "memory") ? "workingset_refault_file" :
							       "total_workingset_refault_file");
}

/* ---- too small ------------------------------------------------------------------------------------------------------ */

static int refault_setup(struct sandbox *sb)
{
	struct cache_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	st->limit = sandbox_random(sb, 10, 16) * MIB;
	st->calm_size = st->limit / MIB * sandbox_random(sb, 40, 60) / 100 * MIB;
	st->fault_size = st->limit / MIB * sandbox_random(sb, 150, 190) / 100 * MIB;
	facts_int(&sb->params, "limit_bytes", st->limit);
	facts_int(&sb->params, "calm_bytes", st->calm_size);
	facts_int(&sb->params, "fault_bytes", st->fault_size);
	sb->culprit = sb->victim;
	if (r == 0)
		r = mem_limit(sb, sb->victim, st->limit);
	if (r == 0)
		r = disks_new(sb, st, 512 * MIB, 3500);
	if (r == 0)
		r = container_new(sb, &sb->bystander);
	if (r == 0)
		r = sandbox_spawn(sb, sb->bystander, other_reader, st);
	if (r >= 0)
		r = sandbox_spawn(sb, sb->victim, reader, st);
	return r < 0 ? r : 0;
}

static int refault_onset(struct sandbox *sb)
{
	struct cache_state *st = sb->state;

	st->refaults = refaults(sb, sb->victim);
	return 0;
}

static int refault_end(struct sandbox *sb)
{
	struct cache_state *st = sb->state;

	st->refaults = refaults(sb, sb->victim) - st->refaults;
	return 0;
}

static int refault_proof(struct sandbox *sb)
{
	struct cache_state *st = sb->state;

	facts_tally(&sb->proof, "read", st->reads);
	facts_int(&sb->proof, "refaults", st->refaults);
	facts_int(&sb->proof, "requests", (int64_t)st->served);
	return st->refaults * PAGE > st->limit &&
			       tally_mean(&st->reads[PHASE_FAULT]) > 2 * tally_mean(&st->reads[PHASE_BEFORE]) ?
		       0 :
		       -ENODATA;
}

const struct fault fault_refault = {
	.name = "refault",
	.cause = "mem.refault",
	.text = "A container reads more than its memory limit can cache, and everything again from a slow disk.",
	.probes = "reclaim,block,offcpu",
	.needs = "root, the memory controller, FUSE, loop devices",
	.setup = refault_setup,
	.onset = refault_onset,
	.end = refault_end,
	.proof = refault_proof,
};

/* ---- thrown out ----------------------------------------------------------------------------------------------------- */

static void throw_out(struct sandbox *sb, const struct cache_state *st, int disk)
{
	if (!st->by_reclaim)
		posix_fadvise(disk, 0, 0, POSIX_FADV_DONTNEED);
	else if (controller_is_v2(sb, "memory"))
		container_write(sb, sb->victim, "memory", "", "memory.reclaim", "1G");
	else
		container_write(sb, sb->victim, "memory", "memory.force_empty", "", "0");
}

/* What a backup or a well-meant housekeeping job does. */
static void thrower(struct sandbox *sb, void *arg)
{
	struct cache_state *st = arg;
	AUTO_CLOSE int fd = open(st->disk.dev, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && sandbox_phase(sb) < PHASE_STOP) {
		burn_cpu(MS);
		if (sandbox_phase(sb) == PHASE_FAULT) {
			throw_out(sb, st, fd);
			atomic_fetch_add(&st->acts, 1);
		}
		nap_ns(st->act_ms * MS);
	}
}

static int evict_setup(struct sandbox *sb)
{
	struct cache_state *st = sb->state;
	int r = sandbox_parties(sb);

	st->calm_size = st->fault_size = sandbox_random(sb, 16, 32) * MIB;
	st->nap_ms = sandbox_random(sb, 0, 1);
	st->act_ms = sandbox_random(sb, 200, 500);
	st->by_reclaim = sandbox_chance(sb, 0.4);
	facts_int(&sb->params, "cached_bytes", st->calm_size);
	facts_int(&sb->params, "thrown_out_every_ms", st->act_ms);
	facts_str(&sb->params, "by", st->by_reclaim ? "reclaim" : "fadvise");
	if (r == 0)
		r = disks_new(sb, st, 512 * MIB, 3500);
	if (r == 0)
		r = sandbox_spawn(sb, sb->bystander, other_reader, st);
	if (r >= 0)
		r = sandbox_spawn(sb, sb->victim, reader, st);
	if (r >= 0)
		r = sandbox_spawn(sb, sb->culprit, thrower, st);
	return r < 0 ? r : 0;
}

static int evict_proof(struct sandbox *sb)
{
	struct cache_state *st = sb->state;

	facts_tally(&sb->proof, "read", st->reads);
	facts_int(&sb->proof, "acts", (int64_t)st->acts);
	facts_int(&sb->proof, "requests", (int64_t)st->served);
	return st->acts > 3 && tally_mean(&st->reads[PHASE_FAULT]) > 5 * tally_mean(&st->reads[PHASE_BEFORE]) ?
		       0 :
		       -ENODATA;
}

const struct fault fault_evicted = {
	.name = "evicted",
	.cause = "mem.evicted",
	.text = "A container throws out, again and again, the page cache that another one works with.",
	.probes = "evict,block,offcpu",
	.needs = "root, the memory controller, FUSE, loop devices",
	.setup = evict_setup,
	.proof = evict_proof,
};

/* ---- too dirty ------------------------------------------------------------------------------------------------------ */

static void write_disk(struct sandbox *sb, const char *dev, int nap_ms, bool always, struct tally *tally)
{
	AUTO_CLOSE int fd = open(dev, O_RDWR | O_CLOEXEC);
	AUTO_FREE char *buf = calloc(1, PIECE);
	uint64_t seed = (uint64_t)getpid();
	enum phase phase;

	while (fd >= 0 && buf && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t at = (int64_t)(mem_step(&seed) % (uint64_t)(256 * MIB / PIECE)) * PIECE, began = clock_ns();

		if (!always && phase != PHASE_FAULT) {
			nap_ns(5 * MS);
			continue;
		}
		if (pwrite(fd, buf, PIECE, at) != PIECE)
			return;
		if (tally)
			tally_add(tally, phase, sandbox_phase(sb), clock_ns() - began);
		if (always)
			burn_cpu(MS / 2);
		nap_ns(nap_ms * MS);
	}
	fsync(fd); /* the disk's server ends after us: what is dirty then could only fail */
}

static void modest_writer(struct sandbox *sb, void *arg)
{
	struct cache_state *st = arg;

	write_disk(sb, st->disk.dev, st->nap_ms, true, st->writes);
}

static void flooder(struct sandbox *sb, void *arg)
{
	struct cache_state *st = arg;

	write_disk(sb, st->disk.dev, 0, false, NULL);
}

static int dirty_setup(struct sandbox *sb)
{
	struct cache_state *st = sb->state;
	int64_t limit = sandbox_random(sb, 6, 16) * MIB;
	int r = sandbox_parties(sb);

	/* What the victim writes fits the disk, but is more than an equal part of it: less is not paused. */
	st->nap_ms = sandbox_random(sb, 6, 8);
	st->writers = sandbox_random(sb, 4, 6);
	facts_int(&sb->params, "dirty_limit_bytes", limit);
	facts_int(&sb->params, "write_period_ms", st->nap_ms);
	facts_int(&sb->params, "writers", st->writers);
	if (r == 0)
		r = disks_new(sb, st, 256 * MIB, 2500);
	if (r == 0)
		r = loop_limit_dirty(sb, &st->disk, limit);
	if (r == 0)
		r = sandbox_spawn(sb, sb->bystander, other_reader, st);
	if (r >= 0)
		r = sandbox_spawn(sb, sb->victim, modest_writer, st);
	for (int i = 0; i < st->writers && r >= 0; i++)
		r = sandbox_spawn(sb, sb->culprit, flooder, st);
	return r < 0 ? r : 0;
}

static int dirty_proof(struct sandbox *sb)
{
	struct cache_state *st = sb->state;

	facts_tally(&sb->proof, "write", st->writes);
	facts_int(&sb->proof, "requests", (int64_t)st->served);
	return tally_mean(&st->writes[PHASE_FAULT]) > MS && tally_mean(&st->writes[PHASE_BEFORE]) < MS / 2 ?
		       0 :
		       -ENODATA;
}

const struct fault fault_dirty_throttle = {
	.name = "dirty_throttle",
	.cause = "mem.dirty_throttle",
	.text = "A container fills what a device may have in dirty pages; another one's writes are paused.",
	.probes = "dirty,offcpu",
	.needs = "root, FUSE, loop devices, a bdi with strict_limit and max_bytes",
	.setup = dirty_setup,
	.proof = dirty_proof,
};
