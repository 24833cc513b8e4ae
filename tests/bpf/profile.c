/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profile of the running kernel against what is known otherwise: processes that spin in a function of ours and in
 * one of the kernel's, in cgroups of their own, and the CPU time that the kernel says they used.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hashmap.h"
#include "base/timeutil.h"
#include "collect/collect.h"
#include "schema/kinds.h"
#include "tests/bpf/check.h"

#define SPIN_NS (1500 * NSEC_PER_MSEC)
#define SAMPLE_NS (NSEC_PER_SEC / 97)
#define TEXTS_MAX 16384
#define ROWS_MAX 16384

struct watch {
	struct hashmap *texts; /* of stacks by hash */
	struct kw_tick tick;
	struct kw_probe probe;
	struct {
		struct kw_event e;
		struct kw_profile p;
	} rows[ROWS_MAX];
	unsigned int count;
};

/* In a section of its own, whose borders the linker names. */
extern const char __start_spin_code[], __stop_spin_code[];

__attribute__((noinline, section("spin_code"))) static uint64_t spin_here(uint64_t n)
{
	volatile uint64_t x = n;

	for (unsigned int i = 0; i < 2000000; i++)
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
	return x;
}

static int64_t cpu_time(clockid_t clock)
{
	struct timespec ts;

	return clock_gettime(clock, &ts) == 0 ? ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec : INT64_MAX;
}

static void spin_in_user_mode(void)
{
	for (uint64_t x = 1; cpu_time(CLOCK_PROCESS_CPUTIME_ID) < SPIN_NS;)
		x = spin_here(x);
}

/* drivers/char/mem.c, read_zero() */
static void spin_in_kernel(void)
{
	static char buffer[1 << 20];
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && cpu_time(CLOCK_PROCESS_CPUTIME_ID) < SPIN_NS)
		if (read(fd, buffer, sizeof(buffer)) < 0)
			break;
}

static int on_event(void *ctx, const struct kw_event *e)
{
	struct watch *w = ctx;
	const void *payload = e + 1;

	if (e->kind == KW_KIND_tick) {
		memcpy(&w->tick, payload, sizeof(w->tick));
	} else if (e->kind == KW_KIND_probe && !strcmp(((const struct kw_probe *)payload)->name, "profile")) {
		memcpy(&w->probe, payload, sizeof(w->probe));
	} else if (e->kind == KW_KIND_stack) {
		const struct kw_stack *s = payload;
		char *text = strdup(s->text);

		if (text && hashmap_put(w->texts, &s->hash, text, (void **)&text) == 0)
			free(text);
	} else if (e->kind == KW_KIND_profile && w->count < ROWS_MAX) {
		memcpy(&w->rows[w->count++], e, sizeof(w->rows[0]));
	}
	return 0;
}

static const char *text_of(const struct watch *w, uint64_t hash)
{
	const char *text = hash ? hashmap_get(w->texts, &hash) : NULL;

	return text ? text : "";
}

static struct collect *start(struct watch *w, struct config **ret_config)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct config *config = config_new();
	struct collect_options options = { .config = config, .fn = on_event, .ctx = w };
	struct collect *c = NULL;

	memset(w, 0, sizeof(*w));
	w->texts = hashmap_new(sizeof(uint64_t), TEXTS_MAX);
	if (config_set(config, "probe.profile.rate", "97", &error) < 0 || collect_new(&options, &c, &error) < 0)
		printf("# %s\n", strbuf_str(&error));
	*ret_config = config;
	return c;
}

static bool make_cgroup(const char *name, char ret_path[400], uint64_t *ret_id)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[1024], mount[256] = "";
	struct stat st;

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s / %255s", mount) == 1)
			break;
	if (f)
		fclose(f);
	snprintf(ret_path, 400, "%s/kwhy-test-%s-%d", mount, name, getpid());
	if (!mount[0] || mkdir(ret_path, 0755) < 0 || stat(ret_path, &st) < 0)
		return false;
	*ret_id = st.st_ino;
	return true;
}

static pid_t spin(const char *cgroup, void (*body)(void))
{
	char procs[450];
	pid_t pid = fork();
	FILE *f;

	if (pid)
		return pid;
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", cgroup);
	f = fopen(procs, "w");
	if (f) {
		fputs("0", f);
		fclose(f);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	body();
	for (;;)
		pause(); /* what it ran is told by its /proc, as long as it lives */
}

static bool has_spun(pid_t pid)
{
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) || cpu_time(clock) >= SPIN_NS;
}

/* The CPU time that the kernel says it used. */
static int64_t end(pid_t pid)
{
	struct rusage used;
	int status;

	kill(pid, SIGKILL);
	wait4(pid, &status, 0, &used);
	return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * NSEC_PER_SEC +
	       (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000;
}

/* Where a function of this program lies in its file, as /proc/self/maps has it. */
static uint64_t file_offset(const char *address)
{
	FILE *f = fopen("/proc/self/maps", "re");
	uint64_t start, end, offset, at = (uintptr_t)address, found = 0;
	char line[1024];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64, &start, &end, &offset) == 3 && at >= start &&
		    at < end)
			found = at - start + offset;
	if (f)
		fclose(f);
	return found;
}

/*
 * By its function once the symbols of the file are read, by its place in the file before that; beside a host full of other
 * new stacks only the file is named (STACKS_USER_NEW).
 */
