/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/timeutil.h"
#include "collect/klog.h"
#include "collect/procparse.h"
#include "collect/sampler.h"
#include "collect/taskcg.h"
#include "schema/kinds.h"

#define RECORDS_PER_TICK 200
#define REPORT_LINES 2000   /* a tick are looked through for reports: 70 patterns, some 5 us a line */
#define SKIP_PER_TICK 20000 /* read beyond that only to be counted */
#define RECORD_MAX 8192     /* CONSOLE_EXT_LOG_MAX of kernel/printk/printk.c */

struct kmsg {
	int fd;
	uint64_t next_seq;  /* expected; 0 unknown */
	int64_t offset_ns;  /* boot time minus the log's clock, as far as known */
	struct klog reports; /* of the reading at hand */
};

struct kmsg_record {
	struct kw_event e;
	struct kw_log p;
};

struct klog_record {
	struct kw_event e;
	struct kw_klog p;
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

static void lose(const struct sampler_ctx *ctx, uint16_t kind, uint64_t count)
{
	if (count && ctx->lose)
		ctx->lose(ctx->emit_ctx, kind, count);
}

/* What the kernel overwrote before we read it shows as a gap in the sequence. */
static void check_gap(struct kmsg *s, const struct sampler_ctx *ctx, uint64_t seq)
{
	if (s->next_seq && seq > s->next_seq)
		lose(ctx, KW_KIND_log, seq - s->next_seq);
	s->next_seq = seq + 1;
}

static void take(struct kmsg *s, const struct sampler_ctx *ctx, const char *text, size_t len, unsigned int taken)
{
	struct kmsg_record r = { .e = { .kind = KW_KIND_log, .payload_size = sizeof(r.p), .flags = KW_FLAG_POLLED } };
	uint64_t ts_us;

	if (kmsg_parse(text, len, &r.p, &ts_us) < 0) {
		lose(ctx, KW_KIND_log, 1);
		return;
	}
	check_gap(s, ctx, r.p.seq);
	r.e.ts_ns = when(s, ctx, ts_us);
	/* Facility 0 is the kernel's alone: a writer of /dev/kmsg gets another one (devkmsg_write(), kernel/printk). */
	if (r.p.facility == 0 && taken < REPORT_LINES)
		klog_line(&s->reports, r.p.text, r.p.priority, r.p.seq, r.e.ts_ns);
	if (taken < RECORDS_PER_TICK)
		ctx->emit(ctx->emit_ctx, &r.e);
	else
		lose(ctx, KW_KIND_log, 1);
}

static void party_of(const struct sampler_ctx *ctx, const struct klog_task *task, struct kw_party *ret)
{
	memcpy(ret->comm, task->comm, sizeof(ret->comm));
	if (task->pid)
		task_party(ctx->cgroups, "/proc", task->pid, ret);
}

/* What the reading reported; a report whose last lines come with the next reading stays without them. */
static void emit_reports(struct kmsg *s, const struct sampler_ctx *ctx)
{
	for (unsigned int i = 0; i < s->reports.count; i++) {
		const struct klog_report *report = &s->reports.open[i];
		struct klog_record r = { .e = { .kind = KW_KIND_klog, .payload_size = sizeof(r.p),
						.flags = KW_FLAG_POLLED, .ts_ns = report->ts_ns },
					 .p = report->p };

		if (r.p.stuck_ns > 0)
			r.e.duration_ns = (uint64_t)r.p.stuck_ns;
		party_of(ctx, &report->task, &r.e.subject);
		party_of(ctx, &report->other, &r.e.peer);
		ctx->emit(ctx->emit_ctx, &r.e);
	}
	lose(ctx, KW_KIND_klog, s->reports.overflow);
	memset(&s->reports, 0, sizeof(s->reports));
}

static int read_log(struct kmsg *s, const struct sampler_ctx *ctx)
{
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

static int kmsg_sample(void *state, const struct sampler_ctx *ctx)
{
	struct kmsg *s = state;
	int r = read_log(s, ctx);

	emit_reports(s, ctx);
	return r;
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

static const uint16_t kinds[] = { KW_KIND_log, KW_KIND_klog, 0 };

const struct sampler sampler_kmsg = {
	.name = "kmsg",
	.title = "The kernel's own messages, and the failures they report",
	.cost = "one read per message; at most 200 a tick are kept",
	.causes = "kernel.softlockup,kernel.hardlockup,kernel.rcu_stall,kernel.oops,kernel.workqueue,hw.memory,hw.cpu,"
		  "hw.pcie,hw.disk,hw.link,fs.error,mem.oom.memcg,io.device_error,net.conntrack_full",
	.source = "/dev/kmsg",
	.kinds = kinds,
	.open = kmsg_open,
	.sample = kmsg_sample,
	.close = kmsg_close,
};
