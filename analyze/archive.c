/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "schema/bundle.h"

struct archive {
	sqlite3 *db;
	sqlite3_stmt *insert;
	char *path;
	size_t count;
	uint64_t total;
};

void archive_free(struct archive *a)
{
	if (!a)
		return;
	sqlite3_finalize(a->insert);
	sqlite3_close(a->db);
	if (a->path)
		unlink(a->path);
	free(a->path);
	free(a);
}

static int make_table(struct archive *a, struct strbuf *ret_error)
{
	AUTO(strbuf) struct strbuf sql = STRBUF_INIT;

	strbuf_addf(&sql,
		    "PRAGMA application_id = %d; PRAGMA user_version = %d; PRAGMA journal_mode = OFF; BEGIN;"
		    "CREATE TABLE sqlar (name TEXT PRIMARY KEY, mode INT, mtime INT, sz INT, data BLOB)",
		    KW_BUNDLE_APPLICATION_ID, KW_BUNDLE_VERSION);
	if (sqlite3_exec(a->db, strbuf_str(&sql), NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(a->db, "INSERT INTO sqlar VALUES (?1, 33188, 0, ?2, ?3)", -1, &a->insert, NULL) ==
		    SQLITE_OK)
		return 0;
	strbuf_addf(ret_error, "%s: %s", a->path, sqlite3_errmsg(a->db));
	return -EIO;
}

int archive_create(const char *path, struct archive **ret_archive, struct strbuf *ret_error)
{
	struct archive *a = calloc(1, sizeof(*a));
	int fd, r;

	if (!a)
		return -ENOMEM;
	/* Nobody's file is overwritten, and evidence is not for everybody's eyes. */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		r = -errno;
		strbuf_addf(ret_error, "cannot make %s: %s", path, strerror(-r));
		free(a);
		return r;
	}
	close(fd);
	a->path = strdup(path);
	if (!a->path) {
		unlink(path);
		free(a);
		return -ENOMEM;
	}
	r = sqlite3_open_v2(path, &a->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK ? 0 : -EIO;
	if (!r)
		r = make_table(a, ret_error);
	if (r) {
		archive_free(a);
		return r;
	}
	*ret_archive = a;
	return 0;
}

int archive_add(struct archive *a, const char *name, const void *data, size_t len)
{
	uLongf packed_len = compressBound(len);
	AUTO_FREE Bytef *packed = NULL;
	int rc;

	if (a->count >= ARCHIVE_FILES_MAX || len > ARCHIVE_FILE_MAX || a->total + len > ARCHIVE_TOTAL_MAX)
		return -EFBIG;
	packed = malloc(packed_len);
	if (!packed)
		return -ENOMEM;
	if (compress2(packed, &packed_len, data, len, Z_DEFAULT_COMPRESSION) != Z_OK)
		return -EIO;
	sqlite3_bind_text(a->insert, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(a->insert, 2, (sqlite3_int64)len);
	if (packed_len < len)
		sqlite3_bind_blob64(a->insert, 3, packed, packed_len, SQLITE_STATIC);
	else
		sqlite3_bind_blob64(a->insert, 3, data, len, SQLITE_STATIC);
	rc = sqlite3_step(a->insert);
	sqlite3_reset(a->insert);
	sqlite3_clear_bindings(a->insert);
	a->count++;
	a->total += len;
	return rc == SQLITE_DONE ? 0 : rc == SQLITE_FULL ? -ENOSPC : -EIO;
}

int archive_finish(struct archive *a, struct strbuf *ret_error)
{
	sqlite3_finalize(a->insert);
	a->insert = NULL;
	if (sqlite3_exec(a->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
		strbuf_addf(ret_error, "%s: %s", a->path, sqlite3_errmsg(a->db));
		return -EIO;
	}
	free(TAKE_PTR(a->path));
	return 0;
}

/* ---- reading a stranger's --------------------------------------------------------------------------------- */

static int64_t pragma_value(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;
	int64_t value = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return value;
}

static int open_foreign(const char *path, sqlite3 **ret_db, struct strbuf *ret_error)
{
	sqlite3 *db;
	int r = 0;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		strbuf_addf(ret_error, "cannot open %s: %s", path, sqlite3_errmsg(db));
		sqlite3_close(db);
		return -EIO;
	}
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, ARCHIVE_FILE_MAX);
	sqlite3_exec(db, "PRAGMA cell_size_check = ON", NULL, NULL, NULL);
	if (pragma_value(db, "PRAGMA application_id") != KW_BUNDLE_APPLICATION_ID) {
		strbuf_addf(ret_error, "%s is not a bundle of kwhy", path);
		r = -EPROTO;
	} else if (pragma_value(db, "PRAGMA user_version") > KW_BUNDLE_VERSION) {
		strbuf_addf(ret_error, "%s was made by a newer kwhy", path);
		r = -EPROTO;
	} else if (pragma_value(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlar' AND type = 'table' AND"
				    " sql LIKE 'CREATE TABLE sqlar%'") != 1) {
		strbuf_addf(ret_error, "%s is damaged: it holds no archive", path);
		r = -EBADMSG;
	}
	if (r)
		sqlite3_close(db);
	else
		*ret_db = db;
	return r;
}

/* One row: inflated into a buffer of exactly the size it claims, which is bounded. */
static int read_file(sqlite3_stmt *row, uint64_t *total,
		     int (*fn)(void *ctx, const char *name, const void *data, size_t len), void *ctx)
{
	const char *name = (const char *)sqlite3_column_text(row, 0);
	const void *data = sqlite3_column_blob(row, 2);
	int64_t size = sqlite3_column_int64(row, 1);
	size_t packed = (size_t)sqlite3_column_bytes(row, 2);
	AUTO_FREE Bytef *plain = NULL;
	uLongf plain_len;

	if (!name || sqlite3_column_type(row, 1) != SQLITE_INTEGER || size < 0 || (size && !data))
		return -EBADMSG;
	if ((uint64_t)size > ARCHIVE_FILE_MAX || *total + (uint64_t)size > ARCHIVE_TOTAL_MAX)
		return -EFBIG;
	*total += (uint64_t)size;
	if (packed == (size_t)size)
		return fn(ctx, name, data ? data : "", packed);
	plain_len = (uLongf)size;
	plain = malloc(plain_len + 1);
	if (!plain)
		return -ENOMEM;
	if (uncompress(plain, &plain_len, data, packed) != Z_OK || plain_len != (uLongf)size)
		return -EBADMSG;
	return fn(ctx, name, plain, plain_len);
}

int archive_read(const char *path, int (*fn)(void *ctx, const char *name, const void *data, size_t len), void *ctx,
		 struct strbuf *ret_error)
{
	sqlite3_stmt *rows = NULL;
	uint64_t total = 0;
	size_t count = 0;
	sqlite3 *db;
	int rc, r = open_foreign(path, &db, ret_error);

	if (r)
		return r;
	rc = sqlite3_prepare_v2(db, "SELECT name, sz, data FROM sqlar ORDER BY name", -1, &rows, NULL);
	while (rc == SQLITE_OK && !r && (rc = sqlite3_step(rows)) == SQLITE_ROW) {
		r = ++count > ARCHIVE_FILES_MAX ? -EFBIG : read_file(rows, &total, fn, ctx);
		rc = SQLITE_OK;
	}
	if (!r && rc != SQLITE_DONE)
		r = -EBADMSG;
	sqlite3_finalize(rows);
	sqlite3_close(db);
	if (r && !ret_error->len)
		strbuf_addf(ret_error, "%s %s", path,
			    r == -EBADMSG ? "is damaged" : r == -EFBIG ? "is too large" : strerror(-r));
	return r;
}
