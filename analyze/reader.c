/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/reader.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "analyze/sql.h"
#include "analyze/sqlfuncs.h"
#include "analyze/views.h"
#include "base/cleanup.h"
#include "base/embed.h"
#include "base/timeutil.h"
#include "schema/store.h"

#define REPORTS_VERSION 2
#define NAME_LEN 23 /* 20 digits and ".db" */
#define PROGRESS_STEPS 2000
#define VALUE_MAX (16 << 20)
#define CACHE_KIB 1024 /* of each file attached */
#define CACHE_NEWEST_KIB 4096 /* a diagnosis goes over the events of its window again and again */

/* A file of the store.  A file with a newer one beside it does not grow any more. */
struct shard {
	int64_t name;
	ino_t inode;
	int64_t first_ns, last_ns; /* INT64_MAX while it may grow */
	bool probed, final, bad;
	bool wanted;
};

struct slot {
	bool used;
	int64_t name;
	ino_t inode;
	sqlite3_stmt *newest; /* of its newest event; asked several times a second */
};

struct reader {
	char *state_dir, *events_dir, *reports_path;
	sqlite3 *db;
	struct shard *shards; /* ascending */
	size_t shard_count;
	struct timespec listed; /* time of the directory's last change, when the list is known to be of after it; else 0 */
	struct slot slots[READER_SHARDS_MAX];
	bool reports;
	ino_t reports_inode;
	int64_t reports_version;
	bool truncated;
	bool viewed;	 /* views are of the shards attached */
	bool all_views;	 /* and are all made at once: somebody prepares statements of his own */
	struct strbuf made; /* the views there are */
	bool restricted; /* a stranger's statement is being prepared or run */
	int64_t deadline_ns;
	int64_t at_ns;	 /* what the views hold was known then; INT64_MAX: now */
	struct strbuf warnings;
};

/* ---- what a query may do --------------------------------------------------------------------------------- */

static bool is_harmless_pragma(const char *name)
{
	static const char *const names[] = { "table_info", "table_xinfo", "table_list", "function_list",
					     "compile_options" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (name && !sqlite3_stricmp(name, names[i]))
			return true;
	return false;
}

static int authorize(void *ctx, int action, const char *arg1, const char *arg2, const char *schema, const char *view)
{
	const struct reader *r = ctx;

	(void)schema;
	(void)view;
	if (!r->restricted)
		return SQLITE_OK;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return arg2 && (!sqlite3_stricmp(arg2, "load_extension") || !sqlite3_stricmp(arg2, "fts3_tokenizer"))
			       ? SQLITE_DENY
			       : SQLITE_OK;
	case SQLITE_PRAGMA:
		return is_harmless_pragma(arg1) ? SQLITE_OK : SQLITE_DENY;
	default:
		return SQLITE_DENY;
	}
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static int is_late(void *ctx)
{
	const struct reader *r = ctx;

	return now_ns() > r->deadline_ns;
}

/* ---- opening --------------------------------------------------------------------------------------------- */

static int execute(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -EIO;
}

static int query_int(sqlite3 *db, const char *sql, int64_t *ret_value, bool *ret_null)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		*ret_value = sqlite3_column_int64(stmt, 0);
		if (ret_null)
			*ret_null = sqlite3_column_type(stmt, 0) == SQLITE_NULL;
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_ERROR : rc;
}

/* Table-valued functions declare a table when they are first used, which a query may not do. */
static int declare_table_functions(sqlite3 *db)
{
	return execute(
		db, "SELECT 1 FROM json_each('[]'), json_tree('[]'), pragma_table_info('x'), pragma_table_xinfo('x'),"
		    " pragma_table_list('x'), pragma_function_list LIMIT 0");
}

/* Views need a shard even when there is none: an empty one in the connection's own memory. */
static int make_empty_shard(sqlite3 *db)
{
	for (int version = 1; version <= KW_SHARD_VERSION; version++) {
		const struct embedded_file *schema;
		char name[64];

		snprintf(name, sizeof(name), "schema/sql/events-%03d.sql", version);
		schema = embedded_find(name);
		if (!schema || execute(db, schema->data))
			return -EIO;
	}
	return 0;
}

