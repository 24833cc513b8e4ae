/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/store.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "aggregate/identity.h"
#include "aggregate/shards.h"
#include "aggregate/thin.h"
#include "base/embed.h"
#include "base/hash.h"
#include "base/hashmap.h"

#define STRINGS_MAX 16384
#define STACKS_MAX 2048 /* more than collect/stacks.c takes for told; some 1 KiB each */
#define RECENT_SIZE 256	      /* a power of two */
#define ROWS_PER_COMMIT 16384 /* a flood without ticks does not grow one transaction without end */

enum statement {
	STMT_BEGIN,
	STMT_COMMIT,
	STMT_SIZE,
	STMT_EVENT,
	STMT_FROM,
	STMT_CONTAINER,
	STMT_DIRECTORY,
	STMT_STACK,
	STMT_STR_ADD,
	STMT_STR_FIND,
	STMT_META,
	STMT_THIN_FOLD,
	STMT_THIN_DELETE,
	STMT_THIN_BACK,
	STMT_THIN_CLEAR,
	STMT_COUNT,
};

/* What somebody said, else what the path says. */
#define FACT(name, otherwise) "coalesce(json_extract(:facts, '$." name "[1]'), " otherwise ")"

/* Parameters of STMT_EVENT, in the order of its columns: to look them up by name would be a fifth of what a row costs. */
enum event_param {
	P_TS_NS = 1,
	P_KIND,
	P_CID,
	P_PCID,
	P_DURATION_NS,
	P_ERROR,
	P_FLAGS,
	P_CPU,
	P_PID,
	P_TID,
	P_START_NS,
	P_COMM,
	P_PPID,
	P_PTID,
	P_PSTART_NS,
	P_PCOMM,
	P_STACK,
	P_PSTACK,
	P_PAYLOAD,
};

static const char *const statements[STMT_COUNT] = {
	[STMT_BEGIN] = "BEGIN IMMEDIATE",
	[STMT_COMMIT] = "COMMIT",
	[STMT_SIZE] = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
	[STMT_EVENT] = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[STMT_FROM] = "SELECT ts_ns FROM event WHERE ts_ns >= :ts_ns ORDER BY ts_ns",
	[STMT_CONTAINER] =
		"INSERT OR REPLACE INTO container VALUES (:cid, :ref, :name, " FACT("runtime", ":runtime") ", "
		FACT("id", ":id") ", " FACT("pod", ":pod") ", " FACT("namespace", "NULL") ", " FACT("image", "NULL")
		", " FACT("labels", "NULL") ", :cgroup, :parent, :first_ns, :last_ns, :kind, :facts)",
	[STMT_DIRECTORY] = "INSERT OR REPLACE INTO directory VALUES (:hierarchy, :id, :cid, :inside, :path_hash)",
	[STMT_STACK] = "INSERT OR IGNORE INTO stack VALUES (:hash, :text)",
	[STMT_STR_ADD] = "INSERT OR IGNORE INTO str (text) VALUES (:text)",
	[STMT_STR_FIND] = "SELECT id FROM str WHERE text = :text",
	[STMT_META] = "INSERT OR REPLACE INTO meta VALUES (:key, :value)",
	/* Of a query with one max() SQLite takes the other columns from the row that has it: the latest of each. */
	[STMT_THIN_FOLD] =
		"INSERT INTO temp.thin"
		" SELECT max(ts_ns), kind, cid, pcid, duration_ns, error, flags, cpu, pid, tid,"
		" start_ns, comm, ppid, ptid, pstart_ns, pcomm, stack, pstack, kw_fold(kind, ts_ns, payload)"
		" FROM main.event"
		" WHERE kind = :kind AND ts_ns > :from AND ts_ns <= :to"
		" GROUP BY cid, pcid, pid, comm, stack, pstack, kw_fold_key(kind, payload)",
	[STMT_THIN_DELETE] = "DELETE FROM main.event WHERE kind = :kind AND ts_ns > :from AND ts_ns <= :to",
	[STMT_THIN_BACK] = "INSERT INTO main.event SELECT * FROM temp.thin",
	[STMT_THIN_CLEAR] = "DELETE FROM temp.thin",
};

