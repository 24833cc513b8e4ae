/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The privileged half up to finished records: loads probes, reads the ring
 * buffer and the kernel's sums, samples /proc and cgroup files, symbolises
 * stacks, announces cgroups, and hands each record to one callback, in the
 * order explained at struct kw_tick.  Single-threaded.
 */
#ifndef KWHY_COLLECT_COLLECT_H
#define KWHY_COLLECT_COLLECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/config.h"
#include "base/strbuf.h"
#include "schema/event.h"

struct collect;

/* event has its payload and no frames.  A negative errno counts the record as lost. */
typedef int (*collect_fn)(void *ctx, const struct kw_event *event);

struct collect_options {
	const struct config *config; /* must outlive the collector */
	const pid_t *own_pids;       /* processes of kwhy, left out of everything */
	unsigned int own_pid_count;
	bool off; /* as after collect_switch(c, false), from the first moment on */
	collect_fn fn;
	void *ctx;
};

/*
 * Attaches what can be attached; a probe that cannot is reported in its records and in collect_describe(), not an
 * error. -ENODEV: nothing at all can be watched here (no BPF, no PSI, no /proc, no cgroup files).
 */
int collect_new(const struct collect_options *options, struct collect **ret_collect, struct strbuf *ret_error);
void collect_free(struct collect *c);

/* Waits at most timeout_ms for records, hands them on, and does a tick when one is due.  Number of records or negative
 * errno. */
int collect_poll(struct collect *c, int timeout_ms);
/*
 * The one switch.  Off: every program returns at once, then all are detached and unloaded, samplers rest; only the
 * heartbeat goes on and says so.  On: everything is loaded anew, as at the start.
 */
void collect_switch(struct collect *c, bool on);
int collect_fd(const struct collect *c); /* readable when there are records; -1 without BPF */

/* One more process of kwhy, known only later (the server half).  0, -ENOSPC, negative errno. */
int collect_add_own_pid(struct collect *c, pid_t pid);

/* Lines for people: per probe name, state, hooks, what is missing and what that costs in diagnoses. */
void collect_describe(const struct collect *c, struct strbuf *out);
bool collect_degraded(const struct collect *c);

/* One check of `kwhy doctor`. */
struct doctor_check {
	enum { DOCTOR_PASS, DOCTOR_WARN, DOCTOR_FAIL } result;
	char name[48];
	char text[640];
	char fix[256]; /* "" when there is nothing to do */
};
/* Tries what kwhy needs from this host, attaching nothing for longer than the trial.  Returns the number of checks
 * filled in. */
unsigned int collect_doctor(struct doctor_check *ret_checks, unsigned int max);

#endif
