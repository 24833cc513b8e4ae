/* SPDX-License-Identifier: GPL-2.0-only */
/* Cgroups made, removed and renamed; the path comes with the tracepoint (include/trace/events/cgroup.h). */
#include "bpf/kwhy.bpf.h"

char LICENSE[] SEC("license") = "GPL";

enum { OP_MADE = 2, OP_REMOVED = 3, OP_RENAMED = 4 };

KW_RECORD(cgroup);

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
	kw_party_of((struct task_struct *)bpf_get_current_task(), &r->e.peer);
	r->p.op = op;
	r->p.hierarchy = cg.v1 >> KW_CG_V1_SHIFT;
	r->p.id = cg.v1 ? cg.v1 & KW_CG_ID_MASK : cg.v2;
	r->p.created_ns = op == OP_MADE ? r->e.ts_ns : 0;
	bpf_probe_read_kernel_str(r->p.path, sizeof(r->p.path), path);
	/* Who made it, and where its bundle lies, is asked while the runtime is still there. */
	kw_submit(r, op == OP_MADE);
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_mkdir, struct cgroup *cgrp, const char *path)
{
	return handle(cgrp, path, OP_MADE);
}

SEC("raw_tp/cgroup_mkdir")
int BPF_PROG(cgroup_mkdir_raw, struct cgroup *cgrp, const char *path)
{
	return handle(cgrp, path, OP_MADE);
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_rmdir, struct cgroup *cgrp, const char *path)
{
	return handle(cgrp, path, OP_REMOVED);
}

SEC("raw_tp/cgroup_rmdir")
int BPF_PROG(cgroup_rmdir_raw, struct cgroup *cgrp, const char *path)
{
	return handle(cgrp, path, OP_REMOVED);
}

SEC("tp_btf/cgroup_rename")
int BPF_PROG(cgroup_rename, struct cgroup *cgrp, const char *path)
{
	return handle(cgrp, path, OP_RENAMED);
}

SEC("raw_tp/cgroup_rename")
int BPF_PROG(cgroup_rename_raw, struct cgroup *cgrp, const char *path)
{
	return handle(cgrp, path, OP_RENAMED);
}
