/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections that fail.  Errors that the network reports pass inet_sk_error_report(); a connect() that finds no free
 * local port fails before that: it goes from SYN_SENT back to CLOSE without ever having had a port
 * (tcp_v4_connect(), net/ipv4/tcp_ipv4.c).
 */
#ifndef KWHY_BPF_NETFAIL_H
#define KWHY_BPF_NETFAIL_H

#include "bpf/net.bpf.h"

KW_RECORD(netfail);

#define EADDRNOTAVAIL 99

static __always_inline int netfail_handle(struct sock *sk, u32 error, u32 state)
{
	struct kw_netfail_record *r;
	struct kw_flow flow = {};
	struct kw_cg cg = {};
	u32 netns;

	if (!error || !kw_sock_full(sk) || kw_is_off())
		return 0;
	netns = kw_owner_of_sock(sk, &cg);
	r = kw_begin(KW_KIND_netfail, &cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	kw_flow_of_sock(sk, &flow);
	r->e.subject.cg = cg;
	r->e.error = error;
	kw_owner_of_peer(&flow, &cg, &r->e.peer.cg);
	r->p.netns = netns;
	r->p.family = flow.family;
	r->p.protocol = BPF_CORE_READ(sk, sk_protocol);
	r->p.state = state;
	/* skc_num is 0 again by now: the port was given back */
	r->p.sport = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	r->p.dport = flow.dport;
	__builtin_memcpy(r->p.saddr, &flow.saddr, sizeof(r->p.saddr));
	__builtin_memcpy(r->p.daddr, &flow.daddr, sizeof(r->p.daddr));
	kw_submit(r, false);
	return 0;
}

static __always_inline int netfail_state(struct sock *sk, int from, int to)
{
	if (from != TCP_SYN_SENT || to != TCP_CLOSE || BPF_CORE_READ((struct inet_sock *)sk, inet_sport))
		return 0;
	return netfail_handle(sk, EADDRNOTAVAIL, from);
}

#endif
