/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "pause", "dirty_pause", true, "whose dirty pages made writers pause, and for which device" },
	{ "pause", "dirty_pause_values", true, NULL },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_dirty, 0 };

const struct probe probe_dirty = {
	.name = "dirty",
	.title = "Writers told to pause because of dirty pages, for which device",
	.cost = "balance_dirty_pages: at most 100 a second for each writer that is held back, none otherwise; 1 us",
	.causes = "mem.dirty_throttle",
	.object = "dirty",
	.attach = hooks,
	.kinds = kinds,
};
