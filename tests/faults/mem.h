/* SPDX-License-Identifier: Apache-2.0 */
/* Containers that hold memory, work on it and outgrow it; what mem.c and mem_*.c share. */
#ifndef KWHY_TESTS_FAULTS_MEM_H
#define KWHY_TESTS_FAULTS_MEM_H

#include "tests/faults/sandbox.h"

#define MIB ((int64_t)1 << 20)
#define PAGE 4096
#define PIECE (64 << 10)

/* The next of a series of random numbers. */
uint64_t mem_step(uint64_t *seed);
/* Private anonymous memory, not touched yet; NULL when there is none. */
char *mem_map(int64_t size);
/* Writes to each page of it. */
void mem_touch(char *p, int64_t size);
int mem_limit(struct sandbox *sb, const struct container *c, int64_t limit);
/* Process body, arg is an int64_t: works on so many bytes, again and again. */
void mem_steady_body(struct sandbox *sb, void *arg);
/* How often the limit was hit; negative errno. */
int64_t mem_limit_hits(struct sandbox *sb, const struct container *c);
int64_t mem_oom_kills(struct sandbox *sb, const struct container *c);

/* How often a limit was hit, and how long the victim waited for memory meanwhile. */
struct mem_squeeze {
	int64_t hits, pressure_us;
};
/* limited: the container whose limit it is. */
void mem_squeeze_begin(struct sandbox *sb, const struct container *limited, struct mem_squeeze *s);
void mem_squeeze_end(struct sandbox *sb, const struct container *limited, struct mem_squeeze *s);
/* 0 when the victim waited more than that part of the fault; else -ENODATA. */
int mem_squeeze_proof(struct sandbox *sb, const struct mem_squeeze *s, int percent);

/* A file on a file system of its own, larger or smaller than the memory for it, and how it is worked on. */
struct mem_file {
	char dir[128];
	int64_t size;
	int writes_of_8;      /* pieces overwritten of each eight touched; the others are read */
	struct tally *tally;  /* [PHASES], one entry for eight pieces */
};
/* Makes the file past the page cache, or its pages would be charged to us and not to who reads them first. */
int mem_file_new(struct sandbox *sb, struct mem_file *f);
/* How much of it is worked on from its beginning, and the rest after each eight pieces. */
struct mem_pace {
	int64_t size;
	int nap_ms;
};
/* Until PHASE_STOP. */
void mem_file_work(struct sandbox *sb, const struct mem_file *f, struct mem_pace calm, struct mem_pace fault);

#endif
