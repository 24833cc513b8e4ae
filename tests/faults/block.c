/* SPDX-License-Identifier: Apache-2.0 */
/* Block I/O: queueing behind a neighbour, and a device that fails or is late. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/faults/disk.h"
#include "tests/faults/faults.h"
#include "tests/faults/work.h"

#define MIB ((int64_t)1 << 20)
#define ALIGNMENT 4096
#define DEPTH_MAX 24

struct block_state {
	struct tally reads[PHASES], bystander[PHASES], hog[PHASES];
	_Atomic uint64_t served, errors;
	char dev[48], other[32];
	int64_t size;
	int period_ms, block_size, hog_block_size, per_s;
	struct read_limit limit;
	bool hog_writes;
	_Atomic int last_errno;
	struct mapped mapped;
	int late_ms;
};

static uint64_t step(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

/* One direct read or write somewhere on the device. */
static void one_io(struct sandbox *sb, int fd, void *buf, int size, int64_t at, bool write, struct tally *tally)
{
	struct block_state *st = sb->state;
	enum phase phase = sandbox_phase(sb);
	int64_t began = clock_ns();
	ssize_t n = write ? pwrite(fd, buf, (size_t)size, at) : pread(fd, buf, (size_t)size, at);

	if (n == size) {
		tally_add(tally, phase, sandbox_phase(sb), clock_ns() - began);
	} else {
		atomic_store(&st->last_errno, n < 0 ? errno : EIO);
		tally_fail(tally, phase);
	}
}

static void read_at_rate(struct sandbox *sb, const char *dev, int64_t size, int period_ms, struct tally *tally)
{
	struct block_state *st = sb->state;
	AUTO_CLOSE int fd = open(dev, O_RDONLY | O_DIRECT | O_CLOEXEC);
	AUTO_FREE void *buf = aligned_alloc(ALIGNMENT, (size_t)st->block_size);
	uint64_t seed = (uint64_t)getpid();

	while (fd >= 0 && buf && sandbox_phase(sb) < PHASE_STOP) {
		int64_t blocks = size / st->block_size;

		one_io(sb, fd, buf, st->block_size, (int64_t)(step(&seed) % (uint64_t)blocks) * st->block_size, false,
		       tally);
		burn_cpu(MS / 2);
		nap_ns(period_ms * MS);
	}
}

static void reader(struct sandbox *sb, void *arg)
{
	struct block_state *st = arg;

	read_at_rate(sb, st->dev, st->size, st->period_ms, st->reads);
}

static void other_reader(struct sandbox *sb, void *arg)
{
	struct block_state *st = arg;

	read_at_rate(sb, st->other, 32 * MIB, 3, st->bystander);
}

/* One of many: together they keep the device's queue full while the fault lasts. */
static void streamer(struct sandbox *sb, void *arg)
{
	struct block_state *st = arg;
	AUTO_CLOSE int fd = open(st->dev, O_RDWR | O_DIRECT | O_CLOEXEC);
	AUTO_FREE void *buf = aligned_alloc(ALIGNMENT, (size_t)st->hog_block_size);
	uint64_t seed = (uint64_t)getpid();

	while (fd >= 0 && buf && sandbox_phase(sb) < PHASE_STOP) {
		int64_t blocks = st->size / st->hog_block_size, at = (int64_t)(step(&seed) % (uint64_t)blocks);

		if (sandbox_phase(sb) == PHASE_FAULT)
			one_io(sb, fd, buf, st->hog_block_size, at * st->hog_block_size, st->hog_writes, st->hog);
		else
			nap_ns(5 * MS);
	}
}

/* The bystander's disk is quick and nobody else's. */
static int other_disk(struct sandbox *sb, struct block_state *st)
{
	char image[128];
	struct loop loop;
	int r = image_new(sb, "other.img", 32 * MIB, image, sizeof(image));

	if (r == 0)
		r = loop_new(sb, image, false, &loop);
	if (r == 0)
		r = container_new(sb, &sb->bystander);
	if (r < 0)
		return r;
	snprintf(st->other, sizeof(st->other), "%s", loop.dev);
	facts_str(&sb->params, "bystander_device", loop.name);
	r = sandbox_spawn(sb, sb->bystander, other_reader, st);
	return r < 0 ? r : 0;
}

