/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/nettable.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fileutil.h"
#include "collect/procparse.h"

#define STAT_MAX 65536     /* a line of 160 bytes a CPU */
#define REPLY_MAX 32768
#define UNUSED_VISITS 4    /* whether a namespace tracks connections is asked so rarely, but for its first seconds */
#define YOUNG_VISITS 8
#define NEIGHBOURS_ASKED 65536

/* ---- entries ------------------------------------------------------------------------------------------------- */

static const struct nlattr *attribute(const struct nlattr *a, size_t len, unsigned int type)
{
	while (len >= sizeof(*a) && a->nla_len >= sizeof(*a) && a->nla_len <= len) {
		size_t step = NLA_ALIGN(a->nla_len);

		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
		if (step >= len)
			return NULL;
		a = (const struct nlattr *)((const char *)a + step);
		len -= step;
	}
	return NULL;
}

static const struct nlattr *inside(const struct nlattr *a, unsigned int type)
{
	return a ? attribute(a + 1, a->nla_len - sizeof(*a), type) : NULL;
}

bool nettable_origin(const void *message, size_t len, uint8_t ret_address[16])
{
	const size_t head = NLMSG_ALIGN(sizeof(struct nfgenmsg));
	const struct nlattr *ip, *source;

	if (len < head)
		return false;
	ip = inside(attribute((const struct nlattr *)((const char *)message + head), len - head, CTA_TUPLE_ORIG),
		    CTA_TUPLE_IP);
	source = inside(ip, CTA_IP_V4_SRC);
	if (source && source->nla_len >= sizeof(*source) + 4) {
		memset(ret_address, 0, 10);
		memset(ret_address + 10, 0xff, 2);
		memcpy(ret_address + 12, source + 1, 4);
		return true;
	}
	source = inside(ip, CTA_IP_V6_SRC);
	if (!source || source->nla_len < sizeof(*source) + 16)
		return false;
	memcpy(ret_address, source + 1, 16);
	return true;
}

/* One more address than there is room for has few entries: it is only counted. */
void nettable_take(struct nettable_addresses *t, const uint8_t address[16])
{
	unsigned int i = 0;

	t->looked_at++;
	while (i < t->count && memcmp(t->items[i].address, address, 16) != 0)
		i++;
	if (i == NETTABLE_ADDRESSES_MAX)
		return;
	if (i == t->count)
		memcpy(t->items[t->count++].address, address, 16);
	t->items[i].entries++;
}

void nettable_judge(const struct nettable_addresses *t, struct kw_fulltable *ret)
{
	ret->looked_at = t->looked_at;
	for (unsigned int i = 0; i < t->count; i++) {
		if (t->items[i].entries <= ret->peer_entries)
			continue;
		ret->peer_entries = t->items[i].entries;
		memcpy(ret->peer_address, t->items[i].address, 16);
	}
}

/* ---- asking -------------------------------------------------------------------------------------------------- */

typedef bool (*entry_fn)(void *ctx, const struct nlmsghdr *h); /* false: enough */

/* 1: more is to come, 0: that was all, negative errno. */
static int take_reply(const char *reply, int len, entry_fn fn, void *ctx)
{
	for (const struct nlmsghdr *h = (const struct nlmsghdr *)reply; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
		if (!fn(ctx, h))
			return 0;
	}
	return 1;
}

static int dump(const struct netlook *look, int protocol, const struct nlmsghdr *request, entry_fn fn, void *ctx)
{
	AUTO_CLOSE int fd = sockdiag_open(look->pid, look->netns, protocol);
	_Alignas(struct nlmsghdr) char reply[REPLY_MAX];
	int more = 1;

	if (fd < 0)
		return fd;
	if (send(fd, request, request->nlmsg_len, 0) < 0)
		return -errno;
	while (more > 0) {
		ssize_t n = recv(fd, reply, sizeof(reply), 0);

		more = n < 0 ? -errno : n == 0 ? 0 : take_reply(reply, (int)n, fn, ctx);
	}
	return more;
}

static bool take_connection(void *ctx, const struct nlmsghdr *h)
{
	struct nettable_addresses *t = ctx;
	uint8_t address[16];

	if (h->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW))
		return true;
	if (nettable_origin(NLMSG_DATA(h), NLMSG_PAYLOAD(h, 0), address))
		nettable_take(t, address);
	return t->looked_at < NETTABLE_LOOKED_MAX;
}

static void look_at_connections(const struct netlook *look, struct kw_fulltable *ret)
{
	const struct {
		struct nlmsghdr header;
		struct nfgenmsg request;
	} message = {
		.header = { .nlmsg_len = sizeof(message), .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.request = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 },
	};
	AUTO_FREE struct nettable_addresses *t = calloc(1, sizeof(*t));

	/* Cut short: what was seen until then counts. */
	if (t && dump(look, NETLINK_NETFILTER, &message.header, take_connection, t) != -ENOMEM)
		nettable_judge(t, ret);
}

struct neighbours {
	int family;
	uint64_t count;
};

static bool take_neighbour(void *ctx, const struct nlmsghdr *h)
{
	struct neighbours *n = ctx;
	const struct ndmsg *m = NLMSG_DATA(h);

	/* Multicast and loopback need no resolving and do not count against the limit. */
	n->count += h->nlmsg_type == RTM_NEWNEIGH && h->nlmsg_len >= NLMSG_LENGTH(sizeof(*m)) &&
		    m->ndm_family == n->family && !(m->ndm_state & NUD_NOARP);
	return n->count < NEIGHBOURS_ASKED;
}

