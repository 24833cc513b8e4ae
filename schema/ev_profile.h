/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What a process did on the CPU, from samples that its CPU's clock took: one row a tick for what is alike in process and
 * stacks. subject: the task (tid and comm of the thread seen first); stack: in the kernel, none when it was in user
 * mode; peer_stack: in user mode, none for a kernel thread.
 */
#ifndef KWHY_SCHEMA_EV_PROFILE_H
#define KWHY_SCHEMA_EV_PROFILE_H

#include "schema/event.h"

struct kw_profile {
	__u64 span_ns;
	__u64 samples;
	__u64 ns;
};

_Static_assert(sizeof(struct kw_profile) == 24, "kw_profile");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_profile(F) \
	F(span_ns, U64, NS, "length of the tick") \
	F(samples, U64, COUNT, "how often the clock found it there") \
	F(ns, U64, NS, "the CPU time these samples stand for")

#endif
