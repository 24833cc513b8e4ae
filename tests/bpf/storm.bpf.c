// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hook that can be hit a million times a second: each getppid(2) of a process called "kwstorm" sends a record of kind
 * exit, in the way every program of kwhy does.
 */
#include "bpf/kwhy.bpf.h"

char LICENSE[] SEC("license") = "GPL";

KW_RECORD(exit);

const volatile long storm_call = -1; /* number of the system call */

static __always_inline bool is_storm(void)
{
	char comm[KW_COMM_LEN] = {};

	return !bpf_get_current_comm(comm, sizeof(comm)) && *(u64 *)comm == 0x6d726f7473776bULL; /* "kwstorm" */
}

SEC("raw_tp/sys_enter")
int BPF_PROG(storm_entered, void *regs, long call)
{
	struct kw_exit_record *r;
	struct kw_cg cg;

	if (call != storm_call || !is_storm() || kw_is_off())
		return 0;
	kw_cg_of_task((struct task_struct *)bpf_get_current_task(), &cg);
	r = kw_begin(KW_KIND_exit, &cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject.cg = cg;
	r->e.subject.pid = bpf_get_current_pid_tgid() >> 32;
	kw_submit(r, false);
	return 0;
}
