/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Sum over one tick of something that is counted per container. subject.cg: the container. Less than a two-hundredth of
 * the tick in time, or than 10 without a time, gives no row. What counts is in name:
 *
 *	fork                  processes and threads started
 *	affinity              waits for a CPU of tasks that may not use all CPUs; part_ns: meanwhile another CPU idled
 *	irq:NAME, softirq:VEC time taken from its running tasks; of the host: also what ksoftirqd did, and that as ksoftirqd
 *	ipi                   requests of its tasks to other CPUs, but for wakeups
 *	rps                   batches of packets that its tasks handed to other CPUs
 *	rx:softirq            of the host: times that received packets waited 1 ms (probe.irq.threshold) or more for their soft
 *	                      interrupt; nobody knows yet whose they are
 *	rx:unread             times that data lay in a TCP socket for 10 ms or more before its tasks read it
 *	rx:unread_udp         times that its tasks left a UDP socket alone for 10 ms or more though datagrams were there
 */
#ifndef KWHY_SCHEMA_EV_TALLY_H
#define KWHY_SCHEMA_EV_TALLY_H

#include "schema/event.h"

struct kw_tally {
	__u64 span_ns;
	__u64 count;
	__u64 ns;
	__u64 part_ns;
	__u64 max_ns;
	char name[24];
};

_Static_assert(sizeof(struct kw_tally) == 64, "kw_tally");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_tally(F) \
	F(span_ns, U64, NS, "length of the tick") \
	F(count, U64, COUNT, "how many") \
	F(ns, U64, NS, "their time, where they have one") \
	F(part_ns, U64, NS, "the part of it that the name says") \
	F(max_ns, U64, NS, "the longest") \
	F(name, STR, NONE, "what is counted")

#endif
