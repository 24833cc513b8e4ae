/* SPDX-License-Identifier: Apache-2.0 */
/* Undoing: the same code runs at a normal end and, in the guardian, after a sudden one. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <unistd.h>

#include "tests/faults/shared.h"

int undo_add(struct shared *sh, enum undo_kind kind, const char *path)
{
	unsigned int n = atomic_load(&sh->undo_count);

	if (n >= SANDBOX_UNDO_MAX)
		return -ENOSPC;
	if (strlen(path) >= sizeof(sh->undo[n].path))
		return -ENAMETOOLONG;
	sh->undo[n].kind = kind;
	strcpy(sh->undo[n].path, path);
	atomic_store(&sh->undo_count, n + 1);
	return 0;
}

static void write_in(const char *dir, const char *file, const char *value)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	sandbox_write_file(path, value); /* the other cgroup version has no such file */
}

static void thaw_cgroup(const char *dir)
{
	write_in(dir, "freezer.state", "THAWED");
	write_in(dir, "cgroup.freeze", "0");
}

static void thaw_filesystem(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		ioctl(fd, FITHAW, 0);
}

/* Only members of cgroups we made are ever killed here, so a reused pid cannot be hit. */
static int kill_members(const char *dir)
{
	AUTO_FCLOSE FILE *f = NULL;
	char path[320];
	int pid, n = 0;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (n < 4096 && fscanf(f, "%d", &pid) == 1) {
		if (pid > 1 && pid != getpid())
			kill(pid, SIGKILL);
		n++;
	}
	return n;
}

static void remove_cgroup(const char *dir)
{
	for (int i = 0; i < 200; i++) {
		if (rmdir(dir) == 0 || errno == ENOENT)
			return;
		kill_members(dir);
		nap_ns(10 * MS);
	}
}

/* To what mm/backing-dev.c sets. */
static void restore_bdi(const char *dir)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/max_ratio", dir);
	sandbox_write_file(path, "100");
	snprintf(path, sizeof(path), "%s/strict_limit", dir);
	sandbox_write_file(path, "0");
}

/* A zram disk of ours that swap may be on. */
static void remove_swap(const char *dev)
{
	char dir[288];

	swapoff(dev);
	snprintf(dir, sizeof(dir), "/sys/block/%.250s", dev + strlen("/dev/"));
	write_in(dir, "reset", "1");
	sandbox_write_file("/sys/class/zram-control/hot_remove", dev + strlen("/dev/zram"));
}

static void write_back(const char *assignment)
{
	char path[256];
	char *value;

	snprintf(path, sizeof(path), "%s", assignment);
	value = strchr(path, '=');
	if (!value)
		return;
	*value++ = '\0';
	sandbox_write_file(path, value);
}

static void undo_one(const struct undo *u)
{
	switch (u->kind) {
	case UNDO_RMDIR:
		rmdir(u->path);
		break;
	case UNDO_CGROUP:
		remove_cgroup(u->path);
		break;
	case UNDO_MOUNT:
		if (umount2(u->path, 0) < 0)
			umount2(u->path, MNT_DETACH);
		break;
	case UNDO_BDI:
		restore_bdi(u->path);
		break;
	case UNDO_SWAP:
		remove_swap(u->path);
		break;
	case UNDO_WRITE:
		write_back(u->path);
		break;
	case UNDO_FREEZE:
		break;
	}
}

void undo_all(struct shared *sh)
{
	unsigned int n = atomic_exchange(&sh->undo_count, 0);

	for (unsigned int i = 0; i < n; i++) {
		if (sh->undo[i].kind == UNDO_FREEZE)
			thaw_filesystem(sh->undo[i].path);
		if (sh->undo[i].kind == UNDO_CGROUP)
			thaw_cgroup(sh->undo[i].path);
	}
	for (unsigned int i = 0; i < n; i++)
		if (sh->undo[i].kind == UNDO_CGROUP)
			kill_members(sh->undo[i].path);
	while (n-- > 0)
		undo_one(&sh->undo[n]);
}

static void guard(struct shared *sh, int fd)
{
	sigset_t all;
	char c;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "faults-guard");
	while (read(fd, &c, 1) < 0 && errno == EINTR)
		;
	undo_all(sh);
	_exit(0);
}

int guardian_start(struct shared *sh, pid_t *ret_pid)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return -EAGAIN;
	}
	if (pid == 0) {
		close(fds[1]);
		/* A reader of our output must not wait for the guardian. */
		close(STDOUT_FILENO);
		guard(sh, fds[0]);
	}
	close(fds[0]);
	*ret_pid = pid;
	return fds[1];
}
