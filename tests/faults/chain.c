/* SPDX-License-Identifier: Apache-2.0 */
/* A holder that is stopped itself while others wait for its lock: the root is what stops the holder. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "tests/faults/cpu.h"
#include "tests/faults/faults.h"

#define MIB ((int64_t)1 << 20)
#define FILLERS_MAX 32

struct chain_state {
	struct tally waits[PHASES], holds[PHASES], worked[PHASES], bystander[PHASES]; /* worked: CPU time of the holds */
	char shared[128], other[128];
	int cpu;          /* where the holder has to run */
	int64_t span;     /* filled under the kernel lock */
	int64_t work_ns;  /* computed under the file lock */
	int period_ms, pause_ms;
	struct container *holder;
};

/* ---- a kernel lock whose holder is kept from the CPU ----------------------------------------------------------- */

static void pin(const struct chain_state *st, bool same)
{
	cpu_set_t all, mine;

	CPU_ZERO(&mine);
	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		return;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all) && (i == st->cpu) == same)
			CPU_SET(i, &mine);
	sched_setaffinity(0, sizeof(mine), &mine);
}

static void write_often(struct sandbox *sb, const char *path, int period_ms, struct tally *tally)
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
		nap_ns(period_ms * MS);
	}
}

static void writer(struct sandbox *sb, void *arg)
{
	struct chain_state *st = arg;

	pin(st, false);
	write_often(sb, st->shared, st->period_ms, st->waits);
}

static void other_writer(struct sandbox *sb, void *arg)
{
	struct chain_state *st = arg;

	pin(st, false);
	write_often(sb, st->other, 3, st->bystander);
}

/* shmem_fallocate() holds the inode's rwsem over all of the range (mm/shmem.c). */
static void fill_under_lock(struct sandbox *sb, void *arg)
{
	struct chain_state *st = arg;
	AUTO_CLOSE int fd = open(st->shared, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	pin(st, true);
	while (fd >= 0 && sandbox_phase(sb) < PHASE_STOP) {
		enum phase phase = sandbox_phase(sb);
		int64_t began = clock_ns(), worked = time_thread_ns(), span = phase == PHASE_FAULT ? st->span : MIB;

		if (fallocate(fd, FALLOC_FL_KEEP_SIZE, MIB, span) < 0) {
			tally_fail(st->holds, phase);
		} else {
			tally_add(st->worked, phase, sandbox_phase(sb), time_thread_ns() - worked);
			tally_add(st->holds, phase, sandbox_phase(sb), clock_ns() - began);
		}
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, span);
		nap_ns(st->pause_ms * MS);
	}
}

/* The other CPUs are no way out: were they idle, the holder's own mask would be the cause. */
static void filler(struct sandbox *sb, void *arg)
{
	struct hog h = { .cpu = -1, .percent = 100 };

	pin(arg, false);
	hog_body(sb, &h);
}

/* Takes the last CPU; how many others there are. */
static int take_last_cpu(struct chain_state *st)
{
	int others = -1;
	cpu_set_t all;

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		return -errno;
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &all))
			continue;
		st->cpu = i;
		others++;
	}
	return others;
}

static int spawn_hogs(struct sandbox *sb, int others)
{
	struct chain_state *st = sb->state;
	struct hog h = { .cpu = st->cpu, .percent = 100 };
	int hogs = sandbox_random(sb, 2, 4), r = 0;

	facts_int(&sb->params, "hogs", hogs);
	for (int i = 0; i < hogs && r >= 0; i++)
		r = sandbox_spawn(sb, sb->culprit, hog_body, &h);
	for (int i = 0; i < others && r >= 0; i++)
		r = sandbox_spawn(sb, sb->culprit, filler, st);
	return r;
}

static void name_files(struct sandbox *sb, struct chain_state *st)
{
	snprintf(st->shared, sizeof(st->shared), "%s/%s", sb->dir, sandbox_word(sb));
	snprintf(st->other, sizeof(st->other), "%s/other", sb->dir);
}

static int preempted_setup(struct sandbox *sb)
{
	struct chain_state *st = sb->state;
	int others = take_last_cpu(st), r;

	if (others < 1 || others > FILLERS_MAX)
		return sandbox_fail(sb, -EOPNOTSUPP, "needs two CPUs, and no more than %d", FILLERS_MAX + 1);
	r = sandbox_parties(sb);
	if (r == 0)
		r = container_new(sb, &st->holder);
	if (r == 0)
		r = set_shares(sb, st->holder, "holder_shares", sandbox_random(sb, 150, 250));
	if (r == 0)
		r = set_shares(sb, sb->culprit, "hog_shares", 1024 * sandbox_random(sb, 3, 6));
	if (r < 0)
		return r;
	st->span = sandbox_random(sb, 60, 120) * MIB;
	st->pause_ms = sandbox_random(sb, 15, 40);
	st->period_ms = sandbox_random(sb, 5, 12);
	facts_int(&sb->params, "span_bytes", st->span);
	facts_str(&sb->params, "holder", st->holder->path);
	name_files(sb, st);
	r = sandbox_spawn(sb, st->holder, fill_under_lock, st);
	if (r > 0)
		r = spawn_hogs(sb, others);
	for (int i = 0; i < 2 && r > 0; i++)
		r = sandbox_spawn(sb, sb->victim, writer, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->bystander, other_writer, st);
	return r < 0 ? r : 0;
}

