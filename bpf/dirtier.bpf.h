/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who makes the page cache of a disk dirty.  Where write-back keeps no cgroup (cgroup v1, and files several cgroups
 * write) the bios of the worker belong to the root, and this tells whose data they carry: of the pages that become
 * dirty one in KW_DIRTY_SAMPLE is noted, in a few slots per disk that forget half of what they have each second.  A folio
 * of many pages becomes dirty at once, and is noted with that many chances.
 */
#ifndef KWHY_BPF_DIRTIER_H
#define KWHY_BPF_DIRTIER_H

#include "bpf/kwhy.bpf.h"

#define KW_DIRTY_SAMPLE 64
#define KW_DIRTIERS 8
#define KW_DIRTY_AGE 40 /* seconds: no data stays longer (dirty_expire_centisecs, 30 s, looked after every 5 s) */
#define KW_DIRTY_SCALE 1024 /* so that halving leaves something of a single sample */

struct kw_dirtier {
	struct kw_party party;
	u64 pages;
};

struct kw_dirtiers {
	struct bpf_spin_lock lock;
	u32 reserved;
	u64 second;
	struct kw_dirtier of[KW_DIRTIERS];
};

/* A new disk's value; of another type because a lock may not be read. */
struct no_dirtiers {
	u8 bytes[sizeof(struct kw_dirtiers)];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256); /* disks; data of further ones stays on the root's account */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, struct kw_dirtiers);
} dirtiers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct no_dirtiers);
} no_dirtiers SEC(".maps");

/* The whole disk below a file; of a block device's own page cache the device. */
static __always_inline u32 disk_of_inode(struct inode *inode)
{
	struct gendisk *gd = BPF_CORE_READ(inode, i_sb, s_bdev, bd_disk);

	if (!gd)
		return BPF_CORE_READ(inode, i_rdev);
	return (u32)BPF_CORE_READ(gd, major) << 20 | (u32)BPF_CORE_READ(gd, first_minor);
}

/* Chance that so many pages are noted. */
static __always_inline bool is_dirty_sample(u64 pages)
{
	return pages >= KW_DIRTY_SAMPLE || bpf_get_prandom_u32() % KW_DIRTY_SAMPLE < pages;
}

/* With the lock held. */
static __always_inline void forget(struct kw_dirtiers *d, u64 second)
{
	u64 by = second - d->second;

	if (!by)
		return;
	d->second = second;
	for (u32 i = 0; i < KW_DIRTIERS; i++)
		d->of[i].pages = by < 32 ? d->of[i].pages >> by : 0;
}

/* With the lock held: its slot, or the one with the least, which loses what it had. */
static __always_inline struct kw_dirtier *dirtier_slot(struct kw_dirtiers *d, const struct kw_party *party)
{
	u32 least = 0;

	for (u32 i = 0; i < KW_DIRTIERS; i++) {
		if (d->of[i].pages && kw_cg_same(&d->of[i].party.cg, &party->cg))
			return &d->of[i];
		if (d->of[i].pages < d->of[least & (KW_DIRTIERS - 1)].pages)
			least = i;
	}
	d->of[least & (KW_DIRTIERS - 1)].party = *party;
	d->of[least & (KW_DIRTIERS - 1)].pages = 0;
	return &d->of[least & (KW_DIRTIERS - 1)];
}

static __noinline int dirtied(struct inode *inode, u64 pages)
{
	u32 dev = disk_of_inode(inode), zero = 0;
	u64 noted = pages < KW_DIRTY_SAMPLE ? KW_DIRTY_SCALE : pages * (KW_DIRTY_SCALE / KW_DIRTY_SAMPLE);
	u64 second = bpf_ktime_get_boot_ns() >> 30;
	struct kw_dirtiers *d;
	struct kw_party self;

	if (!dev)
		return 0;
	kw_party_of((struct task_struct *)bpf_get_current_task(), &self);
	d = bpf_map_lookup_elem(&dirtiers, &dev);
	if (!d) {
		struct no_dirtiers *none = bpf_map_lookup_elem(&no_dirtiers, &zero);

		if (none)
			bpf_map_update_elem(&dirtiers, &dev, none, BPF_NOEXIST);
		d = bpf_map_lookup_elem(&dirtiers, &dev);
		if (!d)
			return 0;
	}
	kw_spin_lock(&d->lock);
	forget(d, second);
	dirtier_slot(d, &self)->pages += noted;
	kw_spin_unlock(&d->lock);
	return 0;
}

#endif
