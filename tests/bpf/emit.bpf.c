/* SPDX-License-Identifier: GPL-2.0-only */
/* An object as other people write them: what "kwhy bpf run" must decode.  Nothing of kwhy is in it but the kernel's types. */
#include "bpf/kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum colour { RED, GREEN = 7 };

struct inner {
	short below;
	unsigned char bytes[3];
};

struct emitted {
	unsigned long long big;
	int negative;
	unsigned int low : 3, high : 5;
	enum colour colour;
	_Bool yes;
	char comm[16];
	struct inner inner;
	union {
		unsigned int word;
		unsigned char octets[4];
	};
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, unsigned int);
	__type(value, struct inner);
} seen SEC(".maps");

const struct emitted *unused __attribute__((unused));

SEC("tp_btf/sched_process_exit")
int on_exit(void *ctx)
{
	struct emitted *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e)
		return 0;
	__builtin_memset(e, 0, sizeof(*e));
	e->big = 1ULL << 63;
	e->negative = -5;
	e->low = 5;
	e->high = 17;
	e->colour = GREEN;
	e->yes = 1;
	e->inner.below = -2;
	e->inner.bytes[1] = 200;
	e->word = 0x01020304;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	bpf_ringbuf_submit(e, 0);
	return 0;
}

/* Says nothing of where it goes: skipped, and said. */
SEC("xdp")
int nowhere(void *ctx)
{
	return 2;
}

char LICENSE[] SEC("license") = "GPL";
