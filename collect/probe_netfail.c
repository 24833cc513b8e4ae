/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "error", "netfail_error", true, "refused, reset and unreachable connections" },
	{ "error", "netfail_closed", true, "errors of UDP, and those that a connection outlives" },
	{ "port", "netfail_port", false, "connects that found no free local port" },
	{ "owner", "net_owner", false, "which container the other end belongs to" },
	{ "gone", "net_owner_gone", false, "that an address or a network changed hands" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_netfail, 0 };

/* A reset that meets a connection the peer has closed already (EPIPE) breaks nothing off. */
static const char *name_of(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return "refused";
	case ECONNRESET:
		return "reset";
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
		return "unreachable";
	case ETIMEDOUT:
		return "timeout";
	case EADDRNOTAVAIL:
		return "noport";
	default:
		return "other";
	}
}

static int refine(const struct kernel *kernel, struct kw_event *event, void *payload, const uint64_t *stack,
		  const uint64_t *peer_stack)
{
	struct kw_netfail *f = payload;

	(void)kernel;
	(void)stack;
	(void)peer_stack;
	snprintf(f->what, sizeof(f->what), "%s", name_of(event->error));
	return 0;
}

const struct probe probe_netfail = {
	.name = "netfail",
	.title = "Connections refused, reset, unreachable, or without a free port",
	.cost = "inet_sk_error_report: once a failed connection, 1 us; inet_sock_set_state: a few a connection, 30 ns",
	.causes = "net.refused,net.reset,net.unreachable,net.port_exhaustion",
	.object = "net",
	.attach = hooks,
	.kinds = kinds,
	.refine = refine,
};
