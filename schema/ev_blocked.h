/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A task slept in the kernel until another task did something: let go of a contended futex or a file lock, made room in
 * a pipe or a local socket, let it go on after a stop, provided a page (userfaultfd). subject: who waited; peer: whom it waited for, nobody when that
 * is not known.
 */
#ifndef KWHY_SCHEMA_EV_BLOCKED_H
#define KWHY_SCHEMA_EV_BLOCKED_H

#include "schema/event.h"

struct kw_blocked {
	__u64 object;
	__u64 inode;
	__u32 what;
	__u32 dev;
	__u32 peer_from;
	__u32 holder_state;
	char name[32];
};

/* what */
enum kw_blocked_what {
	KW_BLOCKED_FUTEX = 1,
	KW_BLOCKED_FLOCK = 2,
	KW_BLOCKED_POSIX = 3,
	KW_BLOCKED_PIPE = 4,
	KW_BLOCKED_SOCKET = 5,
	KW_BLOCKED_STOPPED = 6,
	KW_BLOCKED_TRACED = 7,
	KW_BLOCKED_FAULT = 8,
};

_Static_assert(sizeof(struct kw_blocked) == 64, "kw_blocked");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_blocked(F) \
	F(object, U64, NONE, "what it waited at: user address of a futex, else kernel address of inode, pipe, socket or address space") \
	F(inode, U64, NONE, "inode number of the file, 0 none") \
	F(what, U32, NONE, "1 futex that is a lock, 2 flock, 3 fcntl lock, 4 full pipe, 5 full unix socket, 6 stop signal, " \
			   "7 ptrace stop, 8 page fault that a program in user space handles") \
	F(dev, U32, NONE, "device number of the file's file system") \
	F(peer_from, U32, NONE, "how the peer is known: 0 not, 1 it ended the wait, 2 the object names it") \
	F(holder_state, U32, NONE, "task state of a peer that the object names, 0 running") \
	F(name, STR, NONE, "last part of the file's path")

#endif
