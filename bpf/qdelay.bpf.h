/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP segments that waited long in a queueing discipline: TCP stamps each with the time it may leave (CLOCK_MONOTONIC,
 * EDT: __tcp_transmit_skb(), net/ipv4/tcp_output.c), so that pacing is no waiting.  Once one was late, what leaves that
 * queue is counted by owner: who fills it.  Other packets have no such stamp; they are only counted.
 */
#ifndef KWHY_BPF_QDELAY_H
#define KWHY_BPF_QDELAY_H

#include "bpf/drop.bpf.h"

KW_RECORD(qdelay);

#define QUEUES_MAX 256
#define QUEUE_OWNERS 8
#define QUEUE_HALF_NS 1000000000ULL /* counts are halved after so long */
#define QUEUE_OLD_NS 60000000000ULL /* a stamp that is further away is of another clock */

struct queue_owner {
	struct kw_cg cg;
	u64 bytes;
};

struct queue {
	u64 halved_ns;
	u64 all_bytes;
	struct queue_owner owner[QUEUE_OWNERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, QUEUES_MAX);
	__type(key, u64);
	__type(value, struct queue);
} qdelay_queues SEC(".maps");

static __always_inline void queue_forget(struct queue *q, u64 now)
{
	u64 age = now - q->halved_ns;
	u32 by = age > 32 * QUEUE_HALF_NS ? 63 : age / QUEUE_HALF_NS;

	if (!by)
		return;
	q->halved_ns = now;
	q->all_bytes >>= by;
	for (int i = 0; i < QUEUE_OWNERS; i++)
		q->owner[i].bytes >>= by;
}

/* The owner's place, or a free one; NULL when all are others'. */
static __always_inline struct queue_owner *queue_place(struct queue *q, const struct kw_cg *cg)
{
	struct queue_owner *found = NULL;

	for (int i = 0; i < QUEUE_OWNERS; i++) {
		struct queue_owner *o = &q->owner[i];

		if (kw_cg_same(&o->cg, cg))
			return o;
		if (!o->bytes)
			found = o;
	}
	if (found)
		found->cg = *cg;
	return found;
}

static __always_inline u64 queue_count(struct queue *q, const struct kw_cg *cg, u64 bytes, u64 now)
{
	struct queue_owner *o;

	queue_forget(q, now);
	q->all_bytes += bytes;
	o = queue_place(q, cg);
	if (!o)
		return bytes;
	o->bytes += bytes;
	return o->bytes;
}

/* Runs under the queue's own lock. */
static __always_inline struct queue *queue_of(struct Qdisc *qdisc, bool create, u64 now)
{
	u64 key = (u64)qdisc;
	struct queue *q = bpf_map_lookup_elem(&qdelay_queues, &key), fresh = { .halved_ns = now };

	if (q || !create)
		return q;
	bpf_map_update_elem(&qdelay_queues, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&qdelay_queues, &key);
}

static __always_inline void qdelay_peer(const struct queue *q, struct kw_qdelay_record *r)
{
	for (int i = 0; i < QUEUE_OWNERS; i++) {
		if (q->owner[i].bytes <= r->p.peer_bytes)
			continue;
		r->p.peer_bytes = q->owner[i].bytes;
		r->e.peer.cg = q->owner[i].cg;
	}
	r->p.all_bytes = q->all_bytes;
}

static __always_inline void qdelay_fill(struct kw_qdelay *p, struct Qdisc *qdisc, struct net_device *dev,
					const struct kw_flow *flow)
{
	const struct Qdisc_ops *ops = BPF_CORE_READ(qdisc, ops);

	p->queued = BPF_CORE_READ(qdisc, q.qlen);
	p->backlog_bytes = BPF_CORE_READ(qdisc, qstats.backlog);
	p->family = flow->family;
	p->protocol = flow->protocol;
	p->sport = flow->sport;
	p->dport = flow->dport;
	__builtin_memcpy(p->saddr, &flow->saddr, sizeof(p->saddr));
	__builtin_memcpy(p->daddr, &flow->daddr, sizeof(p->daddr));
	BPF_CORE_READ_STR_INTO(&p->qdisc, ops, id);
	if (!dev)
		return;
	p->ifindex = BPF_CORE_READ(dev, ifindex);
	BPF_CORE_READ_STR_INTO(&p->device, dev, name);
}

static __always_inline void qdelay_send(struct Qdisc *qdisc, struct sk_buff *skb, const struct queue *q, u64 held_ns,
					const struct drop_owner *owner, u64 own_bytes, const struct kw_flow *flow)
{
	struct kw_qdelay_record *r = kw_begin(KW_KIND_qdelay, &owner->cg, sizeof(*r), sizeof(r->p));

	if (!r)
		return;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.duration_ns = held_ns;
	r->e.subject.cg = owner->cg;
	r->p.netns = owner->ns.inode;
	r->p.own_bytes = own_bytes;
	qdelay_peer(q, r);
	qdelay_fill(&r->p, qdisc, device_of(skb), flow);
	kw_submit(r, false);
}

static __always_inline int qdelay_handle(struct Qdisc *qdisc, struct sk_buff *skb)
{
	struct drop_owner owner = {};
	struct kw_flow flow = {};
	struct queue *q;
	u64 now, held_ns, own_bytes;
	bool stamped, late;

	/* Nothing behind it: this is no queue, or its end.  Lockless ones do not keep that count. */
	if (!skb || (!qdisc->q.qlen && !(qdisc->flags & TCQ_F_NOLOCK)))
		return 0;
	now = bpf_ktime_get_ns();
	held_ns = now - skb->tstamp;
	stamped = skb->tstamp && held_ns < QUEUE_OLD_NS;
	late = stamped && held_ns >= kw_settings.qdelay_threshold_ns;
	if ((stamped && !late) || kw_is_off())
		return 0;
	q = queue_of(qdisc, late, now);
	if (!q)
		return 0;
	flow_of(skb, &flow);
	drop_owner_of(BPF_CORE_READ(skb, sk), device_of(skb), &flow, &owner);
	own_bytes = queue_count(q, &owner.cg, BPF_CORE_READ(skb, len), now);
	if (late)
		qdelay_send(qdisc, skb, q, held_ns, &owner, own_bytes, &flow);
	return 0;
}

#endif
