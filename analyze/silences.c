/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/silences.h"

#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "analyze/sql.h"
#include "base/cleanup.h"
#include "base/timeutil.h"
#include "base/ulid.h"

static const char *const ops[] = { "=~", "!~", "!=", "=" }; /* longer ones first: silence_matcher() looks in order */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static int64_t time_of(const json_t *object, const char *key, int64_t fallback)
{
	int64_t value;

	return int_parse(text_of(object, key), &value) ? fallback : value;
}

static bool is_op(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		if (!strcmp(ops[i], text))
			return true;
	return false;
}

/* Back-references make matching exponential in time; nobody needs them to name containers. */
static bool has_back_reference(const char *pattern)
{
	for (; *pattern; pattern++)
		if (*pattern == '\\' && *++pattern && isdigit((unsigned char)*pattern))
			return true;
		else if (!*pattern)
			return false;
	return false;
}

static int compile(const char *pattern, regex_t *ret)
{
	char whole[SILENCE_TEXT_MAX + 8];

	if (strlen(pattern) > SILENCE_TEXT_MAX || has_back_reference(pattern))
		return -1;
	snprintf(whole, sizeof(whole), "^(%s)$", pattern);
	return regcomp(ret, whole, REG_EXTENDED | REG_NOSUB);
}

static bool is_matcher(const json_t *m)
{
	const char *op = text_of(m, "op"), *name = text_of(m, "name"), *value = json_string_value(json_object_get(m, "value"));
	regex_t regex;

	if (!*name || strlen(name) > SILENCE_TEXT_MAX || !is_op(op) || !value || strlen(value) > SILENCE_TEXT_MAX)
		return false;
	if (op[1] != '~')
		return true;
	if (compile(value, &regex))
		return false;
	regfree(&regex);
	return true;
}

json_t *silence_matcher(const char *text)
{
	size_t len = strcspn(text, "=!");

	for (size_t i = 0; len && len < SILENCE_TEXT_MAX && i < ARRAY_SIZE(ops); i++)
		if (!strncmp(text + len, ops[i], strlen(ops[i]))) {
			json_t *m = json_pack("{s:s%, s:s, s:s}", "name", text, len, "op", ops[i], "value",
					      text + len + strlen(ops[i]));

			if (m && is_matcher(m))
				return m;
			json_decref(m);
			return NULL;
		}
	return NULL;
}

static json_t *copy_matchers(const json_t *given, struct strbuf *ret_error)
{
	const json_t *list = json_object_get(given, "matchers"), *m;
	json_t *copy = json_array();
	size_t i;

	if (!json_array_size(list) || json_array_size(list) > SILENCE_MATCHERS_MAX)
		strbuf_addf(ret_error, "matchers is a list of 1 to %d", SILENCE_MATCHERS_MAX);
	json_array_foreach (list, i, m) {
		if (ret_error->len)
			break;
		if (is_matcher(m))
			json_array_append_new(copy, json_pack("{s:s, s:s, s:s}", "name", text_of(m, "name"), "op",
							      text_of(m, "op"), "value", text_of(m, "value")));
		else
			strbuf_addf(ret_error, "matcher %zu needs name, op (=, !=, =~ or !~) and value", i + 1);
	}
	return copy;
}

json_t *silence_read(const json_t *given, int64_t now_ns, struct strbuf *ret_error)
{
	int64_t starts = time_of(given, "starts_ns", now_ns), ends = time_of(given, "ends_ns", 0);
	json_t *matchers = copy_matchers(given, ret_error);
	char id[ULID_LEN + 1];
	uint8_t rnd[10];

	if (!*text_of(given, "author") || strlen(text_of(given, "author")) > SILENCE_TEXT_MAX)
		strbuf_addstr(ret_error, ret_error->len ? "" : "author is missing");
	if (!*text_of(given, "comment") || strlen(text_of(given, "comment")) > 4 * SILENCE_TEXT_MAX)
		strbuf_addstr(ret_error, ret_error->len ? "" : "comment is missing: say why");
	if (ends <= starts || ends <= now_ns)
		strbuf_addstr(ret_error, ret_error->len ? "" : "ends_ns is missing, past, or before starts_ns");
	if (!ret_error->len && getrandom(rnd, sizeof(rnd), 0) != (ssize_t)sizeof(rnd))
		strbuf_addstr(ret_error, "no random numbers to make an id of");
	if (ret_error->len) {
		json_decref(matchers);
		return NULL;
	}
	ulid_format((uint64_t)(now_ns / NSEC_PER_MSEC), rnd, id);
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "id", id, "matchers", matchers, "author",
			 json_text(text_of(given, "author")), "comment", json_text(text_of(given, "comment")),
			 "starts_ns", json_ns(starts), "ends_ns", json_ns(ends));
}

static bool matches(const json_t *m, const json_t *labels)
{
	const char *op = text_of(m, "op"), *value = text_of(m, "value"), *label = text_of(labels, text_of(m, "name"));
	bool negative = *op == '!', same;
	regex_t regex;

	if (op[1] != '~')
		return strcmp(label, value) ? negative : !negative;
	if (compile(value, &regex))
		return false;
	same = !regexec(&regex, label, 0, NULL, 0);
	regfree(&regex);
	return same != negative;
}

bool silence_matches(const json_t *silence, const json_t *labels, int64_t now_ns)
{
	const json_t *list = json_object_get(silence, "matchers"), *m;
	size_t i;

	if (now_ns < time_of(silence, "starts_ns", 0) || now_ns >= time_of(silence, "ends_ns", 0))
		return false;
	json_array_foreach (list, i, m)
		if (!matches(m, labels))
			return false;
	return json_array_size(list) > 0;
}
