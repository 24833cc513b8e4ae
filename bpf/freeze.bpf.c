// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who freezes what.  For cgroups of the default hierarchy there are tracepoints.  A file system has none, but
 * freeze_super() writes it back in between (fs/super.c: sync_filesystem() at level SB_FREEZE_PAGEFAULT, with s_umount
 * held for writing, so no other sync can be there): its sync_fs tracepoint at a level that is neither 0 nor complete
 * is the freezer at work.  The thaw is seen by the scan.
 *
 * At level 0 the same tracepoint is somebody's sync: sync_filesystem() calls sync_fs() twice, before it waits for the
 * data and after.
 */
#include "bpf/freeze.bpf.h"

char LICENSE[] SEC("license") = "GPL";

enum { FROZE_CGROUP = 1, THAWED_CGROUP, FROZE_FS, THAWED_FS };

static __always_inline int cgroup_changed(struct cgroup *cgroup, const char *path, u32 what)
{
	struct kw_freeze_record *r;
	struct kw_cg cg;

	if (kw_is_off())
		return 0;
	kw_cg_of_cgroup(cgroup, &cg);
	r = kw_begin(KW_KIND_freeze, &cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject.cg = cg;
	kw_party_of((struct task_struct *)bpf_get_current_task(), &r->e.peer);
	if (kw_cg_same(&cg, &r->e.peer.cg))
		r->e.flags = KW_FLAG_PEER_SELF;
	r->p.what = what;
	bpf_probe_read_kernel_str(r->p.target, sizeof(r->p.target), path);
	kw_submit(r, true);
	return 0;
}

SEC("tp_btf/cgroup_freeze")
int BPF_PROG(cgroup_frozen, struct cgroup *cgroup, const char *path)
{
	return cgroup_changed(cgroup, path, FROZE_CGROUP);
}

SEC("tp_btf/cgroup_unfreeze")
int BPF_PROG(cgroup_thawed, struct cgroup *cgroup, const char *path)
{
	return cgroup_changed(cgroup, path, THAWED_CGROUP);
}

struct sync_key {
	u64 sb;
	u64 tid;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 512);
	__type(key, struct sync_key);
	__type(value, u64); /* boot time of the first step */
} syncing SEC(".maps");

KW_RECORD(sync);

/* The first step is told as pending, because what follows may take long. */
static __noinline int fs_synced_by_hand(struct super_block *sb)
{
	struct sync_key key = { .sb = (u64)sb, .tid = (u32)bpf_get_current_pid_tgid() };
	u64 now = bpf_ktime_get_boot_ns(), *begun = bpf_map_lookup_elem(&syncing, &key);
	struct kw_sync_record *r;
	struct kw_party self;
	struct gendisk *gd;

	kw_party_of((struct task_struct *)bpf_get_current_task(), &self);
	r = kw_begin(KW_KIND_sync, &self.cg, sizeof(*r), sizeof(r->p));
	if (r) {
		__builtin_memset(&r->p, 0, sizeof(r->p));
		r->e.subject = self;
		r->e.flags = begun ? 0 : KW_FLAG_PENDING;
		r->e.duration_ns = begun ? now - *begun : 0;
		r->p.dev = BPF_CORE_READ(sb, s_dev);
		gd = BPF_CORE_READ(sb, s_bdev, bd_disk);
		if (gd)
			r->p.disk_dev = (u32)BPF_CORE_READ(gd, major) << 20 | (u32)BPF_CORE_READ(gd, first_minor);
		BPF_CORE_READ_STR_INTO(&r->p.disk, sb, s_id);
		kw_submit(r, false);
	}
	if (begun)
		bpf_map_delete_elem(&syncing, &key);
	else if (bpf_map_update_elem(&syncing, &key, &now, BPF_ANY))
		kw_count_lost_other(KW_KIND_sync);
	return 0;
}

static __noinline int fs_synced(struct super_block *sb)
{
	u32 level = BPF_CORE_READ(sb, s_writers.frozen);
	struct kw_freezer f = {};
	struct kw_freeze_record *r;
	u64 key = (u64)sb;

	/* freeze_super() syncs twice, without and with waiting. */
	if (!level)
		return fs_synced_by_hand(sb);
	if (level >= SB_FREEZE_COMPLETE || bpf_map_lookup_elem(&kw_freezers, &key))
		return 0;
	kw_party_of((struct task_struct *)bpf_get_current_task(), &f.by);
	f.since = bpf_ktime_get_boot_ns();
	f.dev = BPF_CORE_READ(sb, s_dev);
	BPF_CORE_READ_STR_INTO(&f.id, sb, s_id);
	if (bpf_map_update_elem(&kw_freezers, &key, &f, BPF_ANY))
		kw_count_lost_other(KW_KIND_freeze);
	r = kw_begin(KW_KIND_freeze, &f.by.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.peer = f.by;
	r->p.what = FROZE_FS;
	r->p.dev = f.dev;
	__builtin_memcpy(r->p.target, f.id, sizeof(f.id));
	kw_submit(r, true);
	return 0;
}

/* The verifier takes some of these arguments for possibly NULL, because the event prints them so. */
SEC("tp_btf/ext4_sync_fs")
int BPF_PROG(ext4_synced, struct super_block *sb, int wait)
{
	return kw_is_off() ? 0 : fs_synced(sb);
}

SEC("tp_btf/f2fs_sync_fs")
int BPF_PROG(f2fs_synced, struct super_block *sb, int wait)
{
	return kw_is_off() ? 0 : fs_synced(sb);
}

SEC("tp_btf/xfs_fs_sync_fs")
int BPF_PROG(xfs_synced, struct xfs_mount *mount, void *caller)
{
	return !mount || kw_is_off() ? 0 : fs_synced(BPF_CORE_READ(mount, m_super));
}

SEC("tp_btf/btrfs_sync_fs")
int BPF_PROG(btrfs_synced, const struct btrfs_fs_info *fs, int wait)
{
	return !fs || kw_is_off() ? 0 : fs_synced(BPF_CORE_READ(fs, sb));
}
