/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/cgroups.h"
#include "collect/keptfile.h"
#include "collect/procparse.h"
#include "collect/roster.h"
#include "collect/sampler.h"
#include "schema/kinds.h"

#define PSI_CGROUPS_MAX 16384
#define PSI_TEXT_MAX 512

struct psi_totals {
	int64_t cpu_some_ns, cpu_full_ns, memory_some_ns, memory_full_ns, io_some_ns, io_full_ns;
};

enum { PSI_CPU, PSI_MEMORY, PSI_IO, PSI_FILES };

static const char *const psi_names[PSI_FILES] = { "cpu", "memory", "io" };

#define KEPT_MAX 2048

struct psi {
	struct roster *roster;
	struct kept_budget budget;
	struct psi_entry *host;
};

struct psi_entry {
	struct psi *owner;
	uint64_t id; /* in the default hierarchy; 0: the host */
	uint64_t read_ns; /* of totals; 0: never */
	struct kept_file file[PSI_FILES];
	struct psi_totals totals;
};

struct psi_record {
	struct kw_event e;
	struct kw_pressure p;
};

static bool read_one(struct psi_entry *entry, unsigned int which, const char *dir, const char *suffix,
		     int64_t *ret_some_ns, int64_t *ret_full_ns)
{
	char path[4096], text[PSI_TEXT_MAX];

	if (snprintf(path, sizeof(path), "%s/%s%s", dir, psi_names[which], suffix) >= (int)sizeof(path))
		return false;
	/* -EOPNOTSUPP: the kernel was started with psi=0 */
	if (kept_read(&entry->file[which], &entry->owner->budget, path, text, sizeof(text)) < 0)
		return false;
	psi_parse(text, ret_some_ns, ret_full_ns);
	return *ret_some_ns >= 0;
}

/* dir/cpu.pressure in a cgroup, /proc/pressure/cpu of the host */
static bool read_totals(struct psi_entry *entry, const char *dir, const char *suffix, struct psi_totals *ret)
{
	bool any;

	*ret = (struct psi_totals){ -1, -1, -1, -1, -1, -1 };
	any = read_one(entry, PSI_CPU, dir, suffix, &ret->cpu_some_ns, &ret->cpu_full_ns);
	any |= read_one(entry, PSI_MEMORY, dir, suffix, &ret->memory_some_ns, &ret->memory_full_ns);
	any |= read_one(entry, PSI_IO, dir, suffix, &ret->io_some_ns, &ret->io_full_ns);
	return any;
}

static int emit(const struct sampler_ctx *ctx, const struct psi_entry *entry, const struct psi_totals *now)
{
	const struct psi_totals *old = &entry->totals;
	struct psi_record r = {
		.e = { .kind = KW_KIND_pressure, .payload_size = sizeof(r.p), .flags = KW_FLAG_POLLED,
		       .ts_ns = ctx->now_ns },
		.p = {
			.span_ns = ctx->now_ns - entry->read_ns,
			.cpu_some_ns = counter_delta(now->cpu_some_ns, old->cpu_some_ns),
			.cpu_full_ns = counter_delta(now->cpu_full_ns, old->cpu_full_ns),
			.memory_some_ns = counter_delta(now->memory_some_ns, old->memory_some_ns),
			.memory_full_ns = counter_delta(now->memory_full_ns, old->memory_full_ns),
			.io_some_ns = counter_delta(now->io_some_ns, old->io_some_ns),
			.io_full_ns = counter_delta(now->io_full_ns, old->io_full_ns),
		},
	};

	r.e.subject.cg.v2 = entry->id;
	return ctx->emit(ctx->emit_ctx, &r.e);
}

static int sample_dir(const struct sampler_ctx *ctx, struct psi_entry *entry, const char *dir, const char *suffix)
{
	struct psi_totals now;
	int r = 0;

	if (!read_totals(entry, dir, suffix, &now))
		return -ENOENT;
	if (entry->read_ns && ctx->now_ns > entry->read_ns)
		r = emit(ctx, entry, &now);
	entry->totals = now;
	entry->read_ns = ctx->now_ns;
	return r;
}

static void visit(void *arg, void *slot)
{
	const struct sampler_ctx *ctx = arg;
	struct psi_entry *entry = slot;
	struct cgroup_info info;
	char dir[4096];

	if (!cgroups_find(ctx->cgroups, 0, entry->id, &info))
		return;
	if (snprintf(dir, sizeof(dir), "%s%s", info.mount, info.path) < (int)sizeof(dir))
		sample_dir(ctx, entry, dir, ".pressure");
}

static void take_roll(struct psi *s, const struct cgroups *cgroups)
{
	struct cgroup_info info;

	for (size_t i = 0; cgroups_next(cgroups, &i, &info);) {
		struct psi_entry *entry;

		if (info.hierarchy || !strcmp(info.path, "/"))
			continue;
		entry = roster_touch(s->roster, info.id);
		if (!entry)
			continue;
		entry->owner = s;
		entry->id = info.id;
	}
	roster_sweep(s->roster);
}

static int psi_sample(void *state, const struct sampler_ctx *ctx)
{
	struct psi *s = state;
	int r = sample_dir(ctx, s->host, "/proc/pressure", "");

	if (!ctx->cgroups)
		return r;
	take_roll(s, ctx->cgroups);
	return roster_visit(s->roster, ROSTER_BUDGET_NS, visit, (void *)ctx) ? 0 : r;
}

static void release(void *slot)
{
	struct psi_entry *entry = slot;

	for (unsigned int i = 0; entry->owner && i < PSI_FILES; i++)
		kept_close(&entry->file[i], &entry->owner->budget);
}

static void psi_close(void *state)
{
	struct psi *s = state;

	if (!s)
		return;
	roster_free(s->roster);
	if (s->host)
		release(s->host);
	free(s->host);
	free(s);
}

static int psi_open(const struct sampler_ctx *ctx, void **ret_state)
{
	struct psi *s = calloc(1, sizeof(*s));
	struct psi_totals totals;

	(void)ctx;
	if (!s)
		return -ENOMEM;
	kept_budget_init(&s->budget, KEPT_MAX);
	s->host = calloc(1, sizeof(*s->host));
	s->roster = roster_new(sizeof(struct psi_entry), PSI_CGROUPS_MAX, release);
	if (!s->host || !s->roster) {
		psi_close(s);
		return -ENOMEM;
	}
	s->host->owner = s;
	if (!read_totals(s->host, "/proc/pressure", "", &totals)) {
		psi_close(s);
		return -EOPNOTSUPP;
	}
	*ret_state = s;
	return 0;
}

static const uint16_t kinds[] = { KW_KIND_pressure, 0 };

const struct sampler sampler_psi = {
	.name = "psi",
	.title = "Pressure stall of the host and of every cgroup of the default hierarchy",
	.cost = "three files per cgroup and tick, about 5 us together; at most 4 ms a tick",
	.causes = "cpu.saturation,mem.reclaim.global,io.device_slow",
	.source = "/proc/pressure, *.pressure",
	.kinds = kinds,
	.open = psi_open,
	.sample = psi_sample,
	.close = psi_close,
};