static int disk_setup(struct sandbox *sb, struct slow_disk *disk, char *ret_name, size_t name_size)
{
	struct block_state *st = sb->state;
	struct loop loop;
	int r;

	st->size = disk->size;
	st->block_size = ALIGNMENT << sandbox_random(sb, 0, 2);
	disk->served = &st->served;
	disk->errors = &st->errors;
	r = slow_disk_new(sb, disk, &loop);
	if (r < 0)
		return r;
	snprintf(st->dev, sizeof(st->dev), "%s", loop.dev);
	snprintf(ret_name, name_size, "%s", loop.name);
	facts_str(&sb->params, "device", loop.name);
	facts_int(&sb->params, "size_bytes", disk->size);
	facts_int(&sb->params, "read_bytes", st->block_size);
	facts_int(&sb->params, "read_period_ms", st->period_ms);
	facts_ns(&sb->params, "service_ns", disk->request_ns);
	return other_disk(sb, st);
}

/* Small reads and large requests on one slow disk; own: both are of one container. */
static int queue_setup(struct sandbox *sb, bool own)
{
	struct block_state *st = sb->state;
	struct slow_disk disk = { .size = 1024 * MIB, .request_ns = sandbox_random(sb, 200, 600) * MS / 1000,
				  .bytes_per_sec = sandbox_random(sb, 50, 90) * MIB };
	int depth = sandbox_random(sb, 14, DEPTH_MAX), r;
	char name[32];

	st->period_ms = sandbox_random(sb, 15, 30);
	st->hog_block_size = ALIGNMENT << sandbox_random(sb, 7, 8); /* 512 KiB or 1 MiB */
	st->hog_writes = sandbox_chance(sb, 0.5);
	r = disk_setup(sb, &disk, name, sizeof(name));
	if (r == 0)
		r = container_new(sb, &sb->victim);
	sb->culprit = sb->victim;
	if (r == 0 && !own)
		r = container_new(sb, &sb->culprit);
	facts_int(&sb->params, "disk_bytes_per_s", disk.bytes_per_sec);
	facts_int(&sb->params, "depth", depth);
	facts_int(&sb->params, "hog_bytes", st->hog_block_size);
	facts_str(&sb->params, "hog_does", st->hog_writes ? "write" : "read");
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, reader, st);
	for (int i = 0; i < depth && r > 0; i++)
		r = sandbox_spawn(sb, sb->culprit, streamer, st);
	return r < 0 ? r : 0;
}

static int neighbor_setup(struct sandbox *sb)
{
	return queue_setup(sb, false);
}

static int self_setup(struct sandbox *sb)
{
	return queue_setup(sb, true);
}

static int neighbor_proof(struct sandbox *sb)
{
	struct block_state *st = sb->state;

	facts_tally(&sb->proof, "read", st->reads);
	facts_int(&sb->proof, "hog_requests", (int64_t)st->hog[1].count);
	facts_ns(&sb->proof, "hog_mean_ns", (int64_t)tally_mean(&st->hog[1]));
	facts_ns(&sb->proof, "bystander_max_ns", (int64_t)st->bystander[1].max_ns);
	return st->reads[1].max_ns > 100 * (uint64_t)MS && tally_mean(&st->reads[1]) > 10 * tally_mean(&st->reads[0]) ?
	       0 : -ENODATA;
}

/* A quick disk, a reader at a steady rate, and from the onset on a limit below that rate. */
static int throttled_setup(struct sandbox *sb)
{
	struct block_state *st = sb->state;
	int r = container_new(sb, &sb->victim), percent = sandbox_random(sb, 15, 35);
	struct loop loop = { .name = NULL };

	st->size = 64 * MIB;
	st->block_size = ALIGNMENT << sandbox_random(sb, 2, 4);
	st->period_ms = sandbox_random(sb, 5, 12);
	st->limit.by_count = sandbox_chance(sb, 0.4);
	st->per_s = (st->limit.by_count ? 1000 : 1000 * st->block_size) / (st->period_ms + 1) * percent / 100;
	sb->culprit = sb->victim;
	if (r == 0)
		r = quick_disk_new(sb, st->size, &loop);
	if (r < 0)
		return r;
	snprintf(st->dev, sizeof(st->dev), "%s", loop.dev);
	loop_number(&loop, st->limit.number, sizeof(st->limit.number));
	facts_str(&sb->params, "limit_of", st->limit.by_count ? "requests" : "bytes");
	facts_int(&sb->params, "limit_per_s", st->per_s);
	facts_int(&sb->params, "read_bytes", st->block_size);
	facts_int(&sb->params, "read_period_ms", st->period_ms);
	r = sandbox_spawn(sb, sb->victim, reader, st);
	if (r > 0)
		r = container_new(sb, &sb->bystander);
	if (r < 0)
		return r;
	snprintf(st->other, sizeof(st->other), "%s", loop.dev); /* the same disk, without a limit */
	r = sandbox_spawn(sb, sb->bystander, other_reader, st);
	return r < 0 ? r : 0;
}

