/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that crash, are stopped, traced, refused a system call, or leave their children unburied. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/work.h"

enum end { END_SEGV, END_ABORT, END_ILL, END_FPE, END_BUS, ENDS };

static const int end_signals[ENDS] = { SIGSEGV, SIGABRT, SIGILL, SIGFPE, SIGBUS };

struct fate_state {
	struct tally requests[PHASES];
	struct requests rq;
	enum end end;
	int syscall;
	_Atomic int worker;     /* pid of who is hit */
	_Atomic int died_of;    /* signal its parent saw */
	_Atomic int acted;
	_Atomic uint64_t stops; /* ptrace stops */
	int children, delay_us;
};

/* ---- its own fault ---------------------------------------------------------------------------------------------- */

static void bus_error(void)
{
	int fd = memfd_create("short", MFD_CLOEXEC);
	volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	if (p != MAP_FAILED)
		(void)*p; /* behind the end of the file */
}

static void come_to_an_end(enum end end)
{
	volatile int zero = 0;

	switch (end) {
	case END_SEGV:
		*(volatile int *)(uintptr_t)(zero + 8) = 1;
		break;
	case END_ILL:
		__builtin_trap();
	case END_FPE:
#if defined(__x86_64__)
		/* In C it is undefined, and of 1 / x gcc makes comparisons. */
		__asm__ volatile("cltd\n\tidivl %1" : : "a"(1), "r"(zero) : "edx", "cc");
#else
		raise(SIGFPE);
#endif
		break;
	case END_BUS:
		bus_error();
		break;
	default:
		break;
	}
	abort();
}

static void forbid(int syscall)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)syscall, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* A worker that serves, and in the fault does what ends it. */
static void doomed(struct sandbox *sb, struct fate_state *st)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (st->syscall)
		forbid(st->syscall);
	while (sandbox_phase(sb) < PHASE_FAULT) {
		burn_cpu(st->rq.work_ns);
		nap_ns(st->rq.work_ns * 5);
	}
	if (st->syscall)
		syscall(st->syscall, 0, 0, 0);
	else
		come_to_an_end(st->end);
	_exit(0);
}

static void doomed_parent(struct sandbox *sb, void *arg)
{
	struct fate_state *st = arg;
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		doomed(sb, st);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		atomic_store(&st->died_of, WTERMSIG(status));
	atomic_store(&st->acted, 1);
	serve_requests(sb, &st->rq);
}

static int one_container(struct sandbox *sb)
{
	struct fate_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	sb->culprit = sb->victim;
	st->rq = (struct requests){ .work_ns = sandbox_random(sb, 2, 6) * MS, .percent = sandbox_random(sb, 15, 25),
				    .tally = st->requests };
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int spawn_doomed(struct sandbox *sb)
{
	int r = sandbox_spawn(sb, sb->victim, doomed_parent, sb->state);

	return r < 0 ? r : 0;
}

static int crash_setup(struct sandbox *sb)
{
	struct fate_state *st = sb->state;
	int r = one_container(sb);

	st->end = (enum end)sandbox_random(sb, 0, ENDS - 1);
	facts_int(&sb->params, "signal", end_signals[st->end]);
	return r < 0 ? r : spawn_doomed(sb);
}

static int denied_setup(struct sandbox *sb)
{
	static const int calls[] = { SYS_getppid, SYS_uname, SYS_sysinfo, SYS_getpriority, SYS_personality };
	struct fate_state *st = sb->state;
	int r = one_container(sb);

	st->syscall = calls[sandbox_random(sb, 0, ARRAY_SIZE(calls) - 1)];
	facts_int(&sb->params, "syscall", st->syscall);
	return r < 0 ? r : spawn_doomed(sb);
}

static bool fate_over(struct sandbox *sb)
{
	struct fate_state *st = sb->state;

	return st->acted;
}

static int died_proof(struct sandbox *sb)
{
	struct fate_state *st = sb->state;

	facts_int(&sb->proof, "died_of", st->died_of);
	return st->died_of == (st->syscall ? SIGSYS : end_signals[st->end]) ? 0 : -ENODATA;
}

/* ---- stopped and traced ----------------------------------------------------------------------------------------- */

static void worker(struct sandbox *sb, void *arg)
{
	struct fate_state *st = arg;

	atomic_store(&st->worker, getpid());
	serve_requests(sb, &st->rq);
}

static void stopper(struct sandbox *sb, void *arg)
{
	struct fate_state *st = arg;

	while (sandbox_phase(sb) < PHASE_FAULT)
		nap_ns(5 * MS);
	kill(st->worker, SIGSTOP);
	while (sandbox_phase(sb) == PHASE_FAULT)
		nap_ns(5 * MS);
	kill(st->worker, SIGCONT);
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

/* Asks for the time of day all along, as many programs do, by way of the kernel. */
static void caller(struct sandbox *sb, void *arg)
{
	struct fate_state *st = arg;
	enum phase phase;

	atomic_store(&st->worker, getpid());
	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		for (int i = 0; i < 20; i++)
			syscall(SYS_getppid);
		burn_cpu(st->rq.work_ns / 4);
		tally_add(st->requests, phase, sandbox_phase(sb), clock_ns() - began);
		nap_ns(st->rq.work_ns);
	}
}

/* Ends with the fault: the kernel then lets go of what it traces. */
static void trace(struct sandbox *sb, struct fate_state *st)
{
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ptrace(PTRACE_SEIZE, st->worker, NULL, PTRACE_O_TRACESYSGOOD) < 0 ||
	    ptrace(PTRACE_INTERRUPT, st->worker, NULL, NULL) < 0)
		_exit(1);
	while (sandbox_phase(sb) == PHASE_FAULT && waitpid(st->worker, &status, __WALL) == st->worker &&
	       WIFSTOPPED(status)) {
		atomic_fetch_add(&st->stops, 1);
		nap_ns(st->delay_us * 1000);
		ptrace(PTRACE_SYSCALL, st->worker, NULL, NULL);
	}
	_exit(0);
}

