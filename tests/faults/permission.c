/* SPDX-License-Identifier: Apache-2.0 */
/* A program that must allow each opening of a file, as virus scanners do, does not answer any more. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/work.h"

struct permission_state {
	struct tally opens[PHASES];
	char path[160];
	int fanotify, period_ms;
	_Atomic uint64_t allowed;
};

static void opener(struct sandbox *sb, void *arg)
{
	struct permission_state *st = arg;
	enum phase phase;

	close(st->fanotify);
	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();
		AUTO_CLOSE int fd = open(st->path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			tally_fail(st->opens, phase);
		else
			tally_add(st->opens, phase, sandbox_phase(sb), clock_ns() - began);
		burn_cpu(MS / 2);
		nap_ns(st->period_ms * MS);
	}
}

/* Answers at once, but not while the fault lasts. */
static void scanner(struct sandbox *sb, void *arg)
{
	struct permission_state *st = arg;

	while (sandbox_phase(sb) < PHASE_STOP) {
		struct pollfd ready = { .fd = st->fanotify, .events = POLLIN };
		struct fanotify_event_metadata event;
		struct fanotify_response answer = { .response = FAN_ALLOW };

		if (poll(&ready, 1, 20) <= 0 || read(st->fanotify, &event, sizeof(event)) != sizeof(event))
			continue;
		while (sandbox_phase(sb) == PHASE_FAULT)
			nap_ns(10 * MS);
		answer.fd = event.fd;
		if (write(st->fanotify, &answer, sizeof(answer)) == sizeof(answer))
			atomic_fetch_add(&st->allowed, 1);
		close(event.fd);
	}
}

static int permission_setup(struct sandbox *sb)
{
	struct permission_state *st = sb->state;
	struct container *scanners = NULL;
	int r = container_new(sb, &sb->victim), file;

	if (r == 0)
		r = container_new(sb, &scanners);
	if (!scanners)
		return r;
	st->period_ms = sandbox_random(sb, 5, 40);
	snprintf(st->path, sizeof(st->path), "%s/%s", sb->dir, sandbox_word(sb));
	file = open(st->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (file < 0)
		return -errno;
	close(file);
	st->fanotify = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
	if (st->fanotify < 0 || fanotify_mark(st->fanotify, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, st->path) < 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "no permission events of fanotify here");
	facts_int(&sb->params, "period_ms", st->period_ms);
	facts_str(&sb->params, "scanner", scanners->path);
	r = sandbox_spawn(sb, scanners, scanner, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->victim, opener, st);
	close(st->fanotify);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int permission_proof(struct sandbox *sb)
{
	struct permission_state *st = sb->state;

	facts_tally(&sb->proof, "open", st->opens);
	facts_int(&sb->proof, "allowed", (int64_t)st->allowed);
	return st->opens[PHASE_FAULT].max_ns > 3000 * (uint64_t)MS ? 0 : -ENODATA;
}

const struct fault fault_proc_hung = {
	.name = "proc_hung",
	.cause = "proc.hung",
	.text = "A program that must permit each opening of a file (fanotify) does not answer: who opens it hangs, uninterruptible.",
	.probes = "scan,offcpu",
	.needs = "root, fanotify with permission events",
	.setup = permission_setup,
	.proof = permission_proof,
};
