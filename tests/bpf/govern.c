/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The governor on the running kernel: two probes driven over a tiny budget, each in the way its kind allows, and back;
 * the rate limit of one container; the switch.
 */
#include "tests/bpf/loads.h"

#define STEPS_MAX 64
#define DRIVEN_NS (240 * NSEC_PER_SEC) /* a step rests for nine times what it cost: on a slow host long */

struct step {
	char probe[32];
	uint32_t level, former;
};

struct watch {
	struct balance balance;
	struct step steps[STEPS_MAX];
	unsigned int step_count;
	uint32_t state[KW_KINDS_MAX][8]; /* by kind of the probe: how often it was in that state */
	struct kw_probe drop, runq, exit;
	struct kw_tick tick;
	uint64_t others; /* records that are no heartbeat */
	uint64_t exits_of[2], cgroup[2];
	uint64_t held[2], held_elsewhere;
};

static void take_probe(struct watch *w, const struct kw_probe *p)
{
	static const struct {
		const char *name;
		uint16_t kind;
		size_t offset;
	} kept[] = {
		{ "drop", KW_KIND_drop, offsetof(struct watch, drop) },
		{ "runq", KW_KIND_runq, offsetof(struct watch, runq) },
		{ "exit", KW_KIND_exit, offsetof(struct watch, exit) },
	};

	balance_take(&w->balance, p);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		if (strcmp(kept[i].name, p->name) != 0)
			continue;
		memcpy((char *)w + kept[i].offset, p, sizeof(*p));
		w->state[kept[i].kind][p->state & 7]++;
	}
}

static void take_step(struct watch *w, const struct kw_event *e, const struct kw_govern *g)
{
	struct step *s = &w->steps[w->step_count];

	printf("# %s: %u -> %u (%s), %u ppm of %u, %" PRIu64 " runs a second%s\n", g->probe, g->former, g->level,
	       g->what, g->cost_ppm, g->budget_ppm, (uint64_t)g->runs, e->error ? ", FAILED" : "");
	if (w->step_count == STEPS_MAX || e->error)
		return;
	memcpy(s->probe, g->probe, sizeof(s->probe));
	s->level = g->level;
	s->former = g->former;
	w->step_count++;
}

static void take_held(struct watch *w, const struct kw_event *e, const struct kw_held *h)
{
	for (int i = 0; i < 2; i++) {
		if (w->cgroup[i] && e->subject.cg.v2 == w->cgroup[i] && !strcmp(h->what, "exit")) {
			w->held[i] += h->count;
			return;
		}
	}
	w->held_elsewhere += !strcmp(h->what, "exit") ? h->count : 0;
}

static int on_event(void *ctx, const struct kw_event *e)
{
	struct watch *w = ctx;
	const void *payload = e + 1;

	w->others += e->kind != KW_KIND_probe && e->kind != KW_KIND_tick;
	if (e->kind == KW_KIND_probe)
		take_probe(w, payload);
	else if (e->kind == KW_KIND_tick)
		memcpy(&w->tick, payload, sizeof(w->tick));
	else if (e->kind == KW_KIND_govern)
		take_step(w, e, payload);
	else if (e->kind == KW_KIND_held)
		take_held(w, e, payload);
	else if (e->kind == KW_KIND_exit)
		for (int i = 0; i < 2; i++)
			w->exits_of[i] += w->cgroup[i] && e->subject.cg.v2 == w->cgroup[i];
	return 0;
}

static void poll_ticks(struct collect *c, const struct watch *w, unsigned int ticks)
{
	uint64_t target = w->tick.seq + ticks;

	for (int64_t end = time_boot_ns() + 60 * NSEC_PER_SEC; w->tick.seq < target && time_boot_ns() < end;)
		collect_poll(c, 100);
}

static bool reached(const struct watch *w, const char *probe, uint32_t level)
{
	for (unsigned int i = w->step_count; i > 0; i--)
		if (!strcmp(w->steps[i - 1].probe, probe))
			return w->steps[i - 1].level == level;
	return false;
}

/* Until both stand at that level. */
static void poll_until(struct collect *c, const struct watch *w, uint32_t level)
{
	int64_t end = time_boot_ns() + DRIVEN_NS;

	while ((!reached(w, "runq", level) || !reached(w, "drop", level)) && time_boot_ns() < end)
		collect_poll(c, 100);
}

/* What was sent before may still be in the ring for some ticks: whether there is an end to it. */
static bool falls_silent(struct collect *c, const struct watch *w, unsigned int steps)
{
	int64_t end = time_boot_ns() + DRIVEN_NS;
	uint64_t before;

	do {
		before = w->drop.emitted;
		poll_ticks(c, w, 2);
	} while (w->drop.emitted != before && steps == w->step_count && time_boot_ns() < end);
	return w->drop.emitted == before || steps != w->step_count;
}

