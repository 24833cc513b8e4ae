/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finished records in, rows out: gives each record its containers, writes it
 * to the event store, rotates and deletes shards.  The only writer of
 * STATE/events/.  Single-threaded.
 */
#ifndef KWHY_AGGREGATE_AGGREGATE_H
#define KWHY_AGGREGATE_AGGREGATE_H

#include <stdint.h>

#include "base/config.h"
#include "base/strbuf.h"
#include "schema/event.h"

struct aggregate;
struct metadata;

/*
 * Opens or makes the store below state_dir, takes its lock (-EBUSY: another collector holds it), sets damaged shards
 * aside (renamed *.damaged, said in *ret_error though the result is 0).  boot_id: 36 characters, from the host or the
 * capture.
 */
int aggregate_new(const char *state_dir, const struct config *config, const char *boot_id,
		  struct aggregate **ret_aggregate, struct strbuf *ret_error);
/* Commits and closes. */
void aggregate_free(struct aggregate *a);

/* What new shards say of the machine the records are from: that of a capture's header; without it the running one. */
void aggregate_origin(struct aggregate *a, const char *node, const char *kernel, const char *arch);

/*
 * Asks these sources about each container that comes into sight, and tells them when it has gone; their answers come
 * back as records.  Not for a replay: its capture has the answers.  Not owned.
 */
void aggregate_ask(struct aggregate *a, struct metadata *metadata);

/* The group that may read the store besides root; (gid_t)-1: nobody.  Call right after aggregate_new(). */
int aggregate_share(struct aggregate *a, unsigned int gid);

/*
 * Takes one record (struct kw_event with payload, without frames).  Commits at every tick record, so that what a tick
 * promises is on disk.  0, -EBADMSG when the record is malformed (counted), -ENOSPC, -EIO when it could not be stored
 * (counted as lost; the aggregate stays usable).
 */
int aggregate_event(struct aggregate *a, const struct kw_event *event);

struct aggregate_stats {
	uint64_t stored, refused, lost, containers, shards, bytes;
};
void aggregate_stats(const struct aggregate *a, struct aggregate_stats *ret_stats);

#endif
