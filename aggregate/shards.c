/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/shards.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/embed.h"
#include "base/fileutil.h"
#include "schema/store.h"

#define NAME_FORMAT "%020" PRId64 ".db"
#define NAME_LEN 23
#define DAMAGED_KEPT 4
#define NO_GROUP ((gid_t)-1)

struct shards {
	char *dir;
	int fd, lock;
	gid_t gid;
	int64_t *names; /* ascending */
	size_t count, cap;
};

static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };

static void file_name(char buf[64], int64_t name, const char *suffix)
{
	snprintf(buf, 64, NAME_FORMAT "%s", name, suffix);
}

/* ---- the list -------------------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool parse_name(const char *text, int64_t *ret_name)
{
	char *end;

	if (strlen(text) != NAME_LEN || strcmp(text + 20, ".db"))
		return false;
	for (size_t i = 0; i < 20; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	errno = 0;
	*ret_name = strtoll(text, &end, 10);
	return !errno;
}

static int list_add(struct shards *s, int64_t name)
{
	if (s->count == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		int64_t *names = reallocarray(s->names, cap, sizeof(*names));

		if (!names)
			return -ENOMEM;
		s->names = names;
		s->cap = cap;
	}
	s->names[s->count++] = name;
	return 0;
}

static void list_drop(struct shards *s, int64_t name)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->names[i] == name) {
			memmove(&s->names[i], &s->names[i + 1], (s->count - i - 1) * sizeof(*s->names));
			s->count--;
			return;
		}
}

/* Each shard that was set aside takes space: only the newest few stay. */
static void drop_damaged(struct shards *s)
{
	for (;;) {
		char oldest[NAME_MAX + 1] = "";
		unsigned int count = 0;
		const struct dirent *e;
		DIR *dir = opendir(s->dir);

		while (dir && (e = readdir(dir))) {
			size_t len = strlen(e->d_name);

			if (len < 8 || strcmp(e->d_name + len - 8, ".damaged"))
				continue;
			count++;
			if (!oldest[0] || strcmp(e->d_name, oldest) < 0)
				snprintf(oldest, sizeof(oldest), "%s", e->d_name);
		}
		if (dir)
			closedir(dir);
		if (count <= DAMAGED_KEPT || unlinkat(s->fd, oldest, 0))
			return;
	}
}

static int list_read(struct shards *s)
{
	const struct dirent *e;
	DIR *dir = opendir(s->dir);
	int64_t name;
	int r = 0;

	if (!dir)
		return -errno;
	while (!r && (e = readdir(dir)))
		if (parse_name(e->d_name, &name))
			r = list_add(s, name);
	closedir(dir);
	if (s->count)
		qsort(s->names, s->count, sizeof(*s->names), by_time);
	return r;
}

static int64_t file_size(const struct shards *s, int64_t name, const char *suffix)
{
	char file[64];
	struct stat st;

	file_name(file, name, suffix);
	return fstatat(s->fd, file, &st, AT_SYMLINK_NOFOLLOW) ? -1 : (int64_t)st.st_size;
}

static int64_t shard_size(const struct shards *s, int64_t name)
{
	int64_t sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		sum += MAX(file_size(s, name, suffixes[i]), 0);
	return sum;
}

void shards_remove(struct shards *s, int64_t name)
{
	char file[64];

	for (size_t i = ARRAY_SIZE(suffixes); i-- > 0;) {
		file_name(file, name, suffixes[i]);
		unlinkat(s->fd, file, 0);
	}
	list_drop(s, name);
}

void shards_set_aside(struct shards *s, int64_t name)
{
	char from[64], to[64];

	for (size_t i = 1; i < ARRAY_SIZE(suffixes); i++) {
		file_name(from, name, suffixes[i]);
		unlinkat(s->fd, from, 0);
	}
	file_name(from, name, "");
	file_name(to, name, ".damaged");
	renameat(s->fd, from, s->fd, to);
	list_drop(s, name);
	drop_damaged(s);
}

