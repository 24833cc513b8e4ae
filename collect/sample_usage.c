/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record per cgroup path, put together from every hierarchy that has it:
 * what v1 controllers say first, then what the default hierarchy adds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileutil.h"
#include "base/hash.h"
#include "collect/cgroups.h"
#include "collect/procparse.h"
#include "collect/roster.h"
#include "collect/sampler.h"
#include "schema/kinds.h"

#define PATHS_MAX 16384
#define TEXT_MAX 16384  /* memory.stat is the longest; io.stat of hosts with many disks may be cut */
#define LIMITS_EVERY 5  /* limits are read in the first samples of a cgroup and then in every fifth */
#define LIMITS_YOUNG 5

struct place {
	unsigned int hierarchy;
	uint64_t id;
};

struct usage_entry {
	struct place place[CGROUP_HIERARCHIES_MAX];
	unsigned int places;
	uint64_t round; /* in which places were gathered */
	uint64_t read_ns;
	unsigned int samples;
	struct kw_usage totals;
};

struct usage {
	struct roster *roster;
	uint64_t round;
};

struct usage_record {
	struct kw_event e;
	struct kw_usage p;
};

#define USAGE(member) offsetof(struct kw_usage, member)

static const size_t counters[] = {
	USAGE(cpu_ns),           USAGE(cpu_user_ns),      USAGE(cpu_system_ns),     USAGE(cpu_periods),
	USAGE(cpu_throttled_periods), USAGE(cpu_throttled_ns), USAGE(memory_limit_hits), USAGE(memory_oom_kills),
	USAGE(major_faults),     USAGE(refaults),         USAGE(io_read_bytes),     USAGE(io_write_bytes),
	USAGE(io_reads),         USAGE(io_writes),
};

static __s64 *field(struct kw_usage *u, size_t offset)
{
	return (__s64 *)((char *)u + offset);
}

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

static void parse_file(int dir, const char *name, void (*parse)(const char *text, struct kw_usage *ret),
		       struct kw_usage *ret)
{
	char text[TEXT_MAX];
	ssize_t len = file_read(dir, name, text, sizeof(text));

	if (len >= 0 || len == -E2BIG)
		parse(text, ret);
}

static void read_int(int dir, const char *name, int64_t factor, __s64 *ret)
{
	int64_t value;

	if (file_read_int(dir, name, &value) < 0 || value < 0 || value == INT64_MAX)
		return;
	*ret = value * factor;
}

/* v1 writes an unlimited memory limit as LONG_MAX rounded down to a page; nobody has an exbibyte. */
static void read_limit(int dir, const char *name, __s64 *ret)
{
	int64_t value;

	if (file_read_int(dir, name, &value) == 0 && value >= 0 && value < INT64_C(1) << 60)
		*ret = value;
}

static void read_cpu_v1(int dir, struct kw_usage *ret, bool limits)
{
	parse_file(dir, "cpu.stat", cpu_stat_v1_parse, ret);
	if (!limits)
		return;
	read_int(dir, "cpu.cfs_quota_us", 1000, &ret->cpu_quota_ns); /* -1: none */
	read_int(dir, "cpu.cfs_period_us", 1000, &ret->cpu_period_ns);
}

static void read_cpuacct_v1(int dir, struct kw_usage *ret, bool limits)
{
	(void)limits;
	read_int(dir, "cpuacct.usage", 1, &ret->cpu_ns);
	read_int(dir, "cpuacct.usage_user", 1, &ret->cpu_user_ns);
	read_int(dir, "cpuacct.usage_sys", 1, &ret->cpu_system_ns);
}

static void oom_control_parse(const char *text, struct kw_usage *ret)
{
	int64_t kills;

	if (text_lookup_int(text, "oom_kill", &kills) == 0)
		ret->memory_oom_kills = kills;
}

static void read_memory_v1(int dir, struct kw_usage *ret, bool limits)
{
	read_int(dir, "memory.usage_in_bytes", 1, &ret->memory_bytes);
	read_int(dir, "memory.failcnt", 1, &ret->memory_limit_hits);
	parse_file(dir, "memory.stat", memory_stat_v1_parse, ret);
	parse_file(dir, "memory.oom_control", oom_control_parse, ret);
	if (limits)
		read_limit(dir, "memory.limit_in_bytes", &ret->memory_limit_bytes);
}

static void read_blkio_file(int dir, const char *const *names, __s64 *ret_reads, __s64 *ret_writes)
{
	char text[TEXT_MAX];

	for (; *names; names++) {
		ssize_t len = file_read(dir, *names, text, sizeof(text));

		if ((len >= 0 || len == -E2BIG) && blkio_parse(text, ret_reads, ret_writes))
			return;
	}
}

