/* SPDX-License-Identifier: Apache-2.0 */
/* A file system that somebody freezes, by itself or with the device it is on. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/faults/disk.h"
#include "tests/faults/faults.h"
#include "tests/faults/work.h"

struct fs_state {
	struct tally writes[PHASES], bystander[PHASES];
	char mountpoint[128], other[128];
	int period_ms;
	_Atomic int froze, thawed;
	struct mapped mapped; /* its device; no name: a loop device */
};

/* Appends a small record, as a log does, and begins anew when the file got long. */
static void write_records(struct sandbox *sb, const char *dir, int period_ms, struct tally *tally)
{
	char path[160], record[4096] = "record";
	AUTO_CLOSE int fd = -1;
	enum phase phase;
	off_t at = 0;

	snprintf(path, sizeof(path), "%s/data.log", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	while (fd >= 0 && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		if (pwrite(fd, record, sizeof(record), at) != (ssize_t)sizeof(record))
			tally_fail(tally, phase);
		else
			tally_add(tally, phase, sandbox_phase(sb), clock_ns() - began);
		at = (at + (off_t)sizeof(record)) % (8 << 20);
		burn_cpu(MS / 2);
		nap_ns(period_ms * MS);
	}
}

static void victim(struct sandbox *sb, void *arg)
{
	struct fs_state *st = arg;

	write_records(sb, st->mountpoint, st->period_ms, st->writes);
}

static void bystander(struct sandbox *sb, void *arg)
{
	struct fs_state *st = arg;

	write_records(sb, st->other, st->period_ms / 2 + 1, st->bystander);
}

/* fsfreeze(8) without the program: FIFREEZE blocks writers until FITHAW. */
static void freeze(struct sandbox *sb, void *arg)
{
	struct fs_state *st = arg;
	AUTO_CLOSE int fd = open(st->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (sandbox_phase(sb) < PHASE_FAULT)
		nap_ns(5 * MS);
	if (fd < 0 || ioctl(fd, FIFREEZE, 0) < 0)
		return;
	atomic_store(&st->froze, 1);
	while (sandbox_phase(sb) == PHASE_FAULT)
		nap_ns(5 * MS);
	if (ioctl(fd, FITHAW, 0) == 0)
		atomic_store(&st->thawed, 1);
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

/* As for a snapshot of a logical volume: the device is suspended, and the kernel freezes what is mounted from it. */
static void suspend(struct sandbox *sb, void *arg)
{
	struct fs_state *st = arg;

	while (sandbox_phase(sb) < PHASE_FAULT)
		nap_ns(5 * MS);
	if (mapped_suspend(&st->mapped, true) == 0)
		atomic_store(&st->froze, 1);
	while (sandbox_phase(sb) == PHASE_FAULT)
		nap_ns(5 * MS);
	if (mapped_suspend(&st->mapped, false) == 0)
		atomic_store(&st->thawed, 1);
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static int mounted_for_freeze(struct sandbox *sb)
{
	struct fs_state *st = sb->state;
	int r = ext4_new(sb, sandbox_word(sb), 64 << 20, st->mountpoint, sizeof(st->mountpoint));

	return r < 0 ? r : sandbox_undo_freeze(sb, st->mountpoint);
}

static int mounted_for_suspend(struct sandbox *sb)
{
	struct fs_state *st = sb->state;
	struct loop loop, mapped = { .fd = -1 };
	char image[128];
	int r = image_new(sb, "below.img", 64 << 20, image, sizeof(image));

	/* A suspended device survives us, and with it whoever waits for it. */
	if (access("/proc/kwhy_fault", F_OK) < 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "only guests of tests/vm may hang");
	if (r == 0)
		r = ext4_format(sb, image, NULL, 0);
	if (r == 0)
		r = loop_new(sb, image, true, &loop);
	if (r == 0)
		r = mapped_new(sb, &loop, 64 << 20, &st->mapped);
	if (r < 0)
		return r;
	snprintf(mapped.dev, sizeof(mapped.dev), "%.31s", st->mapped.dev);
	return ext4_mount(sb, sandbox_word(sb), &mapped, NULL, st->mountpoint, sizeof(st->mountpoint));
}

static int setup_for(struct sandbox *sb, int (*mounted)(struct sandbox *sb), body_fn culprit)
{
	struct fs_state *st = sb->state;
	int r = sandbox_parties(sb);

	if (r == 0)
		r = mounted(sb);
	if (r == 0)
		r = ext4_new(sb, "second", 64 << 20, st->other, sizeof(st->other));
	st->period_ms = sandbox_random(sb, 15, 40);
	facts_int(&sb->params, "write_period_ms", st->period_ms);
	facts_int(&sb->params, "frozen_ms", sb->fault_ms);
	facts_str(&sb->params, "mountpoint", st->mountpoint);
	if (r == 0)
		r = sandbox_spawn(sb, sb->culprit, culprit, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->bystander, bystander, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->victim, victim, st);
	return r < 0 ? r : 0;
}

static int frozen_setup(struct sandbox *sb)
{
	return setup_for(sb, mounted_for_freeze, freeze);
}

static int suspended_setup(struct sandbox *sb)
{
	return setup_for(sb, mounted_for_suspend, suspend);
}

static int frozen_proof(struct sandbox *sb)
{
	struct fs_state *st = sb->state;

	facts_tally(&sb->proof, "write", st->writes);
	facts_int(&sb->proof, "froze", st->froze);
	facts_int(&sb->proof, "thawed", st->thawed);
	facts_ns(&sb->proof, "bystander_max_ns", (int64_t)st->bystander[1].max_ns);
	return st->froze && st->writes[1].max_ns > (uint64_t)sb->fault_ms * MS / 2 ? 0 : -ENODATA;
}

const struct fault fault_fs_frozen = {
	.name = "fs_frozen",
	.cause = "fs.frozen",
	.text = "A container freezes a file system that another one writes to.",
	.probes = "freeze,lock,scan",
	.needs = "root, loop devices, ext4, mkfs.ext4",
	.setup = frozen_setup,
	.proof = frozen_proof,
};

const struct fault fault_fs_suspended = {
	.name = "fs_suspended",
	.cause = "fs.frozen",
	.text = "A container suspends the mapped device of a file system that another one writes to, as for a snapshot.",
	.probes = "freeze,lock,scan",
	.needs = "a guest of tests/vm, with its module and the device mapper",
	.setup = suspended_setup,
	.proof = frozen_proof,
};
