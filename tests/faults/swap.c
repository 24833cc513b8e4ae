/* SPDX-License-Identifier: Apache-2.0 */
/* Swap: a compressed disk in memory (zram), used for the time of the fault, and a container that does not fit its limit. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/mem.h"
#include "tests/faults/shared.h"
#include "tests/faults/work.h"

#define SWAP_BYTES "268435456"

struct swap_state {
	struct tally rounds[PHASES];
	int64_t limit, calm_size, fault_size;
	int64_t refaults;
	char disk[32];
};

/* What mkswap writes: a version, the last page, and the magic at the end of the first page (include/linux/swap.h). */
static int write_header(const char *dev)
{
	AUTO_CLOSE int fd = open(dev, O_RDWR | O_CLOEXEC);
	uint32_t info[2] = { 1, (uint32_t)(strtoll(SWAP_BYTES, NULL, 10) / PAGE - 1) };
	static const char magic[] = { 'S', 'W', 'A', 'P', 'S', 'P', 'A', 'C', 'E', '2' };
	char page[PAGE] = "";

	memcpy(page + 1024, info, sizeof(info));
	memcpy(page + PAGE - sizeof(magic), magic, sizeof(magic));
	return fd >= 0 && pwrite(fd, page, sizeof(page), 0) == PAGE ? 0 : -EIO;
}

static int swap_new(struct sandbox *sb, struct swap_state *st)
{
	AUTO_FCLOSE FILE *f = fopen("/sys/class/zram-control/hot_add", "re");
	char path[96];
	int number, r;

	if (!f || fscanf(f, "%d", &number) != 1)
		return sandbox_fail(sb, -EOPNOTSUPP, "no zram");
	snprintf(st->disk, sizeof(st->disk), "zram%d", number);
	snprintf(path, sizeof(path), "/dev/%s", st->disk);
	r = undo_add(sb->shared, UNDO_SWAP, path);
	snprintf(path, sizeof(path), "/sys/block/%s/disksize", st->disk);
	if (r == 0)
		r = sandbox_write_file(path, SWAP_BYTES);
	snprintf(path, sizeof(path), "/dev/%s", st->disk);
	if (r == 0)
		r = write_header(path);
	if (r == 0 && swapon(path, 0) < 0)
		r = -errno;
	return r < 0 ? sandbox_fail(sb, r, "cannot swap to %s", st->disk) : 0;
}

/*
 * Goes over its memory at random, a page at a time; what the pages hold does not compress well.  Where all pages are used
 * again before they can be reclaimed the kernel gives up and kills, so there is time between the pieces of work.
 */
static void worker(struct sandbox *sb, void *arg)
{
	struct swap_state *st = arg;
	char *p = mem_map(st->fault_size);
	uint64_t seed = (uint64_t)getpid();
	enum phase phase;

	while (p && (phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t size = phase == PHASE_FAULT ? st->fault_size : st->calm_size, began = clock_ns();

		for (int i = 0; i < 60; i++) {
			uint64_t *page = (uint64_t *)(p + (mem_step(&seed) % (uint64_t)(size / PAGE)) * PAGE);

			for (int j = 0; j < 64; j++)
				page[j] = mem_step(&seed);
		}
		tally_add(st->rounds, phase, sandbox_phase(sb), clock_ns() - began);
		nap_ns(8 * MS);
	}
}

static int64_t refaults(struct sandbox *sb)
{
	return container_read(sb, sb->victim, "memory", "memory.stat", "memory.stat",
			      controller_is_v2(sb, "memory") ? "workingset_refault_anon" :
							       "total_workingset_refault_anon");
}

static int swap_setup(struct sandbox *sb)
{
	struct swap_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	sb->culprit = sb->victim;
	st->limit = sandbox_random(sb, 24, 48) * MIB;
	st->calm_size = st->limit / MIB * sandbox_random(sb, 40, 60) / 100 * MIB;
	st->fault_size = st->limit / MIB * sandbox_random(sb, 150, 200) / 100 * MIB;
	facts_int(&sb->params, "limit_bytes", st->limit);
	facts_int(&sb->params, "fault_bytes", st->fault_size);
	if (r == 0)
		r = mem_limit(sb, sb->victim, st->limit);
	if (r == 0)
		r = swap_new(sb, st);
	facts_str(&sb->params, "device", st->disk);
	if (r == 0)
		r = sandbox_spawn(sb, sb->victim, worker, st);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int swap_onset(struct sandbox *sb)
{
	struct swap_state *st = sb->state;

	st->refaults = refaults(sb);
	return 0;
}

static int swap_end(struct sandbox *sb)
{
	struct swap_state *st = sb->state;

	st->refaults = refaults(sb) - st->refaults;
	return 0;
}

static int swap_proof(struct sandbox *sb)
{
	struct swap_state *st = sb->state;

	facts_tally(&sb->proof, "round", st->rounds);
	facts_int(&sb->proof, "refaults", st->refaults);
	/* What swaps too slowly for the kernel's patience is killed: another fault than this one. */
	if (mem_oom_kills(sb, sb->victim) > 0)
		return sandbox_fail(sb, -ENODATA, "killed at its limit rather than swapped out");
	return st->refaults * PAGE > st->limit && tally_mean(&st->rounds[1]) > 2 * tally_mean(&st->rounds[0]) ? 0 : -ENODATA;
}

const struct fault fault_swap = {
	.name = "swap",
	.cause = "mem.swap",
	.text = "A container works with more memory than its limit, and reads its own pages back from swap.",
	.probes = "reclaim",
	.needs = "root, the memory controller, zram",
	.setup = swap_setup,
	.onset = swap_onset,
	.end = swap_end,
	.proof = swap_proof,
};
