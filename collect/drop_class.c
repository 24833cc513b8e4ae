/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/drop_class.h"

#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"

struct pattern {
	const char *name; /* one '*' at the end matches any rest */
	const char *class;
};

/* include/net/dropreason-core.h */
static const struct pattern by_reason[] = {
	{ "NETFILTER_DROP", "policy" },    { "BPF_CGROUP_EGRESS", "policy" }, { "XFRM_POLICY", "policy" },
	{ "SECURITY_HOOK", "policy" },     { "TC_EGRESS", "policy" },         { "TC_INGRESS", "policy" },
	{ "XDP", "policy" },               { "SOCKET_FILTER", "policy" },     { "IP_RPFILTER", "policy" },
	{ "SOCKET_RCVBUFF", "rcvbuf" },    { "SOCKET_BACKLOG", "rcvbuf" },    { "PROTO_MEM", "rcvbuf" },
	{ "TCP_ZEROWINDOW", "rcvbuf" },    { "TCP_OFO_*", "rcvbuf" },         { "QDISC_*", "qdisc" },
	{ "FQ_*", "qdisc" },               { "CAKE_*", "qdisc" },             { "DUALPI2_*", "qdisc" },
	{ "CPU_BACKLOG", "backlog" },      { "FULL_RING", "backlog" },        { "NO_SOCKET", "noport" },
	{ "IP_NOPROTO", "noport" },
};

/* Kernels before 5.17 give no reason, later ones "not specified" in places not yet converted. */
static const struct pattern by_place[] = {
	{ "nf_hook_slow", "policy" },          { "nft_do_chain", "policy" },      { "ipt_do_table", "policy" },
	{ "ip6t_do_table", "policy" },         { "sk_filter_trim_cap", "policy" }, { "tcf_*", "policy" },
	{ "enqueue_to_backlog", "backlog" },   { "tun_net_xmit", "backlog" },     { "veth_xmit", "backlog" },
	{ "udp_queue_rcv_one_skb", "rcvbuf" }, { "udpv6_queue_rcv_one_skb", "rcvbuf" },
	{ "__udp_enqueue_schedule_skb", "rcvbuf" }, { "sock_queue_rcv_skb*", "rcvbuf" },
	{ "__udp4_lib_rcv", "noport" },        { "__udp6_lib_rcv", "noport" },    { "__dev_xmit_skb", "qdisc" },
	{ "kfree_skb_list*", "qdisc" },
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
	const char *class = find(by_reason, ARRAY_SIZE(by_reason), reason);

	if (class)
		return class;
	/* Any other reason is more to the point than the place it was given in. */
	if (!reason || !strcmp(reason, "NOT_SPECIFIED"))
		class = find(by_place, ARRAY_SIZE(by_place), place);
	return class ? class : "other";
}