static void tracer(struct sandbox *sb, void *arg)
{
	struct fate_state *st = arg;
	pid_t pid;

	while (sandbox_phase(sb) < PHASE_FAULT)
		nap_ns(5 * MS);
	pid = fork();
	if (pid == 0)
		trace(sb, st);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static int two_containers(struct sandbox *sb, body_fn victim, body_fn culprit)
{
	int r = one_container(sb);

	if (r == 0)
		r = container_new(sb, &sb->culprit);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, victim, sb->state);
	if (r > 0)
		r = sandbox_spawn(sb, sb->culprit, culprit, sb->state);
	return r < 0 ? r : 0;
}

static int stopped_setup(struct sandbox *sb)
{
	return two_containers(sb, worker, stopper);
}

static int traced_setup(struct sandbox *sb)
{
	struct fate_state *st = sb->state;

	st->delay_us = sandbox_random(sb, 200, 2000);
	facts_int(&sb->params, "stop_us", st->delay_us);
	return two_containers(sb, caller, tracer);
}

static int stopped_proof(struct sandbox *sb)
{
	struct fate_state *st = sb->state;

	facts_tally(&sb->proof, "request", st->requests);
	return st->requests[1].max_ns > 1000 * (uint64_t)MS || st->requests[1].count <= 3 ? 0 : -ENODATA;
}

static int traced_proof(struct sandbox *sb)
{
	struct fate_state *st = sb->state;

	facts_tally(&sb->proof, "request", st->requests);
	facts_int(&sb->proof, "stops", (int64_t)st->stops);
	return tally_mean(&st->requests[1]) > 2 * tally_mean(&st->requests[0]) ? 0 : -ENODATA;
}

/* ---- children ---------------------------------------------------------------------------------------------------- */

static void neglect(struct sandbox *sb, void *arg)
{
	struct fate_state *st = arg;
	int left = st->children;

	while (sandbox_phase(sb) < PHASE_STOP) {
		if (sandbox_phase(sb) == PHASE_FAULT && left > 0) {
			pid_t pid = fork();

			if (pid == 0)
				_exit(0);
			if (pid > 0) {
				left--;
				atomic_fetch_add(&st->acted, 1);
			}
		}
		if (sandbox_phase(sb) == PHASE_AFTER)
			while (waitpid(-1, NULL, WNOHANG) > 0)
				;
		nap_ns(st->delay_us * 1000);
	}
}

static int zombies_setup(struct sandbox *sb)
{
	struct fate_state *st = sb->state;
	int r = one_container(sb);

	st->children = sandbox_random(sb, 40, 120);
	st->delay_us = sandbox_random(sb, 1000, 8000);
	facts_int(&sb->params, "children", st->children);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, neglect, st);
	return r < 0 ? r : 0;
}

static int zombies_proof(struct sandbox *sb)
{
	struct fate_state *st = sb->state;

	facts_int(&sb->proof, "dead", st->acted);
	return st->acted == st->children ? 0 : -ENODATA;
}

const struct fault fault_proc_crash = {
	.name = "proc_crash",
	.cause = "proc.crash",
	.text = "A process dies of its own fault: bad memory access, abort, illegal instruction, division by zero.",
	.probes = "signal,exit",
	.needs = "root",
	.setup = crash_setup,
	.over = fate_over,
	.proof = died_proof,
};

const struct fault fault_proc_denied = {
	.name = "proc_denied",
	.cause = "proc.denied",
	.text = "A process makes a system call that its seccomp filter answers with death.",
	.probes = "signal,exit",
	.needs = "root, seccomp filters",
	.setup = denied_setup,
	.over = fate_over,
	.proof = died_proof,
};

const struct fault fault_proc_stopped = {
	.name = "proc_stopped",
	.cause = "proc.stopped",
	.text = "A container stops a process of another one by SIGSTOP.",
	.probes = "signal,blocked,scan",
	.needs = "root",
	.setup = stopped_setup,
	.proof = stopped_proof,
};

const struct fault fault_proc_traced = {
	.name = "proc_traced",
	.cause = "proc.traced",
	.text = "A container traces every system call of another one's process.",
	.probes = "blocked",
	.needs = "root, ptrace",
	.setup = traced_setup,
	.proof = traced_proof,
};

const struct fault fault_proc_zombies = {
	.name = "proc_zombies",
	.cause = "proc.zombies",
	.text = "A process does not wait for dozens of children that ended.",
	.probes = "limits",
	.needs = "root",
	.fault_ms = 6500,
	.setup = zombies_setup,
	.proof = zombies_proof,
};
