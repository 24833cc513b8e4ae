/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands around a list of events: how many there are, when and of what; who came and went; their stacks.  All of it
 * over the shards that are selected.
 */
#ifndef KWHY_WEB_EVENT_CONTEXT_H
#define KWHY_WEB_EVENT_CONTEXT_H

#include "web/lists.h"

/* The kind of those rows that tell of a container's life; no kind of the store has this name. */
#define EVENT_LIFE "life"
#define EVENT_BARS 30

/*
 * Over the filter's time, without one five minutes before its end or the newest record: { from_ns, to_ns, step_ns, seen_ns,
 * bars: [EVENT_BARS counts], kinds: [ { value, n } ], containers: [ { value, n } ] }.  Kinds count what the filter's
 * container leaves, containers what its kind leaves.  seen_ns: from there on events were counted; later than from_ns when
 * there were too many.
 */
int64_t event_summary(struct reader *r, const struct event_filter *filter, json_t **ret_model, struct strbuf *ret_error);
/* Containers, pods and cgroups that were first seen or ended within [since_ns, until_ns], in the shape of list_events(). */
int64_t event_life(struct reader *r, const struct event_filter *filter, json_t **ret_rows, struct strbuf *ret_error);
/* Both newest first; the new list is so, too. */
json_t *event_merge(const json_t *events, const json_t *life);
/* Adds to each row that has a stack or a peer_stack its text as "frames" and "peer_frames". */
void event_frames(struct reader *r, json_t *rows);

#endif