void shards_measure(const struct shards *s, uint64_t *ret_count, uint64_t *ret_bytes)
{
	*ret_count = s->count;
	*ret_bytes = 0;
	for (size_t i = 0; i < s->count; i++)
		*ret_bytes += (uint64_t)shard_size(s, s->names[i]);
}

/* ---- one file -------------------------------------------------------------------------------------------- */

static int open_db(const struct shards *s, int64_t name, sqlite3 **ret_db)
{
	char path[PATH_MAX], file[64];
	sqlite3 *db;
	int rc;

	file_name(file, name, "");
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", s->dir, file) >= sizeof(path))
		return -ENAMETOOLONG;
	rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db,
				  "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = OFF; PRAGMA cache_size = -2048;"
				  "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF",
				  NULL, NULL, NULL);
	if (rc != SQLITE_OK) {
		int r = sqlite3_system_errno(db) == ENOSPC ? -ENOSPC : -EIO;

		sqlite3_close(db);
		return r;
	}
	sqlite3_busy_timeout(db, 1000);
	*ret_db = db;
	return 0;
}

int64_t shard_query_int(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;
	int64_t value = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return value;
}

static int migrate(sqlite3 *db)
{
	for (int64_t version = shard_query_int(db, "PRAGMA user_version"); version < KW_SHARD_VERSION; version++) {
		const struct embedded_file *file;
		char path[64], pragmas[96];

		snprintf(path, sizeof(path), "schema/sql/events-%03d.sql", (int)version + 1);
		file = embedded_find(path);
		if (version < 0 || !file)
			return -EIO;
		snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
			 KW_SHARD_APPLICATION_ID, (int)version + 1);
		if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) ||
		    sqlite3_exec(db, file->data, NULL, NULL, NULL) || sqlite3_exec(db, pragmas, NULL, NULL, NULL)) {
			int os = sqlite3_system_errno(db), rc = sqlite3_errcode(db) & 0xff;

			return rc == SQLITE_FULL || os == ENOSPC || os == EFBIG ? -ENOSPC : -EIO;
		}
	}
	return 0;
}

