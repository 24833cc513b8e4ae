/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets thrown away, with the kernel's reason, the place and the stack.
 * What is freed in the ordinary course of things (consumed, old data, a closing
 * socket's queue) is left out here, by reason; what kind of drop it was is
 * decided in user space, from the names of reason and place.
 */
#ifndef KWHY_BPF_DROP_H
#define KWHY_BPF_DROP_H

#include "bpf/net.bpf.h"

KW_RECORD_STACK(drop);

#define DROP_REASON_NONE 0xffffffffU /* the kernel gives none */

#define IS_REASON(reason, name)                                                                                 \
	(bpf_core_enum_value_exists(enum skb_drop_reason, name) &&                                              \
	 (reason) == bpf_core_enum_value(enum skb_drop_reason, name))

static __always_inline bool drop_ordinary(u32 reason)
{
	return IS_REASON(reason, SKB_NOT_DROPPED_YET) || IS_REASON(reason, SKB_CONSUMED) ||
	       IS_REASON(reason, SKB_DROP_REASON_SOCKET_FILTER) || IS_REASON(reason, SKB_DROP_REASON_OTHERHOST) ||
	       IS_REASON(reason, SKB_DROP_REASON_TCP_OLD_DATA) || IS_REASON(reason, SKB_DROP_REASON_TCP_OLD_ACK) ||
	       IS_REASON(reason, SKB_DROP_REASON_TCP_OLD_SEQUENCE) || IS_REASON(reason, SKB_DROP_REASON_TCP_RESET) ||
	       IS_REASON(reason, SKB_DROP_REASON_TCP_CLOSE) || IS_REASON(reason, SKB_DROP_REASON_SOCKET_CLOSE) ||
	       IS_REASON(reason, SKB_DROP_REASON_UNIX_DISCONNECT) ||
	       IS_REASON(reason, SKB_DROP_REASON_UNIX_SKIP_OOB) || IS_REASON(reason, SKB_DROP_REASON_QUEUE_PURGE) ||
	       IS_REASON(reason, SKB_DROP_REASON_TAP_TXFILTER);
}

static __always_inline void ports(const unsigned char *l4, struct kw_flow *ret)
{
	u16 pair[2] = {};

	if (ret->protocol != IPPROTO_TCP && ret->protocol != IPPROTO_UDP)
		return;
	bpf_probe_read_kernel(pair, sizeof(pair), l4);
	ret->sport = bpf_ntohs(pair[0]);
	ret->dport = bpf_ntohs(pair[1]);
}

static __always_inline void flow_v4(const unsigned char *ip, struct kw_flow *ret)
{
	u8 header[20] = {};
	u32 addr;
	u16 fragment;

	bpf_probe_read_kernel(header, sizeof(header), ip);
	if (header[0] >> 4 != 4)
		return;
	ret->family = AF_INET;
	ret->protocol = header[9];
	__builtin_memcpy(&addr, &header[12], sizeof(addr));
	kw_addr_of_v4(addr, &ret->saddr);
	__builtin_memcpy(&addr, &header[16], sizeof(addr));
	kw_addr_of_v4(addr, &ret->daddr);
	fragment = (header[6] & 0x1f) << 8 | header[7];
	if (!fragment)
		ports(ip + (header[0] & 15) * 4, ret);
}

/* Extension headers are not followed: the protocol then is that of the first, without ports. */
static __always_inline void flow_v6(const unsigned char *ip, struct kw_flow *ret)
{
	u8 header[8] = {};

	bpf_probe_read_kernel(header, sizeof(header), ip);
	if (header[0] >> 4 != 6)
		return;
	ret->family = AF_INET6;
	ret->protocol = header[6];
	bpf_probe_read_kernel(&ret->saddr, sizeof(ret->saddr), ip + 8);
	bpf_probe_read_kernel(&ret->daddr, sizeof(ret->daddr), ip + 24);
	ports(ip + 40, ret);
}

static __always_inline void flow_of(struct sk_buff *skb, struct kw_flow *ret)
{
	const unsigned char *head = BPF_CORE_READ(skb, head);
	u16 protocol = bpf_ntohs(BPF_CORE_READ(skb, protocol));
	u16 at = BPF_CORE_READ(skb, network_header);

	if (protocol == ETH_P_IP)
		flow_v4(head + at, ret);
	else if (protocol == ETH_P_IPV6)
		flow_v6(head + at, ret);
}

/* skb->dev shares its place with other things while a packet sits in a TCP queue: believed only when it looks right. */
static __always_inline struct net_device *device_of(struct sk_buff *skb)
{
	struct net_device *dev = BPF_CORE_READ(skb, dev);
	int ifindex = 0;

	if (!dev || (s64)dev > 0)
		return NULL;
	ifindex = BPF_CORE_READ(dev, ifindex);
	return ifindex > 0 && ifindex < 1 << 24 ? dev : NULL;
}

struct drop_owner {
	struct kw_cg cg;
	struct kw_netns ns;
};

static __always_inline void drop_owner_of(struct sock *sk, struct net_device *dev, const struct kw_flow *flow,
					  struct drop_owner *ret)
{
	struct net *net = NULL;

	if (kw_sock_full(sk)) {
		kw_cg_of_sock(sk, &ret->cg);
		kw_learn_owner(sk, &ret->cg);
	}
	/* Where it was dropped is where the device is; the socket may be in another namespace than that. */
	if (dev)
		net = BPF_CORE_READ(dev, nd_net.net);
	else if (sk)
		net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	if (net)
		kw_netns_of(net, &ret->ns);
	if (!kw_cg_is_root(&ret->cg))
		return;
	if (ret->ns.inode && !ret->ns.host)
		kw_owner_of_netns(ret->ns.key, &ret->cg);
	if (kw_cg_is_root(&ret->cg) && !kw_owner_of_addr(&flow->saddr, &ret->cg))
		kw_owner_of_addr(&flow->daddr, &ret->cg);
}

static __always_inline void drop_fill(struct kw_drop_record *r, struct sk_buff *skb, struct net_device *dev,
				 const struct kw_flow *flow)
{
	r->p.family = flow->family;
	r->p.protocol = flow->protocol;
	r->p.sport = flow->sport;
	r->p.dport = flow->dport;
	__builtin_memcpy(r->p.saddr, &flow->saddr, sizeof(r->p.saddr));
	__builtin_memcpy(r->p.daddr, &flow->daddr, sizeof(r->p.daddr));
	r->p.bytes = BPF_CORE_READ(skb, len);
	if (!dev)
		return;
	r->p.ifindex = BPF_CORE_READ(dev, ifindex);
	BPF_CORE_READ_STR_INTO(&r->p.device, dev, name);
}

static __always_inline int drop_handle(void *ctx, struct sk_buff *skb, void *location, u32 reason, struct sock *sk)
{
	struct drop_owner owner = {};
	struct kw_flow flow = {};
	struct kw_drop_record *r;
	struct net_device *dev;
	u16 protocol;

	if (drop_ordinary(reason) || kw_is_off())
		return 0;
	/* Local and netlink sockets free their messages with the same call. */
	protocol = bpf_ntohs(BPF_CORE_READ(skb, protocol));
	if (protocol != ETH_P_IP && protocol != ETH_P_IPV6 && protocol != ETH_P_ARP)
		return 0;
	if (!sk)
		sk = BPF_CORE_READ(skb, sk);
	dev = device_of(skb);
	flow_of(skb, &flow);
	drop_owner_of(sk, dev, &flow, &owner);
	r = kw_begin(KW_KIND_drop, &owner.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject.cg = owner.cg;
	r->p.reason = reason;
	r->p.netns = owner.ns.inode;
	r->p.location = (u64)location;
	drop_fill(r, skb, dev, &flow);
	r->e.frames = kw_stack(ctx, r->stack);
	kw_submit(r, false);
	return 0;
}

#endif
