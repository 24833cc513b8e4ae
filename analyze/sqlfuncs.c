/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/sqlfuncs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/coverage.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/hashmap.h"
#include "base/jsonw.h"
#include "base/strbuf.h"
#include "base/timeutil.h"
#include "schema/kinds.h"

/* ---- packed payloads ------------------------------------------------------------------------------------- */

static const unsigned char *slice(const void *payload, int len, int64_t offset, int64_t size)
{
	if (!payload || offset < 0 || size < 0 || offset > len || size > len - offset)
		return NULL;
	return (const unsigned char *)payload + offset;
}

static const unsigned char *slice_of(sqlite3_value **argv, int *ret_size)
{
	const void *payload = sqlite3_value_blob(argv[0]);

	*ret_size = sqlite3_value_int(argv[2]);
	return slice(payload, sqlite3_value_bytes(argv[0]), sqlite3_value_int64(argv[1]), *ret_size);
}

/* A text at the end of a payload is stored without the zeros after it. */
static int text_size(int len, int64_t offset, int size)
{
	return offset >= 0 && offset < len ? (int)MIN(size, len - offset) : size;
}

static const unsigned char *text_slice(sqlite3_value **argv, int *ret_size)
{
	const void *payload = sqlite3_value_blob(argv[0]);
	int len = sqlite3_value_bytes(argv[0]);
	int64_t offset = sqlite3_value_int64(argv[1]);

	*ret_size = text_size(len, offset, sqlite3_value_int(argv[2]));
	return slice(payload, len, offset, *ret_size);
}

static uint64_t read_unsigned(const unsigned char *p, int size)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	switch (size) {
	case 2:
		memcpy(&u16, p, 2);
		return u16;
	case 4:
		memcpy(&u32, p, 4);
		return u32;
	default:
		memcpy(&u64, p, 8);
		return u64;
	}
}

static int64_t read_signed(const unsigned char *p, int size)
{
	uint64_t u = read_unsigned(p, size);

	return size == 4 ? (int32_t)u : (int64_t)u;
}

static bool is_number_size(int size)
{
	return size == 2 || size == 4 || size == 8;
}

static void fn_u(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	int size;
	const unsigned char *p = slice_of(argv, &size);

	(void)argc;
	if (p && is_number_size(size))
		sqlite3_result_int64(ctx, (int64_t)read_unsigned(p, size));
}

static void fn_i(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	int size;
	const unsigned char *p = slice_of(argv, &size);

	(void)argc;
	if (p && is_number_size(size))
		sqlite3_result_int64(ctx, read_signed(p, size));
}

static void fn_s(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	int size;
	const unsigned char *p = text_slice(argv, &size);

	(void)argc;
	if (p)
		sqlite3_result_text(ctx, (const char *)p, (int)strnlen((const char *)p, (size_t)size),
				    SQLITE_TRANSIENT);
}

/* The store keeps the container's number in the place of the v2 id; all ones: nobody. */
static void fn_cg(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	int size;
	const unsigned char *p = slice_of(argv, &size);

	(void)argc;
	if (p && size >= 8 && read_signed(p, 8) >= 0)
		sqlite3_result_int64(ctx, read_signed(p, 8));
}

/* False for the unspecified address. */
static bool format_address(const unsigned char *p, char ret_text[INET6_ADDRSTRLEN])
{
	static const unsigned char zero[16], mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (!memcmp(p, zero, 16))
		return false;
	if (!memcmp(p, mapped, sizeof(mapped)))
		return inet_ntop(AF_INET, p + 12, ret_text, INET6_ADDRSTRLEN) != NULL;
	return inet_ntop(AF_INET6, p, ret_text, INET6_ADDRSTRLEN) != NULL;
}

