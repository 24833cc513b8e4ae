/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A CPU that ran tasks had no timer interrupt for duration_ns longer than the tick: interrupts were off, or a hypervisor
 * had the CPU without telling. What it tells (steal) is taken off. subject: the task that the late interrupt found there;
 * stack: what it found.
 */
#ifndef KWHY_SCHEMA_EV_TICKGAP_H
#define KWHY_SCHEMA_EV_TICKGAP_H

#include "schema/event.h"

struct kw_tickgap {
	__u64 stolen_ns;
	__u64 handler_ns;
	__u32 irqs_off;
	__u32 user;
	char place[48];
};

_Static_assert(sizeof(struct kw_tickgap) == 72, "kw_tickgap");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_tickgap(F) \
	F(stolen_ns, U64, NS, "what the hypervisor says it took meanwhile, on top of the duration") \
	F(handler_ns, U64, NS, "hard interrupts were served for so long meanwhile") \
	F(irqs_off, U32, NONE, "1 the kernel had interrupts off: it had just let them on again, or no hypervisor is there") \
	F(user, U32, NONE, "1 the interrupt found the task in user mode, where interrupts cannot be off") \
	F(place, STR, NONE, "where in the kernel it found it, by its stack")

#endif
