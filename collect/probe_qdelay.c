/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "dequeue", "qdelay_dequeue", true, "how long packets wait in a device's queue" },
	{ "owner", "net_owner", false, "which container a forwarded packet belongs to" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_qdelay, 0 };

const struct probe probe_qdelay = {
	.name = "qdelay",
	.title = "TCP segments that wait in the queue of a device, and who fills it",
	.cost = "qdisc_dequeue: once a packet that had to queue, 20 ns; 1 us one that waited long",
	.causes = "net.queueing,net.queueing.netem",
	.object = "net",
	.attach = hooks,
	.kinds = kinds,
};
