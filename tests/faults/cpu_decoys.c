/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for a CPU in which somebody innocent looks guilty. */
#include "tests/faults/cpu.h"
#include "tests/faults/faults.h"

/* A victim whose requests are measured; on that CPU, or anywhere (-1). */
static int spawn_victim(struct sandbox *sb, struct container **ret_container, const struct requests *rq, int cpu)
{
	struct pack p = { .threads = 0, .cpu = cpu, .rq = *rq };
	int r = container_new(sb, ret_container);

	if (r == 0)
		r = set_shares(sb, *ret_container, rq->tally ? "request_shares" : "other_shares",
			       sandbox_random(sb, 400, 700));
	if (r == 0)
		r = sandbox_spawn(sb, *ret_container, pack_body, &p);
	return r < 0 ? r : 0;
}

static int spawn_hogs(struct sandbox *sb, struct container **ret_container, int count, struct hog hog,
		      const char *fact, int shares)
{
	int r = container_new(sb, ret_container);

	if (r == 0)
		r = set_shares(sb, *ret_container, fact, shares);
	for (int i = 0; i < count && r >= 0; i++)
		r = sandbox_spawn(sb, *ret_container, hog_body, &hog);
	return r < 0 ? r : 0;
}

/* ---- two victims: each ran while the other waited, neither is to blame ------------------------------------------- */

static int two_victims_setup(struct sandbox *sb)
{
	struct requests rq = draw_requests(sb, 20, 38, 46), second = rq;
	int r = spawn_victim(sb, &sb->victim, &rq, -1);

	second.tally = NULL;
	second.work_ns = rq.work_ns * sandbox_random(sb, 80, 120) / 100;
	if (r == 0)
		r = spawn_victim(sb, &sb->bystander, &second, -1);
	if (r == 0)
		facts_str(&sb->params, "other_victim", sb->bystander->path);
	if (r == 0)
		r = spawn_hogs(sb, &sb->culprit, sandbox_random(sb, 4, 8), (struct hog){ .cpu = -1, .percent = 100 },
			       "hog_shares", 1024 * sandbox_random(sb, 4, 8));
	return r;
}

/* ---- the loudest container runs where nobody waits ------------------------------------------------------------------ */

static int loud_innocent_setup(struct sandbox *sb)
{
	struct requests rq = draw_requests(sb, 20, 38, 46);
	struct hog loud = { .percent = 100 }, quieter = { .percent = sandbox_random(sb, 62, 72),
							   .burst_ns = sandbox_random(sb, 30, 60) * MS };
	int r = draw_cpus(sb, &quieter.cpu, &loud.cpu);

	facts_int(&sb->params, "culprit_cpu_percent", quieter.percent);
	if (r == 0)
		r = spawn_victim(sb, &sb->victim, &rq, quieter.cpu);
	if (r == 0)
		r = spawn_hogs(sb, &sb->culprit, 1, quieter, "hog_shares", 1024 * sandbox_random(sb, 4, 8));
	if (r == 0)
		r = spawn_hogs(sb, &sb->bystander, sandbox_random(sb, 2, 4), loud, "loud_shares",
			       1024 * sandbox_random(sb, 1, 8));
	return r;
}

/* ---- whoever ran last before the victim is not who held the CPU ----------------------------------------------------- */

/* Many short runs of one container, one long holder of another; the other CPU is no way out. */
static int last_occupant_setup(struct sandbox *sb)
{
	struct requests rq = draw_requests(sb, 20, 38, 46);
	struct hog holder = { .percent = 100 }, filler = { .percent = 100 };
	struct hog brief = { .percent = 2, .burst_ns = sandbox_random(sb, 100, 200) * MS / 1000 };
	struct container *other = NULL;
	int r = draw_cpus(sb, &holder.cpu, &filler.cpu), briefs = sandbox_random(sb, 5, 8);

	brief.cpu = holder.cpu;
	facts_int(&sb->params, "brief_tasks", briefs);
	facts_ns(&sb->params, "brief_run_ns", brief.burst_ns);
	if (r == 0)
		r = spawn_victim(sb, &sb->victim, &rq, holder.cpu);
	if (r == 0)
		r = spawn_hogs(sb, &sb->culprit, 1, holder, "hog_shares", 1024 * sandbox_random(sb, 4, 8));
	if (r == 0)
		r = spawn_hogs(sb, &sb->bystander, briefs, brief, "brief_shares", 1024 * sandbox_random(sb, 4, 8));
	return r == 0 ? spawn_hogs(sb, &other, 1, filler, "filler_shares", 1024) : r;
}

/* ---- a quota stops the victim while another container happens to run -------------------------------------------------- */

static int throttled_busy_setup(struct sandbox *sb)
{
	int r = throttled_victim(sb);

	return r ? r : spawn_hogs(sb, &sb->bystander, 1, (struct hog){ .cpu = -1, .percent = 100 },
				  "hog_shares", sandbox_random(sb, 300, 1024));
}

const struct fault fault_cpu_two_victims = {
	.name = "cpu_two_victims",
	.cause = "cpu.neighbor",
	.text = "Two containers wait for the CPU because of a third; each also ran while the other waited.",
	.probes = "runq",
	.needs = "root, the cpu controller",
	.setup = two_victims_setup,
	.proof = requests_proof,
};

const struct fault fault_cpu_loud_innocent = {
	.name = "cpu_loud_innocent",
	.cause = "cpu.neighbor",
	.text = "The container that uses most CPU time runs on a CPU that the victim never waits for.",
	.probes = "runq",
	.needs = "root, the cpu controller, two CPUs",
	.setup = loud_innocent_setup,
	.proof = requests_proof,
};

const struct fault fault_cpu_last_occupant = {
	.name = "cpu_last_occupant",
	.cause = "cpu.neighbor",
	.text = "Many short tasks of one container run between the victim and the one that really holds the CPU.",
	.probes = "runq",
	.needs = "root, the cpu controller, two CPUs",
	.setup = last_occupant_setup,
	.proof = requests_proof,
};

const struct fault fault_cpu_throttled_busy = {
	.name = "cpu_throttled_busy",
	.cause = "cpu.throttled",
	.text = "A container uses up its own quota while another one, innocent, begins to compute.",
	.probes = "throttle",
	.needs = "root, the cpu controller with bandwidth control",
	.setup = throttled_busy_setup,
	.onset = throttled_onset,
	.proof = throttled_proof,
};
