/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileutil.h"
#include "collect/cgroups.h"
#include "collect/netlook.h"
#include "collect/nettable.h"
#include "collect/procparse.h"
#include "collect/roster.h"
#include "collect/sampler.h"
#include "schema/kinds.h"

#define PROC "/proc"
#define NETNS_MAX 4096
#define NET_TEXT_MAX 16384
#define ADDRESS_READS 16 /* addresses and devices are looked up again after so many reads */
#define STUCK_LOOKS 5    /* window probes come ever more rarely: after one, look so many times */

struct netns_entry {
	uint64_t netns;
	unsigned int hierarchy; /* a cgroup with a process inside */
	uint64_t id;
	int pid;                /* of that process, 0: to be looked for */
	uint64_t read_ns;
	unsigned int reads, stuck_looks;
	uint8_t address[16];
	struct netlook_links links;
	struct nettable_conntrack conntrack;
	struct kw_netstat totals;
};

struct netstat {
	struct roster *roster;
	struct netns_entry host;
	struct nettable_neighbours neighbours;
};

struct netstat_record {
	struct kw_event e;
	struct kw_netstat p;
};

static bool read_totals(int pid, struct kw_netstat *ret)
{
	static const char *const files[] = { "snmp", "netstat" };
	char path[64], text[NET_TEXT_MAX];
	bool any = false;

	memset(ret, 0xff, sizeof(*ret)); /* every field -1 */
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/%d/net/%s", pid, files[i]);
		len = file_read(AT_FDCWD, path, text, sizeof(text));
		if (len < 0)
			continue;
		net_counters_parse(text, ret);
		any = true;
	}
	return any;
}

static void read_address(struct netns_entry *entry, int pid)
{
	char path[64], text[NET_TEXT_MAX];

	snprintf(path, sizeof(path), "/proc/%d/net/fib_trie", pid);
	if (file_read(AT_FDCWD, path, text, sizeof(text)) < 0 || !fib_trie_parse(text, entry->address))
		memset(entry->address, 0, sizeof(entry->address));
}

static struct kw_netstat difference(const struct netns_entry *entry, const struct kw_netstat *now, uint64_t now_ns)
{
	const size_t first = offsetof(struct kw_netstat, tcp_out_segs), end = offsetof(struct kw_netstat, address);
	struct kw_netstat d = { .span_ns = now_ns - entry->read_ns, .netns = entry->netns };

	for (size_t at = first; at < end; at += sizeof(__s64))
		*(__s64 *)((char *)&d + at) = counter_delta(*(const __s64 *)((const char *)now + at),
							    *(const __s64 *)((const char *)&entry->totals + at));
	memcpy(d.address, entry->address, sizeof(d.address));
	return d;
}

static struct kw_cg owner_of(const struct netns_entry *entry)
{
	if (entry->id && entry->hierarchy)
		return (struct kw_cg){ .v1 = (uint64_t)entry->hierarchy << KW_CG_V1_SHIFT | entry->id };
	return (struct kw_cg){ .v2 = entry->id };
}

static struct netlook look_at(const struct sampler_ctx *ctx, const struct netns_entry *entry, int pid)
{
	return (struct netlook){ .ctx = ctx, .pid = pid, .netns = entry->netns, .owner = owner_of(entry) };
}

/* What changes rarely; the host's addresses and devices would be some of many. */
static void look_again(const struct sampler_ctx *ctx, struct netns_entry *entry, int pid)
{
	const struct netlook look = look_at(ctx, entry, pid);

	if (!entry->id || entry->reads++ % ADDRESS_READS)
		return;
	read_address(entry, pid);
	netlook_devices(&look, &entry->links);
}

static bool is_unanswered(const struct kw_netstat *d)
{
	return (d->tcp_active_opens > 0 || d->tcp_out_segs > 0) && d->tcp_in_segs == 0;
}

/* Sockets are only asked for where a counter moved that moves only when something is wrong. */
static void look_closer(const struct sampler_ctx *ctx, struct netns_entry *entry, int pid, const struct kw_netstat *d)
{
	const struct netlook look = look_at(ctx, entry, pid);

	if (d->listen_drops > 0 || d->request_queue_cookies > 0)
		netlook_listeners(&look, d);
	if (entry->id && (d->tcp_retransmits > 0 || d->ip_out_no_routes > 0 || is_unanswered(d)))
		netlook_devices(&look, &entry->links);
	if (d->zero_window_probes > 0)
		entry->stuck_looks = STUCK_LOOKS;
	else if (entry->stuck_looks)
		entry->stuck_looks--;
	if (entry->stuck_looks && netlook_stuck(&look) == 0)
		entry->stuck_looks = 0;
}

static int emit(const struct sampler_ctx *ctx, struct netns_entry *entry, int pid, const struct kw_netstat *now)
{
	struct netstat_record r = { .e = { .kind = KW_KIND_netstat, .payload_size = sizeof(r.p),
					   .flags = KW_FLAG_POLLED, .ts_ns = ctx->now_ns,
					   .subject.cg = owner_of(entry) },
				    .p = difference(entry, now, ctx->now_ns) };
	int err = ctx->emit(ctx->emit_ctx, &r.e);

	look_closer(ctx, entry, pid, &r.p);
	return err;
}

