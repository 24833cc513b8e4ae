/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/thin.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/idle.h"
#include "base/cleanup.h"
#include "base/timeutil.h"

#define ALARM_NS (INT64_C(100) * NSEC_PER_MSEC) /* analyze.wait_single at its default */
#define SECONDS 2048 /* remembered; a power of two */
#define MEMORY_NS ((SECONDS - 1) * NSEC_PER_SEC - THIN_NEAR_NS)
#define KEEP_MAX_NS (30 * 60 * NSEC_PER_SEC)
#define PAYLOAD_MAX 512

static const uint16_t folded[] = { KW_KIND_wait,     KW_KIND_blame,   KW_KIND_tally,  KW_KIND_usage,
				   KW_KIND_pressure, KW_KIND_profile, KW_KIND_wakeup, KW_KIND_held };
/* Records of which each one is a failure. */
static const uint16_t failures[] = { KW_KIND_oom,    KW_KIND_exit,  KW_KIND_limit, KW_KIND_denied,
				     KW_KIND_freeze, KW_KIND_fserror, KW_KIND_nospace, KW_KIND_klog };

struct thin {
	int64_t keep_ns;
	int64_t at_ns; /* where the next span begins; 0: not known yet */
	unsigned int kind; /* index of the next one in this span */
	uint32_t wrong[SECONDS]; /* seconds in which something was, each at its place */
};

struct thin *thin_new(int64_t keep_ns)
{
	struct thin *t = calloc(1, sizeof(*t));

	if (t)
		t->keep_ns = MIN(keep_ns, KEEP_MAX_NS);
	return t;
}

void thin_free(struct thin *t)
{
	free(t);
}

static bool is_failure(const struct kw_kind_info *info)
{
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
		if (failures[i] == info->number)
			return true;
	return false;
}

void thin_note(struct thin *t, const struct kw_kind_info *info, const void *payload, int64_t ts_ns)
{
	struct kw_wait wait = { 0 };
	uint32_t second = (uint32_t)(ts_ns / NSEC_PER_SEC);

	if (info->number == KW_KIND_wait)
		memcpy(&wait, payload, sizeof(wait));
	if (wait.max_ns >= ALARM_NS || is_failure(info))
		t->wrong[second % SECONDS] = second;
}

static bool anything_wrong(const struct thin *t, int64_t from_ns, int64_t to_ns)
{
	for (int64_t at = from_ns; at <= to_ns; at += NSEC_PER_SEC) {
		uint32_t second = (uint32_t)(at / NSEC_PER_SEC);

		if (t->wrong[second % SECONDS] == second)
			return true;
	}
	return false;
}

bool thin_next(struct thin *t, int64_t now_ns, struct thin_piece *ret)
{
	int64_t end_ns;

	if (!t->keep_ns)
		return false;
	/*
	 * Before this run began nobody watched for what went wrong; and what is longer ago than the memory reaches (a
	 * clock that was set, a host that slept) is left alone.
	 */
	if (!t->at_ns || t->at_ns > now_ns + THIN_SPAN_NS || t->at_ns < now_ns - MEMORY_NS) {
		t->at_ns = now_ns - now_ns % THIN_SPAN_NS + THIN_SPAN_NS;
		t->kind = 0;
	}
	while ((end_ns = t->at_ns + THIN_SPAN_NS) <= now_ns - t->keep_ns) {
		if (t->kind < ARRAY_SIZE(folded) &&
		    !anything_wrong(t, t->at_ns - THIN_NEAR_NS, end_ns + THIN_NEAR_NS)) {
			*ret = (struct thin_piece){ folded[t->kind++], t->at_ns, end_ns };
			return true;
		}
		t->at_ns = end_ns;
		t->kind = 0;
	}
	return false;
}

/* ---- SQL --------------------------------------------------------------------------------------------------------- */

enum rule { RULE_KEY, RULE_ADD, RULE_MAX, RULE_LATEST };

