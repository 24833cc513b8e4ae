/* SPDX-License-Identifier: Apache-2.0 */
/* Processes, phases, and the life of a sandbox. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/shared.h"

/* A signal handler has no other way to tell. */
static volatile sig_atomic_t interrupted;

bool sandbox_interrupted(void)
{
	return interrupted;
}

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

int sandbox_fail(struct sandbox *sb, int err, const char *fmt, ...)
{
	va_list ap;

	if (*sb->why)
		return err; /* the first reason is the nearest to the cause */
	va_start(ap, fmt);
	vsnprintf(sb->why, sizeof(sb->why), fmt, ap);
	va_end(ap);
	return err;
}

enum phase sandbox_phase(const struct sandbox *sb)
{
	return (enum phase)atomic_load(&sb->shared->phase);
}

void sandbox_set_phase(struct sandbox *sb, enum phase phase)
{
	atomic_store(&sb->shared->phase, phase);
}

int sandbox_child_error(const struct sandbox *sb)
{
	return atomic_load(&sb->shared->child_error);
}

/* splitmix64 */
static uint64_t next_random(struct sandbox *sb)
{
	uint64_t z = (sb->rng += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

int sandbox_random(struct sandbox *sb, int low, int high)
{
	return low + (int)(next_random(sb) % (uint64_t)(high - low + 1));
}

bool sandbox_chance(struct sandbox *sb, double p)
{
	return (double)(next_random(sb) >> 11) / (double)(UINT64_C(1) << 53) < p;
}

/* Words that say nothing about a container's part in the fault. */
const char *sandbox_word(struct sandbox *sb)
{
	static const char *const words[] = {
		"amber", "anvil", "aspen", "basil", "birch", "bison", "cedar", "cobalt", "coral", "delta", "ember",
		"falcon", "fern", "flint", "garnet", "hazel", "heron", "indigo", "iris", "jasper", "juniper", "kestrel",
		"larch", "lilac", "lotus", "maple", "marten", "nettle", "onyx", "opal", "orchid", "osprey", "pepper",
		"pollen", "quartz", "raven", "sable", "sorrel", "teal", "thistle", "topaz", "umber", "walnut", "willow",
	};

	return words[sandbox_random(sb, 0, ARRAY_SIZE(words) - 1)];
}

int sandbox_write_file(const char *path, const char *value)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(value);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, value, len);
	return n < 0 ? -errno : (size_t)n == len ? 0 : -EIO;
}

bool sandbox_sleep(struct sandbox *sb, int ms)
{
	int64_t until = clock_ns() + ms * MS, left;

	(void)sb;
	while (!interrupted && (left = until - clock_ns()) > 0)
		nap_ns(MIN(left, 50 * MS));
	return !interrupted;
}

static bool tree_known(const struct sandbox *sb, const struct cgroup_tree *t)
{
	for (unsigned int i = 0; i < sb->tree_count; i++)
		if (sb->trees[i].v2 == t->v2 && strcmp(sb->trees[i].options, t->options) == 0)
			return true;
	return false;
}

static int find_trees(struct sandbox *sb)
{
	AUTO_FCLOSE FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[1024];

	while (f && fgets(line, sizeof(line), f) && sb->tree_count < SANDBOX_TREES_MAX) {
		struct cgroup_tree *t = &sb->trees[sb->tree_count];

		if (cgroup_tree_parse(line, t) && !tree_known(sb, t))
			sb->tree_count++;
	}
	return sb->tree_count ? 0 : sandbox_fail(sb, -EOPNOTSUPP, "no cgroup hierarchy is mounted");
}

static int make_private_dir(struct sandbox *sb)
{
	int r;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "cannot make a mount namespace (needs root)");
	snprintf(sb->dir, sizeof(sb->dir), "/tmp/faults.XXXXXX");
	if (!mkdtemp(sb->dir))
		return sandbox_fail(sb, -errno, "cannot make a directory in /tmp");
	r = undo_add(sb->shared, UNDO_RMDIR, sb->dir);
	if (r == 0)
		r = sandbox_undo_mount(sb, sb->dir);
	if (r == 0 && mount("tmpfs", sb->dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=4g,mode=755") < 0)
		r = sandbox_fail(sb, -errno, "cannot mount a tmpfs");
	return r;
}

static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM };
	struct sigaction sa = { .sa_handler = on_signal };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int open_shared(struct sandbox *sb)
{
	void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	sb->shared = p;
	sb->state = sb->shared->state;
	return 0;
}

int sandbox_open(struct sandbox *sb, uint64_t seed, int fault_ms)
{
	pid_t guardian;
	int r;

	sb->seed = sb->rng = seed;
	sb->fault_ms = fault_ms > 0 ? fault_ms : sandbox_random(sb, 4500, 5500);
	sb->before_ms = sandbox_random(sb, 3000, 3600);
	sb->after_ms = sandbox_random(sb, 1000, 1400);
	if (geteuid() != 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "needs root");
	r = open_shared(sb);
	if (r == 0)
		r = find_trees(sb);
	if (r < 0)
		return r;
	catch_signals();
	alarm((unsigned int)(sb->before_ms + sb->fault_ms + sb->after_ms) / 1000 + 30);
	r = make_private_dir(sb);
	if (r < 0)
		return r;
	/* The namespaces' only other member: it can thaw what is mounted there. */
	r = guardian_start(sb->shared, &guardian);
	return r < 0 ? r : sandbox_keep_fd(sb, r);
}