static void read_blkio_v1(int dir, struct kw_usage *ret, bool limits)
{
	static const char *const bytes[] = { "blkio.throttle.io_service_bytes_recursive",
					     "blkio.throttle.io_service_bytes", NULL };
	static const char *const counts[] = { "blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced",
					      NULL };

	(void)limits;
	/* No line of a device: nothing was read or written yet, which is not the same as not known. */
	if (faccessat(dir, bytes[1], R_OK, 0) < 0)
		return;
	read_blkio_file(dir, bytes, &ret->io_read_bytes, &ret->io_write_bytes);
	read_blkio_file(dir, counts, &ret->io_reads, &ret->io_writes);
	ret->io_read_bytes = MAX(ret->io_read_bytes, 0);
	ret->io_write_bytes = MAX(ret->io_write_bytes, 0);
	ret->io_reads = MAX(ret->io_reads, 0);
	ret->io_writes = MAX(ret->io_writes, 0);
}

static void read_pids(int dir, struct kw_usage *ret, bool limits)
{
	read_int(dir, "pids.current", 1, &ret->pids);
	if (limits)
		read_int(dir, "pids.max", 1, &ret->pids_limit);
}

static void read_freezer_v1(int dir, struct kw_usage *ret, bool limits)
{
	char text[32];

	(void)limits;
	if (file_read(dir, "freezer.state", text, sizeof(text)) > 0)
		ret->frozen = !strncmp(text, "FROZEN", 6);
}

/* cgroup.events: "populated 1\nfrozen 0" */
static void cgroup_events_parse(const char *text, struct kw_usage *ret)
{
	int64_t frozen;

	if (text_lookup_int(text, "frozen", &frozen) == 0)
		ret->frozen = frozen != 0;
}

static void read_v2(int dir, struct kw_usage *ret, bool limits)
{
	parse_file(dir, "cpu.stat", cpu_stat_v2_parse, ret);
	parse_file(dir, "cgroup.events", cgroup_events_parse, ret);
	read_pids(dir, ret, limits);
	if (limits)
		parse_file(dir, "cpu.max", cpu_max_parse, ret);
	parse_file(dir, "io.stat", io_stat_v2_parse, ret);
	if (faccessat(dir, "memory.current", R_OK, 0) < 0)
		return;
	read_int(dir, "memory.current", 1, &ret->memory_bytes);
	parse_file(dir, "memory.stat", memory_stat_v2_parse, ret);
	parse_file(dir, "memory.events", memory_events_parse, ret);
	if (limits)
		read_limit(dir, "memory.max", &ret->memory_limit_bytes);
}

struct controller {
	const char *name;
	void (*read)(int dir, struct kw_usage *ret, bool limits);
};

/* In the order in which kw_cg_of_task() of the BPF side picks a task's v1 id. */
static const struct controller controllers[] = {
	{ "cpu", read_cpu_v1 },         { "memory", read_memory_v1 }, { "freezer", read_freezer_v1 },
	{ "pids", read_pids },          { "blkio", read_blkio_v1 },   { "cpuacct", read_cpuacct_v1 },
};

static bool lists(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (; *names; names += strcspn(names, ","), names += *names == ',')
		if (strcspn(names, ",") == len && !strncmp(names, name, len))
			return true;
	return false;
}

/* Values that v1 has not given; frozen if either says so. */
static void merge(struct kw_usage *into, const struct kw_usage *from)
{
	for (size_t at = USAGE(cpu_ns); at < sizeof(*into); at += sizeof(__s64)) {
		__s64 value = *(const __s64 *)((const char *)from + at);

		if (*field(into, at) < 0 || at == USAGE(frozen))
			*field(into, at) = MAX(*field(into, at), value);
	}
}

static int open_dir(const struct cgroup_info *info)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s%s", info->mount, info->path) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void read_place(const struct cgroup_info *info, struct kw_usage *ret, bool limits)
{
	AUTO_CLOSE int dir = open_dir(info);
	struct kw_usage here;

	if (dir < 0)
		return;
	memset(&here, 0xff, sizeof(here));
	if (!info->hierarchy)
		read_v2(dir, &here, limits);
	for (size_t i = 0; info->hierarchy && i < ARRAY_SIZE(controllers); i++)
		if (lists(info->controllers, controllers[i].name))
			controllers[i].read(dir, &here, limits);
	merge(ret, &here);
}

/* ---- identity ---------------------------------------------------------------------------------------------------------- */

static unsigned int rank(const struct cgroup_info *info)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(controllers); i++)
		if (lists(info->controllers, controllers[i].name))
			return i;
	return ARRAY_SIZE(controllers);
}

/* Reads every place, v1 first, and finds the ids.  False: it has gone everywhere. */
static bool read_all(const struct sampler_ctx *ctx, const struct usage_entry *entry, bool limits, struct kw_usage *ret,
		     struct kw_cg *ret_cg)
{
	unsigned int best = ARRAY_SIZE(controllers);
	struct cgroup_info info;

