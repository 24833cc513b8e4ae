// SPDX-License-Identifier: GPL-2.0-only
/* Drops, retransmits, failures, late answers, queues: one object because they share who owns which network namespace and address. */
#include "bpf/answer.bpf.h"
#include "bpf/drop.bpf.h"
#include "bpf/netfail.bpf.h"
#include "bpf/qdelay.bpf.h"
#include "bpf/retransmit.bpf.h"
#include "bpf/sockmem.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* rx_sk since 6.11 (c53795d48ee8, "net: add rx_sk to trace_kfree_skb"); NULL for most callers. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(drop_rx_sk, struct sk_buff *skb, void *location, u32 reason, struct sock *rx_sk)
{
	return drop_handle(ctx, skb, location, reason, rx_sk);
}

/* reason since 5.17 (c504e5c2f964, "net: skb: introduce kfree_skb_reason()") */
SEC("tp_btf/kfree_skb")
int BPF_PROG(drop_reason, struct sk_buff *skb, void *location, u32 reason)
{
	return drop_handle(ctx, skb, location, reason, NULL);
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(drop_plain, struct sk_buff *skb, void *location)
{
	return drop_handle(ctx, skb, location, DROP_REASON_NONE, NULL);
}

/*
 * Newer kernels (6.18 has it) tell of attempts that failed, too, with an error as third argument: nothing was sent, and
 * RetransSegs does not count them.  Older ones refuse this program.
 */
SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(retransmit_sent, struct sock *sk, struct sk_buff *skb, int error)
{
	return error ? 0 : retransmit_handle(sk, skb);
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(retransmit_skb, struct sock *sk, struct sk_buff *skb)
{
	return retransmit_handle(sk, skb);
}

/* Whoever opens TCP sockets in a network namespace owns it, and their addresses. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(net_owner, struct sock *sk)
{
	struct kw_cg cg;

	if (!kw_sock_full(sk) || kw_is_off())
		return 0;
	kw_cg_of_sock(sk, &cg);
	kw_learn_owner(sk, &cg);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(net_owner_gone, struct cgroup *cgrp)
{
	struct kw_cg cg;
	u8 gone = 1;

	kw_cg_of_cgroup(cgrp, &cg);
	if (cg.v2)
		bpf_map_update_elem(&kw_owners_gone, &cg.v2, &gone, BPF_ANY);
	return 0;
}

SEC("tp_btf/inet_sk_error_report")
int BPF_PROG(netfail_error, struct sock *sk)
{
	return netfail_handle(sk, BPF_CORE_READ(sk, sk_err), BPF_CORE_READ(sk, __sk_common.skc_state));
}

/* Before 5.14 (e6a3e4434000) nothing tells of errors; one that ends a connection is noted in the socket by then. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(netfail_closed, struct sock *sk, int from, int to)
{
	return to == TCP_CLOSE ? netfail_handle(sk, BPF_CORE_READ(sk, sk_err), from) : 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(netfail_port, struct sock *sk, int from, int to)
{
	return netfail_state(sk, from, to);
}

/* Once a recvmsg() that found data. */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(answer_read, struct sock *sk)
{
	return answer_handle(sk, true);
}

/* Before 5.11 (8e4597c627fb, "bpf: Allow using bpf_sk_storage in FENTRY/FEXIT/RAW_TP"). */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(answer_read_plain, struct sock *sk)
{
	return answer_handle(sk, false);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(answer_none, struct sock *sk, int from, int to)
{
	return answer_end(sk, from, to);
}

SEC("tp_btf/qdisc_dequeue")
int BPF_PROG(qdelay_dequeue, struct Qdisc *qdisc, void *txq, int packets, struct sk_buff *skb)
{
	return qdelay_handle(qdisc, skb);
}

SEC("tp_btf/sock_exceed_buf_limit")
int BPF_PROG(sockmem_refused, struct sock *sk, struct proto *prot, long allocated, int kind)
{
	return sockmem_handle(sk, prot, allocated, kind);
}
