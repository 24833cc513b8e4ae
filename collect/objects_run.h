/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life cycle of all BPF objects: opened from memory, settings filled in,
 * shared maps given, loaded, programs attached one by one.
 *
 * A program that the kernel refuses, or whose hook does not exist, takes only
 * its own choice down: the object is loaded again with the next choice of that
 * hook, or without the hook.
 */
#ifndef KWHY_COLLECT_OBJECTS_RUN_H
#define KWHY_COLLECT_OBJECTS_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/config.h"
#include "base/strbuf.h"
#include "collect/objects.h"
#include "collect/probe.h"

struct objects;

/* Maps that all objects share, by the name they have in bpf/kwhy.bpf.h. */
enum shared_map {
	SHARED_EVENTS,
	SHARED_BOOKS,
	SHARED_CONTROL,
	SHARED_WAIT_SUMS,
	SHARED_BLAME_SUMS,
	SHARED_TALLY_SUMS,
	SHARED_WAKEUP_SUMS,
	SHARED_BUCKETS,
	SHARED_HELD_SUMS,
	SHARED_OWN_PIDS,
	SHARED_MAPS,
};

#define OBJECTS_PROBES_MAX 64

/* kw_probe.state */
enum probe_run_state {
	PROBE_ATTACHED = 1,
	PROBE_DEGRADED = 2,
	PROBE_OFF = 3,
	PROBE_FAILED = 4,
	PROBE_RAISED = 5,
	PROBE_SAMPLED = 6,
	PROBE_DETACHED = 7,
};

const char *probe_state_name(uint32_t state);

/* How far a probe has been held back; each level includes those before it. */
enum probe_level {
	LEVEL_WHOLE,
	LEVEL_RAISED,   /* thresholds times four */
	LEVEL_SAMPLED,  /* a container's records at a sixteenth of collect.rate */
	LEVEL_DETACHED,
};

struct probe_run {
	const struct probe *probe;
	enum probe_run_state state;
	enum probe_level level;
	char attach[64]; /* hooks in use: "tp_btf/sched_switch sched_waking ..." */
	char why[128];   /* what is missing and why */
	char lost[256];  /* what that costs in diagnoses */
};

/*
 * Makes the shared maps.  -EPERM and the like when BPF is not allowed here: *ret_error says what is missing.
 * list: the probes, ends with NULL.
 */
int objects_new(const struct config *config, const struct probe *const *list, const struct bpf_object_image *images,
		unsigned int image_count, struct objects **ret_objects, struct strbuf *ret_error);
void objects_free(struct objects *o);

/* Loads and attaches whatever works.  Number of attached programs. */
unsigned int objects_start(struct objects *o);
/* Every program is told to return at once, then detached and unloaded; objects_start() begins anew. */
void objects_stop(struct objects *o);
unsigned int objects_attached(const struct objects *o);

int objects_map_fd(const struct objects *o, enum shared_map map);
unsigned int objects_cpus(const struct objects *o); /* possible CPUs: values of a per-CPU map */
int objects_set_own_pid(struct objects *o, pid_t pid);

/* Sums of this epoch are from now on apart from those before. */
void objects_set_epoch(struct objects *o, uint32_t epoch);

/* The i-th probe of the list; NULL past the last. */
const struct probe_run *objects_probe(const struct objects *o, unsigned int i);

/*
 * Holds the i-th probe back, or lets it go again.  Its object is loaded anew beside the old one with other settings,
 * and takes its place while all programs are quiet for a few ms; waits that began before are forgotten.  A negative
 * errno leaves everything as it was.
 */
int objects_hold_back(struct objects *o, unsigned int i, enum probe_level level);
/*
 * Whether its programs can be loaded anew, as LEVEL_RAISED and LEVEL_DETACHED need: not where the verifier takes seconds
 * for them (an emulated machine: thirty times as long), as that costs more than it saves.
 */
bool objects_can_load_again(const struct objects *o, unsigned int i);
/* Whether the probe has a threshold that can be raised, without which LEVEL_RAISED changes nothing. */
bool objects_has_threshold(const struct objects *o, unsigned int i);

/*
 * The kernel's run-time statistics cost each run of each program, so they are on only between these two.  0 or a
 * negative errno.
 */
int objects_measure_begin(struct objects *o);
void objects_measure_end(struct objects *o);
/* Statistics so far of the programs that the i-th probe is the first to list; they begin anew with its object. */
void objects_probe_cost(const struct objects *o, unsigned int i, uint64_t *ret_run_ns, uint64_t *ret_run_count);

/* Whether a comma-separated setting such as collect.disabled names this. */
bool setting_lists(const char *setting, const char *name);

/*
 * Attaches or detaches the programs of windowed probes.  They are attached when objects_start() returns, so that it is known
 * whether they can be.  Those that learn something briefly are detached with them, and stay so.
 */
void objects_window(struct objects *o, bool open);

/* CPUs that came since are sampled, too. */
void objects_follow_cpus(struct objects *o);

/* Runs every attached iterator program once to its end.  Number of those that ran. */
unsigned int objects_run_iterators(struct objects *o);

#endif
