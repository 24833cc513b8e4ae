/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fault is.  The driver (faults.c) runs every fault the same way:
 *
 *	setup()   makes containers and their processes, which begin normal life
 *	          three seconds or more of that, as the baseline
 *	onset()   the fault begins: the phase is PHASE_FAULT already
 *	          some seconds, or until over() says so, and up to three times as long until enough() says so
 *	end()     the fault ends: the phase is PHASE_AFTER already
 *	          a second or more of normal life
 *	proof()   all processes have stopped; writes down what they measured
 *
 * Most faults need no onset() and end(), because their processes follow the
 * phase themselves.
 */
#ifndef KWHY_TESTS_FAULTS_FAULTS_H
#define KWHY_TESTS_FAULTS_FAULTS_H

#include "tests/faults/sandbox.h"

struct fault {
	const char *name;
	const char *cause; /* cause code of the contract; NULL: nothing is wrong, no incident may be raised */
	const char *text;  /* one sentence */
	/*
	 * Probes (collect/probes.def) that record something of this fault whatever is drawn, with commas; as seen on a
	 * real run.  tests/lint/faults.sh wants each probe to be here.
	 */
	const char *probes;
	const char *needs; /* what the host must have */
	int fault_ms;      /* usual length of the fault; 0: drawn from 4.5 to 5.5 s */
	/* Sets sb->victim and so on.  -EOPNOTSUPP when this host cannot; sandbox_fail() says why. */
	int (*setup)(struct sandbox *sb);
	int (*onset)(struct sandbox *sb);  /* NULL: nothing to do */
	bool (*over)(struct sandbox *sb);  /* NULL: lasts its time */
	bool (*enough)(struct sandbox *sb); /* NULL: always; a slow host needs longer to be hurt */
	int (*end)(struct sandbox *sb);    /* NULL: nothing to do */
	/* Adds to sb->proof.  -ENODATA when the effect was not there: the run then counts as failed. */
	int (*proof)(struct sandbox *sb);
};

#define FAULT(name) extern const struct fault fault_##name;
#include "tests/faults/faults.def"
#undef FAULT

#endif
