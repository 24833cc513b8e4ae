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
#include "tests/faults/mem.h"

struct mem_state {
	struct tally requests[PHASES];
	int64_t limit, used, bystander_used, pace_ns;
	_Atomic int killed_by;
	_Atomic int64_t reached; /* bytes the killed process had touched */
	/* reclaim only */
	struct mem_file file;
	struct mem_squeeze squeeze;
};

uint64_t mem_step(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

char *mem_map(int64_t size)
{
	void *p = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void mem_touch(char *p, int64_t size)
{
	for (int64_t at = 0; at < size; at += PAGE)
		p[at]++;
}

void mem_steady_body(struct sandbox *sb, void *arg)
{
	int64_t size = *(const int64_t *)arg;
	char *p = mem_map(size);

	while (p && sandbox_phase(sb) < PHASE_STOP) {
		mem_touch(p, size);
		nap_ns(40 * MS);
	}
}

/*
 * The copy of the parent's memory goes first: each page that the parent then writes to would be there twice, and the
 * limit be reached with little of our own.
 */
static void grow(struct mem_state *st, char *inherited)
{
	int64_t size = 4 * st->limit;
	char *p = mem_map(size);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	munmap(inherited, (size_t)st->used);
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
	char *p = mem_map(st->used);
	pid_t pid = 0;
	int status;

	while (p && sandbox_phase(sb) < PHASE_STOP) {
		mem_touch(p, st->used);
		if (pid == 0 && sandbox_phase(sb) == PHASE_FAULT) {
			pid = fork();
			if (pid == 0)
				grow(st, p);
		}
		if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid) {
			atomic_store(&st->killed_by, WIFSIGNALED(status) ? WTERMSIG(status) : -1);
			pid = -1;
		}
		nap_ns(20 * MS);
	}
}

int mem_limit(struct sandbox *sb, const struct container *c, int64_t limit)
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
		r = mem_limit(sb, sb->bystander, limit);
	if (r == 0)
		r = sandbox_spawn(sb, sb->bystander, mem_steady_body, &st->bystander_used);
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
		r = mem_limit(sb, sb->victim, st->limit);
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
	facts_int(&sb->proof, "oom_kill", mem_oom_kills(sb, sb->victim));
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


struct mapped_file {
	char *map, *piece;
	int fd;
};

/* One read of each page. */
static void read_pages(const volatile char *p, int64_t size)
{
	for (int64_t at = 0; at < size; at += PAGE)
		(void)p[at];
}

/*
 * Reads pages of the mapped file and overwrites pieces of it: what that brings in must push something else out at
 * the limit, and a dirty page only goes once it was written back.
 */
static void touch_pages(const struct mapped_file *f, int64_t size, int writes_of_8, uint64_t *seed)
{
	uint64_t pieces = (uint64_t)(size / PIECE);

	for (int i = 0; i < 8; i++) {
		int64_t at = (int64_t)(mem_step(seed) % pieces) * PIECE;

		if (i < writes_of_8 && pwrite(f->fd, f->piece, PIECE, at) != PIECE)
			return;
		if (i >= writes_of_8)
			read_pages(f->map + at, PIECE);
	}
}

static void file_path(const struct mem_file *f, char *ret, size_t size)
{
	snprintf(ret, size, "%s/data.db", f->dir);
}

void mem_file_work(struct sandbox *sb, const struct mem_file *f, struct mem_pace calm, struct mem_pace fault)
{
	AUTO_FREE char *piece = calloc(1, PIECE);
	struct mapped_file m = { .piece = piece };
	uint64_t seed = (uint64_t)getpid();
	AUTO_CLOSE int fd = -1;
	enum phase phase;
	char path[160];

	file_path(f, path, sizeof(path));
	fd = m.fd = open(path, O_RDWR | O_CLOEXEC);
	m.map = fd < 0 ? MAP_FAILED : mmap(NULL, (size_t)f->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!piece || m.map == MAP_FAILED)
		return;
	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		const struct mem_pace *pace = phase == PHASE_FAULT ? &fault : &calm;
		int64_t began = clock_ns();

		touch_pages(&m, pace->size, f->writes_of_8, &seed);
		tally_add(f->tally, phase, sandbox_phase(sb), clock_ns() - began);
		nap_ns(pace->nap_ms * MS);
	}
}