void sandbox_close(struct sandbox *sb)
{
	if (!sb->shared)
		return;
	sandbox_set_phase(sb, PHASE_STOP);
	sandbox_stop(sb, 0);
	while (sb->fd_count > 1)
		close(sb->fds[--sb->fd_count]);
	undo_all(sb->shared);
	if (sb->fd_count)
		close(sb->fds[--sb->fd_count]); /* lets the guardian go */
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	munmap(sb->shared, sizeof(*sb->shared));
	sb->shared = NULL;
}

int sandbox_keep_fd(struct sandbox *sb, int fd)
{
	if (sb->fd_count >= SANDBOX_FDS_MAX) {
		close(fd);
		return -EMFILE;
	}
	sb->fds[sb->fd_count++] = fd;
	return 0;
}

int sandbox_undo_mount(struct sandbox *sb, const char *path)
{
	return undo_add(sb->shared, UNDO_MOUNT, path);
}

int sandbox_undo_freeze(struct sandbox *sb, const char *path)
{
	return undo_add(sb->shared, UNDO_FREEZE, path);
}

int sandbox_set(struct sandbox *sb, const char *path, const char *value)
{
	char assignment[256], now[64] = "";
	AUTO_FCLOSE FILE *f = fopen(path, "re");
	int r;

	if (!f || !fgets(now, sizeof(now), f))
		return sandbox_fail(sb, -EOPNOTSUPP, "%s cannot be read", path);
	now[strcspn(now, "\n")] = '\0';
	if (snprintf(assignment, sizeof(assignment), "%s=%s", path, now) >= (int)sizeof(assignment))
		return -ENAMETOOLONG;
	r = undo_add(sb->shared, UNDO_WRITE, assignment);
	if (r == 0 && sandbox_write_file(path, value) < 0)
		r = sandbox_fail(sb, -EOPNOTSUPP, "%s cannot be written", path);
	return r;
}

static int enter_cgroups(struct sandbox *sb, const struct container *c)
{
	char path[320];

	for (int v2 = 0; v2 <= 1; v2++) {
		for (unsigned int i = 0; i < sb->tree_count; i++) {
			int r;

			if (sb->trees[i].v2 != v2)
				continue;
			snprintf(path, sizeof(path), "%s%s/cgroup.procs", sb->trees[i].dir, c->path);
			r = sandbox_write_file(path, "0");
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static void default_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], SIG_DFL);
}

static void child(struct sandbox *sb, const struct container *c, pid_t parent, body_fn body, void *arg)
{
	const struct rlimit no_core = { 0, 0 };
	int r = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	default_signals();
	setrlimit(RLIMIT_CORE, &no_core);
	setsid(); /* a Ctrl-C is for the driver alone, which ends us in order */
	alarm((unsigned int)(sb->before_ms + sb->fault_ms + sb->after_ms) / 1000 + 20);
	/* Descriptors of the driver would keep loop devices and the guardian's pipe open. */
	for (unsigned int i = 0; i < sb->fd_count; i++)
		if (!c || sb->fds[i] != c->netns_fd)
			close(sb->fds[i]);
	if (c) {
		prctl(PR_SET_NAME, c->comm);
		r = enter_cgroups(sb, c);
		if (r == 0 && c->netns_fd >= 0 && setns(c->netns_fd, CLONE_NEWNET) < 0)
			r = -errno;
	}
	if (r < 0)
		atomic_store(&sb->shared->child_error, r);
	else
		body(sb, arg);
	_exit(r < 0);
}

pid_t sandbox_spawn(struct sandbox *sb, const struct container *c, body_fn body, void *arg)
{
	pid_t parent = getpid(), pid;

	if (sb->pid_count >= SANDBOX_PIDS_MAX)
		return -ENOSPC;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child(sb, c, parent, body, arg);
	sb->serves[sb->pid_count] = !c;
	sb->pids[sb->pid_count++] = pid;
	return pid;
}

void sandbox_stop(struct sandbox *sb, int grace_ms)
{
	int64_t until = clock_ns() + grace_ms * MS;

	while (sb->pid_count) {
		pid_t pid = sb->pids[sb->pid_count - 1], r = waitpid(pid, NULL, WNOHANG);

		if (r == pid || (r < 0 && errno == ECHILD)) {
			sb->pid_count--;
			continue;
		}
		for (size_t i = 0; sb->serves[sb->pid_count - 1] && i < ARRAY_SIZE(sb->unmount_first); i++) {
			if (*sb->unmount_first[i])
				umount(sb->unmount_first[i]);
			*sb->unmount_first[i] = '\0';
		}
		if (sb->serves[sb->pid_count - 1] || clock_ns() >= until) {
			kill(pid, SIGKILL); /* our own unreaped child */
			if (clock_ns() >= until + 2000 * MS)
				return; /* stuck in the kernel: undoing the rest will free it */
		}
		nap_ns(5 * MS);
	}
}

bool sandbox_has_program(const char *name)
{
	static const char *const dirs[] = { "/usr/sbin", "/usr/bin", "/sbin", "/bin" };
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static void exec_program(int netns_fd, const char *const argv[])
{
	int quiet = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	default_signals();
	alarm(20);
	if (quiet < 0 || dup2(quiet, STDIN_FILENO) < 0 || dup2(quiet, STDOUT_FILENO) < 0)
		_exit(126);
	if (netns_fd >= 0 && setns(netns_fd, CLONE_NEWNET) < 0)
		_exit(126);
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

int sandbox_exec(struct sandbox *sb, int netns_fd, const char *const argv[])
{
	pid_t pid;
	int status;

	if (!sandbox_has_program(argv[0]))
		return sandbox_fail(sb, -EOPNOTSUPP, "the program %s is not installed", argv[0]);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		exec_program(netns_fd, argv);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return sandbox_fail(sb, -ECHILD, "%s %s %s failed", argv[0], argv[1] ? argv[1] : "",
			    argv[1] && argv[2] ? argv[2] : "");
}
