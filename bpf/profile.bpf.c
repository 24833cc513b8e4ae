// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flight recorder's stacks: what runs on each CPU when its clock ticks, in the kernel and in user mode.  The clock
 * is perf's cpu-clock of every CPU at probe.profile.rate, which runs everywhere; without idle CPUs.  The registers are
 * those of the interrupt, so that the first frame is where the CPU was.
 */
#include "bpf/kwhy.bpf.h"

char LICENSE[] SEC("license") = "GPL";

KW_RECORD_STACKS(profile);

static __always_inline u16 frames_of(long bytes)
{
	return bytes > 0 ? bytes / sizeof(u64) : 0;
}

SEC("perf_event")
int profile_sampled(void *ctx)
{
	u64 who = bpf_get_current_pid_tgid();
	struct kw_profile_record *r;

	if (!(u32)who || kw_is_off() || kw_is_own(who >> 32))
		return 0;
	r = kw_begin_clocked(KW_KIND_profile, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	r->p.span_ns = 0;
	r->p.samples = 1;
	r->p.ns = kw_settings.profile_period_ns;
	kw_party_of((struct task_struct *)bpf_get_current_task(), &r->e.subject);
	r->e.frames = frames_of(bpf_get_stack(ctx, r->stack, sizeof(r->stack), 0));
	r->e.peer_frames = frames_of(bpf_get_stack(ctx, r->peer_stack, sizeof(r->peer_stack), BPF_F_USER_STACK));
	kw_submit(r, false);
	return 0;
}
