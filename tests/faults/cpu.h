/* SPDX-License-Identifier: Apache-2.0 */
/* What the CPU faults share: measured requests, hogs, and CPUs to fight for. */
#ifndef KWHY_TESTS_FAULTS_CPU_H
#define KWHY_TESTS_FAULTS_CPU_H

#include "tests/faults/work.h"

struct cpu_state {
	struct tally requests[PHASES];
	int64_t work_ns;
	int64_t throttled_count, throttled_ns; /* driver only: at the onset */
};

/* One process: measured requests beside threads that hog once the fault begins.  cpu: where all stay; -1 anywhere. */
struct pack {
	struct sandbox *sb;
	int threads;
	int cpu;
	struct requests rq;
};

void pack_body(struct sandbox *sb, void *arg);

/* Takes, during the fault, percent of the time in bursts of burst_ns; 100: all it gets. */
struct hog {
	int cpu; /* -1 anywhere */
	int percent;
	int64_t burst_ns;
};

void hog_body(struct sandbox *sb, void *arg);

/* Requests of one to two times work_ms, written down as the fault's own. */
struct requests draw_requests(struct sandbox *sb, int work_ms, int percent_low, int percent_high);
/* Written down as fact; v1 shares around 1024. */
int set_shares(struct sandbox *sb, const struct container *c, const char *fact, int shares);
/* A quota in periods of 100 ms. */
int set_quota(struct sandbox *sb, const struct container *c, int quota_us);
/* A victim, its own culprit, whose threads exceed its quota; and the proof that it was stopped. */
int throttled_victim(struct sandbox *sb);
int throttled_onset(struct sandbox *sb);
int throttled_proof(struct sandbox *sb);
/* Requests took half as long again as their work, and a quarter longer than before. */
int requests_proof(struct sandbox *sb);
/* The calling thread stays on that CPU; -1: anywhere. */
void stay_on(int cpu);
/* Two CPUs this process may use, at random; -EOPNOTSUPP when there is only one. */
int draw_cpus(struct sandbox *sb, int *ret_one, int *ret_other);

#endif
