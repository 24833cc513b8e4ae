/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose a bio is; and bios of the device mapper (logical volumes, thin pools, multipath, encryption).  Most of its devices
 * have no requests: what they hold back or fail by themselves, no request of the disk below shows.  Every failed bio is
 * told; to see late ones each CPU follows one bio in a millisecond, which is every one of a device that is late.
 */
#ifndef KWHY_BPF_BIO_H
#define KWHY_BPF_BIO_H

#include "bpf/drift.bpf.h"

#define REQ_OP_BITS 8 /* include/linux/blk_types.h */
#define KW_BIOS_MAX 4096
#define KW_MAPPED_MAX 256
#define KW_BIO_EVERY_NS 1000000ULL
#define KW_HUNG_NS 1000000000ULL /* what is on its way for longer is told each tick */
#define KW_HUNG_MAX 16           /* so many of it */

KW_RECORD(block);

/*
 * The submitter is current when current is in the very blkcg of the bio and no worker: those, or a task that an interrupt
 * hit, are not.  Then it also gives the cgroup of the default hierarchy.
 */
static __always_inline void owner_of_bio(struct bio *bio, struct kw_party *ret)
{
	struct task_struct *task = kw_current();
	struct blkcg *blkcg = KW_READ(bio, bi_blkg, blkcg);
	struct cgroup *cgrp = KW_READ(blkcg, css.cgroup);
	struct css_set *set = KW_READ(task, cgroups);
	u64 css = 0;

	__builtin_memset(ret, 0, sizeof(*ret));
	kw_cg_of_id(KW_READ(cgrp, kn, id), KW_READ(cgrp, root, hierarchy_id), &ret->cg);
	if (KW_READ(task, flags) & PF_WQ_WORKER || !bpf_core_enum_value_exists(enum cgroup_subsys_id, io_cgrp_id))
		return;
	bpf_core_read(&css, sizeof(css), &set->subsys[bpf_core_enum_value(enum cgroup_subsys_id, io_cgrp_id)]);
	if (!css || css != (u64)blkcg + bpf_core_field_offset(struct blkcg, css))
		return;
	ret->cg.v2 = kw_v2_here();
	ret->pid = KW_READ(task, tgid);
	ret->tid = KW_READ(task, pid);
	ret->start_ns = KW_READ(task, start_boottime);
	bpf_get_current_comm(ret->comm, sizeof(ret->comm));
}

#ifndef KW_PLAIN

struct bio_state {
	u64 begin_ns;
	u64 sector;
	u32 bytes;
	u32 inflight; /* of those followed, when it came */
	struct kw_party owner;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KW_BIOS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct bio_state);
} kw_bios SEC(".maps");

/* How many bios of a device are followed now. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KW_MAPPED_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u32);
} kw_mapped SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} kw_bio_latest SEC(".maps");

/* A mapped device that takes requests (some of multipath) shows in those. */
static __always_inline bool bio_is_mapped(struct gendisk *gd, struct request_queue *q)
{
	return gd->disk_name[0] == 'd' && gd->disk_name[1] == 'm' && gd->disk_name[2] == '-' && !q->mq_ops;
}

static __always_inline u32 bio_dev(struct gendisk *gd)
{
	return (u32)gd->major << 20 | (u32)gd->first_minor;
}

static __always_inline bool bio_is_due(u64 now)
{
	u32 zero = 0;
	u64 *latest = bpf_map_lookup_elem(&kw_bio_latest, &zero);

	if (!latest || now - *latest < KW_BIO_EVERY_NS)
		return false;
	*latest = now;
	return true;
}

