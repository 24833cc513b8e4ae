/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "refused", "sockmem_refused", true, "sockets that are refused memory" },
	{ "owner", "net_owner", false, "whose sockets of the host inside a container's network are" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_sockmem, 0 };

const struct probe probe_sockmem = {
	.name = "sockmem",
	.title = "Sockets refused memory, at whose limit",
	.cost = "sock_exceed_buf_limit: only when it happens, 1 us",
	.causes = "net.memory",
	.object = "net",
	.attach = hooks,
	.kinds = kinds,
};
