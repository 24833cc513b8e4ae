/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/netlook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define LISTENERS_ASKED 1024
#define CONNECTIONS_ASKED 4096
#define STUCK_MAX 16

static int listener_of(const struct netlook_table *t, uint16_t port)
{
	for (unsigned int i = 0; i < t->listener_count; i++)
		if (t->listeners[i].sport == port)
			return (int)i;
	return -1;
}

/* NULL: there are too many; a flood from everywhere has no one peer. */
static struct netlook_peer *peer_of(struct netlook_table *t, unsigned int listener, const uint8_t address[16])
{
	struct netlook_peer *p = t->peers;

	for (; p < t->peers + t->peer_count; p++)
		if (p->listener == listener && !memcmp(p->address, address, sizeof(p->address)))
			return p;
	if (t->peer_count == NETLOOK_PEERS_MAX)
		return NULL;
	t->peer_count++;
	p->listener = listener;
	memcpy(p->address, address, sizeof(p->address));
	return p;
}

void netlook_take(void *table, const struct diag_socket *s)
{
	struct netlook_table *t = table;
	struct netlook_peer *peer;
	int listener;

	if (s->state == DIAG_LISTEN) {
		if (t->listener_count < NETLOOK_LISTENERS_MAX)
			t->listeners[t->listener_count++] = *s;
		return;
	}
	listener = s->inode ? -1 : listener_of(t, s->sport);
	if (listener < 0)
		return; /* accepted long ago, or our own */
	if (s->state == DIAG_SYN_RECV)
		t->half_open[listener]++;
	peer = peer_of(t, (unsigned int)listener, s->daddr);
	if (peer && s->state == DIAG_SYN_RECV)
		peer->half_open++;
	else if (peer)
		peer->waiting++;
}

/* How full, in thousandths. */
static uint64_t fill_of(const struct netlook_table *t, unsigned int i, bool half_open)
{
	const struct diag_socket *l = &t->listeners[i];

	return half_open ? t->half_open[i] * UINT64_C(1000) : (l->rqueue * UINT64_C(1000) + 1) / (l->wqueue + 1);
}

static unsigned int fullest(const struct netlook_table *t, bool half_open)
{
	unsigned int best = 0;

	for (unsigned int i = 1; i < t->listener_count; i++)
		if (fill_of(t, i, half_open) > fill_of(t, best, half_open))
			best = i;
	return best;
}

static void judge_peers(const struct netlook_table *t, unsigned int listener, bool half_open, struct kw_listen *ret)
{
	for (unsigned int i = 0; i < t->peer_count; i++) {
		const struct netlook_peer *p = &t->peers[i];
		uint32_t count = half_open ? p->half_open : p->waiting;

		if (p->listener != listener || !count)
			continue;
		ret->peers++;
		if (count <= ret->peer_connections)
			continue;
		ret->peer_connections = count;
		memcpy(ret->peer_address, p->address, sizeof(ret->peer_address));
	}
}

/* A queue limited by tcp_max_syn_backlog shows in ListenDrops alone (tcp_conn_request(), net/ipv4/tcp_input.c). */
static uint64_t request_drops(const struct kw_netstat *delta)
{
	int64_t others = delta->listen_drops - MAX(delta->listen_overflows, 0);

	return (uint64_t)MAX(MAX(delta->request_queue_drops, others), 0);
}

bool netlook_judge(const struct netlook_table *t, const struct kw_netstat *delta, struct kw_listen *ret,
		   uint64_t *ret_cgroup)
{
	/* A full accept queue holds handshakes up, too: requests pile up behind it. */
	bool half_open = delta->listen_overflows <= 0;
	const struct diag_socket *l;
	unsigned int i;

	if (!t->listener_count)
		return false;
	i = fullest(t, half_open);
	l = &t->listeners[i];
	*ret = (struct kw_listen){
		.span_ns = delta->span_ns,
		.netns = delta->netns,
		.overflows = (uint64_t)MAX(delta->listen_overflows, 0),
		.request_drops = request_drops(delta),
		.request_cookies = (uint64_t)MAX(delta->request_queue_cookies, 0),
		.port = l->sport,
		.queue = l->rqueue,
		.backlog = l->wqueue,
		.half_open = t->half_open[i],
	};
	memcpy(ret->address, l->saddr, sizeof(ret->address));
	judge_peers(t, i, half_open, ret);
	*ret_cgroup = l->cgroup;
	return true;
}

