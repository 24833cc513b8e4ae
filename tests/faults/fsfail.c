/* SPDX-License-Identifier: Apache-2.0 */
/* File systems that refuse: full, without inodes, damaged, with a server that hangs; and one that copies first. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/faults/disk.h"
#include "tests/faults/faults.h"
#include "tests/faults/work.h"

#define MIB ((int64_t)1 << 20)
#define ALIGNMENT 4096
#define CHUNK ((size_t)1 << 18)
#define BIG_FILES 4

struct fsfail_state {
	struct tally work[PHASES], bystander[PHASES];
	char mountpoint[128], other[128], path[160];
	int period_ms;
	_Atomic int last_errno, taken;
	_Atomic uint64_t served;
};

static void keep_result(struct sandbox *sb, struct tally *tally, enum phase phase, int64_t began, bool fine)
{
	struct fsfail_state *st = sb->state;

	if (!fine) {
		atomic_store(&st->last_errno, errno);
		tally_fail(tally, sandbox_phase(sb)); /* what began before the fault failed because of it */
	} else {
		tally_add(tally, phase, sandbox_phase(sb), clock_ns() - began);
	}
	burn_cpu(MS / 2);
	nap_ns(st->period_ms * MS);
}

/* Appends a record at a time: each needs a block sooner or later. */
static void append(struct sandbox *sb, const char *dir, struct tally *tally)
{
	char path[160], record[4096] = "record";
	AUTO_CLOSE int fd = -1;
	enum phase phase;

	snprintf(path, sizeof(path), "%s/append.log", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	while (fd >= 0 && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		keep_result(sb, tally, phase, began, write(fd, record, sizeof(record)) == sizeof(record));
	}
}

static void appender(struct sandbox *sb, void *arg)
{
	struct fsfail_state *st = arg;

	append(sb, st->mountpoint, st->work);
}

static void other_appender(struct sandbox *sb, void *arg)
{
	struct fsfail_state *st = arg;

	append(sb, st->other, st->bystander);
}

/* Takes what there is while the fault lasts, and gives it back. */
static void filler(struct sandbox *sb, void *arg)
{
	struct fsfail_state *st = arg;
	AUTO_FREE char *buf = calloc(1, CHUNK);
	char path[160];
	AUTO_CLOSE int fd = -1;

	snprintf(path, sizeof(path), "%s/bulk", st->mountpoint);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	while (fd >= 0 && buf && sandbox_phase(sb) < PHASE_STOP) {
		if (sandbox_phase(sb) != PHASE_FAULT) {
			if (sandbox_phase(sb) == PHASE_AFTER)
				unlink(path);
			nap_ns(5 * MS);
		} else if (write(fd, buf, CHUNK) == (ssize_t)CHUNK) {
			atomic_fetch_add(&st->taken, 1);
		} else {
			nap_ns(50 * MS);
		}
	}
}

/* Makes a file and removes it again at once, as a spool does: what it has not is soon somebody else's. */
static void spooler(struct sandbox *sb, void *arg)
{
	struct fsfail_state *st = arg;
	char path[160];
	enum phase phase;

	snprintf(path, sizeof(path), "%s/job", st->mountpoint);
	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

		if (fd >= 0) {
			close(fd);
			unlink(path);
		}
		keep_result(sb, st->work, phase, began, fd >= 0);
	}
}

static void file_maker(struct sandbox *sb, void *arg)
{
	struct fsfail_state *st = arg;
	char path[176];

	while (sandbox_phase(sb) < PHASE_FAULT)
		nap_ns(5 * MS);
	while (sandbox_phase(sb) == PHASE_FAULT) {
		int fd;

		snprintf(path, sizeof(path), "%s/f%d", st->mountpoint, st->taken);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd >= 0) {
			close(fd);
			atomic_fetch_add(&st->taken, 1);
		} else {
			nap_ns(2 * MS);
		}
	}
	for (int i = 0; i < st->taken; i++) {
		snprintf(path, sizeof(path), "%s/f%d", st->mountpoint, i);
		unlink(path);
	}
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static int small_fs(struct sandbox *sb, int64_t size, int inodes)
{
	struct fsfail_state *st = sb->state;
	char image[128];
	struct loop loop = { .name = NULL };
	int r = sandbox_parties(sb);

	if (r == 0)
		r = image_new(sb, "small.img", size, image, sizeof(image));
	if (r == 0)
		r = ext4_format(sb, image, NULL, inodes);
	if (r == 0)
		r = loop_new(sb, image, false, &loop);
	if (r == 0)
		r = ext4_mount(sb, sandbox_word(sb), &loop, NULL, st->mountpoint, sizeof(st->mountpoint));
	if (r == 0)
		r = ext4_new(sb, "second", 64 << 20, st->other, sizeof(st->other));
	st->period_ms = sandbox_random(sb, 10, 30);
	facts_str(&sb->params, "device", loop.name ? loop.name : "");
	facts_int(&sb->params, "size_bytes", size);
	facts_int(&sb->params, "inodes", inodes);
	facts_int(&sb->params, "period_ms", st->period_ms);
	return r;
}

