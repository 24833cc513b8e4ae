/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: killed at one's own limit, or busy reclaiming below it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/disk.h"
#include "tests/faults/faults.h"
#include "tests/faults/work.h"

#define MIB ((int64_t)1 << 20)
#define PAGE 4096

struct mem_state {
	struct tally requests[PHASES];
	int64_t limit, used, bystander_used, pace_ns;
	_Atomic int killed_by;
	_Atomic int64_t reached; /* bytes the killed process had touched */
	/* reclaim only */
	char dir[128];
	int64_t file_size, failcnt, pressure_us;
	int threads;
	_Atomic uint64_t seeds;
};

static char *map_memory(int64_t size)
{
	void *p = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Works on a fixed amount of memory, again and again. */
static void steady(struct sandbox *sb, int64_t size, struct tally *tally)
{
	char *p = map_memory(size);
	enum phase phase;

	while (p && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		for (int64_t at = 0; at < size; at += PAGE)
			p[at]++;
		if (tally)
			tally_add(tally, phase, sandbox_phase(sb), clock_ns() - began);
		nap_ns(40 * MS);
	}
}

static void steady_body(struct sandbox *sb, void *arg)
{
	steady(sb, *(const int64_t *)arg, NULL);
}

static void grow(struct mem_state *st)
{
	int64_t size = 4 * st->limit;
	char *p = map_memory(size);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(30);
	for (int64_t at = 0; p && at < size; at += PAGE) {
		p[at] = 1;
		if (at % MIB == 0) {
			atomic_store(&st->reached, at);
			nap_ns(st->pace_ns);
		}
	}
	_exit(0);
}

/* The container's first process: works, and at the onset starts a child that outgrows the limit. */
static void parent_of_grower(struct sandbox *sb, void *arg)
{
	struct mem_state *st = arg;
	char *p = map_memory(st->used);
	pid_t pid = 0;
	int status;

	while (p && sandbox_phase(sb) < PHASE_STOP) {
		for (int64_t at = 0; at < st->used; at += PAGE)
			p[at]++;
		if (pid == 0 && sandbox_phase(sb) == PHASE_FAULT) {
			pid = fork();
			if (pid == 0)
				grow(st);
		}
		if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid) {
			atomic_store(&st->killed_by, WIFSIGNALED(status) ? WTERMSIG(status) : -1);
			pid = -1;
		}
		nap_ns(20 * MS);
	}
}

static int limit_memory(struct sandbox *sb, const struct container *c, int64_t limit)
{
	char value[32];

	snprintf(value, sizeof(value), "%lld", (long long)limit);
	return container_write(sb, c, "memory", "memory.limit_in_bytes", "memory.max", value);
}

static int steady_container(struct sandbox *sb, struct mem_state *st)
{
	int64_t limit = sandbox_random(sb, 64, 128) * MIB;
	int r = container_new(sb, &sb->bystander);

	st->bystander_used = limit * sandbox_random(sb, 40, 60) / 100;
	facts_int(&sb->params, "bystander_limit_bytes", limit);
	facts_int(&sb->params, "bystander_used_bytes", st->bystander_used);
	if (r == 0)
		r = limit_memory(sb, sb->bystander, limit);
	if (r == 0)
		r = sandbox_spawn(sb, sb->bystander, steady_body, &st->bystander_used);
	return r < 0 ? r : 0;
}

static int oom_setup(struct sandbox *sb)
{
	struct mem_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	st->limit = sandbox_random(sb, 64, 256) * MIB;
	st->used = st->limit * sandbox_random(sb, 10, 25) / 100;
	st->pace_ns = sandbox_random(sb, 2, 8) * MS;
	facts_int(&sb->params, "limit_bytes", st->limit);
	facts_int(&sb->params, "used_bytes", st->used);
	facts_ns(&sb->params, "pace_per_mib_ns", st->pace_ns);
	sb->culprit = sb->victim;
	if (r == 0)
		r = limit_memory(sb, sb->victim, st->limit);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, parent_of_grower, st);
	return r < 0 ? r : steady_container(sb, st);
}

static bool oom_over(struct sandbox *sb)
{
	struct mem_state *st = sb->state;

	return st->killed_by != 0;
}

static int oom_proof(struct sandbox *sb)
{
	struct mem_state *st = sb->state;

	facts_int(&sb->proof, "killed_by_signal", st->killed_by);
	facts_int(&sb->proof, "reached_bytes", st->reached);
	facts_int(&sb->proof, "oom_kill",
		  container_read(sb, sb->victim, "memory", "memory.oom_control", "memory.events", "oom_kill"));
	return st->killed_by == SIGKILL && st->reached > st->limit / 2 ? 0 : -ENODATA;
}

const struct fault fault_oom_memcg = {
	.name = "oom_memcg",
	.cause = "mem.oom.memcg",
	.text = "A child process grows past its container's memory limit and is killed.",
	.needs = "root, the memory controller",
	.fault_ms = 8000,
	.setup = oom_setup,
	.over = oom_over,
	.proof = oom_proof,
};
