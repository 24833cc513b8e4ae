/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record per cgroup path, put together from every hierarchy that has it:
 * what v1 controllers say first, then what the default hierarchy adds.
 *
 * Most cgroups of most hosts idle.  Of these three files are read that tell whether they still do (CPU time, bytes of
 * I/O, frozen or not), and the others every fifth time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileutil.h"
#include "base/hash.h"
#include "base/timeutil.h"
#include "collect/cgroups.h"
#include "collect/keptfile.h"
#include "collect/procparse.h"
#include "collect/roster.h"
#include "collect/sampler.h"
#include "schema/kinds.h"

#define PATHS_MAX 16384
#define TEXT_MAX 16384  /* memory.stat is the longest; io.stat of hosts with many disks may be cut */
#define LIMITS_EVERY 5  /* limits are read in the first samples of a cgroup and then in every fifth */
#define LIMITS_YOUNG 2
#define PATH_TEXT_MAX 4096
/* Opening the files of a cgroup for the first time costs the kernel 250 us: more for a while, not blind for long. */
#define FRESH_BUDGET_NS (5 * ROSTER_BUDGET_NS)

/* Files read in every sample, kept open. */
enum file {
	V1_CPU_STAT, V1_CPU_USAGE, V1_CPU_USER, V1_CPU_SYSTEM, V1_MEMORY_USAGE, V1_MEMORY_FAILCNT, V1_MEMORY_STAT,
	V1_MEMORY_KERNEL, V1_MEMORY_OOM, V1_MEMORY_TCP, V1_IO_BYTES_ALL, V1_IO_BYTES, V1_IO_COUNTS_ALL, V1_IO_COUNTS, V1_PIDS, V1_FREEZER,
	V2_CPU_STAT, V2_EVENTS, V2_PIDS, V2_IO_STAT, V2_MEMORY, V2_MEMORY_STAT, V2_MEMORY_EVENTS, V2_SWAP,
	FILES,
};

static const char *const file_names[FILES] = {
	[V1_CPU_STAT] = "cpu.stat",
	[V1_CPU_USAGE] = "cpuacct.usage",
	[V1_CPU_USER] = "cpuacct.usage_user",
	[V1_CPU_SYSTEM] = "cpuacct.usage_sys",
	[V1_MEMORY_USAGE] = "memory.usage_in_bytes",
	[V1_MEMORY_FAILCNT] = "memory.failcnt",
	[V1_MEMORY_STAT] = "memory.stat",
	[V1_MEMORY_KERNEL] = "memory.kmem.usage_in_bytes",
	[V1_MEMORY_OOM] = "memory.oom_control",
	[V1_MEMORY_TCP] = "memory.kmem.tcp.usage_in_bytes",
	[V1_IO_BYTES_ALL] = "blkio.throttle.io_service_bytes_recursive",
	[V1_IO_BYTES] = "blkio.throttle.io_service_bytes",
	[V1_IO_COUNTS_ALL] = "blkio.throttle.io_serviced_recursive",
	[V1_IO_COUNTS] = "blkio.throttle.io_serviced",
	[V1_PIDS] = "pids.current",
	[V1_FREEZER] = "freezer.state",
	[V2_CPU_STAT] = "cpu.stat",
	[V2_EVENTS] = "cgroup.events",
	[V2_PIDS] = "pids.current",
	[V2_IO_STAT] = "io.stat",
	[V2_MEMORY] = "memory.current",
	[V2_MEMORY_STAT] = "memory.stat",
	[V2_MEMORY_EVENTS] = "memory.events.local", /* memory.events counts for all cgroups above as well */
	[V2_SWAP] = "memory.swap.current",
};

#define KEPT_MAX 4096

/* What of an entry is read: of one in which nothing happened only what would tell that something does. */
enum extent { BRIEF, WHOLE, WITH_LIMITS };

struct usage {
	struct roster *roster;
	struct kept_budget budget;
	uint64_t round;
	unsigned int fresh; /* entries never read, as of this round */
};

