/* SPDX-License-Identifier: Apache-2.0 */
/* Stories for the rules about waits for a CPU: what each is taken for must be another one of them. */
#include "tests/unit/unit.h"

#include "aggregate/aggregate.h" /* what the made-up host writes through */
#include "analyze/analyzer.h"
#include "tests/synth/story.h"
#include "tests/synth/synth.c" /* NOLINT(bugprone-suspicious-include): unit tests have no library of their own */

/* Second of a container that waits for the CPUs two others want. */
static void contention(struct synth *s, int64_t waited_ms, int64_t culprit_cpu_ms)
{
	synth_wait(s, VICTIM, KW_WAIT_CPU, waited_ms * MS, 60 * MS, 30);
	synth_usage(s, VICTIM)->cpu_ns = 200 * MS;
	synth_usage(s, CULPRIT)->cpu_ns = culprit_cpu_ms * MS;
}

static void neighbor(struct synth *s, enum variant v, int second)
{
	(void)second;
	contention(s, 900, 1700);
	synth_blame(s, KW_RES_CPU, VICTIM, CULPRIT, KW_SINK_CONTAINER, 800 * MS,
		    v == ALIKE ? KW_CPU_REALTIME : KW_CPU_FAIR);
	synth_blame(s, KW_RES_CPU, VICTIM, OTHER, KW_SINK_CONTAINER, 60 * MS, KW_CPU_FAIR);
}

/*
 * A hypervisor takes more than half of each wait.  The one who had the CPU would have made it wait without that, too;
 * one who hardly ran would not.  No host here tells when it takes CPUs away: only made up.
 */
static void under_hypervisor(struct synth *s, int64_t ran_ms)
{
	contention(s, 1500, 2 * ran_ms);
	synth_host(s)->steal_ns = 900 * MS;
	synth_host(s)->idle_ns = synth_host(s)->iowait_ns = 5 * MS;
	synth_blame(s, KW_RES_CPU, VICTIM, CULPRIT, KW_SINK_CONTAINER, ran_ms * MS, KW_CPU_FAIR);
	synth_blame(s, KW_RES_CPU, VICTIM, SYNTH_NOBODY, KW_SINK_STEAL, 900 * MS, 0);
}

static void neighbor_stolen(struct synth *s, enum variant v, int second)
{
	(void)second;
	under_hypervisor(s, v == ALIKE ? 250 : 600);
}

static void steal(struct synth *s, enum variant v, int second)
{
	neighbor_stolen(s, v == ALIKE ? FAULT : ALIKE, second);
}

static void realtime(struct synth *s, enum variant v, int second)
{
	neighbor(s, v == ALIKE ? FAULT : ALIKE, second);
}

static void affinity(struct synth *s, enum variant v, int second)
{
	(void)second;
	contention(s, 2500, 100);
	synth_usage(s, VICTIM)->cpu_ns = 990 * MS;
	synth_blame(s, KW_RES_CPU, VICTIM, VICTIM, KW_SINK_CONTAINER, 2400 * MS, KW_CPU_FAIR);
	synth_tally(s, VICTIM, "affinity", 400, 2500 * MS, v == ALIKE ? 300 * MS : 2300 * MS);
}

static void fork_storm(struct synth *s, enum variant v, int second)
{
	neighbor(s, FAULT, second);
	if (v != MISSING)
		synth_tally(s, CULPRIT, "fork", v == ALIKE ? 90 : 2500, 0, 0);
}

/* Interrupts in the middle of its own run time: nothing waits. */
static void interrupts(struct synth *s, const char *name)
{
	synth_usage(s, VICTIM)->cpu_ns = 900 * MS;
	synth_wait(s, VICTIM, KW_WAIT_STOLEN, 420 * MS, MS / 10, 9000);
	synth_tally(s, VICTIM, name, 9000, 400 * MS, 0);
	synth_tally(s, VICTIM, "irq:timer", 1000, 20 * MS, 0);
}

