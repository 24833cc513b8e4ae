/* SPDX-License-Identifier: GPL-2.0-only */
/* A program that does nothing: what the kernel's measuring of programs adds to each run (tests/bench/run.sh). */
#include "bpf/kernel.bpf.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* Never written to: what "kwhy bpf run" waits for. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} silence SEC(".maps");

SEC("tp_btf/sched_switch")
int nothing(void *ctx)
{
	return 0;
}
