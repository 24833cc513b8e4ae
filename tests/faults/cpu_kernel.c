/* SPDX-License-Identifier: Apache-2.0 */
/* A CPU that is taken away below the scheduler: by soft interrupts, by the kernel itself. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "tests/faults/cpu.h"
#include "tests/faults/faults.h"

struct kernel_state {
	struct cpu_state cpu; /* first: shared with draw_requests() and the proofs */
	_Atomic int error;
	_Atomic uint64_t done;       /* packets, or sections */
	_Atomic uint64_t longest_ns; /* section */
	_Atomic int ready;
};

/* As many files as this process may ever open. */
static void open_many(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* ---- work that interrupts stretch ---------------------------------------------------------------------------------- */

/* The thread's CPU clock runs on while interrupts are served in it, so a request is so many steps, not so much time. */
static void steps(uint64_t n)
{
	volatile uint64_t x = 1;

	while (n--)
		x = x * UINT64_C(6364136223846793005) + 1;
}

static uint64_t steps_per_ms(void)
{
	uint64_t best = 1;

	for (int i = 0; i < 5; i++) {
		int64_t began = clock_ns();

		steps(200000);
		best = MAX(best, 200000 * (uint64_t)MS / (uint64_t)(clock_ns() - began + 1));
	}
	return best;
}

struct stretched {
	struct requests rq;
	int cpu;
};

static void stretched_body(struct sandbox *sb, void *arg)
{
	const struct stretched *v = arg;
	int64_t period = v->rq.work_ns * 100 / v->rq.percent, began;
	uint64_t n;
	enum phase phase;

	stay_on(v->cpu);
	n = steps_per_ms() * (uint64_t)v->rq.work_ns / MS;
	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		began = clock_ns();
		steps(n);
		tally_add(v->rq.tally, phase, sandbox_phase(sb), clock_ns() - began);
		nap_ns(MAX(period - (clock_ns() - began), period / 10));
	}
}

static int stretched_proof(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;
	const struct tally *t = st->cpu.requests;

	if (st->error)
		return sandbox_fail(sb, -EOPNOTSUPP, "%s", strerror(st->error));
	facts_tally(&sb->proof, "request", t);
	facts_int(&sb->proof, "done", (int64_t)st->done);
	return t[1].count && tally_mean(&t[1]) * 5 > tally_mean(&t[0]) * 6 ? 0 : -ENODATA;
}

/* ---- packets of another container are received on the victim's CPU --------------------------------------------------- */

struct flood {
	int cpu, rx_cpu, batch;
};

/* Receive packet steering of the loopback device of this network namespace (Documentation/networking/scaling.rst). */
static int steer(struct sandbox *sb, int cpu)
{
	char dir[96], path[160], mask[32];

	snprintf(dir, sizeof(dir), "%s/sys", sb->dir);
	if (unshare(CLONE_NEWNS) < 0 || (mkdir(dir, 0755) < 0 && errno != EEXIST) ||
	    mount("sysfs", dir, "sysfs", MS_NOSUID | MS_NOEXEC, NULL) < 0)
		return -errno;
	snprintf(path, sizeof(path), "%s/class/net/lo/queues/rx-0/rps_cpus", dir);
	if (cpu < 32)
		snprintf(mask, sizeof(mask), "%x", 1U << cpu);
	else
		snprintf(mask, sizeof(mask), "%x,00000000", 1U << (cpu - 32));
	return cpu < 64 ? sandbox_write_file(path, mask) : -EOPNOTSUPP;
}

/* A socket that takes packets and throws them away in the soft interrupt, and one that sends there. */
static int flood_sockets(int *ret_sink, int *ret_source)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog program = { .len = 1, .filter = &nothing };
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	*ret_sink = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	*ret_source = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*ret_sink < 0 || *ret_source < 0 || bind(*ret_sink, (struct sockaddr *)&at, len) < 0 ||
	    getsockname(*ret_sink, (struct sockaddr *)&at, &len) < 0 ||
	    setsockopt(*ret_sink, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ||
	    connect(*ret_source, (struct sockaddr *)&at, len) < 0)
		return -errno;
	return 0;
}

