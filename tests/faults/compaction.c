/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is free only in small pieces, and a container that wants large ones.  It takes nearly all memory of the
 * machine to make that, so only guests of tests/vm have it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/mem.h"
#include "tests/faults/work.h"

#define DOOR "/proc/kwhy_fault" /* of the guests' module */
#define HUGE_SIZE ((size_t)2 << 20)
#define HUGE_MAX 2048
#define LEFT_FREE (200 * MIB)

struct compaction_state {
	struct tally touches[PHASES];
	_Atomic int ready; /* -1: it did not work */
	int64_t size, stalls;
	int nap_ms;
};

/* The number behind "KEY:" or "KEY " in a file of such lines; -1 none. */
static int64_t number_in(const char *path, const char *key)
{
	AUTO_FCLOSE FILE *f = fopen(path, "re");
	long long value;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && sscanf(line + strlen(key), "%*[: ]%lld", &value) == 1)
			return value;
	return -1;
}

/* Takes all memory page by page and gives every second one back. */
static void fragmenter(struct sandbox *sb, void *arg)
{
	struct compaction_state *st = arg;
	char *p = mem_map(st->size);

	if (!p || madvise(p, (size_t)st->size, MADV_NOHUGEPAGE) < 0) {
		st->ready = -1;
		return;
	}
	mem_touch(p, st->size);
	for (int64_t at = 0; at + PAGE <= st->size; at += 2 * PAGE)
		madvise(p + at, PAGE, MADV_DONTNEED);
	st->ready = 1;
	while (sandbox_phase(sb) < PHASE_STOP)
		nap_ns(20 * MS);
}

/* Memory that huge pages fit into, and only they shall. */
static char *huge_area(size_t size)
{
	char *p = mem_map((int64_t)(size + HUGE_SIZE));

	if (!p)
		return NULL;
	p += HUGE_SIZE - (uintptr_t)p % HUGE_SIZE;
	return madvise(p, size, MADV_HUGEPAGE) == 0 ? p : NULL;
}

static void wants_huge(struct sandbox *sb, void *arg)
{
	struct compaction_state *st = arg;
	size_t count = MIN((size_t)st->size / 3 / HUGE_SIZE, (size_t)HUGE_MAX), at = 0;
	char *p = huge_area(count * HUGE_SIZE);
	enum phase phase;

	while (p && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		if (phase == PHASE_FAULT && at < count)
			*(volatile char *)(p + at++ * HUGE_SIZE) = 1;
		tally_add(st->touches, phase, sandbox_phase(sb), clock_ns() - began);
		nap_ns(st->nap_ms * MS);
	}
}

static int compaction_setup(struct sandbox *sb)
{
	struct compaction_state *st = sb->state;
	struct container *hoarder = NULL;
	int r;

	if (access(DOOR, F_OK) < 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "it takes all memory of the machine: only guests have it");
	st->size = number_in("/proc/meminfo", "MemAvailable") * 1024 - LEFT_FREE;
	if (st->size < 256 * MIB)
		return sandbox_fail(sb, -EOPNOTSUPP, "too little memory");
	st->nap_ms = sandbox_random(sb, 2, 5);
	snprintf(sb->culprit_what, sizeof(sb->culprit_what), "fragmented memory");
	facts_int(&sb->params, "bytes", st->size);
	r = container_new(sb, &sb->victim);
	if (r == 0)
		r = container_new(sb, &hoarder);
	if (r == 0)
		r = sandbox_spawn(sb, hoarder, fragmenter, st);
	for (int i = 0; r > 0 && !st->ready && i < 600; i++)
		nap_ns(100 * MS);
	if (r > 0 && st->ready <= 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "memory could not be fragmented");
	if (r > 0)
		r = sandbox_spawn(sb, sb->victim, wants_huge, st);
	return r < 0 ? r : 0;
}

static int compaction_onset(struct sandbox *sb)
{
	struct compaction_state *st = sb->state;

	st->stalls = number_in("/proc/vmstat", "compact_stall");
	return 0;
}

static int compaction_end(struct sandbox *sb)
{
	struct compaction_state *st = sb->state;

	st->stalls = number_in("/proc/vmstat", "compact_stall") - st->stalls;
	return 0;
}

static int compaction_proof(struct sandbox *sb)
{
	struct compaction_state *st = sb->state;

	facts_tally(&sb->proof, "touch", st->touches);
	facts_int(&sb->proof, "stalls", st->stalls);
	return st->stalls > 20 ? 0 : -ENODATA;
}

const struct fault fault_compaction = {
	.name = "compaction",
	.cause = "mem.compaction",
	.text = "A container wants huge pages while memory is free in single pages only.",
	.probes = "reclaim",
	.needs = "a guest of tests/vm, with its module; transparent huge pages",
	.setup = compaction_setup,
	.onset = compaction_onset,
	.end = compaction_end,
	.proof = compaction_proof,
};