struct place {
	unsigned int hierarchy;
	uint64_t id;
};

struct usage_entry {
	struct usage *owner;
	struct place place[CGROUP_HIERARCHIES_MAX];
	unsigned int places;
	uint64_t places_hash; /* changes when a directory of that path was made anew */
	uint64_t round;       /* in which places were gathered */
	uint64_t read_ns;
	unsigned int samples;
	bool idle; /* as of the last sample */
	bool sockets_limited; /* as of the last limits */
	struct kept_file file[FILES];
	struct kw_usage totals;
};

/* One directory of an entry while it is read. */
struct here {
	struct usage_entry *entry;
	const struct cgroup_info *info;
	struct kw_usage usage;
	enum extent extent;
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
	USAGE(io_reads),         USAGE(io_writes),        USAGE(faults),            USAGE(refaults_anon),
};

static __s64 *field(struct kw_usage *u, size_t offset)
{
	return (__s64 *)((char *)u + offset);
}

/* ---- reading ------------------------------------------------------------------------------------ */

static bool path_of(const struct here *h, const char *name, char *ret, size_t size)
{
	return snprintf(ret, size, "%s%s/%s", h->info->mount, h->info->path, name) < (int)size;
}

static bool read_kept(struct here *h, enum file file, char *buf, size_t size)
{
	char path[PATH_TEXT_MAX];

	if (!path_of(h, file_names[file], path, sizeof(path)))
		return false;
	return kept_read(&h->entry->file[file], &h->entry->owner->budget, path, buf, size) >= 0;
}

static void parse_kept(struct here *h, enum file file, void (*parse)(const char *text, struct kw_usage *ret))
{
	char text[TEXT_MAX];

	if (read_kept(h, file, text, sizeof(text)))
		parse(text, &h->usage);
}

static void int_kept(struct here *h, enum file file, __s64 *ret)
{
	char text[64], *end;
	long long value;

	if (!read_kept(h, file, text, sizeof(text)))
		return;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (end != text && !errno && value >= 0)
		*ret = value;
}

/* Limits are read seldom and not kept open.  Absent, negative (v1: none) and "max": left alone. */
static void int_once(const struct here *h, const char *name, int64_t factor, __s64 *ret)
{
	char path[PATH_TEXT_MAX];
	int64_t value;

	if (!path_of(h, name, path, sizeof(path)) || file_read_int(AT_FDCWD, path, &value) < 0)
		return;
	/* v1 writes an unlimited memory limit as LONG_MAX rounded down to a page; nobody has an exbibyte. */
	if (value >= 0 && value < INT64_C(1) << 60)
		*ret = value * factor;
}

static void read_cpu_v1(struct here *h)
{
	if (h->extent == BRIEF)
		return;
	parse_kept(h, V1_CPU_STAT, cpu_stat_v1_parse);
	if (h->extent != WITH_LIMITS)
		return;
	int_once(h, "cpu.cfs_quota_us", NSEC_PER_USEC, &h->usage.cpu_quota_ns);
	int_once(h, "cpu.cfs_period_us", NSEC_PER_USEC, &h->usage.cpu_period_ns);
}

static void read_cpuacct_v1(struct here *h)
{
	int_kept(h, V1_CPU_USAGE, &h->usage.cpu_ns);
	if (h->extent == BRIEF)
		return;
	int_kept(h, V1_CPU_USER, &h->usage.cpu_user_ns);
	int_kept(h, V1_CPU_SYSTEM, &h->usage.cpu_system_ns);
}

static void oom_control_parse(const char *text, struct kw_usage *ret)
{
	int64_t kills;

	if (text_lookup_int(text, "oom_kill", &kills) == 0)
		ret->memory_oom_kills = kills;
}

