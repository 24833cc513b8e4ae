/* SPDX-License-Identifier: Apache-2.0 */
/* What all requests of one server share: its options, a bounded pool of readers, and counters. */
#ifndef KWHY_WEB_WEB_H
#define KWHY_WEB_WEB_H

#include <jansson.h>
#include <stdint.h>

#include "analyze/reader.h"
#include "analyze/rules.h"
#include "base/config.h"
#include "base/strbuf.h"
#include "web/audit.h"
#include "web/stream.h"
#include "web/tokens.h"

#define WEB_READERS_MAX 4
#define WEB_SQL_ROWS 10000
#define WEB_SQL_BYTES (8 * 1024 * 1024)

struct web;

struct web_options {
	const char *state_dir;
	const char *host;   /* names to answer for, as a Host header has them, separated by spaces */
	const char *listen; /* as people write it, for the agent page */
	const char *config; /* "key = value" lines, for the agent page */
	const struct config *settings; /* the same, for what analyses on demand; must outlive the server */
	const char *sql_program; /* see analyze/worker.h; NULL: no SQL.  Not copied */
	int64_t sql_time_ns, sql_memory_bytes;
	bool tls;	       /* cookies travel encrypted */
	struct tokens *tokens; /* who may come in; NULL: everybody, as admin.  Must outlive the server */
	struct audit *audit;   /* where changes are noted; NULL: nowhere.  Must outlive the server */
};

struct web *web_new(const struct web_options *options); /* copies the texts; NULL when out of memory */
void web_free(struct web *w);
const struct web_options *web_options(const struct web *w);

/* A reader for one request; waits for a free one.  Errors of reader_open(). */
int web_reader_get(struct web *w, struct reader **ret_reader, struct strbuf *ret_error);
void web_reader_put(struct web *w, struct reader *r);

/*
 * The diagnosis rules, read again when a file of the site's changed: reading them compiles some hundred queries.  Held
 * until web_rules_put(); be quick.  Errors of rules_load(), then nothing is held.
 */
int web_rules_get(struct web *w, const struct rules **ret_rules, struct strbuf *ret_error);
void web_rules_put(struct web *w);
/* The text of a setting, "" where the server has none. */
const char *web_setting(const struct web *w, const char *name);

/* One diagnosis on demand at a time: false when one runs already. */
bool web_diagnosis_begin(struct web *w);
void web_diagnosis_end(struct web *w);

/* One SQL statement of a user at a time: false when one runs already. */
bool web_sql_begin(struct web *w);
void web_sql_end(struct web *w);

/* What /api/v1/stream tells its listeners. */
struct stream *web_stream(struct web *w);
/* A revision of a report was stored. */
void web_tell_report(struct web *w, const json_t *report);
/* So many ticks were analysed; to be called now and then even with 0. */
void web_tell_ticks(struct web *w, int count);

/* status / 100, 1 to 5 */
void web_count_response(struct web *w, unsigned int status);
uint64_t web_responses(const struct web *w, unsigned int status_class);
int64_t web_started_ns(const struct web *w); /* wall clock */
/* Entries of the audit log that could not be written; result: of audit_write(). */
void web_count_audit(struct web *w, int result);
uint64_t web_audit_lost(const struct web *w);

#endif
