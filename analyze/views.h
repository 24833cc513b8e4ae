/* SPDX-License-Identifier: Apache-2.0 */
/* The v_* views of schema/VIEWS.md, made from the field tables over the attached shards. */
#ifndef KWHY_ANALYZE_VIEWS_H
#define KWHY_ANALYZE_VIEWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;

/*
 * (Re)makes all views as temporary ones.  shards: names of databases that hold the shard schema, newest first, at least
 * one (an empty one will do).  reports: whether a database of that name is attached.  at_ns: what the views hold is as
 * it was known then, INT64_MAX: now.  0 or -EIO.
 */
int views_make(struct sqlite3 *db, const char *const *shards, size_t count, bool reports, int64_t at_ns);

#endif
