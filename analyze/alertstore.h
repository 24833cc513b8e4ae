/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STATE/reports/alerts.db: the state of alerts, silences, and the outbox.  All of it belongs to the server; each of its
 * threads opens a store of its own (SQLite's locks keep them apart).
 */
#ifndef KWHY_ANALYZE_ALERTSTORE_H
#define KWHY_ANALYZE_ALERTSTORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "analyze/alertstate.h"
#include "base/strbuf.h"
#include "base/timeutil.h"

#define ALERTS_MAX 10000          /* kept at a time; more are counted and dropped */
#define ALERTS_RECENT_NS (24 * 3600 * NSEC_PER_SEC) /* a resolved one is listed beside the others for so long */
#define SILENCES_MAX 1000
#define PAST_ALERTS_MAX 100000    /* resolved ones; the oldest go first */
#define MARKS_MAX 10000           /* the oldest go first */
#define OUTBOX_MAX 100000         /* deliveries waiting; the oldest go first when it is full, counted */
#define ALERT_FINGERPRINT_LEN 64

struct alertstore;

struct alert {
	char fingerprint[ALERT_FINGERPRINT_LEN + 1];
	char *rule;
	json_t *labels, *annotations; /* objects of strings */
	double value;
	struct alert_life life;
	int64_t sent_ns;   /* 0: never */
	char held_by[96];  /* "": by nobody */
};

void alert_cleanup(struct alert *a);

/* The object of the API and of `kwhy alerts --json`. */
json_t *alert_row(const struct alert *a);

/*
 * For writing: makes and migrates it; for reading: only what lists things works.  Negative errno with a line in
 * *ret_error: -ENOENT nobody wrote one yet, -EPROTO written by a newer kwhy.
 */
int alertstore_open(const char *state_dir, bool write, struct alertstore **ret_store, struct strbuf *ret_error);
void alertstore_free(struct alertstore *s); /* NULL is fine */
/* What is done between the two is one transaction. */
int alertstore_begin(struct alertstore *s);
int alertstore_commit(struct alertstore *s);
void alertstore_rollback(struct alertstore *s);

/* A resolved alert is kept among the past ones, too, once: neither its next life nor alertstore_forget() changes that. */
int alertstore_put(struct alertstore *s, const struct alert *a);
int alertstore_forget(struct alertstore *s, const char *fingerprint);
/* Forgets past alerts that were resolved before then, and those beyond PAST_ALERTS_MAX. */
int alertstore_expire(struct alertstore *s, int64_t before_ns);
/* Newest first; fn may take what it needs out of the alert, the rest is freed behind it.  Count or negative errno. */
int alertstore_each(struct alertstore *s, int (*fn)(void *ctx, struct alert *a), void *ctx);
/*
 * The same for alerts that were pending, firing or resolved within [from_ns, to_ns], each in the state it had at to_ns;
 * ALERTS_MAX of them at most.  from_ns 0: ALERTS_RECENT_NS before to_ns.  What was pending and never fired leaves no
 * trace; held_by is the last there was, of a past alert that at its end.
 */
int alertstore_between(struct alertstore *s, int64_t from_ns, int64_t to_ns, int (*fn)(void *ctx, struct alert *a),
		       void *ctx);

/* A silence is the JSON object of the API: id, matchers [{name, op, value}], author, comment, starts_ns, ends_ns. */
int alertstore_put_silence(struct alertstore *s, const json_t *silence, int64_t now_ns); /* -E2BIG too many */
/* Ends it now.  -ENOENT. */
int alertstore_end_silence(struct alertstore *s, const char *id, int64_t now_ns);
/* Those that end after then, as a list. */
int alertstore_silences(struct alertstore *s, int64_t after_ns, json_t **ret_list);

/* What somebody said about an incident.  Texts are borrowed. */
struct alert_mark {
	const char *incident, *what, *author, *comment;
	const char *silence; /* "": none */
	int64_t at_ns, until_ns; /* until: of a mute, else 0 */
};
int alertstore_mark(struct alertstore *s, const struct alert_mark *mark);
/* Ends the silences that mutes of this incident made. */
int alertstore_unmute(struct alertstore *s, const char *incident, int64_t now_ns);
/* Of one incident, oldest first; incident NULL: the newest of each.  Rows as they are stored. */
int alertstore_marks(struct alertstore *s, const char *incident, json_t **ret_list);

int alertstore_send(struct alertstore *s, const char *receiver, const char *body, int64_t now_ns);
/* The oldest delivery of a receiver that is due; -ENOENT none.  *ret_body is malloc()ed. */
int alertstore_due(struct alertstore *s, const char *receiver, int64_t now_ns, int64_t *ret_id, int *ret_tries,
		   char **ret_body);
int alertstore_sent(struct alertstore *s, int64_t id);
int alertstore_failed(struct alertstore *s, int64_t id, int64_t next_ns, const char *error);
/* Per receiver: waiting, oldest_ns, tries and the last error of the oldest; of all: how many were ever dropped. */
int alertstore_outbox(struct alertstore *s, json_t **ret_list);

#endif
