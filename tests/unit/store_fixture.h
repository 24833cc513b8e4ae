/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a directory of its own, and records to fill it with.  Times of records are boot time in seconds or ns. */
#ifndef KWHY_TESTS_UNIT_STORE_FIXTURE_H
#define KWHY_TESTS_UNIT_STORE_FIXTURE_H

#include <limits.h>
#include <stdint.h>

#include "aggregate/aggregate.h"
#include "aggregate/record.h"
#include "base/timeutil.h"

#define FIXTURE_BOOT "11111111-2222-3333-4444-555555555555"
#define FIXTURE_OFFSET INT64_C(1700000000000000000) /* wall = boot + this */
#define WALL(boot_ns) (FIXTURE_OFFSET + (int64_t)(boot_ns))
#define SEC(s) ((uint64_t)((s)*1000000000.0))

struct fixture {
	char dir[PATH_MAX];
	struct config *config;
	struct aggregate *a;
};

void fixture_new(struct fixture *f); /* a fresh directory, nothing opened */
void fixture_set(struct fixture *f, const char *key, const char *value);
void fixture_open(struct fixture *f); /* asserts */
void fixture_close(struct fixture *f);
void fixture_free(struct fixture *f);					 /* closes and deletes the directory */
unsigned int fixture_files(const struct fixture *f, const char *suffix); /* in events/ */

void make_record(union record *r, unsigned int kind, uint64_t ts_ns);
#define PAYLOAD(r, kind) ((struct kw_##kind *)((r)->bytes + sizeof(struct kw_event)))

void put(struct fixture *f, const union record *r); /* asserts that it was taken */
void put_tick(struct fixture *f, uint64_t ts_ns, uint64_t seq);
enum { CG_SEEN = 1, CG_MADE, CG_REMOVED, CG_RENAMED };
void put_cgroup(struct fixture *f, uint64_t ts_ns, unsigned int op, unsigned int hierarchy, uint64_t id,
		const char *path);
/* A run-queue wait of pid in that v2 cgroup, kept waiting by peer. */
void put_runq(struct fixture *f, uint64_t ts_ns, uint64_t v2, uint64_t peer_v2, uint64_t duration_ns);
void put_wait(struct fixture *f, uint64_t ts_ns, uint64_t v2, unsigned int reason, uint64_t sum_ns);

#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#endif
