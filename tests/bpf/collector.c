/* SPDX-License-Identifier: Apache-2.0 */
/* The whole collector on the running kernel: what attaches, whether books balance, whether cgroups get their names. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/timeutil.h"
#include "collect/cgroups.h"
#include "collect/collect.h"
#include "schema/kinds.h"
#include "tests/bpf/check.h"

#define CGROUPS_SEEN_MAX 4096

struct watch {
	uint64_t count[64];
	uint16_t refuse_kind; /* the callback fails for it */
	struct kw_tick tick;
	struct kw_probe probes[64];
	unsigned int probe_count;
	uint64_t unbalanced; /* probe records whose books did not add up */
	char unbalanced_text[200];
	uint64_t unannounced; /* stack hashes used before their record */
	uint64_t stacks[1024];
	unsigned int stack_count;
	struct kw_cgroup cgroups[CGROUPS_SEEN_MAX];
	unsigned int cgroup_count;
	uint64_t exit_cg; /* of the last exit record, and whether that cgroup had been announced */
	bool exit_named;
};

static void take_probe(struct watch *w, const struct kw_probe *p)
{
	if (p->emitted != p->stored + p->lost_ring + p->suppressed + p->lost_other) {
		w->unbalanced++;
		snprintf(w->unbalanced_text, sizeof(w->unbalanced_text),
			 "%.32s: emitted %" PRIu64 " stored %" PRIu64 " ring %" PRIu64 " suppressed %" PRIu64
			 " other %" PRIu64,
			 p->name, (uint64_t)p->emitted, (uint64_t)p->stored, (uint64_t)p->lost_ring,
			 (uint64_t)p->suppressed, (uint64_t)p->lost_other);
	}
	for (unsigned int i = 0; i < w->probe_count; i++) {
		if (!strcmp(w->probes[i].name, p->name)) {
			w->probes[i] = *p;
			return;
		}
	}
	if (w->probe_count < 64)
		w->probes[w->probe_count++] = *p;
}

static void take_stack_use(struct watch *w, uint64_t hash)
{
	for (unsigned int i = 0; i < w->stack_count; i++)
		if (w->stacks[i] == hash)
			return;
	w->unannounced += hash != 0 && w->stack_count < 1024;
}

static void take_exit(struct watch *w, uint64_t id)
{
	w->exit_cg = id;
	w->exit_named = false;
	for (unsigned int i = 0; i < w->cgroup_count; i++)
		w->exit_named |= w->cgroups[i].hierarchy == 0 && w->cgroups[i].id == id;
}

static int on_event(void *ctx, const struct kw_event *e)
{
	struct watch *w = ctx;
	const void *payload = e + 1;

	w->count[e->kind & 63]++;
	if (e->kind == w->refuse_kind)
		return -EIO;
	take_stack_use(w, e->stack);
	take_stack_use(w, e->peer_stack);
	if (e->kind == KW_KIND_tick)
		memcpy(&w->tick, payload, sizeof(w->tick));
	else if (e->kind == KW_KIND_exit)
		take_exit(w, e->subject.cg.v2);
	else if (e->kind == KW_KIND_probe)
		take_probe(w, payload);
	else if (e->kind == KW_KIND_stack && w->stack_count < 1024)
		memcpy(&w->stacks[w->stack_count++], payload, sizeof(uint64_t));
	else if (e->kind == KW_KIND_cgroup && w->cgroup_count < CGROUPS_SEEN_MAX)
		memcpy(&w->cgroups[w->cgroup_count++], payload, sizeof(struct kw_cgroup));
	return 0;
}

static struct collect *start(struct watch *w, const char *const *settings, struct config **ret_config)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct config *config = config_new();
	struct collect_options options = { .config = config, .fn = on_event, .ctx = w };
	struct collect *c = NULL;

	memset(w, 0, sizeof(*w));
	for (; config && settings && *settings; settings += 2)
		if (config_set(config, settings[0], settings[1], &error) < 0)
			break;
	if (collect_new(&options, &c, &error) < 0)
		c = NULL;
	if (!c)
		printf("# %s\n", strbuf_str(&error));
	*ret_config = config;
	return c;
}

