// SPDX-License-Identifier: GPL-2.0-only
/*
 * File systems that refuse: full, damaged, shut down.
 *
 * ENOSPC has no tracepoint of its own.  Where ext4 maps blocks without delay
 * (ext4_nonda_switch(), fallocate) a write that finds none ends in
 * ext4_ext_map_blocks_exit with -ENOSPC, in the context of the writer; a delayed
 * one is seen taking back what it began.  An inode
 * that was requested and never allocated was refused; that is known when the
 * same thread asks again.  XFS and btrfs say it themselves.
 *
 * Who filled it is known by samples: one in SAMPLE of the blocks reserved or
 * allocated is noted for its cgroup, as so many.  What was taken long ago may be
 * free again, so it counts half after HALF_LIFE_NS.  Device numbers are given to
 * other file systems soon: their UUID is part of the key.
 */
#include "bpf/kwhy.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define ENOSPC 28
#define SB_RDONLY 1
#define SAMPLE 64
#define HALF_LIFE_NS 600000000000ULL       /* ten minutes */
#define TOLD_NS 100000000ULL                /* refusals of one cgroup are told this often */
#define EXT4_MB_DELALLOC_RESERVED 0x0400    /* fs/ext4/ext4.h: reserved earlier, and counted then */

enum { ERROR_FOUND = 1, SHUT_DOWN = 2 };

/* What a cgroup took from a file system: blocks in bytes, inodes by number. */
struct taker_key {
	struct kw_cg cg;
	u64 fs; /* halves of its UUID combined */
	u32 dev;
	u32 inodes;
};

struct taker {
	u64 taken;
	u64 aged_ns; /* when taken was halved last */
	struct kw_party party;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, struct taker_key);
	__type(value, struct taker);
} takers SEC(".maps");

struct refused {
	u64 told_ns;
	u64 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct taker_key);
	__type(value, struct refused);
} refusals SEC(".maps");

/* Super block an inode was requested of, by thread, until it is allocated. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, u64);
} requested SEC(".maps");

KW_RECORD(nospace);
KW_RECORD(fserror);

static __always_inline void key_of(struct super_block *sb, u32 inodes, const struct kw_cg *cg, struct taker_key *ret)
{
	u64 halves[2] = {};

	BPF_CORE_READ_INTO(&halves, sb, s_uuid);
	ret->cg = *cg;
	ret->fs = halves[0] ^ halves[1];
	ret->dev = BPF_CORE_READ(sb, s_dev);
	ret->inodes = inodes;
}

/* Bytes or inodes that count now.  Two CPUs may both halve: the sums are samples anyway. */
static __always_inline u64 still_taken(struct taker *t, u64 now)
{
	u64 halvings = now > t->aged_ns ? (now - t->aged_ns) / HALF_LIFE_NS : 0;

	if (halvings) {
		t->taken = halvings < 64 ? t->taken >> halvings : 0;
		t->aged_ns += halvings * HALF_LIFE_NS;
	}
	return t->taken;
}

static __always_inline void take(struct super_block *sb, u32 inodes, u64 amount)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct taker fresh = { .aged_ns = now }, *t;
	struct taker_key key;

	kw_party_of((struct task_struct *)bpf_get_current_task(), &fresh.party);
	key_of(sb, inodes, &fresh.party.cg, &key);
	t = bpf_map_lookup_elem(&takers, &key);
	if (!t) {
		bpf_map_update_elem(&takers, &key, &fresh, BPF_NOEXIST);
		t = bpf_map_lookup_elem(&takers, &key);
	}
	if (!t)
		return;
	still_taken(t, now);
	__sync_fetch_and_add(&t->taken, amount);
}

static __always_inline bool sampled(void)
{
	return bpf_get_prandom_u32() % SAMPLE == 0;
}

/* Delayed allocation: counted when it is reserved, in the context of the writer. */
static __always_inline int reserved(struct inode *inode, u32 blocks)
{
	u64 amount = (u64)SAMPLE * blocks;

	if (sampled() && !kw_is_off())
		take(BPF_CORE_READ(inode, i_sb), 0, amount << BPF_CORE_READ(inode, i_sb, s_blocksize_bits));
	return 0;
}

/* Since 6.10 (0d66b23d79c7, "ext4: make ext4_da_reserve_space() reserve multi-clusters") with their number. */
SEC("tp_btf/ext4_da_reserve_space")
int BPF_PROG(ext4_reserved, struct inode *inode, int blocks)
{
	return reserved(inode, blocks);
}