static int open_connection(struct reader *r)
{
	int rc;

	rc = sqlite3_open_v2(":memory:", &r->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return -ENOMEM;
	sqlite3_extended_result_codes(r->db, 1);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_limit(r->db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	sqlite3_limit(r->db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000);
	sqlite3_busy_timeout(r->db, 2000);
	sqlite3_set_authorizer(r->db, authorize, r);
	if (execute(r->db, "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON"))
		return -EIO;
	if (make_empty_shard(r->db) || declare_table_functions(r->db) || views_prepare(r->db))
		return -EIO;
	return sqlfuncs_register(r->db);
}

static int check_dir(const char *dir, struct strbuf *ret_error)
{
	DIR *d = opendir(dir);
	int r = d ? 0 : -errno;

	if (d)
		closedir(d);
	if (r == -ENOENT || r == -ENOTDIR) {
		strbuf_addf(ret_error, "%s does not exist: no store there, or its collector has not started yet", dir);
		return -ENOENT;
	}
	if (r)
		strbuf_addf(ret_error, "%s cannot be read: %s", dir, strerror(-r));
	return r == -EPERM ? -EACCES : r;
}

static int make_paths(struct reader *r, const char *state_dir)
{
	r->state_dir = strdup(state_dir);
	if (asprintf(&r->events_dir, "%s/events", state_dir) < 0)
		r->events_dir = NULL;
	if (asprintf(&r->reports_path, "%s/reports/reports.db", state_dir) < 0)
		r->reports_path = NULL;
	return r->state_dir && r->events_dir && r->reports_path ? 0 : -ENOMEM;
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < READER_SHARDS_MAX; i++)
		sqlite3_finalize(r->slots[i].newest);
	sqlite3_close_v2(r->db);
	strbuf_cleanup(&r->made);
	free(r->shards);
	free(r->state_dir);
	free(r->events_dir);
	free(r->reports_path);
	strbuf_cleanup(&r->warnings);
	free(r);
}

/* ---- the list of shards ---------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
	const struct shard *x = a, *y = b;

	return (x->name > y->name) - (x->name < y->name);
}

static bool parse_name(const char *text, int64_t *ret_name)
{
	if (strlen(text) != NAME_LEN || strcmp(text + 20, ".db"))
		return false;
	for (size_t i = 0; i < 20; i++)
		if (!isdigit((unsigned char)text[i]))
			return false;
	errno = 0;
	*ret_name = strtoll(text, NULL, 10);
	return !errno;
}

static struct shard *find_shard(struct shard *shards, size_t count, int64_t name)
{
	struct shard key = { .name = name };

	return count ? bsearch(&key, shards, count, sizeof(key), by_time) : NULL;
}

static int list_shards(const struct reader *r, struct shard **ret_shards, size_t *ret_count)
{
	AUTO_FREE struct shard *list = NULL;
	size_t count = 0, cap = 0;
	DIR *dir = opendir(r->events_dir);
	const struct dirent *e;
	int64_t name;

	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		if (!parse_name(e->d_name, &name))
			continue;
		if (count == cap) {
			void *p = reallocarray(list, cap = cap ? 2 * cap : 64, sizeof(*list));

			if (!p) {
				closedir(dir);
				return -ENOMEM;
			}
			list = p;
		}
		list[count++] = (struct shard){ .name = name, .inode = e->d_ino, .last_ns = INT64_MAX };
	}
	closedir(dir);
	if (count)
		qsort(list, count, sizeof(*list), by_time);
	*ret_shards = TAKE_PTR(list);
	*ret_count = count;
	return 0;
}

static void shard_path(const struct reader *r, int64_t name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%020" PRId64 ".db", r->events_dir, name);
}

static void warn(struct reader *r, const char *path, const char *why)
{
	strbuf_addf(&r->warnings, "%s: %s\n", path, why);
}

/*
 * What a look into the file tells.  0, or -EUCLEAN damaged, -EPROTO newer, -EACCES, -EAGAIN not ready (being made, or
 * just deleted).
 */
static int look_into(const char *path, int64_t *ret_first, int64_t *ret_last)
{
	int64_t version = 0, application = 0, first = 0, last = 0;
	bool empty = false;
	sqlite3 *db;
	int rc;

	if (access(path, R_OK))
		return errno == EACCES ? -EACCES : -EAGAIN;
	rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
	sqlite3_busy_timeout(db, 2000);
	if (rc == SQLITE_OK)
		rc = query_int(db, "PRAGMA application_id", &application, NULL);
	if (rc == SQLITE_OK)
		rc = query_int(db, "PRAGMA user_version", &version, NULL);
	if (rc == SQLITE_OK && version >= 1 && version <= KW_SHARD_VERSION && application == KW_SHARD_APPLICATION_ID) {
		rc = query_int(db, "SELECT min(ts_ns) FROM event", &first, &empty);
		if (rc == SQLITE_OK)
			rc = query_int(db, "SELECT max(ts_ns) FROM event", &last, NULL);
	}
	sqlite3_close(db);
	rc &= 0xff;
	if (rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT)
		return -EUCLEAN;
	if (rc != SQLITE_OK)
		return rc == SQLITE_ERROR ? -EUCLEAN : -EAGAIN;
	if (application != KW_SHARD_APPLICATION_ID)
		return version || application ? -EUCLEAN : -EAGAIN;
	if (version > KW_SHARD_VERSION)
		return -EPROTO;
	if (empty)
		return -EAGAIN;
	*ret_first = first;
	*ret_last = last;
	return 0;
}

static int probe(struct reader *r, struct shard *s, bool final)
{
	char path[PATH_MAX];
	int64_t last;
	int e;

	shard_path(r, s->name, path);
	e = look_into(path, &s->first_ns, &last);
	s->probed = !e;
	s->final = !e && final;
	s->last_ns = s->final ? last : INT64_MAX;
	if (e && e != -EAGAIN) {
		s->bad = true;
		warn(r, path,
		     e == -EPROTO   ? "written by a newer kwhy, left out"
		     : e == -EACCES ? "not readable, left out"
				    : "damaged, left out");
	}
	return e;
}

/*
 * Whether the list that was just made holds until the directory has another time: that time is the one of the last clock
 * tick, so a change right after a change may not show in it.
 */
static bool is_settled(const struct reader *r, const struct stat *dir)
{
	struct timespec now;

	for (size_t i = 0; i < r->shard_count; i++)
		if (!r->shards[i].bad && !r->shards[i].probed)
			return false;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec - dir->st_mtim.tv_sec > 1;
}

/* Brings the list up to date; files already known to be complete are not opened again. */
static int refresh(struct reader *r)
{
	struct shard *list = NULL;
	struct stat dir;
	size_t count = 0;
	int e = stat(r->events_dir, &dir) ? -errno : 0;

	if (!e && r->listed.tv_sec && !memcmp(&r->listed, &dir.st_mtim, sizeof(r->listed)))
		return 0;
	r->listed = (struct timespec){ 0 };
	if (!e)
		e = list_shards(r, &list, &count);
	if (e)
		return e;
	for (size_t i = 0; i < count; i++) {
		const struct shard *old = find_shard(r->shards, r->shard_count, list[i].name);
		bool final = i + 1 < count;

		if (old && old->inode == list[i].inode)
			list[i] = *old;
		if (!list[i].bad && (!list[i].probed || (final && !list[i].final)))
			probe(r, &list[i], final);
	}
	free(r->shards);
	r->shards = list;
	r->shard_count = count;
	if (is_settled(r, &dir))
		r->listed = dir.st_mtim;
	return 0;
}

/* ---- attaching ------------------------------------------------------------------------------------------- */

static int attach(struct reader *r, const char *path, const char *schema, int cache_kib)
{
	AUTO(strbuf) struct strbuf uri = STRBUF_INIT;
	sqlite3_stmt *stmt;
	int64_t tables;
	int rc;

	sql_add_uri(&uri, path);
	rc = sqlite3_prepare_v2(r->db, "ATTACH ?1 AS ?2", -1, &stmt, NULL);
	if (rc != SQLITE_OK)
		return -EIO;
	sqlite3_bind_text(stmt, 1, strbuf_str(&uri), -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, schema, -1, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	if (rc != SQLITE_DONE)
		return -EIO;
	/* Of a shard that grows the cache is void with each tick. */
	strbuf_reset(&uri);
	strbuf_addf(&uri, "PRAGMA %s.cache_size = -%d", schema, cache_kib);
	if (execute(r->db, strbuf_str(&uri)))
		return -EIO;
	/* The file is first read here. */
	strbuf_reset(&uri);
	strbuf_addf(&uri, "SELECT count(*) FROM %s.sqlite_schema", schema);
	rc = query_int(r->db, strbuf_str(&uri), &tables, NULL);
	return rc == SQLITE_OK && tables ? 0 : -EIO;
}

static int detach(struct reader *r, const char *schema)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "DETACH %s", schema);
	return execute(r->db, sql);
}

