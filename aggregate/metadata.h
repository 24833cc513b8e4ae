/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where containers get their names from: runtimes' files and sockets, each source a plug-in of schema/sources.def.
 *
 * Sources are asked by threads of their own, lane by lane, and at once about what their runtime has news of; what they say comes back as identity records, to be handed
 * on like any other record, so that a capture replays with the same names.  Nobody waits for a source: asking and
 * taking answers only ever take a lock that no source holds while it works.
 *
 * Bounded: questions and answers that wait, the size of what is read, the time and the rate at which sockets are asked.
 * What a bound cost is in the source records.
 */
#ifndef KWHY_AGGREGATE_METADATA_H
#define KWHY_AGGREGATE_METADATA_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "aggregate/paths.h"
#include "aggregate/record.h"
#include "base/config.h"
#include "base/strbuf.h"

#define METADATA_FILE_MAX (2 << 20) /* bytes of one file or answer */

struct metadata;

/* root: "" or the directory of a tree of fixtures.  -ENOMEM, -EAGAIN (no threads). */
int metadata_new(const struct config *config, const char *root, struct metadata **ret_metadata);
void metadata_free(struct metadata *m); /* waits for a source at work, which is bounded; NULL is fine */

/*
 * Asks about the container whose cgroup cg is.  path: below the root of the hierarchies.  maker: the process that made
 * the directory, member: one that is in it; 0 unknown.  made_by: kw_cgroup.maker.  Asking again about the same directory
 * only adds what was not known of these.
 */
void metadata_ask(struct metadata *m, const struct kw_cg *cg, const char *path, uint32_t maker, uint32_t member,
		  const char *made_by);
/* It has gone: a last look for how it ended, then it is forgotten. */
void metadata_gone(struct metadata *m, const struct kw_cg *cg);

/* The next record of a source; false: none now.  Once in a while that is the state of a source itself. */
bool metadata_next(struct metadata *m, union record *ret_record);
/* An answer may come within milliseconds. */
bool metadata_busy(struct metadata *m);

/* ---- for sources ------------------------------------------------------------------------------------------------- */

struct listener;
struct httpc_lines;

/* One question. */
struct lookup {
	const char *root;
	char path[sizeof(((struct kw_cgroup *)0)->path) + 1];
	struct path_identity what; /* of the path */
	char id[PATH_ID_LEN];	   /* the runtime's, or the last part of the path: a guess then */
	uint32_t maker, member;
	const char *made_by; /* kw_cgroup.maker */
	bool ended;
	json_t *known; /* what earlier sources of the lane have found */
	void *state;   /* of the source */
	char why[128]; /* what went wrong, said by a source that returns an error */
};

struct metadata_source {
	bool (*wants)(const struct lookup *l); /* NULL: every question */
	/*
	 * Looks for the container, puts fields of aggregate/facts.def into found.
	 * 1: knows it; 0: does not; -EBADMSG: what was there was malformed; other errors: could not be asked.
	 */
	int (*look)(struct lookup *l, json_t *found);
	/*
	 * Hears of news with metadata_lines() and calls metadata_news() for each container they are about, in a thread of
	 * its own; returns when there is nobody to hear from, and is called again after a while.  NULL: there is no news.
	 */
	void (*listen)(struct listener *l);
	/* The state of a source, made in its thread; NULL both when it has none. */
	void *(*start)(const struct config *config, const char *root);
	void (*stop)(void *state);
};

/* The runtime had something to say of that container: it is asked about at once. */
void metadata_news(struct listener *l, const char *id);
struct httpc_lines *metadata_lines(const struct listener *l);
const char *metadata_root(const struct listener *l);

/* A JSON file below root, which may be anybody's: regular, not through a link at its end, bounded.  -EBADMSG, errno. */
int metadata_read_json(struct lookup *l, const char *path, json_t **ret_json);
/* The same for bytes that came from elsewhere; what: for *why. */
int metadata_parse_json(struct lookup *l, const char *what, const char *text, size_t len, json_t **ret_json);
/* What a failed question to a socket is worth: nobody there, or nothing known, is no error. */
int metadata_absent(struct lookup *l, const char *whom, int error);
/* The state of a source that only needs a struct httpc. */
void *metadata_start_http(const struct config *config, const char *root);
void metadata_stop_http(void *state);
/* A text of found, or of what earlier sources found; "" when nobody said it. */
const char *metadata_text(const json_t *object, const char *field);
void metadata_set(json_t *found, const char *field, const char *text); /* "" sets nothing */

#endif