	memset(ret, 0xff, sizeof(*ret)); /* every field -1 */
	*ret_cg = (struct kw_cg){ 0 };
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (unsigned int i = 0; i < entry->places; i++) {
			const struct place *p = &entry->place[i];

			if ((p->hierarchy == 0) != (pass == 1) || !cgroups_find(ctx->cgroups, p->hierarchy, p->id, &info))
				continue;
			read_place(&info, ret, limits);
			if (!p->hierarchy) {
				ret_cg->v2 = p->id;
			} else if (rank(&info) < best) {
				best = rank(&info);
				ret_cg->v1 = (uint64_t)p->hierarchy << KW_CG_V1_SHIFT | p->id;
			}
		}
	}
	return ret_cg->v1 || ret_cg->v2;
}

static int emit(const struct sampler_ctx *ctx, struct usage_entry *entry, const struct kw_usage *now,
		const struct kw_cg *cg)
{
	struct usage_record r = { .e = { .kind = KW_KIND_usage, .payload_size = sizeof(r.p),
					 .flags = KW_FLAG_POLLED, .ts_ns = ctx->now_ns },
				  .p = *now };

	r.e.subject.cg = *cg;
	r.p.span_ns = ctx->now_ns - entry->read_ns;
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		*field(&r.p, counters[i]) =
			counter_delta(*field(&r.p, counters[i]), *field(&entry->totals, counters[i]));
	return ctx->emit(ctx->emit_ctx, &r.e);
}

static void visit(void *arg, void *slot)
{
	const struct sampler_ctx *ctx = arg;
	struct usage_entry *entry = slot;
	bool limits = entry->samples < LIMITS_YOUNG || entry->samples % LIMITS_EVERY == 0;
	struct kw_usage now;
	struct kw_cg cg;

	if (!read_all(ctx, entry, limits, &now, &cg))
		return;
	if (!limits) {
		now.cpu_quota_ns = entry->totals.cpu_quota_ns;
		now.cpu_period_ns = entry->totals.cpu_period_ns;
		now.memory_limit_bytes = entry->totals.memory_limit_bytes;
		now.pids_limit = entry->totals.pids_limit;
	}
	if (entry->read_ns && ctx->now_ns > entry->read_ns)
		emit(ctx, entry, &now, &cg);
	entry->totals = now;
	entry->read_ns = ctx->now_ns;
	entry->samples++;
}

/* ---- the sampler --------------------------------------------------------------------------------------------------------- */

static void take_roll(struct usage *s, const struct cgroups *cgroups)
{
	struct cgroup_info info;

	s->round++;
	for (size_t i = 0; cgroups_next(cgroups, &i, &info);) {
		struct usage_entry *entry;
		uint64_t key;

		if (!strcmp(info.path, "/") || (info.hierarchy && rank(&info) == ARRAY_SIZE(controllers)))
			continue;
		key = hash_str(info.path, 0);
		entry = roster_touch(s->roster, key ? key : 1);
		if (!entry)
			continue;
		if (entry->round != s->round)
			entry->places = 0;
		entry->round = s->round;
		if (entry->places < ARRAY_SIZE(entry->place))
			entry->place[entry->places++] = (struct place){ info.hierarchy, info.id };
	}
	roster_sweep(s->roster);
}

static int usage_sample(void *state, const struct sampler_ctx *ctx)
{
	struct usage *s = state;

	if (!ctx->cgroups)
		return -ENODEV;
	take_roll(s, ctx->cgroups);
	roster_visit(s->roster, ROSTER_BUDGET_NS, visit, (void *)ctx);
	return 0;
}

static void usage_close(void *state)
{
	struct usage *s = state;

	if (!s)
		return;
	roster_free(s->roster);
	free(s);
}

static int usage_open(const struct sampler_ctx *ctx, void **ret_state)
{
	struct usage *s;

	if (!ctx->cgroups)
		return -ENODEV;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->roster = roster_new(sizeof(struct usage_entry), PATHS_MAX, NULL);
	if (!s->roster) {
		free(s);
		return -ENOMEM;
	}
	*ret_state = s;
	return 0;
}

static const uint16_t kinds[] = { KW_KIND_usage, 0 };

const struct sampler sampler_usage = {
	.name = "usage",
	.title = "CPU, memory, I/O and tasks of every cgroup, with limits and throttling",
	.cost = "up to 16 files per cgroup and tick, about 150 us; at most 4 ms a tick, then in turns",
	.causes = "cpu.throttled,mem.oom.memcg,mem.reclaim.memcg,io.neighbor,proc.frozen",
	.source = "cgroup files, v1 and v2",
	.kinds = kinds,
	.open = usage_open,
	.sample = usage_sample,
	.close = usage_close,
};
