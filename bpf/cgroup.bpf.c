/* SPDX-License-Identifier: GPL-2.0-only */
/* Cgroups made, removed, released and renamed; the path comes with the tracepoint (include/trace/events/cgroup.h). */
#define KW_VITAL
#include "bpf/kwhy.bpf.h"

char LICENSE[] SEC("license") = "GPL";

KW_RECORD(cgroup);

/* Read now, because a short-lived container's runtime may be gone before anybody asks. */
static __always_inline void read_maker(struct kw_cgroup *p)
{
	struct mm_struct *mm = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), mm);
	u64 from, len;

	if (!mm)
		return;
	from = BPF_CORE_READ(mm, arg_start);
	len = BPF_CORE_READ(mm, arg_end) - from;
	if (len > sizeof(p->maker) - 1)
		len = sizeof(p->maker) - 1;
	bpf_probe_read_user(p->maker, len, (const void *)from);
}

static __always_inline int handle(struct cgroup *cgrp, const char *path, u32 op)
{
	struct kw_cgroup_record *r;
	struct kw_cg cg;

	if (kw_is_off())
		return 0;
	kw_cg_of_cgroup(cgrp, &cg);
	r = kw_begin(KW_KIND_cgroup, &cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject.cg = cg;
	if (op == KW_CGROUP_RELEASED) /* by a worker of the kernel: nobody's doing */
		__builtin_memset(&r->e.peer, 0, sizeof(r->e.peer));
	else
		kw_party_of((struct task_struct *)bpf_get_current_task(), &r->e.peer);
	r->p.op = op;
	r->p.hierarchy = cg.v1 >> KW_CG_V1_SHIFT;
	r->p.id = cg.v1 ? cg.v1 & KW_CG_ID_MASK : cg.v2;
	r->p.created_ns = op == KW_CGROUP_MADE ? r->e.ts_ns : 0;
	if (op == KW_CGROUP_MADE)
		read_maker(&r->p);
	bpf_probe_read_kernel_str(r->p.path, sizeof(r->p.path), path);
	/* Who made it, and where its bundle lies, is asked while the runtime is still there. */
	kw_submit(r, op == KW_CGROUP_MADE);
	return 0;
}

/* Raw, because nothing here reads through its arguments directly: one program each is enough for every kernel. */
SEC("raw_tp/cgroup_mkdir")
int BPF_PROG(cgroup_mkdir, struct cgroup *cgrp, const char *path)
{
	return handle(cgrp, path, KW_CGROUP_MADE);
}

SEC("raw_tp/cgroup_rmdir")
int BPF_PROG(cgroup_rmdir, struct cgroup *cgrp, const char *path)
{
	return handle(cgrp, path, KW_CGROUP_REMOVED);
}

SEC("raw_tp/cgroup_rename")
int BPF_PROG(cgroup_rename, struct cgroup *cgrp, const char *path)
{
	return handle(cgrp, path, KW_CGROUP_RENAMED);
}

SEC("raw_tp/cgroup_release")
int BPF_PROG(cgroup_release, struct cgroup *cgrp, const char *path)
{
	return handle(cgrp, path, KW_CGROUP_RELEASED);
}