static void softirq(struct synth *s, enum variant v, int second)
{
	(void)second;
	if (v == MISSING)
		return;
	interrupts(s, v == ALIKE ? "irq:virtio9-input" : "softirq:net_rx");
	synth_tally(s, CULPRIT, "rps", 40000, 0, 0);
	synth_tally(s, OTHER, "rps", 30, 0, 0);
}

/* No device here interrupts that often: only made up. */
static void irq(struct synth *s, enum variant v, int second)
{
	softirq(s, v == FAULT ? ALIKE : v == ALIKE ? FAULT : MISSING, second);
}

static void ipi(struct synth *s, enum variant v, int second)
{
	if (v == ALIKE || v == MISSING) {
		softirq(s, v == ALIKE ? FAULT : MISSING, second);
		return;
	}
	interrupts(s, "irq:ipi");
	synth_tally(s, CULPRIT, "ipi", 90000, 0, 0);
	synth_tally(s, OTHER, "ipi", 300, 0, 0);
}

static void kernel_section(struct synth *s, enum variant v, int second)
{
	neighbor(s, FAULT, second);
	for (int i = 0; i < 20 && v == FAULT; i++) {
		struct kw_event *e = synth_event(s, KW_KIND_nosched, i % 3 ? VICTIM : OTHER, CULPRIT, 50 * (i + 1) * MS,
						 30 * MS);

		*(struct kw_nosched *)synth_payload(e) = (struct kw_nosched){ .place = "simple_xattr_list" };
		synth_send(s, e);
	}
}

/* The victim is pinned, too: what idled elsewhere does not make the section another cause. */
static void pinned_section(struct synth *s, enum variant v, int second)
{
	kernel_section(s, v, second);
	synth_tally(s, VICTIM, "affinity", 30, 900 * MS, 850 * MS);
}

/* Waits that are too long for time slices, with an idle CPU that its mask forbids: no section was seen, but may have been. */
static void pinned_behind_one(struct synth *s, enum variant v, int second)
{
	neighbor(s, FAULT, second);
	synth_tally(s, VICTIM, "affinity", 30, 900 * MS, v == ALIKE ? 300 * MS : 850 * MS);
	for (int i = 0; i < 20; i++) {
		struct kw_event *e = synth_event(s, KW_KIND_runq, VICTIM, CULPRIT, 45 * (i + 1) * MS, 40 * MS);
		struct kw_runq *r = synth_payload(e);

		*r = (struct kw_runq){ .other_ns = 40 * MS, .allowed_cpus = 1, .occupants = 1, .occ1_ns = 40 * MS };
		r->occ1 = e->peer.cg;
		synth_send(s, e);
	}
}

/* Interrupts were off: in a virtual machine nobody is blamed for that time, the late ticks tell; as do others' not. */
static void interrupts_off(struct synth *s, enum variant v, int second)
{
	bool off = v == FAULT;

	(void)second;
	contention(s, 900, 1700);
	synth_blame(s, KW_RES_CPU, VICTIM, CULPRIT, KW_SINK_CONTAINER, (off ? 250 : 600) * MS, KW_CPU_FAIR);
	synth_blame(s, KW_RES_CPU, VICTIM, SYNTH_NOBODY, KW_SINK_UNKNOWN, (off ? 550 : 200) * MS, 0);
	for (int i = 0; i < 20 && v != MISSING; i++) {
		struct kw_event *e = synth_event(s, KW_KIND_tickgap, CULPRIT, SYNTH_NOBODY, 45 * (i + 1) * MS, 25 * MS);

		*(struct kw_tickgap *)synth_payload(e) =
			off ? (struct kw_tickgap){ .irqs_off = 1, .place = "__wake_up_sync_key" }
			    : (struct kw_tickgap){ .user = 1 };
		synth_send(s, e);
	}
}

