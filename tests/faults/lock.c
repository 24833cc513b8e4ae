/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel lock that another container holds for long. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

static int lock_setup(struct sandbox *sb)
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

static int lock_proof(struct sandbox *sb)
{
	struct lock_state *st = sb->state;

	facts_tally(&sb->proof, "write", st->writes);
	facts_int(&sb->proof, "holds", (int64_t)st->holds[1].count);
	facts_ns(&sb->proof, "hold_mean_ns", (int64_t)tally_mean(&st->holds[1]));
	facts_ns(&sb->proof, "hold_max_ns", (int64_t)st->holds[1].max_ns);
	facts_ns(&sb->proof, "bystander_max_ns", (int64_t)st->bystander[1].max_ns);
	return st->writes[1].max_ns > 150 * (uint64_t)MS ? 0 : -ENODATA;
}

const struct fault fault_lock_kernel = {
	.name = "lock_kernel",
	.cause = "lock.kernel",
	.text = "A container holds the lock of a shared file for hundreds of milliseconds while another writes to it.",
	.probes = "lock",
	.needs = "root, tmpfs, 3 GiB of free memory",
	.setup = lock_setup,
	.proof = lock_proof,
};