/* ---- a file lock whose holder is throttled --------------------------------------------------------------------- */

static void lock_work(struct sandbox *sb, const char *path, int64_t work_ns, int pause_ms, struct tally *waits,
		      bool holds)
{
	struct chain_state *st = sb->state;
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	while (fd >= 0 && sandbox_phase(sb) < PHASE_STOP) {
		enum phase phase = sandbox_phase(sb);
		int64_t began = clock_ns(), got, worked;

		if (flock(fd, LOCK_EX) < 0)
			break;
		got = clock_ns();
		worked = time_thread_ns();
		burn_cpu(phase == PHASE_FAULT ? work_ns : MS / 10);
		flock(fd, LOCK_UN);
		if (waits)
			tally_add(waits, phase, sandbox_phase(sb), got - began);
		if (holds) {
			tally_add(st->worked, phase, sandbox_phase(sb), time_thread_ns() - worked);
			tally_add(st->holds, phase, sandbox_phase(sb), clock_ns() - got);
		}
		nap_ns(pause_ms * MS);
	}
}

static void user_of_lock(struct sandbox *sb, void *arg)
{
	struct chain_state *st = arg;

	lock_work(sb, st->shared, MS / 10, st->period_ms, st->waits, false);
}

static void user_of_other(struct sandbox *sb, void *arg)
{
	struct chain_state *st = arg;

	lock_work(sb, st->other, MS / 10, 3, st->bystander, false);
}

static void throttled_holder(struct sandbox *sb, void *arg)
{
	struct chain_state *st = arg;

	lock_work(sb, st->shared, st->work_ns, st->pause_ms, NULL, true);
}

static int throttled_setup(struct sandbox *sb)
{
	struct chain_state *st = sb->state;
	int quota_ms = sandbox_random(sb, 8, 15), r = sandbox_parties(sb);

	if (r == 0)
		r = set_quota(sb, sb->culprit, 1000 * quota_ms);
	if (r < 0)
		return r;
	st->work_ns = quota_ms * MS * sandbox_random(sb, 15, 30) / 10;
	st->pause_ms = sandbox_random(sb, 2, 6);
	st->period_ms = sandbox_random(sb, 4, 10);
	facts_ns(&sb->params, "work_ns", st->work_ns);
	name_files(sb, st);
	r = sandbox_spawn(sb, sb->culprit, throttled_holder, st);
	for (int i = 0; i < 2 && r > 0; i++)
		r = sandbox_spawn(sb, sb->victim, user_of_lock, st);
	for (int i = 0; i < 2 && r > 0; i++)
		r = sandbox_spawn(sb, sb->bystander, user_of_other, st);
	return r < 0 ? r : 0;
}

/* ---- both ------------------------------------------------------------------------------------------------------ */

static int chain_proof(struct sandbox *sb)
{
	struct chain_state *st = sb->state;

	facts_tally(&sb->proof, "wait", st->waits);
	facts_tally(&sb->proof, "hold", st->holds);
	facts_ns(&sb->proof, "hold_cpu_ns", (int64_t)tally_mean(&st->worked[1]));
	facts_ns(&sb->proof, "bystander_max_ns", (int64_t)st->bystander[1].max_ns);
	return st->waits[1].max_ns > 100 * (uint64_t)MS &&
	       tally_mean(&st->holds[1]) > 3 * tally_mean(&st->worked[1]) ? 0 : -ENODATA;
}

const struct fault fault_lock_preempted = {
	.name = "lock_preempted",
	.cause = "cpu.neighbor",
	.text = "A container waits for a kernel lock whose holder is kept from the CPU by a third one.",
	.probes = "lock,runq",
	.needs = "root, tmpfs, the cpu controller, two CPUs",
	.setup = preempted_setup,
	.proof = chain_proof,
};

const struct fault fault_lock_throttled = {
	.name = "lock_throttled",
	.cause = "cpu.throttled",
	.text = "A container waits for a file lock whose holder has used up its CPU quota.",
	.probes = "throttle,blocked",
	.needs = "root, tmpfs, the cpu controller with bandwidth control",
	.setup = throttled_setup,
	.proof = chain_proof,
};
