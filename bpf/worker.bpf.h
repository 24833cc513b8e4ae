/* SPDX-License-Identifier: GPL-2.0-only */
/* What a kernel worker is at: its name says nothing, the function it runs does. */
#ifndef KWHY_BPF_WORKER_H
#define KWHY_BPF_WORKER_H

#include "bpf/kwhy.bpf.h"

extern const void wb_workfn __ksym __weak;                   /* fs/fs-writeback.c */
extern const void blk_throtl_dispatch_work_fn __ksym __weak; /* block/blk-throttle.c */

/* Cheap enough for a hot path: false for all but some thousand a second. */
static __always_inline bool kw_in_worker(void)
{
	return KW_READ(kw_current(), flags) & PF_WQ_WORKER;
}

/* worker_private is of 5.17 (e32cf5dfbe22); on older kernels no worker is known. */
static __always_inline bool kw_worker_runs(const void *function)
{
	struct task_struct *task = kw_current();
	struct kthread *kthread;
	struct worker *worker;

	if (!(KW_READ(task, flags) & PF_WQ_WORKER) || !function || !bpf_core_field_exists(task->worker_private))
		return false;
	kthread = (struct kthread *)BPF_CORE_READ(task, worker_private);
	worker = (struct worker *)BPF_CORE_READ(kthread, data);
	return BPF_CORE_READ(worker, current_func) == function;
}

#endif
