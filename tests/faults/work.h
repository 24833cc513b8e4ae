/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of ordinary work that several faults use. */
#ifndef KWHY_TESTS_FAULTS_WORK_H
#define KWHY_TESTS_FAULTS_WORK_H

#include "tests/faults/sandbox.h"

/* Computes until this thread used that much CPU time. */
void burn_cpu(int64_t cpu_ns);

/* Requests of work_ns CPU time, as often as makes percent of one CPU, each one measured. */
struct requests {
	int64_t work_ns;
	int percent;
	struct tally *tally; /* [PHASES]; NULL: not measured */
};

/* Serves until the phase is PHASE_STOP. */
void serve_requests(struct sandbox *sb, const struct requests *rq);
/* The same as a process body; arg is a struct requests. */
void requests_body(struct sandbox *sb, void *arg);
/* A container that computes in short bursts, 20 to 30 percent of one CPU. */
int busy_container(struct sandbox *sb, struct container **ret_container);

#endif
