/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/drop_class.h"

#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"

struct pattern {
	const char *name; /* one '*' at the end matches any rest */
	const char *class;
};

/*
 * Where a socket that ends gives up what it still holds (net/ipv4/tcp.c, net/core/sock.c), whatever the reason says: of
 * its write queue those are copies of what was sent.  A consequence of trouble, never its cause.
 */
static const struct pattern at_close[] = {
	{ "skb_rbtree_purge", "close" },    { "skb_queue_purge*", "close" },     { "__skb_queue_purge*", "close" },
	{ "tcp_write_queue_purge", "close" }, { "tcp_rtx_queue_purge", "close" }, { "__tcp_close", "close" },
	{ "inet_sock_destruct", "close" },  { "sk_stream_kill_queues", "close" }, { "tcp_disconnect", "close" },
};

/* include/net/dropreason-core.h */
static const struct pattern by_reason[] = {
	{ "NETFILTER_DROP", "policy" },    { "BPF_CGROUP_EGRESS", "policy" }, { "XFRM_POLICY", "policy" },
	{ "SECURITY_HOOK", "policy" },     { "TC_EGRESS", "policy" },         { "TC_INGRESS", "policy" },
	{ "XDP", "policy" },               { "SOCKET_FILTER", "policy" },     { "IP_RPFILTER", "policy" },
	{ "SOCKET_RCVBUFF", "rcvbuf" },    { "SOCKET_BACKLOG", "rcvbuf" },    { "PROTO_MEM", "memory" },
	{ "TCP_ZEROWINDOW", "rcvbuf" },    { "TCP_OFO_*", "rcvbuf" },         { "QDISC_*", "qdisc" },
	{ "FQ_*", "qdisc" },               { "CAKE_*", "qdisc" },             { "DUALPI2_*", "qdisc" },
	{ "CPU_BACKLOG", "backlog" },      { "FULL_RING", "backlog" },        { "NO_SOCKET", "noport" },
	{ "NEIGH_CREATEFAIL", "neighbour" }, { "IP_NOPROTO", "noport" },        { "TCP_ABORT_ON_*", "close" },     { "TCP_CLOSE", "close" },
};

/* Kernels before 5.17 give no reason, later ones "not specified" in places not yet converted. */
static const struct pattern by_place[] = {
	{ "nf_hook_slow", "policy" },          { "nft_do_chain", "policy" },      { "ipt_do_table", "policy" },
	{ "ip6t_do_table", "policy" },         { "sk_filter_trim_cap", "policy" }, { "tcf_*", "policy" },
	{ "enqueue_to_backlog", "backlog" },   { "tun_net_xmit", "backlog" },     { "veth_xmit", "backlog" },
	{ "udp_queue_rcv_one_skb", "rcvbuf" }, { "udpv6_queue_rcv_one_skb", "rcvbuf" },
	{ "__udp_enqueue_schedule_skb", "rcvbuf" }, { "sock_queue_rcv_skb*", "rcvbuf" },
	{ "__udp4_lib_rcv", "noport" },        { "__udp6_lib_rcv", "noport" },    { "__dev_xmit_skb", "qdisc" },
	{ "kfree_skb_list*", "qdisc" },        { "ip_finish_output2", "neighbour" }, { "ip6_finish_output2", "neighbour" },
};

static bool matches(const char *pattern, const char *name)
{
	size_t len = strlen(pattern);

	if (len && pattern[len - 1] == '*')
		return !strncmp(pattern, name, len - 1);
	return !strcmp(pattern, name);
}

static const char *find(const struct pattern *list, size_t count, const char *name)
{
	for (size_t i = 0; name && i < count; i++)
		if (matches(list[i].name, name))
			return list[i].class;
	return NULL;
}

const char *drop_class(const char *reason, const char *place)
{
	const char *class = find(at_close, ARRAY_SIZE(at_close), place);

	if (!class)
		class = find(by_reason, ARRAY_SIZE(by_reason), reason);
	if (class)
		return class;
	/* Any other reason is more to the point than the place it was given in. */
	if (!reason || !strcmp(reason, "NOT_SPECIFIED"))
		class = find(by_place, ARRAY_SIZE(by_place), place);
	return class ? class : "other";
}
