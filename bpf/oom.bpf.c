// SPDX-License-Identifier: GPL-2.0-only
/* The OOM killer marked its victim: current is the task whose allocation could not go on. */
#include "bpf/memcg.bpf.h"

char LICENSE[] SEC("license") = "GPL";

KW_RECORD(oom);

enum { CONSTRAINT_NODE = 1, CONSTRAINT_MEMCG = 4 };
enum { RSS_FILE = 0, RSS_ANON = 1, RSS_SHMEM = 3 };

/* The sum is kept per CPU and folded in batches: this reads low or high by at most a batch per CPU. */
static __always_inline u64 rss_bytes(struct mm_struct *mm, u32 which)
{
	struct percpu_counter *counter;
	s64 pages;

	if (bpf_core_type_exists(struct mm_rss_stat___old)) {
		pages = BPF_CORE_READ((struct mm_struct___old *)mm, rss_stat.count[which].counter);
	} else {
		/* Not rss_stat[which]: the compiler would take the size of our cut-down struct for the step. */
		counter = (void *)mm + bpf_core_field_offset(mm->rss_stat) +
			  which * bpf_core_type_size(struct percpu_counter);
		pages = BPF_CORE_READ(counter, count);
	}
	return pages > 0 ? pages * KW_PAGE_SIZE : 0;
}

static __always_inline void fill(struct kw_oom_record *r, struct task_struct *victim)
{
	struct kw_memcg_limit limit = {};
	struct mm_struct *mm = BPF_CORE_READ(victim, mm);

	kw_memcg_find(victim, &limit);
	kw_party_of((struct task_struct *)bpf_get_current_task(), &r->e.peer);
	if (kw_cg_same(&r->e.subject.cg, &r->e.peer.cg))
		r->e.flags |= KW_FLAG_PEER_SELF;
	r->p.constraint = limit.limit_bytes ? CONSTRAINT_MEMCG : CONSTRAINT_NODE;
	r->p.limit = limit.cg;
	r->p.usage_bytes = limit.usage_bytes;
	r->p.limit_bytes = limit.limit_bytes;
	r->p.own_limit = limit.own;
	r->p.oom_score_adj = BPF_CORE_READ(victim, signal, oom_score_adj);
	if (!mm)
		return;
	r->p.victim_anon_bytes = rss_bytes(mm, RSS_ANON);
	r->p.victim_file_bytes = rss_bytes(mm, RSS_FILE);
	r->p.victim_shmem_bytes = rss_bytes(mm, RSS_SHMEM);
}

/* Since 6.9 (72ba14deb40a, "mm: update mark_victim tracepoints fields") the argument is the task. */
SEC("tp_btf/mark_victim")
int BPF_PROG(oom_victim, struct task_struct *victim)
{
	/* A direct read on purpose: the verifier refuses this program where the argument is a pid. */
	u32 pid = victim->tgid;
	struct kw_oom_record *r;
	struct kw_party self;

	if (!pid || kw_is_off())
		return 0;
	kw_party_of(victim, &self);
	r = kw_begin(KW_KIND_oom, &self.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject = self;
	fill(r, victim);
	kw_submit(r, true);
	return 0;
}

/* Older: only the pid.  The limit is looked for from the task that asked, which is in the same subtree. */
SEC("tp_btf/mark_victim")
int BPF_PROG(oom_victim_pid, int pid)
{
	struct kw_memcg_limit limit = {};
	struct kw_oom_record *r;
	struct kw_party peer;

	if (kw_is_off())
		return 0;
	kw_party_of((struct task_struct *)bpf_get_current_task(), &peer);
	r = kw_begin(KW_KIND_oom, &peer.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	kw_memcg_find((struct task_struct *)bpf_get_current_task(), &limit);
	r->e.subject.pid = pid;
	r->e.subject.tid = pid;
	if (peer.pid == pid)
		r->e.subject = peer;
	r->e.peer = peer;
	r->p.constraint = limit.limit_bytes ? CONSTRAINT_MEMCG : CONSTRAINT_NODE;
	r->p.limit = limit.cg;
	r->p.usage_bytes = limit.usage_bytes;
	r->p.limit_bytes = limit.limit_bytes;
	r->p.own_limit = limit.own;
	kw_submit(r, true);
	return 0;
}