/* Few have such a limit: both files are read in each sample of those, and of others that there is none now and then. */
static void read_sockets_v1(struct here *h)
{
	if (h->extent != WITH_LIMITS && !h->entry->sockets_limited)
		return;
	int_once(h, "memory.kmem.tcp.limit_in_bytes", 1, &h->usage.memory_socket_limit_bytes);
	h->entry->sockets_limited = h->usage.memory_socket_limit_bytes >= 0;
	if (h->entry->sockets_limited)
		int_kept(h, V1_MEMORY_TCP, &h->usage.memory_socket_bytes);
}

static void read_memory_v1(struct here *h)
{
	if (h->extent == BRIEF)
		return;
	int_kept(h, V1_MEMORY_USAGE, &h->usage.memory_bytes);
	int_kept(h, V1_MEMORY_FAILCNT, &h->usage.memory_limit_hits);
	parse_kept(h, V1_MEMORY_STAT, memory_stat_v1_parse);
	int_kept(h, V1_MEMORY_KERNEL, &h->usage.memory_kernel_bytes);
	parse_kept(h, V1_MEMORY_OOM, oom_control_parse);
	if (h->extent == WITH_LIMITS)
		int_once(h, "memory.limit_in_bytes", 1, &h->usage.memory_limit_bytes);
	read_sockets_v1(h);
}

/* Of all below where the kernel has it, else of the cgroup itself.  No line of a device: nothing yet, which is 0. */
static void read_blkio_pair(struct here *h, enum file all, enum file own, __s64 *ret_reads, __s64 *ret_writes)
{
	char text[TEXT_MAX];

	if (!read_kept(h, all, text, sizeof(text)) && !read_kept(h, own, text, sizeof(text)))
		return;
	blkio_parse(text, ret_reads, ret_writes);
	*ret_reads = MAX(*ret_reads, 0);
	*ret_writes = MAX(*ret_writes, 0);
}

static void read_blkio_v1(struct here *h)
{
	read_blkio_pair(h, V1_IO_BYTES_ALL, V1_IO_BYTES, &h->usage.io_read_bytes, &h->usage.io_write_bytes);
	if (h->extent == BRIEF)
		return;
	read_blkio_pair(h, V1_IO_COUNTS_ALL, V1_IO_COUNTS, &h->usage.io_reads, &h->usage.io_writes);
}

static void read_pids_v1(struct here *h)
{
	if (h->extent == BRIEF)
		return;
	int_kept(h, V1_PIDS, &h->usage.pids);
	if (h->extent == WITH_LIMITS)
		int_once(h, "pids.max", 1, &h->usage.pids_limit);
}

static void freezer_parse(const char *text, struct kw_usage *ret)
{
	ret->frozen = !strncmp(text, "FROZEN", 6);
}

static void read_freezer_v1(struct here *h)
{
	parse_kept(h, V1_FREEZER, freezer_parse);
}

/* cgroup.events: "populated 1\nfrozen 0" */
static void cgroup_events_parse(const char *text, struct kw_usage *ret)
{
	int64_t frozen;

	if (text_lookup_int(text, "frozen", &frozen) == 0)
		ret->frozen = frozen != 0;
}

static void read_limits_v2(struct here *h)
{
	char path[PATH_TEXT_MAX], text[64];

	if (path_of(h, "cpu.max", path, sizeof(path)) && file_read(AT_FDCWD, path, text, sizeof(text)) > 0)
		cpu_max_parse(text, &h->usage);
	int_once(h, "memory.max", 1, &h->usage.memory_limit_bytes);
	int_once(h, "pids.max", 1, &h->usage.pids_limit);
}

static void read_v2(struct here *h)
{
	parse_kept(h, V2_CPU_STAT, cpu_stat_v2_parse);
	parse_kept(h, V2_EVENTS, cgroup_events_parse);
	parse_kept(h, V2_IO_STAT, io_stat_v2_parse);
	if (h->extent == BRIEF)
		return;
	int_kept(h, V2_PIDS, &h->usage.pids);
	int_kept(h, V2_MEMORY, &h->usage.memory_bytes);
	parse_kept(h, V2_MEMORY_STAT, memory_stat_v2_parse);
	parse_kept(h, V2_MEMORY_EVENTS, memory_events_parse);
	int_kept(h, V2_SWAP, &h->usage.memory_swap_bytes);
	if (h->extent == WITH_LIMITS)
		read_limits_v2(h);
}