/* Who waits for other CPUs in the kernel waits for the hypervisor when that took them away. */
static void waited_for_cpus(struct synth *s, enum variant v, int second)
{
	neighbor(s, FAULT, second);
	synth_host(s)->steal_ns = v == ALIKE ? 900 * MS : 0;
	for (int i = 0; i < 20 && v != MISSING; i++) {
		struct kw_event *e = synth_event(s, KW_KIND_nosched, VICTIM, CULPRIT, 50 * (i + 1) * MS, 30 * MS);

		*(struct kw_nosched *)synth_payload(e) = (struct kw_nosched){ .place = "smp_call_function_many_cond" };
		synth_send(s, e);
	}
}

/* ksoftirqd has the CPU the victim waits for; what interrupts other tasks of the host is not it. */
static void softirq_daemon(struct synth *s, enum variant v, int second)
{
	(void)second;
	if (v == MISSING)
		return;
	contention(s, 600, 100);
	synth_blame(s, KW_RES_CPU, VICTIM, SYNTH_HOST, KW_SINK_CONTAINER, 500 * MS, KW_CPU_FAIR);
	synth_tally(s, SYNTH_HOST, "softirq:net_rx", 9000, 500 * MS, 0);
	if (v == FAULT)
		synth_tally(s, SYNTH_HOST, "ksoftirqd", 9000, 480 * MS, 0);
	synth_tally(s, CULPRIT, "rps", 40000, 0, 0);
}

static const struct story stories[] = {
	{ "cpu.neighbor", neighbor, "runq", "/test/batch", NULL, "warning", "confirmed", "cpu.rt_starvation",
	  "probable" },
	{ "cpu.rt_starvation", realtime, "runq", "/test/batch", "real-time", "warning", "confirmed", "cpu.neighbor",
	  "probable" },
	{ "cpu.neighbor", neighbor_stolen, "runq", "/test/batch", NULL, "warning", "probable", "cpu.steal", "probable" },
	{ "cpu.steal", steal, "runq", NULL, "hypervisor", "info", "confirmed", "cpu.neighbor", "probable" },
	{ "cpu.affinity", affinity, "runq", "/test/web", NULL, "info", "confirmed", "cpu.self", "probable" },
	{ "cpu.affinity", pinned_behind_one, "nosched", "/test/web", NULL, "info", "probable", "cpu.neighbor", "probable" },
	{ "cpu.softirq", softirq_daemon, "irq", "/test/batch", "packets", "warning", "confirmed", "unexplained",
	  NULL },
	{ "cpu.softirq", softirq, "irq", "/test/batch", "packets", "warning", "confirmed", "cpu.irq", NULL },
	{ "cpu.irq", irq, "irq", NULL, "irq:virtio9-input", "warning", "confirmed", "cpu.softirq", NULL },
	{ "cpu.ipi", ipi, "irq", "/test/batch", "asked", "warning", "confirmed", "cpu.softirq", NULL },
	{ "cpu.kernel_section", kernel_section, "nosched", "/test/batch", "kernel", "warning", "confirmed",
	  "cpu.neighbor", NULL },
	{ "cpu.kernel_section", pinned_section, "nosched", "/test/batch", "kernel", "warning", "confirmed",
	  "cpu.affinity", NULL },
	{ "cpu.kernel_section", interrupts_off, "nosched", "/test/batch", "kernel", "warning", "confirmed",
	  "cpu.neighbor", NULL },
	{ "cpu.kernel_section", waited_for_cpus, "nosched", "/test/batch", "kernel", "warning", "confirmed",
	  "cpu.neighbor", NULL },
	{ "cpu.fork_storm", fork_storm, "fork", "/test/batch", "processes", "warning", "confirmed", "cpu.neighbor",
	  NULL },
};

/* ---- a full node --------------------------------------------------------------------------------------------------- */

enum { CROWD = 6 };