static int throttled_onset(struct sandbox *sb)
{
	struct block_state *st = sb->state;

	return read_limit_set(sb, sb->victim, &st->limit, st->per_s);
}

static int throttled_end(struct sandbox *sb)
{
	struct block_state *st = sb->state;

	return read_limit_set(sb, sb->victim, &st->limit, 0);
}

static int throttled_proof(struct sandbox *sb)
{
	struct block_state *st = sb->state;

	facts_tally(&sb->proof, "read", st->reads);
	facts_ns(&sb->proof, "bystander_mean_ns", (int64_t)tally_mean(&st->bystander[1]));
	return st->reads[1].count && tally_mean(&st->reads[1]) > 3 * tally_mean(&st->reads[0]) + 5 * (uint64_t)MS ?
		       0 :
		       -ENODATA;
}

static int error_setup(struct sandbox *sb)
{
	struct block_state *st = sb->state;
	struct slow_disk disk = { .size = sandbox_random(sb, 64, 512) * MIB,
				  .request_ns = sandbox_random(sb, 100, 400) * MS / 1000 };
	char name[32];
	int r;

	/* 30 to 60 % of the disk goes bad. */
	disk.bad_from = disk.size / 100 * sandbox_random(sb, 5, 35) / ALIGNMENT * ALIGNMENT;
	disk.bad_to = disk.bad_from + disk.size / 100 * sandbox_random(sb, 30, 60) / ALIGNMENT * ALIGNMENT;
	st->period_ms = sandbox_random(sb, 15, 40);
	r = disk_setup(sb, &disk, name, sizeof(name));
	if (r == 0)
		r = container_new(sb, &sb->victim);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, reader, st);
	facts_int(&sb->params, "bad_from", disk.bad_from);
	facts_int(&sb->params, "bad_to", disk.bad_to);
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "disk:%s", name);
	return r < 0 ? r : 0;
}

static int error_proof(struct sandbox *sb)
{
	struct block_state *st = sb->state;

	facts_tally(&sb->proof, "read", st->reads);
	facts_int(&sb->proof, "errors_played", (int64_t)st->errors);
	facts_int(&sb->proof, "errno_seen", st->last_errno);
	return st->reads[1].failed >= 5 && st->last_errno == EIO && !st->reads[0].failed ? 0 : -ENODATA;
}

/* ---- a device that takes its time for a single request --------------------------------------------------------------- */

static int slow_setup(struct sandbox *sb)
{
	struct block_state *st = sb->state;
	struct slow_disk disk = { .size = sandbox_random(sb, 64, 512) * MIB,
				  .request_ns = sandbox_random(sb, 100, 400) * MS / 1000,
				  .late_ns = sandbox_random(sb, 150, 500) * MS };
	char name[32];
	int r;

	st->period_ms = sandbox_random(sb, 10, 30);
	facts_ns(&sb->params, "late_ns", disk.late_ns);
	r = disk_setup(sb, &disk, name, sizeof(name));
	if (r == 0)
		r = container_new(sb, &sb->victim);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, reader, st);
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "disk:%s", name);
	return r < 0 ? r : 0;
}

static int slow_proof(struct sandbox *sb)
{
	struct block_state *st = sb->state;

	facts_tally(&sb->proof, "read", st->reads);
	facts_ns(&sb->proof, "bystander_max_ns", (int64_t)st->bystander[1].max_ns);
	return st->reads[1].count >= 3 && tally_mean(&st->reads[1]) > 100 * (uint64_t)MS &&
			       tally_mean(&st->reads[1]) > 5 * tally_mean(&st->reads[0]) ?
		       0 :
		       -ENODATA;
}

/* ---- a device that does not answer at all --------------------------------------------------------------------------- */

static int hang_setup(struct sandbox *sb)
{
	struct block_state *st = sb->state;
	struct slow_disk disk = { .size = sandbox_random(sb, 64, 512) * MIB,
				  .request_ns = sandbox_random(sb, 100, 400) * MS / 1000, .hangs = true };
	char name[32];
	int r;

	st->period_ms = sandbox_random(sb, 10, 30);
	r = disk_setup(sb, &disk, name, sizeof(name));
	if (r == 0)
		r = container_new(sb, &sb->victim);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, reader, st);
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "disk:%s", name);
	return r < 0 ? r : 0;
}

static int hang_proof(struct sandbox *sb)
{
	struct block_state *st = sb->state;
	/* The read that hangs may have begun just before. */
	uint64_t longest_ns = MAX(st->reads[0].max_ns, st->reads[1].max_ns);

	facts_tally(&sb->proof, "read", st->reads);
	facts_ns(&sb->proof, "bystander_max_ns", (int64_t)st->bystander[1].max_ns);
	return st->reads[0].count && longest_ns > (uint64_t)sb->fault_ms * MS / 2 ? 0 : -ENODATA;
}

