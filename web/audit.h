/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who changed what, and who was refused: one JSON object a line in STATE/reports/audit.jsonl.  At AUDIT_FILE_MAX bytes
 * the file makes way for a new one and the one before that goes; refusals are written AUDIT_REFUSALS a minute at most,
 * so that nobody can wash the rest out, and the next line says how many were not.
 */
#ifndef KWHY_WEB_AUDIT_H
#define KWHY_WEB_AUDIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define AUDIT_FILE_MAX (1 << 20)
#define AUDIT_REFUSALS 60
#define AUDIT_LIMIT_MAX 1000

struct audit_entry {
	int64_t ts_ns;
	const char *who, *role, *from; /* from: an address, or "unix uid N" */
	const char *method, *path;
	const char *body; /* what was sent, NULL: nothing; the beginning is kept */
	unsigned int status;
};

struct audit;

struct audit *audit_new(const char *state_dir); /* NULL: no memory */
void audit_free(struct audit *a);		/* NULL is fine */
/* 0 or negative errno: then the entry is lost. */
int audit_write(struct audit *a, const struct audit_entry *entry);

/*
 * Newest first, those of [since, until), at most limit.  Each has ts_ns, who, role, from, method, path, status, and
 * body and unrecorded (refusals before it that were not written) where there are any.  0 or negative errno; -ENOENT
 * when nothing was ever written.
 */
int audit_read(const char *state_dir, int64_t since_ns, int64_t until_ns, int64_t limit, json_t **ret_entries);

#endif
