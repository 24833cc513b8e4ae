/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of a group: one container fills the limit that several share, and another one pays. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/mem.h"

struct pod_state {
	struct tally requests[PHASES];
	struct container *group;
	int64_t limit, used, bystander_used;
	int64_t from, to, pace_ns; /* of each grower */
	int growers, victim_adj;
	_Atomic int killed_by;
	_Atomic int64_t grown;
	struct mem_file file;
	struct mem_squeeze squeeze;
};

static int pod_setup(struct sandbox *sb, struct pod_state *st)
{
	int r = container_group(sb, &st->group);

	if (r == 0)
		r = container_new_in(sb, st->group, &sb->victim);
	if (r == 0)
		r = container_new_in(sb, st->group, &sb->culprit);
	if (r == 0)
		r = container_new_in(sb, st->group, &sb->bystander);
	if (r == 0)
		r = mem_limit(sb, st->group, st->limit);
	facts_str(&sb->params, "group", st->group ? st->group->path : "");
	facts_int(&sb->params, "limit_bytes", st->limit);
	facts_int(&sb->params, "used_bytes", st->used);
	facts_int(&sb->params, "bystander_used_bytes", st->bystander_used);
	facts_int(&sb->params, "growers", st->growers);
	facts_int(&sb->params, "grows_from_bytes", st->from * st->growers);
	facts_int(&sb->params, "grows_to_bytes", st->to * st->growers);
	return r < 0 ? r : sandbox_spawn(sb, sb->bystander, mem_steady_body, &st->bystander_used);
}

/* Grows from the onset on, until it has what it wants or somebody was killed. */
static void grower(struct sandbox *sb, void *arg)
{
	struct pod_state *st = arg;
	char *p = mem_map(st->to);
	int64_t size = st->from;

	if (!p)
		return;
	mem_touch(p, size);
	while (sandbox_phase(sb) < PHASE_STOP) {
		if (sandbox_phase(sb) != PHASE_FAULT || size >= st->to || st->killed_by) {
			mem_touch(p, size);
			nap_ns(20 * MS);
			continue;
		}
		mem_touch(p + size, MIN(MIB, st->to - size));
		size += MIN(MIB, st->to - size);
		atomic_fetch_add(&st->grown, MIB);
		nap_ns(st->pace_ns);
	}
}

static int spawn_growers(struct sandbox *sb, struct pod_state *st)
{
	int r = 0;

	for (int i = 0; i < st->growers && r >= 0; i++)
		r = sandbox_spawn(sb, sb->culprit, grower, st);
	return r < 0 ? r : 0;
}

/* ---- killed ------------------------------------------------------------------------------------------------------ */

static void worker(struct pod_state *st)
{
	char adj[8], *p = mem_map(st->used);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(40);
	snprintf(adj, sizeof(adj), "%d", st->victim_adj);
	sandbox_write_file("/proc/self/oom_score_adj", adj);
	while (p) {
		mem_touch(p, st->used);
		nap_ns(20 * MS);
	}
	_exit(1);
}

static void parent_of_worker(struct sandbox *sb, void *arg)
{
	struct pod_state *st = arg;
	pid_t pid = fork();
	int status;

	if (pid == 0)
		worker(st);
	while (sandbox_phase(sb) < PHASE_STOP) {
		if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid) {
			atomic_store(&st->killed_by, WIFSIGNALED(status) ? WTERMSIG(status) : -1);
			pid = -1;
		}
		nap_ns(5 * MS);
	}
	if (pid > 0)
		kill(pid, SIGKILL);
}

/* Either the victim is the largest task of all, or it is the one that stands first in line. */
static int oom_setup(struct sandbox *sb)
{
	struct pod_state *st = sb->state;
	int r;

	st->limit = sandbox_random(sb, 128, 320) * MIB;
	st->bystander_used = st->limit * sandbox_random(sb, 5, 8) / 100;
	st->pace_ns = sandbox_random(sb, 3, 9) * MS;
	if (sandbox_chance(sb, 0.5)) {
		st->growers = sandbox_random(sb, 3, 4);
		st->used = st->limit * sandbox_random(sb, 40, 50) / 100;
	} else {
		st->growers = 1;
		st->used = st->limit * sandbox_random(sb, 15, 25) / 100;
		st->victim_adj = sandbox_random(sb, 850, 950);
	}
	st->from = st->limit / 20 / st->growers;
	st->to = st->limit / st->growers;
	r = pod_setup(sb, st);
	facts_int(&sb->params, "victim_adj", st->victim_adj);
	if (r >= 0)
		r = sandbox_spawn(sb, sb->victim, parent_of_worker, st);
	return r < 0 ? r : spawn_growers(sb, st);
}

