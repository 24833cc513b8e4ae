/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/idle.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"

/* Memory moves by pages all the time; only steps of this many bytes count as a change. */
#define BYTES_STEP (INT64_C(1) << 20)

static const struct {
	uint16_t kind;
	bool nested; /* the files of a directory count its subdirectories too */
	const char *gauges[14];
} idle_kinds[IDLE_KINDS] = {
	{ KW_KIND_usage,
	  true,
	  { "cpu_quota_ns", "cpu_period_ns", "memory_bytes", "memory_limit_bytes", "memory_anon_bytes",
	    "memory_file_bytes", "pids", "pids_limit", "frozen", "memory_kernel_bytes", "memory_dirty_bytes",
	    "memory_swap_bytes", "memory_socket_bytes", "memory_socket_limit_bytes" } },
	{ KW_KIND_pressure, true, { NULL } },
	{ KW_KIND_netstat, false, { NULL } },
};

static bool is_gauge(size_t kind, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(idle_kinds[kind].gauges) && idle_kinds[kind].gauges[i]; i++)
		if (!strcmp(idle_kinds[kind].gauges[i], name))
			return true;
	return false;
}

bool idle_is_gauge(unsigned int number, const char *name)
{
	for (size_t i = 0; i < IDLE_KINDS; i++)
		if (idle_kinds[i].kind == number)
			return is_gauge(i, name);
	return false;
}

/* True when a delta is not zero; else *ret_gauges is a hash of the gauges. */
static bool is_active(size_t kind, const struct kw_kind_info *info, const void *payload, uint64_t *ret_gauges)
{
	uint64_t gauges = 0;

	for (const struct kw_field *f = info->fields; f->name; f++) {
		int64_t value;

		if (f->type != KW_TYPE_S64)
			continue;
		memcpy(&value, (const char *)payload + f->offset, sizeof(value));
		if (!is_gauge(kind, f->name)) {
			if (value > 0)
				return true;
			continue;
		}
		if (f->unit == KW_UNIT_BYTES)
			value /= BYTES_STEP;
		gauges = hash_bytes(&value, sizeof(value), gauges);
	}
	*ret_gauges = gauges;
	return false;
}

bool idle_skip(struct idle *idle, const struct kw_kind_info *info, bool inside, const void *payload)
{
	uint64_t gauges = 0;
	size_t kind = 0;

	while (kind < IDLE_KINDS && idle_kinds[kind].kind != info->number)
		kind++;
	if (kind == IDLE_KINDS)
		return false;
	if (inside && idle_kinds[kind].nested)
		return true;
	if (is_active(kind, info, payload, &gauges)) {
		idle->kinds[kind].seen = false; /* the row after a busy one is kept: it shows the return to rest */
		return false;
	}
	if (idle->kinds[kind].seen && idle->kinds[kind].gauges == gauges &&
	    idle->kinds[kind].skipped + 1 < IDLE_EVERY) {
		idle->kinds[kind].skipped++;
		return true;
	}
	idle->kinds[kind].seen = true;
	idle->kinds[kind].skipped = 0;
	idle->kinds[kind].gauges = gauges;
	return false;
}