static void fn_addr(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	char text[INET6_ADDRSTRLEN];
	int size;
	const unsigned char *p = slice_of(argv, &size);

	(void)argc;
	if (p && size == 16 && format_address(p, text))
		sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

static void json_unsigned(struct jsonw *w, const char *key, uint64_t value)
{
	char text[24];

	if (value <= INT64_MAX) {
		jsonw_int(w, key, (int64_t)value);
		return;
	}
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	jsonw_str(w, key, text);
}

static void json_field(struct jsonw *w, const struct kw_kind_info *info, const struct kw_field *f,
		       const unsigned char *p, int size)
{
	char text[4097];
	int64_t value;

	switch (f->type) {
	case KW_TYPE_U16:
	case KW_TYPE_U32:
	case KW_TYPE_U64:
		json_unsigned(w, f->name, read_unsigned(p, f->size));
		return;
	case KW_TYPE_S32:
	case KW_TYPE_S64:
		value = read_signed(p, f->size);
		if (value == -1 && info->class == KW_CLASS_SAMPLE)
			jsonw_null(w, f->name);
		else
			jsonw_int(w, f->name, value);
		return;
	case KW_TYPE_STR:
		snprintf(text, sizeof(text), "%.*s", size, (const char *)p);
		jsonw_str(w, f->name, text);
		return;
	case KW_TYPE_CG:
		value = read_signed(p, 8);
		if (value < 0)
			jsonw_null(w, f->name);
		else
			jsonw_int(w, f->name, value);
		return;
	case KW_TYPE_ADDR:
		jsonw_str(w, f->name, format_address(p, text) ? text : NULL);
		return;
	}
}

static void fn_json(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const struct kw_kind_info *info = kw_kind_by_number((unsigned int)sqlite3_value_int(argv[0]));
	const void *payload = sqlite3_value_blob(argv[1]);
	int len = sqlite3_value_bytes(argv[1]);
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;
	struct jsonw w;

	(void)argc;
	if (!info)
		return;
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	for (const struct kw_field *f = info->fields; f->name; f++) {
		int size = f->type == KW_TYPE_STR ? text_size(len, f->offset, f->size) : f->size;
		const unsigned char *p = slice(payload, len, f->offset, size);

		if (p)
			json_field(&w, info, f, p, size);
	}
	jsonw_end_object(&w);
	if (strbuf_error(&out))
		sqlite3_result_error_nomem(ctx);
	else
		sqlite3_result_text(ctx, strbuf_str(&out), (int)out.len, SQLITE_TRANSIENT);
}

/* ---- one sentence ---------------------------------------------------------------------------------------- */

enum summary_arg {
	SUM_KIND,
	SUM_DURATION,
	SUM_ERROR,
	SUM_COMM,
	SUM_PID,
	SUM_CONTAINER,
	SUM_PEER,
	SUM_PEER_COMM,
	SUM_PAYLOAD,
	SUM_COUNT
};

static const char *text_of(sqlite3_value *v)
{
	const char *text = (const char *)sqlite3_value_text(v);

	return text ? text : "";
}

static void add_party(struct strbuf *out, const char *container, const char *comm)
{
	strbuf_add_plain(out, *container ? container : comm);
	if (*container && *comm) {
		strbuf_addstr(out, " (");
		strbuf_add_plain(out, comm);
		strbuf_addch(out, ')');
	}
}

/* The first texts of the payload that say something: a lock's name, a disk, a drop reason. */
static void add_details(struct strbuf *out, const struct kw_kind_info *info, const void *payload, int len)
{
	unsigned int count = 0;

	for (const struct kw_field *f = info->fields; f->name && count < 2; f++) {
		const char *p = (const char *)slice(payload, len, f->offset, f->size);
		char text[256];

		if (f->type != KW_TYPE_STR || !p || !*p || strstr(f->name, "_comm"))
			continue;
		snprintf(text, sizeof(text), "%.*s", (int)strnlen(p, f->size), p);
		strbuf_addstr(out, count++ ? ", " : ": ");
		strbuf_add_plain(out, text);
	}
}

static void fn_summary(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const struct kw_kind_info *info = kw_kind_by_number((unsigned int)sqlite3_value_int(argv[SUM_KIND]));
	const char *container = text_of(argv[SUM_CONTAINER]), *comm = text_of(argv[SUM_COMM]);
	const char *peer = text_of(argv[SUM_PEER]), *peer_comm = text_of(argv[SUM_PEER_COMM]);
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;

	(void)argc;
	if (!info)
		return;
	strbuf_addstr(&out, info->title);
	if (sqlite3_value_int64(argv[SUM_DURATION]) > 0) {
		strbuf_addstr(&out, " of ");
		span_format(&out, sqlite3_value_int64(argv[SUM_DURATION]));
	}
	if (*container || *comm) {
		strbuf_addstr(&out, " in ");
		add_party(&out, container, comm);
	}
	if (*peer || *peer_comm) {
		strbuf_addstr(&out, ", other party ");
		add_party(&out, peer, peer_comm);
	}
	if (sqlite3_value_int(argv[SUM_ERROR])) {
		const char *name = strerrorname_np(sqlite3_value_int(argv[SUM_ERROR]));

		strbuf_addf(&out, ", error %s", name ? name : "unknown");
	}
	add_details(&out, info, sqlite3_value_blob(argv[SUM_PAYLOAD]), sqlite3_value_bytes(argv[SUM_PAYLOAD]));
	sqlite3_result_text(ctx, strbuf_str(&out), (int)out.len, SQLITE_TRANSIENT);
}

/* ---- names ----------------------------------------------------------------------------------------------- */

static const char *probe_state_name(unsigned int state)
{
	static const char *const names[] = { "unknown", "attached", "degraded", "off",
					     "failed",  "raised",   "sampled",  "detached" };

	return names[state < ARRAY_SIZE(names) ? state : 0];
}

static void fn_name(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const char *(*name)(unsigned int) = (const char *(*)(unsigned int))sqlite3_user_data(ctx);

	(void)argc;
	if (sqlite3_value_type(argv[0]) != SQLITE_NULL)
		sqlite3_result_text(ctx, name((unsigned int)sqlite3_value_int(argv[0])), -1, SQLITE_STATIC);
}

/* ---- aggregates ------------------------------------------------------------------------------------------ */

struct values {
	double *v;
	size_t count, cap;
	double q;
	int64_t of; /* so many values there are, those not seen being 0 */
};

static void values_step(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	struct values *a = sqlite3_aggregate_context(ctx, sizeof(*a));

	if (!a || sqlite3_value_numeric_type(argv[0]) == SQLITE_NULL)
		return;
	if (a->count == a->cap) {
		size_t cap = a->cap ? 2 * a->cap : 64;
		double *v = cap <= SQLFUNCS_VALUES_MAX ? reallocarray(a->v, cap, sizeof(*v)) : NULL;

		if (!v) {
			sqlite3_result_error_toobig(ctx);
			return;
		}
		a->v = v;
		a->cap = cap;
	}
	if (argc > 1)
		a->q = sqlite3_value_double(argv[1]);
	if (argc > 2)
		a->of = sqlite3_value_int64(argv[2]);
	a->v[a->count++] = sqlite3_value_double(argv[0]);
}

static int by_value(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

/* Interpolates between neighbours, as most tools do. */
static double quantile_of(double *v, size_t count, double q)
{
	double at = fmin(fmax(q, 0), 1) * (double)(count - 1);
	size_t low = (size_t)at;

	qsort(v, count, sizeof(*v), by_value);
	return low + 1 < count ? v[low] + (at - (double)low) * (v[low + 1] - v[low]) : v[low];
}

static struct values *values_end(sqlite3_context *ctx)
{
	struct values *a = sqlite3_aggregate_context(ctx, 0);

	return a && a->count ? a : NULL;
}

static void median_final(sqlite3_context *ctx)
{
	struct values *a = values_end(ctx);

	if (!a)
		return;
	sqlite3_result_double(ctx, quantile_of(a->v, a->count, 0.5));
	free(a->v);
}

/* Silence is a value, too: ticks without a wait have no row. */
static bool add_zeroes(struct values *a)
{
	size_t of = (size_t)fmin(fmax((double)a->of, (double)a->count), SQLFUNCS_VALUES_MAX);
	double *v = of > a->cap ? reallocarray(a->v, of, sizeof(*v)) : a->v;

	if (!v)
		return false;
	a->v = v;
	while (a->count < of)
		v[a->count++] = 0;
	return true;
}

static void quantile_final(sqlite3_context *ctx)
{
	struct values *a = values_end(ctx);

	if (!a)
		return;
	if (!add_zeroes(a)) {
		free(a->v);
		sqlite3_result_error_nomem(ctx);
		return;
	}
	sqlite3_result_double(ctx, quantile_of(a->v, a->count, a->q));
	free(a->v);
}

static void mad_final(sqlite3_context *ctx)
{
	struct values *a = values_end(ctx);
	double median;

	if (!a)
		return;
	median = quantile_of(a->v, a->count, 0.5);
	for (size_t i = 0; i < a->count; i++)
		a->v[i] = fabs(a->v[i] - median);
	sqlite3_result_double(ctx, quantile_of(a->v, a->count, 0.5));
	free(a->v);
}

/* What the rows of one text weigh together. */
struct weight {
	int64_t sum;
	char text[];
};

/* The weight of a text in a map from hashes of texts, made when it is not there.  NULL: too many, or no memory. */
static struct weight *weight_of(struct hashmap *weights, const char *text)
{
	size_t size = strlen(text) + 1;
	uint64_t key = hash_bytes(text, size, 0);
	struct weight *w = hashmap_get(weights, &key);

	if (w)
		return w;
	w = calloc(1, sizeof(*w) + size);
	if (!w)
		return NULL;
	memcpy(w->text, text, size);
	if (!hashmap_put(weights, &key, w, NULL))
		return w;
	free(w);
	return NULL;
}

static void heaviest_step(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	struct hashmap **weights = sqlite3_aggregate_context(ctx, sizeof(struct hashmap *));
	const char *text = (const char *)sqlite3_value_text(argv[0]);
	struct weight *w = NULL;

	(void)argc;
	if (!text)
		return;
	if (weights && !*weights)
		*weights = hashmap_new(sizeof(uint64_t), SQLFUNCS_TEXTS_MAX);
	if (weights && *weights)
		w = weight_of(*weights, text);
	if (w)
		w->sum += sqlite3_value_int64(argv[1]);
	else
		sqlite3_result_error_toobig(ctx);
}

/* Of two that weigh the same the first in the order of texts, whichever row came first. */
static bool is_heavier(const struct weight *a, const struct weight *b)
{
	return !b || a->sum > b->sum || (a->sum == b->sum && strcmp(a->text, b->text) < 0);
}

static void heaviest_final(sqlite3_context *ctx)
{
	struct hashmap **weights = sqlite3_aggregate_context(ctx, 0);
	const struct weight *most = NULL;
	struct weight *w;
	const void *key;

	if (!weights || !*weights)
		return;
	for (size_t i = 0; (w = hashmap_next(*weights, &i, &key));)
		if (is_heavier(w, most))
			most = w;
	if (most)
		sqlite3_result_text(ctx, most->text, -1, SQLITE_TRANSIENT);
	for (size_t i = 0; (w = hashmap_next(*weights, &i, &key));)
		free(w);
	hashmap_free(*weights);
}

static void fn_silence(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	(void)argc;
	(void)argv;
	sqlite3_result_int64(ctx, COVERAGE_SILENCE_NS);
}

/* ---- registration ---------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int args;
	void (*call)(sqlite3_context *, int, sqlite3_value **);
	void (*final)(sqlite3_context *);
	const char *(*names)(unsigned int);
} functions[] = {
	{ "kw_u", 3, fn_u, NULL, NULL },
	{ "kw_i", 3, fn_i, NULL, NULL },
	{ "kw_s", 3, fn_s, NULL, NULL },
	{ "kw_str", 3, fn_s, NULL, NULL },
	{ "kw_cg", 3, fn_cg, NULL, NULL },
	{ "kw_addr", 3, fn_addr, NULL, NULL },
	{ "kw_json", 2, fn_json, NULL, NULL },
	{ "kw_summary", SUM_COUNT, fn_summary, NULL, NULL },
	{ "kw_wait_reason", 1, fn_name, NULL, kw_wait_reason_name },
	{ "kw_resource", 1, fn_name, NULL, kw_resource_name },
	{ "kw_sink", 1, fn_name, NULL, kw_sink_name },
	{ "kw_probe_state", 1, fn_name, NULL, probe_state_name },
	{ "kw_source", 1, fn_name, NULL, kw_source_name },
	{ "kw_silence_ns", 0, fn_silence, NULL, NULL },
	{ "median", 1, values_step, median_final, NULL },
	{ "mad", 1, values_step, mad_final, NULL },
	{ "quantile", 2, values_step, quantile_final, NULL },
	{ "quantile", 3, values_step, quantile_final, NULL },
	{ "heaviest", 2, heaviest_step, heaviest_final, NULL },
};

int sqlfuncs_register(struct sqlite3 *db)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		int rc = sqlite3_create_function_v2(
			db, functions[i].name, functions[i].args, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
			(void *)functions[i].names, functions[i].final ? NULL : functions[i].call,
			functions[i].final ? functions[i].call : NULL, functions[i].final, NULL);

		if (rc != SQLITE_OK)
			return -ENOMEM;
	}
	return 0;
}