static void crowd_containers(struct synth *s)
{
	static const char *const names[CROWD] = { "web", "one", "two", "three", "four", "five" };

	for (int i = 0; i < CROWD; i++)
		synth_container(s, names[i]);
}

static void saturation(struct synth *s, enum variant v, int second)
{
	(void)second;
	contention(s, 1000, 350);
	synth_host(s)->idle_ns = synth_host(s)->iowait_ns = 5 * MS;
	for (int c = VICTIM + 1; c <= CROWD; c++) {
		bool dominates = v == ALIKE && c == CULPRIT;

		synth_usage(s, c)->cpu_ns = dominates ? 1500 * MS : 100 * MS;
		synth_blame(s, KW_RES_CPU, VICTIM, c, KW_SINK_CONTAINER,
			    v != ALIKE ? 180 * MS : dominates ? 700 * MS : 50 * MS, KW_CPU_FAIR);
	}
}

/* One other holds most of what the victim waits, but had less of the CPUs than the victim itself: it wants more than is there. */
static void greedy(struct synth *s, enum variant v, int second)
{
	(void)second;
	contention(s, 1000, v == ALIKE ? 1300 : 600);
	synth_usage(s, VICTIM)->cpu_ns = v == ALIKE ? 600 * MS : 1300 * MS;
	synth_host(s)->idle_ns = synth_host(s)->iowait_ns = 5 * MS;
	synth_blame(s, KW_RES_CPU, VICTIM, CULPRIT, KW_SINK_CONTAINER, 700 * MS, KW_CPU_FAIR);
	synth_blame(s, KW_RES_CPU, VICTIM, SYNTH_HOST, KW_SINK_CONTAINER, 200 * MS, KW_CPU_FAIR);
}

static const struct stage crowd = { crowd_containers, "/test/web", 5, NULL };

static const struct story crowd_stories[] = {
	{ "cpu.saturation", saturation, "runq", NULL, NULL, "info", "confirmed", "cpu.neighbor", "probable" },
	{ "cpu.saturation", greedy, "runq", NULL, NULL, "info", "confirmed", "cpu.neighbor", "probable" },
};

/* ---- a quota above ------------------------------------------------------------------------------------------------- */

enum { POD = 1, WEB, BATCH };

static void pod_containers(struct synth *s)
{
	synth_container(s, "pod");
	synth_container(s, "pod/web");
	synth_container(s, "pod/batch");
}

static void ancestor(struct synth *s, enum variant v, int second)
{
	struct kw_event *e = synth_event(s, KW_KIND_throttle, WEB, v == ALIKE ? WEB : POD, 800 * MS, 60 * MS);

	(void)second;
	*(struct kw_throttle *)synth_payload(e) = (struct kw_throttle){ .quota_ns = 50 * MS, .period_ns = 100 * MS,
									.source = 1 };
	if (v != MISSING)
		synth_send(s, e);
	synth_usage(s, v == ALIKE ? WEB : POD)->cpu_throttled_periods = 10;
	synth_usage(s, POD)->cpu_ns = 500 * MS;
	synth_usage(s, WEB)->cpu_ns = 60 * MS;
	synth_usage(s, BATCH)->cpu_ns = 440 * MS;
	synth_wait(s, WEB, KW_WAIT_THROTTLED, 500 * MS, 60 * MS, 10);
}

static const struct stage pod = { pod_containers, "/test/pod/web", 5, NULL };

static const struct story pod_stories[] = {
	{ "cpu.throttled.ancestor", ancestor, "throttle", "/test/pod/batch", "quota", "warning", "confirmed",
	  "cpu.throttled", NULL },
};

/* ---- what the culprit did on the CPU ------------------------------------------------------------------------------- */

