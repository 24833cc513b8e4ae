/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SQLite archive: one database file with the table
 *   sqlar(name TEXT PRIMARY KEY, mode INT, mtime INT, sz INT, data BLOB)
 * whose data is a zlib stream, or the bytes themselves when they do not get smaller
 * (https://www.sqlite.org/sqlar.html).  `sqlite3 -A` lists and extracts it anywhere.
 */
#ifndef KWHY_ANALYZE_ARCHIVE_H
#define KWHY_ANALYZE_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

/* Bounds of what is written and of what a stranger's archive may hold. */
#define ARCHIVE_FILES_MAX 512
#define ARCHIVE_FILE_MAX (512u << 20)
#define ARCHIVE_TOTAL_MAX (2ull << 30)

struct archive;

/* A new file; -EEXIST when there is one.  Errors leave a line in *ret_error. */
int archive_create(const char *path, struct archive **ret_archive, struct strbuf *ret_error);
/* -EFBIG past the bounds. */
int archive_add(struct archive *a, const char *name, const void *data, size_t len);
/* Makes it durable.  The file of an archive that is freed without this is removed. */
int archive_finish(struct archive *a, struct strbuf *ret_error);
void archive_free(struct archive *a); /* NULL is fine */

/*
 * Calls fn with each file in order of name (data lives until it returns; nonzero stops and is returned).  The archive
 * is hostile until read: -EPROTO no SQLite archive, -EBADMSG damaged or not what it says, -EFBIG past the bounds.
 */
int archive_read(const char *path, int (*fn)(void *ctx, const char *name, const void *data, size_t len), void *ctx,
		 struct strbuf *ret_error);

#endif
