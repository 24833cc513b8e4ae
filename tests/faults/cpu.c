/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a CPU: a neighbour's, one's own threads', one's own quota's. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "tests/faults/cpu.h"
#include "tests/faults/faults.h"

#define THREADS_MAX 12

void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (cpu >= 0)
		sched_setaffinity(0, sizeof(set), &set);
}

int draw_cpus(struct sandbox *sb, int *ret_one, int *ret_other)
{
	int cpus[CPU_SETSIZE], n = 0, first, second;
	cpu_set_t set;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			cpus[n++] = i;
	if (n < 2)
		return sandbox_fail(sb, -EOPNOTSUPP, "needs two CPUs");
	first = sandbox_random(sb, 0, n - 1);
	second = sandbox_random(sb, 0, n - 2);
	*ret_one = cpus[first];
	*ret_other = cpus[second + (second >= first)];
	return 0;
}

/* Does nothing until the fault begins. */
void hog_body(struct sandbox *sb, void *arg)
{
	const struct hog *h = arg;
	int64_t burst_ns = h->percent < 100 ? h->burst_ns : MS;

	stay_on(h->cpu);
	while (sandbox_phase(sb) < PHASE_FAULT)
		nap_ns(5 * MS);
	while (sandbox_phase(sb) == PHASE_FAULT) {
		burn_cpu(burst_ns);
		if (h->percent < 100)
			nap_ns(burst_ns * (100 - h->percent) / h->percent);
	}
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static void *hog_thread(void *arg)
{
	const struct pack *p = arg;
	struct hog h = { .cpu = p->cpu, .percent = 100 };

	hog_body(p->sb, &h);
	return NULL;
}

void pack_body(struct sandbox *sb, void *arg)
{
	struct pack *p = arg;
	pthread_t ids[THREADS_MAX];
	int n = 0;

	p->sb = sb;
	stay_on(p->cpu);
	while (n < p->threads && pthread_create(&ids[n], NULL, hog_thread, p) == 0)
		n++;
	serve_requests(sb, &p->rq);
	while (n-- > 0)
		pthread_join(ids[n], NULL);
}

struct requests draw_requests(struct sandbox *sb, int work_ms, int percent_low, int percent_high)
{
	struct cpu_state *st = sb->state;
	struct requests rq = { .work_ns = sandbox_random(sb, work_ms, 2 * work_ms) * MS,
			       .percent = sandbox_random(sb, percent_low, percent_high), .tally = st->requests };

	st->work_ns = rq.work_ns;
	facts_ns(&sb->params, "request_work_ns", rq.work_ns);
	facts_int(&sb->params, "request_cpu_percent", rq.percent);
	return rq;
}

/*
 * v2 weights run from 1 to 10000 around 100, v1 shares around 1024.  Weights count among siblings, so a group that the
 * container has for itself gets the same one.
 */
int set_shares(struct sandbox *sb, const struct container *c, const char *fact, int shares)
{
	struct container group = *c;
	char value[16], *end = strrchr(group.path, '/');
	int r;

	facts_int(&sb->params, fact, shares);
	snprintf(value, sizeof(value), "%d", controller_is_v2(sb, "cpu") ? shares * 100 / 1024 : shares);
	r = container_write(sb, c, "cpu", "cpu.shares", "cpu.weight", value);
	if (r < 0 || end == group.path)
		return r;
	*end = '\0';
	return container_write(sb, &group, "cpu", "cpu.shares", "cpu.weight", value);
}

static int spawn_hogs(struct sandbox *sb, int hogs, int shares)
{
	struct hog h = { .cpu = -1, .percent = 100 };
	int r = container_new(sb, &sb->culprit);

	if (r < 0)
		return r;
	r = set_shares(sb, sb->culprit, "hog_shares", shares);
	facts_int(&sb->params, "hogs", hogs);
	for (int i = 0; i < hogs && r >= 0; i++)
		r = sandbox_spawn(sb, sb->culprit, hog_body, &h);
	return r < 0 ? r : 0;
}

/*
 * EEVDF lets a short sleeper go first, so a request is long enough to use that up; and the weight of a group is
 * spread over its CPUs, so the victim has less of it, as a container with a small CPU request has.
 */
static int neighbor_with(struct sandbox *sb, int hogs, int hog_shares, int shares)
{
	struct requests rq = draw_requests(sb, 20, 38, 46);
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = set_shares(sb, sb->victim, "request_shares", shares);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, requests_body, &rq);
	if (r >= 0)
		r = spawn_hogs(sb, hogs, hog_shares);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int neighbor_setup(struct sandbox *sb)
{
	int hogs = sandbox_random(sb, 4, 8), hog_shares = 1024 * sandbox_random(sb, 4, 8);

	return neighbor_with(sb, hogs, hog_shares, sandbox_random(sb, 400, 700));
}

static int demo_setup(struct sandbox *sb)
{
	return neighbor_with(sb, 4, 4096, 600);
}

int requests_proof(struct sandbox *sb)
{
	struct cpu_state *st = sb->state;
	const struct tally *t = st->requests;

	facts_tally(&sb->proof, "request", t);
	/* Half as long again as the work itself; others may keep this host busy before, too. */
	return t[1].count && tally_mean(&t[1]) * 2 > (uint64_t)st->work_ns * 3 &&
	       tally_mean(&t[1]) * 4 > tally_mean(&t[0]) * 5 ? 0 : -ENODATA;
}

static int self_setup(struct sandbox *sb)
{
	struct pack p = { .threads = sandbox_random(sb, 6, THREADS_MAX), .cpu = -1 };
	int r = container_new(sb, &sb->victim);

	if (r < 0)
		return r;
	sb->culprit = sb->victim;
	p.rq = draw_requests(sb, 6, 25, 35);
	facts_int(&sb->params, "threads", p.threads);
	r = sandbox_spawn(sb, sb->victim, pack_body, &p);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

int set_quota(struct sandbox *sb, const struct container *c, int quota_us)
{
	char value[32];
	int r;

	snprintf(value, sizeof(value), controller_is_v2(sb, "cpu") ? "%d 100000" : "%d", quota_us);
	r = controller_is_v2(sb, "cpu") ? 0 :
	    container_write(sb, c, "cpu", "cpu.cfs_period_us", "cpu.max", "100000");
	facts_int(&sb->params, "quota_us", quota_us);
	facts_int(&sb->params, "period_us", 100000);
	return r < 0 ? r : container_write(sb, c, "cpu", "cpu.cfs_quota_us", "cpu.max", value);
}

int throttled_victim(struct sandbox *sb)
{
	struct cpu_state *st = sb->state;
	struct pack p = { .threads = sandbox_random(sb, 2, 3), .cpu = -1 };
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = set_quota(sb, sb->victim, 1000 * sandbox_random(sb, 20, 40));
	if (r < 0)
		return r;
	sb->culprit = sb->victim;
	p.rq = (struct requests){ .work_ns = sandbox_random(sb, 1, 3) * MS, .percent = sandbox_random(sb, 4, 8),
				  .tally = st->requests };
	facts_int(&sb->params, "threads", p.threads);
	r = sandbox_spawn(sb, sb->victim, pack_body, &p);
	return r < 0 ? r : 0;
}

static int throttled_setup(struct sandbox *sb)
{
	int r = throttled_victim(sb);

	return r ? r : busy_container(sb, &sb->bystander);
}

static void read_throttled(struct sandbox *sb, int64_t *ret_count, int64_t *ret_ns)
{
	bool v2 = controller_is_v2(sb, "cpu");

	*ret_count = container_read(sb, sb->victim, "cpu", "cpu.stat", "cpu.stat", "nr_throttled");
	*ret_ns = container_read(sb, sb->victim, "cpu", "cpu.stat", "cpu.stat",
				 v2 ? "throttled_usec" : "throttled_time");
	if (v2)
		*ret_ns *= 1000;
}

int throttled_onset(struct sandbox *sb)
{
	struct cpu_state *st = sb->state;

	read_throttled(sb, &st->throttled_count, &st->throttled_ns);
	return 0;
}

int throttled_proof(struct sandbox *sb)
{
	struct cpu_state *st = sb->state;
	int64_t count, ns;

	read_throttled(sb, &count, &ns);
	facts_tally(&sb->proof, "request", st->requests);
	facts_int(&sb->proof, "nr_throttled", count - st->throttled_count);
	facts_int(&sb->proof, "nr_throttled_before", st->throttled_count);
	facts_ns(&sb->proof, "throttled_ns", ns - st->throttled_ns);
	return count - st->throttled_count >= sb->fault_ms / 200 ? 0 : -ENODATA;
}

const struct fault fault_cpu_neighbor = {
	.name = "cpu_neighbor",
	.cause = "cpu.neighbor",
	.text = "Processes of another container hog the CPUs while a container computes its requests.",
	.probes = "runq,profile",
	.needs = "root, the cpu controller",
	.setup = neighbor_setup,
	.proof = requests_proof,
};

const struct fault fault_cpu_self = {
	.name = "cpu_self",
	.cause = "cpu.self",
	.text = "A container's own threads keep its request thread from running.",
	.probes = "runq",
	.needs = "root",
	.setup = self_setup,
	.proof = requests_proof,
};

const struct fault fault_cpu_throttled = {
	.name = "cpu_throttled",
	.cause = "cpu.throttled",
	.text = "A container's threads exceed its CPU quota, and it is stopped for most of each period.",
	.probes = "throttle",
	.needs = "root, the cpu controller with bandwidth control",
	.setup = throttled_setup,
	.onset = throttled_onset,
	.proof = throttled_proof,
};

const struct fault fault_demo = {
	.name = "demo",
	.cause = "cpu.neighbor",
	.text = "A gentle cpu_neighbor of six seconds, to look at.",
	.probes = "runq",
	.needs = "root, the cpu controller",
	.fault_ms = 6000,
	.setup = demo_setup,
	.proof = requests_proof,
};