static const char *slot_schema(size_t i)
{
	static const char *const names[READER_SHARDS_MAX] = { "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7" };

	return names[i];
}

static const struct shard *wanted_for(const struct reader *r, const struct slot *slot)
{
	const struct shard *s = find_shard(r->shards, r->shard_count, slot->name);

	return s && s->wanted && s->inode == slot->inode ? s : NULL;
}

static void choose(struct reader *r, int64_t from_ns, int64_t to_ns)
{
	unsigned int count = 0;

	r->truncated = false;
	for (size_t i = r->shard_count; i-- > 0;) {
		struct shard *s = &r->shards[i];

		s->wanted = false;
		if (s->bad || !s->probed || s->first_ns > to_ns || s->last_ns < from_ns)
			continue;
		if (count == READER_SHARDS_MAX) {
			r->truncated = true;
			continue;
		}
		s->wanted = true;
		count++;
	}
}

static bool is_attached(const struct reader *r, const struct shard *s)
{
	for (size_t i = 0; i < READER_SHARDS_MAX; i++)
		if (r->slots[i].used && r->slots[i].name == s->name && r->slots[i].inode == s->inode)
			return true;
	return false;
}

static int attach_shard(struct reader *r, struct shard *s)
{
	char path[PATH_MAX];
	size_t i = 0;

	while (i < READER_SHARDS_MAX && r->slots[i].used)
		i++;
	if (i == READER_SHARDS_MAX)
		return -ENOSPC;
	shard_path(r, s->name, path);
	if (attach(r, path, slot_schema(i), s->last_ns == INT64_MAX ? CACHE_NEWEST_KIB : CACHE_KIB)) {
		detach(r, slot_schema(i));
		return -EIO; /* just deleted, or damaged: the next probe tells */
	}
	r->slots[i] = (struct slot){ .used = true, .name = s->name, .inode = s->inode };
	return 0;
}

