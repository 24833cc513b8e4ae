/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What probes record against what others count: each deed is done by a process in a network namespace of its own, which
 * reads the kernel's counters for that namespace (/proc/net/snmp) or its own clock.  Counts must be equal to
 * the last packet, times within a tenth and 10 ms.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/timeutil.h"
#include "collect/collect.h"
#include "schema/kinds.h"
#include "tests/bpf/check.h"
#include "tests/bpf/loads.h"

#define DATAGRAMS 400
#define CONNECTS 40
#define LATE_NS (250 * NSEC_PER_MSEC)
#define BIG (256 << 20)
#define CROWD 700
#define ROUNDS 20
#define HELD_NS (25 * NSEC_PER_MSEC)

/* What the doer found out by itself; shared memory. */
struct deed {
	uint64_t netns;
	uint64_t count;    /* the kernel's own counter */
	uint64_t took_ns;  /* by its own clock */
	const char *class; /* of its packets that are dropped; a literal */
	uint32_t pid;
	_Atomic bool done; /* it waits then, so that its connections stay as they were when it counted */
};

/* What the collector told of it. */
struct told {
	const struct deed *deed;
	uint64_t dropped, refused, retransmits, sections;
	uint64_t answer_ns, lock_ns, gap_ns, unread_ns, unread_udp_ns;
	uint64_t failing_permille; /* of all calls of its container, in the window with most of them */
	uint64_t failing;
};

static void take_drop(struct told *t, const struct kw_drop *d)
{
	t->dropped += d->netns == t->deed->netns && t->deed->class && !strcmp(d->class, t->deed->class);
}

static void take_gap(struct told *t, const struct kw_event *e, const struct kw_tickgap *gap)
{
	if (e->duration_ns + gap->stolen_ns > t->gap_ns)
		t->gap_ns = e->duration_ns + gap->stolen_ns;
}

static void take_tally(struct told *t, const struct kw_tally *tally)
{
	if (!strcmp(tally->name, "rx:unread") && tally->max_ns > t->unread_ns)
		t->unread_ns = tally->max_ns;
	if (!strcmp(tally->name, "rx:unread_udp") && tally->max_ns > t->unread_udp_ns)
		t->unread_udp_ns = tally->max_ns;
}

static void take_errors(struct told *t, const struct kw_errors *errors)
{
	if (errors->count <= t->failing)
		return;
	t->failing = errors->count;
	t->failing_permille = 1000 * errors->count / errors->calls;
}

static int on_event(void *ctx, const struct kw_event *e)
{
	struct told *t = ctx;
	const void *payload = e + 1;
	const struct kw_netfail *fail = payload;
	bool own = e->subject.pid == t->deed->pid;

	if (e->kind == KW_KIND_drop)
		take_drop(t, payload);
	else if (e->kind == KW_KIND_retransmit)
		t->retransmits += ((const struct kw_retransmit *)payload)->netns == t->deed->netns;
	else if (e->kind == KW_KIND_netfail)
		t->refused += fail->netns == t->deed->netns && !strcmp(fail->what, "refused");
	else if (e->kind == KW_KIND_answer && own)
		t->answer_ns = e->duration_ns;
	else if (e->kind == KW_KIND_lock && own && e->duration_ns > t->lock_ns)
		t->lock_ns = e->duration_ns;
	else if (e->kind == KW_KIND_tickgap && own && ((const struct kw_tickgap *)payload)->irqs_off)
		take_gap(t, e, payload);
	else if (e->kind == KW_KIND_nosched)
		t->sections += e->peer.pid == t->deed->pid;
	else if (e->kind == KW_KIND_errors && own && e->error == EBADF)
		take_errors(t, payload);
	else if (e->kind == KW_KIND_tally)
		take_tally(t, payload);
	return 0;
}

/* ---- deeds ------------------------------------------------------------------------------------------------------ */

static uint64_t counter(const char *group, const char *name)
{
	char names[2048], values[2048];
	AUTO_FCLOSE FILE *f = fopen("/proc/self/net/snmp", "re");

	while (f && fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
		char *n_save, *v_save, *n = strtok_r(names, " :\n", &n_save), *v = strtok_r(values, " :\n", &v_save);

		for (bool right = n && !strcmp(n, group); right && n && v;
		     n = strtok_r(NULL, " \n", &n_save), v = strtok_r(NULL, " \n", &v_save))
			if (!strcmp(n, name))
				return strtoull(v, NULL, 10);
	}
	return 0;
}

