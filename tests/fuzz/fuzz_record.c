/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "collect/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* Bytes of the ring buffer: what is accepted must be what the rest of the collector relies on. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct record r; /* stays dirty on purpose: nothing may depend on what was there */
	uint64_t sum = 0;

	if (record_decode(data, size, &r) < 0)
		return 0;
	check(r.info && r.info->number == r.event.kind);
	check(r.event.payload_size == r.info->payload_size);
	check(sizeof(r.event) + r.event.payload_size <= size);
	check(r.frames <= KW_STACK_FRAMES_MAX && r.peer_frames <= KW_STACK_FRAMES_MAX);
	check(!r.event.frames && !r.event.peer_frames && !r.event.stack && !r.event.peer_stack);
	check(r.info->class != KW_CLASS_CONTROL || r.event.kind == KW_KIND_cgroup);
	check(!memcmp(r.payload, data + sizeof(r.event), r.event.payload_size));
	for (unsigned int i = 0; i < r.frames; i++)
		sum |= !r.stack[i];
	for (unsigned int i = 0; i < r.peer_frames; i++)
		sum |= !r.peer_stack[i];
	check(!sum);
	return 0;
}
