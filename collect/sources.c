/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that has books and a line in `kwhy probes`: probes, samplers, the sums. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collect/state.h"
#include "schema/ev_probe.h"

static const uint16_t sum_kinds[] = { KW_KIND_wait, KW_KIND_blame, KW_KIND_tally, KW_KIND_held, KW_KIND_wakeup, 0 };
static const uint16_t governor_kinds[] = { KW_KIND_govern, 0 };

static struct source *add_source(struct collect *c, const char *name, const uint16_t *kinds)
{
	struct source *s;

	if (c->source_count == SOURCES_MAX)
		return NULL;
	s = &c->sources[c->source_count];
	*s = (struct source){ .name = name, .kinds = kinds, .probe = -1, .state = PROBE_ATTACHED };
	for (; kinds && *kinds; kinds++)
		if (*kinds < KW_KINDS_MAX && c->owner[*kinds] < 0)
			c->owner[*kinds] = c->source_count;
	c->source_count++;
	return s;
}

static void sampler_ctx(struct collect *c, uint64_t now_ns, uint64_t span_ns, struct sampler_ctx *ret)
{
	*ret = (struct sampler_ctx){
		.config = c->config,
		.kernel = c->kernel,
		.cgroups = c->cgroups,
		.now_ns = now_ns,
		.span_ns = span_ns,
		.emit = collect_make,
		.lose = collect_lose,
		.emit_ctx = c,
	};
}

static void fail(struct source *s, enum probe_run_state state, const char *what, int error)
{
	s->state = state;
	snprintf(s->why, sizeof(s->why), "%s: %s", what, strerror(-error));
}

static void open_sampler(struct collect *c, const struct sampler *sampler)
{
	struct source *s = add_source(c, sampler->name, sampler->kinds);
	struct sampler_ctx ctx;
	int r;

	if (!s)
		return;
	s->sampler = sampler;
	if (setting_lists(config_string(c->config, "collect.disabled"), sampler->name)) {
		s->state = PROBE_OFF;
		snprintf(s->why, sizeof(s->why), "turned off by collect.disabled");
		return;
	}
	if (!sampler->open)
		return;
	sampler_ctx(c, c->started_ns, 0, &ctx);
	r = sampler->open(&ctx, &s->sampler_state);
	if (r < 0)
		fail(s, PROBE_FAILED, sampler->source ? sampler->source : "open", r);
}

/* Without BPF the probes stay in the list, so that what is missing shows. */
static void add_absent_probe(struct collect *c, const struct probe *probe)
{
	struct source *s = add_source(c, probe->name, probe->kinds);
	bool off = setting_lists(config_string(c->config, "collect.disabled"), probe->name) ||
		   !config_bool(c->config, "collect.bpf");

	if (!s)
		return;
	s->state = off ? PROBE_OFF : PROBE_FAILED;
	snprintf(s->why, sizeof(s->why), "%.120s", strbuf_str(&c->bpf_missing));
}

void sources_new(struct collect *c)
{
	struct source *s;

	for (unsigned int i = 0; i < KW_KINDS_MAX; i++)
		c->owner[i] = -1;
	/* First, so that these kinds stay its own: several probes feed one sum. */
	if (c->objects)
		add_source(c, "sums", sum_kinds);
	for (unsigned int i = 0; probes[i]; i++) {
		if (!c->objects) {
			add_absent_probe(c, probes[i]);
			continue;
		}
		s = add_source(c, probes[i]->name, probes[i]->kinds);
		if (s)
			s->probe = i;
	}
	for (unsigned int i = 0; samplers[i]; i++)
		open_sampler(c, samplers[i]);
	if (c->objects)
		add_source(c, "governor", governor_kinds);
}

void sources_free(struct collect *c)
{
	for (unsigned int i = 0; i < c->source_count; i++) {
		struct source *s = &c->sources[i];

		if (s->sampler && s->sampler->close && s->sampler_state)
			s->sampler->close(s->sampler_state);
		s->sampler_state = NULL;
	}
	c->source_count = 0;
}

void sources_sample(struct collect *c, uint64_t now_ns, uint64_t span_ns)
{
	struct sampler_ctx ctx;

	sampler_ctx(c, now_ns, span_ns, &ctx);
	for (unsigned int i = 0; i < c->source_count; i++) {
		struct source *s = &c->sources[i];
		int r;

		if (!s->sampler || s->state == PROBE_OFF || s->state == PROBE_FAILED)
			continue;
		r = s->sampler->sample(s->sampler_state, &ctx);
		if (r < 0) {
			fail(s, PROBE_DEGRADED, "sample", r);
		} else if (s->state == PROBE_DEGRADED) {
			s->state = PROBE_ATTACHED;
			s->why[0] = '\0';
		}
	}
}

/* Not a sampler, as it acts on the programs themselves. */
static void governor_state(const struct collect *c, struct kw_probe *ret)
{
	const struct measure *m = &c->measure;

	ret->state = PROBE_ATTACHED;
	ret->cost_ppm = m->total_ppm;
	snprintf(ret->attach, sizeof(ret->attach), "run-time statistics of BPF programs, in windows");
	if (!config_bool(c->config, "collect.run_stats")) {
		ret->state = PROBE_OFF;
		snprintf(ret->why, sizeof(ret->why), "turned off by collect.run_stats: nobody watches the cost");
	} else if (m->error) {
		ret->state = PROBE_FAILED;
		snprintf(ret->why, sizeof(ret->why), "run-time statistics: %s; nobody watches what probes cost",
			 strerror(m->error));
	}
}

void source_state(const struct collect *c, const struct source *s, struct kw_probe *ret)
{
	const struct probe_run *run = s->probe >= 0 ? objects_probe(c->objects, s->probe) : NULL;

	snprintf(ret->name, sizeof(ret->name), "%s", s->name);
	if (c->off) {
		ret->state = PROBE_OFF;
		snprintf(ret->why, sizeof(ret->why), "everything is switched off");
		return;
	}
	if (run) {
		ret->state = run->state;
		snprintf(ret->attach, sizeof(ret->attach), "%s", run->attach);
		snprintf(ret->why, sizeof(ret->why), "%s", run->why);
		measure_of(c, s->probe, ret);
		return;
	}
	if (s->kinds == governor_kinds) {
		governor_state(c, ret);
		return;
	}
	ret->state = s->state;
	snprintf(ret->attach, sizeof(ret->attach), "%s", s->sampler && s->sampler->source ? s->sampler->source : "");
	snprintf(ret->why, sizeof(ret->why), "%s", s->why);
}
