/* SPDX-License-Identifier: Apache-2.0 */
/* What this host allows, found by trying; every check says what is lost and what to do. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fileutil.h"
#include "collect/cgroups.h"
#include "collect/collect.h"
#include "collect/kernel.h"
#include "collect/objects_run.h"

struct doctor {
	struct doctor_check *checks;
	unsigned int count, max;
};

/* fix: "" when there is nothing to do. */
static void PRINTF_LIKE(5, 6)
	add(struct doctor *d, int result, const char *name, const char *fix, const char *fmt, ...)
{
	struct doctor_check *check;
	va_list args;

	if (d->count == d->max)
		return;
	check = &d->checks[d->count++];
	memset(check, 0, sizeof(*check));
	check->result = result;
	snprintf(check->name, sizeof(check->name), "%s", name);
	snprintf(check->fix, sizeof(check->fix), "%s", result == DOCTOR_PASS ? "" : fix);
	va_start(args, fmt);
	vsnprintf(check->text, sizeof(check->text), fmt, args);
	va_end(args);
}

static void check_kernel(struct doctor *d)
{
	struct utsname u;

	if (uname(&u) < 0)
		return;
	add(d, DOCTOR_PASS, "kernel", "", "%.40s on %.20s; every feature below was tried, not read off the version",
	    u.release, u.machine);
}

static void check_btf(struct doctor *d)
{
	bool there = access("/sys/kernel/btf/vmlinux", R_OK) == 0;

	add(d, there ? DOCTOR_PASS : DOCTOR_FAIL, "btf",
	    "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y (all current distributions); until then only samplers"
	    " work",
	    there ? "/sys/kernel/btf/vmlinux is readable" : "/sys/kernel/btf/vmlinux: %s", strerror(errno));
}

struct capability_need {
	const char *name;
	const char *what;
	unsigned int number;
	bool vital;
};

static void check_capabilities(struct doctor *d)
{
	static const struct capability_need needs[] = {
		{ "CAP_BPF", "load programs", 39, true },
		{ "CAP_PERFMON", "attach to tracepoints", 38, true },
		{ "CAP_SYS_PTRACE", "network namespaces of containers", CAP_SYS_PTRACE, false },
		{ "CAP_DAC_READ_SEARCH", "names of cgroups made before the start", CAP_DAC_READ_SEARCH, false },
		{ "CAP_SYSLOG", "kernel log and symbol addresses", CAP_SYSLOG, false },
	};
	char status[8192], missing[200] = "";
	const char *line;
	unsigned long long effective = 0;
	bool vital = false;

	if (file_read(AT_FDCWD, "/proc/self/status", status, sizeof(status)) <= 0)
		return;
	line = strstr(status, "\nCapEff:");
	if (!line || sscanf(line, "\nCapEff: %llx", &effective) != 1)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		size_t len = strlen(missing);

		/* Before 5.8, and for some commands still, CAP_SYS_ADMIN stands for both of the first. */
		if (effective & 1ULL << needs[i].number || (needs[i].vital && effective & 1ULL << CAP_SYS_ADMIN))
			continue;
		vital |= needs[i].vital;
		snprintf(missing + len, sizeof(missing) - len, "%s%s (%s)", len ? ", " : "", needs[i].name,
			 needs[i].what);
	}
	add(d,
	    vital	 ? DOCTOR_FAIL
	    : missing[0] ? DOCTOR_WARN
			 : DOCTOR_PASS,
	    "capabilities", "run as root, or give the service these capabilities",
	    missing[0] ? "missing: %s" : "all that is needed%s", missing);
}

static void check_lockdown(struct doctor *d)
{
	char text[128];
	const char *mode = "none";

	if (file_read(AT_FDCWD, "/sys/kernel/security/lockdown", text, sizeof(text)) > 0) {
		if (strstr(text, "[confidentiality]"))
			mode = "confidentiality";
		else if (strstr(text, "[integrity]"))
			mode = "integrity";
	}
	add(d, strcmp(mode, "confidentiality") ? DOCTOR_PASS : DOCTOR_FAIL, "lockdown",
	    "boot with lockdown=integrity or none: confidentiality forbids BPF to read kernel memory", "mode: %s",
	    mode);
}

