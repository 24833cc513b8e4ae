// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagrams that lie in a UDP socket.  What is measured is how long its tasks left the socket alone though there was
 * something to read: from the arrival of a datagram that met an empty queue, or from a read that left some behind, to the
 * next read.  So a reader that does what it can against a flood shows nothing, however long the queue, and one that
 * is kept from reading shows all of it.
 *
 * Where the kernel lets programs enter functions, UDP's own tell of nothing else.  The tracepoints of 6.3 are for all
 * sockets (40e0b09081a2, 6e6eda44b939); most hits end at the first comparison.
 */
#include "bpf/kwhy.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define UNREAD_NS 10000000ULL
#define MSG_PEEK 2 /* include/linux/socket.h */
#define MSG_ERRQUEUE 0x2000

/* Since when there is something to read that nobody has read; 0: there is nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, u64);
} unread_since SEC(".maps");

static __always_inline bool unread_is_udp(const struct sock *sk)
{
	return sk->sk_protocol == IPPROTO_UDP &&
	       (sk->__sk_common.skc_family == AF_INET || sk->__sk_common.skc_family == AF_INET6);
}

/* What arrived is moved to a queue of the reader's own, many at a time. */
static __always_inline bool unread_left(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_receive_queue.qlen) || BPF_CORE_READ((struct udp_sock *)sk, reader_queue.qlen);
}

static __always_inline int unread_came(struct sock *sk, bool was_empty)
{
	u64 *since;

	if (kw_is_off())
		return 0;
	since = bpf_sk_storage_get(&unread_since, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (since && (was_empty || !*since))
		*since = bpf_ktime_get_ns();
	return 0;
}

static __noinline int unread_count(u64 ns)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct kw_tally_key k = { .name = "rx:unread_udp" };
	struct kw_tally_sum add = { .count = 1, .ns = ns, .max_ns = ns };

	if (kw_is_off() || kw_is_own(bpf_get_current_pid_tgid() >> 32))
		return 0;
	kw_cg_of_task(task, &k.cg);
	kw_sum_tally(&k, &add);
	return 0;
}

static __always_inline int unread_was_read(struct sock *sk)
{
	u64 *since = bpf_sk_storage_get(&unread_since, sk, NULL, 0), now, ns;

	if (!since || !*since)
		return 0;
	now = bpf_ktime_get_ns();
	ns = now - *since;
	*since = unread_left(sk) ? now : 0;
	if ((s64)ns >= (s64)UNREAD_NS)
		unread_count(ns);
	return 0;
}

SEC("fentry/__udp_enqueue_schedule_skb")
int BPF_PROG(unread_enqueued, struct sock *sk)
{
	return unread_came(sk, !unread_left(sk));
}

/* len is negative when somebody only looked. */
SEC("fentry/skb_consume_udp")
int BPF_PROG(unread_consumed, struct sock *sk, struct sk_buff *skb, int len)
{
	return len < 0 ? 0 : unread_was_read(sk);
}

/* Since 6.8 only when the queue was empty (612b1c0dec5b), before for each: the first one counts. */
SEC("tp_btf/sk_data_ready")
int BPF_PROG(unread_ready, struct sock *sk)
{
	return unread_is_udp(sk) ? unread_came(sk, false) : 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(unread_received, struct sock *sk, int ret, int flags)
{
	return ret < 0 || (flags & (MSG_PEEK | MSG_ERRQUEUE)) || !unread_is_udp(sk) ? 0 : unread_was_read(sk);
}
