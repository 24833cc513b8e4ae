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
	const char *op = json_field_text(m, "op"), *name = json_field_text(m, "name");
	const char *value = json_string_value(json_object_get(m, "value"));
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
			json_array_append_new(copy, json_pack("{s:s, s:s, s:s}", "name", json_field_text(m, "name"), "op",
							      json_field_text(m, "op"), "value", json_field_text(m, "value")));
		else
			strbuf_addf(ret_error, "matcher %zu needs name, op (=, !=, =~ or !~) and value", i + 1);
	}
	return copy;
}

json_t *silence_read(const json_t *given, int64_t now_ns, struct strbuf *ret_error)
{
	int64_t starts = json_field_ns(given, "starts_ns", now_ns), ends = json_field_ns(given, "ends_ns", 0);
	json_t *matchers = copy_matchers(given, ret_error);
	char id[ULID_LEN + 1];
	uint8_t rnd[10];

	if (!*json_field_text(given, "author") || strlen(json_field_text(given, "author")) > SILENCE_TEXT_MAX)
		strbuf_addstr(ret_error, ret_error->len ? "" : "author is missing");
	if (!*json_field_text(given, "comment") || strlen(json_field_text(given, "comment")) > 4 * SILENCE_TEXT_MAX)
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
			 json_text(json_field_text(given, "author")), "comment", json_text(json_field_text(given, "comment")),
			 "starts_ns", json_ns(starts), "ends_ns", json_ns(ends));
}

static bool matches(const json_t *m, const json_t *labels)
{
	const char *op = json_field_text(m, "op"), *value = json_field_text(m, "value");
	const char *label = json_field_text(labels, json_field_text(m, "name"));
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

	if (now_ns < json_field_ns(silence, "starts_ns", 0) || now_ns >= json_field_ns(silence, "ends_ns", 0))
		return false;
	json_array_foreach (list, i, m)
		if (!matches(m, labels))
			return false;
	return json_array_size(list) > 0;
}
