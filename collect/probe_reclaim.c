/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "memcg_begin", "reclaim_memcg_begin", true, "waits for memory under a container's own limit" },
	{ "memcg_end", "reclaim_memcg_end", true, "waits for memory under a container's own limit" },
	{ "node_begin", "reclaim_direct_begin", false, "waits for memory when the node is short" },
	{ "node_end", "reclaim_direct_end", false, "waits for memory when the node is short" },
	{ "compaction", "compaction_begin", false, "waits for compaction: free memory in too small pieces" },
	{ "compaction", "compaction_begin_span", false, "how large a piece of memory compaction was for" },
	{ "compaction_end", "compaction_end", false, "waits for compaction: free memory in too small pieces" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_reclaim, 0 };

const struct probe probe_reclaim = {
	.name = "reclaim",
	.title = "Tasks that had to free memory before their own allocation went on, and whose limit made them",
	.cost = "mm_vmscan_{memcg,direct}_reclaim_{begin,end}, mm_compaction_{begin,end}: hundreds a second under a tight limit, none otherwise; "
		"about 2 us a pair beside the reclaim itself",
	.causes = "mem.reclaim.memcg,mem.reclaim.ancestor,mem.reclaim.global,mem.compaction",
	.object = "reclaim",
	.attach = hooks,
	.kinds = kinds,
};