static bool enter_netns(struct deed *deed)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct stat st;
	AUTO_CLOSE int fd = -1;

	if (unshare(CLONE_NEWNET) < 0 || stat("/proc/self/ns/net", &st) < 0)
		return false;
	deed->netns = st.st_ino;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
}

static int bound(int type, struct sockaddr_in *ret)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*ret);

	*ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (bind(fd, (struct sockaddr *)ret, len) < 0 || getsockname(fd, (struct sockaddr *)ret, &len) < 0)
		return -1;
	return fd;
}

/* How many were refused with that error. */
static uint64_t send_datagrams(const struct sockaddr_in *to, int error)
{
	AUTO_CLOSE int out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char data[500] = "";
	uint64_t n = 0;

	for (int i = 0; i < DATAGRAMS; i++)
		n += sendto(out, data, sizeof(data), 0, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno == error;
	return n;
}

/* A receiver that reads nothing. */
static void overflow_receiver(struct deed *deed)
{
	struct sockaddr_in to;
	int fd = bound(SOCK_DGRAM, &to), small = 4096;

	deed->class = "rcvbuf";
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	send_datagrams(&to, 0);
	deed->count = counter("Udp", "RcvbufErrors");
}

/* Nobody is there to receive. */
static void find_no_port(struct deed *deed)
{
	struct sockaddr_in to;

	deed->class = "noport";
	close(bound(SOCK_DGRAM, &to));
	send_datagrams(&to, 0);
	deed->count = counter("Udp", "NoPorts");
}

static bool run(const char *const argv[])
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A packet filter drops what it sends, and the sender is told (EPERM). */
static void be_filtered(struct deed *deed)
{
	static const char rules[] = "table inet t { chain c { type filter hook output priority 0; meta l4proto udp drop; }; }";
	struct sockaddr_in to;
	int fd = bound(SOCK_DGRAM, &to);

	deed->class = "policy";
	if (fd >= 0 && run((const char *const[]){ "nft", rules, NULL }))
		deed->count = send_datagrams(&to, EPERM);
}

/* A shaper has no room: the kernel counts datagrams that come back so as SndbufErrors (udp_send_skb(), net/ipv4/udp.c). */
static void overflow_qdisc(struct deed *deed)
{
	struct sockaddr_in to;
	int fd = bound(SOCK_DGRAM, &to);

	deed->class = "qdisc";
	if (fd < 0 || !run((const char *const[]){ "tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "100kbit", "burst",
						  "2000", "limit", "4000", NULL }))
		return;
	send_datagrams(&to, 0);
	deed->count = counter("Udp", "SndbufErrors");
}

/* A device of a program that reads nothing from it. */
static int idle_tun(struct sockaddr_in *ret)
{
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	struct sockaddr_in own = { .sin_family = AF_INET };
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "idle");
	if (tun < 0 || ioctl(tun, TUNSETIFF, &r) < 0)
		return -1;
	r.ifr_qlen = 50;
	if (ioctl(fd, SIOCSIFTXQLEN, &r) < 0)
		return -1;
	inet_pton(AF_INET, "10.9.9.1", &own.sin_addr);
	memcpy(&r.ifr_addr, &own, sizeof(own));
	if (ioctl(fd, SIOCSIFADDR, &r) < 0)
		return -1;
	inet_pton(AF_INET, "255.255.255.0", &own.sin_addr);
	memcpy(&r.ifr_netmask, &own, sizeof(own));
	if (ioctl(fd, SIOCSIFNETMASK, &r) < 0)
		return -1;
	r.ifr_flags = IFF_UP;
	*ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(9) };
	inet_pton(AF_INET, "10.9.9.2", &ret->sin_addr);
	return ioctl(fd, SIOCSIFFLAGS, &r) < 0 ? -1 : tun;
}

/* What the device says it dropped: the twelfth number of its line. */
static uint64_t device_drops(const char *device)
{
	AUTO_FCLOSE FILE *f = fopen("/proc/self/net/dev", "re");
	char line[512], name[32];
	unsigned long long drops;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " %31[^:]: %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %llu", name, &drops) == 2 &&
		    !strcmp(name, device))
			return drops;
	return 0;
}

