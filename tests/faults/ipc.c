/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for another process at something both share: a mutex, a file lock, a pipe or local socket. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/work.h"

enum how { LOCK_MUTEX, LOCK_ROBUST, LOCK_FLOCK, LOCK_POSIX, LOCK_OFD, FULL_PIPE, FULL_SOCKET };

static const char *const how_names[] = { "mutex", "robust mutex", "flock", "posix", "ofd", "pipe", "unix socket" };

struct ipc_state {
	pthread_mutex_t mutex;
	struct tally waits[PHASES], holds[PHASES];
	enum how how;
	int hold_ms, pause_ms, period_ms, chunk;
	bool computes; /* the holder, else it sleeps */
	bool stuck;    /* it never lets go while the fault lasts */
	int fds[2];    /* reading end, writing end */
	char path[128];
};

/* ---- locks ------------------------------------------------------------------------------------------------------ */

static int file_lock(const struct ipc_state *st, int fd, bool on)
{
	struct flock lock = { .l_type = (short)(on ? F_WRLCK : F_UNLCK), .l_whence = SEEK_SET };

	if (st->how == LOCK_FLOCK)
		return flock(fd, on ? LOCK_EX : LOCK_UN);
	return fcntl(fd, st->how == LOCK_POSIX ? F_SETLKW : F_OFD_SETLKW, &lock);
}

static int take(struct ipc_state *st, int fd)
{
	return fd < 0 ? pthread_mutex_lock(&st->mutex) : file_lock(st, fd, true);
}

static void release(struct ipc_state *st, int fd)
{
	if (fd < 0)
		pthread_mutex_unlock(&st->mutex);
	else
		file_lock(st, fd, false);
}

static int open_lock(const struct ipc_state *st)
{
	return st->how <= LOCK_ROBUST ? -1 : open(st->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
}

static void lock_user(struct sandbox *sb, void *arg)
{
	struct ipc_state *st = arg;
	AUTO_CLOSE int fd = open_lock(st);
	enum phase phase;

	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		if (take(st, fd) != 0) {
			tally_fail(st->waits, phase);
			return;
		}
		tally_add(st->waits, phase, sandbox_phase(sb), clock_ns() - began);
		burn_cpu(MS / 5);
		release(st, fd);
		burn_cpu(MS / 2);
		nap_ns(st->period_ms * MS);
	}
}

static void lock_holder(struct sandbox *sb, void *arg)
{
	struct ipc_state *st = arg;
	AUTO_CLOSE int fd = open_lock(st);
	enum phase phase;

	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t hold_ns = phase == PHASE_FAULT ? st->hold_ms * MS : MS / 5, began;

		if (take(st, fd) != 0)
			return;
		began = clock_ns();
		do {
			if (st->computes)
				burn_cpu(hold_ns);
			else
				nap_ns(hold_ns);
		} while (st->stuck && phase == PHASE_FAULT && sandbox_phase(sb) == PHASE_FAULT);
		release(st, fd);
		tally_add(st->holds, phase, sandbox_phase(sb), clock_ns() - began);
		nap_ns(st->pause_ms * MS);
	}
}

