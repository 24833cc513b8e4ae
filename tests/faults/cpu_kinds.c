/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for a CPU that have causes of their own: a quota above, a real-time task, a mask, a full node, a fork storm. */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/cpu.h"
#include "tests/faults/faults.h"

/* ---- the quota of the group above, used up by a sibling ------------------------------------------------------------ */

struct ancestor_state {
	struct cpu_state cpu; /* first: shared with draw_requests() and the proofs */
	struct container pod;
	int64_t sibling_ns;
};

static int64_t cpu_used_ns(struct sandbox *sb, const struct container *c)
{
	bool v2 = controller_is_v2(sb, "cpu");
	int64_t used = container_read(sb, c, v2 ? "cpu" : "cpuacct", "cpuacct.usage", "cpu.stat",
				      v2 ? "usage_usec" : NULL);

	return v2 ? used * 1000 : used;
}

static int ancestor_setup(struct sandbox *sb)
{
	struct requests rq = draw_requests(sb, 2, 6, 12);
	struct pack p = { .threads = 0, .cpu = -1, .rq = rq };
	struct hog hog = { .cpu = -1, .percent = 100 };
	struct ancestor_state *st = sb->state;
	struct container *pod = NULL;
	int hogs = sandbox_random(sb, 2, 3), r = container_group(sb, &pod);

	if (r == 0)
		r = set_quota(sb, pod, 1000 * sandbox_random(sb, 15, 30));
	if (r == 0)
		r = container_new_in(sb, pod, &sb->victim);
	if (r == 0)
		r = container_new_in(sb, pod, &sb->culprit);
	if (r < 0)
		return r;
	st->pod = *pod;
	facts_str(&sb->params, "limited", pod->path);
	facts_int(&sb->params, "hogs", hogs);
	r = sandbox_spawn(sb, sb->victim, pack_body, &p);
	for (int i = 0; i < hogs && r > 0; i++)
		r = sandbox_spawn(sb, sb->culprit, hog_body, &hog);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int ancestor_onset(struct sandbox *sb)
{
	struct ancestor_state *st = sb->state;

	st->cpu.throttled_count = container_read(sb, &st->pod, "cpu", "cpu.stat", "cpu.stat", "nr_throttled");
	st->sibling_ns = cpu_used_ns(sb, sb->culprit);
	return 0;
}

static int ancestor_proof(struct sandbox *sb)
{
	struct ancestor_state *st = sb->state;
	int64_t count = container_read(sb, &st->pod, "cpu", "cpu.stat", "cpu.stat", "nr_throttled");

	facts_int(&sb->proof, "nr_throttled", count - st->cpu.throttled_count);
	facts_ns(&sb->proof, "sibling_cpu_ns", cpu_used_ns(sb, sb->culprit) - st->sibling_ns);
	facts_tally(&sb->proof, "request", st->cpu.requests);
	/* Some request stood still for a good part of a period. */
	return count - st->cpu.throttled_count >= sb->fault_ms / 200 &&
	       st->cpu.requests[PHASE_FAULT].max_ns >= 20 * (uint64_t)MS ? 0 : -ENODATA;
}

/* ---- a real-time task ------------------------------------------------------------------------------------------------ */

struct realtime_state {
	struct cpu_state cpu;
	_Atomic int error;
};

/* With RT_GROUP_SCHED a group may only run real-time tasks within a share of its own, below its parent's. */
static int allow_realtime(struct sandbox *sb, const struct container *c, int runtime_us)
{
	struct container at = *c;
	char value[16];

	if (controller_is_v2(sb, "cpu"))
		return 0;
	snprintf(value, sizeof(value), "%d", runtime_us);
	for (const char *slash = c->path; slash; ) {
		int r;

		slash = strchr(slash + 1, '/');
		snprintf(at.path, sizeof(at.path), "%.*s", slash ? (int)(slash - c->path) : (int)strlen(c->path),
			 c->path);
		r = container_write(sb, &at, "cpu", "cpu.rt_runtime_us", "cpu.rt_runtime_us", value);
		if (r < 0)
			return r;
	}
	return 0;
}

struct realtime {
	struct hog hog;
	int policy, priority;
};

static void realtime_body(struct sandbox *sb, void *arg)
{
	const struct realtime *rt = arg;
	struct realtime_state *st = sb->state;
	struct sched_param param = { .sched_priority = rt->priority };

	if (sched_setscheduler(0, rt->policy, &param) < 0)
		atomic_store(&st->error, errno);
	else
		hog_body(sb, &(struct hog){ .cpu = rt->hog.cpu, .percent = rt->hog.percent, .burst_ns = rt->hog.burst_ns });
}

/* Bursts that the real-time throttle (950 ms of a second) never stops, and that leave the machine room to breathe. */
static int realtime_setup(struct sandbox *sb)
{
	struct requests rq = draw_requests(sb, 5, 25, 35);
	struct realtime rt = { .hog = { .percent = sandbox_random(sb, 70, 80),
					.burst_ns = sandbox_random(sb, 60, 160) * MS },
			       .policy = sandbox_chance(sb, 0.5) ? SCHED_FIFO : SCHED_RR,
			       .priority = sandbox_random(sb, 1, 60) };
	struct pack p = { .threads = 0, .rq = rq };
	int other, r = draw_cpus(sb, &rt.hog.cpu, &other);

	p.cpu = rt.hog.cpu;
	facts_str(&sb->params, "policy", rt.policy == SCHED_FIFO ? "fifo" : "rr");
	facts_int(&sb->params, "priority", rt.priority);
	facts_ns(&sb->params, "burst_ns", rt.hog.burst_ns);
	if (r == 0)
		r = sandbox_parties(sb);
	if (r == 0)
		r = allow_realtime(sb, sb->culprit, 850000);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, pack_body, &p);
	if (r > 0)
		r = sandbox_spawn(sb, sb->culprit, realtime_body, &rt);
	if (r > 0)
		r = sandbox_spawn(sb, sb->bystander, hog_body,
				  &(struct hog){ .cpu = p.cpu, .percent = 10, .burst_ns = 2 * MS });
	return r < 0 ? r : 0;
}

