/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of a container's waits, wakeups, forks, kills, requests and lost memory against what others count: the
 * kernel's own counters (schedstat, cpu.stat, memory.oom_control, pressure, a disk's stat, mincore, a socket's) or the
 * clock of the one who waited.  Each deed is done in a cgroup of its own.  Counts must be equal, times within a tenth and
 * 10 ms.
 */
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/perf_event.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "collect/mountinfo.h"
#include "tests/bpf/loads.h"

#define HELD_MS 300
#define BUSY_NS (1500 * (int64_t)NSEC_PER_MSEC)
#define FORKS 1000
#define KILLS 30
#define GREEDY 3
#define READS 200
#define READ_BYTES 65536
#define HOLES_BYTES ((off_t)4 << 30)
#define CACHED_BYTES ((size_t)64 << 20)
#define EVICTED_UNTOLD (1U << 20) /* less than so much since the last record is not told (bpf/evict.bpf.c) */
#define WAKEUPS 20
#define NAME "kwhy-waits"

/* What the doer found out by itself; shared memory. */
struct deed {
	uint64_t cg;      /* id of its cgroup in the default hierarchy */
	uint64_t other_cg; /* and of the one of version 1; 0: none */
	uint64_t counted; /* by the kernel's counter, the clock, or its own hand */
	uint64_t also;    /* a second count */
	pid_t helper;     /* who wakes it */
	_Atomic bool ready, done;
	char cgroup[400], other[400]; /* its cgroup there, and one of a controller of version 1; "": none */
	pthread_mutex_t mutex;
};

/* What the collector told of its cgroup. */
struct told {
	const struct deed *deed;
	uint64_t wait_ns[KW_WAIT_MAX], cpu_blame_ns;
	uint64_t forks, kills, ooms, requests, bytes, refused;
	uint64_t wakeups, slept_ns, timer_irqs, evicted_bytes;
	uint64_t unread_bytes, limit_bytes;
};

/* Memory is charged to cgroups of its controller, which are the subject there. */
static bool is_own(const struct deed *deed, const struct kw_cg *cg)
{
	return (deed->cg && cg->v2 == deed->cg) || (deed->other_cg && (cg->v1 & KW_CG_ID_MASK) == deed->other_cg);
}

static void take_memory(struct told *t, const struct kw_event *e)
{
	const void *payload = e + 1;

	if (e->kind == KW_KIND_evict) {
		const struct kw_evict *evicted = payload;

		t->evicted_bytes += evicted->bytes;
	} else if (e->kind == KW_KIND_sockmem) {
		const struct kw_sockmem *m = payload;

		t->unread_bytes = m->unread_bytes;
		t->limit_bytes = m->limit_bytes;
	}
}

static int on_event(void *ctx, const struct kw_event *e)
{
	struct told *t = ctx;
	const void *payload = e + 1;

	if (!is_own(t->deed, &e->subject.cg))
		return 0;
	take_memory(t, e);
	if (e->kind == KW_KIND_wait) {
		const struct kw_wait *w = payload;

		t->wait_ns[w->reason % KW_WAIT_MAX] += w->sum_ns;
	} else if (e->kind == KW_KIND_blame) {
		const struct kw_blame *b = payload;

		t->cpu_blame_ns += b->resource == KW_RES_CPU ? b->ns : 0;
	} else if (e->kind == KW_KIND_tally) {
		const struct kw_tally *n = payload;

		t->forks += !strcmp(n->name, "fork") ? n->count : 0;
		t->timer_irqs += !strcmp(n->name, "irq:timer") ? n->count : 0;
	} else if (e->kind == KW_KIND_wakeup && (pid_t)e->peer.pid == t->deed->helper) {
		const struct kw_wakeup *w = payload;

		t->wakeups += w->count;
		t->slept_ns += w->sum_ns;
	} else if (e->kind == KW_KIND_signal) {
		const struct kw_signal *s = payload;

		t->kills += s->signal == SIGTERM;
	} else if (e->kind == KW_KIND_oom) {
		t->ooms++;
	} else if (e->kind == KW_KIND_block) {
		const struct kw_block *b = payload;

		t->requests++;
		t->bytes += b->bytes;
	} else if (e->kind == KW_KIND_limit) {
		const struct kw_limit *l = payload;

		t->refused += l->what == 1 ? l->failures : 0;
	}
	return 0;
}