SEC("tp_btf/ext4_da_reserve_space")
int BPF_PROG(ext4_reserved_one, struct inode *inode)
{
	return reserved(inode, 1);
}

SEC("tp_btf/ext4_allocate_blocks")
int BPF_PROG(ext4_allocated, struct ext4_allocation_request *ar, u64 block)
{
	struct super_block *sb;
	struct inode *inode;
	u64 bytes;

	if (BPF_CORE_READ(ar, flags) & EXT4_MB_DELALLOC_RESERVED || !sampled() || kw_is_off())
		return 0;
	inode = BPF_CORE_READ(ar, inode);
	sb = BPF_CORE_READ(inode, i_sb);
	bytes = (u64)BPF_CORE_READ(ar, len) << BPF_CORE_READ(sb, s_blocksize_bits);
	take(sb, 0, SAMPLE * bytes);
	return 0;
}

struct search {
	u64 fs;
	u32 dev;
	u32 inodes;
	u64 now;
	u64 taken;
	u64 most;
	struct kw_party best;
};

/* bpf_for_each_map_elem() callback: who took most. */
static long search_taker(struct bpf_map *map, struct taker_key *key, struct taker *t, struct search *s)
{
	u64 taken;

	if (key->fs != s->fs || key->dev != s->dev || key->inodes != s->inodes)
		return 0;
	taken = still_taken(t, s->now);
	s->taken += taken;
	if (taken > s->most) {
		s->most = taken;
		s->best = t->party;
	}
	return 0;
}

static __always_inline u64 counter(s64 count)
{
	return count > 0 ? count : 0;
}

/* The counters are approximate: each CPU keeps some of the change to itself (lib/percpu_counter.c). */
static __always_inline void ext4_numbers(struct super_block *sb, struct kw_nospace *ret)
{
	struct ext4_sb_info *info = (struct ext4_sb_info *)BPF_CORE_READ(sb, s_fs_info);
	struct ext4_super_block *es = BPF_CORE_READ(info, s_es);
	u32 bits = BPF_CORE_READ(sb, s_blocksize_bits);

	ret->total_bytes = (u64)BPF_CORE_READ(es, s_blocks_count_lo) << bits;
	ret->free_bytes = counter(BPF_CORE_READ(info, s_freeclusters_counter.count))
			  << (bits + BPF_CORE_READ(info, s_cluster_bits));
	ret->total_inodes = BPF_CORE_READ(es, s_inodes_count);
	ret->free_inodes = counter(BPF_CORE_READ(info, s_freeinodes_counter.count));
}

static __always_inline void tell_refusal(struct super_block *sb, const struct kw_party *self,
					 const struct taker_key *key, u64 count, bool is_ext4)
{
	struct search s = { .fs = key->fs, .dev = key->dev, .inodes = key->inodes, .now = bpf_ktime_get_boot_ns() };
	struct kw_nospace_record *r = kw_begin(KW_KIND_nospace, &self->cg, sizeof(*r), sizeof(r->p));

	if (!r)
		return;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject = *self;
	r->e.error = ENOSPC;
	r->p.dev = key->dev;
	r->p.inodes = key->inodes;
	r->p.count = count;
	BPF_CORE_READ_STR_INTO(&r->p.disk, sb, s_id);
	bpf_probe_read_kernel_str(r->p.type, sizeof(r->p.type), BPF_CORE_READ(sb, s_type, name));
	if (is_ext4)
		ext4_numbers(sb, &r->p);
	bpf_for_each_map_elem(&takers, search_taker, &s, 0);
	if (s.most) {
		r->e.peer = s.best;
		r->p.peer_bytes = s.most;
		r->p.taken_bytes = s.taken;
		if (kw_cg_same(&r->e.peer.cg, &self->cg))
			r->e.flags = KW_FLAG_PEER_SELF;
	}
	kw_submit(r, true);
}

static __noinline int refuse(struct super_block *sb, u32 inodes, u32 is_ext4)
{
	struct taker_key key = {};
	struct refused fresh = {}, *f;
	u64 now = bpf_ktime_get_boot_ns();
	struct kw_party self;

	kw_party_of((struct task_struct *)bpf_get_current_task(), &self);
	if (kw_is_own(self.pid))
		return 0;
	key_of(sb, inodes, &self.cg, &key);
	f = bpf_map_lookup_elem(&refusals, &key);
	if (!f) {
		bpf_map_update_elem(&refusals, &key, &fresh, BPF_NOEXIST);
		f = bpf_map_lookup_elem(&refusals, &key);
	}
	if (!f) {
		kw_count_lost_other(KW_KIND_nospace);
		return 0;
	}
	f->count++;
	if (now - f->told_ns < TOLD_NS)
		return 0;
	tell_refusal(sb, &self, &key, f->count, is_ext4);
	f->told_ns = now;
	f->count = 0;
	return 0;
}