/* Number of changes, or -EBUSY when somebody still reads a shard that is to go. */
static int attach_wanted(struct reader *r)
{
	int changes = 0;

	for (size_t i = 0; i < READER_SHARDS_MAX; i++) {
		if (!r->slots[i].used || wanted_for(r, &r->slots[i]))
			continue;
		sqlite3_finalize(r->slots[i].newest);
		r->slots[i].newest = NULL;
		if (detach(r, slot_schema(i)))
			return -EBUSY;
		r->slots[i].used = false;
		changes++;
	}
	for (size_t i = 0; i < r->shard_count; i++)
		if (r->shards[i].wanted && !is_attached(r, &r->shards[i]) && !attach_shard(r, &r->shards[i]))
			changes++;
	return changes;
}

static int attach_reports(struct reader *r)
{
	struct stat st;
	bool there = !stat(r->reports_path, &st) && st.st_size > 0;
	int64_t version = 0;

	if (r->reports && (!there || st.st_ino != r->reports_inode)) {
		if (detach(r, "reports"))
			return -EBUSY;
		r->reports = false;
		return 1;
	}
	/* Its writer may have brought an older file up to date. */
	if (r->reports && !query_int(r->db, "PRAGMA reports.user_version", &version, NULL) && version != r->reports_version) {
		r->reports_version = version;
		query_int(r->db, "SELECT count(*) FROM reports.sqlite_schema", &version, NULL); /* reads the tables anew */
		return 1;
	}
	if (r->reports || !there)
		return 0;
	if (attach(r, r->reports_path, "reports", CACHE_KIB) || query_int(r->db, "PRAGMA reports.user_version", &version, NULL) ||
	    version < 1 || version > REPORTS_VERSION) {
		detach(r, "reports");
		return 0;
	}
	r->reports = true;
	r->reports_version = version;
	r->reports_inode = st.st_ino;
	return 1;
}