/* ---- cgroups ----------------------------------------------------------------------------------------------------- */

/* Where a controller of version 1 is mounted. */
static bool find_v1(const char *controller, char ret[256])
{
	AUTO_FREE char *text = NULL;
	struct mountinfo m;

	if (file_read_alloc(AT_FDCWD, "/proc/self/mountinfo", 16 << 20, &text, NULL) < 0)
		return false;
	for (const char *at = text; mountinfo_next(&at, &m);)
		if (!strcmp(m.type, "cgroup") && setting_lists(m.options, controller))
			return snprintf(ret, 256, "%s", m.point) < 256;
	return false;
}

/* A number behind a word in a file of a cgroup. */
static uint64_t counter(const char *folder, const char *file, const char *word)
{
	char path[512], text[4096];
	int64_t value;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	if (file_read(AT_FDCWD, path, text, sizeof(text)) < 0 || text_lookup_int(text, word, &value) < 0)
		return 0;
	return (uint64_t)value;
}

/* Into the cgroup of the deed; from here on it is what is looked at. */
static void enter(struct deed *deed)
{
	join_cgroup(deed->cgroup);
	if (deed->other[0])
		join_cgroup(deed->other);
}

static bool enter_v1(struct deed *deed, const char *controller, const char *file, const char *value)
{
	struct stat st;
	char mount[256];

	if (!find_v1(controller, mount))
		return false;
	snprintf(deed->other, sizeof(deed->other), "%s/" NAME "-%d", mount, getpid());
	if (mkdir(deed->other, 0755) < 0 || !put(deed->other, file, value)) {
		rmdir(deed->other);
		deed->other[0] = '\0';
		return false;
	}
	deed->other_cg = stat(deed->other, &st) == 0 ? st.st_ino : 0;
	enter(deed);
	return true;
}

/* ---- helpers, who are not in it ---------------------------------------------------------------------------------- */

static void wait_ms(int ms)
{
	poll(NULL, 0, ms);
}