struct stack_text {
	uint64_t hash;
	uint64_t generation; /* of the shard that has it */
	bool used;	     /* since the clock hand passed */
	char *text;
};

struct store {
	struct shards *shards;
	struct store_limits limits;
	char boot_id[40], node[65], kernel[65], arch[17];
	sqlite3 *db;
	sqlite3_stmt *stmts[STMT_COUNT];
	int64_t name;	  /* of the live shard */
	int64_t first_ns; /* of its rows */
	bool in_transaction;
	uint64_t generation, pending, stored, lost;
	struct {
		int64_t base, next;
	} recent[RECENT_SIZE]; /* where the last rows of one time went */
	struct hashmap *strings;
	struct hashmap *stacks;
	struct stack_text *stack_ring;
	size_t stack_count, stack_hand;
};

/* ---- statements ------------------------------------------------------------------------------------------ */

static int error_of(sqlite3 *db, int rc)
{
	int os = sqlite3_system_errno(db);

	if ((rc & 0xff) == SQLITE_FULL || os == ENOSPC || os == EDQUOT || os == EFBIG)
		return -ENOSPC;
	return (rc & 0xff) == SQLITE_NOMEM ? -ENOMEM : -EIO;
}

static int parameter(sqlite3_stmt *stmt, const char *name)
{
	return sqlite3_bind_parameter_index(stmt, name);
}

static void bind_int(sqlite3_stmt *stmt, const char *name, int64_t value)
{
	sqlite3_bind_int64(stmt, parameter(stmt, name), value);
}

/* Empty text is NULL. */
static void bind_text(sqlite3_stmt *stmt, const char *name, const char *value)
{
	if (value && *value)
		sqlite3_bind_text(stmt, parameter(stmt, name), value, -1, SQLITE_STATIC);
}

static int run(sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_DONE || rc == SQLITE_ROW)
		rc = SQLITE_OK;
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc;
}

static int prepare_all(struct store *s)
{
	int r = thin_register(s->db);

	if (r != SQLITE_OK)
		return error_of(s->db, r);
	for (size_t i = 0; i < STMT_COUNT; i++) {
		int rc = sqlite3_prepare_v3(s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmts[i], NULL);

		if (rc != SQLITE_OK)
			return error_of(s->db, rc);
	}
	return 0;
}

/* ---- the live shard -------------------------------------------------------------------------------------- */

static void forget_written(struct store *s)
{
	s->generation++;
	hashmap_free(s->strings);
	s->strings = hashmap_new(KW_COMM_LEN, STRINGS_MAX);
	memset(s->recent, 0, sizeof(s->recent));
}

static void shard_close(struct store *s)
{
	for (size_t i = 0; i < STMT_COUNT; i++) {
		sqlite3_finalize(s->stmts[i]);
		s->stmts[i] = NULL;
	}
	sqlite3_close(s->db);
	s->db = NULL;
	s->in_transaction = false;
}

/* After a failure: what was not committed is gone.  A shard that turned out to be damaged is left for good. */
static int fail(struct store *s, int rc)
{
	int error = error_of(s->db, rc);

	rc = sqlite3_errcode(s->db) & 0xff;
	s->lost += s->pending;
	s->pending = 0;
	if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	s->in_transaction = false;
	forget_written(s);
	if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB) {
		shard_close(s);
		shards_set_aside(s->shards, s->name);
	}
	return error;
}