static void stack_known(struct synth *s, uint64_t hash, const char *frames)
{
	struct kw_event *e = synth_event(s, KW_KIND_stack, SYNTH_HOST, SYNTH_NOBODY, 0, 0);
	struct kw_stack *stack = synth_payload(e);

	stack->hash = hash;
	snprintf(stack->text, sizeof(stack->text), "%s", frames);
	synth_send(s, e);
}

static void profiled(struct synth *s, int container, uint64_t stack, uint64_t user_stack, uint64_t samples)
{
	struct kw_event *e = synth_event(s, KW_KIND_profile, container, SYNTH_NOBODY, SYNTH_SEC, 0);

	e->stack = stack;
	e->peer_stack = user_stack;
	*(struct kw_profile *)synth_payload(e) = (struct kw_profile){ .span_ns = SYNTH_SEC, .samples = samples,
								      .ns = samples * 50 * MS };
	synth_send(s, e);
}

static void neighbor_with_stacks(struct synth *s, enum variant v, int second)
{
	neighbor(s, FAULT, second);
	if (v == MISSING)
		return;
	stack_known(s, 11, "clear_page_erms+0x7\nprep_new_page+0x1 [x]\n");
	stack_known(s, 12, "work+0x100\nlibc.so.6+0x20\n");
	stack_known(s, 13, "other+0x1\n");
	profiled(s, CULPRIT, 11, 12, 14);
	profiled(s, CULPRIT, 11, 13, 10);
	profiled(s, CULPRIT, 0, 12, 8);
	profiled(s, OTHER, 0, 13, 90);
}

static const json_t *evidence_of(const struct host *h, const char *cause, const char *id)
{
	const json_t *report = newest(h, cause);
	json_t *e;
	size_t i;

	assert_non_null(report);
	json_array_foreach(json_object_get(report, "evidence"), i, e)
		if (strstr(text(e, "id"), id))
			return e;
	fail_msg("%s has no evidence %s", cause, id);
	return NULL;
}

static void reports_show_what_the_culprit_did(void **state)
{
	static const struct story story = { .cause = "cpu.neighbor", .second = neighbor_with_stacks, .probe = "profile" };
	const struct telling t = { &story, &usual_stage };
	const json_t *e, *row;
	struct host h;

	(void)state;
	tell(&h, &t, FAULT);
	e = evidence_of(&h, "cpu.neighbor", "culprit_stacks");
	assert_true(json_is_true(json_object_get(e, "holds")));
	assert_non_null(strstr(text(e, "claim"), "in the kernel's clear_page_erms"));
	row = json_array_get(json_object_get(e, "rows"), 0);
	assert_string_equal(text(row, "in_kernel"), "clear_page_erms+0x7 < prep_new_page+0x1 [x]");
	assert_string_equal(text(row, "in_user_mode"), "work+0x100 < libc.so.6+0x20");
	assert_int_equal(json_array_size(json_object_get(e, "rows")), 3);
	host_free(&h);
}

/* A report is as certain without them. */
static void stacks_decide_nothing(void **state)
{
	static const struct story story = { .cause = "cpu.neighbor", .second = neighbor_with_stacks, .probe = "profile" };
	const struct telling t = { &story, &usual_stage };
	struct host h;

	(void)state;
	tell(&h, &t, MISSING);
	assert_true(json_is_null(json_object_get(evidence_of(&h, "cpu.neighbor", "culprit_stacks"), "holds")));
	assert_string_equal(text(json_object_get(newest(&h, "cpu.neighbor"), "confidence"), "level"), "confirmed");
	host_free(&h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reports_show_what_the_culprit_did),
		cmocka_unit_test(stacks_decide_nothing),
	};
	int failed = cmocka_run_group_tests_name("stacks as evidence", tests, NULL, NULL);

	failed += stories_run(stories, ARRAY_SIZE(stories), NULL);

	failed += stories_run(crowd_stories, ARRAY_SIZE(crowd_stories), &crowd);
	return failed + stories_run(pod_stories, ARRAY_SIZE(pod_stories), &pod);
}