static int realtime_proof(struct sandbox *sb)
{
	struct realtime_state *st = sb->state;

	if (st->error)
		return sandbox_fail(sb, -EOPNOTSUPP, "no real-time policy here: %s", strerror(st->error));
	return requests_proof(sb);
}

/* ---- more threads than its mask has CPUs, while others idle ---------------------------------------------------------- */

struct affinity_state {
	struct cpu_state cpu; /* first: shared with draw_requests() and the proofs */
	int other;
	int64_t span_ns, idle_ns;
};

static int64_t idle_so_far_ns(int cpu)
{
	AUTO_FCLOSE FILE *f = fopen("/proc/stat", "re");
	char line[512];
	int64_t idle;
	int number;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "cpu%d %*d %*d %*d %" SCNd64, &number, &idle) == 2 && number == cpu)
			return idle * (1000 * MS / sysconf(_SC_CLK_TCK));
	return 0;
}

static int affinity_setup(struct sandbox *sb)
{
	struct affinity_state *st = sb->state;
	struct requests rq = draw_requests(sb, 4, 20, 30);
	struct pack p = { .threads = sandbox_random(sb, 3, 7), .rq = rq };
	int r = draw_cpus(sb, &p.cpu, &st->other);

	facts_int(&sb->params, "threads", p.threads);
	facts_int(&sb->params, "cpu", p.cpu);
	if (r == 0)
		r = container_new(sb, &sb->victim);
	sb->culprit = sb->victim;
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, pack_body, &p);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int affinity_onset(struct sandbox *sb)
{
	struct affinity_state *st = sb->state;

	st->span_ns = clock_ns();
	st->idle_ns = -idle_so_far_ns(st->other);
	return 0;
}

static int affinity_end(struct sandbox *sb)
{
	struct affinity_state *st = sb->state;

	st->span_ns = clock_ns() - st->span_ns;
	st->idle_ns += idle_so_far_ns(st->other);
	return 0;
}

/* On a host with work of its own the mask keeps nobody from anything. */
static int affinity_proof(struct sandbox *sb)
{
	struct affinity_state *st = sb->state;
	int r = requests_proof(sb);

	facts_ns(&sb->proof, "other_cpu_idle_ns", st->idle_ns);
	facts_ns(&sb->proof, "fault_ns", st->span_ns);
	return r == 0 && st->idle_ns * 10 < st->span_ns * 6 ? -ENODATA : r;
}

/* ---- everybody wants the CPUs, nobody more than the next ------------------------------------------------------------- */