static int write_meta(struct store *s)
{
	const struct {
		const char *key, *value;
	} rows[] = {
		{ "boot_id", s->boot_id }, { "node", s->node }, { "kernel", s->kernel },
		{ "arch", s->arch },	   { "format", "1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int rc;

		bind_text(s->stmts[STMT_META], ":key", rows[i].key);
		sqlite3_bind_text(s->stmts[STMT_META], parameter(s->stmts[STMT_META], ":value"), rows[i].value, -1,
				  SQLITE_STATIC);
		rc = run(s->stmts[STMT_META]);
		if (rc != SQLITE_OK)
			return rc;
	}
	return SQLITE_OK;
}

static int shard_begin(struct store *s, int64_t ts_ns)
{
	int r = shards_create(s->shards, ts_ns, &s->name, &s->db);

	if (r)
		return r;
	r = prepare_all(s);
	if (!r && write_meta(s) != SQLITE_OK)
		r = -EIO;
	if (r) {
		shard_close(s);
		shards_remove(s->shards, s->name);
		return r;
	}
	s->first_ns = ts_ns;
	forget_written(s);
	return 0;
}

static int ensure(struct store *s, int64_t ts_ns)
{
	int rc;

	if (!s->db) {
		int r = shard_begin(s, ts_ns);

		if (r)
			return r;
	}
	if (s->in_transaction)
		return 0;
	rc = run(s->stmts[STMT_BEGIN]);
	if (rc != SQLITE_OK)
		return fail(s, rc);
	s->in_transaction = true;
	return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------------ */

/* The number of a string in the live shard; 0 for "". */
static int intern(struct store *s, const char *comm, int64_t *ret_id)
{
	char key[KW_COMM_LEN + 1] = "";
	sqlite3_stmt *stmt = s->stmts[STMT_STR_ADD];
	void *known;
	int rc;

	*ret_id = 0;
	memcpy(key, comm, strnlen(comm, KW_COMM_LEN));
	if (!key[0])
		return SQLITE_OK;
	known = s->strings ? hashmap_get(s->strings, key) : NULL;
	if (known) {
		*ret_id = (int64_t)(intptr_t)known;
		return SQLITE_OK;
	}
	bind_text(stmt, ":text", key);
	rc = run(stmt);
	if (rc != SQLITE_OK)
		return rc;
	stmt = s->stmts[STMT_STR_FIND];
	bind_text(stmt, ":text", key);
	rc = sqlite3_step(stmt);
	*ret_id = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
	if (s->strings && hashmap_put(s->strings, key, (void *)(intptr_t)*ret_id, NULL)) {
		hashmap_free(s->strings); /* full: begin anew rather than ask for every name from now on */
		s->strings = hashmap_new(KW_COMM_LEN, STRINGS_MAX);
	}
	return SQLITE_OK;
}

static int bind_party(struct store *s, const struct store_party *p, bool peer)
{
	sqlite3_stmt *stmt = s->stmts[STMT_EVENT];
	int64_t comm;
	int rc;

	if (p->known)
		sqlite3_bind_int64(stmt, peer ? P_PCID : P_CID, p->cid);
	if (!p->has_task)
		return SQLITE_OK;
	rc = intern(s, p->comm, &comm);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_bind_int64(stmt, peer ? P_PPID : P_PID, p->pid);
	sqlite3_bind_int64(stmt, peer ? P_PTID : P_TID, p->tid);
	sqlite3_bind_int64(stmt, peer ? P_PSTART_NS : P_START_NS, (int64_t)p->start_ns);
	if (comm)
		sqlite3_bind_int64(stmt, peer ? P_PCOMM : P_COMM, comm);
	return SQLITE_OK;
}

static int insert_row(struct store *s, const struct store_row *row, int64_t ts_ns)
{
	sqlite3_stmt *stmt = s->stmts[STMT_EVENT];
	int rc = bind_party(s, &row->subject, false);

	if (rc == SQLITE_OK)
		rc = bind_party(s, &row->peer, true);
	if (rc != SQLITE_OK) {
		sqlite3_clear_bindings(stmt);
		return rc;
	}
	sqlite3_bind_int64(stmt, P_TS_NS, ts_ns);
	sqlite3_bind_int64(stmt, P_KIND, row->kind);
	sqlite3_bind_int64(stmt, P_DURATION_NS, (int64_t)row->duration_ns);
	sqlite3_bind_int64(stmt, P_ERROR, row->error);
	sqlite3_bind_int64(stmt, P_FLAGS, row->flags);
	sqlite3_bind_int64(stmt, P_CPU, row->cpu);
	if (row->stack)
		sqlite3_bind_int64(stmt, P_STACK, (int64_t)row->stack);
	if (row->peer_stack)
		sqlite3_bind_int64(stmt, P_PSTACK, (int64_t)row->peer_stack);
	sqlite3_bind_blob(stmt, P_PAYLOAD, row->payload, (int)row->size, SQLITE_STATIC);
	return run(stmt);
}

/* The first free nanosecond from ts_ns on. */
static int64_t next_free(struct store *s, int64_t ts_ns)
{
	sqlite3_stmt *stmt = s->stmts[STMT_FROM];

	bind_int(stmt, ":ts_ns", ts_ns);
	while (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int64(stmt, 0) == ts_ns)
		ts_ns++;
	sqlite3_reset(stmt);
	return ts_ns;
}

/* Samples of one tick share one time: where the last of them went is remembered. */
static int insert_free(struct store *s, const struct store_row *row)
{
	size_t slot = hash_bytes(&row->ts_ns, sizeof(row->ts_ns), 0) & (RECENT_SIZE - 1);
	int64_t ts_ns = s->recent[slot].base == row->ts_ns && s->recent[slot].next ? s->recent[slot].next : row->ts_ns;
	int rc = insert_row(s, row, ts_ns);

	if ((rc & 0xff) == SQLITE_CONSTRAINT) {
		ts_ns = next_free(s, ts_ns);
		rc = insert_row(s, row, ts_ns);
	}
	s->recent[slot].base = row->ts_ns;
	s->recent[slot].next = ts_ns + 1;
	return rc;
}

static int insert_stack(struct store *s, uint64_t hash)
{
	struct stack_text *t = hash ? hashmap_get(s->stacks, &hash) : NULL;
	int rc;

	if (!t)
		return SQLITE_OK;
	t->used = true;
	if (t->generation == s->generation)
		return SQLITE_OK;
	bind_int(s->stmts[STMT_STACK], ":hash", (int64_t)hash);
	bind_text(s->stmts[STMT_STACK], ":text", *t->text ? t->text : "?");
	rc = run(s->stmts[STMT_STACK]);
	if (rc == SQLITE_OK)
		t->generation = s->generation;
	return rc;
}

int store_begin(struct store *s, int64_t ts_ns)
{
	int r = ensure(s, ts_ns);

	s->lost += r != 0;
	return r;
}

int store_event(struct store *s, const struct store_row *row)
{
	int r = store_begin(s, row->ts_ns);
	int rc;

	if (r)
		return r;
	rc = insert_stack(s, row->stack);
	if (rc == SQLITE_OK)
		rc = insert_stack(s, row->peer_stack);
	if (rc == SQLITE_OK)
		rc = insert_free(s, row);
	s->pending++;
	if (rc != SQLITE_OK)
		return fail(s, rc);
	return s->pending >= ROWS_PER_COMMIT ? store_commit(s, row->ts_ns) : 0;
}

static int write_nodes(struct store *s, const struct container *c)
{
	sqlite3_stmt *stmt = s->stmts[STMT_DIRECTORY];

	for (const struct node *n = c->nodes; n; n = n->next) {
		int rc;

		bind_int(stmt, ":hierarchy", (int64_t)(n->key >> KW_CG_V1_SHIFT));
		bind_int(stmt, ":id", (int64_t)(n->key & KW_CG_ID_MASK));
		bind_int(stmt, ":cid", c->cid);
		bind_int(stmt, ":inside", n->inside);
		bind_int(stmt, ":path_hash", (int64_t)n->path_hash);
		rc = run(stmt);
		if (rc != SQLITE_OK)
			return rc;
	}
	return SQLITE_OK;
}

int store_container(struct store *s, const struct container *c)
{
	int r = ensure(s, c->first_ns);
	sqlite3_stmt *stmt = s->db ? s->stmts[STMT_CONTAINER] : NULL;
	char ref[32];
	int rc;

	if (r)
		return r;
	snprintf(ref, sizeof(ref), c->cid ? "c%013llx" : "host", (unsigned long long)c->cid);
	bind_int(stmt, ":cid", c->cid);
	bind_text(stmt, ":ref", ref);
	bind_text(stmt, ":name", c->name);
	bind_text(stmt, ":runtime", c->what.runtime);
	bind_text(stmt, ":id", c->what.id);
	bind_text(stmt, ":pod", c->what.pod);
	bind_text(stmt, ":cgroup", c->path);
	bind_text(stmt, ":kind", container_kind_name(c->what.kind));
	bind_text(stmt, ":facts", c->facts);
	if (c->cid)
		bind_int(stmt, ":parent", c->parent);
	bind_int(stmt, ":first_ns", c->first_ns);
	if (c->last_ns)
		bind_int(stmt, ":last_ns", c->last_ns);
	rc = run(stmt);
	if (rc == SQLITE_OK)
		rc = write_nodes(s, c);
	return rc == SQLITE_OK ? 0 : fail(s, rc);
}

/* ---- stacks ---------------------------------------------------------------------------------------------- */

/* Second chance: the hand clears marks until it meets one that was not used since its last round. */
static struct stack_text *stack_slot(struct store *s)
{
	if (s->stack_count < STACKS_MAX)
		return &s->stack_ring[s->stack_count++];
	for (;;) {
		struct stack_text *t = &s->stack_ring[s->stack_hand];

		s->stack_hand = (s->stack_hand + 1) % STACKS_MAX;
		if (!t->used) {
			hashmap_remove(s->stacks, &t->hash);
			free(t->text);
			return t;
		}
		t->used = false;
	}
}

int store_stack(struct store *s, uint64_t hash, const char *text)
{
	struct stack_text *t;
	char *copy;

	if (!hash || hashmap_get(s->stacks, &hash))
		return 0;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	t = stack_slot(s);
	*t = (struct stack_text){ .hash = hash, .text = copy, .used = true };
	return hashmap_put(s->stacks, &hash, t, NULL);
}

/* ---- committing ------------------------------------------------------------------------------------------ */

static bool is_full(struct store *s, int64_t now_ns)
{
	sqlite3_stmt *stmt = s->stmts[STMT_SIZE];
	int64_t bytes = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;

	sqlite3_reset(stmt);
	/* A wall clock set back does not lengthen a shard either. */
	return bytes >= s->limits.shard_size || llabs(now_ns - s->first_ns) >= s->limits.shard_span_ns;
}

static void shard_seal(struct store *s)
{
	sqlite3 *db = s->db;

	s->db = NULL;
	for (size_t i = 0; i < STMT_COUNT; i++) {
		sqlite3_finalize(s->stmts[i]);
		s->stmts[i] = NULL;
	}
	shards_seal(db);
	sqlite3_close(db);
	s->generation++;
}

int store_commit(struct store *s, int64_t now_ns)
{
	int rc;

	if (!s->db)
		return 0;
	if (s->in_transaction) {
		rc = run(s->stmts[STMT_COMMIT]);
		if (rc != SQLITE_OK)
			return fail(s, rc);
		s->in_transaction = false;
		s->stored += s->pending;
		s->pending = 0;
	}
	if (is_full(s, now_ns)) {
		shard_seal(s);
		shards_retain(s->shards, s->limits.max_size - s->limits.shard_size, now_ns - s->limits.max_age_ns);
	}
	return 0;
}

int store_thin(struct store *s, const struct thin_piece *piece)
{
	static const enum statement steps[] = { STMT_THIN_FOLD, STMT_THIN_DELETE, STMT_THIN_BACK, STMT_THIN_CLEAR };

	if (!s->db || !s->in_transaction || piece->to_ns <= s->first_ns)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		sqlite3_stmt *stmt = s->stmts[steps[i]];
		int rc;

		bind_int(stmt, ":kind", piece->kind);
		bind_int(stmt, ":from", piece->from_ns);
		bind_int(stmt, ":to", piece->to_ns);
		rc = run(stmt);
		if (rc != SQLITE_OK)
			return fail(s, rc);
	}
	return 0;
}

uint64_t store_generation(const struct store *s)
{
	return s->generation;
}

void store_stats(const struct store *s, struct store_stats *ret_stats)
{
	*ret_stats = (struct store_stats){ .stored = s->stored, .lost = s->lost };
	shards_measure(s->shards, &ret_stats->shards, &ret_stats->bytes);
}

/* ---- opening --------------------------------------------------------------------------------------------- */

void store_origin(struct store *s, const char *node, const char *kernel, const char *arch)
{
	snprintf(s->node, sizeof(s->node), "%s", node);
	snprintf(s->kernel, sizeof(s->kernel), "%s", kernel);
	snprintf(s->arch, sizeof(s->arch), "%s", arch);
	if (s->db)
		write_meta(s);
}

static void origin_of_host(struct store *s)
{
	struct utsname u;

	if (!uname(&u))
		store_origin(s, u.nodename, u.release, u.machine);
}

/* Continues the newest shard when it is of this boot. */
static int open_newest(struct store *s, struct strbuf *ret_error)
{
	int r = shards_open_newest(s->shards, s->boot_id, &s->name, &s->db, ret_error);

	if (r || !s->db)
		return r;
	r = prepare_all(s);
	if (r) {
		shard_close(s);
		return r;
	}
	s->first_ns = s->name;
	return 0;
}

int store_open(const char *state_dir, const struct store_limits *limits, const char *boot_id, struct store **ret_store,
	       struct strbuf *ret_error)
{
	struct store *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (!s)
		return r;
	s->limits = *limits;
	/* A small store is several shards too, or deleting one would delete everything. */
	s->limits.shard_size = MIN(limits->shard_size, limits->max_size / 4);
	s->generation = 1;
	snprintf(s->boot_id, sizeof(s->boot_id), "%s", boot_id);
	origin_of_host(s);
	s->strings = hashmap_new(KW_COMM_LEN, STRINGS_MAX);
	s->stacks = hashmap_new(sizeof(uint64_t), STACKS_MAX + 1);
	s->stack_ring = calloc(STACKS_MAX, sizeof(*s->stack_ring));
	if (s->strings && s->stacks && s->stack_ring)
		r = shards_open(state_dir, &s->shards, ret_error);
	if (!r)
		r = open_newest(s, ret_error);
	if (r) {
		if (s->shards && !strbuf_str(ret_error)[0])
			strbuf_addf(ret_error, "%s/events: the newest shard cannot be continued: %s", state_dir,
				    strerror(-r));
		store_close(s);
		return r;
	}
	*ret_store = s;
	return 0;
}

void store_spare_memory(struct store *s)
{
	if (s->db && !s->in_transaction)
		sqlite3_db_release_memory(s->db);
	malloc_trim(0);
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->db) {
		if (s->in_transaction && sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
			fail(s, SQLITE_ERROR);
		if (s->db)
			shard_seal(s);
	}
	for (size_t i = 0; i < s->stack_count; i++)
		free(s->stack_ring[i].text);
	free(s->stack_ring);
	hashmap_free(s->strings);
	hashmap_free(s->stacks);
	shards_free(s->shards);
	free(s);
}

int store_share(struct store *s, gid_t gid)
{
	return shards_share(s->shards, gid);
}

static int load_containers(struct store *s, struct identity *id)
{
	sqlite3_stmt *stmt;
	int r = 0;

	if (sqlite3_prepare_v2(s->db,
			       "SELECT cid, cgroup, parent, first_ns, facts FROM container WHERE last_ns IS NULL AND cid <> 0"
			       " AND cgroup IS NOT NULL ORDER BY first_ns, cid",
			       -1, &stmt, NULL) != SQLITE_OK)
		return -EIO;
	while (!r && sqlite3_step(stmt) == SQLITE_ROW)
		r = identity_load_container(id, sqlite3_column_int64(stmt, 0),
					    (const char *)sqlite3_column_text(stmt, 1), sqlite3_column_int64(stmt, 2),
					    sqlite3_column_int64(stmt, 3), (const char *)sqlite3_column_text(stmt, 4));
	sqlite3_finalize(stmt);
	return r;
}

static int load_nodes(struct store *s, struct identity *id)
{
	sqlite3_stmt *stmt;
	int r = 0;

	if (sqlite3_prepare_v2(s->db, "SELECT hierarchy, id, cid, inside, path_hash FROM directory", -1, &stmt, NULL) !=
	    SQLITE_OK)
		return -EIO;
	while (!r && sqlite3_step(stmt) == SQLITE_ROW)
		r = identity_load_node(id, (unsigned int)sqlite3_column_int(stmt, 0),
				       (uint64_t)sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 2),
				       sqlite3_column_int(stmt, 3) != 0, (uint64_t)sqlite3_column_int64(stmt, 4));
	sqlite3_finalize(stmt);
	return r;
}

int store_load(struct store *s, struct identity *id, int64_t *ret_last_ns)
{
	int r;

	*ret_last_ns = 0;
	if (!s->db)
		return 0;
	r = load_containers(s, id);
	if (!r)
		r = load_nodes(s, id);
	if (!r)
		*ret_last_ns = MAX(shard_query_int(s->db, "SELECT max(ts_ns) FROM event"), 0);
	return r;
}
