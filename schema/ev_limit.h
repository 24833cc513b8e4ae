/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A limit was found reached, looked for once a tick: nothing new can be had until something is given back. subject: who
 * runs into it (a task, or only a cgroup; for inotify each process that has an instance); peer.cg: the cgroup whose limit it is, for limits of cgroups.
 */
#ifndef KWHY_SCHEMA_EV_LIMIT_H
#define KWHY_SCHEMA_EV_LIMIT_H

#include "schema/event.h"

struct kw_limit {
	__u64 used;
	__u64 limit;
	__u64 failures;
	__u32 what;
	__u32 uid;
	__u64 own;
};

/* what */
enum kw_limit_what {
	KW_LIMIT_PIDS = 1,
	KW_LIMIT_FDS = 2,
	KW_LIMIT_MAPS = 3,
	KW_LIMIT_NPROC = 4,
	KW_LIMIT_WATCHES = 5,
	KW_LIMIT_INSTANCES = 6,
	KW_LIMIT_CGROUPS = 7,
};

_Static_assert(sizeof(struct kw_limit) == 40, "kw_limit");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_limit(F) \
	F(used, U64, COUNT, "in use now") \
	F(limit, U64, COUNT, "allowed") \
	F(failures, U64, COUNT, "forks refused since the last look (pids only)") \
	F(what, U32, NONE, "1 tasks of a cgroup, 2 descriptors of a process, 3 mappings of a process, 4 tasks of a user, " \
			"5 inotify watches, 6 inotify instances of a user, 7 cgroups below a cgroup") \
	F(uid, U32, NONE, "user id, for limits of users") \
	F(own, U64, COUNT, "what of it the process has (inotify only; of an instance 16384 watches are counted)")

#endif
