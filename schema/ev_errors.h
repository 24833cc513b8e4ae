/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * System calls of a container that failed in one way, counted in a short window of some ticks (all calls of all tasks are
 * looked at, but only then). subject: a task that made one of them. error: how they failed. Calls that ask again
 * later (EAGAIN, EINTR, EINPROGRESS, EALREADY, ETIMEDOUT) are not counted as failed; less than 200 a second give no record.
 */
#ifndef KWHY_SCHEMA_EV_ERRORS_H
#define KWHY_SCHEMA_EV_ERRORS_H

#include "schema/event.h"

struct kw_errors {
	__u64 count;
	__u64 calls;
	__u64 window_ns;
	__u64 rate;
	__s64 syscall;
	char call[24];
	char errno_name[24];
};

_Static_assert(sizeof(struct kw_errors) == 88, "kw_errors");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_errors(F) \
	F(count, U64, COUNT, "failed in the window") \
	F(calls, U64, COUNT, "all system calls of the container in the window, about") \
	F(window_ns, U64, NS, "length of the window, at least") \
	F(rate, U64, COUNT, "failed a second, at that pace") \
	F(syscall, S64, NONE, "number of the system call") \
	F(call, STR, NONE, "its name") \
	F(errno_name, STR, NONE, "name of the error")

#endif