static enum rule rule_of(const struct kw_kind_info *info, const struct kw_field *f)
{
	if (idle_is_gauge(info->number, f->name))
		return RULE_LATEST;
	if (f->type != KW_TYPE_U64 && f->type != KW_TYPE_S64)
		return RULE_KEY;
	if (!strncmp(f->name, "max_", 4))
		return RULE_MAX;
	return f->unit == KW_UNIT_NONE ? RULE_KEY : RULE_ADD;
}

/* The payload with zeros where the store left them out; NULL for anything else. */
static const struct kw_kind_info *payload_of(sqlite3_value *kind, sqlite3_value *blob, unsigned char ret[PAYLOAD_MAX])
{
	const struct kw_kind_info *info = kw_kind_by_number((unsigned int)sqlite3_value_int(kind));
	const void *data = sqlite3_value_blob(blob);
	int size = sqlite3_value_bytes(blob);

	if (!info || info->payload_size > PAYLOAD_MAX || (size_t)size > info->payload_size || (size && !data))
		return NULL;
	memset(ret, 0, info->payload_size);
	if (size)
		memcpy(ret, data, (size_t)size);
	return info;
}

static void fold_key(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	unsigned char payload[PAYLOAD_MAX], key[PAYLOAD_MAX];
	const struct kw_kind_info *info = payload_of(argv[0], argv[1], payload);
	size_t len = 0;

	(void)argc;
	if (!info) {
		sqlite3_result_error(ctx, "no such payload", -1);
		return;
	}
	for (const struct kw_field *f = info->fields; f->name; f++)
		if (rule_of(info, f) == RULE_KEY) {
			memcpy(key + len, payload + f->offset, f->size);
			len += f->size;
		}
	sqlite3_result_blob(ctx, key, (int)len, SQLITE_TRANSIENT);
}

struct folding {
	const struct kw_kind_info *info;
	int64_t ts_ns; /* of the latest */
	unsigned char payload[PAYLOAD_MAX];
};

static void merge_field(struct folding *sum, const struct kw_field *f, const unsigned char *payload, bool newer)
{
	enum rule rule = rule_of(sum->info, f);
	int64_t have, more;

	if (rule == RULE_KEY)
		return;
	memcpy(&have, sum->payload + f->offset, sizeof(have));
	memcpy(&more, payload + f->offset, sizeof(more));
	if (rule == RULE_LATEST)
		have = newer ? more : have;
	else if (rule == RULE_MAX)
		have = MAX(have, more);
	else if (f->type == KW_TYPE_S64 && (have < 0 || more < 0)) /* -1: not available */
		have = MAX(have, more);
	else
		have += more;
	memcpy(sum->payload + f->offset, &have, sizeof(have));
}

static void fold_step(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	struct folding *sum = sqlite3_aggregate_context(ctx, sizeof(*sum));
	int64_t ts_ns = sqlite3_value_int64(argv[1]);
	unsigned char payload[PAYLOAD_MAX];
	const struct kw_kind_info *info = payload_of(argv[0], argv[2], payload);

	(void)argc;
	if (!sum || !info) {
		sqlite3_result_error(ctx, "no such payload", -1);
		return;
	}
	if (!sum->info) {
		*sum = (struct folding){ .info = info, .ts_ns = ts_ns };
		memcpy(sum->payload, payload, info->payload_size);
		return;
	}
	for (const struct kw_field *f = info->fields; f->name; f++)
		merge_field(sum, f, payload, ts_ns > sum->ts_ns);
	sum->ts_ns = MAX(sum->ts_ns, ts_ns);
}

static void fold_final(sqlite3_context *ctx)
{
	const struct folding *sum = sqlite3_aggregate_context(ctx, 0);

	if (sum && sum->info)
		sqlite3_result_blob(ctx, sum->payload, (int)sum->info->payload_size, SQLITE_TRANSIENT);
}

int thin_register(struct sqlite3 *db)
{
	int rc = sqlite3_create_function_v2(db, "kw_fold_key", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, fold_key, NULL,
					    NULL, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_create_function_v2(db, "kw_fold", 3, SQLITE_UTF8, NULL, NULL, fold_step, fold_final, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "PRAGMA temp_store = MEMORY; CREATE TEMP TABLE thin AS SELECT * FROM main.event WHERE 0",
				  NULL, NULL, NULL);
	return rc;
}
