/* SPDX-License-Identifier: Apache-2.0 */
/* One cause whose effects pile up: a limit on block I/O, a lock held meanwhile, a server that cannot accept. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "tests/faults/disk.h"
#include "tests/faults/faults.h"
#include "tests/faults/service.h"

#define BLOCK 4096
#define SIZE ((int64_t)32 << 20)
#define CLIENTS 12

struct cascade_state {
	struct tally requests[PHASES], holds[PHASES];
	struct service service;
	struct service_counts counts;
	struct read_limit limit;
	char lock[96], dev[32];
	int pause_ms, calm_pause_ms, reads_per_s;
};

/* Reads a record from the disk under the lock, as somebody who keeps an index file does. */
static void holder(struct sandbox *sb, void *arg)
{
	struct cascade_state *st = arg;
	AUTO_CLOSE int lock = open(st->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	AUTO_CLOSE int fd = open(st->dev, O_RDONLY | O_DIRECT | O_CLOEXEC);
	AUTO_FREE void *buf = aligned_alloc(BLOCK, BLOCK);

	for (int64_t i = 0; fd >= 0 && buf && sandbox_phase(sb) < PHASE_STOP; i++) {
		enum phase phase = sandbox_phase(sb);
		int64_t began;

		if (flock(lock, LOCK_EX) < 0)
			break;
		began = clock_ns();
		if (pread(fd, buf, BLOCK, i * 7919 % (SIZE / BLOCK) * BLOCK) != BLOCK)
			tally_fail(st->holds, phase);
		flock(lock, LOCK_UN);
		tally_add(st->holds, phase, sandbox_phase(sb), clock_ns() - began);
		nap_ns((phase == PHASE_FAULT ? st->pause_ms : st->calm_pause_ms) * MS);
	}
}

static void draw(struct sandbox *sb, struct cascade_state *st)
{
	st->reads_per_s = sandbox_random(sb, 3, 5);
	st->pause_ms = sandbox_random(sb, 4, 10);
	st->calm_pause_ms = sandbox_random(sb, 100, 140);
	snprintf(st->lock, sizeof(st->lock), "%s/%s", sb->dir, sandbox_word(sb));
	st->service = (struct service){
		.port = sandbox_random(sb, 2000, 30000), .backlog = sandbox_random(sb, 3, 8),
		/* Longer than the holder pauses: it is back in the queue for the lock before the next request is. */
		.request_size = sandbox_random(sb, 50, 1200), .work_ns = sandbox_random(sb, 12, 18) * MS, .lock = st->lock,
		.period_ns = sandbox_random(sb, 500, 800) * MS, .timeout_ns = sandbox_random(sb, 250, 450) * MS,
		.tally = st->requests, .counts = &st->counts };
	facts_int(&sb->params, "reads_per_s", st->reads_per_s);
	facts_int(&sb->params, "backlog", st->service.backlog);
	facts_int(&sb->params, "port", st->service.port);
}

static int cascade_setup(struct sandbox *sb)
{
	struct cascade_state *st = sb->state;
	struct container *client = NULL;
	struct loop disk = { .name = NULL };
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, &sb->culprit);
	if (r == 0)
		r = container_new(sb, &client);
	if (r == 0)
		r = quick_disk_new(sb, SIZE, &disk);
	if (r < 0)
		return r;
	snprintf(st->dev, sizeof(st->dev), "%s", disk.dev);
	loop_number(&disk, st->limit.number, sizeof(st->limit.number));
	st->limit.by_count = true;
	draw(sb, st);
	facts_str(&sb->params, "client", client->path);
	r = sandbox_spawn(sb, sb->culprit, holder, st);
	return r < 0 ? r : service_new(sb, &st->service, client, sb->victim, CLIENTS);
}

static int cascade_onset(struct sandbox *sb)
{
	struct cascade_state *st = sb->state;

	return read_limit_set(sb, sb->culprit, &st->limit, st->reads_per_s);
}

static int cascade_end(struct sandbox *sb)
{
	struct cascade_state *st = sb->state;

	return read_limit_set(sb, sb->culprit, &st->limit, 0);
}

static int cascade_proof(struct sandbox *sb)
{
	struct cascade_state *st = sb->state;

	facts_tally(&sb->proof, "hold", st->holds);
	facts_tally(&sb->proof, "request", st->requests);
	facts_int(&sb->proof, "timeouts", (int64_t)st->counts.timeouts);
	facts_int(&sb->proof, "overflows", (int64_t)st->counts.overflows);
	return tally_mean(&st->holds[1]) > 3 * tally_mean(&st->holds[0]) + 50 * (uint64_t)MS && st->counts.overflows >= 10 ?
		       0 :
		       -ENODATA;
}

const struct fault fault_cascade = {
	.name = "cascade",
	.cause = "io.throttled",
	.text = "A limit holds back the reads of a container that has a file lock meanwhile; a server waits for the lock and"
		" cannot accept.",
	.probes = "iolimit,blocked",
	.needs = "root, loop devices, the blkio or io controller, network namespaces, veth, ip",
	.setup = cascade_setup,
	.onset = cascade_onset,
	.end = cascade_end,
	.proof = cascade_proof,
};
