/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of the ring buffer to a checked record: the trust border of the
 * collector.  What came through here has a known kind, the payload size of that
 * kind, and frames that lie within the record.
 *
 * Layout of the bytes (bpf/kwhy.bpf.h, KW_RECORD_STACKS): struct kw_event,
 * payload, padding to 8, KW_STACK_FRAMES_MAX frames, as many peer frames; the
 * two arrays may be missing when the counts say 0.
 */
#ifndef KWHY_COLLECT_DECODE_H
#define KWHY_COLLECT_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "schema/kinds.h"

struct record {
	const struct kw_kind_info *info;
	union {
		struct kw_event event; /* frames and peer_frames are 0: moved to the members below */
		uint64_t space[KW_RECORD_MAX / 8 + 1];
	};
	void *payload; /* behind event */
	unsigned int frames;
	unsigned int peer_frames;
	uint64_t stack[KW_STACK_FRAMES_MAX];
	uint64_t peer_stack[KW_STACK_FRAMES_MAX];
};

/*
 * 0, or -EBADMSG with ret->info NULL when not even the kind is known.  Kinds that only the collector makes (tick,
 * stack, probe) are refused.
 */
int record_decode(const void *data, size_t size, struct record *ret);

#endif
