/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs that fail in every way a kernel has, beside one that works (tests/bpf/isolation.c). */
#include "bpf/kwhy.bpf.h"

char LICENSE[] SEC("license") = "GPL";

struct kernfs_node___other {
	unsigned long no_such_field;
} __attribute__((preserve_access_index));

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(works, struct cgroup *cgrp, const char *path)
{
	return 0;
}

SEC("raw_tp/cgroup_mkdir")
int BPF_PROG(works_raw, struct cgroup *cgrp, const char *path)
{
	return 0;
}

SEC("tp_btf/kwhy_no_such_tracepoint")
int BPF_PROG(no_tracepoint, struct cgroup *cgrp)
{
	return 0;
}

SEC("raw_tp/kwhy_no_such_tracepoint")
int BPF_PROG(no_raw_tracepoint, struct cgroup *cgrp)
{
	return 0;
}

/* Reads through a pointer that may be NULL. */
SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(refused, struct cgroup *cgrp, const char *path)
{
	u32 key = 0;
	u8 *own = bpf_map_lookup_elem(&kw_own_pids, &key);

	return *own;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(no_field, struct cgroup *cgrp, const char *path)
{
	struct kernfs_node___other *kn = (void *)cgrp->kn;

	return BPF_CORE_READ(kn, no_such_field) != 0;
}
