/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A made-up host: records written tick by tick into a real store, through the
 * same door as captured ones.  Time begins at SYNTH_START and moves only with
 * synth_tick().  What a container does in a tick is added before that.
 */
#ifndef KWHY_TESTS_SYNTH_SYNTH_H
#define KWHY_TESTS_SYNTH_SYNTH_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/kinds.h"

#define SYNTH_MS INT64_C(1000000)
#define SYNTH_SEC (1000 * SYNTH_MS)
#define SYNTH_BOOT_NS (1000 * SYNTH_SEC)
#define SYNTH_WALL_OFFSET (INT64_C(1800000000) * SYNTH_SEC)
#define SYNTH_HOST 0 /* container numbers of the test: 0 the host, then 1, 2, ... */
#define SYNTH_NOBODY (-1)

struct synth;
struct aggregate;

/* Makes a store below dir with cpus CPUs; asserts on failure. */
struct synth *synth_new(const char *dir, int cpus);
void synth_free(struct synth *s);
int64_t synth_now(const struct synth *s); /* begin of the tick being filled, boot clock */
int64_t synth_wall(const struct synth *s);

/* Announces /test/NAME; its number. */
int synth_container(struct synth *s, const char *name);
/* A probe that is missing from now on. */
void synth_probe_off(struct synth *s, const char *name);
/* Its state from now on, as in collect/objects_run.h. */
enum { SYNTH_ATTACHED = 1, SYNTH_FAILED = 4, SYNTH_RAISED = 5, SYNTH_SAMPLED = 6, SYNTH_DETACHED = 7 };
void synth_probe_state(struct synth *s, const char *name, unsigned int state);
void synth_lose(struct synth *s, const char *name, uint64_t records);

/* An event of the current tick, ending at_ns after its begin.  Fill the payload; peer is a number or SYNTH_NOBODY. */
struct kw_event *synth_event(struct synth *s, enum kw_kind kind, int subject, int peer, int64_t at_ns,
			     int64_t duration_ns);
void *synth_payload(struct kw_event *e);
void synth_send(struct synth *s, struct kw_event *e);

void synth_wait(struct synth *s, int container, enum kw_wait_reason reason, int64_t sum_ns, int64_t max_ns,
		uint64_t count);
void synth_blame(struct synth *s, enum kw_resource resource, int victim, int culprit, enum kw_sink sink, int64_t ns,
		 uint64_t object);
struct kw_usage *synth_usage(struct synth *s, int container); /* sent at the next tick; everything -1 but cpu_ns 0 */
struct kw_netstat *synth_netstat(struct synth *s, int container);
struct kw_host *synth_host(struct synth *s); /* the same for the host's counters; cpus is set */
void synth_tally(struct synth *s, int container, const char *name, uint64_t count, int64_t ns, int64_t part_ns);
struct kw_cg synth_cg(int container);
/* Sends usage, host, coverage and the heartbeat, and moves on by one second. */
void synth_tick(struct synth *s);
/* Seconds without a tick: the collector did not get to run.  What is said until the next tick may be as much later. */
void synth_starve(struct synth *s, int seconds);

#endif