static void flood_body(struct sandbox *sb, void *arg)
{
	const struct flood *f = arg;
	struct kernel_state *st = sb->state;
	int sink = -1, source = -1, r = steer(sb, f->rx_cpu);
	struct mmsghdr messages[128] = { 0 };
	char byte[16] = { 0 };
	struct iovec iov = { .iov_base = byte, .iov_len = sizeof(byte) };

	if (r == 0)
		r = flood_sockets(&sink, &source);
	if (r < 0) {
		atomic_store(&st->error, -r);
		return;
	}
	for (int i = 0; i < f->batch; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
	stay_on(f->cpu);
	while (sandbox_phase(sb) < PHASE_FAULT)
		nap_ns(5 * MS);
	while (sandbox_phase(sb) == PHASE_FAULT) {
		int n = sendmmsg(source, messages, (unsigned int)f->batch, 0);

		atomic_fetch_add(&st->done, n > 0 ? (uint64_t)n : 0);
	}
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static int softirq_setup(struct sandbox *sb)
{
	struct stretched victim = { .rq = draw_requests(sb, 5, 35, 45) };
	struct flood flood = { .batch = sandbox_random(sb, 16, 64) };
	int r = draw_cpus(sb, &victim.cpu, &flood.cpu);

	flood.rx_cpu = victim.cpu;
	facts_int(&sb->params, "batch", flood.batch);
	if (r == 0)
		r = sandbox_parties(sb);
	if (r == 0)
		r = container_netns(sb, sb->culprit);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, stretched_body, &victim);
	if (r > 0)
		r = sandbox_spawn(sb, sb->culprit, flood_body, &flood);
	if (r > 0)
		r = sandbox_spawn(sb, sb->bystander, hog_body,
				  &(struct hog){ .cpu = flood.cpu, .percent = 15, .burst_ns = 2 * MS });
	return r < 0 ? r : 0;
}

/* ---- a profiler that interrupts all too often ------------------------------------------------------------------------ */

#define CLOCKS_MAX 16

struct profiler {
	int cpu, clocks, period_us;
};

/* A clock of perf's that looks at the whole call chain each time: an interrupt of some microseconds. */
static int clock_new(const struct profiler *p)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = (uint64_t)p->period_us * 1000,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CALLCHAIN,
		.disabled = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, p->cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void profiler_body(struct sandbox *sb, void *arg)
{
	const struct profiler *p = arg;
	struct kernel_state *st = sb->state;
	int fds[CLOCKS_MAX], r = 0;

	for (int i = 0; i < p->clocks && r >= 0; i++)
		r = fds[i] = clock_new(p);
	if (r < 0) {
		atomic_store(&st->error, -r);
		return;
	}
	while (sandbox_phase(sb) < PHASE_FAULT)
		nap_ns(5 * MS);
	for (int i = 0; i < p->clocks; i++)
		ioctl(fds[i], PERF_EVENT_IOC_ENABLE, 0);
	while (sandbox_phase(sb) == PHASE_FAULT)
		nap_ns(5 * MS);
	for (int i = 0; i < p->clocks; i++)
		ioctl(fds[i], PERF_EVENT_IOC_DISABLE, 0);
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static int irq_setup(struct sandbox *sb)
{
	struct stretched victim = { .rq = draw_requests(sb, 5, 35, 45) };
	struct profiler profiler = { .clocks = sandbox_random(sb, 10, CLOCKS_MAX), .period_us = sandbox_random(sb, 60, 90) };
	int other, r = draw_cpus(sb, &victim.cpu, &other);

	profiler.cpu = victim.cpu;
	facts_int(&sb->params, "clocks", profiler.clocks);
	facts_int(&sb->params, "period_us", profiler.period_us);
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "irq:timer");
	if (r == 0)
		r = container_new(sb, &sb->victim);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, stretched_body, &victim);
	if (r > 0)
		r = sandbox_spawn(sb, NULL, profiler_body, &profiler);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

/* ---- an agent that reads the counters of another CPU over and over ---------------------------------------------------- */

#define GROUP_MAX 1000 /* what is read of a group at once is limited to 16 KiB (kernel/events/core.c) */

struct agent {
	int cpu, counters, on;
};

/*
 * A group of counters of one CPU.  To read it from another one the kernel has that CPU update all of them, in the
 * interrupt that asks it to (perf_event_read(), kernel/events/core.c).
 */
static int counters_new(const struct agent *a)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.read_format = PERF_FORMAT_GROUP,
	};
	int leader = -1;

	for (int i = 0; i < a->counters; i++) {
		int fd = (int)syscall(SYS_perf_event_open, &attr, -1, a->cpu, leader, PERF_FLAG_FD_CLOEXEC);

		if (fd < 0)
			return -errno;
		if (leader < 0)
			leader = fd;
	}
	return leader;
}

