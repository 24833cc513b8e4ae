/* SPDX-License-Identifier: GPL-2.0-only */
/* TCP segments sent again. */
#ifndef KWHY_BPF_RETRANSMIT_H
#define KWHY_BPF_RETRANSMIT_H

#include "bpf/net.bpf.h"

KW_RECORD(retransmit);

static __always_inline void retransmit_fill(struct kw_retransmit_record *r, struct sock *sk, struct sk_buff *skb,
					    u32 netns)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	struct kw_flow flow = {};

	kw_flow_of_sock(sk, &flow);
	r->p.family = flow.family;
	r->p.state = BPF_CORE_READ(sk, __sk_common.skc_state);
	r->p.sport = flow.sport;
	r->p.dport = flow.dport;
	__builtin_memcpy(r->p.saddr, &flow.saddr, sizeof(r->p.saddr));
	__builtin_memcpy(r->p.daddr, &flow.daddr, sizeof(r->p.daddr));
	r->p.netns = netns;
	r->p.retransmits = BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_retransmits);
	r->p.srtt_ns = (u64)(BPF_CORE_READ(tp, srtt_us) >> 3) * 1000;
	r->p.total = BPF_CORE_READ(tp, total_retrans);
	r->p.bytes = BPF_CORE_READ(skb, len);
	r->p.acked = BPF_CORE_READ(tp, snd_una);
}

static __always_inline int retransmit_handle(struct sock *sk, struct sk_buff *skb)
{
	struct kw_retransmit_record *r;
	struct kw_cg cg = {};
	u32 netns;

	if (!kw_sock_full(sk) || kw_is_off())
		return 0;
	netns = kw_owner_of_sock(sk, &cg);
	r = kw_begin(KW_KIND_retransmit, &cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject.cg = cg;
	retransmit_fill(r, sk, skb, netns);
	kw_submit(r, false);
	return 0;
}

#endif
