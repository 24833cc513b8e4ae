/* SPDX-License-Identifier: Apache-2.0 */
/* A file system that somebody freezes. */
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

static int frozen_setup(struct sandbox *sb)
{
	struct fs_state *st = sb->state;
	int r = sandbox_parties(sb);

	if (r == 0)
		r = ext4_new(sb, sandbox_word(sb), 64 << 20, st->mountpoint, sizeof(st->mountpoint));
	if (r == 0)
		r = sandbox_undo_freeze(sb, st->mountpoint);
	if (r == 0)
		r = ext4_new(sb, "second", 64 << 20, st->other, sizeof(st->other));
	st->period_ms = sandbox_random(sb, 15, 40);
	facts_int(&sb->params, "write_period_ms", st->period_ms);
	facts_int(&sb->params, "frozen_ms", sb->fault_ms);
	facts_str(&sb->params, "mountpoint", st->mountpoint);
	if (r == 0)
		r = sandbox_spawn(sb, sb->culprit, freeze, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->bystander, bystander, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->victim, victim, st);
	return r < 0 ? r : 0;
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