/* ---- late or failing by the device mapper, over a device that is quick and sound ------------------------------------------- */

static int mapped_setup(struct sandbox *sb)
{
	struct block_state *st = sb->state;
	int r = container_new(sb, &sb->victim);
	struct loop loop = { .name = NULL };
	char image[128];

	st->size = sandbox_random(sb, 32, 96) * MIB;
	st->block_size = ALIGNMENT << sandbox_random(sb, 0, 2);
	st->period_ms = sandbox_random(sb, 10, 30);
	st->late_ms = sandbox_random(sb, 150, 500);
	if (r == 0)
		r = image_new(sb, "below.img", st->size, image, sizeof(image));
	if (r == 0)
		r = loop_new(sb, image, true, &loop);
	if (r == 0)
		r = mapped_new(sb, &loop, st->size, &st->mapped);
	if (r < 0)
		return r;
	snprintf(st->dev, sizeof(st->dev), "%s", st->mapped.dev);
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "disk:%s", st->mapped.disk);
	facts_int(&sb->params, "read_period_ms", st->period_ms);
	r = sandbox_spawn(sb, sb->victim, reader, st);
	return r < 0 ? r : other_disk(sb, st);
}

static int mapped_fails(struct sandbox *sb)
{
	struct block_state *st = sb->state;

	return mapped_become(&st->mapped, "error", 0);
}

static int mapped_delays(struct sandbox *sb)
{
	struct block_state *st = sb->state;

	facts_int(&sb->proof, "late_ms", st->late_ms);
	return mapped_become(&st->mapped, "delay", st->late_ms);
}

static int mapped_recovers(struct sandbox *sb)
{
	struct block_state *st = sb->state;

	return mapped_become(&st->mapped, "linear", 0);
}

const struct fault fault_io_neighbor = {
	.name = "io_neighbor",
	.cause = "io.neighbor",
	.text = "Another container's large requests fill the queue of a slow disk before a container's small reads.",
	.probes = "block,offcpu,scan",
	.needs = "root, loop devices, FUSE",
	.setup = neighbor_setup,
	.proof = neighbor_proof,
};

const struct fault fault_io_self = {
	.name = "io_self",
	.cause = "io.self",
	.text = "A container's own large requests fill the queue of a slow disk before its small reads.",
	.probes = "block,offcpu,scan",
	.needs = "root, loop devices, FUSE",
	.setup = self_setup,
	.proof = neighbor_proof,
};

const struct fault fault_io_throttled = {
	.name = "io_throttled",
	.cause = "io.throttled",
	.text = "A container reads more of a quick disk than its blkio limit allows.",
	.probes = "iolimit,offcpu",
	.needs = "root, loop devices, the blkio or io controller",
	.setup = throttled_setup,
	.onset = throttled_onset,
	.end = throttled_end,
	.proof = throttled_proof,
};

const struct fault fault_io_error = {
	.name = "io_error",
	.cause = "io.device_error",
	.text = "A part of the disk a container reads returns I/O errors.",
	.probes = "block",
	.needs = "root, loop devices, FUSE",
	.setup = error_setup,
	.proof = error_proof,
};

const struct fault fault_io_slow = {
	.name = "io_slow",
	.cause = "io.device_slow",
	.text = "The disk a container reads begins to take its time for each request.",
	.probes = "block,offcpu",
	.needs = "root, loop devices, FUSE",
	.setup = slow_setup,
	.proof = slow_proof,
};

const struct fault fault_io_hang = {
	.name = "io_hang",
	.cause = "io.device_slow",
	.text = "The disk a container reads does not answer any more, for seconds.",
	.probes = "block,offcpu,scan",
	.needs = "root, loop devices, FUSE",
	.setup = hang_setup,
	.proof = hang_proof,
};

const struct fault fault_mapped_slow = {
	.name = "mapped_slow",
	.cause = "io.device_slow",
	.text = "A device of the device mapper holds each request back; the disk below it is quick.",
	.probes = "block,offcpu",
	.needs = "root, loop devices, the device mapper with its target delay",
	.setup = mapped_setup,
	.onset = mapped_delays,
	.end = mapped_recovers,
	.proof = slow_proof,
};

const struct fault fault_mapped_error = {
	.name = "mapped_error",
	.cause = "io.device_error",
	.text = "A device of the device mapper begins to fail; the disk below it is sound.",
	.probes = "block",
	.needs = "root, loop devices, the device mapper",
	.setup = mapped_setup,
	.onset = mapped_fails,
	.end = mapped_recovers,
	.proof = error_proof,
};
