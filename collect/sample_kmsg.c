/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/timeutil.h"
#include "collect/procparse.h"
#include "collect/sampler.h"
#include "schema/kinds.h"

#define RECORDS_PER_TICK 200
#define SKIP_PER_TICK 20000 /* read beyond that only to be counted */
#define RECORD_MAX 8192     /* CONSOLE_EXT_LOG_MAX of kernel/printk/printk.c */

struct kmsg {
	int fd;
	uint64_t next_seq;  /* expected; 0 unknown */
	int64_t offset_ns;  /* boot time minus the log's clock, as far as known */
};

struct kmsg_record {
	struct kw_event e;
	struct kw_log p;
};

/*
 * The log's clock is not ours and drifts away from it.  But a record is neither from the future nor older than the last
 * reading; of the offsets that allow that, the one nearest to the last is taken.
 */
static uint64_t when(struct kmsg *s, const struct sampler_ctx *ctx, uint64_t ts_us)
{
	int64_t ts_ns = ts_us < UINT64_C(1) << 53 ? (int64_t)ts_us * NSEC_PER_USEC : 0;
	int64_t latest = (int64_t)ctx->now_ns - ts_ns, earliest = latest - (int64_t)ctx->span_ns;

	s->offset_ns = MIN(MAX(s->offset_ns, earliest), latest);
	return ts_ns + s->offset_ns;
}

static void lose(const struct sampler_ctx *ctx, uint64_t count)
{
	if (count && ctx->lose)
		ctx->lose(ctx->emit_ctx, KW_KIND_log, count);
}

/* What the kernel overwrote before we read it shows as a gap in the sequence. */
static void check_gap(struct kmsg *s, const struct sampler_ctx *ctx, uint64_t seq)
{
	if (s->next_seq && seq > s->next_seq)
		lose(ctx, seq - s->next_seq);
	s->next_seq = seq + 1;
}

static int take(struct kmsg *s, const struct sampler_ctx *ctx, const char *text, size_t len, unsigned int taken)
{
	struct kmsg_record r = { .e = { .kind = KW_KIND_log, .payload_size = sizeof(r.p), .flags = KW_FLAG_POLLED } };
	uint64_t ts_us;

	if (kmsg_parse(text, len, &r.p, &ts_us) < 0) {
		lose(ctx, 1);
		return 0;
	}
	check_gap(s, ctx, r.p.seq);
	if (taken >= RECORDS_PER_TICK) {
		lose(ctx, 1);
		return 0;
	}
	r.e.ts_ns = when(s, ctx, ts_us);
	return ctx->emit(ctx->emit_ctx, &r.e);
}

static int kmsg_sample(void *state, const struct sampler_ctx *ctx)
{
	struct kmsg *s = state;
	char text[RECORD_MAX + 1];

	for (unsigned int i = 0; i < SKIP_PER_TICK; i++) {
		ssize_t n = read(s->fd, text, sizeof(text) - 1);

		if (n < 0 && errno == EPIPE)
			continue; /* overwritten: the gap is counted at the next record */
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (!n)
			return 0;
		text[n] = '\0';
		take(s, ctx, text, n, i);
	}
	return 0;
}

static void kmsg_close(void *state)
{
	struct kmsg *s = state;

	if (!s)
		return;
	close(s->fd);
	free(s);
}

/* Time spent in suspend, which the log's clock leaves out. */
static int64_t suspended_ns(void)
{
	struct timespec ts;
	int64_t boot = time_boot_ns();

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return MAX(boot - (ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec), 0);
}

static int kmsg_open(const struct sampler_ctx *ctx, void **ret_state)
{
	AUTO_CLOSE int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct kmsg *s;

	(void)ctx;
	/* From now on: what was logged before is not ours to date. */
	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		return -errno;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->fd = TAKE_FD(fd);
	s->offset_ns = suspended_ns();
	*ret_state = s;
	return 0;
}

static const uint16_t kinds[] = { KW_KIND_log, 0 };

const struct sampler sampler_kmsg = {
	.name = "kmsg",
	.title = "The kernel's own messages",
	.cost = "one read per message; at most 200 a tick are kept",
	.causes = "mem.oom.memcg,io.device_error,fs.error,kernel.softlockup,kernel.oops,net.conntrack_full",
	.source = "/dev/kmsg",
	.kinds = kinds,
	.open = kmsg_open,
	.sample = kmsg_sample,
	.close = kmsg_close,
};
