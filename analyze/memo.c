/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/memo.h"

#include <string.h>

void memo_clear(struct memo *m)
{
	for (size_t i = 0; i < m->count; i++)
		json_decref(m->answers[i].json);
	m->count = 0;
}

const struct answer *memo_find(const struct memo *m, const char *sql, uint64_t values)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct answer *a = &m->answers[i];

		if (a->values == values && (a->sql == sql || !strcmp(a->sql, sql)))
			return a;
	}
	return NULL;
}

void memo_add(struct memo *m, const char *sql, uint64_t values, int holds, json_t *json)
{
	if (m->count < MEMO_MAX)
		m->answers[m->count++] = (struct answer){ sql, values, holds, json_incref(json) };
}