static void pin(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((int)sysconf(_SC_NPROCESSORS_ONLN) - 1, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void spin_until(int64_t end_ns)
{
	while (time_boot_ns() < end_ns)
		;
}

/* A child that dies with its parent. */
static pid_t helper(void)
{
	pid_t pid = fork();

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* Works a little again and again; the longest time it did not get to is what somebody kept it from that. */
static uint64_t longest_gap(int ms)
{
	const struct timespec nap = { .tv_nsec = NSEC_PER_MSEC };
	int64_t last = time_boot_ns(), end = last + ms * (int64_t)NSEC_PER_MSEC, longest = 0;

	while (last < end) {
		int64_t now;

		nanosleep(&nap, NULL);
		now = time_boot_ns();
		longest = now - last > longest ? now - last : longest;
		last = now;
	}
	return (uint64_t)longest;
}

/* ---- deeds ------------------------------------------------------------------------------------------------------- */

static uint64_t run_delay_ns(void)
{
	AUTO_FCLOSE FILE *f = fopen("/proc/self/schedstat", "re");
	unsigned long long ran, waited = 0;

	return f && fscanf(f, "%llu %llu", &ran, &waited) == 2 ? waited : 0;
}

static void wait_for_cpu(struct deed *deed)
{
	int64_t end = time_boot_ns() + BUSY_NS;
	uint64_t before;
	pid_t pid = helper();

	pin();
	if (!pid) {
		spin_until(end);
		_exit(0);
	}
	enter(deed);
	before = run_delay_ns();
	spin_until(end);
	deed->counted = run_delay_ns() - before;
	waitpid(pid, NULL, 0);
}

/* "LOC:" of /proc/interrupts: timer interrupts of the CPU it runs on. */
static uint64_t timer_interrupts(void)
{
	AUTO_FREE char *text = NULL;
	char *at, *save;
	unsigned int cpu = 0;

	if (getcpu(&cpu, NULL) < 0 || file_read_alloc(AT_FDCWD, "/proc/interrupts", 1 << 20, &text, NULL) < 0)
		return 0;
	at = strstr(text, "LOC:");
	if (!at || !strtok_r(at, " ", &save))
		return 0;
	for (unsigned int i = 0; i < cpu && at; i++)
		at = strtok_r(NULL, " ", &save);
	at = at ? strtok_r(NULL, " ", &save) : NULL;
	return at ? strtoull(at, NULL, 10) : 0;
}

/* By a clock that samples it ten thousand times a second; what a quiet CPU's timer takes is not worth a row. */
static void be_interrupted(struct deed *deed)
{
	struct perf_event_attr clock = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(clock), .config = PERF_COUNT_SW_CPU_CLOCK,
					 .sample_period = 100 * NSEC_PER_USEC };
	AUTO_CLOSE int fd = (int)syscall(SYS_perf_event_open, &clock, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	uint64_t before;

	if (fd < 0)
		return;
	pin();
	enter(deed);
	before = timer_interrupts();
	spin_until(time_boot_ns() + BUSY_NS);
	deed->counted = before ? timer_interrupts() - before : 0;
}

static void be_throttled(struct deed *deed)
{
	uint64_t before;

	if (!enter_v1(deed, "cpu", "cpu.cfs_quota_us", "20000"))
		return;
	before = counter(deed->other, "cpu.stat", "throttled_time");
	spin_until(time_boot_ns() + BUSY_NS);
	wait_ms(150); /* no period begins in the middle of its last one */
	deed->counted = counter(deed->other, "cpu.stat", "throttled_time") - before;
}

static void wait_for_mutex(struct deed *deed)
{
	pthread_mutexattr_t shared;
	int64_t began;
	pid_t pid;

	pthread_mutexattr_init(&shared);
	pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&deed->mutex, &shared);
	pid = helper();
	if (!pid) {
		pthread_mutex_lock(&deed->mutex);
		wait_ms(HELD_MS);
		pthread_mutex_unlock(&deed->mutex);
		_exit(0);
	}
	enter(deed);
	wait_ms(30);
	began = time_boot_ns();
	pthread_mutex_lock(&deed->mutex);
	deed->counted = (uint64_t)(time_boot_ns() - began);
	waitpid(pid, NULL, 0);
}

static int unnamed_file(void)
{
	return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static void wait_for_file(struct deed *deed)
{
	AUTO_CLOSE int fd = unnamed_file();
	char path[32];
	int64_t began;
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	pid = helper();
	if (!pid) {
		int own = open(path, O_RDWR | O_CLOEXEC);

		flock(own, LOCK_EX);
		wait_ms(HELD_MS);
		_exit(0);
	}
	enter(deed);
	wait_ms(30);
	began = time_boot_ns();
	if (flock(fd, LOCK_EX) == 0)
		deed->counted = (uint64_t)(time_boot_ns() - began);
	waitpid(pid, NULL, 0);
}

static void wait_for_reader(struct deed *deed)
{
	static char data[1 << 17];
	int ends[2];
	int64_t began;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	pid = helper();
	if (!pid) {
		wait_ms(HELD_MS);
		while (read(ends[0], data, sizeof(data)) > 0)
			;
		_exit(0);
	}
	enter(deed);
	began = time_boot_ns();
	if (write(ends[1], data, sizeof(data)) == (ssize_t)sizeof(data)) /* twice what the pipe holds */
		deed->counted = (uint64_t)(time_boot_ns() - began);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Somebody outside writes to its pipe again and again. */
static void be_woken(struct deed *deed)
{
	int ends[2];
	char byte = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	pid = helper();
	if (!pid) {
		do
			wait_ms(30);
		while (write(ends[1], &byte, 1) == 1);
		_exit(0);
	}
	deed->helper = pid;
	enter(deed);
	for (deed->also = 0; deed->also < WAKEUPS; deed->also++) {
		int64_t began = time_boot_ns();

		if (read(ends[0], &byte, 1) != 1)
			return;
		deed->counted += (uint64_t)(time_boot_ns() - began);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Somebody keeps it from its work for a while, and lets it go on. */
static void be_kept(struct deed *deed, void (*keep)(const struct deed *deed, pid_t pid))
{
	pid_t self = getpid(), pid = helper();

	if (!pid) {
		wait_ms(100);
		keep(deed, self);
		_exit(0);
	}
	enter(deed);
	deed->counted = longest_gap(100 + HELD_MS + 200);
	waitpid(pid, NULL, 0);
}

static void stop_it(const struct deed *deed, pid_t pid)
{
	(void)deed;
	kill(pid, SIGSTOP);
	wait_ms(HELD_MS);
	kill(pid, SIGCONT);
}

static void trace_it(const struct deed *deed, pid_t pid)
{
	(void)deed;
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
		return;
	waitpid(pid, NULL, __WALL);
	wait_ms(HELD_MS);
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

static void freeze_it(const struct deed *deed, pid_t pid)
{
	(void)pid;
	put(deed->cgroup, "cgroup.freeze", "1");
	wait_ms(HELD_MS);
	put(deed->cgroup, "cgroup.freeze", "0");
}

static void be_stopped(struct deed *deed)
{
	be_kept(deed, stop_it);
}

static void be_traced(struct deed *deed)
{
	be_kept(deed, trace_it);
}

static void be_frozen(struct deed *deed)
{
	be_kept(deed, freeze_it);
}

static void fork_often(struct deed *deed)
{
	enter(deed);
	for (int i = 0; i < FORKS; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		deed->counted += waitpid(pid, NULL, 0) == pid;
	}
}

static void kill_some(struct deed *deed)
{
	enter(deed);
	for (int i = 0; i < KILLS; i++) {
		int status = 0;
		pid_t pid = fork();

		if (!pid) {
			pause();
			_exit(0);
		}
		kill(pid, SIGTERM);
		waitpid(pid, &status, 0);
		deed->counted += WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
	}
}

static void fork_too_often(struct deed *deed)
{
	if (!enter_v1(deed, "pids", "pids.max", "1"))
		return;
	for (int i = 0; i < KILLS; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		deed->counted += pid < 0;
	}
	wait_ms(200); /* a tick looks while it lives */
	if (counter(deed->other, "pids.events", "max") != deed->counted)
		deed->counted = 0;
}

/* How long somebody on this host waited for memory; the kernel adds it up every two seconds (kernel/sched/psi.c). */
static uint64_t memory_pressure_ns(void)
{
	AUTO_FCLOSE FILE *f = NULL;
	unsigned long long total_us = 0;

	wait_ms(2100);
	f = fopen("/proc/pressure/memory", "re");
	return f && fscanf(f, "some avg10=%*f avg60=%*f avg300=%*f total=%llu", &total_us) == 1 ? total_us * NSEC_PER_USEC : 0;
}

/* Reads holes: pages of its own that nobody has to fetch, and that its limit has no room for. */
static void read_past_limit(struct deed *deed)
{
	AUTO_CLOSE int fd = unnamed_file();
	static char data[1 << 20];
	uint64_t before;

	if (ftruncate(fd, HOLES_BYTES) < 0 || !enter_v1(deed, "memory", "memory.limit_in_bytes", "16M"))
		return;
	before = memory_pressure_ns();
	for (off_t at = 0; at < HOLES_BYTES; at += sizeof(data))
		if (pread(fd, data, sizeof(data), at) != sizeof(data))
			return;
	deed->counted = memory_pressure_ns() - before;
}

static void be_greedy(struct deed *deed)
{
	if (!enter_v1(deed, "memory", "memory.limit_in_bytes", "16M"))
		return;
	for (int i = 0; i < GREEDY; i++) {
		pid_t pid = fork();

		if (!pid) {
			(void)mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	deed->counted = counter(deed->other, "memory.oom_control", "oom_kill");
}

static uint64_t resident_bytes(int fd, size_t len)
{
	static unsigned char pages[CACHED_BYTES / 4096];
	uint64_t sum = 0;
	void *at = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED || mincore(at, len, pages) < 0)
		return 0;
	for (size_t i = 0; i < len / 4096; i++)
		sum += (pages[i] & 1U) * 4096;
	munmap(at, len);
	return sum;
}

/* What it read stays in the page cache, on its account, until somebody outside throws that out. */
static void lose_cache(struct deed *deed)
{
	AUTO_CLOSE int fd = unnamed_file();
	static char data[1 << 20];
	pid_t pid = helper();

	if (!pid) {
		while (!deed->ready)
			wait_ms(10);
		_exit(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	}
	if (ftruncate(fd, CACHED_BYTES) < 0 || !enter_v1(deed, "memory", "memory.limit_in_bytes", "512M"))
		return;
	while (read(fd, data, sizeof(data)) > 0)
		;
	deed->counted = resident_bytes(fd, CACHED_BYTES);
	deed->ready = true;
	waitpid(pid, NULL, 0);
	deed->counted -= resident_bytes(fd, CACHED_BYTES);
}

/* A connection to itself of which nobody reads: two ends, the sending one without waiting. */
static bool connection(int ret[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	AUTO_CLOSE int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(server, (struct sockaddr *)&a, len) < 0 || listen(server, 1) < 0 ||
	    getsockname(server, (struct sockaddr *)&a, &len) < 0)
		return false;
	ret[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(ret[0], (struct sockaddr *)&a, len) < 0)
		return false;
	ret[1] = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	return ret[1] >= 0 && fcntl(ret[0], F_SETFL, O_NONBLOCK) == 0;
}

/* Sends to itself, and reads nothing, until its cgroup's socket memory is used up. */
static void send_past_limit(struct deed *deed)
{
	static char data[16384];
	uint32_t memory[SK_MEMINFO_VARS];
	socklen_t len = sizeof(memory);
	int ends[2];

	if (!enter_v1(deed, "memory", "memory.kmem.tcp.limit_in_bytes", "131072") || !connection(ends))
		return;
	while (send(ends[0], data, sizeof(data), MSG_NOSIGNAL) > 0)
		;
	wait_ms(300);
	if (getsockopt(ends[1], SOL_SOCKET, SO_MEMINFO, memory, &len) < 0)
		return;
	deed->counted = memory[SK_MEMINFO_RMEM_ALLOC];
}

/* The third value of tcp_mem, in bytes. */
static uint64_t tcp_limit_bytes(void)
{
	AUTO_FCLOSE FILE *f = fopen("/proc/sys/net/ipv4/tcp_mem", "re");
	unsigned long long pages = 0;

	return f && fscanf(f, "%*u %*u %llu", &pages) == 1 ? pages * 4096 : 0;
}

/* "READS MERGED SECTORS ..." (Documentation/block/stat.rst) */
static void disk_reads(int number, uint64_t *ret_reads, uint64_t *ret_sectors)
{
	char path[64];
	unsigned long long reads = 0, sectors = 0;
	AUTO_FCLOSE FILE *f = NULL;

	snprintf(path, sizeof(path), "/sys/block/loop%d/stat", number);
	f = fopen(path, "re");
	if (f && fscanf(f, "%llu %*u %llu", &reads, &sectors) == 2) {
		*ret_reads = reads;
		*ret_sectors = sectors;
	}
}

static int loop_of(int file, int *ret_number)
{
	AUTO_CLOSE int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR };
	char path[32];
	int disk;

	*ret_number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	if (*ret_number < 0)
		return -1;
	snprintf(path, sizeof(path), "/dev/loop%d", *ret_number);
	disk = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (disk >= 0 && (ioctl(disk, LOOP_SET_FD, file) < 0 || ioctl(disk, LOOP_SET_STATUS64, &info) < 0)) {
		close(disk);
		return -1;
	}
	return disk;
}

static void read_disk(struct deed *deed)
{
	AUTO_CLOSE int file = unnamed_file(), disk = -1;
	uint64_t reads[2] = { 0 }, sectors[2] = { 0 };
	void *buf = NULL;
	int number;

	if (ftruncate(file, READS * READ_BYTES) < 0 || posix_memalign(&buf, 4096, READ_BYTES))
		return;
	disk = loop_of(file, &number);
	if (disk < 0)
		return;
	enter(deed);
	disk_reads(number, &reads[0], &sectors[0]);
	for (int i = 0; i < READS; i++)
		if (pread(disk, buf, READ_BYTES, (off_t)i * READ_BYTES) != READ_BYTES)
			return;
	wait_ms(100); /* a reader is woken before its last request is counted (blk_mq_end_request(), block/blk-mq.c) */
	disk_reads(number, &reads[1], &sectors[1]);
	deed->counted = reads[1] - reads[0];
	deed->also = (sectors[1] - sectors[0]) * 512;
}

/* ---- against each other ------------------------------------------------------------------------------------------ */

static void observe(struct collect *c, struct deed *deed, struct told *told, void (*fn)(struct deed *deed))
{
	int64_t until = time_boot_ns() + 20 * NSEC_PER_SEC;
	char mount[256];
	pid_t pid;

	*deed = (struct deed){ .cg = 0 };
	*told = (struct told){ .deed = deed };
	if (!find_v2(mount))
		return;
	snprintf(deed->cgroup, sizeof(deed->cgroup), "%s/" NAME, mount);
	rmdir(deed->cgroup); /* of a run that was ended */
	deed->cg = make_cgroup(deed->cgroup);
	if (!deed->cg)
		return;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		fn(deed);
		deed->done = true;
		pause();
		_exit(0);
	}
	while (!deed->done && time_boot_ns() < until)
		collect_poll(c, 50);
	poll_for(c, 500 * NSEC_PER_MSEC);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	poll_for(c, 50 * NSEC_PER_MSEC);
	rmdir(deed->cgroup);
	if (deed->other[0])
		rmdir(deed->other);
}

/* One collector for all, whose records go to told. */
struct observer {
	struct checks checks;
	struct collect *collector;
	struct deed *deed;
	struct told *told;
};

/* Up to three times: a hypervisor may run something else before somebody who waited reads the clock. */
static void same_time(struct observer *o, const char *name, const uint64_t *ns, void (*fn)(struct deed *deed))
{
	uint64_t told, counted;

	for (int i = 0; i < 3; i++) {
		observe(o->collector, o->deed, o->told, fn);
		told = *ns;
		counted = o->deed->counted;
		if (!counted || near_time(told, counted))
			break;
	}
	if (!counted) {
		skip(&o->checks, name, "not possible here");
		return;
	}
	printf("# %s: %" PRIu64 " us told, %" PRIu64 " us counted\n", name, told / NSEC_PER_USEC, counted / NSEC_PER_USEC);
	check(&o->checks, near_time(told, counted), name, "%" PRIu64 " us told, %" PRIu64 " us counted", told / NSEC_PER_USEC,
	      counted / NSEC_PER_USEC);
}

static void compare_cpu(struct observer *o)
{
	const struct told *told = o->told;
	uint64_t waited;

	same_time(o, "waits for a CPU against schedstat", &told->wait_ns[KW_WAIT_CPU], wait_for_cpu);
	waited = told->wait_ns[KW_WAIT_CPU];
	check(&o->checks, waited && told->cpu_blame_ns <= waited && told->cpu_blame_ns >= waited / 100 * 99,
	      "they are blamed as a whole, and no more than that", "%" PRIu64 " of %" PRIu64 " us",
	      told->cpu_blame_ns / NSEC_PER_USEC, waited / NSEC_PER_USEC);
}

static void same_count(struct observer *o, const char *name, uint64_t told, uint64_t counted)
{
	if (!counted) {
		skip(&o->checks, name, "not possible here");
		return;
	}
	printf("# %s: %" PRIu64 " told, %" PRIu64 " counted\n", name, told, counted);
	check(&o->checks, told == counted, name, "%" PRIu64 " told, %" PRIu64 " counted", told, counted);
}

static void compare_wakeups(struct observer *o)
{
	same_time(o, "sleep that somebody else ended, by its clock", &o->told->slept_ns, be_woken);
	same_count(o, "wakeups by somebody else", o->told->wakeups, o->deed->also);
}

static void compare_memory(struct observer *o)
{
	const struct deed *deed = o->deed;
	const struct told *told = o->told;

	observe(o->collector, o->deed, o->told, lose_cache);
	if (!deed->counted)
		skip(&o->checks, "evicted page cache against mincore", "no memory controller of cgroup v1, or no page cache in /tmp");
	else
		check(&o->checks, told->evicted_bytes <= deed->counted && told->evicted_bytes + EVICTED_UNTOLD >= deed->counted,
		      "evicted page cache against mincore", "%" PRIu64 " told, %" PRIu64 " counted", told->evicted_bytes,
		      deed->counted);
	printf("# evicted page cache: %" PRIu64 " told, %" PRIu64 " counted\n", told->evicted_bytes, deed->counted);
	observe(o->collector, o->deed, o->told, send_past_limit);
	same_count(o, "what a socket refused memory has unread against SO_MEMINFO", told->unread_bytes, deed->counted);
	if (!deed->counted)
		return;
	same_count(o, "the protocol's limit against tcp_mem", told->limit_bytes, tcp_limit_bytes());
}

static void compare_counts(struct observer *o)
{
	const struct deed *deed = o->deed;
	const struct told *told = o->told;

	observe(o->collector, o->deed, o->told, fork_often);
	/* A tick with fewer than ten is not told. */
	printf("# forks: %" PRIu64 " told, %" PRIu64 " counted\n", told->forks, deed->counted);
	check(&o->checks, deed->counted && told->forks <= deed->counted && told->forks >= deed->counted / 10 * 9, "forks",
	      "%" PRIu64 " told, %" PRIu64 " counted", told->forks, deed->counted);
	observe(o->collector, o->deed, o->told, be_interrupted);
	/* Some meet another task of that CPU. */
	printf("# timer interrupts: %" PRIu64 " told, %" PRIu64 " counted\n", told->timer_irqs, deed->counted);
	if (deed->counted)
		check(&o->checks, told->timer_irqs <= deed->counted / 100 * 101 && told->timer_irqs >= deed->counted / 10 * 9,
		      "timer interrupts against /proc/interrupts", "%" PRIu64 " told, %" PRIu64 " counted", told->timer_irqs,
		      deed->counted);
	else
		skip(&o->checks, "timer interrupts against /proc/interrupts", "no clock of perf, or no LOC there");
	observe(o->collector, o->deed, o->told, kill_some);
	same_count(o, "kills", told->kills, deed->counted);
	observe(o->collector, o->deed, o->told, fork_too_often);
	same_count(o, "refused forks against pids.events", told->refused, deed->counted);
	observe(o->collector, o->deed, o->told, be_greedy);
	same_count(o, "OOM kills against memory.oom_control", told->ooms, deed->counted);
	observe(o->collector, o->deed, o->told, read_disk);
	same_count(o, "a disk's requests against its stat", told->requests, deed->counted);
	same_count(o, "and their bytes", told->bytes, deed->also);
}

static const struct {
	const char *name;
	enum kw_wait_reason reason;
	void (*fn)(struct deed *deed);
} times[] = {
	{ "time throttled against cpu.stat", KW_WAIT_THROTTLED, be_throttled },
	{ "waits for memory against pressure", KW_WAIT_RECLAIM, read_past_limit },
	{ "a wait for a mutex", KW_WAIT_FUTEX, wait_for_mutex },
	{ "a wait for a file lock", KW_WAIT_FILELOCK, wait_for_file },
	{ "a wait for who reads a pipe", KW_WAIT_PEER, wait_for_reader },
	{ "time stopped", KW_WAIT_STOPPED, be_stopped },
	{ "time in a tracer's stop", KW_WAIT_TRACED, be_traced },
	{ "time frozen", KW_WAIT_FROZEN, be_frozen },
};

int main(void)
{
	static const char *const settings[] = { "collect.rate", "100000", "collect.tick", "100ms",
						"probe.block.threshold", "1us", NULL };
	struct told told = { 0 };
	struct observer o = { .told = &told };
	struct config *config;

	if (geteuid() != 0) {
		skip(&o.checks, "waits against the kernel's own counters", "needs root");
		return 0;
	}
	o.deed = mmap(NULL, sizeof(*o.deed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	told.deed = o.deed;
	o.collector = collector_start(settings, on_event, &told, &config);
	if (!o.collector) {
		skip(&o.checks, "waits against the kernel's own counters", "no collector here");
		return 0;
	}
	poll_for(o.collector, NSEC_PER_SEC);
	compare_cpu(&o);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		same_time(&o, times[i].name, &told.wait_ns[times[i].reason], times[i].fn);
	compare_wakeups(&o);
	compare_memory(&o);
	compare_counts(&o);
	collect_free(o.collector);
	config_free(config);
	return o.checks.failed ? 1 : 0;
}
