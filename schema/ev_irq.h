/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A hard or soft interrupt that took long. subject: the task that it interrupted (not who caused it). A soft interrupt's
 * time is without the hard ones that interrupted it.
 */
#ifndef KWHY_SCHEMA_EV_IRQ_H
#define KWHY_SCHEMA_EV_IRQ_H

#include "schema/event.h"

struct kw_irq {
	__u32 hard;
	__u32 daemon;
	char name[24];
};

_Static_assert(sizeof(struct kw_irq) == 32, "kw_irq");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_irq(F) \
	F(hard, U32, NONE, "1 hard interrupt, 0 soft interrupt") \
	F(daemon, U32, NONE, "1 it ran in ksoftirqd and interrupted nobody") \
	F(name, STR, NONE, "irq:NAME of the handler, or softirq:VECTOR")

#endif
