/* SPDX-License-Identifier: GPL-2.0-only */
/* Which file systems are frozen and by whom, as far as a hook told. */
#ifndef KWHY_BPF_FREEZE_H
#define KWHY_BPF_FREEZE_H

#include "bpf/drift.bpf.h"

#define KW_FREEZERS_MAX 64

/* include/linux/fs/super_types.h, super_block.s_writers.frozen */
#define SB_FREEZE_COMPLETE 4

struct kw_freezer {
	struct kw_party by;
	u64 since; /* boot time */
	u32 dev;
	u32 announced;
	char id[32];
};

/* By address of the super block. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, KW_FREEZERS_MAX);
	__type(key, u64);
	__type(value, struct kw_freezer);
} kw_freezers SEC(".maps");

KW_RECORD(freeze);

static __always_inline bool printable(const char *s, u32 size)
{
	u32 i;

	for (i = 0; i < size && s[i]; i++)
		if (s[i] < 0x21 || s[i] > 0x7e)
			return false;
	return i > 0;
}

/* Any address: reads are checked, and a super block has a file system type with a name, an id and a freeze level. */
static __always_inline bool kw_is_super_block(struct super_block *sb)
{
	struct file_system_type *type = BPF_CORE_READ(sb, s_type);
	u32 frozen = BPF_CORE_READ(sb, s_writers.frozen);
	char name[8] = {}, id[8] = {};

	if (!type || !frozen || frozen > SB_FREEZE_COMPLETE)
		return false;
	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(type, name));
	BPF_CORE_READ_STR_INTO(&id, sb, s_id);
	return printable(name, sizeof(name)) && printable(id, sizeof(id));
}

#endif
