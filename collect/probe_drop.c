/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "collect/drop_class.h"
#include "collect/kernel.h"
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "free", "drop_rx_sk", true, "packets dropped on this host" },
	{ "free", "drop_reason", true, NULL },
	{ "free", "drop_plain", true, "the kernel's reason for a drop: only the place tells what it was" },
	{ "owner", "net_owner", false, "whose packets without a socket are" },
	{ "gone", "net_owner_gone", false, "that an address or a network changed hands" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_drop, 0 };

#define REASON_PREFIX "SKB_DROP_REASON_"
#define REASON_NONE UINT32_MAX /* as in bpf/drop.bpf.h */

static int refine(const struct kernel *kernel, struct kw_event *event, void *payload, const uint64_t *stack,
		  const uint64_t *peer_stack)
{
	struct kw_drop *d = payload;
	const char *reason = NULL, *place;
	uint64_t offset;

	(void)event;
	(void)stack;
	(void)peer_stack;
	if (d->reason == REASON_NONE)
		d->reason = 0;
	else
		reason = kernel_enum_name(kernel, "skb_drop_reason", d->reason);
	if (reason && !strncmp(reason, REASON_PREFIX, strlen(REASON_PREFIX)))
		reason += strlen(REASON_PREFIX);
	place = kernel_symbol(kernel, d->location, &offset);
	snprintf(d->reason_name, sizeof(d->reason_name), "%s", reason ? reason : "");
	snprintf(d->place, sizeof(d->place), "%s", place ? place : "");
	snprintf(d->class, sizeof(d->class), "%s", drop_class(reason, place));
	return 0;
}

const struct probe probe_drop = {
	.name = "drop",
	.title = "Packets dropped on this host, with reason, place and stack",
	.cost = "kfree_skb: every packet not delivered, 30 ns; about 4 us for one that is reported",
	.causes = "net.drop.policy,net.drop.rcvbuf,net.drop.qdisc,net.drop.backlog,net.drop.other,net.loss",
	.object = "net",
	.attach = hooks,
	.kinds = kinds,
	.refine = refine,
};