static int saturation_setup(struct sandbox *sb)
{
	struct requests rq = draw_requests(sb, 15, 38, 46);
	struct pack p = { .threads = 0, .cpu = -1, .rq = rq };
	struct hog hog = { .cpu = -1, .percent = 100 };
	int others = sandbox_random(sb, 5, 7), tasks = sandbox_random(sb, 2, 3), r = container_new(sb, &sb->victim);

	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "node");
	facts_int(&sb->params, "others", others);
	facts_int(&sb->params, "tasks_each", tasks);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, pack_body, &p);
	for (int i = 0; i < others && r >= 0; i++) {
		struct container *c = NULL;

		r = container_new(sb, &c);
		for (int k = 0; k < tasks && r >= 0; k++)
			r = sandbox_spawn(sb, c, hog_body, &hog);
		sb->bystander = c;
	}
	return r < 0 ? r : 0;
}

/* ---- a storm of short processes -------------------------------------------------------------------------------------- */

struct fork_state {
	struct cpu_state cpu;
	_Atomic uint64_t forks;
};

static void fork_body(struct sandbox *sb, void *arg)
{
	struct fork_state *st = sb->state;
	int64_t run_ns = *(const int64_t *)arg;

	while (sandbox_phase(sb) < PHASE_FAULT)
		nap_ns(5 * MS);
	while (sandbox_phase(sb) == PHASE_FAULT) {
		pid_t pid = fork();

		if (pid == 0) {
			burn_cpu(run_ns);
			_exit(0);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
		atomic_fetch_add(&st->forks, pid > 0);
	}
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static int fork_setup(struct sandbox *sb)
{
	struct requests rq = draw_requests(sb, 20, 38, 46);
	struct pack p = { .threads = 0, .cpu = -1, .rq = rq };
	int64_t run_ns = sandbox_random(sb, 50, 300) * MS / 1000;
	int parents = sandbox_random(sb, 6, 10), r = sandbox_parties(sb);

	facts_int(&sb->params, "parents", parents);
	facts_ns(&sb->params, "child_run_ns", run_ns);
	if (r == 0)
		r = set_shares(sb, sb->victim, "request_shares", sandbox_random(sb, 400, 700));
	if (r == 0)
		r = set_shares(sb, sb->culprit, "fork_shares", 1024 * sandbox_random(sb, 4, 8));
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, pack_body, &p);
	for (int i = 0; i < parents && r >= 0; i++)
		r = sandbox_spawn(sb, sb->culprit, fork_body, &run_ns);
	if (r > 0)
		r = sandbox_spawn(sb, sb->bystander, hog_body,
				  &(struct hog){ .cpu = -1, .percent = 20, .burst_ns = 3 * MS });
	return r < 0 ? r : 0;
}

static int fork_proof(struct sandbox *sb)
{
	struct fork_state *st = sb->state;

	facts_int(&sb->proof, "forks", (int64_t)st->forks);
	if ((int64_t)st->forks < sb->fault_ms / 2)
		return -ENODATA;
	return requests_proof(sb);
}

const struct fault fault_cpu_throttled_ancestor = {
	.name = "cpu_throttled_ancestor",
	.cause = "cpu.throttled.ancestor",
	.text = "A sibling uses up the CPU quota of the group above both, and a container that needs little is stopped.",
	.probes = "throttle",
	.needs = "root, the cpu controller with bandwidth control",
	.setup = ancestor_setup,
	.onset = ancestor_onset,
	.proof = ancestor_proof,
};

const struct fault fault_cpu_rt = {
	.name = "cpu_rt",
	.cause = "cpu.rt_starvation",
	.text = "A real-time task of another container holds the CPU in long bursts.",
	.probes = "runq",
	.needs = "root, the cpu controller, two CPUs",
	.setup = realtime_setup,
	.proof = realtime_proof,
};

const struct fault fault_cpu_affinity = {
	.name = "cpu_affinity",
	.cause = "cpu.affinity",
	.text = "A container's threads may use only one CPU and wait for it while another idles.",
	.probes = "runq",
	.needs = "root, two CPUs",
	.setup = affinity_setup,
	.onset = affinity_onset,
	.end = affinity_end,
	.proof = affinity_proof,
};

const struct fault fault_cpu_saturation = {
	.name = "cpu_saturation",
	.cause = "cpu.saturation",
	.text = "Many containers compute at once, each as much as the next.",
	.probes = "runq",
	.needs = "root",
	.setup = saturation_setup,
	.proof = requests_proof,
};

const struct fault fault_cpu_fork_storm = {
	.name = "cpu_fork_storm",
	.cause = "cpu.fork_storm",
	.text = "Another container starts processes without end, and each takes its turn on the CPUs.",
	.probes = "runq,fork",
	.needs = "root, the cpu controller",
	.setup = fork_setup,
	.proof = fork_proof,
};
