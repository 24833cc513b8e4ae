/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the event store: names, lock, permissions, schema, damage,
 * sealing and retention.  What is inside the rows is store.c's business.
 *
 * A shard is called by the time of its first row in 20 digits, later shards
 * always by a later name.  A live shard is in WAL mode and keeps its -wal and
 * -shm, which an unprivileged reader cannot make; a sealed one is a plain
 * file, unless a reader held it open at the time: then it is sealed later.
 */
#ifndef KWHY_AGGREGATE_SHARDS_H
#define KWHY_AGGREGATE_SHARDS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/strbuf.h"

struct shards;
struct sqlite3;

/* Makes the directory, takes the lock, sets damaged shards aside.  -EBUSY, -EPROTO (a newer program's), errno. */
int shards_open(const char *state_dir, struct shards **ret_shards, struct strbuf *ret_error);
void shards_free(struct shards *s); /* NULL is fine */
int shards_share(struct shards *s, gid_t gid);

int shards_create(struct shards *s, int64_t ts_ns, int64_t *ret_name, struct sqlite3 **ret_db);
/* *ret_db stays NULL when there is no shard of that boot to continue; what an earlier boot left is ended and sealed. */
int shards_open_newest(struct shards *s, const char *boot_id, int64_t *ret_name, struct sqlite3 **ret_db,
		       struct strbuf *ret_error);
/* The first column of the first row; -1: no row, or the file cannot be read. */
int64_t shard_query_int(struct sqlite3 *db, const char *sql);
/* Turns the shard into a plain file if nobody reads it. */
void shards_seal(struct sqlite3 *db);
void shards_remove(struct shards *s, int64_t name);
void shards_set_aside(struct shards *s, int64_t name);
/* Deletes the oldest shards beyond that size, and those that ended before that time; and seals what could not be
 * before. */
void shards_retain(struct shards *s, int64_t max_size, int64_t not_before_ns);
void shards_measure(const struct shards *s, uint64_t *ret_count, uint64_t *ret_bytes);

#endif