static void stop(struct collect *c, struct config *config)
{
	collect_free(c);
	config_free(config);
}

static void poll_ticks(struct collect *c, const struct watch *w, unsigned int ticks)
{
	uint64_t target = w->tick.seq + ticks;

	for (int64_t end = time_boot_ns() + 20 * NSEC_PER_SEC; w->tick.seq < target && time_boot_ns() < end;)
		collect_poll(c, 100);
}

static const struct kw_probe *probe(const struct watch *w, const char *name)
{
	static const struct kw_probe none;

	for (unsigned int i = 0; i < w->probe_count; i++)
		if (!strcmp(w->probes[i].name, name))
			return &w->probes[i];
	return &none;
}

/* A process that dies by a signal is one record of kind exit. */
static void die(unsigned int times)
{
	for (unsigned int i = 0; i < times; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			raise(SIGKILL);
			_exit(1);
		}
		waitpid(pid, NULL, 0);
	}
}

static void balance(struct checks *k, const struct watch *w, const char *when)
{
	char name[96];

	snprintf(name, sizeof(name), "books balance: %s", when);
	check(k, w->tick.seq > 0 && w->unbalanced == 0, name, "%" PRIu64 " times not: %s", w->unbalanced,
	      w->unbalanced_text);
	snprintf(name, sizeof(name), "totals of the tick balance: %s", when);
	check(k, w->tick.emitted == w->tick.stored + w->tick.lost, name, "%" PRIu64 " != %" PRIu64 " + %" PRIu64,
	      (uint64_t)w->tick.emitted, (uint64_t)w->tick.stored, (uint64_t)w->tick.lost);
}

static void everything_attaches(struct checks *k)
{
	static struct watch w;
	struct config *config;
	struct collect *c = start(&w, NULL, &config);
	char name[96];

	check(k, c != NULL, "collector starts", "collect_new failed");
	if (!c)
		return;
	poll_ticks(c, &w, 3);
	for (unsigned int i = 0; i < w.probe_count; i++) {
		const struct kw_probe *p = &w.probes[i];

		snprintf(name, sizeof(name), "%.32s is attached", p->name);
		if (p->state == 1 || (p->state == 2 && p->why[0] == '\0'))
			check(k, true, name, "-");
		else if (p->why[0])
			skip(k, name, p->why);
		else
			check(k, false, name, "state %u without a reason", p->state);
	}
	balance(k, &w, "nothing special");
	check(k, w.tick.bpf == 1, "the tick says that BPF runs", "bpf %u", w.tick.bpf);
	check(k, w.unannounced == 0, "every stack is announced before its use", "%" PRIu64 " were not", w.unannounced);
	check(k, collect_fd(c) >= 0, "there is something to wait on", "collect_fd");
	stop(c, config);
}

static const char *v2_mount(struct collect *c, char ret[256])
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[1024];

	(void)c;
	ret[0] = '\0';
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s / %255s", ret) == 1)
			break;
	if (f)
		fclose(f);
	return ret[0] ? ret : NULL;
}

static unsigned int cgroup_records(const struct watch *w, uint32_t op, uint64_t id, const char *path)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < w->cgroup_count; i++) {
		const struct kw_cgroup *p = &w->cgroups[i];

		n += p->op == op && p->hierarchy == 0 && p->id == id && !strcmp(p->path, path);
	}
	return n;
}

