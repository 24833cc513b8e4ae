/* SPDX-License-Identifier: Apache-2.0 */
/* The tick: scan, settle the books, sums, cgroups, samples, the governor, probe states, and the heartbeat last. */
#include <string.h>

#include "base/timeutil.h"
#include "collect/state.h"
#include "schema/ev_probe.h"
#include "schema/ev_tick.h"

static void add_totals(struct kw_tick *t, const struct kw_probe *p)
{
	t->emitted += p->emitted;
	t->stored += p->stored;
	t->lost += p->lost_ring + p->suppressed + p->lost_other;
	t->probes_missing += p->state == PROBE_FAILED || p->state == PROBE_DETACHED;
}

/* Most probes have nothing to say for hours: a record of each in every tick would be half of a quiet host's store. */
static bool has_news(struct source *s, const struct kw_probe *p, uint64_t now_ns)
{
	if (s->told_ns && now_ns - s->told_ns < KW_PROBE_EVERY_NS && !memcmp(&s->told, p, sizeof(*p)))
		return false;
	s->told = *p;
	s->told_ns = now_ns;
	return true;
}

static void emit_probes(struct collect *c, uint64_t now_ns, struct kw_tick *tick)
{
	for (unsigned int i = 0; i < c->source_count; i++) {
		struct {
			struct kw_event e;
			struct kw_probe p;
		} r = { .e = { .kind = KW_KIND_probe, .payload_size = sizeof(r.p), .ts_ns = now_ns } };

		source_state(c, &c->sources[i], &r.p);
		books_of(c, &c->sources[i], &r.p);
		add_totals(tick, &r.p);
		if (has_news(&c->sources[i], &r.p, now_ns))
			collect_make(c, &r.e);
	}
}

static bool cgroups_polled(const struct collect *c)
{
	const struct probe_run *run;

	for (unsigned int i = 0; c->objects && (run = objects_probe(c->objects, i)); i++)
		if (run->probe->kinds && run->probe->kinds[0] == KW_KIND_cgroup)
			return run->state == PROBE_FAILED || run->state == PROBE_OFF;
	return true;
}

static void emit_tick(struct collect *c, uint64_t now_ns, struct kw_tick *tick)
{
	struct {
		struct kw_event e;
		struct kw_tick p;
	} r = { .e = { .kind = KW_KIND_tick, .payload_size = sizeof(r.p), .ts_ns = now_ns }, .p = *tick };

	r.p.seq = ++c->tick_seq;
	r.p.wall_ns = time_wall_offset_ns();
	r.p.started_ns = c->started_ns;
	r.p.bpf = c->objects && objects_attached(c->objects) > 0;
	r.p.off = c->off;
	collect_make(c, &r.e);
}

static int emit_folded(void *ctx, struct kw_event *e, const uint64_t *user, unsigned int count)
{
	struct collect *c = ctx;

	e->peer_stack = stacks_intern_user(c->stacks, e->subject.pid, user, count, e->ts_ns);
	return collect_make(c, e);
}

void tick_run(struct collect *c)
{
	struct kw_tick tick = { 0 };
	uint64_t now_ns, span_ns;

	if (c->objects && !c->off) {
		objects_follow_cpus(c->objects);
		objects_run_iterators(c->objects);
	}
	/* Everything that ended before now_ns is in the ring or the sums by now, and taken below. */
	now_ns = time_boot_ns();
	span_ns = c->last_tick_ns ? now_ns - c->last_tick_ns : 0;
	if (c->objects) {
		sums_flip(c);
		books_settle(c);
		sums_drain(c, now_ns);
		stacks_settle_user(c->stacks);
		fold_flush(c->fold, now_ns, span_ns, emit_folded, c);
	} else {
		c->settled = true;
	}
	if (c->cgroups && !c->off)
		cgroups_tick(c->cgroups, now_ns, cgroups_polled(c));
	if (!c->off)
		sources_sample(c, now_ns, span_ns);
	measure_tick(c);
	emit_probes(c, now_ns, &tick);
	emit_tick(c, now_ns, &tick);
	kernel_tick(c->kernel, now_ns);
	c->last_tick_ns = now_ns;
}
