/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of tasks, descriptors and mappings that a container reaches. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/work.h"

#define CHILDREN_MAX 256
#define MAPS_MAX 70000

struct limit_state {
	_Atomic uint64_t tried, refused;
	int allowed;
	int errno_wanted;
	int uid; /* 0: as it is */
	int period_ms;
	_Atomic int first_errno;
};

static void note(struct limit_state *st, bool ok)
{
	atomic_fetch_add(&st->tried, 1);
	if (ok)
		return;
	if (errno == st->errno_wanted)
		atomic_fetch_add(&st->refused, 1);
	atomic_store(&st->first_errno, errno);
}

static pid_t fork_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		for (;;)
			pause();
	}
	return pid;
}

/* More and more children while the fault lasts. */
static void breed(struct sandbox *sb, void *arg)
{
	struct limit_state *st = arg;
	struct rlimit tasks = { (rlim_t)st->allowed, (rlim_t)st->allowed };
	pid_t pids[CHILDREN_MAX];
	uid_t uid = (uid_t)st->uid;
	int count = 0;

	if (uid && (setrlimit(RLIMIT_NPROC, &tasks) < 0 || setresuid(uid, uid, uid) < 0))
		return;
	while (sandbox_phase(sb) < PHASE_AFTER) {
		pid_t pid = sandbox_phase(sb) == PHASE_FAULT && count < CHILDREN_MAX ? fork_sleeper() : 0;

		if (sandbox_phase(sb) == PHASE_FAULT)
			note(st, pid > 0);
		if (pid > 0)
			pids[count++] = pid;
		else
			nap_ns(st->period_ms * MS);
	}
	while (count > 0) {
		kill(pids[--count], SIGKILL);
		waitpid(pids[count], NULL, 0);
	}
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static int limit_proof(struct sandbox *sb)
{
	struct limit_state *st = sb->state;

	facts_int(&sb->proof, "tried", (int64_t)st->tried);
	facts_int(&sb->proof, "refused", (int64_t)st->refused);
	facts_int(&sb->proof, "last_errno", st->first_errno);
	return st->refused > 0 ? 0 : -ENODATA;
}

static int limit_setup(struct sandbox *sb, int low, int high, int errno_wanted)
{
	struct limit_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	sb->culprit = sb->victim;
	st->allowed = sandbox_random(sb, low, high);
	st->errno_wanted = errno_wanted;
	st->period_ms = sandbox_random(sb, 10, 60);
	facts_int(&sb->params, "allowed", st->allowed);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int spawn_victim(struct sandbox *sb, body_fn body)
{
	int r = sandbox_spawn(sb, sb->victim, body, sb->state);

	return r < 0 ? r : 0;
}

static int pids_setup(struct sandbox *sb)
{
	struct limit_state *st = sb->state;
	char value[16];
	int r = limit_setup(sb, 12, 60, EAGAIN);

	snprintf(value, sizeof(value), "%d", st->allowed);
	if (r == 0)
		r = container_write(sb, sb->victim, "pids", "pids.max", "pids.max", value);
	return r < 0 ? r : spawn_victim(sb, breed);
}

/* Fills the group and then keeps what it has. */
static void fill(struct sandbox *sb, void *arg)
{
	struct limit_state *st = arg;
	pid_t pids[CHILDREN_MAX], pid = 1;
	int count = 0;

	while (sandbox_phase(sb) < PHASE_FAULT)
		nap_ns(st->period_ms * MS);
	while (sandbox_phase(sb) == PHASE_FAULT && pid > 0 && count < CHILDREN_MAX) {
		pid = fork_sleeper();
		if (pid > 0)
			pids[count++] = pid;
	}
	while (sandbox_phase(sb) == PHASE_FAULT)
		nap_ns(st->period_ms * MS);
	while (count > 0) {
		kill(pids[--count], SIGKILL);
		waitpid(pids[count], NULL, 0);
	}
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

/* A process for each request, as a shell script does. */
static void fork_requests(struct sandbox *sb, void *arg)
{
	struct limit_state *st = arg;

	while (sandbox_phase(sb) < PHASE_STOP) {
		enum phase phase = sandbox_phase(sb);
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (phase == PHASE_FAULT)
			note(st, pid > 0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		nap_ns(st->period_ms * MS);
	}
}

static int pids_above_setup(struct sandbox *sb)
{
	struct limit_state *st = sb->state;
	struct container *group;
	char value[16];
	int r = container_group(sb, &group);

	if (r == 0)
		r = container_new_in(sb, group, &sb->victim);
	if (r == 0)
		r = container_new_in(sb, group, &sb->culprit);
	if (r < 0)
		return r;
	st->allowed = sandbox_random(sb, 15, 80);
	st->errno_wanted = EAGAIN;
	st->period_ms = sandbox_random(sb, 10, 60);
	facts_int(&sb->params, "allowed", st->allowed);
	snprintf(value, sizeof(value), "%d", st->allowed);
	r = container_write(sb, group, "pids", "pids.max", "pids.max", value);
	if (r == 0)
		r = busy_container(sb, &sb->bystander);
	if (r == 0)
		r = sandbox_spawn(sb, sb->culprit, fill, st);
	return r < 0 ? r : spawn_victim(sb, fork_requests);
}

static int nproc_setup(struct sandbox *sb)
{
	struct limit_state *st = sb->state;
	int r = limit_setup(sb, 5, 30, EAGAIN);

	st->uid = sandbox_random(sb, 300000, 400000); /* nobody's */
	return r < 0 ? r : spawn_victim(sb, breed);
}

static void hoard_files(struct sandbox *sb, void *arg)
{
	struct limit_state *st = arg;
	struct rlimit files = { (rlim_t)st->allowed, (rlim_t)st->allowed };
	int last = -1;

	setrlimit(RLIMIT_NOFILE, &files);
	while (sandbox_phase(sb) < PHASE_AFTER) {
		int fd = -1;

		if (sandbox_phase(sb) == PHASE_FAULT) {
			fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
			note(st, fd >= 0);
		}
		last = fd >= 0 ? fd : last;
		if (fd < 0)
			nap_ns(st->period_ms * MS);
	}
	while (last > 2)
		close(last--);
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static int fds_setup(struct sandbox *sb)
{
	int r = limit_setup(sb, 64, 512, EMFILE);

	return r < 0 ? r : spawn_victim(sb, hoard_files);
}

/* Every second page of one mapping gets other rights: two mappings more each. */
static void hoard_maps(struct sandbox *sb, void *arg)
{
	struct limit_state *st = arg;
	size_t page = 4096, at = 0, size = (size_t)2 * MAPS_MAX * page;
	char *base = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	while (base != MAP_FAILED && sandbox_phase(sb) < PHASE_AFTER) {
		bool more = sandbox_phase(sb) == PHASE_FAULT && at + 2 * page < size;
		bool ok = !more || mprotect(base + at, page, PROT_READ) == 0;

		if (more)
			note(st, ok);
		at += more && ok ? 2 * page : 0;
		if (!more || !ok)
			nap_ns(st->period_ms * MS);
	}
	if (base != MAP_FAILED)
		munmap(base, size);
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

static int maps_setup(struct sandbox *sb)
{
	int64_t allowed = 0;
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
	int r;

	if (f && fscanf(f, "%ld", &allowed) != 1)
		allowed = 0;
	if (f)
		fclose(f);
	if (allowed <= 0 || allowed >= 2 * MAPS_MAX)
		return sandbox_fail(sb, -EOPNOTSUPP, "vm.max_map_count is too large");
	r = limit_setup(sb, (int)allowed, (int)allowed, ENOMEM);
	return r < 0 ? r : spawn_victim(sb, hoard_maps);
}

const struct fault fault_limit_pids = {
	.name = "limit_pids",
	.cause = "limit.pids",
	.text = "A container makes processes until its own pids.max refuses more.",
	.probes = "limits",
	.needs = "root, the pids controller",
	.setup = pids_setup,
	.proof = limit_proof,
};

const struct fault fault_limit_pids_ancestor = {
	.name = "limit_pids_ancestor",
	.cause = "limit.pids.ancestor",
	.text = "A container fills the limit of tasks of its group, so that another one in it cannot make processes.",
	.probes = "limits",
	.needs = "root, the pids controller",
	.setup = pids_above_setup,
	.proof = limit_proof,
};

const struct fault fault_limit_rlimit = {
	.name = "limit_rlimit",
	.cause = "limit.rlimit",
	.text = "A user's processes reach RLIMIT_NPROC.",
	.probes = "limits",
	.needs = "root",
	.setup = nproc_setup,
	.proof = limit_proof,
};

const struct fault fault_limit_fds = {
	.name = "limit_fds",
	.cause = "limit.fds",
	.text = "A process opens files until RLIMIT_NOFILE refuses more.",
	.probes = "limits",
	.needs = "root",
	.setup = fds_setup,
	.proof = limit_proof,
};

const struct fault fault_limit_map_count = {
	.name = "limit_map_count",
	.cause = "limit.map_count",
	.text = "A process makes memory mappings until vm.max_map_count refuses more.",
	.probes = "limits",
	.needs = "root",
	.setup = maps_setup,
	.proof = limit_proof,
};