/* Those that a statement names; NULL: all. */
static int make_views(struct reader *r, const char *sql)
{
	const char *schemas[READER_SHARDS_MAX + 1];
	struct views views = { .shards = schemas, .reports = r->reports, .at_ns = r->at_ns, .made = &r->made };

	for (size_t i = r->shard_count; i-- > 0;)
		for (size_t j = 0; j < READER_SHARDS_MAX; j++)
			if (r->slots[j].used && r->slots[j].name == r->shards[i].name)
				schemas[views.count++] = slot_schema(j);
	if (!views.count)
		schemas[views.count++] = "main";
	return views_make(r->db, &views, sql);
}

/* The views of what was attached before go; those of what is attached now come when a statement names them. */
static int renew_views(struct reader *r)
{
	int e = views_drop(r->db, &r->made);

	return e || !r->all_views ? e : make_views(r, NULL);
}

/* A statement that asks which views there are shall find them all. */
static int make_views_for(struct reader *r, const char *sql)
{
	return make_views(r, strcasestr(sql, "pragma") || strcasestr(sql, "sqlite_") ? NULL : sql);
}

int reader_select(struct reader *r, int64_t from_ns, int64_t to_ns)
{
	int e = refresh(r), changes, reports;

	if (e)
		return e;
	choose(r, from_ns, MIN(to_ns, r->at_ns));
	changes = attach_wanted(r);
	if (changes < 0)
		return changes;
	reports = attach_reports(r);
	if (reports < 0)
		return reports;
	if (!changes && !reports && r->viewed)
		return 0;
	r->viewed = false;
	e = renew_views(r);
	if (e)
		return e;
	r->viewed = true;
	return 1;
}

int reader_select_reports(struct reader *r)
{
	int changes = attach_reports(r);

	if (changes > 0)
		changes = renew_views(r) ? -EIO : 1;
	return changes;
}

int reader_open(const char *state_dir, struct reader **ret_reader, struct strbuf *ret_error)
{
	struct reader *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return -ENOMEM;
	r->at_ns = INT64_MAX;
	e = make_paths(r, state_dir);
	if (!e)
		e = check_dir(r->events_dir, ret_error);
	if (!e)
		e = open_connection(r);
	if (!e)
		e = reader_select(r, INT64_MIN, INT64_MAX);
	if (e >= 0 && r->shard_count && r->shards[r->shard_count - 1].bad) {
		char path[PATH_MAX];
		int64_t first, last;

		shard_path(r, r->shards[r->shard_count - 1].name, path);
		e = look_into(path, &first, &last);
		if (e == -EPROTO || e == -EACCES)
			strbuf_addf(ret_error, "%s: %s", path,
				    e == -EPROTO ? "written by a newer kwhy" : "not readable");
		else
			e = 0;
	}
	if (e < 0) {
		if (!strbuf_str(ret_error)[0])
			strbuf_addf(ret_error, "%s: the store cannot be read: %s", state_dir, strerror(-e));
		reader_free(r);
		return e;
	}
	*ret_reader = r;
	return 0;
}

void reader_as_of(struct reader *r, int64_t at_ns)
{
	r->at_ns = at_ns;
	r->viewed = false;
}

bool reader_truncated(const struct reader *r)
{
	return r->truncated;
}

const char *reader_warnings(const struct reader *r)
{
	return strbuf_str(&r->warnings);
}

struct sqlite3 *reader_db(struct reader *r)
{
	if (!r->all_views)
		make_views(r, NULL);
	r->all_views = true;
	return r->db;
}

/* 0, or -EIO when there is nothing yet or the statement fails. */
static int ask_newest(struct reader *r, size_t slot, int64_t *ret_last)
{
	sqlite3_stmt **stmt = &r->slots[slot].newest;
	char sql[64];
	int e = -EIO;

	if (!*stmt) {
		snprintf(sql, sizeof(sql), "SELECT max(ts_ns) FROM %s.event", slot_schema(slot));
		if (sqlite3_prepare_v2(r->db, sql, -1, stmt, NULL) != SQLITE_OK)
			return -EIO;
	}
	if (sqlite3_step(*stmt) == SQLITE_ROW && sqlite3_column_type(*stmt, 0) != SQLITE_NULL) {
		*ret_last = sqlite3_column_int64(*stmt, 0);
		e = 0;
	}
	sqlite3_reset(*stmt);
	return e;
}

