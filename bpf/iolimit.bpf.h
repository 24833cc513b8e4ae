/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bios that a limit of blk-throttle held back.  No hook tells when that begins; the worker that ends it hands them on
 * (blk_throtl_dispatch_work_fn()).  They come by thousands: one record sums up a tenth of a second.
 */
#ifndef KWHY_BPF_IOLIMIT_H
#define KWHY_BPF_IOLIMIT_H

#include "bpf/worker.bpf.h"

#define KW_HELD_SPAN_NS 100000000ULL
#define KW_LIMIT_DEPTH 8 /* nested cgroups looked at for the limit */
#define KW_BLKCG_POLICIES 6

struct held_key {
	struct kw_cg cg;
	u32 dev;
	u32 write;
};

struct held {
	u64 told_ns;
	u64 count;
	u64 bytes;
};

struct io_limit {
	u64 bps;
	u64 iops;
	struct kw_cg cg;
	u32 own;
	u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct held_key);
	__type(value, struct held);
} held_back SEC(".maps");

KW_RECORD(iolimit);

static __always_inline u64 limit_bps(struct throtl_grp *tg, u32 write)
{
	u64 bps = 0;

	if (bpf_core_field_size(tg->bps) == sizeof(tg->bps))
		bpf_core_read(&bps, sizeof(bps), &tg->bps[write]);
	else
		bpf_core_read(&bps, sizeof(bps), &((struct throtl_grp___old *)tg)->bps[2 * write + 1]);
	return bps == ~0ULL ? 0 : bps;
}

static __always_inline u32 limit_iops(struct throtl_grp *tg, u32 write)
{
	u32 iops = 0;

	if (bpf_core_field_size(tg->iops) == sizeof(tg->iops))
		bpf_core_read(&iops, sizeof(iops), &tg->iops[write]);
	else
		bpf_core_read(&iops, sizeof(iops), &((struct throtl_grp___old *)tg)->iops[2 * write + 1]);
	return iops == ~0U ? 0 : iops;
}

/* A device keeps one set of data per cgroup and policy; the throttle's is the one that points to the throttle's queue. */
static __always_inline struct throtl_grp *throttle_of(struct blkcg_gq *blkg, struct throtl_data *td)
{
	for (u32 i = 0; i < KW_BLKCG_POLICIES; i++) {
		struct throtl_grp *tg = NULL;

		bpf_core_read(&tg, sizeof(tg), &blkg->pd[i]);
		if (tg && BPF_CORE_READ(tg, td) == td)
			return tg;
	}
	return NULL;
}

/* The innermost cgroup with a limit for that direction; of two nested limits the wider may have been the one. */
static __noinline int limit_find(struct bio *bio, u32 write, struct io_limit *ret)
{
	struct blkcg_gq *blkg = BPF_CORE_READ(bio, bi_blkg);
	struct throtl_data *td = BPF_CORE_READ(bio, bi_bdev, bd_disk, queue, td);

	if (!ret || write > 1)
		return 0;
	for (u32 depth = 0; depth < KW_LIMIT_DEPTH && blkg; depth++) {
		struct throtl_grp *tg = throttle_of(blkg, td);

		if (tg) {
			ret->bps = limit_bps(tg, write);
			ret->iops = limit_iops(tg, write);
		}
		if (ret->bps || ret->iops) {
			kw_cg_of_cgroup(BPF_CORE_READ(blkg, blkcg, css.cgroup), &ret->cg);
			ret->own = !depth;
			return 1;
		}
		blkg = BPF_CORE_READ(blkg, parent);
	}
	return 0;
}

static __always_inline void limit_tell(struct bio *bio, const struct held_key *key, struct held *h, u64 now)
{
	struct kw_iolimit_record *r = kw_begin(KW_KIND_iolimit, &key->cg, sizeof(*r), sizeof(r->p));
	struct io_limit limit = {};

	if (!r)
		return;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	limit_find(bio, key->write, &limit);
	r->e.subject.cg = key->cg;
	r->e.peer.cg = limit.cg;
	r->e.flags = limit.own ? KW_FLAG_PEER_SELF : 0;
	r->p.dev = key->dev;
	r->p.write = key->write;
	r->p.count = h->count;
	r->p.bytes = h->bytes;
	r->p.limit_bps = limit.bps;
	r->p.limit_iops = limit.iops;
	r->p.own_limit = limit.own;
	BPF_CORE_READ_STR_INTO(&r->p.disk, bio, bi_bdev, bd_disk, disk_name);
	kw_submit(r, false);
	h->told_ns = now;
	h->count = 0;
	h->bytes = 0;
}

/* Before 5.12 (309dca309fc3) the tracepoint had another first argument, and bios no bi_bdev. */
static __always_inline int limit_let_go(struct bio *bio)
{
	struct held_key key = {};
	struct held fresh = {}, *h;
	struct gendisk *gd;
	u64 now = bpf_ktime_get_boot_ns();

	if (!bpf_core_field_exists(bio->bi_bdev) || !bpf_core_field_exists(struct request_queue, td))
		return 0;
	gd = BPF_CORE_READ(bio, bi_bdev, bd_disk);
	kw_cg_of_cgroup(BPF_CORE_READ(bio, bi_blkg, blkcg, css.cgroup), &key.cg);
	key.dev = (u32)BPF_CORE_READ(gd, major) << 20 | (u32)BPF_CORE_READ(gd, first_minor);
	key.write = BPF_CORE_READ(bio, bi_opf) & 1;
	h = bpf_map_lookup_elem(&held_back, &key);
	if (!h) {
		bpf_map_update_elem(&held_back, &key, &fresh, BPF_NOEXIST);
		h = bpf_map_lookup_elem(&held_back, &key);
	}
	if (!h) {
		kw_count_lost_other(KW_KIND_iolimit);
		return 0;
	}
	/* Two CPUs may let go of one cgroup's bios at once; a lost count is one of thousands. */
	h->count++;
	h->bytes += BPF_CORE_READ(bio, bi_iter.bi_size);
	if (now - h->told_ns >= KW_HELD_SPAN_NS)
		limit_tell(bio, &key, h, now);
	return 0;
}

#endif
