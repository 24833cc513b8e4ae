/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sampler reads files once a tick and emits SAMPLE (or CONTEXT) records.
 *
 * One line in collect/samplers.def registers a sampler; its descriptor
 * "sampler_<name>" lives in collect/sample_<name>.c.  Samplers show up beside
 * the probes: same books, same "collect.disabled".
 */
#ifndef KWHY_COLLECT_SAMPLER_H
#define KWHY_COLLECT_SAMPLER_H

#include <stdint.h>

#include "base/config.h"
#include "schema/event.h"

struct cgroups; /* collect/cgroups.h: all live cgroups of all hierarchies */
struct kernel;  /* collect/kernel.h */

struct sampler_ctx {
	const struct config *config;
	const struct kernel *kernel;
	const struct cgroups *cgroups;
	uint64_t now_ns;  /* CLOCK_BOOTTIME of this tick: ts_ns of every sample */
	uint64_t span_ns; /* since the former tick; 0 in the first, which only takes the base for deltas */
	/*
	 * Hands a finished record on: struct kw_event with its payload right behind it, frames 0, kind one of the
	 * sampler's.  0 or a negative errno; the record is counted either way.
	 */
	int (*emit)(void *emit_ctx, const struct kw_event *event);
	/* Counts records of kind that were there but could not be read or kept; NULL is fine. */
	void (*lose)(void *emit_ctx, uint16_t kind, uint64_t count);
	void *emit_ctx;
};

struct sampler {
	const char *name;   /* as in collect.disabled and `kwhy probes` */
	const char *title;  /* one sentence */
	const char *cost;   /* files read, rate */
	const char *causes; /* cause codes that need it, separated by commas */
	const char *source; /* what it reads, shown as "attach" */
	const uint16_t *kinds; /* event kinds it emits, ends with 0; no other sampler or probe emits these */
	/* Takes what it keeps open.  Negative errno: this host lacks it; the sampler is then reported as failed. */
	int (*open)(const struct sampler_ctx *ctx, void **ret_state);
	/* Once a tick.  Negative errno: nothing could be read this time (reported as degraded). */
	int (*sample)(void *state, const struct sampler_ctx *ctx);
	void (*close)(void *state); /* NULL is fine */
};

extern const struct sampler *const samplers[]; /* ends with NULL; from samplers.def */

#endif