static void agent_body(struct sandbox *sb, void *arg)
{
	const struct agent *a = arg;
	struct kernel_state *st = sb->state;
	uint64_t values[1 + GROUP_MAX];
	int fd;

	open_many();
	fd = counters_new(a);
	if (fd < 0) {
		atomic_store(&st->error, -fd);
		return;
	}
	stay_on(a->on);
	while (sandbox_phase(sb) < PHASE_FAULT)
		nap_ns(5 * MS);
	while (sandbox_phase(sb) == PHASE_FAULT && read(fd, values, sizeof(values)) > 0)
		atomic_fetch_add(&st->done, 1);
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static int ipi_setup(struct sandbox *sb)
{
	struct stretched victim = { .rq = draw_requests(sb, 5, 35, 45) };
	struct agent agent = { .counters = sandbox_random(sb, 500, GROUP_MAX - 100) };
	int r = draw_cpus(sb, &victim.cpu, &agent.on);

	agent.cpu = victim.cpu;
	facts_int(&sb->params, "counters", agent.counters);
	if (r == 0)
		r = sandbox_parties(sb);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, stretched_body, &victim);
	if (r > 0)
		r = sandbox_spawn(sb, sb->culprit, agent_body, &agent);
	if (r > 0)
		r = sandbox_spawn(sb, sb->bystander, hog_body,
				  &(struct hog){ .cpu = agent.on, .percent = 15, .burst_ns = 2 * MS });
	return r < 0 ? r : 0;
}

/* ---- work of the kernel that nothing interrupts -------------------------------------------------------------------- */

/* Makes the kernel hold the CPU it is called on.  How long that took, or negative errno. */
typedef int64_t (*hold_fn)(int fd);

struct section {
	int cpu;
	int64_t length_ns;
	/* What one call of hold() goes through, so much of it that it takes length_ns.  A descriptor, or negative errno. */
	int (*prepare)(struct sandbox *sb, int64_t length_ns);
	hold_fn hold;
};

static void section_body(struct sandbox *sb, void *arg)
{
	const struct section *s = arg;
	struct kernel_state *st = sb->state;
	int fd = s->prepare(sb, s->length_ns);

	if (fd < 0)
		atomic_store(&st->error, -fd);
	atomic_store(&st->ready, 1);
	stay_on(s->cpu);
	while (sandbox_phase(sb) < PHASE_FAULT)
		nap_ns(5 * MS);
	while (fd >= 0 && sandbox_phase(sb) == PHASE_FAULT) {
		int64_t ns = s->hold(fd);

		atomic_fetch_add(&st->done, 1);
		if (ns > (int64_t)atomic_load(&st->longest_ns))
			atomic_store(&st->longest_ns, (uint64_t)ns);
	}
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static int sections_setup(struct sandbox *sb, struct section section)
{
	struct kernel_state *st = sb->state;
	struct requests rq = draw_requests(sb, 5, 25, 35);
	struct pack victim = { .threads = 0, .rq = rq };
	int other, r = draw_cpus(sb, &section.cpu, &other);

	victim.cpu = section.cpu;
	facts_ns(&sb->params, "section_ns", section.length_ns);
	if (r == 0)
		r = sandbox_parties(sb);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, pack_body, &victim);
	if (r > 0)
		r = sandbox_spawn(sb, sb->culprit, section_body, &section);
	if (r > 0)
		r = sandbox_spawn(sb, sb->bystander, hog_body,
				  &(struct hog){ .cpu = section.cpu, .percent = 10, .burst_ns = MS });
	for (int i = 0; i < 1000 && r > 0 && !st->ready; i++)
		nap_ns(20 * MS);
	return r < 0 ? r : 0;
}

/* ---- a file with so many attributes that one look through them holds the CPU ---------------------------------------- */

#define NAMES_STEP 50000
#define NAMES_MAX 4000000

/* simple_xattr_list() (fs/xattr.c) walks all of a tmpfs file's attributes under a lock that forbids preemption. */
static int64_t walk_ns(int fd)
{
	int64_t began = time_thread_ns();

	return flistxattr(fd, NULL, 0) < 0 ? -errno : time_thread_ns() - began;
}

