/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel locks that another container holds for long: of a file, of an open file's position, of an address space. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/work.h"

#define MIB ((int64_t)1 << 20)
#define WRITERS 2

struct lock_state {
	struct tally writes[PHASES], holds[PHASES], bystander[PHASES];
	char shared[128], other[128];
	int64_t span;
	int pause_ms, period_ms;
	int fd;            /* one open file description, shared */
	_Atomic int mapper; /* pid of the process whose mappings are read */
};

static void write_at_rate(struct sandbox *sb, const char *path, int period_ms, struct tally *tally)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	char record[512] = "record";
	enum phase phase;

	while (fd >= 0 && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		if (pwrite(fd, record, sizeof(record), 0) != (ssize_t)sizeof(record))
			tally_fail(tally, phase);
		else
			tally_add(tally, phase, sandbox_phase(sb), clock_ns() - began);
		burn_cpu(MS / 2);
		nap_ns(period_ms * MS);
	}
}

static void writer(struct sandbox *sb, void *arg)
{
	struct lock_state *st = arg;

	write_at_rate(sb, st->shared, st->period_ms, st->writes);
}

static void bystander(struct sandbox *sb, void *arg)
{
	struct lock_state *st = arg;

	write_at_rate(sb, st->other, 3, st->bystander);
}

/*
 * shmem_fallocate() and shmem_write both hold the inode's rwsem exclusively (mm/shmem.c); filling a range of many
 * MiB takes hundreds of milliseconds in one go.  The range lies above what the writers touch.
 */
static void hold_once(struct sandbox *sb, struct lock_state *st, int fd)
{
	enum phase phase = sandbox_phase(sb);
	int64_t began = clock_ns();

	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 64 * MIB, st->span) < 0)
		tally_fail(st->holds, phase);
	else
		tally_add(st->holds, phase, sandbox_phase(sb), clock_ns() - began);
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 64 * MIB, st->span);
}

static void holder(struct sandbox *sb, void *arg)
{
	struct lock_state *st = arg;
	AUTO_CLOSE int fd = open(st->shared, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	while (fd >= 0 && sandbox_phase(sb) < PHASE_STOP) {
		if (sandbox_phase(sb) == PHASE_FAULT)
			hold_once(sb, st, fd);
		else
			burn_cpu(MS);
		nap_ns(st->pause_ms * MS);
	}
}

static int inode_setup(struct sandbox *sb)
{
	struct lock_state *st = sb->state;
	int r = sandbox_parties(sb);

	if (r < 0)
		return r;
	st->span = sandbox_random(sb, 2000, 3000) * MIB;
	st->pause_ms = sandbox_random(sb, 30, 80);
	st->period_ms = sandbox_random(sb, 8, 20);
	snprintf(st->shared, sizeof(st->shared), "%s/%s", sb->dir, sandbox_word(sb));
	snprintf(st->other, sizeof(st->other), "%s/other", sb->dir);
	facts_int(&sb->params, "span_bytes", st->span);
	facts_int(&sb->params, "pause_ms", st->pause_ms);
	facts_int(&sb->params, "write_period_ms", st->period_ms);
	r = sandbox_spawn(sb, sb->culprit, holder, st);
	for (int i = 0; i < WRITERS && r > 0; i++)
		r = sandbox_spawn(sb, sb->victim, writer, st);
	for (int i = 0; i < WRITERS && r > 0; i++)
		r = sandbox_spawn(sb, sb->bystander, bystander, st);
	return r < 0 ? r : 0;
}

static int inode_proof(struct sandbox *sb)
{
	struct lock_state *st = sb->state;

	facts_tally(&sb->proof, "write", st->writes);
	facts_int(&sb->proof, "holds", (int64_t)st->holds[1].count);
	facts_ns(&sb->proof, "hold_mean_ns", (int64_t)tally_mean(&st->holds[1]));
	facts_ns(&sb->proof, "hold_max_ns", (int64_t)st->holds[1].max_ns);
	facts_ns(&sb->proof, "bystander_max_ns", (int64_t)st->bystander[1].max_ns);
	return st->writes[1].max_ns > 150 * (uint64_t)MS ? 0 : -ENODATA;
}

/* ---- the position of an open file ------------------------------------------------------------------------------- */

#define PIECES 1024

/* read() holds file.f_pos_lock while it copies (fs/file.c, fdget_pos()); the file is one hole of many GiB. */
static void read_at_length(struct lock_state *st, enum phase phase, struct sandbox *sb)
{
	size_t size = (size_t)(st->span / PIECES);
	AUTO_FREE char *piece = malloc(size);
	struct iovec all[PIECES];
	int64_t began = clock_ns();

	for (int i = 0; i < PIECES; i++)
		all[i] = (struct iovec){ .iov_base = piece, .iov_len = size };
	if (!piece || readv(st->fd, all, PIECES) < 0)
		tally_fail(st->holds, phase);
	else
		tally_add(st->holds, phase, sandbox_phase(sb), clock_ns() - began);
	lseek(st->fd, 0, SEEK_SET);
}

static void long_reader(struct sandbox *sb, void *arg)
{
	struct lock_state *st = arg;
	enum phase phase;

	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		if (phase == PHASE_FAULT)
			read_at_length(st, phase, sb);
		else
			burn_cpu(MS);
		nap_ns(st->pause_ms * MS);
	}
}

