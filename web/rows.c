/* SPDX-License-Identifier: Apache-2.0 */
#include "web/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/http.h"

#define JSON_INT_SAFE (INT64_C(1) << 53)

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && !strcmp(text + len - end_len, end);
}

static json_t *int_value(const char *name, int64_t v)
{
	char text[24];

	if (!ends_with(name, "_ns") && v <= JSON_INT_SAFE && v >= -JSON_INT_SAFE)
		return json_integer(v);
	snprintf(text, sizeof(text), "%" PRId64, v);
	return json_string(text);
}

static bool holds_json(const char *name)
{
	static const char *const names[] = { "payload",	"labels", "victims",  "report",
					     "annotations", "limits", "requests", "facts" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static json_t *text_value(const char *name, const char *text, size_t len)
{
	AUTO(strbuf) struct strbuf repaired = STRBUF_INIT;
	json_t *value = NULL;

	if (holds_json(name) && len && (text[0] == '{' || text[0] == '['))
		value = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (!value)
		value = json_stringn(text, len);
	if (!value) {
		strbuf_add_plain(&repaired, text);
		value = json_string(strbuf_str(&repaired));
	}
	return value;
}

static json_t *blob_value(const unsigned char *data, int size)
{
	AUTO(strbuf) struct strbuf hex = STRBUF_INIT;

	for (int i = 0; i < size && i < 256; i++)
		strbuf_addf(&hex, "%02x", data[i]);
	return json_string(strbuf_str(&hex));
}

json_t *rows_value(const char *name, const struct query_value *v)
{
	switch (v->type) {
	case VALUE_INT:
		return int_value(name, v->integer);
	case VALUE_REAL:
		return isfinite(v->real) ? json_real(v->real) : json_null();
	case VALUE_TEXT:
		return text_value(name, v->text ? v->text : "", v->text ? (size_t)v->size : 0);
	case VALUE_BLOB:
		return blob_value((const unsigned char *)v->text, v->text ? v->size : 0);
	default:
		return json_null();
	}
}

json_t *rows_object(int count, const char *const *names, const struct query_value *values)
{
	json_t *row = json_object();

	for (int i = 0; row && i < count; i++)
		if (json_object_set_new_nocheck(row, names[i], rows_value(names[i], &values[i]))) {
			json_decref(row);
			return NULL;
		}
	return row;
}

static int add_row(void *ctx, int count, const char *const *names, const struct query_value *values)
{
	json_t *row = rows_object(count, names, values);

	return row && !json_array_append_new(ctx, row) ? 0 : -ENOMEM;
}

int64_t rows_query(struct reader *r, const char *sql, const struct query_param *params, size_t count,
		   const struct query_limits *limits, json_t **ret_rows, struct strbuf *ret_error)
{
	json_t *rows = json_array();
	int64_t n;

	if (!rows)
		return -ENOMEM;
	n = reader_query(r, sql, params, count, limits, add_row, rows, ret_error);
	if (n < 0 && n != -E2BIG) {
		json_decref(rows);
		return n;
	}
	*ret_rows = rows;
	return n;
}

json_t *rows_ns(int64_t ns)
{
	return int_value("_ns", ns);
}

int64_t value_int(const json_t *object, const char *key, int64_t fallback)
{
	const json_t *v = json_object_get(object, key);
	int64_t number;

	if (json_is_integer(v))
		return json_integer_value(v);
	return json_is_string(v) && int_parse(json_string_value(v), &number) == 0 ? number : fallback;
}

void value_key(char *ret_key, size_t size, const json_t *object, const char *name)
{
	snprintf(ret_key, size, "%" PRId64, value_int(object, name, -1));
}

const char *value_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

int rows_problem(struct http_response *res, int64_t error, const struct strbuf *detail)
{
	const char *text = strbuf_str(detail);

	switch (error) {
	case -EINVAL:
	case -EPERM:
		return http_problem(res, 400, "%s", *text ? text : "The query was refused.");
	case -ENOMEM:
		return http_problem(res, 413, "The query needs more memory than it may have; select less.");
	case -ETIME:
		return http_problem(res, 504, "The query took longer than it may.");
	case -EFBIG:
		return http_problem(res, 413, "The result is larger than it may be; select less.");
	default:
		return http_problem(res, 503, "The store could not be read: %s", *text ? text : strerror((int)-error));
	}
}
