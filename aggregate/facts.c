/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "schema/kinds.h"

enum fact_type { FACT_TEXT, FACT_INT, FACT_MAP };

static const struct {
	const char *name;
	enum fact_type type;
} facts_known[] = {
#define FACT(name, type, text) { #name, FACT_##type },
#include "aggregate/facts.def"
#undef FACT
};

static const struct {
	const char *name;
	int rank;
} sources[] = {
#define ORIGIN(number, name, rank, title) { #name, rank },
#define SOURCE(number, name, rank, lane, title) { #name, rank },
#include "schema/sources.def"
#undef SOURCE
#undef ORIGIN
};

/* What nobody ranks any more is believed least. */
static int rank_of(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(sources); i++)
		if (!strcmp(sources[i].name, name))
			return sources[i].rank;
	return -1;
}

static bool has_type(const json_t *value, enum fact_type type)
{
	switch (type) {
	case FACT_TEXT:
		return json_is_string(value) && *json_string_value(value);
	case FACT_INT:
		return json_is_integer(value);
	case FACT_MAP:
		return json_is_object(value) && json_object_size(value);
	}
	return false;
}

/* ---- merging ------------------------------------------------------------------------------------------------- */

static bool is_news(const json_t *known, const char *source, const json_t *value)
{
	const char *before = json_string_value(json_array_get(known, 0));

	if (!before)
		return true;
	if (rank_of(before) > rank_of(source))
		return false;
	return strcmp(before, source) || !json_equal(json_array_get(known, 1), value);
}

int facts_merge(char **facts, unsigned int source, const char *said)
{
	const char *name = kw_source_name(source);
	json_t *news = json_loads(said, JSON_REJECT_DUPLICATES, NULL);
	json_t *known = *facts ? json_loads(*facts, 0, NULL) : json_object();
	int changed = 0;
	char *text;

	if (!json_is_object(news) || !*name) {
		json_decref(news);
		json_decref(known);
		return -EBADMSG;
	}
	for (size_t i = 0; i < ARRAY_SIZE(facts_known); i++) {
		const char *field = facts_known[i].name;
		json_t *value = json_object_get(news, field);

		if (!has_type(value, facts_known[i].type) || !is_news(json_object_get(known, field), name, value))
			continue;
		if (!json_object_set_new(known, field, json_pack("[s, O]", name, value)))
			changed = 1;
	}
	text = changed ? json_dumps(known, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(news);
	json_decref(known);
	if (!changed)
		return 0;
	if (!text)
		return -ENOMEM;
	free(*facts);
	*facts = text;
	return 1;
}

char *facts_text(const char *facts, const char *field)
{
	json_t *known = facts ? json_loads(facts, 0, NULL) : NULL;
	const char *text = json_string_value(json_array_get(json_object_get(known, field), 1));
	char *copy = text ? strdup(text) : NULL;

	json_decref(known);
	return copy;
}

bool facts_have(const char *facts, const char *field)
{
	json_t *known = facts ? json_loads(facts, 0, NULL) : NULL;
	bool have = json_object_get(known, field) != NULL;

	json_decref(known);
	return have;
}

/* ---- saying -------------------------------------------------------------------------------------------------- */

/* At most that many bytes, ending with a whole character. */
static json_t *short_text(const char *text, size_t len, unsigned int *cut)
{
	size_t keep = 0;
	uint32_t code;

	if (len > FACT_TEXT_MAX) {
		(*cut)++;
		for (size_t n; keep < FACT_TEXT_MAX && (n = utf8_decode(text + keep, len - keep, &code)); keep += n)
			if (keep + n > FACT_TEXT_MAX)
				break;
		len = keep;
	}
	return json_stringn(text, len);
}

/* Entries whose value is no text or number say nothing here. */
static json_t *short_map(const json_t *map, unsigned int *cut)
{
	json_t *out = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)map, key, value) {
		if (strlen(key) > FACT_TEXT_MAX || json_object_size(out) >= FACT_MAP_MAX) {
			(*cut)++;
			continue;
		}
		if (json_is_string(value))
			json_object_set_new(out, key,
					    short_text(json_string_value(value), json_string_length(value), cut));
		else if (json_is_number(value))
			json_object_set(out, key, value);
	}
	return out;
}

static json_t *short_value(const json_t *value, enum fact_type type, unsigned int *cut)
{
	switch (type) {
	case FACT_TEXT:
		return short_text(json_string_value(value), json_string_length(value), cut);
	case FACT_INT:
		return json_integer(json_integer_value(value));
	case FACT_MAP:
		return short_map(value, cut);
	}
	return NULL;
}

/* The entry that stands last goes first. */
static bool drop_entry(json_t *said, const char *field)
{
	json_t *map = json_object_get(said, field), *value;
	const char *key, *last = NULL;

	json_object_foreach(map, key, value)
		last = key;
	if (!last)
		return false;
	json_object_del(map, last);
	if (!json_object_size(map))
		json_object_del(said, field);
	return true;
}

size_t facts_say(const json_t *found, char *ret_text, size_t size, unsigned int *ret_cut)
{
	json_t *said = json_object();
	size_t len;

	*ret_cut = 0;
	for (size_t i = 0; i < ARRAY_SIZE(facts_known); i++) {
		const json_t *value = json_object_get(found, facts_known[i].name);

		if (has_type(value, facts_known[i].type))
			json_object_set_new(said, facts_known[i].name,
					    short_value(value, facts_known[i].type, ret_cut));
	}
	while ((len = json_dumpb(said, ret_text, size - 1, JSON_COMPACT)) >= size) {
		if (!drop_entry(said, "annotations") && !drop_entry(said, "labels")) {
			len = 0;
			break;
		}
		(*ret_cut)++;
	}
	if (!json_object_size(said))
		len = 0;
	ret_text[len] = '\0';
	json_decref(said);
	return len;
}