SEC("tp_btf/ext4_ext_map_blocks_exit")
int BPF_PROG(ext4_mapped, struct inode *inode, unsigned int flags, void *map, int ret)
{
	if (ret != -ENOSPC || kw_is_off())
		return 0;
	return refuse(BPF_CORE_READ(inode, i_sb), 0, 1);
}

/* What the counters of all CPUs may be off by, in clusters. */
#define SLACK 512

/*
 * A delayed allocation that finds no space leaves no trace, but a write that would have made the file longer takes back
 * what it began (ext4_truncate_failed_write()), with the size as it was.  Real truncations on a full file system mostly
 * leave nothing.
 */
SEC("tp_btf/ext4_truncate_enter")
int BPF_PROG(ext4_took_back, struct inode *inode)
{
	struct super_block *sb = BPF_CORE_READ(inode, i_sb);
	struct ext4_sb_info *info = (struct ext4_sb_info *)BPF_CORE_READ(sb, s_fs_info);
	s64 kept = BPF_CORE_READ(info, s_dirtyclusters_counter.count) + BPF_CORE_READ(info, s_resv_clusters.counter);

	if (!BPF_CORE_READ(inode, i_size) || kw_is_off() ||
	    BPF_CORE_READ(info, s_freeclusters_counter.count) > kept + SLACK)
		return 0;
	return refuse(sb, 0, 1);
}

SEC("tp_btf/ext4_request_inode")
int BPF_PROG(ext4_inode_requested, struct inode *dir, int mode)
{
	struct super_block *sb = BPF_CORE_READ(dir, i_sb);
	u32 tid = (u32)bpf_get_current_pid_tgid();
	u64 value = (u64)sb, *former;

	if (kw_is_off())
		return 0;
	former = bpf_map_lookup_elem(&requested, &tid);
	if (former && *former == value)
		refuse(sb, 1, 1);
	bpf_map_update_elem(&requested, &tid, &value, BPF_ANY);
	return 0;
}

SEC("tp_btf/ext4_allocate_inode")
int BPF_PROG(ext4_inode_allocated, struct inode *inode, struct inode *dir, int mode)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&requested, &tid);
	if (sampled())
		take(BPF_CORE_READ(dir, i_sb), 1, SAMPLE);
	return 0;
}

SEC("tp_btf/xfs_freecounter_enospc")
int BPF_PROG(xfs_refused, struct xfs_mount *mount)
{
	return !mount || kw_is_off() ? 0 : refuse(BPF_CORE_READ(mount, m_super), 0, 0);
}

static __always_inline int damaged(struct super_block *sb, u32 what, const char *function, u32 line)
{
	struct kw_fserror_record *r;
	struct kw_party self;

	if (!sb || kw_is_off())
		return 0;
	kw_party_of((struct task_struct *)bpf_get_current_task(), &self);
	if (bpf_get_current_task_btf()->flags & PF_KTHREAD)
		self.pid = 0;
	r = kw_begin(KW_KIND_fserror, &self.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject = self;
	r->p.dev = BPF_CORE_READ(sb, s_dev);
	r->p.what = what;
	r->p.line = line;
	r->p.read_only = BPF_CORE_READ(sb, s_flags) & SB_RDONLY;
	if (function)
		bpf_probe_read_kernel_str(r->p.function, sizeof(r->p.function), function);
	BPF_CORE_READ_STR_INTO(&r->p.disk, sb, s_id);
	bpf_probe_read_kernel_str(r->p.type, sizeof(r->p.type), BPF_CORE_READ(sb, s_type, name));
	kw_submit(r, true);
	return 0;
}

SEC("tp_btf/ext4_error")
int BPF_PROG(ext4_damaged, struct super_block *sb, const char *function, unsigned int line)
{
	return damaged(sb, ERROR_FOUND, function, line);
}

SEC("tp_btf/ext4_shutdown")
int BPF_PROG(ext4_shut_down, struct super_block *sb, unsigned long flags)
{
	return damaged(sb, SHUT_DOWN, NULL, 0);
}

SEC("tp_btf/xfs_force_shutdown")
int BPF_PROG(xfs_shut_down, struct xfs_mount *mount, int tag, int flags, const char *file, int line)
{
	return mount ? damaged(BPF_CORE_READ(mount, m_super), SHUT_DOWN, file, line) : 0;
}
