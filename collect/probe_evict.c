/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "folio", "evict_folio", true, "who threw out the page cache of others" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_evict, 0 };

const struct probe probe_evict = {
	.name = "evict",
	.title = "Page cache of a cgroup that somebody else threw out",
	.cost = "mm_filemap_delete_from_page_cache: each page that leaves the cache, 60 ns; 0.5 us for one of another cgroup",
	.causes = "mem.evicted",
	.object = "evict",
	.attach = hooks,
	.kinds = kinds,
};
