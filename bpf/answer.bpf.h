/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Peers that answer late.  TCP itself keeps the times, in microseconds of CLOCK_MONOTONIC: first_tx_mstamp is when the
 * newest data that the peer's kernel has acknowledged was sent (tcp_rate_skb_delivered(), net/ipv4/tcp_rate.c),
 * tcp_mstamp when the newest segment came.  Who reads calls tcp_rcv_space_adjust(), which notes in rcvq_space.time that
 * it has: a reading after a sending with none in between is the first byte of an answer.  It does not note it while the
 * connection has not seen a full segment yet (rcv_rtt_est); then we do.
 */
#ifndef KWHY_BPF_ANSWER_H
#define KWHY_BPF_ANSWER_H

#include "bpf/net.bpf.h"

#define UNREAD_NS 10000000ULL

KW_RECORD(answer);

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, u64);
} answer_reads SEC(".maps");

/* An accepted socket is a copy of its listener (sk_clone_lock(), net/core/sock.c), its backlog included. */
static __always_inline bool was_accepted(struct sock *sk)
{
	return sk->sk_max_ack_backlog != 0;
}

static __always_inline void answer_fill(struct kw_answer_record *r, struct sock *sk, struct tcp_sock *tp, u32 netns)
{
	struct kw_flow flow = {};

	kw_flow_of_sock(sk, &flow);
	kw_owner_of_peer(&flow, &r->e.subject.cg, &r->e.peer.cg);
	r->p.netns = netns;
	r->p.family = flow.family;
	r->p.sport = flow.sport;
	r->p.dport = flow.dport;
	r->p.retransmits = tp->total_retrans;
	r->p.srtt_ns = (u64)(tp->srtt_us >> 3) * 1000;
	r->p.rtt_min_ns = (u64)tp->rtt_min.s[0].v * 1000;
	__builtin_memcpy(r->p.saddr, &flow.saddr, sizeof(r->p.saddr));
	__builtin_memcpy(r->p.daddr, &flow.daddr, sizeof(r->p.daddr));
}

static __always_inline int answer_send(struct sock *sk, struct tcp_sock *tp, u64 waited_us, u64 unread_us, bool none)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct kw_answer_record *r;
	struct kw_party who;
	struct kw_cg owner;
	u32 netns;

	kw_party_of(task, &who);
	if (kw_is_own(who.pid))
		return 0;
	netns = kw_owner_of_sock(sk, &owner);
	r = kw_begin(KW_KIND_answer, &who.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject = who;
	r->e.duration_ns = waited_us * 1000;
	r->p.none = none;
	r->p.unread_ns = unread_us * 1000;
	answer_fill(r, sk, tp, netns);
	kw_submit(r, false);
	return 0;
}

/* Whether something was read between the sending and now.  Without storage it has to be taken for granted. */
static __always_inline bool answer_goes_on(struct sock *sk, struct tcp_sock *tp, u64 sent_us, u64 came_us, bool storage)
{
	u64 *read_us, before;

	if (tp->rcvq_space.time >= sent_us)
		return true;
	if (tp->rcv_rtt_est.rtt_us)
		return false;
	read_us = storage ? bpf_sk_storage_get(&answer_reads, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE) : NULL;
	if (!read_us)
		return true;
	before = *read_us;
	*read_us = came_us;
	return before >= sent_us;
}

static __noinline int unread_count(u64 ns)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct kw_tally_key k = { .name = "rx:unread" };
	struct kw_tally_sum add = { .count = 1, .ns = ns, .max_ns = ns };

	if (kw_is_off() || kw_is_own(bpf_get_current_pid_tgid() >> 32))
		return 0;
	kw_cg_of_task(task, &k.cg);
	kw_sum_tally(&k, &add);
	return 0;
}

/* How long the newest data lay in the socket before somebody read it; jiffies, as a clock would cost more than the rest. */
static __always_inline void unread_check(struct tcp_sock *tp)
{
	u32 came = tp->inet_conn.icsk_ack.lrcvtime;
	u64 ns = (u64)((u32)bpf_jiffies64() - came) * kw_settings.jiffy_ns;

	if (ns >= UNREAD_NS && came)
		unread_count(ns);
}

static __always_inline int answer_handle(struct sock *sk, bool storage)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	u64 sent_us, came_us, waited_us;
	bool late;

	if (!tp)
		return 0;
	unread_check(tp);
	sent_us = tp->first_tx_mstamp;
	if (!sent_us)
		return 0; /* nothing of ours has been acknowledged yet */
	came_us = tp->tcp_mstamp;
	waited_us = came_us - sent_us;
	late = waited_us * 1000 >= kw_settings.answer_threshold_ns && (s64)waited_us >= 0;
	/* Most readings end here: in time, and TCP notes them itself. */
	if (!late && tp->rcv_rtt_est.rtt_us)
		return 0;
	if (was_accepted(sk) || answer_goes_on(sk, tp, sent_us, came_us, storage) || !late || kw_is_off())
		return 0;
	return answer_send(sk, tp, waited_us, bpf_ktime_get_ns() / 1000 - came_us, false);
}

/* Our side ends a connection on which nothing came (lrcvtime) since it last sent (lsndtime; both in jiffies). */
static __always_inline int answer_end(struct sock *sk, int from, int to)
{
	struct tcp_sock *tp;
	u64 waited_us;

	if (from != TCP_ESTABLISHED || (to != TCP_FIN_WAIT1 && to != TCP_CLOSE) || kw_is_off())
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || !tp->bytes_sent || !tp->first_tx_mstamp || was_accepted(sk))
		return 0;
	if ((s32)(BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_ack.lrcvtime) - tp->lsndtime) >= 0)
		return 0;
	waited_us = bpf_ktime_get_ns() / 1000 - tp->first_tx_mstamp;
	if (waited_us * 1000 < kw_settings.answer_threshold_ns || (s64)waited_us < 0)
		return 0;
	return answer_send(sk, tp, waited_us, 0, true);
}

#endif