static int sample_netns(const struct sampler_ctx *ctx, struct netns_entry *entry, int pid)
{
	const struct netlook look = look_at(ctx, entry, pid);
	struct kw_netstat now;
	int r = 0;

	if (!read_totals(pid, &now))
		return -ENOENT;
	look_again(ctx, entry, pid);
	if (entry->read_ns && ctx->now_ns > entry->read_ns)
		r = emit(ctx, entry, pid, &now);
	nettable_conntrack(&look, &entry->conntrack);
	entry->totals = now;
	entry->read_ns = ctx->now_ns;
	return r;
}

/* The first process that the cgroup lists, if it is in that namespace. */
static int find_pid(const struct cgroups *cgroups, const struct netns_entry *entry)
{
	int pid = cgroups_first_process(cgroups, entry->hierarchy, entry->id);

	return pid > 0 && netns_of_process(PROC, pid) == entry->netns ? pid : 0;
}

static void visit(void *arg, void *slot)
{
	const struct sampler_ctx *ctx = arg;
	struct netns_entry *entry = slot;

	/* The namespace is asked for every time: the process may have gone and its number be another's. */
	if (!entry->pid || netns_of_process(PROC, entry->pid) != entry->netns)
		entry->pid = find_pid(ctx->cgroups, entry);
	if (entry->pid)
		sample_netns(ctx, entry, entry->pid);
}

/* The owner of a namespace stays the cgroup that was first seen with it, as long as that lives. */
static void take_roll(struct netstat *s, const struct cgroups *cgroups)
{
	struct cgroup_info info, owner;

	for (size_t i = 0; cgroups_next(cgroups, &i, &info);) {
		struct netns_entry *entry;

		if (!info.netns || info.netns == s->host.netns || !strcmp(info.path, "/"))
			continue;
		entry = roster_touch(s->roster, info.netns);
		if (!entry || (entry->id && cgroups_find(cgroups, entry->hierarchy, entry->id, &owner)))
			continue;
		entry->netns = info.netns;
		entry->hierarchy = info.hierarchy;
		entry->id = info.id;
		entry->pid = info.netns_pid;
	}
	roster_sweep(s->roster);
}

struct counting {
	struct netstat *s;
	const struct sampler_ctx *ctx;
};

static void count_neighbours(void *arg, void *slot)
{
	const struct counting *c = arg;
	const struct netns_entry *entry = slot;
	const struct netlook look = look_at(c->ctx, entry, entry->pid);

	if (entry->pid)
		nettable_neighbours_look(&c->s->neighbours, &look);
}

/* The neighbours of all namespaces share one table: who has most is looked for in each. */
static void sample_neighbours(struct netstat *s, const struct sampler_ctx *ctx)
{
	struct counting counting = { .s = s, .ctx = ctx };
	const struct netlook host = look_at(ctx, &s->host, getpid());

	if (!nettable_neighbours_full(&s->neighbours, ctx->now_ns))
		return;
	nettable_neighbours_look(&s->neighbours, &host);
	roster_visit(s->roster, ROSTER_BUDGET_NS, count_neighbours, &counting);
	nettable_neighbours_emit(&s->neighbours, ctx);
}

static int netstat_sample(void *state, const struct sampler_ctx *ctx)
{
	struct netstat *s = state;
	int r = sample_netns(ctx, &s->host, getpid());

	if (!ctx->cgroups)
		return r;
	take_roll(s, ctx->cgroups);
	roster_visit(s->roster, ROSTER_BUDGET_NS, visit, (void *)ctx);
	sample_neighbours(s, ctx);
	return r;
}

static void netstat_close(void *state)
{
	struct netstat *s = state;

	if (!s)
		return;
	roster_free(s->roster);
	free(s);
}

static int netstat_open(const struct sampler_ctx *ctx, void **ret_state)
{
	struct netstat *s;
	uint64_t host = netns_of_process(PROC, getpid());

	(void)ctx;
	if (!host)
		return -ENOENT;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->host.netns = host;
	s->roster = roster_new(sizeof(struct netns_entry), NETNS_MAX, NULL);
	if (!s->roster) {
		free(s);
		return -ENOMEM;
	}
	*ret_state = s;
	return 0;
}

static const uint16_t kinds[] = { KW_KIND_netstat, KW_KIND_listen, KW_KIND_stuck, KW_KIND_link, KW_KIND_fulltable,
				  0 };

const struct sampler sampler_netstat = {
	.name = "netstat",
	.title = "TCP, UDP and IP counters of every network namespace; its full listeners and tables, stuck connections, lost devices",
	.cost = "two files per network namespace and tick, a third where connections are tracked, about 100 us; at most 4 ms a tick, "
		"then in turns",
	.causes = "net.loss,net.listen_overflow,net.syn_backlog,net.zero_window,net.link_down,net.unreachable,net.drop.rcvbuf,"
		  "net.conntrack_full,net.neigh_full",
	.source = "/proc/PID/net/snmp, netstat, fib_trie, stat; sock_diag, rtnetlink, ctnetlink",
	.kinds = kinds,
	.open = netstat_open,
	.sample = netstat_sample,
	.close = netstat_close,
};
