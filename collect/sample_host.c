/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileutil.h"
#include "collect/cgroups.h"
#include "collect/procparse.h"
#include "collect/sampler.h"
#include "schema/kinds.h"

#define HOST_TEXT_MAX (256 * 1024) /* /proc/stat of a host with a thousand CPUs */

struct host {
	uint64_t read_ns;
	int64_t ticks_per_s;
	struct kw_host totals;
};

struct host_record {
	struct kw_event e;
	struct kw_host p;
};

/* The others are gauges. */
static const size_t counters[] = {
	offsetof(struct kw_host, user_ns),          offsetof(struct kw_host, system_ns),
	offsetof(struct kw_host, idle_ns),          offsetof(struct kw_host, iowait_ns),
	offsetof(struct kw_host, irq_ns),           offsetof(struct kw_host, softirq_ns),
	offsetof(struct kw_host, steal_ns),         offsetof(struct kw_host, context_switches),
	offsetof(struct kw_host, forks),            offsetof(struct kw_host, reclaim_direct_pages),
	offsetof(struct kw_host, oom_kills),        offsetof(struct kw_host, swap_in_pages),
	offsetof(struct kw_host, swap_out_pages),   offsetof(struct kw_host, softnet_drops),
	offsetof(struct kw_host, softnet_squeezes),
};

static __s64 *field(struct kw_host *h, size_t offset)
{
	return (__s64 *)((char *)h + offset);
}

static void read_file(const char *path, void (*parse)(const char *text, struct kw_host *ret), struct kw_host *ret)
{
	AUTO_FREE char *text = NULL;
	size_t len;

	if (file_read_alloc(AT_FDCWD, path, HOST_TEXT_MAX, &text, &len) == 0)
		parse(text, ret);
}

static int read_totals(const struct host *s, struct kw_host *ret)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int r;

	memset(ret, 0xff, sizeof(*ret)); /* every field -1 */
	r = file_read_alloc(AT_FDCWD, "/proc/stat", HOST_TEXT_MAX, &text, &len);
	if (r < 0)
		return r;
	proc_stat_parse(text, s->ticks_per_s, ret);
	read_file("/proc/vmstat", vmstat_parse, ret);
	read_file("/proc/meminfo", meminfo_parse, ret);
	read_file("/proc/net/softnet_stat", softnet_parse, ret);
	return 0;
}

/* The kernel counts those that linger, directories do not show them.  -1: cannot be told. */
static int64_t dying_memory_cgroups(const struct cgroups *cgroups)
{
	AUTO_FREE char *text = NULL;
	struct cgroup_info info;
	unsigned int hierarchy;
	int64_t count;
	size_t len;

	if (!cgroups || file_read_alloc(AT_FDCWD, "/proc/cgroups", HOST_TEXT_MAX, &text, &len) < 0 ||
	    !proc_cgroups_parse(text, "memory", &hierarchy, &count))
		return -1;
	for (size_t i = 0; cgroups_next(cgroups, &i, &info);)
		count -= info.hierarchy == hierarchy;
	return MAX(count, 0);
}

static int host_sample(void *state, const struct sampler_ctx *ctx)
{
	struct host *s = state;
	struct host_record r = { .e = { .kind = KW_KIND_host, .payload_size = sizeof(r.p),
					.flags = KW_FLAG_POLLED, .ts_ns = ctx->now_ns } };
	struct kw_host now;
	int error = read_totals(s, &now);

	if (error < 0)
		return error;
	now.memory_cgroups_dying = dying_memory_cgroups(ctx->cgroups);
	r.p = now;
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		*field(&r.p, counters[i]) = counter_delta(*field(&now, counters[i]), *field(&s->totals, counters[i]));
	r.p.span_ns = ctx->now_ns - s->read_ns;
	if (s->read_ns && ctx->now_ns > s->read_ns)
		error = ctx->emit(ctx->emit_ctx, &r.e);
	s->totals = now;
	s->read_ns = ctx->now_ns;
	return error < 0 ? error : 0;
}

static int host_open(const struct sampler_ctx *ctx, void **ret_state)
{
	struct host *s;

	(void)ctx;
	if (access("/proc/stat", R_OK) < 0)
		return -errno;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->ticks_per_s = sysconf(_SC_CLK_TCK);
	*ret_state = s;
	return 0;
}

static const uint16_t kinds[] = { KW_KIND_host, 0 };

const struct sampler sampler_host = {
	.name = "host",
	.title = "CPU time, memory, swapping and network backlog of the whole host",
	.cost = "five files a tick, about 170 us",
	.causes = "cpu.saturation,cpu.steal,cpu.softirq,mem.reclaim.global,mem.zombie_cgroups,mem.swap,net.drop.backlog",
	.source = "/proc/stat, vmstat, meminfo, cgroups, net/softnet_stat",
	.kinds = kinds,
	.open = host_open,
	.sample = host_sample,
	.close = free,
};
