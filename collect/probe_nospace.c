/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

/*
 * Each file system has its own hooks; a kernel that lacks them lacks the file system, or (XFS before 6.15) cannot tell.
 * tmpfs and NFS have none.
 */
static const struct attach_choice hooks[] = {
	{ "blocks", "ext4_mapped", false, NULL },
	{ "delayed", "ext4_took_back", false, NULL },
	{ "request", "ext4_inode_requested", false, NULL },
	{ "inode", "ext4_inode_allocated", false, NULL },
	{ "reserve", "ext4_reserved", false, NULL },
	{ "reserve", "ext4_reserved_one", false, NULL },
	{ "allocate", "ext4_allocated", false, NULL },
	{ "xfs", "xfs_refused", false, NULL },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_nospace, 0 };

const struct probe probe_nospace = {
	.name = "nospace",
	.title = "Operations refused by a full file system, and who filled it",
	.cost = "ext4_da_reserve_space, ext4_allocate_blocks, ext4_ext_map_blocks_exit: 25 ns each, once a block or "
		"extent; two hooks for each file made, 0.2 us",
	.causes = "fs.full,fs.full.inodes",
	.object = "fserr",
	.attach = hooks,
	.kinds = kinds,
};