static int make_mutex(struct ipc_state *st)
{
	pthread_mutexattr_t attr;
	int r;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if (st->how == LOCK_ROBUST)
		pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	r = pthread_mutex_init(&st->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return -r;
}

static int lock_setup(struct sandbox *sb, enum how first, enum how last)
{
	struct ipc_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, &sb->culprit);
	if (r < 0)
		return r;
	st->how = (enum how)sandbox_random(sb, first, last);
	st->hold_ms = sandbox_random(sb, 150, 400);
	st->pause_ms = sandbox_random(sb, 20, 60);
	st->period_ms = sandbox_random(sb, 5, 15);
	st->computes = sandbox_chance(sb, 0.5);
	/* Who has a mutex in shared memory shows only when it lets go. */
	st->stuck = first > LOCK_ROBUST && sandbox_chance(sb, 0.3);
	facts_int(&sb->params, "stuck", st->stuck);
	snprintf(st->path, sizeof(st->path), "%s/%s", sb->dir, sandbox_word(sb));
	facts_str(&sb->params, "lock", how_names[st->how]);
	facts_int(&sb->params, "hold_ms", st->hold_ms);
	facts_str(&sb->params, "holder", st->computes ? "computes" : "sleeps");
	r = make_mutex(st);
	if (r == 0)
		r = sandbox_spawn(sb, sb->culprit, lock_holder, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->victim, lock_user, st);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int futex_setup(struct sandbox *sb)
{
	return lock_setup(sb, LOCK_MUTEX, LOCK_ROBUST);
}

static int file_setup(struct sandbox *sb)
{
	return lock_setup(sb, LOCK_FLOCK, LOCK_OFD);
}

static int ipc_proof(struct sandbox *sb)
{
	struct ipc_state *st = sb->state;

	facts_tally(&sb->proof, "wait", st->waits);
	facts_tally(&sb->proof, "hold", st->holds);
	return st->waits[1].max_ns > 120 * (uint64_t)MS ? 0 : -ENODATA;
}

/* ---- pipes and sockets ------------------------------------------------------------------------------------------ */

static void pipe_writer(struct sandbox *sb, void *arg)
{
	struct ipc_state *st = arg;
	char chunk[16384] = { 0 };
	enum phase phase;

	close(st->fds[0]);
	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		if (write(st->fds[1], chunk, (size_t)st->chunk) <= 0) {
			tally_fail(st->waits, phase);
			return;
		}
		tally_add(st->waits, phase, sandbox_phase(sb), clock_ns() - began);
		burn_cpu(MS / 2);
		nap_ns(st->period_ms * MS);
	}
}

/* Reads as fast as it can, but in the fault only now and then. */
static void pipe_reader(struct sandbox *sb, void *arg)
{
	struct ipc_state *st = arg;
	char chunk[16384];

	close(st->fds[1]);
	while (sandbox_phase(sb) < PHASE_STOP && read(st->fds[0], chunk, sizeof(chunk)) > 0) {
		if (sandbox_phase(sb) != PHASE_FAULT)
			continue;
		do {
			if (st->computes)
				burn_cpu(st->hold_ms * MS);
			else
				nap_ns(st->hold_ms * MS);
		} while (st->stuck && sandbox_phase(sb) == PHASE_FAULT);
	}
}

static int peer_setup(struct sandbox *sb)
{
	struct ipc_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, &sb->culprit);
	if (r < 0)
		return r;
	st->how = (enum how)sandbox_random(sb, FULL_PIPE, FULL_SOCKET);
	st->hold_ms = sandbox_random(sb, 150, 350);
	st->chunk = sandbox_random(sb, 4, 16) * 1024;
	st->period_ms = sandbox_random(sb, 1, 3);
	st->computes = sandbox_chance(sb, 0.5);
	st->stuck = sandbox_chance(sb, 0.3);
	facts_int(&sb->params, "stuck", st->stuck);
	facts_str(&sb->params, "channel", how_names[st->how]);
	facts_int(&sb->params, "read_period_ms", st->hold_ms);
	facts_int(&sb->params, "write_bytes", st->chunk);
	facts_str(&sb->params, "reader", st->computes ? "computes" : "sleeps");
	if (st->how == FULL_PIPE ? pipe(st->fds) : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, st->fds))
		return -errno;
	r = sandbox_spawn(sb, sb->culprit, pipe_reader, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->victim, pipe_writer, st);
	close(st->fds[0]);
	close(st->fds[1]);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

const struct fault fault_lock_futex = {
	.name = "lock_futex",
	.cause = "lock.futex",
	.text = "A container holds a mutex in shared memory for hundreds of milliseconds while another needs it.",
	.probes = "blocked",
	.needs = "root",
	.setup = futex_setup,
	.proof = ipc_proof,
};

const struct fault fault_lock_file = {
	.name = "lock_file",
	.cause = "lock.file",
	.text = "A container holds a file lock (flock, fcntl) for hundreds of milliseconds while another needs it.",
	.probes = "blocked",
	.needs = "root, tmpfs",
	.setup = file_setup,
	.proof = ipc_proof,
};

const struct fault fault_ipc_peer_slow = {
	.name = "ipc_peer_slow",
	.cause = "ipc.peer_slow",
	.text = "A container reads a pipe or local socket more slowly than another one writes to it.",
	.probes = "blocked,wakeup",
	.needs = "root",
	.setup = peer_setup,
	.proof = ipc_proof,
};
