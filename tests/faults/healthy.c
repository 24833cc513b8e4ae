/* SPDX-License-Identifier: Apache-2.0 */
/* Containers hard at work with nothing wrong: whoever sees an incident here sees a ghost. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/wire.h"
#include "tests/faults/work.h"

#define CHUNK (1 << 18)

struct healthy_state {
	struct tally requests[PHASES], copies[PHASES], talks[PHASES];
	struct talk talk;
	char file[128];
	int64_t file_size;
};

static void copy_once(char *buf, const char *from, const char *to)
{
	AUTO_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t n;

	while (in >= 0 && out >= 0 && (n = read(in, buf, CHUNK)) > 0)
		if (write(out, buf, (size_t)n) != n)
			return;
}

static void copier(struct sandbox *sb, void *arg)
{
	struct healthy_state *st = arg;
	AUTO_FREE char *buf = calloc(1, CHUNK);
	char copy[160];
	AUTO_CLOSE int fd = open(st->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	enum phase phase;

	snprintf(copy, sizeof(copy), "%s.copy", st->file);
	if (fd < 0 || !buf)
		return;
	for (int64_t at = 0; at < st->file_size; at += CHUNK)
		if (write(fd, buf, CHUNK) != CHUNK)
			return;
	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		copy_once(buf, st->file, copy);
		tally_add(st->copies, phase, sandbox_phase(sb), clock_ns() - began);
		nap_ns(500 * MS);
	}
}

/* A server and its client in one container, over its loopback. */
static int add_talk(struct sandbox *sb, struct healthy_state *st, struct container *c)
{
	int r = container_netns(sb, c);

	st->talk = (struct talk){ .address = "127.0.0.1",
				  .port = sandbox_random(sb, 2000, 30000),
				  .period_ms = sandbox_random(sb, 5, 15),
				  .request_size = 300,
				  .timeout_ns = 2000 * MS,
				  .reply_size = sandbox_random(sb, 1000, 30000),
				  .reconnect = true,
				  .tally = st->talks };
	if (r == 0)
		r = sandbox_spawn(sb, c, talk_server, &st->talk);
	if (r > 0)
		r = sandbox_spawn(sb, c, talk_client, &st->talk);
	return r < 0 ? r : 0;
}

static int healthy_setup(struct sandbox *sb)
{
	struct healthy_state *st = sb->state;
	struct requests rq = { .work_ns = sandbox_random(sb, 15, 40) * MS, .percent = 90, .tally = st->requests };
	struct container *computing = NULL, *copying = NULL, *talking = NULL;
	int r = container_new(sb, &computing);

	if (r == 0)
		r = container_new(sb, &copying);
	if (r == 0)
		r = container_new(sb, &talking);
	if (r < 0)
		return r;
	st->file_size = CHUNK * (int64_t)sandbox_random(sb, 16, 64);
	snprintf(st->file, sizeof(st->file), "%s/%s", sb->dir, sandbox_word(sb));
	facts_str(&sb->params, "computing", computing->path);
	facts_str(&sb->params, "copying", copying->path);
	facts_str(&sb->params, "talking", talking->path);
	facts_int(&sb->params, "compute_percent", rq.percent);
	facts_int(&sb->params, "file_bytes", st->file_size);
	r = sandbox_spawn(sb, computing, requests_body, &rq);
	if (r > 0)
		r = sandbox_spawn(sb, copying, copier, st);
	return r < 0 ? r : add_talk(sb, st, talking);
}

static int healthy_proof(struct sandbox *sb)
{
	struct healthy_state *st = sb->state;

	facts_tally(&sb->proof, "compute", st->requests);
	facts_int(&sb->proof, "copies", (int64_t)st->copies[1].count);
	facts_int(&sb->proof, "talks", (int64_t)st->talks[1].count);
	facts_int(&sb->proof, "talks_failed", (int64_t)st->talks[1].failed);
	return st->requests[1].count && st->copies[1].count && st->talks[1].count && !st->talks[1].failed ? 0
													  : -ENODATA;
}

const struct fault fault_healthy = {
	.name = "healthy",
	.text = "Containers that compute, copy and talk, hard at work; nothing is wrong.",
	.probes = "cgroup",
	.needs = "root, network namespaces, ip",
	.setup = healthy_setup,
	.proof = healthy_proof,
};