int mem_file_new(struct sandbox *sb, struct mem_file *f)
{
	int r = ext4_new(sb, sandbox_word(sb), f->size + 64 * MIB, f->dir, sizeof(f->dir));
	AUTO_FREE char *buf = aligned_alloc(PAGE, MIB);
	AUTO_CLOSE int fd = -1;
	char path[160];

	if (r < 0)
		return r;
	file_path(f, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0644);
	if (fd < 0 || !buf)
		return sandbox_fail(sb, -EIO, "cannot make %s", path);
	memset(buf, 'x', MIB);
	for (int64_t at = 0; at < f->size; at += MIB)
		if (pwrite(fd, buf, MIB, at) != MIB)
			return sandbox_fail(sb, -EIO, "cannot fill %s", path);
	return 0;
}

/* One thread: more would wait for each other's CPU time, which is another story. */
static void reclaim_body(struct sandbox *sb, void *arg)
{
	struct mem_state *st = arg;
	char *anon = mem_map(st->used);

	if (!anon)
		return;
	mem_touch(anon, st->used);
	mem_file_work(sb, &st->file, (struct mem_pace){ st->limit / 8, 10 }, (struct mem_pace){ st->file.size, 0 });
}

static int reclaim_setup(struct sandbox *sb)
{
	struct mem_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	st->limit = sandbox_random(sb, 48, 96) * MIB;
	st->used = st->limit * sandbox_random(sb, 50, 65) / 100;
	st->file = (struct mem_file){ .size = st->limit / MIB * sandbox_random(sb, 3, 4) * MIB,
				      .writes_of_8 = sandbox_random(sb, 5, 8),
				      .tally = st->requests };
	facts_int(&sb->params, "limit_bytes", st->limit);
	facts_int(&sb->params, "anon_bytes", st->used);
	facts_int(&sb->params, "file_bytes", st->file.size);
	facts_int(&sb->params, "writes_of_8", st->file.writes_of_8);
	sb->culprit = sb->victim;
	if (r == 0)
		r = mem_limit(sb, sb->victim, st->limit);
	if (r == 0)
		r = mem_file_new(sb, &st->file);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, reclaim_body, st);
	return r < 0 ? r : steady_container(sb, st);
}

int64_t mem_limit_hits(struct sandbox *sb, const struct container *c)
{
	bool v2 = controller_is_v2(sb, "memory");

	return container_read(sb, c, "memory", "memory.failcnt", "memory.events", v2 ? "max" : NULL);
}

int64_t mem_oom_kills(struct sandbox *sb, const struct container *c)
{
	return container_read(sb, c, "memory", "memory.oom_control", "memory.events", "oom_kill");
}

void mem_squeeze_begin(struct sandbox *sb, const struct container *limited, struct mem_squeeze *s)
{
	s->hits = mem_limit_hits(sb, limited);
	s->pressure_us = container_pressure_us(sb, sb->victim, "memory");
}

void mem_squeeze_end(struct sandbox *sb, const struct container *limited, struct mem_squeeze *s)
{
	s->hits = mem_limit_hits(sb, limited) - s->hits;
	s->pressure_us = container_pressure_us(sb, sb->victim, "memory") - s->pressure_us;
}

int mem_squeeze_proof(struct sandbox *sb, const struct mem_squeeze *s, int percent)
{
	facts_int(&sb->proof, "limit_hits", s->hits);
	facts_ns(&sb->proof, "memory_pressure_ns", s->pressure_us * 1000);
	return s->hits > 100 && s->pressure_us * 1000 > sb->fault_ms * MS * percent / 100 ? 0 : -ENODATA;
}

static int reclaim_onset(struct sandbox *sb)
{
	struct mem_state *st = sb->state;

	mem_squeeze_begin(sb, sb->victim, &st->squeeze);
	return 0;
}

static int reclaim_end(struct sandbox *sb)
{
	struct mem_state *st = sb->state;

	mem_squeeze_end(sb, sb->victim, &st->squeeze);
	return 0;
}

static int reclaim_proof(struct sandbox *sb)
{
	struct mem_state *st = sb->state;

	facts_tally(&sb->proof, "touch", st->requests);
	facts_int(&sb->proof, "oom_kill", mem_oom_kills(sb, sb->victim));
	return mem_squeeze_proof(sb, &st->squeeze, 10);
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
