/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a database of ours, or of a stranger's that claims to be one, copied
 * into a fresh file whose schema is this program's own: tables and columns that
 * both have, nothing else, so that no view, trigger or virtual table of the
 * source is ever run.
 */
#ifndef KWHY_ANALYZE_DBCOPY_H
#define KWHY_ANALYZE_DBCOPY_H

#include <stdint.h>

#include "base/strbuf.h"

enum redaction {
	REDACT_NONE,
	REDACT_NAMES, /* of containers, cgroups, images, pods, labels, files, the node; kernel log lines go */
	REDACT_ALL,   /* and those of processes, and network addresses */
};

struct dbcopy {
	const char *from_path, *to_path; /* the second must not exist */
	int64_t from_ns, to_ns;          /* wall clock; rows of events and incidents that overlap it */
	enum redaction redaction;
	uint64_t salt;                   /* addresses are replaced by a hash with it */
};

/*
 * Number of events (shard) or incidents (reports) copied, or negative errno with a line in *ret_error: -EBADMSG
 * damaged or not what it should be, -ETIME when reading it takes unreasonably long.
 */
int64_t dbcopy_shard(const struct dbcopy *what, struct strbuf *ret_error);
int64_t dbcopy_reports(const struct dbcopy *what, struct strbuf *ret_error);

#endif
