/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: killed at one's own limit, or busy reclaiming below it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/disk.h"
#include "tests/faults/faults.h"
#include "tests/faults/work.h"

#define MIB ((int64_t)1 << 20)
#define PAGE 4096
#define PIECE (64 << 10)

struct mem_state {
	struct tally requests[PHASES];
	int64_t limit, used, bystander_used, pace_ns;
	_Atomic int killed_by;
	_Atomic int64_t reached; /* bytes the killed process had touched */
	/* reclaim only */
	char dir[128];
	int64_t file_size, failcnt, pressure_us;
	int writes_of_8;
};

struct mapped_file {
	char *map, *piece;
	int fd;
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
	.probes = "oom,signal,exit",
	.needs = "root, the memory controller",
	.fault_ms = 8000,
	.setup = oom_setup,
	.over = oom_over,
	.proof = oom_proof,
};


/* One read of each page. */
static void read_pages(const volatile char *p, int64_t size)
{
	for (int64_t at = 0; at < size; at += PAGE)
		(void)p[at];
}

static uint64_t step(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

/*
 * Reads pages of the mapped file and overwrites pieces of it: what that brings in must push something else out at
 * the limit, and a dirty page only goes once it was written back.
 */
static void touch_pages(struct mem_state *st, const struct mapped_file *f, int64_t size, uint64_t *seed)
{
	uint64_t pieces = (uint64_t)(size / PIECE);

	for (int i = 0; i < 8; i++) {
		int64_t at = (int64_t)(step(seed) % pieces) * PIECE;

		if (i < st->writes_of_8 && pwrite(f->fd, f->piece, PIECE, at) != PIECE)
			return;
		if (i >= st->writes_of_8)
			read_pages(f->map + at, PIECE);
	}
}

/* One thread: more would wait for each other's CPU time, which is another story. */
static void reclaim_body(struct sandbox *sb, void *arg)
{
	struct mem_state *st = arg;
	AUTO_FREE char *piece = calloc(1, PIECE);
	char path[160], *anon = map_memory(st->used);
	AUTO_CLOSE int fd = -1;
	struct mapped_file f = { .piece = piece };
	uint64_t seed = (uint64_t)getpid();
	enum phase phase;

	snprintf(path, sizeof(path), "%s/data.db", st->dir);
	fd = f.fd = open(path, O_RDWR | O_CLOEXEC);
	f.map = fd < 0 ? MAP_FAILED : mmap(NULL, (size_t)st->file_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!anon || !piece || f.map == MAP_FAILED)
		return;
	for (int64_t at = 0; at < st->used; at += PAGE)
		anon[at] = 1;
	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		touch_pages(st, &f, phase == PHASE_FAULT ? st->file_size : st->limit / 8, &seed);
		tally_add(st->requests, phase, sandbox_phase(sb), clock_ns() - began);
		if (phase != PHASE_FAULT)
			nap_ns(10 * MS);
	}
}

/* Past the page cache, or its pages would be charged to us and not to who reads them first. */
static int make_file(struct sandbox *sb, const char *path, int64_t size)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0644);
	AUTO_FREE char *buf = aligned_alloc(PAGE, MIB);

	if (fd < 0 || !buf)
		return sandbox_fail(sb, -EIO, "cannot make %s", path);
	memset(buf, 'x', MIB);
	for (int64_t at = 0; at < size; at += MIB)
		if (pwrite(fd, buf, MIB, at) != MIB)
			return sandbox_fail(sb, -EIO, "cannot fill %s", path);
	return 0;
}

static int reclaim_setup(struct sandbox *sb)
{
	struct mem_state *st = sb->state;
	char path[160];
	int r = container_new(sb, &sb->victim);

	st->limit = sandbox_random(sb, 48, 96) * MIB;
	st->used = st->limit * sandbox_random(sb, 50, 65) / 100;
	st->file_size = st->limit / MIB * sandbox_random(sb, 3, 4) * MIB;
	st->writes_of_8 = sandbox_random(sb, 5, 8);
	facts_int(&sb->params, "limit_bytes", st->limit);
	facts_int(&sb->params, "anon_bytes", st->used);
	facts_int(&sb->params, "file_bytes", st->file_size);
	facts_int(&sb->params, "writes_of_8", st->writes_of_8);
	sb->culprit = sb->victim;
	if (r == 0)
		r = limit_memory(sb, sb->victim, st->limit);
	if (r == 0)
		r = ext4_new(sb, sandbox_word(sb), st->file_size + 64 * MIB, st->dir, sizeof(st->dir));
	snprintf(path, sizeof(path), "%s/data.db", st->dir);
	if (r == 0)
		r = make_file(sb, path, st->file_size);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, reclaim_body, st);
	return r < 0 ? r : steady_container(sb, st);
}

static int64_t read_failcnt(struct sandbox *sb)
{
	bool v2 = controller_is_v2(sb, "memory");

	return container_read(sb, sb->victim, "memory", "memory.failcnt", "memory.events", v2 ? "max" : NULL);
}

static int reclaim_onset(struct sandbox *sb)
{
	struct mem_state *st = sb->state;

	st->failcnt = read_failcnt(sb);
	st->pressure_us = container_pressure_us(sb, sb->victim, "memory");
	return 0;
}

static int reclaim_end(struct sandbox *sb)
{
	struct mem_state *st = sb->state;

	st->failcnt = read_failcnt(sb) - st->failcnt;
	st->pressure_us = container_pressure_us(sb, sb->victim, "memory") - st->pressure_us;
	return 0;
}

static int reclaim_proof(struct sandbox *sb)
{
	struct mem_state *st = sb->state;

	facts_tally(&sb->proof, "touch", st->requests);
	facts_int(&sb->proof, "limit_hits", st->failcnt);
	facts_ns(&sb->proof, "memory_pressure_ns", st->pressure_us * 1000);
	facts_int(&sb->proof, "oom_kill",
		  container_read(sb, sb->victim, "memory", "memory.oom_control", "memory.events", "oom_kill"));
	return st->failcnt > 100 && st->pressure_us * 1000 > sb->fault_ms * MS / 10 ? 0 : -ENODATA;
}

const struct fault fault_reclaim_memcg = {
	.name = "reclaim_memcg",
	.cause = "mem.reclaim.memcg",
	.text = "A container works on a file larger than its memory limit and stalls reclaiming its own pages.",
	.probes = "reclaim",
	.needs = "root, the memory controller, loop devices, ext4, mkfs.ext4",
	.setup = reclaim_setup,
	.onset = reclaim_onset,
	.end = reclaim_end,
	.proof = reclaim_proof,
};
