/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of the kernel's and the hardware's own reports.  All of it is made up: what a guest can have for real is in
 * tests/faults/kernel.c; lockups that stop interrupts, failing processors, links and buses cannot be provoked.
 */
#include "aggregate/aggregate.h" /* what the made-up host writes through */
#include "analyze/analyzer.h"
#include "tests/synth/story.h"
#include "tests/synth/synth.c" /* NOLINT(bugprone-suspicious-include): unit tests have no library of their own */

static const struct kw_klog nothing = { .priority = 4, .on_cpu = -1, .count = 1, .stuck_ns = -1 };

static void say(struct synth *s, int subject, struct kw_klog log, const char *sign, const char *class)
{
	struct kw_event *e = synth_event(s, KW_KIND_klog, subject, SYNTH_NOBODY, 500 * MS, 0);

	snprintf(log.sign, sizeof(log.sign), "%s", sign);
	snprintf(log.class, sizeof(log.class), "%s", class);
	*(struct kw_klog *)synth_payload(e) = log;
	synth_send(s, e);
}

static struct kw_klog of_cpu(int cpu, int64_t stuck_ns, const char *function)
{
	struct kw_klog log = nothing;

	log.on_cpu = cpu;
	log.stuck_ns = stuck_ns;
	snprintf(log.function, sizeof(log.function), "%s", function);
	return log;
}

static struct kw_klog of_device(const char *object, const char *line)
{
	struct kw_klog log = nothing;

	snprintf(log.object, sizeof(log.object), "%s", object);
	snprintf(log.detail, sizeof(log.detail), "%s", line);
	snprintf(log.text, sizeof(log.text), "%s", line);
	return log;
}

/* A task that only sleeps for long holds no CPU. */
static void softlockup(struct synth *s, enum variant v, int second)
{
	if (second == 2 && v == FAULT)
		say(s, VICTIM, of_cpu(1, 2 * SEC, "spin_for_ever"), "softlockup", "kernel");
	else if (second == 2 && v == ALIKE)
		say(s, VICTIM, of_cpu(-1, 2 * SEC, ""), "hungtask", "task");
}

static void hardlockup(struct synth *s, enum variant v, int second)
{
	if (second == 2 && v == FAULT)
		say(s, VICTIM, of_cpu(1, -1, "acpi_write"), "hardlockup", "kernel");
	else if (second == 2 && v == ALIKE)
		say(s, VICTIM, of_cpu(1, 2 * SEC, "spin_for_ever"), "softlockup", "kernel");
}

static void rcu_stall(struct synth *s, enum variant v, int second)
{
	struct kw_klog log;

	if (second != 2 || v == MISSING)
		return;
	if (v == ALIKE)
		say(s, VICTIM, of_cpu(1, 2 * SEC, "spin_for_ever"), "softlockup", "kernel");
	log = of_cpu(1, -1, "read_for_ever");
	snprintf(log.object, sizeof(log.object), "rcu_preempt");
	say(s, VICTIM, log, "rcu_stall", "kernel");
}

/* Who met the oops is gone when its name is looked up; its death is known. */
static void oops(struct synth *s, enum variant v, int second)
{
	struct kw_event *e = synth_event(s, KW_KIND_exit, VICTIM, SYNTH_NOBODY, 501 * MS, 0);
	struct kw_party who = e->subject;

	if (second != 2)
		return;
	*(struct kw_exit *)synth_payload(e) = (struct kw_exit){ .signal = 11, .lifetime_ns = 5 * SEC };
	synth_send(s, e);
	if (v == ALIKE || v == MISSING)
		return; /* a bug of its own */
	e = synth_event(s, KW_KIND_klog, SYNTH_NOBODY, SYNTH_NOBODY, 500 * MS, 0);
	*(struct kw_klog *)synth_payload(e) = of_cpu(1, -1, "follow_pointer");
	snprintf(((struct kw_klog *)synth_payload(e))->sign, 16, "oops");
	snprintf(((struct kw_klog *)synth_payload(e))->class, 16, "kernel");
	snprintf(((struct kw_klog *)synth_payload(e))->text, 64, "BUG: kernel NULL pointer dereference");
	e->subject = who;
	e->subject.cg = (struct kw_cg){ 0 };
	synth_send(s, e);
}