static void overflow_device(struct deed *deed)
{
	struct sockaddr_in to;
	AUTO_CLOSE int tun = idle_tun(&to);

	deed->class = "backlog";
	if (tun < 0)
		return;
	send_datagrams(&to, 0);
	deed->count = device_drops("idle");
}

/* Nobody listens. */
static void be_refused(struct deed *deed)
{
	struct sockaddr_in to;
	int fd = bound(SOCK_STREAM, &to);

	for (int i = 0; i < CONNECTS; i++) {
		AUTO_CLOSE int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connect(out, (struct sockaddr *)&to, sizeof(to)) == 0)
			break;
	}
	close(fd);
	deed->count = counter("Tcp", "AttemptFails");
}

/* Nobody accepts and the queue is full: the last one asks again after one second, and after two more. */
static void ask_again(struct deed *deed)
{
	struct sockaddr_in to;
	int fd = bound(SOCK_STREAM, &to);

	listen(fd, 0);
	for (int i = 0; i < 3; i++) {
		int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		(void)connect(out, (struct sockaddr *)&to, sizeof(to)); /* in progress */
	}
	poll(NULL, 0, 3500);
	deed->count = counter("Tcp", "RetransSegs");
}

struct pair {
	int client, server;
};

static struct pair connected(void)
{
	struct sockaddr_in at;
	int listener = bound(SOCK_STREAM, &at);
	struct pair p = { socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), -1 };

	if (listen(listener, 4) == 0 && connect(p.client, (struct sockaddr *)&at, sizeof(at)) == 0)
		p.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	return p;
}

static void wait_for_answer(struct deed *deed)
{
	struct pair p = connected();
	int64_t began;
	pid_t pid;
	char c = 'x';

	pid = fork();
	if (pid == 0) {
		recv(p.server, &c, 1, 0);
		poll(NULL, 0, LATE_NS / NSEC_PER_MSEC);
		send(p.server, &c, 1, 0);
		_exit(0);
	}
	began = time_boot_ns();
	send(p.client, &c, 1, 0);
	recv(p.client, &c, 1, 0);
	deed->took_ns = (uint64_t)(time_boot_ns() - began);
	waitpid(pid, NULL, 0);
}

/* A byte has to wait until somebody else's one large write() to the same file is over. */
static void wait_for_inode(struct deed *deed)
{
	int fd = memfd_create("oracle", MFD_CLOEXEC);
	char *big = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int64_t began;
	pid_t pid = fork();

	if (pid == 0)
		_exit(pwrite(fd, big, BIG, 0) == BIG ? 0 : 1);
	poll(NULL, 0, 20);
	began = time_boot_ns();
	if (pwrite(fd, "x", 1, 0) == 1)
		deed->took_ns = (uint64_t)(time_boot_ns() - began);
	waitpid(pid, NULL, 0);
}

/* One byte is there for a while before it is read. */
static void leave_unread(struct deed *deed)
{
	struct pair p = connected();
	int64_t came;
	char c = 'x';

	send(p.client, &c, 1, 0);
	recv(p.server, &c, 1, MSG_PEEK);
	came = time_boot_ns();
	poll(NULL, 0, LATE_NS / NSEC_PER_MSEC);
	recv(p.server, &c, 1, 0);
	deed->took_ns = (uint64_t)(time_boot_ns() - came);
}

/* Of two datagrams the first lies for a while; the second is read at once after it, and so was not left alone. */
static void leave_datagrams(struct deed *deed)
{
	struct sockaddr_in to;
	int fd = bound(SOCK_DGRAM, &to), out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int64_t came;
	char c = 'x';

	sendto(out, &c, 1, 0, (struct sockaddr *)&to, sizeof(to));
	recv(fd, &c, 1, MSG_PEEK);
	came = time_boot_ns();
	poll(NULL, 0, LATE_NS / NSEC_PER_MSEC);
	sendto(out, &c, 1, 0, (struct sockaddr *)&to, sizeof(to));
	recv(fd, &c, 1, 0);
	deed->took_ns = (uint64_t)(time_boot_ns() - came);
	recv(fd, &c, 1, 0);
}

/* How long write() takes to wake all who poll the pipe, with interrupts off. */
static uint64_t knock_ns(int fd)
{
	int64_t began = time_boot_ns();
	uint64_t ns = write(fd, "x", 1) == 1 ? (uint64_t)(time_boot_ns() - began) : 0;
	char c;

	return read(fd, &c, 1) == 1 ? ns : 0;
}

