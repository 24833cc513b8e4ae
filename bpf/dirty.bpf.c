// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writers that are told to pause because there are too many dirty pages.  How long they slept is the off-CPU probe's;
 * this says for which device, and who dirtied how much.
 */
#include "bpf/kwhy.bpf.h"

char LICENSE[] SEC("license") = "GPL";

KW_RECORD(dirty);

struct pause {
	u64 dirty, limit, device_dirty, device_limit; /* pages */
	u64 rate, dirtied;
};

static __noinline int paused(struct bdi_writeback *wb, const struct pause *p)
{
	struct kw_dirty_record *r;
	struct kw_party self;

	if (!p || kw_is_off())
		return 0;
	kw_party_of((struct task_struct *)bpf_get_current_task(), &self);
	r = kw_begin(KW_KIND_dirty, &self.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject = self;
	BPF_CORE_READ_STR_INTO(&r->p.bdi, wb, bdi, dev_name);
	r->p.dirtied_bytes = p->dirtied * KW_PAGE_SIZE;
	r->p.device_dirty_bytes = p->device_dirty * KW_PAGE_SIZE;
	r->p.device_limit_bytes = p->device_limit * KW_PAGE_SIZE;
	r->p.dirty_bytes = p->dirty * KW_PAGE_SIZE;
	r->p.limit_bytes = p->limit * KW_PAGE_SIZE;
	r->p.rate_bytes = p->rate * KW_PAGE_SIZE;
	kw_submit(r, false);
	return 0;
}

/* Newer kernels hand over the struct; the direct reads make the verifier refuse this where they do not. */
SEC("tp_btf/balance_dirty_pages")
int BPF_PROG(dirty_pause, struct bdi_writeback *wb, struct dirty_throttle_control *dtc, unsigned long dirty_ratelimit,
	     unsigned long task_ratelimit, unsigned long dirtied, unsigned long period, long pause)
{
	struct pause p = {
		.dirty = dtc->dirty, .limit = dtc->thresh, .device_dirty = dtc->wb_dirty,
		.device_limit = dtc->wb_thresh, .rate = task_ratelimit, .dirtied = dirtied,
	};

	return pause > 0 ? paused(wb, &p) : 0;
}

SEC("tp_btf/balance_dirty_pages")
int BPF_PROG(dirty_pause_values, struct bdi_writeback *wb, unsigned long thresh, unsigned long bg_thresh,
	     unsigned long dirty, unsigned long bdi_thresh, unsigned long bdi_dirty, unsigned long dirty_ratelimit,
	     unsigned long task_ratelimit, unsigned long dirtied, unsigned long period, long pause)
{
	struct pause p = {
		.dirty = dirty, .limit = thresh, .device_dirty = bdi_dirty, .device_limit = bdi_thresh,
		.rate = task_ratelimit, .dirtied = dirtied,
	};

	return pause > 0 ? paused(wb, &p) : 0;
}
