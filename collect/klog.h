/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pure reader of the kernel log's failure reports.  Lines may hold anything: names in them come from containers.
 * Only lines of facility 0 are the kernel's own (a writer of /dev/kmsg gets another one): that is the caller's to check.
 */
#ifndef KWHY_COLLECT_KLOG_H
#define KWHY_COLLECT_KLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/ev_klog.h"

#define KLOG_OPEN_MAX 16  /* different reports in one reading */
#define KLOG_BLOCK_LINES 60 /* lines after its first that may belong to a report */

/* A task as the log names it; pid 0: none. */
struct klog_task {
	int32_t pid;
	char comm[KW_COMM_LEN];
};

struct klog_report {
	struct kw_klog p;
	struct klog_task task, other;
	uint64_t ts_ns;
};

/* Reports of one reading, in order of their first lines. */
struct klog {
	struct klog_report open[KLOG_OPEN_MAX];
	unsigned int count;
	unsigned int lines;    /* since the newest report began */
	unsigned int overflow; /* reports that found no room */
};

/*
 * Takes one line in.  A report equal to an open one (sign, object, task) is counted there.  What follows its first
 * line within KLOG_BLOCK_LINES completes the newest report.
 */
void klog_line(struct klog *k, const char *text, uint32_t priority, uint64_t seq, uint64_t ts_ns);

/* Whether text is the first line of a report; fills what the line tells. */
bool klog_begins(const char *text, struct klog_report *ret);

#endif