static int make_names(struct sandbox *sb, int64_t length_ns)
{
	char path[96], name[32];
	int fd;

	snprintf(path, sizeof(path), "%s/attributes", sb->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	for (int i = 1; fd >= 0 && i <= NAMES_MAX; i++) {
		int64_t ns = 0;

		snprintf(name, sizeof(name), "trusted.%x", i);
		if (fsetxattr(fd, name, "", 0, 0) < 0)
			return -errno;
		if (i % NAMES_STEP == 0)
			ns = walk_ns(fd);
		if (ns < 0)
			return (int)ns;
		if (ns >= length_ns)
			return fd;
	}
	return fd < 0 ? -errno : fd;
}

static int section_setup(struct sandbox *sb)
{
	return sections_setup(sb, (struct section){ .length_ns = sandbox_random(sb, 25, 50) * MS,
						    .prepare = make_names,
						    .hold = walk_ns });
}

/* ---- a pipe that so many wait for that waking them keeps interrupts off ---------------------------------------------- */

#define OPENINGS 1000
#define WATCHERS_MAX 700

/*
 * pipe_write() calls back all who poll the pipe with its queue's lock held and interrupts off (__wake_up_common_lock(),
 * kernel/sched/wait.c; before 6.7 it let go of the lock after 64 each: 37acade0ce97).
 */
static int64_t knock_ns(int fd)
{
	int64_t began = time_thread_ns(), ns;
	char byte = 0;

	if (write(fd, &byte, 1) != 1)
		return -errno;
	ns = time_thread_ns() - began;
	return read(fd, &byte, 1) == 1 ? ns : -errno;
}

static int watch_all(const int *fds)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; epoll >= 0 && i < OPENINGS; i++) {
		struct epoll_event event = { .events = EPOLLIN };

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event) < 0)
			return -errno;
	}
	return epoll < 0 ? -errno : 0;
}

/* Files of their own: the kernel looks at all who watch a file whenever one more does. */
static int open_often(struct sandbox *sb, int *fds)
{
	char path[96];

	open_many();
	snprintf(path, sizeof(path), "%s/doorbell", sb->dir);
	if (mkfifo(path, 0600) < 0)
		return -errno;
	for (int i = 0; i < OPENINGS; i++) {
		fds[i] = open(path, O_RDWR | O_CLOEXEC);
		if (fds[i] < 0)
			return -errno;
	}
	return 0;
}

static int make_watchers(struct sandbox *sb, int64_t length_ns)
{
	int fds[OPENINGS], r = open_often(sb, fds);

	for (int i = 0; r == 0 && i < WATCHERS_MAX; i++) {
		int64_t ns;

		r = watch_all(fds);
		if (r < 0)
			break;
		ns = knock_ns(fds[0]);
		if (ns < 0 || ns >= length_ns)
			return ns < 0 ? (int)ns : fds[0];
	}
	return r < 0 ? r : fds[0];
}

static int irqs_off_setup(struct sandbox *sb)
{
	return sections_setup(sb, (struct section){ .length_ns = sandbox_random(sb, 18, 30) * MS,
						    .prepare = make_watchers,
						    .hold = knock_ns });
}

static int section_proof(struct sandbox *sb)
{
	struct kernel_state *st = sb->state;

	if (st->error)
		return sandbox_fail(sb, -EOPNOTSUPP, "cannot prepare: %s", strerror(st->error));
	facts_int(&sb->proof, "sections", (int64_t)st->done);
	facts_ns(&sb->proof, "longest_ns", (int64_t)st->longest_ns);
	if (st->longest_ns < 12 * (uint64_t)MS)
		return -ENODATA;
	return requests_proof(sb);
}

const struct fault fault_cpu_softirq = {
	.name = "cpu_softirq",
	.cause = "cpu.softirq",
	.text = "Packets of another container are received on the CPU where a container computes.",
	.probes = "irq",
	.needs = "root, two CPUs, network namespaces, ip, receive packet steering",
	.setup = softirq_setup,
	.proof = stretched_proof,
};

const struct fault fault_cpu_irq = {
	.name = "cpu_irq",
	.cause = "cpu.irq",
	.text = "A profiler of the host's has the timer interrupt the CPU where a container computes ten thousands of times a second.",
	.probes = "irq",
	.needs = "root, two CPUs, perf events",
	.setup = irq_setup,
	.proof = stretched_proof,
};

const struct fault fault_cpu_ipi = {
	.name = "cpu_ipi",
	.cause = "cpu.ipi",
	.text = "A container reads counters of the CPU where another one computes, which has to stop for that each time.",
	.probes = "irq",
	.needs = "root, two CPUs, perf events, a kernel from 6.4 on",
	.setup = ipi_setup,
	.proof = stretched_proof,
};

const struct fault fault_cpu_kernel_section = {
	.name = "cpu_kernel_section",
	.cause = "cpu.kernel_section",
	.text = "Another container has the kernel walk so many objects at once that nobody else runs meanwhile.",
	.probes = "nosched,runq",
	.needs = "root, two CPUs",
	.setup = section_setup,
	.proof = section_proof,
};

const struct fault fault_cpu_irqs_off = {
	.name = "cpu_irqs_off",
	.cause = "cpu.kernel_section",
	.text = "Another container has the kernel wake a crowd at once, with interrupts off, on the CPU where a container works.",
	.probes = "tickgap",
	.needs = "root, two CPUs, a kernel from 6.7 on",
	.setup = irqs_off_setup,
	.proof = section_proof,
};
