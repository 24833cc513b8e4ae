/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/cleanup.h"
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "issue", "block_issue", true, "who held a disk while others waited for it, and failed requests" },
	{ "issue", "block_issue_alone", true, NULL },
	{ "complete", "block_complete", true, "who held a disk while others waited for it, and failed requests" },
	{ "insert", "block_insert", false, "time requests spent in the queue before the device" },
	{ "insert", "block_insert_alone", false, NULL },
	{ "requeue", "block_requeue", false, "requests the driver gave back count as in the device" },
	{ "requeue", "block_requeue_alone", false, NULL },
	{ "pending", "block_pending", false, "requests that do not come back, before they do" },
	{ "bio", "bio_queued", false, "what devices of the device mapper hold back" },
	{ "bio_end", "bio_completed", false, "what devices of the device mapper hold back or fail by themselves" },
	{ "dirty", "page_dirtied", false, "whose data a kernel worker writes back, where cgroup v1 does not say" },
	{ "dirty", "page_dirtied_page", false, NULL },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_block, 0 };

/* block/blk-core.c, blk_errors[]; index is BLK_STS_* of include/linux/blk_types.h.  From 14 on numbers have moved. */
static const uint8_t status_errno[] = {
	[1] = EOPNOTSUPP, [2] = ETIMEDOUT, [3] = ENOSPC, [4] = ENOLINK, [5] = EREMOTEIO, [6] = EBADE, [7] = ENODATA,
	[8] = EILSEQ,     [9] = ENOMEM,    [10] = EIO,   [11] = EREMCHG, [12] = EAGAIN,  [13] = EBUSY,
};

/* Positive: a blk_status_t.  Negative: an errno, from kernels before 5.16. */
static int refine(const struct kernel *kernel, struct kw_event *event, void *payload, const uint64_t *stack,
		  const uint64_t *peer_stack)
{
	(void)kernel;
	(void)payload;
	(void)stack;
	(void)peer_stack;
	if (event->error < 0)
		event->error = event->error > -4096 ? -event->error : EIO;
	else if (event->error)
		event->error = (size_t)event->error < ARRAY_SIZE(status_errno) && status_errno[event->error] ?
				       status_errno[event->error] :
				       EIO;
	return 0;
}

const struct probe probe_block = {
	.name = "block",
	.title = "Slow and failed block requests, and who had the device meanwhile",
	.cost = "block_rq_insert, _issue, _complete: once each a request, about 1 us together; "
		"writeback_dirty_folio: 20 ns a page that becomes dirty; block_bio_queue, _complete: 10 ns a bio, "
		"100 ns one of a mapped device",
	.causes = "io.neighbor,io.self,io.writeback,io.throttled,io.device_slow,io.device_error",
	.object = "block",
	.plain_lost = "shares of a disk are estimates: programs cannot take a lock",
	.attach = hooks,
	.kinds = kinds,
	.refine = refine,
};
