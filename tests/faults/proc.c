/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that others kill or freeze. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/work.h"

struct proc_state {
	struct tally requests[PHASES];
	_Atomic int worker;       /* pid of the process to be hit */
	_Atomic int kill_done;
	_Atomic int killed_by;    /* signal its parent saw */
	_Atomic int restarts;
	int signal;
	char freeze_path[256];
	const char *freeze_on, *freeze_off;
};

/* A worker below a supervisor of the same container. */
static pid_t fork_worker(struct sandbox *sb, const struct requests *rq)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve_requests(sb, rq);
		_exit(0);
	}
	return pid;
}

/* Starts a worker, and a new one after each death. */
static void supervise(struct sandbox *sb, void *arg)
{
	struct proc_state *st = sb->state;

	while (sandbox_phase(sb) < PHASE_STOP && st->restarts < 8) {
		pid_t pid = fork_worker(sb, arg);
		int status = 0;

		if (pid < 0)
			return;
		atomic_store(&st->worker, pid);
		if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status)) {
			atomic_store(&st->killed_by, WTERMSIG(status));
			atomic_fetch_add(&st->restarts, 1);
		}
	}
}

static void killer(struct sandbox *sb, void *arg)
{
	struct proc_state *st = sb->state;
	struct requests *rq = arg;

	while (sandbox_phase(sb) < PHASE_FAULT) {
		burn_cpu(rq->work_ns);
		nap_ns(rq->work_ns * 20);
	}
	kill(st->worker, st->signal);
	atomic_store(&st->kill_done, 1);
	while (sandbox_phase(sb) < PHASE_STOP) {
		burn_cpu(rq->work_ns);
		nap_ns(rq->work_ns * 20);
	}
}

/* Ends and restarts its own child all the time, which is nobody else's business. */
static void recycle(struct sandbox *sb, void *arg)
{
	while (sandbox_phase(sb) < PHASE_STOP) {
		pid_t pid = fork_worker(sb, arg);

		if (pid < 0)
			return;
		nap_ns(300 * MS);
		kill(pid, SIGTERM);
		waitpid(pid, NULL, 0);
	}
}

static int killed_setup(struct sandbox *sb)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGABRT };
	struct proc_state *st = sb->state;
	struct requests rq = { .work_ns = sandbox_random(sb, 2, 6) * MS, .percent = sandbox_random(sb, 15, 25) };
	int r = sandbox_parties(sb);

	if (r < 0)
		return r;
	st->signal = signals[sandbox_random(sb, 0, 2)];
	facts_int(&sb->params, "signal", st->signal);
	r = sandbox_spawn(sb, sb->bystander, recycle, &rq);
	if (r > 0)
		r = sandbox_spawn(sb, sb->culprit, killer, &rq);
	rq.tally = st->requests;
	if (r > 0)
		r = sandbox_spawn(sb, sb->victim, supervise, &rq);
	return r < 0 ? r : 0;
}

static bool killed_over(struct sandbox *sb)
{
	struct proc_state *st = sb->state;

	return st->kill_done && st->restarts > 0;
}

static int killed_proof(struct sandbox *sb)
{
	struct proc_state *st = sb->state;

	facts_int(&sb->proof, "killed_by_signal", st->killed_by);
	facts_int(&sb->proof, "restarts", st->restarts);
	facts_tally(&sb->proof, "request", st->requests);
	return st->killed_by == st->signal ? 0 : -ENODATA;
}

static void freezer(struct sandbox *sb, void *arg)
{
	struct proc_state *st = sb->state;

	(void)arg;
	while (sandbox_phase(sb) < PHASE_FAULT)
		nap_ns(5 * MS);
	sandbox_write_file(st->freeze_path, st->freeze_on);
	while (sandbox_phase(sb) == PHASE_FAULT)
		nap_ns(5 * MS);
	sandbox_write_file(st->freeze_path, st->freeze_off);
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

/* Whichever kind of freezer this host has; one of both at random. */
static int choose_freezer(struct sandbox *sb)
{
	struct proc_state *st = sb->state;
	const struct cgroup_tree *found[2];
	int n = 0, i;

	for (unsigned int t = 0; t < sb->tree_count && n < 2; t++)
		if (sb->trees[t].v2 || strstr(sb->trees[t].options, ",freezer,"))
			found[n++] = &sb->trees[t];
	if (n == 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "no cgroup freezer");
	i = sandbox_random(sb, 0, n - 1);
	st->freeze_on = found[i]->v2 ? "1" : "FROZEN";
	st->freeze_off = found[i]->v2 ? "0" : "THAWED";
	snprintf(st->freeze_path, sizeof(st->freeze_path), "%s%s/%s", found[i]->dir, sb->victim->path,
		 found[i]->v2 ? "cgroup.freeze" : "freezer.state");
	facts_str(&sb->params, "freezer", found[i]->v2 ? "v2" : "v1");
	return 0;
}

static int freeze_setup(struct sandbox *sb)
{
	struct proc_state *st = sb->state;
	struct requests rq = { .work_ns = sandbox_random(sb, 2, 6) * MS, .percent = sandbox_random(sb, 30, 50),
			       .tally = st->requests };
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, &sb->culprit);
	if (r == 0)
		r = choose_freezer(sb);
	if (r == 0)
		r = sandbox_spawn(sb, sb->culprit, freezer, NULL);
	if (r > 0)
		r = sandbox_spawn(sb, sb->victim, requests_body, &rq);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int freeze_proof(struct sandbox *sb)
{
	struct proc_state *st = sb->state;

	facts_tally(&sb->proof, "request", st->requests);
	/* The sleep between two requests may be what was frozen: then requests are missing instead. */
	return st->requests[1].max_ns > 1000 * (uint64_t)MS || st->requests[1].count <= 3 ? 0 : -ENODATA;
}

const struct fault fault_proc_killed = {
	.name = "proc_killed",
	.cause = "proc.killed",
	.text = "A process of one container kills a process of another.",
	.probes = "signal,exit",
	.needs = "root",
	.setup = killed_setup,
	.over = killed_over,
	.proof = killed_proof,
};

const struct fault fault_freeze_cgroup = {
	.name = "freeze_cgroup",
	.cause = "proc.frozen",
	.text = "A container freezes the cgroup of another one.",
	.probes = "scan,cgroup",
	.needs = "root, a cgroup freezer (v1 or v2)",
	.setup = freeze_setup,
	.proof = freeze_proof,
};