static struct kw_event envelope(const struct netlook *look, uint16_t kind, uint16_t size, uint64_t cgroup)
{
	struct kw_event e = { .kind = kind, .payload_size = size, .flags = KW_FLAG_POLLED, .ts_ns = look->ctx->now_ns,
			      .subject.cg = look->owner };

	if (cgroup > 1)
		e.subject.cg = (struct kw_cg){ .v2 = cgroup };
	return e;
}

int netlook_listeners(const struct netlook *look, const struct kw_netstat *delta)
{
	const uint32_t waiting = 1U << DIAG_SYN_RECV | 1U << DIAG_ESTABLISHED | 1U << DIAG_CLOSE_WAIT;
	AUTO_FREE struct netlook_table *t = calloc(1, sizeof(*t));
	struct {
		struct kw_event e;
		struct kw_listen p;
	} record;
	uint64_t cgroup;
	int r;

	if (!t)
		return -ENOMEM;
	r = sockdiag_tcp(look->pid, look->netns, 1U << DIAG_LISTEN, LISTENERS_ASKED, netlook_take, t);
	if (r >= 0)
		r = sockdiag_tcp(look->pid, look->netns, waiting, CONNECTIONS_ASKED, netlook_take, t);
	if (r < 0)
		return r;
	if (!netlook_judge(t, delta, &record.p, &cgroup))
		return 0;
	record.e = envelope(look, KW_KIND_listen, sizeof(record.p), cgroup);
	return look->ctx->emit(look->ctx->emit_ctx, &record.e);
}

struct stuck {
	const struct netlook *look;
	unsigned int count;
};

static void take_stuck(void *ctx, const struct diag_socket *s)
{
	struct stuck *stuck = ctx;
	struct {
		struct kw_event e;
		struct kw_stuck p;
	} record;

	if (s->timer != DIAG_TIMER_PROBE || stuck->count == STUCK_MAX)
		return;
	stuck->count++;
	record.p = (struct kw_stuck){ .netns = stuck->look->netns, .unsent_bytes = s->wqueue,
				      .limited_ns = s->limited_ns, .sport = s->sport, .dport = s->dport };
	memcpy(record.p.saddr, s->saddr, sizeof(record.p.saddr));
	memcpy(record.p.daddr, s->daddr, sizeof(record.p.daddr));
	record.e = envelope(stuck->look, KW_KIND_stuck, sizeof(record.p), s->cgroup);
	record.e.flags |= KW_FLAG_PENDING;
	record.e.duration_ns = s->since_sent_ns;
	stuck->look->ctx->emit(stuck->look->ctx->emit_ctx, &record.e);
}

int netlook_stuck(const struct netlook *look)
{
	const uint32_t sending = 1U << DIAG_ESTABLISHED | 1U << DIAG_CLOSE_WAIT | 1U << DIAG_FIN_WAIT1;
	struct stuck stuck = { .look = look };
	int r = sockdiag_tcp(look->pid, look->netns, sending, CONNECTIONS_ASKED, take_stuck, &stuck);

	return r < 0 ? r : (int)stuck.count;
}

static bool worked(const struct netlook_links *links, uint32_t ifindex)
{
	for (unsigned int i = 0; i < links->count; i++)
		if (links->items[i].ifindex == ifindex)
			return links->items[i].up && links->items[i].carrier;
	return false;
}

static void emit_link(const struct netlook *look, const struct diag_link *l)
{
	struct {
		struct kw_event e;
		struct kw_link p;
	} record = { .e = envelope(look, KW_KIND_link, sizeof(record.p), 0),
		     .p = { .netns = look->netns, .ifindex = l->ifindex, .up = l->up, .carrier = l->carrier } };

	memcpy(record.p.device, l->name, sizeof(record.p.device));
	look->ctx->emit(look->ctx->emit_ctx, &record.e);
}

int netlook_devices(const struct netlook *look, struct netlook_links *links)
{
	struct netlook_links now = { .count = 0 };
	int r = sockdiag_links(look->pid, look->netns, now.items, NETLOOK_LINKS_MAX);

	if (r < 0)
		return r;
	now.count = (unsigned int)r;
	for (unsigned int i = 0; i < now.count; i++)
		if (worked(links, now.items[i].ifindex) && !(now.items[i].up && now.items[i].carrier))
			emit_link(look, &now.items[i]);
	*links = now;
	return 0;
}