static void workqueue(struct synth *s, enum variant v, int second)
{
	struct kw_klog log = of_cpu(-1, 33 * SEC, "hog");

	if (second != 2 || v != FAULT)
		return;
	snprintf(log.detail, sizeof(log.detail), "cpus=0 node=0 flags=0x0 nice=0");
	say(s, SYNTH_NOBODY, log, "workqueue", "kernel");
}

/* The memory cgroup was full, which is no fault of the memory. */
static void memory(struct synth *s, enum variant v, int second)
{
	if (second == 2 && v == FAULT)
		say(s, SYNTH_NOBODY, of_device("MC0", "EDAC MC0: 1 UE memory scrubbing error"), "mem_uncorrected", "hardware");
	else if (second == 2 && v == ALIKE)
		say(s, SYNTH_NOBODY, of_device("", "Memory cgroup out of memory: Killed process 7 (x)"), "oom_memcg", "memory");
}

static void processor(struct synth *s, enum variant v, int second)
{
	struct kw_klog log = of_device("", "mce: [Hardware Error]: CPU 1: Machine Check: 0 Bank 8: cc00010000010091");

	log.on_cpu = 1;
	if (second == 2 && v == FAULT)
		say(s, SYNTH_NOBODY, log, "cpu_mce", "hardware");
}

/* Corrected errors now and then are information. */
static void pcie(struct synth *s, enum variant v, int second)
{
	if (second == 2 && v == FAULT)
		say(s, SYNTH_NOBODY, of_device("0000:01:00.0", "nvme 0000:01:00.0: PCIe Bus Error: severity=Corrected"),
		    "pcie_corrected", "hardware");
}

static void failed_request(struct synth *s)
{
	struct kw_event *e = synth_event(s, KW_KIND_block, VICTIM, SYNTH_NOBODY, 400 * MS, 3 * MS);

	e->error = 5;
	*(struct kw_block *)synth_payload(e) = (struct kw_block){ .dev = 8 << 20, .bytes = 4096, .disk = "sda" };
	synth_send(s, e);
}

static void disk(struct synth *s, enum variant v, int second)
{
	if (second != 2)
		return;
	failed_request(s);
	if (v == FAULT)
		say(s, SYNTH_NOBODY, of_device("sda", "critical medium error, dev sda, sector 4656"), "disk_medium",
		    "hardware");
}

static void carrier(struct synth *s, enum variant v, int second)
{
	if (second == 2 && v == FAULT)
		say(s, SYNTH_NOBODY, of_device("eth0", "r8169 0000:02:00.0 eth0: Link is Down"), "link_down", "hardware");
}

static const struct story of_containers[] = {
	{ "kernel.softlockup", softlockup, "kmsg", NULL, "kernel:spin_for_ever", "critical", "confirmed", NULL, NULL },
	{ "kernel.hardlockup", hardlockup, "kmsg", NULL, "kernel:acpi_write", "critical", "confirmed",
	  "kernel.softlockup", NULL },
	{ "kernel.rcu_stall", rcu_stall, "kmsg", NULL, "kernel:read_for_ever", "critical", "confirmed",
	  "kernel.softlockup", NULL },
	{ "kernel.oops", oops, "kmsg", NULL, "kernel:follow_pointer", "critical", "confirmed",
	  "proc.crash", NULL },
	{ "hw.disk", disk, "kmsg", NULL, "disk:sda", "critical", "confirmed", "io.device_error", NULL },
};

static const struct story of_hosts[] = {
	{ "kernel.workqueue", workqueue, "kmsg", NULL, "kernel:hog", "critical", "confirmed", NULL, NULL },
	{ "hw.memory", memory, "kmsg", NULL, "memory:MC0", "critical", "confirmed", NULL, NULL },
	{ "hw.cpu", processor, "kmsg", NULL, "cpu:1", "warning", "confirmed", NULL, NULL },
	{ "hw.pcie", pcie, "kmsg", NULL, "pcie:0000:01:00.0", "info", "confirmed", NULL, NULL },
	{ "hw.link", carrier, "kmsg", NULL, "link:eth0", "warning", "confirmed", NULL, NULL },
};

int main(void)
{
	static const struct stage host = { usual_containers, "", 5, NULL };
	int failed = stories_run(of_containers, ARRAY_SIZE(of_containers), NULL);

	return failed + stories_run(of_hosts, ARRAY_SIZE(of_hosts), &host);
}
