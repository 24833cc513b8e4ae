/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

/* A kernel that lacks one of these tracepoints lacks the file system; all of them: the probe has nothing to watch. */
static const struct attach_choice hooks[] = {
	{ "ext4", "ext4_synced", false, NULL },
	{ "xfs", "xfs_synced", false, NULL },
	{ "btrfs", "btrfs_synced", false, NULL },
	{ "f2fs", "f2fs_synced", false, NULL },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_sync, 0 };

const struct probe probe_sync = {
	.name = "sync",
	.title = "Whole file systems written back on somebody's request, and whose",
	.cost = "sync_fs of a file system: twice a sync, 1 us",
	.causes = "fs.sync",
	.object = "freeze",
	.attach = hooks,
	.kinds = kinds,
};