static int spawn_three(struct sandbox *sb, int r, body_fn victim, body_fn culprit)
{
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, victim, sb->state);
	if (r > 0)
		r = sandbox_spawn(sb, sb->culprit, culprit, sb->state);
	if (r > 0)
		r = sandbox_spawn(sb, sb->bystander, other_appender, sb->state);
	return r < 0 ? r : 0;
}

static int full_setup(struct sandbox *sb)
{
	return spawn_three(sb, small_fs(sb, sandbox_random(sb, 32, 64) * MIB, 0), appender, filler);
}

static int inodes_setup(struct sandbox *sb)
{
	return spawn_three(sb, small_fs(sb, 64 * MIB, sandbox_random(sb, 20, 80) * 16), spooler, file_maker);
}

static bool full_enough(struct sandbox *sb)
{
	struct fsfail_state *st = sb->state;

	return st->work[PHASE_FAULT].failed >= 8;
}

static int full_proof(struct sandbox *sb)
{
	struct fsfail_state *st = sb->state;

	facts_tally(&sb->proof, "work", st->work);
	facts_int(&sb->proof, "errno_seen", st->last_errno);
	facts_int(&sb->proof, "taken", st->taken);
	facts_int(&sb->proof, "bystander_failed", (int64_t)st->bystander[1].failed);
	return st->work[1].failed >= 5 && st->last_errno == ENOSPC && !st->work[0].failed ? 0 : -ENODATA;
}

/* ---- damage ---------------------------------------------------------------------------------------------------- */

static uint32_t le32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Overwrites an inode on the unmounted disk; offsets are those of the kernel's fs/ext4/ext4.h. */
static int damage_inode(const char *dev, uint64_t ino)
{
	AUTO_CLOSE int fd = open(dev, O_RDWR | O_CLOEXEC);
	unsigned char super[1024], group[64], garbage[128];
	uint64_t per_group, size, at;

	if (fd < 0 || pread(fd, super, sizeof(super), 1024) != sizeof(super))
		return -EIO;
	per_group = le32(super + 40);
	size = super[88] | (uint64_t)super[89] << 8;
	if (!per_group || pread(fd, group, sizeof(group), 4096 + (off_t)((ino - 1) / per_group * 64)) != sizeof(group))
		return -EIO;
	at = le32(group + 8) * UINT64_C(4096) + (ino - 1) % per_group * size;
	memset(garbage, 0xa5, sizeof(garbage));
	return pwrite(fd, garbage, sizeof(garbage), (off_t)at) == sizeof(garbage) && fsync(fd) == 0 ? 0 : -EIO;
}

/* Writes, and looks at the damaged file once the fault begins. */
static void damage_finder(struct sandbox *sb, void *arg)
{
	struct fsfail_state *st = arg;
	char path[160], record[4096] = "record";
	AUTO_CLOSE int fd = -1;
	enum phase phase;
	struct stat sbuf;

	snprintf(path, sizeof(path), "%s/append.log", st->mountpoint);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	while (fd >= 0 && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();
		bool fine = pwrite(fd, record, sizeof(record), 0) == sizeof(record);

		if (phase == PHASE_FAULT && stat(st->path, &sbuf) < 0)
			fine = false;
		keep_result(sb, st->work, phase, began, fine);
	}
}

static int make_file(const char *path, int64_t size)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	AUTO_FREE char *buf = calloc(1, CHUNK);

	for (int64_t at = 0; fd >= 0 && buf && at < size; at += (int64_t)CHUNK)
		if (write(fd, buf, CHUNK) != (ssize_t)CHUNK)
			return -EIO;
	return fd >= 0 && buf && fsync(fd) == 0 ? 0 : -EIO;
}

