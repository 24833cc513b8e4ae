/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets, packets, and whose a packet is.
 *
 * A packet with a full socket belongs to the cgroup that made the socket.  One
 * without belongs to the cgroup that was seen last to own a socket with one of
 * its addresses, or a socket in its network namespace (never for the host's).
 * The kernel gives inodes of namespaces, and people give addresses, to others
 * when their owners are gone: owners are found by the cookie of the namespace,
 * which is never used again, and are nobody's once their cgroup is removed.
 */
#ifndef KWHY_BPF_NET_H
#define KWHY_BPF_NET_H

#include "bpf/kwhy.bpf.h"

#include <bpf/bpf_endian.h>

/* The first namespace gets the first cookie (gen_cookie_next() starts at 1) and, since 6.18, this inode. */
#define KW_NETNS_INIT_COOKIE 1
#define KW_NETNS_INIT_INODE 0xEFFFFFF9U

struct kw_addr {
	u8 bytes[16]; /* v4 mapped */
};

struct kw_flow {
	u16 family, protocol, sport, dport;
	struct kw_addr saddr, daddr;
};

/* By kw_netns.key. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct kw_cg);
} kw_netns_owner SEC(".maps");

/* Cgroups of the v2 hierarchy (those that sockets know) that were removed lately. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, u8);
} kw_owners_gone SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct kw_addr);
	__type(value, struct kw_cg);
} kw_addr_owner SEC(".maps");

static __always_inline void kw_addr_of_v4(u32 addr, struct kw_addr *ret)
{
	__builtin_memset(ret, 0, sizeof(*ret));
	ret->bytes[10] = 0xff;
	ret->bytes[11] = 0xff;
	__builtin_memcpy(&ret->bytes[12], &addr, sizeof(addr));
}

struct kw_netns {
	u64 key; /* its cookie; before 5.12 its inode */
	u32 inode;
	bool host;
};

static __always_inline void kw_netns_of(struct net *net, struct kw_netns *ret)
{
	ret->inode = BPF_CORE_READ(net, ns.inum);
	ret->key = ret->inode;
	if (bpf_core_field_exists(net->net_cookie))
		ret->key = BPF_CORE_READ(net, net_cookie);
	ret->host = ret->key == KW_NETNS_INIT_COOKIE || ret->inode == KW_NETNS_INIT_INODE;
}

/* Request and time-wait sockets are short structs without an owner. */
static __always_inline bool kw_sock_full(struct sock *sk)
{
	u8 state;

	if (!sk)
		return false;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	return state != TCP_TIME_WAIT && state != TCP_NEW_SYN_RECV;
}

static __always_inline void kw_cg_of_sock(struct sock *sk, struct kw_cg *ret)
{
	kw_cg_of_cgroup(BPF_CORE_READ(sk, sk_cgrp_data.cgroup), ret);
}

/* Sockets of containers only: a tool that enters a namespace from the host's root cgroup does not own it. */
static __always_inline bool kw_cg_is_root(const struct kw_cg *cg)
{
	return cg->v2 <= 1 && !(cg->v1 & KW_CG_ID_MASK);
}

static __always_inline void kw_flow_of_sock(struct sock *sk, struct kw_flow *ret)
{
	u32 addr;

	ret->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	ret->protocol = IPPROTO_TCP;
	ret->sport = BPF_CORE_READ(sk, __sk_common.skc_num);
	ret->dport = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (ret->family == AF_INET6) {
		BPF_CORE_READ_INTO(&ret->saddr, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&ret->daddr, sk, __sk_common.skc_v6_daddr);
		return;
	}
	addr = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
	kw_addr_of_v4(addr, &ret->saddr);
	addr = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	kw_addr_of_v4(addr, &ret->daddr);
}

/* A socket's owner owns its namespace and its local address from now on. */
static __always_inline void kw_learn_owner(struct sock *sk, const struct kw_cg *cg)
{
	struct kw_flow flow = {};
	struct kw_netns ns;

	if (kw_cg_is_root(cg))
		return;
	kw_netns_of(BPF_CORE_READ(sk, __sk_common.skc_net.net), &ns);
	if (ns.host || !ns.inode)
		return;
	bpf_map_update_elem(&kw_netns_owner, &ns.key, cg, BPF_ANY);
	kw_flow_of_sock(sk, &flow);
	/* 127.0.0.0/8 and ::, ::1 are in every namespace */
	if (flow.saddr.bytes[12] == 127 || (!flow.saddr.bytes[12] && !flow.saddr.bytes[0]))
		return;
	bpf_map_update_elem(&kw_addr_owner, &flow.saddr, cg, BPF_ANY);
}

static __always_inline bool kw_owner_there(const struct kw_cg *cg)
{
	u64 id;

	if (!cg)
		return false;
	id = cg->v2;
	return !bpf_map_lookup_elem(&kw_owners_gone, &id);
}

/* Leaves ret alone when nobody is known. */
static __always_inline void kw_owner_of_netns(u64 key, struct kw_cg *ret)
{
	struct kw_cg *cg = bpf_map_lookup_elem(&kw_netns_owner, &key);

	if (kw_owner_there(cg))
		*ret = *cg;
}

static __always_inline bool kw_owner_of_addr(const struct kw_addr *addr, struct kw_cg *ret)
{
	struct kw_cg *cg = bpf_map_lookup_elem(&kw_addr_owner, addr);

	if (!kw_owner_there(cg))
		return false;
	*ret = *cg;
	return true;
}

/*
 * Who owns a socket: who made it, or, where that is the host's root in another namespace, that namespace's owner.
 * The namespace's inode.
 */
static __always_inline u32 kw_owner_of_sock(struct sock *sk, struct kw_cg *ret)
{
	struct kw_netns ns;

	kw_netns_of(BPF_CORE_READ(sk, __sk_common.skc_net.net), &ns);
	kw_cg_of_sock(sk, ret);
	if (kw_cg_is_root(ret) && !ns.host)
		kw_owner_of_netns(ns.key, ret);
	return ns.inode;
}

/* Who owns the other end, where that is on this host: over loopback the namespace's own. */
static __always_inline void kw_owner_of_peer(const struct kw_flow *flow, const struct kw_cg *own, struct kw_cg *ret)
{
	if (flow->family == AF_INET && flow->daddr.bytes[12] == 127)
		*ret = *own;
	else
		kw_owner_of_addr(&flow->daddr, ret);
}

#endif
