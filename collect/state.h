/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the collector, shared by its own files only. */
#ifndef KWHY_COLLECT_STATE_H
#define KWHY_COLLECT_STATE_H

#include "collect/cgroups.h"
#include "collect/collect.h"
#include "collect/decode.h"
#include "collect/fold.h"
#include "collect/governor.h"
#include "collect/kernel.h"
#include "collect/objects_run.h"
#include "collect/sampler.h"
#include "collect/stacks.h"
#include "schema/kernel_maps.h"

struct kw_probe;

#define OWN_PIDS_MAX 16
#define SOURCES_MAX 96
#define POLL_STEP_MS 250 /* kw_submit() wakes nobody below a quarter of the ring: look this often */

/* Per kind since start.  Records in = stored + lost; both counted when the callback has returned. */
struct books {
	struct kw_book kernel[KW_KINDS_MAX]; /* last reading, summed over CPUs */
	uint64_t made[KW_KINDS_MAX];         /* by the collector itself: samples, sums, announcements */
	uint64_t stored[KW_KINDS_MAX];
	uint64_t lost[KW_KINDS_MAX];         /* refused by the decoder, by refine, or by the callback */
	uint64_t own[KW_KINDS_MAX];          /* of kwhy's own processes, or folded into a row: as if never sent */
};

struct measured_count {
	uint64_t ns, runs;
};

/* Run time of programs, in windows (measure.c), and what the governor makes of it.  Indexed as objects_probe(). */
struct measure {
	bool open;
	bool hurry; /* somebody is over: window after window */
	int error;  /* positive errno: this kernel does not measure */
	int64_t opened_ns, closed_ns;
	uint32_t total_ppm; /* of all, in the last window */
	struct measured_count base[OBJECTS_PROBES_MAX];
	struct measured {
		struct measured_count total; /* since start */
		uint64_t runs;               /* a second, in the last window */
	} probes[OBJECTS_PROBES_MAX];
	struct governed governed[OBJECTS_PROBES_MAX];
};

/* A row of `kwhy probes`: a probe, a sampler, or the sums. */
struct source {
	const char *name;
	const uint16_t *kinds;
	int probe;                     /* index in objects; -1 */
	const struct sampler *sampler; /* or NULL */
	void *sampler_state;
	uint32_t state; /* enum probe_run_state; of probes: see objects_probe() */
	char why[128];
	struct kw_probe told; /* the last record of its state, and when that was */
	uint64_t told_ns;
};

struct collect {
	const struct config *config;
	collect_fn fn;
	void *ctx;
	pid_t own_pids[OWN_PIDS_MAX];
	unsigned int own_pid_count;

	struct kernel *kernel;
	struct cgroups *cgroups; /* NULL: no hierarchy mounted */
	struct stacks *stacks;
	struct fold *fold;
	struct objects *objects; /* NULL: no BPF */
	struct ring_buffer *ring;
	struct strbuf bpf_missing; /* why there is no BPF */
	unsigned int turn_left;    /* records that this turn of the reader may still take */
	struct record record;      /* the one at hand */

	struct books books;
	struct measure measure;
	struct source sources[SOURCES_MAX];
	unsigned int source_count;
	int owner[KW_KINDS_MAX]; /* source that answers for a kind; -1 */

	uint64_t started_ns;
	uint64_t next_tick_ns;
	uint64_t last_tick_ns;
	uint64_t window_end_ns; /* of probes that are attached for a while now and then; 0: not now */
	uint64_t early_ns;      /* when a young cgroup is to be looked into before the next tick; 0: none is */
	unsigned int eager_windows; /* so many more follow, one after each tick */
	uint64_t last_flip_ns;
	struct sums_space *sums_space; /* for drains */
	uint64_t tick_seq;
	uint64_t handed; /* records handed on since start */
	uint32_t epoch;
	bool off;     /* everything, by collect_switch() */
	bool settled; /* the ring was empty while the books did not move: they must add up */
};

/* collect.c: counts and hands on.  Both return what the callback returned. */
int collect_hand_on(struct collect *c, const struct kw_event *event);
int collect_make(void *collect, const struct kw_event *event); /* made by the collector; fits sampler_ctx.emit */
void collect_lose(void *collect, uint16_t kind, uint64_t count); /* fits sampler_ctx.lose */

/* ring.c */
int ring_open(struct collect *c);
void ring_close(struct collect *c);
/* Takes at most max records that are there now.  Number taken. */
unsigned int ring_take(struct collect *c, unsigned int max);
/* One record from bytes, as if from the ring.  Counts everything itself. */
void ring_record(struct collect *c, const void *data, size_t size);

/* sums.c: begins a new epoch; emits and deletes the sums of the former ones. */
void sums_flip(struct collect *c);
void sums_drain(struct collect *c, uint64_t now_ns);
void sums_free(struct collect *c);

/* books.c */
void books_read(struct collect *c);
/* Reads books and ring until they agree or have been tried often enough. */
void books_settle(struct collect *c);
/* Totals of one source into the counters of *ret. */
void books_of(const struct collect *c, const struct source *s, struct kw_probe *ret);

/* measure.c: opens and closes windows, and holds back what is over its budget */
void measure_tick(struct collect *c);
/* The window at hand is worth nothing: programs were unloaded. */
void measure_forget(struct collect *c);
/* run_ns, run_count and cost_ppm of a probe. */
void measure_of(const struct collect *c, unsigned int probe, struct kw_probe *ret);

/* tick.c */
void tick_run(struct collect *c);

/* sources.c */
void sources_new(struct collect *c);
void sources_free(struct collect *c);
void sources_sample(struct collect *c, uint64_t now_ns, uint64_t span_ns);
/* State, attach and why of one source. */
void source_state(const struct collect *c, const struct source *s, struct kw_probe *ret);

#endif