static uint64_t count_neighbours(const struct netlook *look, int family)
{
	const struct {
		struct nlmsghdr header;
		struct ndmsg request;
	} message = {
		.header = { .nlmsg_len = sizeof(message), .nlmsg_type = RTM_GETNEIGH,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.request = { .ndm_family = (__u8)family },
	};
	struct neighbours n = { .family = family };

	return dump(look, NETLINK_ROUTE, &message.header, take_neighbour, &n) < 0 ? 0 : n.count;
}

/* ---- the tables' own counters --------------------------------------------------------------------------------- */

/* Both -1 when the file or the column is not there. */
static void read_stat(const char *path, const char *column, int64_t *ret_refused, int64_t *ret_entries)
{
	AUTO_FREE char *text = malloc(STAT_MAX);
	ssize_t len = text ? file_read(AT_FDCWD, path, text, STAT_MAX) : -ENOMEM;

	*ret_refused = *ret_entries = -1;
	if (len < 0 && len != -E2BIG)
		return;
	*ret_refused = net_stat_sum(text, column);
	*ret_entries = net_stat_first(text, "entries");
}

static uint64_t limit_of(const char *path)
{
	int64_t value;

	return file_read_int(AT_FDCWD, path, &value) == 0 ? (uint64_t)MAX(value, 0) : 0;
}

static int emit(const struct sampler_ctx *ctx, const struct kw_fulltable *full, struct kw_cg subject, struct kw_cg peer)
{
	struct {
		struct kw_event e;
		struct kw_fulltable p;
	} record = { .e = { .kind = KW_KIND_fulltable, .payload_size = sizeof(record.p), .flags = KW_FLAG_POLLED,
			    .ts_ns = ctx->now_ns, .subject.cg = subject, .peer.cg = peer },
		     .p = *full };

	return ctx->emit(ctx->emit_ctx, &record.e);
}

int nettable_conntrack(const struct netlook *look, struct nettable_conntrack *t)
{
	struct kw_fulltable full = { .netns = look->netns, .name = "conntrack" };
	const struct kw_cg nobody = { 0 };
	uint64_t now_ns = look->ctx->now_ns;
	int64_t refused, entries, delta;
	char path[64];

	if (!t->used && t->visits++ >= YOUNG_VISITS && t->visits % UNUSED_VISITS)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/net/stat/nf_conntrack", look->pid);
	read_stat(path, "drop", &refused, &entries);
	t->used = entries > 0;
	delta = t->read_ns ? counter_delta(refused, t->refused) : -1;
	full.span_ns = now_ns - t->read_ns;
	t->read_ns = now_ns;
	t->refused = refused;
	if (delta <= 0)
		return 0;
	full.refused = (uint64_t)delta;
	full.entries = (uint64_t)MAX(entries, 0);
	full.capacity = limit_of("/proc/sys/net/netfilter/nf_conntrack_max");
	look_at_connections(look, &full);
	return emit(look->ctx, &full, look->owner, nobody);
}

static const struct {
	const char *name, *stat, *limit;
	int family;
} neighbour_tables[] = {
	{ "arp_cache", "/proc/self/net/stat/arp_cache", "/proc/sys/net/ipv4/neigh/default/gc_thresh3", AF_INET },
	{ "ndisc_cache", "/proc/self/net/stat/ndisc_cache", "/proc/sys/net/ipv6/neigh/default/gc_thresh3", AF_INET6 },
};

bool nettable_neighbours_full(struct nettable_neighbours *t, uint64_t now_ns)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(neighbour_tables); i++) {
		struct kw_fulltable *full = &t->full[i];
		int64_t refused, entries, delta;

		read_stat(neighbour_tables[i].stat, "table_fulls", &refused, &entries);
		delta = t->read_ns ? counter_delta(refused, t->refused[i]) : -1;
		t->refused[i] = refused;
		*full = (struct kw_fulltable){ .span_ns = now_ns - t->read_ns, .refused = (uint64_t)MAX(delta, 0),
					       .entries = (uint64_t)MAX(entries, 0) };
		snprintf(full->name, sizeof(full->name), "%s", neighbour_tables[i].name);
		any |= full->refused > 0;
	}
	t->read_ns = now_ns;
	return any;
}

void nettable_neighbours_look(struct nettable_neighbours *t, const struct netlook *look)
{
	for (size_t i = 0; i < ARRAY_SIZE(neighbour_tables); i++) {
		struct kw_fulltable *full = &t->full[i];
		uint64_t count = full->refused ? count_neighbours(look, neighbour_tables[i].family) : 0;

		full->looked_at += count;
		if (count <= full->peer_entries)
			continue;
		full->peer_entries = count;
		full->peer_netns = look->netns;
		t->owner[i] = look->owner;
	}
}

int nettable_neighbours_emit(struct nettable_neighbours *t, const struct sampler_ctx *ctx)
{
	const struct kw_cg nobody = { 0 };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(neighbour_tables) && r == 0; i++) {
		if (!t->full[i].refused)
			continue;
		t->full[i].capacity = limit_of(neighbour_tables[i].limit);
		r = emit(ctx, &t->full[i], nobody, t->full[i].peer_entries ? t->owner[i] : nobody);
	}
	return r;
}