static int go_live(sqlite3 *db)
{
	int persist = 1;

	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
	if (sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 16777216", NULL, NULL, NULL))
		return sqlite3_system_errno(db) == ENOSPC ? -ENOSPC : -EIO;
	return 0;
}

static bool leave_wal(sqlite3 *db)
{
	sqlite3_stmt *stmt;
	bool left = false;

	if (sqlite3_prepare_v2(db, "PRAGMA journal_mode = DELETE", -1, &stmt, NULL) != SQLITE_OK)
		return false;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		left = !strcmp((const char *)sqlite3_column_text(stmt, 0), "delete");
	sqlite3_finalize(stmt);
	return left;
}

void shards_seal(struct sqlite3 *db)
{
	int persist = 0;

	sqlite3_busy_timeout(db, 0);
	sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
	persist = !leave_wal(db);
	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
}

static void give_to_group(const struct shards *s, const char *file)
{
	if (s->gid != NO_GROUP && fchownat(s->fd, file, (uid_t)-1, s->gid, AT_SYMLINK_NOFOLLOW))
		return; /* stays root's own: the reader says so */
}

int shards_create(struct shards *s, int64_t ts_ns, int64_t *ret_name, struct sqlite3 **ret_db)
{
	int64_t name = s->count ? MAX(ts_ns, s->names[s->count - 1] + 1) : ts_ns;
	AUTO_CLOSE int fd = -1;
	sqlite3 *db = NULL;
	char file[64];
	int r;

	file_name(file, name, "");
	fd = openat(s->fd, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return errno == ENOSPC || errno == EDQUOT ? -ENOSPC : -EIO;
	/* SQLite gives -wal and -shm the mode and owner of the file itself. */
	if (fchmod(fd, 0640))
		return -errno;
	give_to_group(s, file);
	r = list_add(s, name);
	if (!r)
		r = open_db(s, name, &db);
	if (!r)
		r = migrate(db);
	if (!r)
		r = go_live(db);
	if (r) {
		sqlite3_close(db);
		shards_remove(s, name);
		return r;
	}
	*ret_name = name;
	*ret_db = db;
	return 0;
}

/* ---- opening --------------------------------------------------------------------------------------------- */

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/*
 * Looks at the header only (https://www.sqlite.org/fileformat2.html#the_database_header).
 * 0 fine, -ENODATA made but never filled, -EPROTO newer, -EUCLEAN damaged, errno.
 */
static int check_header(const struct shards *s, int64_t name)
{
	unsigned char h[100];
	char file[64];
	AUTO_CLOSE int fd = -1;
	int64_t size = file_size(s, name, ""), wal = file_size(s, name, "-wal");
	int64_t page;

	file_name(file, name, "");
	fd = openat(s->fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (!size)
		return -ENODATA;
	if (pread(fd, h, sizeof(h), 0) != (ssize_t)sizeof(h) || memcmp(h, "SQLite format 3", 16))
		return -EUCLEAN;
	if (be32(h + 68) != KW_SHARD_APPLICATION_ID)
		return wal > 0 || be32(h + 60) ? -EUCLEAN : -ENODATA;
	if (be32(h + 60) > KW_SHARD_VERSION)
		return -EPROTO;
	page = (int64_t)h[16] << 8 | h[17];
	if (page == 1)
		page = 65536;
	/* Frames of a WAL may be meant for pages the file does not have yet. */
	if (wal <= 0 && be32(h + 24) == be32(h + 92) && page * be32(h + 28) > size)
		return -EUCLEAN;
	return 0;
}

static void say_damaged(int64_t name, struct strbuf *ret_error)
{
	strbuf_addf(ret_error, "%s" NAME_FORMAT " is damaged and was renamed *.damaged", ret_error->len ? "; " : "",
		    name);
}

static int check_all(struct shards *s, struct strbuf *ret_error)
{
	for (size_t i = s->count; i-- > 0;) {
		int64_t name = s->names[i];
		int r = check_header(s, name);

		if (r == -EPROTO) {
			strbuf_addf(ret_error,
				    "%s/" NAME_FORMAT " was written by a newer kwhy: use that one, or another --state",
				    s->dir, name);
			return r;
		}
		if (r == -ENODATA) {
			shards_remove(s, name);
		} else if (r == -EUCLEAN) {
			say_damaged(name, ret_error);
			shards_set_aside(s, name);
		} else if (r) {
			strbuf_addf(ret_error, "%s/" NAME_FORMAT ": %s", s->dir, name, strerror(-r));
			return r;
		}
	}
	return 0;
}

static int take_lock(struct shards *s)
{
	s->lock = openat(s->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (s->lock < 0)
		return -errno;
	if (flock(s->lock, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

static int open_dir(struct shards *s, const char *state_dir, struct strbuf *ret_error)
{
	int r;

	if (asprintf(&s->dir, "%s/events", state_dir) < 0) {
		s->dir = NULL;
		return -ENOMEM;
	}
	r = dir_make(s->dir, 0750);
	if (!r) {
		s->fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = s->fd < 0 ? -errno : take_lock(s);
	}
	if (!r)
		r = list_read(s);
	if (r == -EBUSY)
		strbuf_addf(ret_error, "%s is in use by another collector", s->dir);
	else if (r)
		strbuf_addf(ret_error, "%s cannot be used as a store: %s", s->dir, strerror(-r));
	return r;
}

int shards_open(const char *state_dir, struct shards **ret_shards, struct strbuf *ret_error)
{
	struct shards *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->fd = s->lock = -1;
	s->gid = NO_GROUP;
	r = open_dir(s, state_dir, ret_error);
	if (!r)
		r = check_all(s, ret_error);
	if (r) {
		shards_free(s);
		return r;
	}
	*ret_shards = s;
	return 0;
}

void shards_free(struct shards *s)
{
	if (!s)
		return;
	if (s->lock >= 0)
		close(s->lock);
	if (s->fd >= 0)
		close(s->fd);
	free(s->names);
	free(s->dir);
	free(s);
}

static bool same_boot(sqlite3 *db, const char *boot_id)
{
	sqlite3_stmt *stmt;
	bool same = false;

	if (sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE key = 'boot_id'", -1, &stmt, NULL) != SQLITE_OK)
		return false;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		same = !strcmp((const char *)sqlite3_column_text(stmt, 0), boot_id);
	sqlite3_finalize(stmt);
	return same;
}

/* Nothing outlives a boot. */
static void end_boot(sqlite3 *db)
{
	sqlite3_exec(db,
		     "UPDATE container SET last_ns = max(first_ns, coalesce((SELECT max(ts_ns) FROM event), first_ns))"
		     " WHERE last_ns IS NULL AND cid <> 0",
		     NULL, NULL, NULL);
}

/* SQLite replays the WAL of a killed writer; only then the file is worth the time of reading it through. */
static bool is_sound(const struct shards *s, int64_t name, sqlite3 *db)
{
	const char *sql =
		file_size(s, name, "-wal") > 0
			? "SELECT count(*) FROM pragma_quick_check(1) WHERE quick_check = 'ok'"
			: "SELECT 1 FROM (SELECT min(ts_ns), max(ts_ns) FROM event), (SELECT count(*) FROM meta)";

	return shard_query_int(db, sql) == 1;
}

int shards_open_newest(struct shards *s, const char *boot_id, int64_t *ret_name, struct sqlite3 **ret_db,
		       struct strbuf *ret_error)
{
	sqlite3 *db = NULL;
	int64_t name;
	int r;

	if (!s->count)
		return 0;
	name = s->names[s->count - 1];
	r = open_db(s, name, &db);
	if (r || !is_sound(s, name, db)) {
		sqlite3_close(db);
		say_damaged(name, ret_error);
		shards_set_aside(s, name);
		return shards_open_newest(s, boot_id, ret_name, ret_db, ret_error);
	}
	r = migrate(db);
	if (!r && !same_boot(db, boot_id)) {
		end_boot(db);
		shards_seal(db);
		sqlite3_close(db);
		return 0;
	}
	if (!r)
		r = go_live(db);
	if (r) {
		sqlite3_close(db);
		return r;
	}
	*ret_name = name;
	*ret_db = db;
	return 0;
}

/* ---- keeping --------------------------------------------------------------------------------------------- */

static int share_state_dir(const struct shards *s, gid_t gid)
{
	AUTO_CLOSE int fd = openat(s->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (st.st_mode & S_IXOTH) /* everybody may pass */
		return 0;
	if (fchown(fd, (uid_t)-1, gid) || fchmod(fd, (st.st_mode & 07777) | S_IRGRP | S_IXGRP))
		return -errno;
	return 0;
}

int shards_share(struct shards *s, gid_t gid)
{
	char file[64];
	int r;

	s->gid = gid;
	if (gid == NO_GROUP)
		return 0;
	r = share_state_dir(s, gid);
	if (r)
		return r;
	if (fchown(s->fd, (uid_t)-1, gid) || fchmod(s->fd, 0750) || fchown(s->lock, (uid_t)-1, gid))
		return -errno;
	for (size_t i = 0; i < s->count; i++)
		for (size_t j = 0; j < ARRAY_SIZE(suffixes); j++) {
			file_name(file, s->names[i], suffixes[j]);
			give_to_group(s, file);
			if (fchmodat(s->fd, file, 0640, 0) && errno != ENOENT)
				return -errno;
		}
	return 0;
}

static void seal_late(struct shards *s, int64_t name)
{
	sqlite3 *db;

	if (file_size(s, name, "-wal") < 0 || open_db(s, name, &db))
		return;
	shards_seal(db);
	sqlite3_close(db);
}

void shards_retain(struct shards *s, int64_t max_size, int64_t not_before_ns)
{
	uint64_t count, bytes;

	shards_measure(s, &count, &bytes);
	/* A shard ends before the next one begins. */
	while (s->count > 1 && ((int64_t)bytes > max_size || s->names[1] < not_before_ns)) {
		bytes -= (uint64_t)shard_size(s, s->names[0]);
		shards_remove(s, s->names[0]);
	}
	for (size_t i = 0; i < s->count; i++)
		seal_late(s, s->names[i]);
}