/* One probe that is not whole: what the kernel refused, and what that costs. */
static void add_probe(struct doctor *d, const struct probe_run *run)
{
	char name[48];

	snprintf(name, sizeof(name), "probe %.40s", run->probe->name);
	add(d, DOCTOR_WARN, name,
	    "a newer kernel; until then diagnoses say that this evidence is missing", "%s; lost: %s; needed for %.200s",
	    run->why, run->lost[0] ? run->lost : run->probe->title, run->probe->causes);
}

/* Loads and attaches every probe as `kwhy up` would, and lets it go at once. */
static void try_measuring(struct doctor *d, struct objects *o)
{
	int r = objects_measure_begin(o);

	add(d, r < 0 ? DOCTOR_WARN : DOCTOR_PASS, "cost of programs", "run with CAP_SYS_ADMIN, on kernel 5.8 or newer",
	    r < 0 ? "run-time statistics: %s; nothing holds a probe back that costs too much" :
		    "run-time statistics can be turned on for a moment%s", r < 0 ? strerror(-r) : "");
	objects_measure_end(o);
}

static void try_probes(struct doctor *d, struct objects *o)
{
	unsigned int attached = objects_start(o), whole = 0, all = 0;
	const struct probe_run *run;

	for (; (run = objects_probe(o, all)); all++)
		whole += run->state == PROBE_ATTACHED;
	add(d,
	    whole == all ? DOCTOR_PASS
	    : attached	 ? DOCTOR_WARN
			 : DOCTOR_FAIL,
	    "bpf programs", "see the probes below", "%u programs attached; %u of %u probes see all they are made for",
	    attached, whole, all);
	for (unsigned int i = 0; (run = objects_probe(o, i)); i++)
		if (run->state != PROBE_ATTACHED)
			add_probe(d, run);
}

static void check_bpf(struct doctor *d)
{
	static const char fix[] = "run as root with CAP_BPF and CAP_PERFMON, on a kernel with CONFIG_BPF_SYSCALL";
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct config *config = config_new();
	struct objects *o = NULL;

	if (!config || config_set(config, "collect.ring_size", "64K", &error) < 0) {
		config_free(config);
		return;
	}
	if (objects_new(config, probes, bpf_object_images, bpf_object_images_count, &o, &error) < 0) {
		add(d, DOCTOR_FAIL, "bpf ring buffer", fix, "%s; only samplers work", strbuf_str(&error));
	} else {
		add(d, DOCTOR_PASS, "bpf ring buffer", "", "can be made");
		try_probes(d, o);
		try_measuring(d, o);
	}
	objects_free(o);
	config_free(config);
}

static void check_symbols(struct doctor *d)
{
	struct kernel *k;

	if (kernel_new(&k) < 0)
		return;
	if (kernel_address(k, "schedule"))
		add(d, DOCTOR_PASS, "kernel symbols", "", "/proc/kallsyms shows addresses");
	else
		add(d, DOCTOR_WARN, "kernel symbols", "sysctl kernel.kptr_restrict=1 and run with CAP_SYSLOG",
		    "/proc/kallsyms hides addresses: stacks stay without names, and so does where a task waited");
	kernel_free(k);
}

static void check_cpus(struct doctor *d)
{
	long possible = sysconf(_SC_NPROCESSORS_CONF), online = sysconf(_SC_NPROCESSORS_ONLN);

	if (online == possible)
		add(d, DOCTOR_PASS, "CPUs", "", "all %ld are online", online);
	else
		add(d, DOCTOR_PASS, "CPUs", "", "%ld of %ld are online; one that comes later is sampled from the next tick on",
		    online, possible);
}

