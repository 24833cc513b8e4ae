/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What the kernel's log reports, read by the signatures of collect/klog.def.
 * subject: the task it names, with its cgroup when that task still lived; peer: the lock's owner, where it names one.
 */
#ifndef KWHY_SCHEMA_EV_KLOG_H
#define KWHY_SCHEMA_EV_KLOG_H

#include "schema/event.h"

struct kw_klog {
	__u32 priority;
	__s32 on_cpu;
	__u32 count;
	__u32 _pad;
	__u64 seq;
	__s64 stuck_ns;
	char sign[16];
	char class[16];
	char object[32];
	char function[48];
	char detail[80];
	char text[160];
};

_Static_assert(sizeof(struct kw_klog) == 384, "kw_klog");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_klog(F) \
	F(priority, U32, NONE, "syslog level 0 to 7 of its first line") \
	F(on_cpu, S32, NONE, "CPU it happened on, -1 unknown") \
	F(count, U32, COUNT, "equal reports in this tick, this one included") \
	F(seq, U64, NONE, "kernel sequence number of its first line") \
	F(stuck_ns, S64, NS, "how long by then, -1 unknown") \
	F(sign, STR, NONE, "softlockup, oops, disk_medium and so on: first column of collect/klog.def") \
	F(class, STR, NONE, "kernel, hardware, filesystem, memory or task") \
	F(object, STR, NONE, "what failed: a device, a module, a flavour of RCU") \
	F(function, STR, NONE, "where in the kernel, when it says so") \
	F(detail, STR, NONE, "the kernel's own words") \
	F(text, STR, NONE, "first line")

#endif
