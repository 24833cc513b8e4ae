/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "arrival", "unread_enqueued", true, "datagrams that lie in UDP sockets" },
	{ "arrival", "unread_ready", true, NULL },
	{ "read", "unread_consumed", true, "datagrams that lie in UDP sockets" },
	{ "read", "unread_received", true, NULL },
	{ 0 },
};

static const uint16_t kinds[] = { 0 };

const struct probe probe_unread = {
	.name = "unread",
	.title = "Datagrams that their receiver leaves lying in its UDP socket",
	.cost = "each datagram, 0.1 us; where functions cannot be entered also each read of any socket and each arrival, 20 ns",
	.causes = "net.drop.rcvbuf",
	.object = "unread",
	.attach = hooks,
	.kinds = kinds,
};