static void check_pressure(struct doctor *d)
{
	char text[256];
	ssize_t n = file_read(AT_FDCWD, "/proc/pressure/cpu", text, sizeof(text));

	if (n > 0)
		add(d, DOCTOR_PASS, "pressure stall information", "", "/proc/pressure is readable");
	else
		add(d, DOCTOR_WARN, "pressure stall information", "boot with psi=1 (CONFIG_PSI)",
		    "/proc/pressure/cpu: %s; symptoms come from BPF alone", strerror(n < 0 ? -n : ENODATA));
}

static int ignore(void *ctx, const struct kw_event *event)
{
	(void)ctx;
	(void)event;
	return 0;
}

/* A mount table may list what another mount hides. */
static bool is_visible(const struct cgroup_hierarchy *h)
{
	struct statfs fs;

	return !statfs(h->mount, &fs) && (fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC);
}

static void check_cgroups(struct doctor *d)
{
	const struct cgroup_hierarchy *h;
	struct cgroups *c;
	char text[200] = "";
	bool v1 = false, v2 = false;

	if (cgroups_new("/proc", ignore, NULL, &c) < 0) {
		add(d, DOCTOR_FAIL, "cgroups", "mount cgroup2 on /sys/fs/cgroup",
		    "no cgroup hierarchy is mounted: containers cannot be told apart");
		return;
	}
	for (size_t i = 0; (h = cgroups_hierarchy(c, i)); i++) {
		size_t len = strlen(text);

		if (!is_visible(h))
			continue;
		v1 |= h->number != 0;
		v2 |= h->number == 0;
		snprintf(text + len, sizeof(text) - len, "%s%s", len ? " " : "", h->number ? h->controllers : "v2");
	}
	if (v1 || v2)
		add(d, DOCTOR_PASS, "cgroups", "", "%s: %s; %d cgroups",
		    v1 && v2 ? "hybrid"
		    : v1     ? "v1"
			     : "v2",
		    text, cgroups_scan(c, 0));
	else
		add(d, DOCTOR_FAIL, "cgroups", "unmount what hides /sys/fs/cgroup, or share the host's with kwhy",
		    "the cgroup hierarchies are hidden by another mount: containers cannot be told apart");
	cgroups_free(c);
}

static void check_log(struct doctor *d)
{
	AUTO_CLOSE int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	add(d, fd >= 0 ? DOCTOR_PASS : DOCTOR_WARN, "kernel log", "run with CAP_SYSLOG, and give a container /dev/kmsg",
	    fd >= 0 ? "/dev/kmsg is readable%s" : "/dev/kmsg: %s; the kernel's own reports are missed",
	    fd >= 0 ? "" : strerror(errno));
}

static void check_delays(struct doctor *d)
{
	int64_t on = 0;
	int r = file_read_int(AT_FDCWD, "/proc/sys/kernel/task_delayacct", &on);

	/* Nothing kwhy reads depends on it; people who compare with other tools ask. */
	add(d, DOCTOR_PASS, "delay accounting", "", "kernel.task_delayacct is %s (not needed)",
	    r < 0 ? "absent" : on ? "on" : "off");
}

static void check_memlock(struct doctor *d)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return;
	if (limit.rlim_cur == RLIM_INFINITY)
		add(d, DOCTOR_PASS, "locked memory", "", "unlimited");
	else
		add(d, DOCTOR_PASS, "locked memory", "", "%llu KiB; counts for BPF before kernel 5.11 only",
		    (unsigned long long)limit.rlim_cur / 1024);
}

unsigned int collect_doctor(struct doctor_check *ret_checks, unsigned int max)
{
	struct doctor d = { .checks = ret_checks, .max = max };

	check_kernel(&d);
	check_btf(&d);
	check_capabilities(&d);
	check_lockdown(&d);
	check_bpf(&d);
	check_symbols(&d);
	check_cpus(&d);
	check_pressure(&d);
	check_cgroups(&d);
	check_log(&d);
	check_delays(&d);
	check_memlock(&d);
	return d.count;
}