static void short_reader(struct sandbox *sb, void *arg)
{
	struct lock_state *st = arg;
	enum phase phase;
	char byte;

	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		if (read(st->fd, &byte, 1) != 1)
			tally_fail(st->writes, phase);
		else
			tally_add(st->writes, phase, sandbox_phase(sb), clock_ns() - began);
		burn_cpu(MS / 2);
		nap_ns(st->period_ms * MS);
	}
}

static int kernel_setup(struct sandbox *sb)
{
	struct lock_state *st = sb->state;
	int r = sandbox_parties(sb);

	if (r < 0)
		return r;
	/* As much as one call takes (MAX_RW_COUNT), and little else: fast memory gives that in 60 ms. */
	st->span = (int64_t)sandbox_random(sb, 1800, 2040) * MIB / PIECES * PIECES;
	st->pause_ms = sandbox_random(sb, 5, 15);
	st->period_ms = sandbox_random(sb, 4, 12);
	snprintf(st->shared, sizeof(st->shared), "%s/%s", sb->dir, sandbox_word(sb));
	snprintf(st->other, sizeof(st->other), "%s/other", sb->dir);
	facts_int(&sb->params, "span_bytes", st->span);
	facts_int(&sb->params, "pause_ms", st->pause_ms);
	st->fd = open(st->shared, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (st->fd < 0 || ftruncate(st->fd, 16 * 1024 * MIB) < 0)
		return -errno;
	r = sandbox_spawn(sb, sb->culprit, long_reader, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->victim, short_reader, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->bystander, bystander, st);
	close(st->fd);
	return r < 0 ? r : 0;
}

static int kernel_proof(struct sandbox *sb)
{
	struct lock_state *st = sb->state;

	facts_tally(&sb->proof, "read", st->writes);
	facts_ns(&sb->proof, "hold_mean_ns", (int64_t)tally_mean(&st->holds[1]));
	return tally_mean(&st->writes[1]) > 15 * (uint64_t)MS ? 0 : -ENODATA;
}

/* ---- an address space -------------------------------------------------------------------------------------------- */

/* Page tables alone: every page is the zero page. */
static void *map_zeroes(int64_t size)
{
	void *p = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, (size_t)size, MADV_NOHUGEPAGE);
	for (int64_t at = 0; at < size; at += 4096)
		(void)*(volatile char *)((char *)p + at);
	return p;
}

static void mapper(struct sandbox *sb, void *arg)
{
	struct lock_state *st = arg;
	void *zeroes = map_zeroes(st->span);
	enum phase phase;

	atomic_store(&st->mapper, getpid());
	while (zeroes && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();
		void *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			tally_fail(st->writes, phase);
		else
			munmap(p, 65536);
		tally_add(st->writes, phase, sandbox_phase(sb), clock_ns() - began);
		burn_cpu(MS / 2);
		nap_ns(st->period_ms * MS);
	}
}

/* show_smap() holds the mmap_lock for reading while it walks a mapping's page tables (fs/proc/task_mmu.c). */
static void read_smaps(struct lock_state *st)
{
	char path[48], text[4096];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/smaps", st->mapper);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
}

static void monitor(struct sandbox *sb, void *arg)
{
	struct lock_state *st = arg;
	enum phase phase;

	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		if (phase == PHASE_FAULT) {
			read_smaps(st);
			tally_add(st->holds, phase, sandbox_phase(sb), clock_ns() - began);
		} else {
			nap_ns(st->pause_ms * MS);
		}
	}
}

static int mmap_setup(struct sandbox *sb)
{
	struct lock_state *st = sb->state;
	int r = sandbox_parties(sb);

	if (r < 0)
		return r;
	st->span = (int64_t)sandbox_random(sb, 8, 12) * 1024 * MIB;
	st->pause_ms = sandbox_random(sb, 20, 50);
	st->period_ms = sandbox_random(sb, 2, 6);
	snprintf(st->other, sizeof(st->other), "%s/other", sb->dir);
	facts_int(&sb->params, "span_bytes", st->span);
	facts_int(&sb->params, "map_period_ms", st->period_ms);
	r = sandbox_spawn(sb, sb->culprit, monitor, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->victim, mapper, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->bystander, bystander, st);
	return r < 0 ? r : 0;
}

static int mmap_proof(struct sandbox *sb)
{
	struct lock_state *st = sb->state;

	facts_tally(&sb->proof, "map", st->writes);
	facts_int(&sb->proof, "walks", (int64_t)st->holds[1].count);
	return tally_mean(&st->writes[1]) > 2 * (uint64_t)MS ? 0 : -ENODATA;
}

const struct fault fault_lock_kernel = {
	.name = "lock_kernel",
	.cause = "lock.kernel",
	.text = "A container reads gigabytes in one call through an open file whose position another one needs.",
	.probes = "lock",
	.needs = "root, tmpfs",
	.setup = kernel_setup,
	.proof = kernel_proof,
};

const struct fault fault_lock_inode = {
	.name = "lock_inode",
	.cause = "lock.inode",
	.text = "A container holds the lock of a shared file for hundreds of milliseconds while another writes to it.",
	.probes = "lock",
	.needs = "root, tmpfs, 3 GiB of free memory",
	.setup = inode_setup,
	.proof = inode_proof,
};

const struct fault fault_lock_mmap = {
	.name = "lock_mmap",
	.cause = "lock.mmap",
	.text = "A container reads /proc/PID/smaps of another's process again and again, while that maps memory.",
	.probes = "lock",
	.needs = "root",
	.setup = mmap_setup,
	.proof = mmap_proof,
};