static int error_setup(struct sandbox *sb)
{
	struct fsfail_state *st = sb->state;
	struct loop loop = { .name = NULL };
	struct stat sbuf = { .st_ino = 0 };
	char image[128];
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = image_new(sb, "weak.img", 64 * MIB, image, sizeof(image));
	if (r == 0)
		r = ext4_format(sb, image, NULL, 0);
	if (r == 0)
		r = loop_new(sb, image, false, &loop);
	if (r == 0)
		r = ext4_mount(sb, "weak", &loop, NULL, st->mountpoint, sizeof(st->mountpoint));
	if (r < 0)
		return r;
	snprintf(st->path, sizeof(st->path), "%s/%s", st->mountpoint, sandbox_word(sb));
	r = make_file(st->path, (int64_t)CHUNK);
	if (r < 0 || stat(st->path, &sbuf) < 0 || umount(st->mountpoint) < 0)
		return sandbox_fail(sb, -EIO, "cannot prepare the file system");
	r = damage_inode(loop.dev, sbuf.st_ino);
	if (r == 0 && mount(loop.dev, st->mountpoint, "ext4", MS_NOATIME, "errors=remount-ro") < 0)
		r = -errno;
	st->period_ms = sandbox_random(sb, 10, 30);
	facts_str(&sb->params, "device", loop.name);
	facts_int(&sb->params, "inode", (int64_t)sbuf.st_ino);
	facts_int(&sb->params, "period_ms", st->period_ms);
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "filesystem:%s", loop.name);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, damage_finder, st);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int error_proof(struct sandbox *sb)
{
	struct fsfail_state *st = sb->state;

	facts_tally(&sb->proof, "work", st->work);
	facts_int(&sb->proof, "errno_seen", st->last_errno);
	return st->work[1].failed >= 5 && st->last_errno == EROFS && !st->work[0].failed ? 0 : -ENODATA;
}

/* ---- a server that hangs --------------------------------------------------------------------------------------- */

static void remote_reader(struct sandbox *sb, void *arg)
{
	struct fsfail_state *st = arg;
	AUTO_FREE void *buf = aligned_alloc(ALIGNMENT, ALIGNMENT);
	AUTO_CLOSE int fd = open(st->path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	enum phase phase;

	while (fd >= 0 && buf && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		keep_result(sb, st->work, phase, began, pread(fd, buf, ALIGNMENT, 0) == ALIGNMENT);
	}
}

static int hang_setup(struct sandbox *sb)
{
	struct fsfail_state *st = sb->state;
	struct slow_disk disk = { .size = 16 * MIB, .request_ns = sandbox_random(sb, 100, 500) * MS / 1000,
				  .hangs = true, .served = &st->served };
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, &sb->culprit);
	if (r == 0)
		r = slow_file_new(sb, sb->culprit, &disk, st->path, sizeof(st->path));
	st->period_ms = sandbox_random(sb, 10, 40);
	facts_int(&sb->params, "period_ms", st->period_ms);
	facts_ns(&sb->params, "service_ns", disk.request_ns);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, remote_reader, st);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int hang_proof(struct sandbox *sb)
{
	struct fsfail_state *st = sb->state;

	facts_tally(&sb->proof, "read", st->work);
	facts_int(&sb->proof, "served", (int64_t)st->served);
	return st->work[0].count && st->work[1].max_ns > (uint64_t)sb->fault_ms * MS / 2 ? 0 : -ENODATA;
}

/* ---- an overlay ------------------------------------------------------------------------------------------------- */

/* Looks at a small file, and when the fault begins opens the large ones for writing. */
static void copier(struct sandbox *sb, void *arg)
{
	struct fsfail_state *st = arg;
	char path[176];
	enum phase phase;

	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();
		int fd;

		if (phase == PHASE_FAULT && st->taken < BIG_FILES)
			snprintf(path, sizeof(path), "%s/big%d", st->other, st->taken++);
		else
			snprintf(path, sizeof(path), "%s/small", st->other);
		fd = open(path, O_RDWR | O_CLOEXEC);
		keep_result(sb, st->work, phase, began, fd >= 0);
		if (fd >= 0)
			close(fd);
	}
}

/* The lower layer: filled on a quick disk, used on a slow one. */
static int lower_layer(struct sandbox *sb, const char *image)
{
	struct fsfail_state *st = sb->state;
	int64_t size = sandbox_random(sb, 12, 20) * MIB;
	struct loop loop = { .name = NULL };
	char path[176];
	int r = loop_new(sb, image, false, &loop);

	if (r == 0)
		r = ext4_mount(sb, "lower", &loop, NULL, st->mountpoint, sizeof(st->mountpoint));
	for (int i = 0; r == 0 && i < BIG_FILES; i++) {
		snprintf(path, sizeof(path), "%s/big%d", st->mountpoint, i);
		r = make_file(path, size);
	}
	snprintf(path, sizeof(path), "%s/small", st->mountpoint);
	if (r == 0)
		r = make_file(path, 1);
	facts_int(&sb->params, "file_bytes", size);
	return r == 0 && umount(st->mountpoint) < 0 ? -errno : r;
}