static void cgroups_come_and_go(struct checks *k)
{
	static const char *const rare_rescan[] = { "collect.tick", "500ms", NULL };
	static struct watch w;
	struct config *config;
	struct collect *c = start(&w, rare_rescan, &config);
	char mount[256], name[64], path[400];
	struct stat st = { 0 };

	if (!c || !v2_mount(c, mount)) {
		skip(k, "cgroups come and go", "no v2 hierarchy");
		stop(c, config);
		return;
	}
	poll_ticks(c, &w, 1);
	snprintf(name, sizeof(name), "/kwhy-test-%d", getpid());
	snprintf(path, sizeof(path), "%s%s", mount, name);
	check(k, mkdir(path, 0755) == 0 && stat(path, &st) == 0, "a cgroup can be made", "%s", strerror(errno));
	poll_ticks(c, &w, 2);
	check(k, cgroup_records(&w, 2, st.st_ino, name) == 1, "made: right id and path, once",
	      "%u records of id %" PRIu64, cgroup_records(&w, 2, st.st_ino, name), (uint64_t)st.st_ino);
	check(k, cgroup_records(&w, 1, st.st_ino, name) == 0, "made: not announced again", "seen");
	check(k, rmdir(path) == 0, "a cgroup can be removed", "%s", strerror(errno));
	poll_ticks(c, &w, 2);
	check(k, cgroup_records(&w, 3, st.st_ino, name) == 1, "removed: right id and path, once", "%u records",
	      cgroup_records(&w, 3, st.st_ino, name));
	balance(k, &w, "cgroups come and go");
	stop(c, config);
}