/* A crowd around one pipe, made larger until waking it takes long enough. */
static void hold_interrupts(struct deed *deed)
{
	struct rlimit files;
	struct epoll_event event = { .events = EPOLLIN };
	char path[32];
	int fds[CROWD], ends[2];

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	for (int i = 0; i < CROWD; i++)
		fds[i] = open(path, O_RDWR | O_CLOEXEC); /* files of their own, of the same pipe */
	for (int n = 0; n < CROWD && deed->took_ns < HELD_NS; n++) {
		int epoll = epoll_create1(EPOLL_CLOEXEC);

		for (int i = 0; i < CROWD; i++)
			epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event);
		deed->took_ns = knock_ns(fds[0]);
	}
	if (deed->took_ns < HELD_NS)
		deed->took_ns = 0; /* not so in this kernel */
}

/*
 * Asks the scheduler for a switch that it answers by letting the same task go on (a task that leaves the real-time class
 * does: switched_to_fair(), kernel/sched/fair.c), runs its own code for long, and sleeps.
 */
static void run_own_code(struct deed *deed)
{
	const struct sched_param realtime = { .sched_priority = 1 }, usual = { 0 };
	const struct timespec nap = { .tv_nsec = 2 * NSEC_PER_MSEC };

	for (int i = 0; i < ROUNDS; i++) {
		int64_t until;

		if (sched_setscheduler(0, SCHED_FIFO, &realtime) || sched_setscheduler(0, SCHED_OTHER, &usual))
			return;
		for (until = time_boot_ns() + 40 * NSEC_PER_MSEC; time_boot_ns() < until;)
			;
		nanosleep(&nap, NULL);
		deed->count++;
	}
}

static bool own_cgroup(const struct deed *deed, char ret[400])
{
	char mount[256];

	return find_v2(mount) && snprintf(ret, 400, "%s/kwhy-test-%" PRIu32, mount, deed->pid) < 400;
}

/* Bursts of calls that fail, and fewer that do not.  In a cgroup of its own: others' calls count, too. */
static void fail_calls(struct deed *deed)
{
	const struct timespec nap = { .tv_nsec = NSEC_PER_MSEC };
	int64_t until = time_boot_ns() + 2 * NSEC_PER_SEC;
	char cgroup[400];

	if (!own_cgroup(deed, cgroup) || !make_cgroup(cgroup))
		_exit(1);
	join_cgroup(cgroup);
	while (time_boot_ns() < until) {
		for (int i = 0; i < 30; i++)
			close(-1);
		for (int i = 0; i < 9; i++)
			syscall(SYS_getppid);
		nanosleep(&nap, NULL);
	}
}

/* ---- against each other ------------------------------------------------------------------------------------------ */

static bool observe(struct deed *deed, struct told *told, void (*fn)(struct deed *deed))
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct config *config = config_new();
	struct collect_options options = { .config = config, .fn = on_event, .ctx = told };
	struct collect *c = NULL;
	int64_t until = time_boot_ns() + 20 * NSEC_PER_SEC;
	int status = -1;
	pid_t pid;

	*deed = (struct deed){ .pid = 0 };
	*told = (struct told){ .deed = deed };
	if (config_set(config, "collect.rate", "100000", &error) < 0 ||
	    config_set(config, "collect.tick", "100ms", &error) < 0 || collect_new(&options, &c, &error) < 0)
		return false;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		deed->pid = (uint32_t)getpid();
		if (!enter_netns(deed))
			_exit(1);
		fn(deed);
		deed->done = true;
		pause();
		_exit(0);
	}
	while (!deed->done && waitpid(pid, &status, WNOHANG) == 0 && time_boot_ns() < until)
		collect_poll(c, 50);
	poll_for(c, 300 * NSEC_PER_MSEC);
	collect_free(c);
	config_free(config);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return deed->done;
}

static bool observe_calls(struct deed *deed, struct told *told)
{
	bool done = observe(deed, told, fail_calls);
	char cgroup[400];

	if (own_cgroup(deed, cgroup))
		rmdir(cgroup);
	return done;
}