/* ---- loads ----------------------------------------------------------------------------------------------------- */

/* A packet to a port where nobody listens: one drop each. */
static void send_nowhere(void)
{
	static int fd = -1;
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	if (fd < 0)
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sendto(fd, "", 1, 0, (const struct sockaddr *)&to, sizeof(to));
}

/* Two processes on one CPU that hand it to each other. */
static void hand_over(void)
{
	static int pipes[2][2];
	static bool child, begun;
	char byte = 0;

	if (!begun) {
		cpu_set_t one;

		CPU_ZERO(&one);
		CPU_SET(0, &one);
		sched_setaffinity(0, sizeof(one), &one);
		if (pipe(pipes[0]) || pipe(pipes[1]))
			_exit(1);
		child = fork() == 0;
		if (child)
			prctl(PR_SET_PDEATHSIG, SIGKILL);
		begun = true;
	}
	if (child) {
		if (read(pipes[0][0], &byte, 1) != 1 || write(pipes[1][1], &byte, 1) != 1)
			_exit(0);
	} else if (write(pipes[0][1], &byte, 1) != 1 || read(pipes[1][0], &byte, 1) != 1) {
		_exit(0);
	}
}

/* ---- tests ----------------------------------------------------------------------------------------------------- */

/* The levels that a probe went through, as "1 2 3". */
static const char *levels_of(const struct watch *w, const char *probe, char ret[STEPS_MAX * 2 + 1])
{
	size_t n = 0;

	for (unsigned int i = 0; i < w->step_count; i++)
		if (!strcmp(w->steps[i].probe, probe))
			n += (size_t)snprintf(ret + n, STEPS_MAX * 2 + 1 - n, "%s%u", n ? " " : "", w->steps[i].level);
	ret[n] = '\0';
	return ret;
}

static void held_back_and_let_go(struct checks *k)
{
	const char *const settings[] = {
		"collect.tick", "200ms", "govern.window", "200ms", "govern.period", "400ms", "govern.hold", "300ms",
		"govern.probe_budget", "0.002", "govern.budget", "1",
		"collect.disabled", all_but("cgroup,drop,runq,exit"),
		NULL,
	};
	char levels[STEPS_MAX * 2 + 1];
	static struct watch w;
	struct config *config;
	struct collect *c = collector_start(settings, on_event, &w, &config);
	struct load drops, switches;
	unsigned int steps;
	uint64_t before;

	if (!c) {
		check(k, false, "collector starts with a tiny budget", "collect_new failed");
		return;
	}
	poll_ticks(c, &w, 2);
	if (w.drop.state > PROBE_DEGRADED || w.runq.state > PROBE_DEGRADED) {
		skip(k, "held back and let go", "needs the probes drop and runq");
		collect_free(c);
		config_free(config);
		return;
	}
	drops = load_start(send_nowhere);
	switches = load_start(hand_over);
	poll_until(c, &w, LEVEL_DETACHED);
	/* In between a window may find it within its budget. */
	check(k, levels_of(&w, "runq", levels)[0] == '1' && strstr(levels, "1 2") && strstr(levels, "2 3"), "over its budget: thresholds, records, detached",
	      "runq went through \"%s\"", levels);
	check(k, levels_of(&w, "drop", levels)[0] == '2' && strstr(levels, "2 3"), "without a threshold: records, detached",
	      "drop went through \"%s\"", levels);
	poll_ticks(c, &w, 1);
	before = w.drop.emitted;
	steps = w.drop.state == PROBE_DETACHED ? w.step_count : 0;
	check(k, falls_silent(c, &w, steps), "detached it sends nothing",
	      "%" PRIu64 " records", (uint64_t)w.drop.emitted - before);
	load_stop(&drops);
	load_stop(&switches);
	poll_until(c, &w, LEVEL_WHOLE);
	check(k, strstr(levels_of(&w, "runq", levels), "3 2 1 0") != NULL, "afterwards it comes back step by step",
	      "runq went through \"%s\"", levels);
	check(k, strstr(levels_of(&w, "drop", levels), "3 2 0") != NULL, "and so does the one without a threshold",
	      "drop went through \"%s\"", levels);
	poll_ticks(c, &w, 2);
	before = w.drop.stored;
	send_nowhere();
	poll_ticks(c, &w, 2);
	check(k, w.drop.stored > before && w.drop.state <= PROBE_DEGRADED, "whole again it sees a single packet",
	      "state %u, stored %" PRIu64 " then %" PRIu64, w.drop.state, before, (uint64_t)w.drop.stored);
	check(k, w.state[KW_KIND_runq][PROBE_RAISED] && w.state[KW_KIND_runq][PROBE_SAMPLED] &&
		 w.state[KW_KIND_runq][PROBE_DETACHED], "each state was reported with a tick", "raised %u sampled %u "
	      "detached %u", w.state[KW_KIND_runq][PROBE_RAISED], w.state[KW_KIND_runq][PROBE_SAMPLED],
	      w.state[KW_KIND_runq][PROBE_DETACHED]);
	check(k, w.drop.run_ns > 0 && w.drop.run_count > 0, "what it took is summed up", "%" PRIu64 " ns",
	      (uint64_t)w.drop.run_ns);
	balance_check(k, &w.balance, "while probes are held back and let go");
	collect_free(c);
	config_free(config);
}

