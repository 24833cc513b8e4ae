/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundles: a window of one host's store as one portable file (schema/bundle.h
 * has its contents).  Made from a state directory, running or not; unpacked
 * into one, which every reader then reads as any other.
 */
#ifndef KWHY_ANALYZE_BUNDLE_H
#define KWHY_ANALYZE_BUNDLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "analyze/dbcopy.h"
#include "base/config.h"
#include "base/strbuf.h"

/* Names below a directory that bundle_unpack() filled. */
#define BUNDLE_MANIFEST "manifest.json"
#define BUNDLE_DIAGNOSIS "diagnosis.jsonl"

struct bundle_request {
	const char *state_dir, *path; /* the file must not exist */
	const struct config *config;
	const char *version;          /* of this program */
	int64_t from_ns, to_ns, created_ns;
	enum redaction redaction;
};

/* The window that explains a report: five minutes before its onset, for what was usual and what led to it, to half a
 * minute after its end, or to now while it is open. */
void bundle_window(const json_t *report, int64_t now_ns, int64_t *ret_from_ns, int64_t *ret_to_ns);
/* "none", "names", "all"; NULL text is none.  -EINVAL for another. */
int bundle_redaction(const char *text, enum redaction *ret);

/*
 * Errors leave a line in *ret_error: -ENODATA nothing stored in that window, -EEXIST, -EFBIG more than a bundle may
 * hold.  *ret_manifest is a new reference.
 */
int bundle_export(const struct bundle_request *request, json_t **ret_manifest, struct strbuf *ret_error);

/* Whether the file begins like an SQLite database, as a bundle does and a capture does not. */
bool bundle_is(const char *path);

/*
 * Fills dir, which exists and is empty, with a state directory, the manifest, the diagnosis and the rules.  The file is
 * hostile until read: hashes are checked, names are those of schema/bundle.h and nothing else, and databases are
 * copied row by row into files of our own schema (analyze/dbcopy.h).  with_reports false leaves the reports out.
 * -EPROTO no bundle or a newer one, -EBADMSG damaged or not what it says, -EFBIG.
 */
int bundle_unpack(const char *path, const char *dir, bool with_reports, json_t **ret_manifest,
		  struct strbuf *ret_error);

#endif
