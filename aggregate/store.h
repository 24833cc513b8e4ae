/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shards of the event store, STATE/events/NNNNNNNNNNNNNNNNNNNN.db: all
 * SQLite of the writer.  A shard is made when the first row asks for it and
 * continued after a restart in the same boot; what was committed survives
 * SIGKILL.  Rows become visible with store_commit().
 */
#ifndef KWHY_AGGREGATE_STORE_H
#define KWHY_AGGREGATE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/strbuf.h"

struct store;
struct container;
struct identity;

struct store_limits {
	int64_t max_size, max_age_ns, shard_span_ns, shard_size;
};

/* -EBUSY: another writer; -EPROTO: made by a newer program; *ret_error then, and when shards were set aside. */
int store_open(const char *state_dir, const struct store_limits *limits, const char *boot_id, struct store **ret_store,
	       struct strbuf *ret_error);
/* Gives back memory that is not needed now, between transactions; the next one reads some pages again. */
void store_spare_memory(struct store *s);
void store_close(struct store *s); /* commits; NULL is fine */
int store_share(struct store *s, gid_t gid);
/* What new shards say of the machine; the running one by default. */
void store_origin(struct store *s, const char *node, const char *kernel, const char *arch);

/* Fills the identities with what the shard to be continued holds.  *ret_last_ns: its newest row, 0 when there is none.
 */
int store_load(struct store *s, struct identity *id, int64_t *ret_last_ns);

struct store_party {
	bool known;    /* cid is one */
	bool has_task; /* the rest is one */
	int64_t cid;
	uint64_t start_ns;
	uint32_t pid, tid;
	const char *comm; /* at most 16 bytes */
};

struct store_row {
	int64_t ts_ns;
	uint16_t kind;
	uint32_t flags, cpu;
	int32_t error;
	uint64_t duration_ns, stack, peer_stack;
	struct store_party subject, peer;
	const void *payload;
	size_t size;
};

/*
 * 0, -ENOSPC or -EIO; then the rows since the last commit may be lost too (counted), everything is to be written anew
 * (store_generation() changes), and the store stays usable.
 */
int store_begin(struct store *s, int64_t ts_ns); /* makes the shard and the transaction for a row of that time */
int store_event(struct store *s, const struct store_row *row);
int store_container(struct store *s, const struct container *c);
/* Remembered, and written once into every shard that refers to it. */
int store_stack(struct store *s, uint64_t hash, const char *text);

/* Commits; begins a new shard with the next row when this one is full, and deletes what is too old or too much. */
int store_commit(struct store *s, int64_t now_ns);

/* Folds these rows of the live shard (aggregate/thin.h), within the transaction at hand. */
struct thin_piece;
int store_thin(struct store *s, const struct thin_piece *piece);

/* Changes whenever containers must be written again: another shard, or a transaction that was lost. */
uint64_t store_generation(const struct store *s);

struct store_stats {
	uint64_t stored, lost, shards, bytes;
};
void store_stats(const struct store *s, struct store_stats *ret_stats);

#endif
