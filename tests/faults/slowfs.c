/* SPDX-License-Identifier: Apache-2.0 */
/* A file system on a slow disk: long journal commits, somebody's sync, and write-back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/faults/disk.h"
#include "tests/faults/faults.h"
#include "tests/faults/work.h"

#define MIB ((int64_t)1 << 20)
#define ALIGNMENT 4096
#define CHUNK ((size_t)1 << 20)
#define FS_SIZE (384 * MIB)
#define READ_FILE (16 * MIB)

struct slowfs_state {
	struct tally work[PHASES], bystander[PHASES], hog[PHASES];
	_Atomic uint64_t served;
	_Atomic uint64_t longest_fsync_ns; /* of the victim's */
	_Atomic int64_t commits; /* of its journal, by the kernel's own count */
	char mountpoint[128], other[128];
	struct loop loop;
	int64_t hog_bytes;
	int period_ms, record, labelled;
};

/* Small records, each made durable, as a database does. */
static void commit_records(struct sandbox *sb, const char *dir, struct tally *tally, _Atomic uint64_t *longest_ns)
{
	struct slowfs_state *st = sb->state;
	char path[160], record[16384] = "record";
	AUTO_CLOSE int fd = -1;
	enum phase phase;
	off_t at = 0;

	snprintf(path, sizeof(path), "%s/commit.log", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	while (fd >= 0 && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns(), written = 0;

		if (pwrite(fd, record, (size_t)st->record, at) == st->record)
			written = clock_ns();
		if (!written || fsync(fd) < 0) {
			tally_fail(tally, phase);
		} else {
			int64_t done = clock_ns();

			tally_add(tally, phase, sandbox_phase(sb), done - began);
			*longest_ns = MAX(*longest_ns, (uint64_t)(done - written));
		}
		at = (at + st->record) % (4 << 20);
		burn_cpu(MS / 2);
		nap_ns(st->period_ms * MS);
	}
}

/* "39 transactions (38 requested), each up to 1024 blocks": since it was mounted; 8 is the journal's inode. */
static int64_t journal_commits(const struct loop *loop)
{
	char path[64];
	AUTO_FCLOSE FILE *f = NULL;
	long commits = -1;

	snprintf(path, sizeof(path), "/proc/fs/jbd2/%s-8/info", loop->name);
	f = fopen(path, "re");
	return f && fscanf(f, "%ld", &commits) == 1 ? commits : -1;
}

static void committer(struct sandbox *sb, void *arg)
{
	struct slowfs_state *st = arg;

	commit_records(sb, st->mountpoint, st->work, &st->longest_fsync_ns);
	atomic_store(&st->commits, journal_commits(&st->loop));
}

static void other_committer(struct sandbox *sb, void *arg)
{
	struct slowfs_state *st = arg;
	_Atomic uint64_t unused = 0;

	commit_records(sb, st->other, st->bystander, &unused);
}

/* Reads here and there in a file, past the page cache. */
static void reader(struct sandbox *sb, void *arg)
{
	struct slowfs_state *st = arg;
	AUTO_FREE void *buf = aligned_alloc(ALIGNMENT, ALIGNMENT);
	char path[160];
	AUTO_CLOSE int fd = -1;
	enum phase phase;
	unsigned int at = (unsigned int)getpid();

	snprintf(path, sizeof(path), "%s/read.me", st->mountpoint);
	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	while (fd >= 0 && buf && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		at = at * 1103515245u + 12345u;
		if (pread(fd, buf, ALIGNMENT, (off_t)(at >> 8) % (READ_FILE / ALIGNMENT) * ALIGNMENT) != ALIGNMENT)
			tally_fail(st->work, phase);
		else
			tally_add(st->work, phase, sandbox_phase(sb), clock_ns() - began);
		burn_cpu(MS / 2);
		nap_ns(st->period_ms * MS);
	}
}

enum hog_does { HOG_FSYNC, HOG_SYNCFS, HOG_WRITE };

/* While the fault lasts: much data into the page cache, and then what makes it go to the disk. */
static void hog(struct sandbox *sb, struct slowfs_state *st, enum hog_does does)
{
	AUTO_FREE char *buf = calloc(1, CHUNK);
	char path[160];
	AUTO_CLOSE int fd = -1;
	enum phase phase;

	snprintf(path, sizeof(path), "%s/bulk", st->mountpoint);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	while (fd >= 0 && buf && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		if (phase != PHASE_FAULT) {
			nap_ns(5 * MS);
			continue;
		}
		for (int64_t at = 0; at < st->hog_bytes && sandbox_phase(sb) == PHASE_FAULT; at += (int64_t)CHUNK)
			if (pwrite(fd, buf, CHUNK, at) != (ssize_t)CHUNK)
				return;
		if ((does == HOG_FSYNC && fsync(fd) < 0) || (does == HOG_SYNCFS && syncfs(fd) < 0))
			return;
		tally_add(st->hog, phase, sandbox_phase(sb), clock_ns() - began);
	}
}

static void hog_fsync(struct sandbox *sb, void *arg)
{
	hog(sb, arg, HOG_FSYNC);
}

static void hog_syncfs(struct sandbox *sb, void *arg)
{
	hog(sb, arg, HOG_SYNCFS);
}

static void hog_write(struct sandbox *sb, void *arg)
{
	hog(sb, arg, HOG_WRITE);
}

/* One with a number is of that type: bytes of an XFS' log, or of a whole btrfs; else it is an ext4, with 64 MiB of journal. */
struct volume {
	const char *options; /* of ext4 */
	int64_t xfs_log, btrfs;
};

static int disk_format(struct sandbox *sb, const char *image, const struct volume *v)
{
	if (v->btrfs)
		return btrfs_format(sb, image, v->btrfs);
	return v->xfs_log ? xfs_format(sb, image, v->xfs_log) : ext4_format(sb, image, "size=64", 0);
}

static int disk_mount(struct sandbox *sb, const char *name, const struct loop *loop, const struct volume *v)
{
	struct slowfs_state *st = sb->state;

	if (v->btrfs)
		return btrfs_mount(sb, name, loop, st->mountpoint, sizeof(st->mountpoint));
	return v->xfs_log ? xfs_mount(sb, name, loop, st->mountpoint, sizeof(st->mountpoint)) :
			    ext4_mount(sb, name, loop, v->options, st->mountpoint, sizeof(st->mountpoint));
}

/* A file system on a slow disk for all parties, one on a quick disk for the bystander. */
static int slowfs_new(struct sandbox *sb, const struct volume *v, int mib_low, int mib_high)
{
	struct slowfs_state *st = sb->state;
	struct slow_disk disk = { .size = FS_SIZE, .request_ns = sandbox_random(sb, 50, 150) * MS / 1000,
				  .bytes_per_sec = sandbox_random(sb, mib_low, mib_high) * MIB, .served = &st->served };
	const char *name = sandbox_word(sb);
	char image[128];
	int r = sandbox_parties(sb);

	if (r == 0)
		r = image_new(sb, "slow.img", FS_SIZE, image, sizeof(image));
	if (r == 0)
		r = disk_format(sb, image, v);
	disk.backing = image;
	if (r == 0)
		r = slow_disk_new(sb, &disk, &st->loop);
	if (r == 0)
		r = disk_mount(sb, name, &st->loop, v);
	if (r == 0)
		r = ext4_new(sb, "second", 64 << 20, st->other, sizeof(st->other));
	if (r < 0)
		return r;
	snprintf(sb->unmount_first[0], sizeof(sb->unmount_first[0]), "%s", st->mountpoint);
	st->period_ms = sandbox_random(sb, 15, 40);
	st->record = ALIGNMENT << sandbox_random(sb, 0, 2);
	facts_str(&sb->params, "device", st->loop.name);
	facts_str(&sb->params, "options", v->options ? v->options : "defaults");
	facts_int(&sb->params, "disk_bytes_per_s", disk.bytes_per_sec);
	facts_int(&sb->params, "period_ms", st->period_ms);
	return 0;
}

static int slowfs_setup(struct sandbox *sb, const char *options, int mib_low, int mib_high)
{
	return slowfs_new(sb, &(struct volume){ .options = options }, mib_low, mib_high);
}

static int slowfs_spawn(struct sandbox *sb, body_fn victim, body_fn culprit)
{
	struct slowfs_state *st = sb->state;
	int r;

	facts_int(&sb->params, "hog_bytes", st->hog_bytes);
	r = sandbox_spawn(sb, sb->victim, victim, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->culprit, culprit, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->bystander, other_committer, st);
	return r < 0 ? r : 0;
}

/* All data goes through the journal: a large fsync is a long commit, and everybody's next commit waits for it. */
static int journal_setup(struct sandbox *sb)
{
	struct slowfs_state *st = sb->state;
	int r = slowfs_setup(sb, "data=journal", 25, 40);

	st->hog_bytes = sandbox_random(sb, 4, 6) * MIB;
	return r < 0 ? r : slowfs_spawn(sb, committer, hog_fsync);
}

/* ---- a log that is full ----------------------------------------------------------------------------------------------- */

#define LABELLED_MAX 2000
#define LABEL 1500

/* Changes one small thing of its own file now and then. */
static void mode_changer(struct sandbox *sb, void *arg)
{
	struct slowfs_state *st = arg;
	char path[160];
	AUTO_CLOSE int fd = -1;
	enum phase phase;

	snprintf(path, sizeof(path), "%s/mode", st->mountpoint);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	for (mode_t mode = 0600; fd >= 0 && (phase = sandbox_phase(sb)) < PHASE_STOP; mode ^= 0044) {
		int64_t began = clock_ns();

		if (fchmod(fd, mode) < 0)
			tally_fail(st->work, phase);
		else
			tally_add(st->work, phase, sandbox_phase(sb), clock_ns() - began);
		burn_cpu(MS / 2);
		nap_ns(st->period_ms * MS);
	}
}

static int make_file(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : 0;
}

/* All files there will be: later there may be no space for one more. */
static int make_labelled(const struct slowfs_state *st)
{
	char path[160];
	int r;

	snprintf(path, sizeof(path), "%s/mode", st->mountpoint);
	r = make_file(path);
	for (int i = 0; r == 0 && i < st->labelled; i++) {
		snprintf(path, sizeof(path), "%s/%d", st->mountpoint, i);
		r = make_file(path);
	}
	return r;
}

/* Labels one file after the other anew: each time a block of metadata goes into the log, and later to its place. */
static void labeller(struct sandbox *sb, void *arg)
{
	struct slowfs_state *st = arg;
	char path[160], label[LABEL] = "";
	unsigned int at = (unsigned int)getpid();

	while (sandbox_phase(sb) < PHASE_STOP) {
		if (sandbox_phase(sb) != PHASE_FAULT) {
			nap_ns(5 * MS);
			continue;
		}
		at = at * 1103515245u + 12345u;
		label[0] = (char)('a' + (at >> 8) % 26);
		snprintf(path, sizeof(path), "%s/%u", st->mountpoint, (at >> 8) % (unsigned int)st->labelled);
		if (setxattr(path, "user.label", label, sizeof(label), 0) < 0 && errno != ENOSPC)
			return;
		tally_add(st->hog, PHASE_FAULT, PHASE_FAULT, 0);
	}
}

static int spawn_labellers(struct sandbox *sb, int writers)
{
	struct slowfs_state *st = sb->state;
	int r = slowfs_spawn(sb, mode_changer, labeller);

	facts_int(&sb->params, "writers", writers);
	for (int i = 1; i < writers && r >= 0; i++)
		r = sandbox_spawn(sb, sb->culprit, labeller, st);
	return r < 0 ? r : 0;
}

static int log_setup(struct sandbox *sb)
{
	struct slowfs_state *st = sb->state;
	struct volume v = { .xfs_log = sandbox_random(sb, 10, 14) * MIB };
	int r = sandbox_has_program("mkfs.xfs") ? 0 : sandbox_fail(sb, -EOPNOTSUPP, "mkfs.xfs is not installed");

	st->labelled = LABELLED_MAX;
	facts_int(&sb->params, "log_bytes", v.xfs_log);
	if (r == 0)
		r = slowfs_new(sb, &v, 15, 25);
	if (r == 0)
		r = make_labelled(st);
	return r < 0 ? r : spawn_labellers(sb, sandbox_random(sb, 6, 10));
}

/* ---- no space for metadata -------------------------------------------------------------------------------------------- */

/* Until all of the disk is somebody's: then what there is for metadata cannot grow any more. */
static int fill_with_data(const struct slowfs_state *st)
{
	char path[160];
	AUTO_CLOSE int fd = -1;
	off_t at = 0;

	snprintf(path, sizeof(path), "%s/data", st->mountpoint);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	while (fallocate(fd, 0, at, MIB) == 0)
		at += MIB;
	return errno == ENOSPC && syncfs(fd) == 0 ? 0 : -errno;
}

static int metadata_setup(struct sandbox *sb)
{
	struct slowfs_state *st = sb->state;
	struct volume v = { .btrfs = sandbox_random(sb, 120, 160) * MIB };
	int r = sandbox_has_program("mkfs.btrfs") ? 0 : sandbox_fail(sb, -EOPNOTSUPP, "mkfs.btrfs is not installed");

	st->labelled = sandbox_random(sb, 150, 300);
	facts_int(&sb->params, "fs_bytes", v.btrfs);
	facts_int(&sb->params, "files", st->labelled);
	if (r == 0)
		r = slowfs_new(sb, &v, 3, 5);
	if (r == 0)
		r = make_labelled(st);
	if (r == 0)
		r = fill_with_data(st);
	return r < 0 ? r : spawn_labellers(sb, sandbox_random(sb, 6, 10));
}

static int write_read_file(struct slowfs_state *st)
{
	AUTO_FREE char *buf = calloc(1, CHUNK);
	char path[160];
	AUTO_CLOSE int fd = -1;

	snprintf(path, sizeof(path), "%s/read.me", st->mountpoint);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	for (int64_t at = 0; fd >= 0 && buf && at < READ_FILE; at += (int64_t)CHUNK)
		if (pwrite(fd, buf, CHUNK, at) != (ssize_t)CHUNK)
			return -EIO;
	return fd >= 0 && buf && fsync(fd) == 0 ? 0 : -EIO;
}

static int sync_setup(struct sandbox *sb)
{
	struct slowfs_state *st = sb->state;
	int r = slowfs_setup(sb, NULL, 25, 40);

	if (r == 0)
		r = write_read_file(st);
	st->hog_bytes = sandbox_random(sb, 5, 9) * MIB;
	return r < 0 ? r : slowfs_spawn(sb, reader, hog_syncfs);
}

/* A small share of the dirty memory for this device, so that its worker writes back all the time. */
static int writeback_setup(struct sandbox *sb)
{
	struct slowfs_state *st = sb->state;
	int r = slowfs_setup(sb, NULL, 40, 70);

	if (r == 0)
		r = write_read_file(st);
	if (r == 0)
		r = loop_limit_dirty(sb, &st->loop, sandbox_random(sb, 24, 48) * MIB);
	if (r < 0)
		return r;
	st->hog_bytes = 192 * MIB;
	return slowfs_spawn(sb, reader, hog_write);
}

static int slowfs_proof(struct sandbox *sb)
{
	struct slowfs_state *st = sb->state;

	facts_tally(&sb->proof, "work", st->work);
	facts_int(&sb->proof, "hog_rounds", (int64_t)st->hog[1].count);
	facts_ns(&sb->proof, "bystander_max_ns", (int64_t)st->bystander[1].max_ns);
	return st->work[1].max_ns > 80 * (uint64_t)MS && tally_mean(&st->work[1]) > 5 * tally_mean(&st->work[0]) ?
		       0 :
		       -ENODATA;
}

static int journal_proof(struct sandbox *sb)
{
	struct slowfs_state *st = sb->state;

	facts_ns(&sb->proof, "longest_fsync_ns", (int64_t)st->longest_fsync_ns);
	facts_int(&sb->proof, "commits", st->commits);
	return slowfs_proof(sb);
}

const struct fault fault_fs_journal = {
	.name = "fs_journal",
	.cause = "fs.journal",
	.text = "A container's large fsyncs make the journal commits long that another one's small fsyncs wait for.",
	.probes = "journal,offcpu",
	.needs = "root, loop devices, FUSE, ext4, mkfs.ext4",
	.setup = journal_setup,
	.proof = journal_proof,
};

const struct fault fault_fs_log_full = {
	.name = "fs_log_full",
	.cause = "fs.journal",
	.text = "A container fills the small log of an XFS with changes, and another one's wait for space in it.",
	.probes = "journal,offcpu",
	.needs = "root, loop devices, FUSE, XFS, mkfs.xfs",
	.setup = log_setup,
	.proof = slowfs_proof,
};

const struct fault fault_fs_metadata_full = {
	.name = "fs_metadata_full",
	.cause = "fs.journal",
	.text = "A container changes so much on a full btrfs that another one's changes wait for space for metadata.",
	.probes = "journal,offcpu",
	.needs = "root, loop devices, FUSE, btrfs, mkfs.btrfs",
	.setup = metadata_setup,
	.proof = slowfs_proof,
};

const struct fault fault_fs_sync = {
	.name = "fs_sync",
	.cause = "fs.sync",
	.text = "A container has the whole file system written back again and again while another one reads from it.",
	.probes = "sync,block,offcpu",
	.needs = "root, loop devices, FUSE, ext4, mkfs.ext4",
	.setup = sync_setup,
	.proof = slowfs_proof,
};

const struct fault fault_io_writeback = {
	.name = "io_writeback",
	.cause = "io.writeback",
	.text = "A kernel worker writes back what a container made dirty, while another one reads from the same disk.",
	.probes = "block,offcpu",
	.needs = "root, loop devices, FUSE, ext4, mkfs.ext4",
	.setup = writeback_setup,
	.proof = slowfs_proof,
};
