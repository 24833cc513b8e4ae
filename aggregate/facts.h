/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a container beyond its cgroup, and who said it.
 *
 * Facts are one JSON text, {"FIELD": ["SOURCE", value], ...}, as the store keeps it: there may be thousands, they are
 * read seldom and change less.  Pure.
 */
#ifndef KWHY_AGGREGATE_FACTS_H
#define KWHY_AGGREGATE_FACTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define FACT_TEXT_MAX 255
#define FACT_MAP_MAX 64 /* entries */

/*
 * Takes what a source says (a JSON object, field: value) into *facts (NULL: nothing known yet): each field that no
 * source of higher rank has said.  Fields that are unknown or of another type are left out.
 * 1 when something changed, 0, -EBADMSG no JSON object, -ENOMEM.
 */
int facts_merge(char **facts, unsigned int source, const char *said);
bool facts_have(const char *facts, const char *field);
/* A text field, malloc()ed; NULL when it is not known. */
char *facts_text(const char *facts, const char *field);

/*
 * What a source found as the text of an identity record: only known fields of the right type, no text longer than
 * FACT_TEXT_MAX, as many labels and annotations as fit.  *ret_cut: how many texts and entries were cut or left out.
 * Returns the length, 0 when nothing is left.
 */
size_t facts_say(const json_t *found, char *ret_text, size_t size, unsigned int *ret_cut);

#endif