static bool in_spin_here(const char *user)
{
	uint64_t begin = file_offset(__start_spin_code), at;

	if (!strncmp(user, "profile\n", 8) || !strncmp(user, "spin_here+0x", 12))
		return true;
	return sscanf(user, "profile+0x%" SCNx64, &at) == 1 && at >= begin &&
	       at < begin + (__stop_spin_code - __start_spin_code);
}

static bool in_read_zero(const char *kernel)
{
	return strstr(kernel, "read_zero") || strstr(kernel, "read_iter_zero");
}

/* What the profile says of one cgroup. */
struct found {
	int64_t all_ns, user_ns, kernel_ns, wrong_pid_ns;
};

static struct found look(const struct watch *w, uint64_t cgroup, pid_t pid)
{
	struct found found = { 0 };

	for (unsigned int i = 0; i < w->count; i++) {
		const struct kw_event *e = &w->rows[i].e;
		int64_t ns = w->rows[i].p.ns;

		if (e->subject.cg.v2 != cgroup)
			continue;
		found.all_ns += ns;
		found.wrong_pid_ns += e->subject.pid != (uint32_t)pid ? ns : 0;
		if (!e->stack && in_spin_here(text_of(w, e->peer_stack)))
			found.user_ns += ns;
		if (in_read_zero(text_of(w, e->stack)))
			found.kernel_ns += ns;
	}
	return found;
}

/*
 * A clock samples: what a hypervisor takes between two samples is nobody's in rusage and the task's in the samples.  So
 * they lie between the CPU time used and the time spun by the clock, each within a tenth and four samples.
 */
static void judge(struct checks *k, const char *what, const struct found *f, int64_t there_ns, int64_t used_ns,
		  int64_t elapsed_ns)
{
	char name[96];

	snprintf(name, sizeof(name), "%s: samples agree with the CPU time used within a tenth", what);
	check(k, f->all_ns >= used_ns * 9 / 10 - 4 * SAMPLE_NS && f->all_ns <= elapsed_ns * 11 / 10 + 4 * SAMPLE_NS,
	      name,
	      "%" PRId64 " us in samples, %" PRId64 " us used", f->all_ns / 1000, used_ns / 1000);
	snprintf(name, sizeof(name), "%s: three of four samples are where it spun", what);
	check(k, f->all_ns > 0 && there_ns >= f->all_ns * 3 / 4, name, "%" PRId64 " of %" PRId64 " us",
	      there_ns / 1000, f->all_ns / 1000);
	snprintf(name, sizeof(name), "%s: they are of that process", what);
	check(k, f->wrong_pid_ns == 0, name, "%" PRId64 " us are not", f->wrong_pid_ns / 1000);
}

int main(void)
{
	static struct watch w;
	struct checks k = { 0 };
	struct config *config;
	struct collect *c;
	char user_path[400], kernel_path[400];
	uint64_t user_id, kernel_id;
	int64_t user_ns, kernel_ns, began_ns, elapsed_ns;
	pid_t user, kernel;
	struct found f;

	if (geteuid() != 0) {
		skip(&k, "profile", "needs root");
		return 0;
	}
	c = start(&w, &config);
	for (int i = 0; c && w.tick.seq < 1 && i < 100; i++)
		collect_poll(c, 100);
	if (!c || w.probe.state != 1 || !make_cgroup("user", user_path, &user_id) ||
	    !make_cgroup("kernel", kernel_path, &kernel_id)) {
		skip(&k, "profile", w.probe.why[0] ? w.probe.why : "needs a v2 hierarchy and the probe profile");
		return 0;
	}
	began_ns = time_boot_ns();
	user = spin(user_path, spin_in_user_mode);
	kernel = spin(kernel_path, spin_in_kernel);
	while (!has_spun(user) || !has_spun(kernel))
		collect_poll(c, 50);
	elapsed_ns = time_boot_ns() - began_ns;
	for (uint64_t until = w.tick.seq + 3; w.tick.seq < until;)
		collect_poll(c, 100);
	user_ns = end(user);
	kernel_ns = end(kernel);
	rmdir(user_path);
	rmdir(kernel_path);
	f = look(&w, user_id, user);
	judge(&k, "user mode", &f, f.user_ns, user_ns, elapsed_ns);
	f = look(&w, kernel_id, kernel);
	judge(&k, "kernel", &f, f.kernel_ns, kernel_ns, elapsed_ns);
	check(&k, w.probe.emitted == w.probe.stored + w.probe.lost_ring + w.probe.lost_other, "its books balance",
	      "emitted %" PRIu64 " stored %" PRIu64, (uint64_t)w.probe.emitted, (uint64_t)w.probe.stored);
	check(&k, w.probe.run_count > 0 && w.probe.run_ns > 0, "what its samples take is measured", "%" PRIu64 " ns in %" PRIu64
	      " runs", (uint64_t)w.probe.run_ns, (uint64_t)w.probe.run_count);
	printf("# %" PRIu64 " samples, %" PRIu64 " ns each\n", (uint64_t)w.probe.run_count,
	       w.probe.run_count ? (uint64_t)(w.probe.run_ns / w.probe.run_count) : 0);
	collect_free(c);
	config_free(config);
	return k.failed != 0;
}
