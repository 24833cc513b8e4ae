/* SPDX-License-Identifier: Apache-2.0 */
/* A program that asks for something over and over and does not look at the answer. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/work.h"

enum asks { ASKS_READ, ASKS_OPEN, ASKS_KILL, ASKS_SHUTDOWN, ASKS };

static const struct {
	const char *call;
	int error;
} answers[ASKS] = {
	[ASKS_READ] = { "pread64", EBADF },
	[ASKS_OPEN] = { "openat", ENOENT },
	[ASKS_KILL] = { "kill", ESRCH },
	[ASKS_SHUTDOWN] = { "shutdown", ENOTCONN },
};

struct errors_state {
	_Atomic uint64_t failed, other, calm_failed;
	enum asks asks;
	int burst;
	char missing[128];
};

/* What it asks for is there at first, and then no more. */
static long ask(const struct errors_state *st, int fd, bool there)
{
	char byte;
	int other;

	switch (st->asks) {
	case ASKS_READ:
		return pread(there ? fd : -1, &byte, 1, 0);
	case ASKS_OPEN:
		other = open(there ? "/dev/null" : st->missing, O_RDONLY | O_CLOEXEC);
		return other >= 0 ? close(other) : -1;
	case ASKS_KILL:
		return kill(there ? getpid() : INT32_MAX, 0);
	default:
		return there ? 0 : shutdown(fd, SHUT_RD);
	}
}

static void asker(struct sandbox *sb, void *arg)
{
	struct errors_state *st = arg;
	AUTO_CLOSE int fd = st->asks == ASKS_SHUTDOWN ? socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) :
							open("/dev/zero", O_RDONLY | O_CLOEXEC);
	enum phase phase;

	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		for (int i = 0; i < st->burst; i++) {
			if (ask(st, fd, phase != PHASE_FAULT) >= 0)
				continue;
			if (errno != answers[st->asks].error)
				atomic_fetch_add(&st->other, 1);
			atomic_fetch_add(phase == PHASE_FAULT ? &st->failed : &st->calm_failed, 1);
		}
		/* burn_cpu() asks for the time, which are calls that do not fail. */
		for (volatile int i = 0; i < 100000; i++)
			;
		nap_ns(MS);
	}
}

static int errors_setup(struct sandbox *sb)
{
	struct errors_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	sb->culprit = sb->victim;
	st->asks = (enum asks)sandbox_random(sb, 0, ASKS - 1);
	st->burst = sandbox_random(sb, 20, 80);
	snprintf(st->missing, sizeof(st->missing), "%s/%s", sb->dir, sandbox_word(sb));
	facts_str(&sb->params, "call", answers[st->asks].call);
	facts_int(&sb->params, "errno", answers[st->asks].error);
	facts_int(&sb->params, "burst", st->burst);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, asker, st);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int errors_proof(struct sandbox *sb)
{
	struct errors_state *st = sb->state;

	facts_int(&sb->proof, "failed", (int64_t)st->failed);
	facts_int(&sb->proof, "failed_otherwise", (int64_t)st->other);
	facts_int(&sb->proof, "failed_before_and_after", (int64_t)st->calm_failed);
	return st->failed > 3 * (uint64_t)sb->fault_ms && !st->other ? 0 : -ENODATA;
}

const struct fault fault_proc_errors = {
	.name = "proc_errors",
	.cause = "proc.errors",
	.text = "A container asks for something that is not there, thousands of times a second.",
	.probes = "errors",
	.needs = "root",
	.setup = errors_setup,
	.proof = errors_proof,
};
