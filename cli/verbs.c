/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"

static const struct verb verbs[] = {
#define VERB(name, args, options, min, max, text) { #name, args, options, min, max, verb_##name, text },
#include "cli/verbs.def"
#undef VERB
};

const struct verb *verb_at(size_t i)
{
	return i < ARRAY_SIZE(verbs) ? &verbs[i] : NULL;
}

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

/* Levenshtein distance of short words. */
static size_t distance(const char *a, const char *b)
{
	size_t row[32], n = strlen(b), old, next;

	if (n >= ARRAY_SIZE(row) || strlen(a) >= ARRAY_SIZE(row))
		return ARRAY_SIZE(row);
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		old = row[0];
		row[0] = i + 1;
		for (size_t j = 1; j <= n; j++) {
			next = MIN(MIN(row[j], row[j - 1]) + 1, old + (a[i] != b[j - 1]));
			old = row[j];
			row[j] = next;
		}
	}
	return row[n];
}

const char *verb_nearest(const char *name)
{
	const char *best = NULL;
	size_t least = 3;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		size_t d = distance(name, verbs[i].name);

		if (d < least) {
			least = d;
			best = verbs[i].name;
		}
	}
	return best;
}