/* Of the shard that still grows: through the connection that has it attached, or by a look into the file. */
static int newest_of(struct reader *r, const struct shard *s, int64_t *ret_last)
{
	char path[PATH_MAX];
	int64_t first;

	for (size_t i = 0; i < READER_SHARDS_MAX; i++)
		if (r->slots[i].used && r->slots[i].name == s->name && r->slots[i].inode == s->inode &&
		    !ask_newest(r, i, ret_last))
			return 0;
	shard_path(r, s->name, path);
	return look_into(path, &first, ret_last);
}

int reader_bounds(struct reader *r, int64_t *ret_first_ns, int64_t *ret_last_ns)
{
	int64_t first = INT64_MAX, last = INT64_MIN;
	int e = refresh(r);

	if (e)
		return e;
	for (size_t i = 0; i < r->shard_count; i++) {
		const struct shard *s = &r->shards[i];
		int64_t to = s->last_ns;

		if (s->bad || !s->probed || (!s->final && newest_of(r, s, &to)))
			continue;
		first = MIN(first, s->first_ns);
		last = MAX(last, to);
	}
	last = MIN(last, r->at_ns);
	if (first > last)
		return -ENODATA;
	*ret_first_ns = first;
	*ret_last_ns = last;
	return 0;
}

/* ---- queries --------------------------------------------------------------------------------------------- */

static const struct query_param *find_param(const struct query_param *params, size_t count, const char *name)
{
	for (size_t i = 0; name && i < count; i++)
		if (!strcmp(params[i].name, name))
			return &params[i];
	return NULL;
}

static void bind_params(sqlite3_stmt *stmt, const struct query_param *params, size_t count)
{
	for (int i = 1; i <= sqlite3_bind_parameter_count(stmt); i++) {
		const struct query_param *p = find_param(params, count, sqlite3_bind_parameter_name(stmt, i));

		if (!p)
			continue;
		switch (p->type) {
		case PARAM_INT:
			sqlite3_bind_int64(stmt, i, p->integer);
			break;
		case PARAM_TEXT:
			sqlite3_bind_text(stmt, i, p->text, -1, SQLITE_STATIC);
			break;
		case PARAM_REAL:
			sqlite3_bind_double(stmt, i, p->real);
			break;
		case PARAM_NULL:
			break;
		}
	}
}

static void get_value(sqlite3_stmt *stmt, int i, struct query_value *v)
{
	*v = (struct query_value){ .type = VALUE_NULL };
	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_INTEGER:
		v->type = VALUE_INT;
		v->integer = sqlite3_column_int64(stmt, i);
		break;
	case SQLITE_FLOAT:
		v->type = VALUE_REAL;
		v->real = sqlite3_column_double(stmt, i);
		break;
	case SQLITE_TEXT:
		v->type = VALUE_TEXT;
		v->text = (const char *)sqlite3_column_text(stmt, i);
		v->size = sqlite3_column_bytes(stmt, i);
		break;
	case SQLITE_BLOB:
		v->type = VALUE_BLOB;
		v->text = sqlite3_column_blob(stmt, i);
		v->size = sqlite3_column_bytes(stmt, i);
		break;
	default:
		break;
	}
}

struct run {
	sqlite3_stmt *stmt;
	int count;
	const char **names;
	struct query_value *values;
	int64_t rows, bytes;
};

static int deliver(struct run *run, const struct query_limits *limits, query_row_fn fn, void *ctx)
{
	if (run->rows == limits->rows)
		return -E2BIG;
	for (int i = 0; i < run->count; i++) {
		get_value(run->stmt, i, &run->values[i]);
		run->bytes += run->values[i].type == VALUE_TEXT || run->values[i].type == VALUE_BLOB
				      ? run->values[i].size
				      : 8;
	}
	if (limits->bytes && run->bytes > limits->bytes)
		return -EFBIG;
	run->rows++;
	return fn ? fn(ctx, run->count, run->names, run->values) : 0;
}

static int failure_of(struct reader *r, int rc, struct strbuf *ret_error)
{
	rc &= 0xff;
	if (rc == SQLITE_INTERRUPT) {
		strbuf_addstr(ret_error, "the query took longer than it may");
		return -ETIME;
	}
	strbuf_add_plain(ret_error, sqlite3_errmsg(r->db));
	if (rc == SQLITE_AUTH || rc == SQLITE_READONLY)
		return -EPERM;
	if (rc == SQLITE_TOOBIG)
		return -EFBIG;
	if (rc == SQLITE_NOMEM)
		return -ENOMEM;
	return rc == SQLITE_ERROR || rc == SQLITE_RANGE || rc == SQLITE_MISMATCH ? -EINVAL : -EIO;
}