/* Started late, or the making was missed: an id resolves by its handle, before the record that has it. */
static void unknown_ids_resolve(struct checks *k)
{
	static const char *const blind[] = { "collect.disabled", "cgroup", NULL };
	static struct watch w;
	struct config *config;
	struct collect *c = start(&w, blind, &config);
	char mount[256], name[64], path[400], procs[450];
	struct stat st = { 0 };
	pid_t pid;

	if (!c || !v2_mount(c, mount) || probe(&w, "exit")->state > 2) {
		skip(k, "unknown ids resolve", "needs a v2 hierarchy and the probe exit");
		stop(c, config);
		return;
	}
	poll_ticks(c, &w, 1);
	snprintf(name, sizeof(name), "/kwhy-test-late-%d", getpid());
	snprintf(path, sizeof(path), "%s%s", mount, name);
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	if (mkdir(path, 0755) < 0 || stat(path, &st) < 0) {
		skip(k, "unknown ids resolve", "cannot make a cgroup");
		stop(c, config);
		return;
	}
	pid = fork();
	if (pid == 0) {
		FILE *f = fopen(procs, "w");

		if (f) {
			fputs("0", f);
			fclose(f);
		}
		raise(SIGKILL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	for (int64_t end = time_boot_ns() + NSEC_PER_SEC; w.exit_cg != st.st_ino && time_boot_ns() < end;)
		collect_poll(c, 100);
	check(k, w.exit_cg == st.st_ino && w.exit_named, "an unknown id is announced before the record that has it",
	      "%" PRIu64 " exits, of cgroup %" PRIu64, w.count[KW_KIND_exit], w.exit_cg);
	rmdir(path);
	poll_ticks(c, &w, 3);
	check(k, cgroup_records(&w, 3, st.st_ino, name) == 1, "without the tracepoint its end is polled", "%u records",
	      cgroup_records(&w, 3, st.st_ino, name));
	check(k, probe(&w, "cgroup")->state == 3, "a disabled probe is off", "state %u", probe(&w, "cgroup")->state);
	stop(c, config);
}

static void losses_are_counted(struct checks *k)
{
	static const char *const few[] = { "collect.rate", "5", NULL };
	static const char *const small[] = { "collect.rate", "100000", "collect.ring_size", "64K", NULL };
	static struct watch w;
	struct config *config;
	struct collect *c = start(&w, few, &config);

	if (!c || (poll_ticks(c, &w, 1), probe(&w, "exit")->state != 1)) {
		skip(k, "losses are counted", "needs the probe exit");
		stop(c, config);
		return;
	}
	die(40);
	poll_ticks(c, &w, 2);
	check(k, probe(&w, "exit")->emitted >= 40 && probe(&w, "exit")->suppressed > 0,
	      "what the bucket holds back is counted", "emitted %" PRIu64 " suppressed %" PRIu64,
	      (uint64_t)probe(&w, "exit")->emitted, (uint64_t)probe(&w, "exit")->suppressed);
	balance(k, &w, "token bucket");
	stop(c, config);

	c = start(&w, small, &config);
	poll_ticks(c, &w, 1);
	die(600); /* nobody reads meanwhile */
	poll_ticks(c, &w, 2);
	check(k, probe(&w, "exit")->emitted >= 600 && probe(&w, "exit")->lost_ring > 0,
	      "what the ring has no room for is counted", "emitted %" PRIu64 " lost %" PRIu64,
	      (uint64_t)probe(&w, "exit")->emitted, (uint64_t)probe(&w, "exit")->lost_ring);
	balance(k, &w, "ring full");
	stop(c, config);

	c = start(&w, NULL, &config);
	w.refuse_kind = KW_KIND_exit;
	poll_ticks(c, &w, 1);
	die(10);
	poll_ticks(c, &w, 2);
	check(k, probe(&w, "exit")->lost_other >= 10, "what the consumer refuses is counted", "%" PRIu64,
	      (uint64_t)probe(&w, "exit")->lost_other);
	balance(k, &w, "consumer refuses");
	stop(c, config);
}

static void goes_on_without_bpf(struct checks *k)
{
	static const char *const off[] = { "collect.bpf", "false", NULL };
	static struct watch w;
	struct config *config;
	struct collect *c = start(&w, off, &config);

	check(k, c != NULL, "starts without BPF", "collect_new failed");
	if (!c)
		return;
	poll_ticks(c, &w, 2);
	check(k, collect_fd(c) == -1, "without BPF there is nothing to wait on", "fd %d", collect_fd(c));
	check(k, collect_degraded(c), "without BPF it is degraded", "not");
	check(k, w.tick.bpf == 0 && w.tick.seq >= 2, "without BPF it ticks and says so", "bpf %u", w.tick.bpf);
	check(k, probe(&w, "cgroup")->state == 3, "without BPF probes are off", "state %u", probe(&w, "cgroup")->state);
	balance(k, &w, "without BPF");
	stop(c, config);
}

/* In a process of its own, which gives up root. */
static void goes_on_without_root(struct checks *k)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		static struct watch w;
		struct config *config;
		struct collect *c;

		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(9);
		c = start(&w, NULL, &config);
		if (!c)
			_exit(8);
		poll_ticks(c, &w, 2);
		_exit(w.tick.seq >= 2 && !w.tick.bpf && w.tick.probes_missing > 0 && !w.unbalanced ? 0 : 7);
	}
	waitpid(pid, &status, 0);
	check(k, WIFEXITED(status) && WEXITSTATUS(status) == 0, "without root it samples and counts its missing probes",
	      "status %#x", status);
}

static void doctor_answers(struct checks *k)
{
	struct doctor_check list[32];
	unsigned int count = collect_doctor(list, 32);

	check(k, count >= 8, "doctor has something to say", "%u checks", count);
	for (unsigned int i = 0; i < count; i++)
		if (list[i].result != DOCTOR_PASS)
			check(k, list[i].fix[0] != '\0', list[i].name, "no fix for: %s", list[i].text);
}

int main(void)
{
	struct checks k = { 0 };

	if (geteuid() != 0) {
		skip(&k, "collector", "needs root");
		return 0;
	}
	everything_attaches(&k);
	cgroups_come_and_go(&k);
	unknown_ids_resolve(&k);
	losses_are_counted(&k);
	goes_on_without_bpf(&k);
	goes_on_without_root(&k);
	doctor_answers(&k);
	return k.failed != 0;
}
