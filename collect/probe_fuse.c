/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "collect/kernel.h"
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "send", "fuse_sent", true, "waits for the server of a FUSE file system" },
	{ "end", "fuse_ended", true, "waits for the server of a FUSE file system" },
	{ "pending", "fuse_pending", false, "waits for a FUSE server that never ends" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_fuse, 0 };

static int refine(const struct kernel *kernel, struct kw_event *event, void *payload, const uint64_t *stack,
		  const uint64_t *peer_stack)
{
	struct kw_fuse *p = payload;

	(void)kernel;
	(void)event;
	(void)stack;
	(void)peer_stack;
	snprintf(p->fs, sizeof(p->fs), "fuse %u:%u", p->dev >> 20, p->dev & 0xfffff);
	return 0;
}

const struct probe probe_fuse = {
	.name = "fuse",
	.title = "Waits for the server of a FUSE file system, and who that is",
	.cost = "fuse_request_send and _end: 1 us together, once each a request",
	.causes = "fs.remote_hang",
	.object = "fuse",
	.attach = hooks,
	.kinds = kinds,
	.refine = refine,
};