static bool oom_over(struct sandbox *sb)
{
	struct pod_state *st = sb->state;

	return st->killed_by != 0;
}

static int oom_proof(struct sandbox *sb)
{
	struct pod_state *st = sb->state;

	facts_int(&sb->proof, "killed_by_signal", st->killed_by);
	facts_int(&sb->proof, "grown_bytes", st->grown);
	facts_int(&sb->proof, "group_limit_hits", mem_limit_hits(sb, st->group));
	facts_int(&sb->proof, "oom_kill", mem_oom_kills(sb, sb->victim));
	return st->killed_by == SIGKILL && st->grown > (st->limit - st->used) / 2 ? 0 : -ENODATA;
}

const struct fault fault_oom_ancestor = {
	.name = "oom_ancestor",
	.cause = "mem.oom.ancestor",
	.text = "A container fills the limit of its pod; a process of another container there is killed for it.",
	.probes = "oom,signal,exit",
	.needs = "root, the memory controller",
	.fault_ms = 8000,
	.setup = oom_setup,
	.over = oom_over,
	.proof = oom_proof,
};

/* ---- stalled ----------------------------------------------------------------------------------------------------- */

static void file_body(struct sandbox *sb, void *arg)
{
	struct pod_state *st = arg;
	struct mem_pace pace = { st->file.size, 1 };

	mem_file_work(sb, &st->file, pace, pace);
}

/* The victim does the same all the time, on a file that fits until the culprit takes its place. */
static int reclaim_setup(struct sandbox *sb)
{
	struct pod_state *st = sb->state;
	int r;

	st->limit = sandbox_random(sb, 96, 160) * MIB;
	st->bystander_used = st->limit * sandbox_random(sb, 5, 8) / 100;
	st->file = (struct mem_file){ .size = st->limit / MIB * sandbox_random(sb, 52, 60) / 100 * MIB,
				      .writes_of_8 = sandbox_random(sb, 5, 8),
				      .tally = st->requests };
	st->growers = 1;
	st->from = st->limit / 20;
	st->to = st->limit * sandbox_random(sb, 60, 66) / 100;
	st->pace_ns = sandbox_random(sb, 1, 4) * MS;
	r = pod_setup(sb, st);
	facts_int(&sb->params, "file_bytes", st->file.size);
	facts_int(&sb->params, "writes_of_8", st->file.writes_of_8);
	if (r >= 0)
		r = mem_file_new(sb, &st->file);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, file_body, st);
	return r < 0 ? r : spawn_growers(sb, st);
}

static int reclaim_onset(struct sandbox *sb)
{
	struct pod_state *st = sb->state;

	mem_squeeze_begin(sb, st->group, &st->squeeze);
	return 0;
}

static int reclaim_end(struct sandbox *sb)
{
	struct pod_state *st = sb->state;

	mem_squeeze_end(sb, st->group, &st->squeeze);
	return 0;
}

static int reclaim_proof(struct sandbox *sb)
{
	struct pod_state *st = sb->state;

	facts_tally(&sb->proof, "touch", st->requests);
	facts_int(&sb->proof, "grown_bytes", st->grown);
	return mem_squeeze_proof(sb, &st->squeeze, 5);
}

const struct fault fault_reclaim_ancestor = {
	.name = "reclaim_ancestor",
	.cause = "mem.reclaim.ancestor",
	.text = "A container fills the limit of its pod; another one there must free memory for each page it touches.",
	.probes = "reclaim",
	.needs = "root, the memory controller, loop devices, ext4, mkfs.ext4",
	.setup = reclaim_setup,
	.onset = reclaim_onset,
	.end = reclaim_end,
	.proof = reclaim_proof,
};
