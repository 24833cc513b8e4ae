/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "retransmit", "retransmit_sent", true, "TCP segments sent again" },
	{ "retransmit", "retransmit_skb", true, NULL },
	{ "owner", "net_owner", false, "whose sockets of the host inside a container's network are" },
	{ "gone", "net_owner_gone", false, "that an address or a network changed hands" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_retransmit, 0 };

const struct probe probe_retransmit = {
	.name = "retransmit",
	.title = "TCP segments sent again",
	.cost = "tcp_retransmit_skb: once a retransmission, 1 us; inet_sock_set_state: a few a connection, 500 ns",
	.causes = "net.loss",
	.object = "net",
	.attach = hooks,
	.kinds = kinds,
};
