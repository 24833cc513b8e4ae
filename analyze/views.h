/* SPDX-License-Identifier: Apache-2.0 */
/* The v_* views of schema/VIEWS.md, made from the field tables over the attached shards. */
#ifndef KWHY_ANALYZE_VIEWS_H
#define KWHY_ANALYZE_VIEWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "schema/kernel_maps.h"

struct sqlite3;

/* Once in a connection: what the views are made from beside the shards.  0 or -EIO. */
int views_prepare(struct sqlite3 *db);

/*
 * Makes those views that a text (of SQL) names, and that are not among those made already, as temporary ones; NULL: all
 * of them.  There are many, and a connection that turns to other shards needs few of them.  shards: names of databases
 * that hold the shard schema, newest first, at least one (an empty one will do).  reports: whether a database of that
 * name is attached.  at_ns: what the views hold is as it was known then, INT64_MAX: now.  0 or -EIO.
 */
struct views {
	const char *const *shards;
	size_t count;
	bool reports;
	int64_t at_ns;
	struct strbuf *made; /* names, each between spaces */
};
int views_make(struct sqlite3 *db, const struct views *views, const char *text);
/*
 * Which kinds of events a query reads, as the views that it names tell; those are set in kinds, the others left alone.
 * False: it reads something else as well.
 */
bool views_kinds(const char *sql, bool kinds[KW_KINDS_MAX]);
/* 0 or -EIO, when one of them is being read. */
int views_drop(struct sqlite3 *db, struct strbuf *made);

#endif
