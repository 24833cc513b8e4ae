// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page cache thrown out by somebody else than the cgroup it is charged to.  Every page that leaves the cache passes
 * here, so what is ordinary goes first: kernel threads, one's own pages, deleted and truncated files, and reclaim under
 * a limit, which is another story (bpf/reclaim.bpf.c).
 */
#include "bpf/drift.bpf.h"
#include "bpf/memcg.bpf.h"

char LICENSE[] SEC("license") = "GPL";

KW_RECORD(evict);

#define RECORD_BYTES (1ULL << 20)
#define MEMCG_DATA_MASK 7ULL /* include/linux/memcontrol.h: other users of the word have bits set */

struct eviction {
	u64 memcg;
	u32 tid;
	u32 _pad;
};

/* Bytes since the last record. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct eviction);
	__type(value, u64);
} evictions SEC(".maps");

/*
 * A file deleted or unmounted, a page behind its end: that is no loss to who reads it no more.  Large files go in one
 * sweep of a million pages a second: reads of trusted pointers alone.
 */
static __always_inline bool is_deletion(struct folio *folio)
{
	struct address_space *mapping = folio->mapping;

	if (!mapping || mapping->flags & 1ULL << bpf_core_enum_value(enum mapping_flags, AS_EXITING))
		return true;
	return (s64)(folio->index * KW_PAGE_SIZE) >= mapping->host->i_size;
}

static __noinline int emit(struct inode *inode, struct cgroup_subsys_state *owner, u64 bytes, u32 forced)
{
	struct kw_evict_record *r;
	struct kw_cg victim;

	kw_cg_of_cgroup(BPF_CORE_READ(owner, cgroup), &victim);
	r = kw_begin(KW_KIND_evict, &victim, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	r->e.subject.cg = victim;
	kw_party_of((struct task_struct *)bpf_get_current_task(), &r->e.peer);
	r->p.bytes = bytes;
	r->p.inode = BPF_CORE_READ(inode, i_ino);
	r->p.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	r->p.forced = forced;
	kw_submit(r, false);
	return 0;
}

static __noinline int evicted(struct folio *folio, struct mem_cgroup *memcg, u32 forced)
{
	struct cgroup_subsys_state *owner = (void *)memcg + bpf_core_field_offset(memcg->css);
	struct address_space *mapping = BPF_CORE_READ(folio, mapping);
	struct eviction key = { .memcg = (u64)memcg, .tid = bpf_get_current_pid_tgid() };
	u64 bytes = kw_folio_pages(folio) * KW_PAGE_SIZE, *sum;

	if (!BPF_CORE_READ(owner, parent))
		return 0;
	sum = bpf_map_lookup_elem(&evictions, &key);
	if (!sum) {
		if (bpf_map_update_elem(&evictions, &key, &bytes, BPF_ANY))
			kw_count_lost_other(KW_KIND_evict);
		return 0;
	}
	*sum += bytes;
	if (*sum < RECORD_BYTES)
		return 0;
	bytes = *sum;
	*sum = 0;
	return emit(BPF_CORE_READ(mapping, host), owner, bytes, forced);
}

SEC("tp_btf/mm_filemap_delete_from_page_cache")
int BPF_PROG(evict_folio, struct folio *folio)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 memcg = folio->memcg_data;
	struct kw_task_state *st;
	u32 forced = 0;

	if (!memcg || (memcg & MEMCG_DATA_MASK) || (task->flags & PF_KTHREAD) || kw_is_off())
		return 0;
	if ((u64)kw_memory_css(task) == memcg + bpf_core_field_offset(struct mem_cgroup, css) || is_deletion(folio))
		return 0;
	if (task->flags & PF_MEMALLOC) {
		st = kw_task_state(task, false);
		forced = st && st->reclaim_asked;
		if (!forced)
			return 0;
	}
	return evicted(folio, (struct mem_cgroup *)memcg, forced);
}
