/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "tests/synth/synth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/aggregate.h"
#include "base/cleanup.h"

#define CONTAINERS_MAX 8
#define BOOT_ID "11111111-2222-3333-4444-555555555555"

#define PROBE(name) #name,
#define SAMPLER(name) #name,
static const char *const probe_names[] = {
#include "collect/probes.def"
#include "collect/samplers.def"
};

struct synth {
	struct config *config;
	struct aggregate *aggregate;
	int64_t now_ns;
	int cpus, containers;
	uint64_t seq;
	uint32_t state[ARRAY_SIZE(probe_names)]; /* 0: attached */
	uint64_t lost[ARRAY_SIZE(probe_names)];
	struct kw_usage usage[CONTAINERS_MAX];
	struct kw_netstat netstat[CONTAINERS_MAX];
	bool has_netstat[CONTAINERS_MAX];
	struct kw_host host;
	struct {
		struct kw_event event;
		char payload[4096];
	} record;
};

struct kw_cg synth_cg(int container)
{
	return (struct kw_cg){ .v2 = container == SYNTH_NOBODY ? 0
				     : container == SYNTH_HOST ? 1
							       : 100 + (uint64_t)container };
}

static void reset_samples(struct synth *s)
{
	for (int i = 0; i < CONTAINERS_MAX; i++) {
		memset(&s->usage[i], 0xff, sizeof(s->usage[i]));
		s->usage[i].span_ns = SYNTH_SEC;
		s->usage[i].cpu_ns = 0;
		s->usage[i].frozen = 0;
		memset(&s->netstat[i], 0, sizeof(s->netstat[i]));
		s->has_netstat[i] = false;
	}
	memset(&s->host, 0xff, sizeof(s->host));
	s->host.span_ns = SYNTH_SEC;
	s->host.cpus = s->cpus;
}

struct synth *synth_new(const char *dir, int cpus)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct synth *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->config = config_new();
	s->now_ns = SYNTH_BOOT_NS;
	s->cpus = cpus;
	assert_int_equal(aggregate_new(dir, s->config, BOOT_ID, &s->aggregate, &error), 0);
	reset_samples(s);
	return s;
}

void synth_free(struct synth *s)
{
	aggregate_free(s->aggregate);
	config_free(s->config);
	free(s);
}

int64_t synth_now(const struct synth *s)
{
	return s->now_ns;
}

int64_t synth_wall(const struct synth *s)
{
	return s->now_ns + SYNTH_WALL_OFFSET;
}

static struct kw_party party(int container)
{
	struct kw_party p = { .cg = synth_cg(container) };

	if (container == SYNTH_NOBODY)
		return p;
	p.pid = p.tid = 1000 + (uint32_t)container;
	p.start_ns = 500 * SYNTH_SEC + (uint64_t)container;
	snprintf(p.comm, sizeof(p.comm), "task%d", container);
	return p;
}

struct kw_event *synth_event(struct synth *s, enum kw_kind kind, int subject, int peer, int64_t at_ns,
			     int64_t duration_ns)
{
	struct kw_event *e = &s->record.event;

	memset(&s->record, 0, sizeof(s->record));
	e->kind = kind;
	e->payload_size = (uint16_t)kw_kind_by_number(kind)->payload_size;
	e->ts_ns = (uint64_t)(s->now_ns + at_ns);
	e->duration_ns = (uint64_t)duration_ns;
	e->subject = party(subject);
	e->peer = party(peer);
	return e;
}

void *synth_payload(struct kw_event *e)
{
	return e + 1;
}

void synth_send(struct synth *s, struct kw_event *e)
{
	assert_int_equal(aggregate_event(s->aggregate, e), 0);
}

int synth_container(struct synth *s, const char *name)
{
	int number = ++s->containers;
	struct kw_event *e = synth_event(s, KW_KIND_cgroup, number, SYNTH_NOBODY, 0, 0);
	struct kw_cgroup *c = synth_payload(e);

	assert_true(number < CONTAINERS_MAX);
	c->op = 2;
	c->id = synth_cg(number).v2;
	c->created_ns = (uint64_t)s->now_ns;
	snprintf(c->path, sizeof(c->path), "/test/%s", name);
	synth_send(s, e);
	return number;
}

static size_t probe_index(const char *name)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(probe_names) && strcmp(probe_names[i], name))
		i++;
	assert_true(i < ARRAY_SIZE(probe_names));
	return i;
}

void synth_probe_state(struct synth *s, const char *name, unsigned int state)
{
	s->state[probe_index(name)] = state;
}

