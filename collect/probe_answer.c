/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "read", "answer_read", true, "answers that come late" },
	{ "read", "answer_read_plain", true, "late answers on connections that never carried a full segment" },
	{ "end", "answer_none", false, "answers that never come" },
	{ "owner", "net_owner", false, "which container the other end belongs to" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_answer, 0 };

const struct probe probe_answer = {
	.name = "answer",
	.title = "Peers that answer late over TCP",
	.cost = "tcp_rcv_space_adjust: once a recvmsg with data, 45 ns; 1 us an answer that is late",
	.causes = "net.peer_slow",
	.object = "net",
	.attach = hooks,
	.kinds = kinds,
};
