// SPDX-License-Identifier: GPL-2.0-only
/* Processes that ended by a signal, seen when their last thread goes. */
#define KW_VITAL
#include "bpf/kwhy.bpf.h"

char LICENSE[] SEC("license") = "GPL";

KW_RECORD(exit);

static __always_inline int emit(struct task_struct *task)
{
	u32 code = BPF_CORE_READ(task, exit_code);
	struct kw_exit_record *r;
	struct kw_party self;

	if (!(code & 0x7f) || kw_is_off())
		return 0;
	kw_party_of(BPF_CORE_READ(task, group_leader), &self);
	r = kw_begin(KW_KIND_exit, &self.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject = self;
	r->p.signal = code & 0x7f;
	r->p.core = code >> 7 & 1;
	r->p.exit_code = code;
	r->p.runtime_ns = BPF_CORE_READ(task, se.sum_exec_runtime);
	if (r->e.ts_ns > self.start_ns)
		r->p.lifetime_ns = r->e.ts_ns - self.start_ns;
	kw_submit(r, false);
	return 0;
}

/* Newer kernels (6.18 for one) say whether this was the last thread. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(exit_group, struct task_struct *task, bool group_dead)
{
	return group_dead ? emit(task) : 0;
}

/* Before: two threads that leave at the same moment may both see 0, and the process is then reported twice. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(exit_last, struct task_struct *task)
{
	return BPF_CORE_READ(task, signal, live.counter) ? 0 : emit(task);
}