static int overlay_mount(struct sandbox *sb)
{
	struct fsfail_state *st = sb->state;
	char upper[96], work[96], options[512];

	snprintf(upper, sizeof(upper), "%s/upper", sb->dir);
	snprintf(work, sizeof(work), "%s/work", sb->dir);
	snprintf(st->other, sizeof(st->other), "%s/merged", sb->dir);
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", st->mountpoint, upper, work);
	if (mkdir(upper, 0755) < 0 || mkdir(work, 0755) < 0 || mkdir(st->other, 0755) < 0)
		return -errno;
	if (sandbox_undo_mount(sb, st->other) < 0 || mount("overlay", st->other, "overlay", 0, options) < 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "cannot mount an overlay");
	return 0;
}

static int copy_up_setup(struct sandbox *sb)
{
	struct fsfail_state *st = sb->state;
	struct slow_disk disk = { .size = 128 * MIB, .request_ns = sandbox_random(sb, 50, 150) * MS / 1000,
				  .bytes_per_sec = sandbox_random(sb, 6, 10) * MIB };
	struct loop loop = { .name = NULL };
	char image[128];
	int r = container_new(sb, &sb->victim);

	sb->culprit = sb->victim;
	st->period_ms = sandbox_random(sb, 15, 40);
	if (r == 0)
		r = image_new(sb, "lower.img", disk.size, image, sizeof(image));
	if (r == 0)
		r = ext4_format(sb, image, NULL, 0);
	if (r == 0)
		r = lower_layer(sb, image);
	disk.backing = image;
	if (r == 0)
		r = slow_disk_new(sb, &disk, &loop);
	if (r == 0 && mount(loop.dev, st->mountpoint, "ext4", MS_NOATIME, NULL) < 0)
		r = -errno;
	if (r == 0)
		r = overlay_mount(sb);
	snprintf(sb->unmount_first[0], sizeof(sb->unmount_first[0]), "%s", st->other);
	snprintf(sb->unmount_first[1], sizeof(sb->unmount_first[1]), "%s", st->mountpoint);
	facts_int(&sb->params, "disk_bytes_per_s", disk.bytes_per_sec);
	facts_int(&sb->params, "period_ms", st->period_ms);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, copier, st);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int copy_up_proof(struct sandbox *sb)
{
	struct fsfail_state *st = sb->state;

	facts_tally(&sb->proof, "open", st->work);
	facts_int(&sb->proof, "copied", st->taken);
	return st->taken && st->work[1].max_ns > 100 * (uint64_t)MS ? 0 : -ENODATA;
}

const struct fault fault_fs_full = {
	.name = "fs_full",
	.cause = "fs.full",
	.text = "A container fills the file system that another one appends to.",
	.probes = "nospace",
	.needs = "root, loop devices, ext4, mkfs.ext4",
	.setup = full_setup,
	.enough = full_enough,
	.proof = full_proof,
};

const struct fault fault_fs_inodes = {
	.name = "fs_inodes",
	.cause = "fs.full.inodes",
	.text = "A container uses up the inodes of the file system that another one makes files on.",
	.probes = "nospace",
	.needs = "root, loop devices, ext4, mkfs.ext4",
	.setup = inodes_setup,
	.enough = full_enough,
	.proof = full_proof,
};

const struct fault fault_fs_error = {
	.name = "fs_error",
	.cause = "fs.error",
	.text = "A container meets a damaged inode; the kernel makes the file system read-only.",
	.probes = "fserror",
	.needs = "root, loop devices, ext4, mkfs.ext4",
	.setup = error_setup,
	.proof = error_proof,
};

const struct fault fault_fs_remote_hang = {
	.name = "fs_remote_hang",
	.cause = "fs.remote_hang",
	.text = "The FUSE server of one container stops answering while another one reads from it.",
	.probes = "fuse",
	.needs = "root, FUSE",
	.setup = hang_setup,
	.proof = hang_proof,
};

const struct fault fault_fs_copy_up = {
	.name = "fs_copy_up",
	.cause = "fs.copy_up",
	.text = "A container opens large files of an overlay's lower layer on a slow disk for writing.",
	.probes = "offcpu,block",
	.needs = "root, loop devices, FUSE, ext4, mkfs.ext4, overlayfs",
	.setup = copy_up_setup,
	.proof = copy_up_proof,
};
