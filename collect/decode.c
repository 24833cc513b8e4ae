/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/decode.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool from_kernel(const struct kw_kind_info *info)
{
	return info->class != KW_CLASS_CONTROL || info->number == KW_KIND_cgroup;
}

/* Copies count frames that begin at offset; innermost first, up to the first 0. */
static int take_frames(const char *data, size_t size, size_t offset, unsigned int count, uint64_t *ret_frames,
		       unsigned int *ret_count)
{
	unsigned int n = 0;

	if (count > KW_STACK_FRAMES_MAX || (count && offset + count * sizeof(uint64_t) > size))
		return -EBADMSG;
	memcpy(ret_frames, data + (count ? offset : 0), count * sizeof(uint64_t));
	while (n < count && ret_frames[n])
		n++;
	*ret_count = n;
	return 0;
}

int record_decode(const void *data, size_t size, struct record *ret)
{
	struct kw_event *e = &ret->event;
	size_t stack;

	ret->info = NULL;
	if (size < sizeof(*e))
		return -EBADMSG;
	memcpy(e, data, sizeof(*e));
	ret->info = kw_kind_by_number(e->kind);
	if (!ret->info || !from_kernel(ret->info))
		return -EBADMSG;
	if (e->payload_size != ret->info->payload_size || sizeof(*e) + e->payload_size > size ||
	    sizeof(*e) + e->payload_size > sizeof(ret->space))
		return -EBADMSG;
	ret->payload = (char *)ret->space + sizeof(*e);
	memcpy(ret->payload, (const char *)data + sizeof(*e), e->payload_size);
	stack = (sizeof(*e) + e->payload_size + 7) & ~(size_t)7;
	if (take_frames(data, size, stack, e->frames, ret->stack, &ret->frames) < 0 ||
	    take_frames(data, size, stack + sizeof(ret->stack), e->peer_frames, ret->peer_stack, &ret->peer_frames) < 0)
		return -EBADMSG;
	e->frames = 0;
	e->peer_frames = 0;
	e->stack = 0; /* only the collector knows content hashes */
	e->peer_stack = 0;
	return 0;
}
