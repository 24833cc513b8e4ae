/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A limit was found reached, looked for once a tick: nothing new can be had until something is given back. subject: who
 * runs into it (a task, or only a cgroup); peer.cg: the cgroup whose limit it is, for limits of cgroups.
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
};

/* what */
enum kw_limit_what {
	KW_LIMIT_PIDS = 1,
	KW_LIMIT_FDS = 2,
	KW_LIMIT_MAPS = 3,
	KW_LIMIT_NPROC = 4,
};

_Static_assert(sizeof(struct kw_limit) == 32, "kw_limit");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_limit(F) \
	F(used, U64, COUNT, "in use now") \
	F(limit, U64, COUNT, "allowed") \
	F(failures, U64, COUNT, "forks refused since the last look (pids only)") \
	F(what, U32, NONE, "1 tasks of a cgroup, 2 descriptors of a process, 3 mappings of a process, 4 tasks of a user") \
	F(uid, U32, NONE, "user id, for limits of users")

#endif