static int64_t step_all(struct reader *r, struct run *run, const struct query_limits *limits, query_row_fn fn,
			void *ctx, struct strbuf *ret_error)
{
	int rc;

	for (int i = 0; i < run->count; i++)
		run->names[i] = sqlite3_column_name(run->stmt, i);
	while ((rc = sqlite3_step(run->stmt)) == SQLITE_ROW) {
		int e = deliver(run, limits, fn, ctx);

		if (!e)
			continue;
		if (e == -E2BIG)
			strbuf_addf(ret_error, "more than %" PRId64 " rows", limits->rows);
		else if (e == -EFBIG)
			strbuf_addf(ret_error, "the result is larger than %" PRId64 " bytes", limits->bytes);
		return e;
	}
	return rc == SQLITE_DONE ? run->rows : failure_of(r, rc, ret_error);
}

/* Anything but white space and comments behind the first statement is another one. */
static int check_tail(struct reader *r, const char *tail, struct strbuf *ret_error)
{
	while (*tail) {
		sqlite3_stmt *more = NULL;
		const char *next;
		int rc = sqlite3_prepare_v2(r->db, tail, -1, &more, &next);

		sqlite3_finalize(more);
		if (rc != SQLITE_OK || more) {
			strbuf_addstr(ret_error, "only one statement at a time");
			return -EINVAL;
		}
		if (next == tail)
			break;
		tail = next;
	}
	return 0;
}

static int prepare(struct reader *r, const char *sql, sqlite3_stmt **ret_stmt, struct strbuf *ret_error)
{
	sqlite3_stmt *stmt = NULL;
	const char *tail;
	int rc = sqlite3_prepare_v2(r->db, sql, -1, &stmt, &tail);
	int e = rc == SQLITE_OK ? 0 : failure_of(r, rc, ret_error);

	if (!e && !stmt) {
		strbuf_addstr(ret_error, "no statement");
		e = -EINVAL;
	}
	if (!e && !sqlite3_stmt_readonly(stmt)) {
		strbuf_addstr(ret_error, "the statement would write");
		e = -EPERM;
	}
	if (!e)
		e = check_tail(r, tail, ret_error);
	if (e) {
		sqlite3_finalize(stmt);
		return e;
	}
	*ret_stmt = stmt;
	return 0;
}

static int64_t run_statement(struct reader *r, const char *sql, const struct query_param *params, size_t count,
			     const struct query_limits *limits, query_row_fn fn, void *ctx, struct strbuf *ret_error)
{
	struct run run = { 0 };
	int64_t e = prepare(r, sql, &run.stmt, ret_error);

	if (e)
		return e;
	run.count = sqlite3_column_count(run.stmt);
	run.names = calloc((size_t)run.count + 1, sizeof(*run.names));
	run.values = calloc((size_t)run.count + 1, sizeof(*run.values));
	e = -ENOMEM;
	if (run.names && run.values) {
		bind_params(run.stmt, params, count);
		e = step_all(r, &run, limits, fn, ctx, ret_error);
	}
	sqlite3_finalize(run.stmt);
	free(run.names);
	free(run.values);
	return e;
}

int64_t reader_query(struct reader *r, const char *sql, const struct query_param *params, size_t count,
		     const struct query_limits *limits, query_row_fn fn, void *ctx, struct strbuf *ret_error)
{
	struct query_limits l = limits ? *limits : (struct query_limits){ 0 };
	int64_t result;

	if (make_views_for(r, sql)) {
		strbuf_addstr(ret_error, "the views of the store cannot be made");
		return -EIO;
	}
	if (!l.rows)
		l.rows = READER_ROWS_MAX;
	if (l.time_ns) {
		r->deadline_ns = now_ns() + l.time_ns;
		sqlite3_progress_handler(r->db, PROGRESS_STEPS, is_late, r);
	}
	r->restricted = true;
	result = run_statement(r, sql, params, count, &l, fn, ctx, ret_error);
	r->restricted = false;
	sqlite3_progress_handler(r->db, 0, NULL, NULL);
	return result;
}
