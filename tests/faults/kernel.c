/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures of the kernel itself.  They go through a module that only the guests of tests/vm load, so that a machine
 * somebody uses cannot be hit.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/work.h"

#define DOOR "/proc/kwhy_fault"
#define NEEDS "a guest of tests/vm, with its module"
#define SYSLOG_ACTION_READ_ALL 3

/* What is asked of the module, and how the kernel is told to complain within seconds. */
struct failure {
	const char *kind;
	const char *words;     /* in the kernel's log, when it was real */
	const char *limit;     /* file with the kernel's patience */
	const char *impatient; /* value for it; NULL: nothing to change */
	int seconds;
	bool host; /* it hits no container */
};

struct kernel_state {
	struct requests requests;
	struct tally tally[PHASES];
	const struct failure *failure;
	char patience[32]; /* the limit's former value */
	_Atomic int done;
};

static int set_limit(const struct failure *f, const char *value)
{
	return f->limit ? sandbox_write_file(f->limit, value) : 0;
}

static int read_limit(struct sandbox *sb, const struct failure *f)
{
	struct kernel_state *st = sb->state;
	AUTO_FCLOSE FILE *file = f->limit ? fopen(f->limit, "re") : NULL;

	if (!f->limit)
		return 0;
	if (!file || !fgets(st->patience, sizeof(st->patience), file))
		return sandbox_fail(sb, -EOPNOTSUPP, "this kernel does not have %s", f->limit);
	return 0;
}

/* Ordinary requests, in the middle of which the kernel fails. */
static void fail_inside(struct sandbox *sb, void *arg)
{
	struct kernel_state *st = sb->state;
	const struct failure *f = arg;
	char text[32];
	pid_t pid;

	while (sandbox_phase(sb) < PHASE_FAULT) {
		burn_cpu(st->requests.work_ns);
		nap_ns(4 * st->requests.work_ns);
	}
	snprintf(text, sizeof(text), "%s %d", f->kind, f->seconds);
	pid = fork(); /* an oops ends who meets it */
	if (pid == 0)
		_exit(sandbox_write_file(DOOR, text) < 0);
	while (!st->done && sandbox_phase(sb) < PHASE_STOP)
		nap_ns(50 * MS);
}

static int kernel_setup(struct sandbox *sb, const struct failure *f)
{
	struct kernel_state *st = sb->state;
	int r;

	if (access(DOOR, W_OK) < 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "there is no %s: only guests have it", DOOR);
	r = read_limit(sb, f);
	if (r == 0)
		r = sandbox_parties(sb);
	if (r < 0)
		return r;
	st->failure = f;
	st->requests.work_ns = sandbox_random(sb, 2, 6) * MS;
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "kernel:");
	facts_int(&sb->params, "seconds", f->seconds);
	r = sandbox_spawn(sb, sb->victim, fail_inside, (void *)f);
	sb->culprit = NULL;
	if (f->host)
		sb->victim = NULL;
	return r < 0 ? r : 0;
}

static int kernel_onset(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;

	return set_limit(st->failure, st->failure->impatient);
}

/* Whether the kernel has complained by now. */
static bool log_says(const char *words)
{
	int size = 1 << 20, n;
	AUTO_FREE char *log = malloc(size + 1);

	n = log ? klogctl(SYSLOG_ACTION_READ_ALL, log, size) : -1;
	if (n < 0)
		return false;
	log[n] = '\0';
	return strstr(log, words) != NULL;
}

static int kernel_end(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;

	atomic_store(&st->done, 1);
	set_limit(st->failure, st->patience);
	return 0;
}

static int kernel_proof(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;

	return log_says(st->failure->words) ? 0 : -ENODATA;
}

#define KERNEL_FAULT(id, fault_cause, fault_text, seconds_of_it, ...)                                           \
	static const struct failure id##_failure = { __VA_ARGS__ };                                           \
	static int id##_setup(struct sandbox *sb)                                                               \
	{                                                                                                       \
		return kernel_setup(sb, &id##_failure);                                                         \
	}                                                                                                       \
	const struct fault fault_##id = {                                                                       \
		.name = #id,                                                                                    \
		.cause = fault_cause,                                                                           \
		.text = fault_text,                                                                             \
		.probes = "",                                                                                   \
		.needs = NEEDS,                                                                                 \
		.fault_ms = (seconds_of_it) * 1000,                                                             \
		.setup = id##_setup,                                                                            \
		.onset = kernel_onset,                                                                          \
		.end = kernel_end,                                                                              \
		.proof = kernel_proof,                                                                          \
	}

KERNEL_FAULT(kernel_softlockup, "kernel.softlockup", "a system call does not leave the kernel nor give up its CPU", 8,
	     .kind = "softlockup", .words = "soft lockup", .limit = "/proc/sys/kernel/watchdog_thresh",
	     .impatient = "1", .seconds = 6);
KERNEL_FAULT(kernel_rcu_stall, "kernel.rcu_stall", "a system call stays in a read-side critical section", 9,
	     .kind = "rcu", .words = "stall", .limit = "/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout",
	     .impatient = "3", .seconds = 7);
KERNEL_FAULT(kernel_workqueue, "kernel.workqueue", "a work item keeps its worker pool from all others", 9,
	     .kind = "workqueue", .words = "workqueue lockup", .limit = "/sys/module/workqueue/parameters/watchdog_thresh",
	     .impatient = "2", .seconds = 7, .host = true);
KERNEL_FAULT(kernel_oops, "kernel.oops", "a system call follows a bad pointer", 3, .kind = "oops", .words = "Oops",
	     .seconds = 1);
KERNEL_FAULT(kernel_warning, "kernel.oops", "the kernel finds an assumption of its own violated", 3, .kind = "warning",
	     .words = "asked to warn", .seconds = 1);