struct controller {
	const char *name;
	void (*read)(struct here *h);
};

/* In the order in which kw_cg_of_task() of the BPF side picks a task's v1 id. */
static const struct controller controllers[] = {
	{ "cpu", read_cpu_v1 },         { "memory", read_memory_v1 }, { "freezer", read_freezer_v1 },
	{ "pids", read_pids_v1 },          { "blkio", read_blkio_v1 },   { "cpuacct", read_cpuacct_v1 },
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

static void read_place(struct usage_entry *entry, const struct cgroup_info *info, enum extent extent,
		       struct kw_usage *ret)
{
	struct here h = { .entry = entry, .info = info, .extent = extent };

	memset(&h.usage, 0xff, sizeof(h.usage));
	if (!info->hierarchy)
		read_v2(&h);
	for (size_t i = 0; info->hierarchy && i < ARRAY_SIZE(controllers); i++)
		if (lists(info->controllers, controllers[i].name))
			controllers[i].read(&h);
	merge(ret, &h.usage);
}

/* ---- identity ----------------------------------------------------------------------------------- */

static unsigned int rank(const struct cgroup_info *info)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(controllers); i++)
		if (lists(info->controllers, controllers[i].name))
			return i;
	return ARRAY_SIZE(controllers);
}

/* Reads every place, v1 first, and finds the ids.  False: it has gone everywhere. */
static bool read_all(const struct sampler_ctx *ctx, struct usage_entry *entry, enum extent extent, struct kw_usage *ret,
		     struct kw_cg *ret_cg)
{
	unsigned int best = ARRAY_SIZE(controllers);
	struct cgroup_info info;

