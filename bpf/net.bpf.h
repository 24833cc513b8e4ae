/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets, packets, and whose a packet is.
 *
 * A packet with a full socket belongs to the cgroup that made the socket.  One
 * without belongs to the cgroup that was seen last to own a socket with one of
 * its addresses, or a socket in its network namespace (never for the host's).
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

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct kw_cg);
} kw_netns_owner SEC(".maps");

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

static __always_inline u32 kw_netns_of(struct net *net, bool *ret_host)
{
	u32 inode = BPF_CORE_READ(net, ns.inum);
	u64 cookie = 0;

	if (bpf_core_field_exists(net->net_cookie))
		cookie = BPF_CORE_READ(net, net_cookie);
	*ret_host = cookie == KW_NETNS_INIT_COOKIE || inode == KW_NETNS_INIT_INODE;
	return inode;
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
	struct net *net;
	bool host;
	u32 inode;

	if (kw_cg_is_root(cg))
		return;
	net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	inode = kw_netns_of(net, &host);
	if (host || !inode)
		return;
	bpf_map_update_elem(&kw_netns_owner, &inode, cg, BPF_ANY);
	kw_flow_of_sock(sk, &flow);
	/* 127.0.0.0/8 and ::, ::1 are in every namespace */
	if (flow.saddr.bytes[12] == 127 || (!flow.saddr.bytes[12] && !flow.saddr.bytes[0]))
		return;
	bpf_map_update_elem(&kw_addr_owner, &flow.saddr, cg, BPF_ANY);
}

/* Leaves ret alone when nobody is known. */
static __always_inline void kw_owner_of_netns(u32 inode, struct kw_cg *ret)
{
	struct kw_cg *cg = bpf_map_lookup_elem(&kw_netns_owner, &inode);

	if (cg)
		*ret = *cg;
}

static __always_inline bool kw_owner_of_addr(const struct kw_addr *addr, struct kw_cg *ret)
{
	struct kw_cg *cg = bpf_map_lookup_elem(&kw_addr_owner, addr);

	if (cg)
		*ret = *cg;
	return cg != NULL;
}

#endif