/* Up to three times: who waited may then wait for a CPU, or a hypervisor run something else, before it reads the clock. */
static bool observe_time(struct deed *deed, struct told *told, void (*fn)(struct deed *deed), const uint64_t *told_ns)
{
	for (int i = 0; i < 3; i++) {
		if (!observe(deed, told, fn))
			return false;
		if (near_time(*told_ns, deed->took_ns))
			break;
	}
	return true;
}

static void same_count(struct checks *k, const char *name, uint64_t told, uint64_t counted)
{
	check(k, counted > 0 && told == counted, name, "%" PRIu64 " recorded, %" PRIu64 " counted", told, counted);
	printf("# %s: %" PRIu64 " recorded, %" PRIu64 " counted\n", name, told, counted);
}

static void same_time(struct checks *k, const char *name, uint64_t told_ns, uint64_t took_ns)
{
	check(k, near_time(told_ns, took_ns), name, "%" PRIu64 " us recorded, %" PRIu64 " us by the clock",
	      told_ns / NSEC_PER_USEC, took_ns / NSEC_PER_USEC);
	printf("# %s: %" PRIu64 " us recorded, %" PRIu64 " us by the clock\n", name, told_ns / NSEC_PER_USEC,
	       took_ns / NSEC_PER_USEC);
}

static void compare_drops(struct checks *k, struct deed *deed)
{
	static const struct {
		const char *name;
		void (*fn)(struct deed *deed);
	} drops[] = {
		{ "full receive buffers against RcvbufErrors", overflow_receiver },
		{ "packets to no port against NoPorts", find_no_port },
		{ "filtered packets against the sender's EPERM", be_filtered },
		{ "packets no queue had room for against SndbufErrors", overflow_qdisc },
		{ "packets a device had no room for against its drops", overflow_device },
	};
	struct told told;

	for (size_t i = 0; i < sizeof(drops) / sizeof(drops[0]); i++) {
		if (observe(deed, &told, drops[i].fn) && deed->count)
			same_count(k, drops[i].name, told.dropped, deed->count);
		else
			skip(k, drops[i].name, "no collector, network namespace, nft, tc or tun here");
	}
}

int main(void)
{
	struct deed *deed = mmap(NULL, sizeof(*deed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct checks k = { 0 };
	struct told told;

	if (geteuid() != 0) {
		skip(&k, "records against the kernel's own counters", "needs root");
		return 0;
	}
	compare_drops(&k, deed);
	if (observe(deed, &told, be_refused))
		same_count(&k, "refused connections against AttemptFails", told.refused, deed->count);
	if (observe(deed, &told, ask_again))
		same_count(&k, "retransmissions against RetransSegs", told.retransmits, deed->count);
	else
		skip(&k, "retransmissions against RetransSegs", "no network namespace here");
	if (observe_calls(deed, &told))
		check(&k, told.failing_permille > 700 && told.failing_permille <= 760, "the share of calls that fail",
		      "%" PRIu64 " of 1000 recorded, 750 made", told.failing_permille);
	else
		skip(&k, "the share of calls that fail", "no cgroup of the default hierarchy can be made here");
	if (observe_time(deed, &told, wait_for_answer, &told.answer_ns))
		same_time(&k, "a late answer", told.answer_ns, deed->took_ns);
	if (observe_time(deed, &told, wait_for_inode, &told.lock_ns))
		same_time(&k, "a wait for a file's lock", told.lock_ns, deed->took_ns);
	if (observe_time(deed, &told, leave_unread, &told.unread_ns))
		same_time(&k, "data that lay unread", told.unread_ns, deed->took_ns);
	if (observe(deed, &told, run_own_code) && deed->count == ROUNDS)
		check(&k, told.sections <= ROUNDS / 4, "own code is no kernel section", "%" PRIu64 " of %d rounds recorded as one",
		      told.sections, ROUNDS);
	else
		skip(&k, "own code is no kernel section", "no real-time class here");
	if (observe_time(deed, &told, leave_datagrams, &told.unread_udp_ns))
		same_time(&k, "datagrams that were left alone", told.unread_udp_ns, deed->took_ns);
	if (observe_time(deed, &told, hold_interrupts, &told.gap_ns) && deed->took_ns)
		same_time(&k, "interrupts held off", told.gap_ns, deed->took_ns);
	else
		skip(&k, "interrupts held off", "waking a crowd does not take long here");
	return k.failed != 0;
}
