/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of one diagnosis: what several rules ask alike is asked of the store once.  Pure bookkeeping.
 */
#ifndef KWHY_ANALYZE_MEMO_H
#define KWHY_ANALYZE_MEMO_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define MEMO_MAX 256 /* further ones are not kept */

struct answer {
	const char *sql; /* borrowed */
	uint64_t values; /* a hash of the values of its parameters */
	int holds;
	json_t *json; /* shared: not to be changed */
};

struct memo {
	struct answer answers[MEMO_MAX];
	size_t count;
};

void memo_clear(struct memo *m);
/* NULL: not asked yet.  Queries of the same text are the same, wherever they stand. */
const struct answer *memo_find(const struct memo *m, const char *sql, uint64_t values);
void memo_add(struct memo *m, const char *sql, uint64_t values, int holds, json_t *json);

#endif
