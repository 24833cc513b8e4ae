/* SPDX-License-Identifier: Apache-2.0 */
/* Private to sandbox.c, container.c and guardian.c: memory that all processes of a run share. */
#ifndef KWHY_TESTS_FAULTS_SHARED_H
#define KWHY_TESTS_FAULTS_SHARED_H

#include "tests/faults/sandbox.h"

enum undo_kind { UNDO_RMDIR, UNDO_CGROUP, UNDO_MOUNT, UNDO_FREEZE, UNDO_BDI, UNDO_SWAP, UNDO_WRITE };

struct undo {
	enum undo_kind kind;
	char path[256]; /* UNDO_WRITE: "PATH=VALUE" */
};

struct shared {
	_Atomic int phase;
	_Atomic int child_error;
	_Atomic unsigned int undo_count;
	struct undo undo[SANDBOX_UNDO_MAX];
	/* An atomic operation across cache lines would be a split lock, which the kernel slows down on purpose. */
	_Alignas(64) char state[SANDBOX_STATE_MAX];
};

/* Registers what must be undone; call it before the thing is made, so that nothing slips through. */
int undo_add(struct shared *sh, enum undo_kind kind, const char *path);
/* Thaws, kills the members of our cgroups, then undoes all, newest first.  Safe to call again. */
void undo_all(struct shared *sh);
/*
 * Forks a process that calls undo_all() when this one is gone.  Returns a descriptor to keep open, or negative errno.
 */
int guardian_start(struct shared *sh, pid_t *ret_pid);

#endif
