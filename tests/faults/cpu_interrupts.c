/* SPDX-License-Identifier: Apache-2.0 */
/* CPU time that hard interrupts take: timers that all end at once, requests of other CPUs. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/faults/cpu.h"
#include "tests/faults/faults.h"

#define TIMERS_MAX 12000
#define PAGE 4096

struct interrupt_state {
	struct cpu_state cpu;
	struct requests rq;
	int one, other;
	int timers, ahead_ms;
	int pages;
	_Atomic uint64_t ended, asked;
};

/* ---- timers ------------------------------------------------------------------------------------------------------ */

/* Timers whose signal nobody wants; how many there are. */
static int make_timers(timer_t *timers, int count)
{
	struct sigevent nothing = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	int n = 0;

	signal(SIGRTMIN, SIG_IGN);
	while (n < count && timer_create(CLOCK_MONOTONIC, &nothing, &timers[n]) == 0)
		n++;
	return n;
}

/* All end at the same moment, in one interrupt. */
static void run_timers(struct interrupt_state *st, timer_t *timers, int count)
{
	int64_t at = clock_ns() + st->ahead_ms * MS;
	struct itimerspec spec;

	for (int i = 0; i < count; i++) {
		spec = (struct itimerspec){ .it_value = { at / (1000 * MS), at % (1000 * MS) } };
		timer_settime(timers[i], TIMER_ABSTIME, &spec, NULL);
	}
	nap_ns(at - clock_ns() + MS);
	atomic_fetch_add(&st->ended, (uint64_t)count);
}

static void *timer_thread(void *arg)
{
	struct sandbox *sb = arg;
	struct interrupt_state *st = sb->state;
	AUTO_FREE timer_t *timers = calloc((size_t)st->timers, sizeof(*timers));
	int count = timers ? make_timers(timers, st->timers) : 0;

	while (sandbox_phase(sb) < PHASE_AFTER) {
		if (sandbox_phase(sb) == PHASE_FAULT)
			run_timers(st, timers, count);
		else
			nap_ns(5 * MS);
	}
	return NULL;
}

static void timer_body(struct sandbox *sb, void *arg)
{
	struct interrupt_state *st = arg;
	pthread_t thread;

	stay_on(st->one);
	if (pthread_create(&thread, NULL, timer_thread, sb) == 0) {
		serve_requests(sb, &st->rq);
		pthread_join(thread, NULL);
	}
}

static int irq_setup(struct sandbox *sb)
{
	struct interrupt_state *st = sb->state;
	int r = draw_cpus(sb, &st->one, &st->other);

	if (r == 0)
		r = container_new(sb, &sb->victim);
	if (r < 0)
		return r;
	st->rq = draw_requests(sb, 3, 20, 35);
	st->timers = sandbox_random(sb, TIMERS_MAX / 2, TIMERS_MAX);
	st->ahead_ms = sandbox_random(sb, 15, 25);
	facts_int(&sb->params, "timers", st->timers);
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "irq:timer");
	r = sandbox_spawn(sb, sb->victim, timer_body, st);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int irq_proof(struct sandbox *sb)
{
	struct interrupt_state *st = sb->state;

	facts_tally(&sb->proof, "request", st->cpu.requests);
	facts_int(&sb->proof, "timers_ended", (int64_t)st->ended);
	return st->ended > 50 * (uint64_t)sb->fault_ms ? 0 : -ENODATA;
}

const struct fault fault_cpu_irq = {
	.name = "cpu_irq",
	.cause = "cpu.irq",
	.text = "Thousands of a container's timers end at once, again and again, in the interrupt of the CPU it works on.",
	.probes = "irq",
	.needs = "root, two CPUs",
	.setup = irq_setup,
	.proof = irq_proof,
};

/* ---- requests of other CPUs -------------------------------------------------------------------------------------- */

/* Takes rights from pages and gives them back: whoever runs in the same address space must forget them at once. */
static void *protect_thread(void *arg)
{
	struct sandbox *sb = arg;
	struct interrupt_state *st = sb->state;
	size_t size = (size_t)st->pages * PAGE;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	stay_on(st->other);
	while (p != MAP_FAILED && sandbox_phase(sb) < PHASE_AFTER) {
		if (sandbox_phase(sb) != PHASE_FAULT) {
			nap_ns(5 * MS);
			continue;
		}
		mprotect(p, size, PROT_READ);
		mprotect(p, size, PROT_READ | PROT_WRITE);
		for (size_t at = 0; at < size; at += PAGE)
			p[at] = 1;
		atomic_fetch_add(&st->asked, 1);
	}
	return NULL;
}

static void interrupted_body(struct sandbox *sb, void *arg)
{
	struct interrupt_state *st = arg;
	pthread_t thread;

	stay_on(st->one);
	if (pthread_create(&thread, NULL, protect_thread, sb) == 0) {
		serve_requests(sb, &st->rq);
		pthread_join(thread, NULL);
	}
}

static int ipi_setup(struct sandbox *sb)
{
	struct interrupt_state *st = sb->state;
	int r = draw_cpus(sb, &st->one, &st->other);

	if (r == 0)
		r = container_new(sb, &sb->victim);
	if (r < 0)
		return r;
	sb->culprit = sb->victim;
	st->rq = draw_requests(sb, 10, 60, 80);
	st->pages = sandbox_random(sb, 8, 30);
	facts_int(&sb->params, "pages", st->pages);
	r = sandbox_spawn(sb, sb->victim, interrupted_body, st);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int ipi_proof(struct sandbox *sb)
{
	struct interrupt_state *st = sb->state;

	facts_tally(&sb->proof, "request", st->cpu.requests);
	facts_int(&sb->proof, "rounds", (int64_t)st->asked);
	return st->asked > 3 * (uint64_t)sb->fault_ms ? 0 : -ENODATA;
}

const struct fault fault_cpu_ipi = {
	.name = "cpu_ipi",
	.cause = "cpu.ipi",
	.text = "A thread takes rights from pages and gives them back, so that the CPU of its sibling must forget them each time.",
	.probes = "irq",
	.needs = "root, two CPUs",
	.setup = ipi_setup,
	.proof = ipi_proof,
};
