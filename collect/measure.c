/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What probes cost.  The kernel's run-time statistics add two readings of the clock to every run of every program, so
 * they are on for one window in each period only; totals since start are carried on from those windows.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "collect/state.h"

#define PPM 1000000
#define REST 9 /* times what a step took */

static void read_counts(const struct collect *c, struct measured_count ret[OBJECTS_PROBES_MAX])
{
	for (unsigned int i = 0; i < OBJECTS_PROBES_MAX && objects_probe(c->objects, i); i++)
		objects_probe_cost(c->objects, i, &ret[i].ns, &ret[i].runs);
}

static void open_window(struct collect *c, int64_t now_ns)
{
	struct measure *m = &c->measure;

	m->error = -objects_measure_begin(c->objects);
	if (m->error)
		return;
	read_counts(c, m->base);
	m->open = true;
	m->opened_ns = now_ns;
}

static void close_window(struct collect *c, int64_t now_ns)
{
	struct measure *m = &c->measure;
	int64_t window_ns = MAX(now_ns - m->opened_ns, 1);
	int64_t since = m->closed_ns ? m->closed_ns : (int64_t)c->started_ns;
	/* What was not measured is taken to have been as what was. */
	double stands_for = (double)(now_ns - since) / (double)window_ns;
	struct measured_count now[OBJECTS_PROBES_MAX] = { 0 };
	uint64_t total = 0;

	read_counts(c, now);
	for (unsigned int i = 0; i < OBJECTS_PROBES_MAX; i++) {
		struct measured *p = &m->probes[i];
		uint64_t ns = now[i].ns - m->base[i].ns, runs = now[i].runs - m->base[i].runs;
		uint64_t ppm = ns * PPM / (uint64_t)window_ns;

		p->runs = runs * NSEC_PER_SEC / (uint64_t)window_ns;
		p->total.ns += (uint64_t)((double)ns * stands_for);
		p->total.runs += (uint64_t)((double)runs * stands_for);
		m->governed[i].cost_ppm = (uint32_t)MIN(ppm, (uint64_t)UINT32_MAX);
		total += ppm;
	}
	m->total_ppm = (uint32_t)MIN(total, (uint64_t)UINT32_MAX);
	m->open = false;
	m->closed_ns = now_ns;
}

static void tell(struct collect *c, const struct govern_step *step, int error, int64_t now_ns)
{
	static const char *const what[] = {
		[LEVEL_WHOLE] = "whole again",
		[LEVEL_RAISED] = "thresholds are four times as high",
		[LEVEL_SAMPLED] = "a sixteenth of the records a container may have",
		[LEVEL_DETACHED] = "detached: sees nothing",
	};
	struct {
		struct kw_event e;
		struct kw_govern p;
	} r = {
		.e = { .kind = KW_KIND_govern, .payload_size = sizeof(r.p), .ts_ns = (uint64_t)now_ns, .error = error },
		.p = { .level = step->level, .former = step->former, .budget_ppm = step->budget_ppm,
		       .cost_ppm = c->measure.governed[step->probe].cost_ppm,
		       .runs = c->measure.probes[step->probe].runs, .hold_ns = (uint64_t)step->hold_ns },
	};

	snprintf(r.p.probe, sizeof(r.p.probe), "%s", objects_probe(c->objects, step->probe)->probe->name);
	snprintf(r.p.what, sizeof(r.p.what), "%s%s", error ? "could not be done: " : "", what[step->level]);
	collect_make(c, &r.e);
}

static uint32_t budget_ppm(const struct config *config, const char *key)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	double ppm = config_ratio(config, key) * PPM * (double)MAX(cpus, 1);

	return ppm < UINT32_MAX ? (uint32_t)ppm : UINT32_MAX;
}

/* Programs that a step loads anew have to be verified: coming and going takes a tenth of a CPU at most. */
static void govern(struct collect *c, int64_t now_ns)
{
	const struct govern_limits limits = {
		.probe_ppm = budget_ppm(c->config, "govern.probe_budget"),
		.total_ppm = budget_ppm(c->config, "govern.budget"),
		.hold_ns = config_ns(c->config, "govern.hold"),
	};
	struct measure *m = &c->measure;
	const struct probe_run *run;
	struct govern_step step;
	unsigned int count = 0;
	int64_t began_ns;
	int r;

	for (; count < OBJECTS_PROBES_MAX && (run = objects_probe(c->objects, count)); count++) {
		m->governed[count].fixed = run->probe->essential || !run->probe->attach || run->state == PROBE_OFF ||
					   run->state == PROBE_FAILED;
		m->governed[count].has_threshold = objects_has_threshold(c->objects, count);
		m->governed[count].stays = !objects_can_load_again(c->objects, count);
	}
	if (!governor_decide(m->governed, count, &limits, now_ns, &step, &m->hurry))
		return;
	began_ns = time_thread_ns();
	r = objects_hold_back(c->objects, step.probe, step.level);
	step.hold_ns = MAX(step.hold_ns, (time_thread_ns() - began_ns) * REST);
	m->governed[step.probe].hold_ns = step.hold_ns;
	if (r < 0)
		m->governed[step.probe].level = step.former;
	tell(c, &step, -r, now_ns);
}

void measure_tick(struct collect *c)
{
	struct measure *m = &c->measure;
	int64_t window = config_ns(c->config, "govern.window"), period = config_ns(c->config, "govern.period");
	int64_t now = time_boot_ns(), slack = config_ns(c->config, "collect.tick") / 2;

	if (!c->objects || c->off || !config_bool(c->config, "collect.run_stats"))
		return;
	if (m->open && now + slack >= m->opened_ns + window) {
		close_window(c, now);
		govern(c, now);
		/* Turning them on and off patches the kernel's code: not between two windows without a pause. */
		if (!m->hurry)
			objects_measure_end(c->objects);
	}
	if (!m->open && (m->hurry || !m->closed_ns || now + slack >= m->closed_ns + period - window))
		open_window(c, time_boot_ns());
}

void measure_forget(struct collect *c)
{
	if (c->objects)
		objects_measure_end(c->objects);
	c->measure.open = false;
	c->measure.hurry = false;
}

void measure_of(const struct collect *c, unsigned int probe, struct kw_probe *ret)
{
	const struct measured *p = &c->measure.probes[probe];

	ret->run_ns = p->total.ns;
	ret->run_count = p->total.runs;
	ret->cost_ppm = c->measure.governed[probe].cost_ppm;
}
