/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/collect.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/timeutil.h"
#include "collect/state.h"
#include "schema/ev_probe.h"

#define TURN_RECORDS 16384 /* per call of collect_poll(), so that its caller gets its turn in a flood */
#define WINDOW_EVERY 4     /* ticks */

int collect_hand_on(struct collect *c, const struct kw_event *event)
{
	int r = c->fn(c->ctx, event);

	if (event->kind < KW_KINDS_MAX) {
		if (r < 0)
			c->books.lost[event->kind]++;
		else
			c->books.stored[event->kind]++;
	}
	c->handed++;
	return r;
}

int collect_make(void *collect, const struct kw_event *event)
{
	struct collect *c = collect;

	if (event->kind < KW_KINDS_MAX)
		c->books.made[event->kind]++;
	return collect_hand_on(c, event);
}

void collect_lose(void *collect, uint16_t kind, uint64_t count)
{
	struct collect *c = collect;

	if (kind >= KW_KINDS_MAX)
		return;
	c->books.made[kind] += count;
	c->books.lost[kind] += count;
}

static void take_own_pids(struct collect *c, const struct collect_options *options)
{
	c->own_pids[c->own_pid_count++] = getpid();
	for (unsigned int i = 0; i < options->own_pid_count && c->own_pid_count < OWN_PIDS_MAX; i++)
		c->own_pids[c->own_pid_count++] = options->own_pids[i];
}

int collect_add_own_pid(struct collect *c, pid_t pid)
{
	if (c->own_pid_count == OWN_PIDS_MAX)
		return -ENOSPC;
	c->own_pids[c->own_pid_count++] = pid;
	return c->objects ? objects_set_own_pid(c->objects, pid) : 0;
}

static void open_bpf(struct collect *c)
{
	int r;

	if (!config_bool(c->config, "collect.bpf")) {
		strbuf_addstr(&c->bpf_missing, "turned off by collect.bpf");
		return;
	}
	r = objects_new(c->config, probes, bpf_object_images, bpf_object_images_count, &c->objects, &c->bpf_missing);
	if (r < 0) {
		if (r == -EPERM || r == -EACCES)
			strbuf_addstr(&c->bpf_missing, " (BPF needs root, or CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE)");
		return;
	}
	r = ring_open(c);
	if (r < 0) {
		strbuf_addf(&c->bpf_missing, "cannot read the ring buffer: %s", strerror(-r));
		objects_free(c->objects);
		c->objects = NULL;
		return;
	}
	for (unsigned int i = 0; i < c->own_pid_count; i++)
		objects_set_own_pid(c->objects, c->own_pids[i]);
}

/* Announcements made while cgroups_new() runs come before anything else. */
static int open_names(struct collect *c)
{
	int r = kernel_new(&c->kernel);

	if (r < 0)
		return r;
	c->stacks = stacks_new(c->kernel, collect_make, c);
	c->fold = fold_new();
	if (!c->stacks || !c->fold)
		return -ENOMEM;
	r = cgroups_new("/proc", collect_make, c, &c->cgroups);
	if (r == -ENOMEM)
		return r;
	return 0;
}

static bool anything_to_watch(const struct collect *c)
{
	if (c->objects && objects_attached(c->objects))
		return true;
	for (unsigned int i = 0; i < c->source_count; i++)
		if (c->sources[i].sampler && c->sources[i].state == PROBE_ATTACHED)
			return true;
	return false;
}

static bool samplers_failed(const struct collect *c)
{
	for (unsigned int i = 0; i < c->source_count; i++)
		if (c->sources[i].sampler && c->sources[i].state == PROBE_FAILED)
			return true;
	return false;
}

int collect_new(const struct collect_options *options, struct collect **ret_collect, struct strbuf *ret_error)
{
	struct collect *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->config = options->config;
	c->fn = options->fn;
	c->ctx = options->ctx;
	c->off = options->off;
	c->started_ns = time_boot_ns();
	take_own_pids(c, options);
	r = open_names(c);
	if (r < 0) {
		collect_free(c);
		return r;
	}
	open_bpf(c);
	sources_new(c);
	/* Hooks first, the walk second: a cgroup made in between is seen by one of the two. */
	if (c->objects && !c->off)
		objects_start(c->objects);
	if (c->cgroups)
		cgroups_scan(c->cgroups, time_boot_ns());
	if (!c->off && !anything_to_watch(c)) {
		strbuf_addf(ret_error, "no BPF (%s), %s", strbuf_str(&c->bpf_missing),
			    samplers_failed(c) ? "no readable /proc or cgroup files" :
						 "and the samplers are turned off by collect.disabled");
		collect_free(c);
		return -ENODEV;
	}
	c->last_flip_ns = time_boot_ns();
	c->next_tick_ns = c->last_flip_ns; /* the first tick takes the base of all deltas */
	*ret_collect = c;
	return 0;
}

void collect_free(struct collect *c)
{
	if (!c)
		return;
	ring_close(c);
	objects_free(c->objects);
	sources_free(c);
	cgroups_free(c->cgroups);
	stacks_free(c->stacks);
	fold_free(c->fold);
	sums_free(c);
	kernel_free(c->kernel);
	strbuf_cleanup(&c->bpf_missing);
	free(c);
}

