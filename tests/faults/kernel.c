/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures of the kernel itself.  They go through a module that only the guests of tests/vm load, so that a machine
 * somebody uses cannot be hit.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/mem.h"
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
	const char *culprit; /* NULL: the kernel */
	void (*act)(void);   /* in a process of its own; NULL: what the module does */
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
	if (pid == 0) {
		if (f->act)
			f->act();
		else if (sandbox_write_file(DOOR, text) < 0)
			_exit(1);
		nap_ns(1500 * MS); /* still there when the kernel's log is read */
		_exit(0);
	}
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
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "%s", f->culprit ? f->culprit : "kernel:");
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
KERNEL_FAULT(alloc_fail, "mem.alloc_fail", "a system call wants more memory in large pieces than there is", 4,
	     .kind = "alloc", .words = "page allocation failure", .seconds = 1, .culprit = "memory");

/* The kernel takes the page for broken, and whoever touches it afterwards is killed. */
static void touch_poison(void)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED || madvise(p, 4096, MADV_HWPOISON) < 0)
		return;
	*(volatile char *)p = 1;
}

KERNEL_FAULT(hw_memory, "hw.memory", "a page of a process turns out to be broken", 4, .act = touch_poison,
	     .kind = "", .words = "Memory failure", .limit = "/proc/sys/vm/memory_failure_recovery", .impatient = "1",
	     .seconds = 1, .culprit = "memory");

/* A disk of scsi_debug, which has one bad sector (OPT_MEDIUM_ERR_ADDR of drivers/scsi/scsi_debug.c). */
static void read_bad_sector(void)
{
	AUTO_FREE void *buf = aligned_alloc(4096, 4096);
	char path[64], model[32];

	for (char disk = 'a'; disk <= 'd' && buf; disk++) {
		AUTO_FCLOSE FILE *f = NULL;
		AUTO_CLOSE int fd = -1;

		snprintf(path, sizeof(path), "/sys/block/sd%c/device/model", disk);
		f = fopen(path, "re");
		if (!f || !fgets(model, sizeof(model), f) || strncmp(model, "scsi_debug", 10) != 0)
			continue;
		snprintf(path, sizeof(path), "/dev/sd%c", disk);
		fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
		for (int i = 0; fd >= 0 && i < 3; i++)
			if (pread(fd, buf, 4096, (off_t)0x1234 / 8 * 4096) < 0)
				nap_ns(200 * MS);
	}
}

KERNEL_FAULT(hw_disk, "hw.disk", "a disk has a sector that cannot be read", 4, .act = read_bad_sector, .kind = "",
	     .words = "critical medium error", .seconds = 1, .culprit = "disk");

/* ---- a lock that is spun for ------------------------------------------------------------------------------------- */

static void spinner(struct sandbox *sb, void *arg)
{
	struct kernel_state *st = arg;
	AUTO_CLOSE int fd = open(DOOR, O_RDONLY | O_CLOEXEC);
	enum phase phase;
	char byte;

	while (fd >= 0 && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		if (pread(fd, &byte, 1, 0) < 0)
			return;
		tally_add(st->tally, phase, sandbox_phase(sb), clock_ns() - began);
		nap_ns(20 * MS);
	}
}

static void spin_holder(struct sandbox *sb, void *arg)
{
	(void)arg;
	while (sandbox_phase(sb) < PHASE_AFTER) {
		if (sandbox_phase(sb) == PHASE_FAULT)
			sandbox_write_file(DOOR, "spin 1");
		nap_ns(300 * MS);
	}
}

static int spin_setup(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;
	int r;

	if (access(DOOR, R_OK | W_OK) < 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "there is no %s: only guests have it", DOOR);
	r = sandbox_parties(sb);
	if (r == 0)
		r = sandbox_spawn(sb, sb->culprit, spin_holder, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->victim, spinner, st);
	sb->culprit = NULL; /* such a lock does not say who has it */
	return r < 0 ? r : 0;
}

static int spin_proof(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;

	facts_tally(&sb->proof, "spin", st->tally);
	return st->tally[PHASE_FAULT].max_ns > 300 * (uint64_t)MS ? 0 : -ENODATA;
}

const struct fault fault_lock_spin = {
	.name = "lock_spin",
	.cause = "lock.spin",
	.text = "A container spins for a kernel lock that another one holds for a second at a time.",
	.probes = "lock",
	.needs = NEEDS,
	.setup = spin_setup,
	.proof = spin_proof,
};

/* ---- no memory left on the node ---------------------------------------------------------------------------------- */

struct node_state {
	int64_t used;
	_Atomic int64_t taken;
	_Atomic int killed_by;
};

#define BITE (32 * MIB)

/* From here on the kernel would take pages of programs away and read them again, for minutes, before it gives up. */
static bool node_is_full(void)
{
	struct sysinfo info;

	return sysinfo(&info) == 0 && info.freeram + info.bufferram < info.totalram / 12;
}

/* Steady, but the first that the kernel would end. */
static void innocent(struct sandbox *sb, void *arg)
{
	struct node_state *st = arg;
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		sandbox_write_file("/proc/self/oom_score_adj", "900");
		mem_steady_body(sb, &st->used);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	atomic_store(&st->killed_by, WIFSIGNALED(status) ? WTERMSIG(status) : -1);
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

/* Takes all there is; then the OOM killer is asked to do at once what it would do in the end. */
static void glutton(struct sandbox *sb, void *arg)
{
	struct node_state *st = arg;

	while (sandbox_phase(sb) < PHASE_STOP) {
		char *p = NULL;

		if (sandbox_phase(sb) == PHASE_FAULT && !st->killed_by && !node_is_full())
			p = mem_map(BITE);
		else if (sandbox_phase(sb) == PHASE_FAULT && !st->killed_by)
			sandbox_write_file("/proc/sysrq-trigger", "f");
		if (p) {
			madvise(p, BITE, MADV_HUGEPAGE);
			mem_touch(p, BITE);
			atomic_fetch_add(&st->taken, BITE);
		}
		nap_ns(p ? 20 * MS : 1000 * MS);
	}
}

static int node_setup(struct sandbox *sb)
{
	struct node_state *st = sb->state;
	int r;

	if (access(DOOR, W_OK) < 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "there is no %s: only guests have it", DOOR);
	r = sandbox_parties(sb);
	st->used = sandbox_random(sb, 150, 350) * MIB;
	facts_int(&sb->params, "used_bytes", st->used);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, innocent, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->culprit, glutton, st);
	return r < 0 ? r : 0;
}

static bool node_over(struct sandbox *sb)
{
	struct node_state *st = sb->state;

	return st->killed_by != 0;
}

static int node_proof(struct sandbox *sb)
{
	struct node_state *st = sb->state;

	facts_int(&sb->proof, "killed_by_signal", st->killed_by);
	facts_int(&sb->proof, "taken_bytes", st->taken);
	return st->killed_by == SIGKILL && log_says("Out of memory: Killed process") ? 0 : -ENODATA;
}

const struct fault fault_oom_global = {
	.name = "oom_global",
	.cause = "mem.oom.global",
	.text = "A container takes all memory of the node, and the kernel ends a process of another one for it.",
	.probes = "oom,signal,exit",
	.needs = NEEDS,
	.fault_ms = 60000,
	.setup = node_setup,
	.over = node_over,
	.proof = node_proof,
};