	memset(ret, 0xff, sizeof(*ret)); /* every field -1 */
	*ret_cg = (struct kw_cg){ 0 };
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (unsigned int i = 0; i < entry->places; i++) {
			const struct place *p = &entry->place[i];

			if ((p->hierarchy == 0) != (pass == 1) ||
			    !cgroups_find(ctx->cgroups, p->hierarchy, p->id, &info))
				continue;
			read_place(entry, &info, extent, ret);
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

static void release(void *slot)
{
	struct usage_entry *entry = slot;

	for (unsigned int i = 0; entry->owner && i < FILES; i++)
		kept_close(&entry->file[i], &entry->owner->budget);
}

/* Another container under the same path begins anew: other files, other counters. */
static void check_places(struct usage_entry *entry)
{
	uint64_t sum = 0;

	/* in no particular order */
	for (unsigned int i = 0; i < entry->places; i++)
		sum += hash_bytes(&entry->place[i].id, sizeof(entry->place[i].id), entry->place[i].hierarchy);
	if (sum == entry->places_hash)
		return;
	entry->places_hash = sum;
	entry->read_ns = 0;
	entry->samples = 0;
	release(entry);
}

/* Controllers of the default hierarchy can be turned on later: their files then appear. */
static void look_again(struct usage_entry *entry)
{
	for (unsigned int i = 0; i < FILES; i++)
		if (entry->file[i].state < 0)
			entry->file[i].state = 0;
}

/*
 * Nobody ran in it, nothing was read or written for it, and it was neither frozen nor thawed.  What else may change then
 * is what others take of its memory, which can wait for the next sample with limits.
 */
static bool is_idle(const struct kw_usage *now, const struct kw_usage *before)
{
	return now->cpu_ns >= 0 && now->cpu_ns == before->cpu_ns && now->io_read_bytes == before->io_read_bytes &&
	       now->io_write_bytes == before->io_write_bytes && now->frozen == before->frozen;
}

/* False: it has gone everywhere. */
static bool read_entry(const struct sampler_ctx *ctx, struct usage_entry *entry, struct kw_usage *ret,
		       struct kw_cg *ret_cg)
{
	const struct kw_usage *before = &entry->totals;

	if (entry->samples < LIMITS_YOUNG || entry->samples % LIMITS_EVERY == 0) {
		look_again(entry);
		return read_all(ctx, entry, WITH_LIMITS, ret, ret_cg);
	}
	if (entry->idle) {
		if (!read_all(ctx, entry, BRIEF, ret, ret_cg))
			return false;
		if (is_idle(ret, before)) {
			*ret = *before;
			return true;
		}
	}
	if (!read_all(ctx, entry, WHOLE, ret, ret_cg))
		return false;
	ret->cpu_quota_ns = before->cpu_quota_ns;
	ret->cpu_period_ns = before->cpu_period_ns;
	ret->memory_limit_bytes = before->memory_limit_bytes;
	ret->pids_limit = before->pids_limit;
	return true;
}

static void visit(void *arg, void *slot)
{
	const struct sampler_ctx *ctx = arg;
	struct usage_entry *entry = slot;
	struct kw_usage now;
	struct kw_cg cg;

	check_places(entry);
	if (!read_entry(ctx, entry, &now, &cg))
		return;
	if (entry->read_ns && ctx->now_ns > entry->read_ns)
		emit(ctx, entry, &now, &cg);
	entry->idle = is_idle(&now, &entry->totals);
	entry->totals = now;
	entry->read_ns = ctx->now_ns;
	entry->samples++;
}

/* ---- the sampler -------------------------------------------------------------------------------- */

static void gather(struct usage *s, const struct cgroup_info *info)
{
	uint64_t key = hash_str(info->path, 0);
	struct usage_entry *entry = roster_touch(s->roster, key ? key : 1);

	if (!entry)
		return;
	entry->owner = s;
	if (entry->round != s->round) {
		entry->places = 0;
		s->fresh += !entry->samples;
	}
	entry->round = s->round;
	if (entry->places < ARRAY_SIZE(entry->place))
		entry->place[entry->places++] = (struct place){ info->hierarchy, info->id };
}

static void take_roll(struct usage *s, const struct cgroups *cgroups)
{
	struct cgroup_info info;

	s->round++;
	s->fresh = 0;
	for (size_t i = 0; cgroups_next(cgroups, &i, &info);)
		if (strcmp(info.path, "/") != 0 && (!info.hierarchy || rank(&info) < ARRAY_SIZE(controllers)))
			gather(s, &info);
	roster_sweep(s->roster);
}

static int usage_sample(void *state, const struct sampler_ctx *ctx)
{
	struct usage *s = state;

	if (!ctx->cgroups)
		return -ENODEV;
	take_roll(s, ctx->cgroups);
	roster_visit(s->roster, s->fresh ? FRESH_BUDGET_NS : ROSTER_BUDGET_NS, visit, (void *)ctx);
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
	s->roster = roster_new(sizeof(struct usage_entry), PATHS_MAX, release);
	if (!s->roster) {
		free(s);
		return -ENOMEM;
	}
	kept_budget_init(&s->budget, KEPT_MAX);
	*ret_state = s;
	return 0;
}

static const uint16_t kinds[] = { KW_KIND_usage, 0 };

const struct sampler sampler_usage = {
	.name = "usage",
	.title = "CPU, memory, I/O and tasks of every cgroup, with limits and throttling",
	.cost = "up to 16 files per cgroup and tick, about 20 us, 3 of an idle one; at most 4 ms a tick, then in turns",
	.causes = "cpu.throttled,mem.oom.memcg,mem.reclaim.memcg,mem.refault,mem.fault_storm,mem.slab,mem.leak,io.neighbor,proc.frozen",
	.source = "cgroup files, v1 and v2",
	.kinds = kinds,
	.open = usage_open,
	.sample = usage_sample,
	.close = usage_close,
};