static __noinline int bio_follow(struct bio *bio, u32 dev, u64 now)
{
	struct bio_state st = { .begin_ns = now };
	u32 zero = 0, *followed = bpf_map_lookup_elem(&kw_mapped, &dev);
	u64 id = (u64)bio;

	if (!followed) {
		bpf_map_update_elem(&kw_mapped, &dev, &zero, BPF_NOEXIST);
		followed = bpf_map_lookup_elem(&kw_mapped, &dev);
	}
	st.sector = BPF_CORE_READ(bio, bi_iter.bi_sector);
	st.bytes = BPF_CORE_READ(bio, bi_iter.bi_size);
	st.inflight = followed ? *followed : 0;
	owner_of_bio(bio, &st.owner);
	if (bpf_map_update_elem(&kw_bios, &id, &st, BPF_NOEXIST))
		kw_count_lost_other(KW_KIND_block);
	else if (followed)
		__sync_fetch_and_add(followed, 1);
	return 0;
}

static __always_inline void bio_forget(u64 id, u32 dev)
{
	u32 *followed = bpf_map_lookup_elem(&kw_mapped, &dev);

	if (followed)
		__sync_fetch_and_add(followed, -1);
	bpf_map_delete_elem(&kw_bios, &id);
}

static __always_inline int bio_begun(struct bio *bio)
{
	struct gendisk *gd = bio->bi_bdev->bd_disk;
	u64 now;

	if (!bio_is_mapped(gd, gd->queue) || kw_is_off())
		return 0;
	now = bpf_ktime_get_boot_ns();
	return bio_is_due(now) ? bio_follow(bio, bio_dev(gd), now) : 0;
}

static __noinline int bio_tell(struct bio *bio, struct bio_state *st, u64 now, u32 status, u32 flags)
{
	struct kw_block_record *r;
	struct gendisk *gd = BPF_CORE_READ(bio, bi_bdev, bd_disk);

	if (!st)
		return 0;
	r = kw_begin(KW_KIND_block, &st->owner.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.ts_ns = now;
	r->e.subject = st->owner;
	r->e.duration_ns = now - st->begin_ns;
	r->e.error = status;
	r->e.flags = flags;
	r->p.stacked = 1;
	r->p.dev = (u32)BPF_CORE_READ(gd, major) << 20 | (u32)BPF_CORE_READ(gd, first_minor);
	r->p.op = BPF_CORE_READ(bio, bi_opf) & ((1U << REQ_OP_BITS) - 1);
	r->p.sector = st->sector;
	r->p.bytes = st->bytes;
	r->p.device_ns = r->p.alone_ns = now - st->begin_ns;
	r->p.inflight = st->inflight;
	BPF_CORE_READ_STR_INTO(&r->p.disk, gd, disk_name);
	kw_submit(r, status != 0);
	return 0;
}

static __always_inline int bio_ended(struct request_queue *q, struct bio *bio)
{
	struct gendisk *gd = bio->bi_bdev->bd_disk;
	u64 id = (u64)bio, now;
	struct bio_state *known, st = {};
	u32 status;

	if (!bio_is_mapped(gd, q))
		return 0;
	known = bpf_map_lookup_elem(&kw_bios, &id);
	status = bio->bi_status;
	if (!known && !status)
		return 0;
	now = bpf_ktime_get_boot_ns();
	if (known) {
		st = *known;
		bio_forget(id, bio_dev(gd));
	} else {
		st.begin_ns = now;
		st.sector = BPF_CORE_READ(bio, bi_iter.bi_sector);
		owner_of_bio(bio, &st.owner);
	}
	if ((status || now - st.begin_ns >= kw_settings.block_threshold_ns) && !kw_is_off())
		bio_tell(bio, &st, now, status, 0);
	return 0;
}

/* Of one walk over what has not come back: told counts up to enough, from a number that the verifier does not know, or it
 * goes through all of the counting. */
struct hung {
	u64 now;
	u64 told;
	u64 enough;
};

/* bpf_for_each_map_elem() callback.  It is still there: its end is always seen. */
static long bio_hangs(struct bpf_map *map, u64 *bio, struct bio_state *st, struct hung *h)
{
	if (h->now < st->begin_ns + KW_HUNG_NS)
		return 0;
	bio_tell((struct bio *)*bio, st, h->now, 0, KW_FLAG_PENDING);
	return ++h->told >= h->enough;
}

#endif

#endif
