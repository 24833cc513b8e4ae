/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "bio", "bio_queued", true, "block requests held back by a limit, and whose limit it is" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_iolimit, 0 };

const struct probe probe_iolimit = {
	.name = "iolimit",
	.title = "Block requests that a limit of the cgroup or of one above it held back",
	.cost = "block_bio_queue: once each bio; 10 ns, 1 us for one that was held back",
	.causes = "io.throttled",
	.object = "block",
	.attach = hooks,
	.kinds = kinds,
};