void collect_switch(struct collect *c, bool on)
{
	if (c->off == !on)
		return;
	c->off = !on;
	measure_forget(c);
	if (c->objects && on)
		objects_start(c->objects);
	else if (c->objects)
		objects_stop(c->objects);
	if (c->cgroups && on)
		cgroups_scan(c->cgroups, time_boot_ns());
	c->next_tick_ns = time_boot_ns(); /* says so at once */
}

int collect_fd(const struct collect *c)
{
	return c->ring ? ring_buffer__epoll_fd(c->ring) : -1;
}

/*
 * Attaching and detaching patches the kernel's code, and every CPU is interrupted and waited for a dozen times: 0.3 ms on
 * a quiet host of two CPUs, 100 ms and more where a hypervisor takes CPUs away.  So there is a window now and then,
 * and one after every tick while they show something.
 */
static bool window_due(struct collect *c)
{
	if (!c->eager_windows)
		return c->tick_seq % WINDOW_EVERY == 0;
	c->eager_windows--;
	return true;
}

/* The window of probes that are too dear to be attached all the time begins right after a tick. */
static void window_open(struct collect *c)
{
	bool due = window_due(c);

	objects_window(c->objects, due); /* what was just loaded is attached */
	if (!due)
		return;
	c->window_end_ns = time_boot_ns() + config_ns(c->config, "probe.errors.window");
}

static void window_close_when_due(struct collect *c)
{
	if (!c->window_end_ns || (uint64_t)time_boot_ns() < c->window_end_ns)
		return;
	objects_window(c->objects, false);
	c->window_end_ns = 0;
}

static bool tick_when_due(struct collect *c)
{
	uint64_t now = time_boot_ns(), period = config_ns(c->config, "collect.tick");

	if (now < c->next_tick_ns)
		return false;
	tick_run(c);
	if (c->objects)
		window_open(c);
	c->next_tick_ns += period;
	now = time_boot_ns();
	if (c->next_tick_ns <= now) /* slept, or too slow: no burst of ticks to catch up */
		c->next_tick_ns = now + period;
	return true;
}

static void look_early(struct collect *c)
{
	uint64_t due_ns = UINT64_MAX;

	if (c->cgroups && !c->off)
		due_ns = cgroups_look_early(c->cgroups, time_boot_ns());
	c->early_ns = due_ns == UINT64_MAX ? 0 : due_ns;
}

/* Sleeps until a program asks for the reader, the next look at the ring, the tick, or the caller's patience ends. */
static int wait_step(struct collect *c, int64_t left_ns)
{
	uint64_t now = (uint64_t)time_boot_ns();
	int64_t to_tick = (int64_t)(c->next_tick_ns - now);
	int64_t step = MIN(left_ns, to_tick);
	struct epoll_event event;

	if (c->ring)
		step = MIN(step, POLL_STEP_MS * NSEC_PER_MSEC);
	if (c->early_ns)
		step = MIN(step, (int64_t)(c->early_ns - now));
	if (c->window_end_ns)
		step = MIN(step, (int64_t)(c->window_end_ns - time_boot_ns()));
	if (step <= 0)
		return 0;
	if (c->ring) {
		int r = epoll_wait(collect_fd(c), &event, 1, (step + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);

		return r < 0 ? -errno : 0;
	}
	return nanosleep(&(struct timespec){ step / NSEC_PER_SEC, step % NSEC_PER_SEC }, NULL) < 0 ? -errno : 0;
}

int collect_poll(struct collect *c, int timeout_ms)
{
	uint64_t end = time_boot_ns() + MAX(timeout_ms, 0) * NSEC_PER_MSEC;
	uint64_t before = c->handed;

	for (;;) {
		uint64_t now;
		int r;

		ring_take(c, TURN_RECORDS);
		window_close_when_due(c);
		look_early(c);
		if (tick_when_due(c) || c->handed != before)
			return MIN(c->handed - before, (uint64_t)INT32_MAX);
		now = time_boot_ns();
		if (now >= end)
			return 0;
		r = wait_step(c, end - now);
		if (r < 0)
			return r; /* -EINTR: a signal for the caller to look at */
	}
}

void collect_describe(const struct collect *c, struct strbuf *out)
{
	for (unsigned int i = 0; i < c->source_count; i++) {
		const struct source *s = &c->sources[i];
		const struct probe_run *run = s->probe >= 0 ? objects_probe(c->objects, s->probe) : NULL;
		struct kw_probe p = { 0 };

		source_state(c, s, &p);
		strbuf_addf(out, "%-12s %-9s %s", s->name, probe_state_name(p.state), run ? run->attach : p.attach);
		if (p.why[0])
			strbuf_addf(out, "%s(%s)", p.attach[0] ? " " : "", p.why);
		if (run && run->lost[0])
			strbuf_addf(out, "; lost: %s", run->lost);
		strbuf_addch(out, '\n');
	}
	if (!c->objects)
		strbuf_addf(out, "no BPF: %s\n", strbuf_str(&c->bpf_missing));
	if (!c->cgroups)
		strbuf_addstr(out, "no cgroup hierarchy is mounted: containers cannot be told apart\n");
}

bool collect_degraded(const struct collect *c)
{
	if (!c->objects || !c->cgroups)
		return true;
	for (unsigned int i = 0; i < c->source_count; i++) {
		struct kw_probe p = { 0 };

		source_state(c, &c->sources[i], &p);
		if (p.state != PROBE_ATTACHED && p.state != PROBE_OFF)
			return true;
	}
	return false;
}