static void one_noisy_container(struct checks *k)
{
	const char *const settings[] = { "collect.rate", "20", "collect.run_stats", "false",
					 "collect.disabled", all_but("cgroup,drop,runq,exit"),
					 "collect.tick", "200ms", NULL };
	char mount[256], path[2][400];
	static struct watch w;
	struct config *config;
	struct collect *c;

	memset(&w, 0, sizeof(w));
	if (!find_v2(mount)) {
		skip(k, "one noisy container", "no v2 hierarchy");
		return;
	}
	c = collector_start(settings, on_event, &w, &config);
	for (int i = 0; i < 2; i++) {
		snprintf(path[i], sizeof(path[i]), "%s/kwhy-test-%d-%d", mount, getpid(), i);
		w.cgroup[i] = make_cgroup(path[i]);
	}
	if (!c || !w.cgroup[0] || !w.cgroup[1] || (poll_ticks(c, &w, 2), w.exit.state > PROBE_DEGRADED)) {
		skip(k, "one noisy container", "needs cgroups and the probe exit");
	} else {
		die_in(path[0], 600);
		die_in(path[1], 1);
		die_in(path[0], 200);
		poll_ticks(c, &w, 3);
		check(k, w.held[0] > 0 && w.exits_of[0] < 800, "a noisy container is held back", "%" PRIu64 " stored",
		      w.exits_of[0]);
		check(k, w.exits_of[0] + w.held[0] == 800, "what was held back of it is counted as its own",
		      "%" PRIu64 " stored, %" PRIu64 " held back of 800", w.exits_of[0], w.held[0]);
		check(k, w.exits_of[1] == 1 && !w.held[1], "the one thing that happened to its neighbour is stored",
		      "%" PRIu64 " stored, %" PRIu64 " held back", w.exits_of[1], w.held[1]);
		check(k, w.exit.suppressed == w.held[0] + w.held_elsewhere, "per container and in all it is the same",
		      "%" PRIu64 " in the books, %" PRIu64 " by container", (uint64_t)w.exit.suppressed,
		      w.held[0] + w.held_elsewhere);
		balance_check(k, &w.balance, "one noisy container");
	}
	collect_free(c);
	config_free(config);
	rmdir(path[0]);
	rmdir(path[1]);
}

static void off_and_on(struct checks *k)
{
	const char *const settings[] = { "collect.tick", "200ms", NULL };
	static struct watch w;
	struct config *config;
	struct collect *c;
	uint64_t before;

	memset(&w, 0, sizeof(w));
	c = collector_start(settings, on_event, &w, &config);
	if (!c || (poll_ticks(c, &w, 2), w.exit.state > PROBE_DEGRADED)) {
		skip(k, "off and on", "needs the probe exit");
		collect_free(c);
		config_free(config);
		return;
	}
	collect_switch(c, false);
	poll_ticks(c, &w, 1); /* with what was in the ring and the sums */
	check(k, w.tick.off == 1 && w.tick.bpf == 0, "off: said by the heartbeat, nothing is attached",
	      "off %u, bpf %u", w.tick.off, w.tick.bpf);
	check(k, w.exit.state == PROBE_OFF, "off: each probe says so", "state %u", w.exit.state);
	before = w.others;
	die_in("/nowhere", 5);
	poll_ticks(c, &w, 3);
	check(k, w.others == before, "off: nothing but heartbeats", "%" PRIu64 " records", w.others - before);
	collect_switch(c, true);
	poll_ticks(c, &w, 2);
	before = w.exit.stored;
	die_in("/nowhere", 5);
	poll_ticks(c, &w, 2);
	check(k, w.tick.off == 0 && w.tick.bpf == 1 && w.exit.stored >= before + 5, "on again: it sees what happens",
	      "off %u, bpf %u, %" PRIu64 " of 5", w.tick.off, w.tick.bpf, (uint64_t)w.exit.stored - before);
	balance_check(k, &w.balance, "off and on");
	collect_free(c);
	config_free(config);
}

/* "govern storm": switches only, until it is ended; for a test of the whole program. */
int main(int argc, char **argv)
{
	struct checks k = { 0 };

	while (argc == 2 && !strcmp(argv[1], "storm"))
		hand_over();

	if (geteuid() != 0) {
		skip(&k, "governor", "needs root");
		return 0;
	}
	held_back_and_let_go(&k);
	one_noisy_container(&k);
	off_and_on(&k);
	return k.failed != 0;
}