void synth_probe_off(struct synth *s, const char *name)
{
	synth_probe_state(s, name, SYNTH_FAILED);
}

void synth_lose(struct synth *s, const char *name, uint64_t records)
{
	s->lost[probe_index(name)] += records;
}

void synth_wait(struct synth *s, int container, enum kw_wait_reason reason, int64_t sum_ns, int64_t max_ns,
		uint64_t count)
{
	struct kw_event *e = synth_event(s, KW_KIND_wait, container, SYNTH_NOBODY, SYNTH_SEC, 0);
	struct kw_wait *w = synth_payload(e);

	*w = (struct kw_wait){ .span_ns = SYNTH_SEC, .reason = reason, .count = count, .sum_ns = (uint64_t)sum_ns,
			       .max_ns = (uint64_t)max_ns };
	synth_send(s, e);
}

void synth_blame(struct synth *s, enum kw_resource resource, int victim, int culprit, enum kw_sink sink, int64_t ns,
		 uint64_t object)
{
	struct kw_event *e = synth_event(s, KW_KIND_blame, victim, culprit, SYNTH_SEC, 0);
	struct kw_blame *b = synth_payload(e);

	*b = (struct kw_blame){ .span_ns = SYNTH_SEC,
				.resource = resource,
				.sink = sink,
				.count = 10,
				.ns = (uint64_t)ns,
				.object = object };
	synth_send(s, e);
}

struct kw_usage *synth_usage(struct synth *s, int container)
{
	return &s->usage[container];
}

struct kw_netstat *synth_netstat(struct synth *s, int container)
{
	s->has_netstat[container] = true;
	return &s->netstat[container];
}

struct kw_host *synth_host(struct synth *s)
{
	return &s->host;
}

void synth_tally(struct synth *s, int container, const char *name, uint64_t count, int64_t ns, int64_t part_ns)
{
	struct kw_event *e = synth_event(s, KW_KIND_tally, container, SYNTH_NOBODY, SYNTH_SEC, 0);
	struct kw_tally *t = synth_payload(e);

	*t = (struct kw_tally){ .span_ns = SYNTH_SEC, .count = count, .ns = (uint64_t)ns, .part_ns = (uint64_t)part_ns };
	snprintf(t->name, sizeof(t->name), "%s", name);
	synth_send(s, e);
}

static void send_sample(struct synth *s, enum kw_kind kind, int container, const void *payload)
{
	struct kw_event *e = synth_event(s, kind, container, SYNTH_NOBODY, SYNTH_SEC, 0);

	e->subject.pid = e->subject.tid = 0;
	memcpy(synth_payload(e), payload, e->payload_size);
	synth_send(s, e);
}

static void send_samples(struct synth *s)
{
	for (int i = 1; i <= s->containers; i++) {
		send_sample(s, KW_KIND_usage, i, &s->usage[i]);
		if (s->has_netstat[i])
			send_sample(s, KW_KIND_netstat, i, &s->netstat[i]);
	}
	send_sample(s, KW_KIND_host, SYNTH_HOST, &s->host);
}

static void send_probes(struct synth *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(probe_names); i++) {
		struct kw_event *e = synth_event(s, KW_KIND_probe, SYNTH_NOBODY, SYNTH_NOBODY, SYNTH_SEC, 0);
		struct kw_probe *p = synth_payload(e);

		p->state = s->state[i] ? s->state[i] : SYNTH_ATTACHED;
		p->emitted = 100 * s->seq + s->lost[i];
		p->stored = 100 * s->seq;
		p->lost_ring = s->lost[i];
		snprintf(p->name, sizeof(p->name), "%s", probe_names[i]);
		if (p->state != SYNTH_ATTACHED)
			snprintf(p->why, sizeof(p->why), "%s",
				 p->state == SYNTH_FAILED ? "refused by the kernel" : "over its budget");
		synth_send(s, e);
	}
}

void synth_tick(struct synth *s)
{
	struct kw_event *e;

	send_samples(s);
	send_probes(s);
	e = synth_event(s, KW_KIND_tick, SYNTH_NOBODY, SYNTH_NOBODY, SYNTH_SEC, 0);
	*(struct kw_tick *)synth_payload(e) = (struct kw_tick){ .seq = ++s->seq, .wall_ns = SYNTH_WALL_OFFSET, .bpf = 1,
								.started_ns = SYNTH_BOOT_NS };
	synth_send(s, e);
	s->now_ns += SYNTH_SEC;
	reset_samples(s);
}

void synth_starve(struct synth *s, int seconds)
{
	s->now_ns += seconds * SYNTH_SEC;
}
