/* SPDX-License-Identifier: Apache-2.0 */
/* Every rule with a host that has the fault, one that looks alike, and one where a probe is missing. */
#include "tests/unit/unit.h"

#include "aggregate/aggregate.h" /* what the made-up host writes through */
#include "analyze/analyzer.h"
#include "tests/synth/story.h"
#include "tests/synth/synth.c" /* NOLINT(bugprone-suspicious-include): unit tests have no library of their own */

/* ---- the faults -------------------------------------------------------------------------------------------------- */

static void cpu_self(struct synth *s, enum variant v, int second)
{
	(void)second;
	synth_usage(s, VICTIM)->cpu_ns = v == ALIKE ? 300 * MS : 1900 * MS;
	synth_usage(s, CULPRIT)->cpu_ns = v == ALIKE ? 1600 * MS : 0;
	synth_wait(s, VICTIM, KW_WAIT_CPU, 3000 * MS, 60 * MS, 100);
	synth_blame(s, KW_RES_CPU, VICTIM, v == ALIKE ? CULPRIT : VICTIM, KW_SINK_CONTAINER, 2800 * MS, 0);
}

static void cpu_throttled(struct synth *s, enum variant v, int second)
{
	struct kw_usage *u = synth_usage(s, VICTIM);
	struct kw_event *e;

	(void)second;
	if (v == ALIKE) { /* stopped by its pod's quota */
		e = synth_event(s, KW_KIND_throttle, VICTIM, OTHER, 800 * MS, 70 * MS);
		*(struct kw_throttle *)synth_payload(
			e) = (struct kw_throttle){ .quota_ns = 30 * MS, .period_ns = 100 * MS, .source = 1 };
		synth_send(s, e);
		u->cpu_throttled_periods = u->cpu_throttled_ns = u->cpu_periods = 0;
	} else {
		u->cpu_throttled_periods = 10;
		u->cpu_throttled_ns = 700 * MS;
	}
	u->cpu_ns = 300 * MS;
	u->cpu_quota_ns = 30 * MS;
	u->cpu_period_ns = 100 * MS;
	if (v != MISSING)
		synth_wait(s, VICTIM, KW_WAIT_THROTTLED, 700 * MS, 70 * MS, 10);
}

static void oom_memcg(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	if (second != 2)
		return;
	e = synth_event(s, KW_KIND_signal, VICTIM, SYNTH_NOBODY, 500 * MS, 0);
	*(struct kw_signal *)synth_payload(
		e) = (struct kw_signal){ .signal = 9, .code = 0x80, .group = 1, .by_kernel = 1 };
	synth_send(s, e);
	synth_usage(s, VICTIM)->memory_oom_kills = 1;
	synth_usage(s, VICTIM)->memory_limit_hits = 50;
	synth_usage(s, VICTIM)->memory_limit_bytes = 64 << 20;
	if (v == MISSING)
		return;
	e = synth_event(s, KW_KIND_oom, VICTIM, VICTIM, 499 * MS, 0);
	*(struct kw_oom *)synth_payload(e) = (struct kw_oom){ .constraint = v == ALIKE ? 1 : 4,
							      .own_limit = v != ALIKE,
							      .limit = synth_cg(VICTIM),
							      .limit_bytes = 64 << 20,
							      .usage_bytes = 64 << 20 };
	synth_send(s, e);
}

static void reclaim_memcg(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	(void)second;
	synth_wait(s, VICTIM, KW_WAIT_RECLAIM, 400 * MS, 30 * MS, 40);
	synth_usage(s, VICTIM)->memory_limit_hits = 40;
	if (v == MISSING)
		return;
	e = synth_event(s, KW_KIND_reclaim, VICTIM, v == ALIKE ? SYNTH_NOBODY : VICTIM, 700 * MS, 30 * MS);
	*(struct kw_reclaim *)synth_payload(e) = (struct kw_reclaim){
		.scope = v == ALIKE ? 2 : 1, .own_limit = v != ALIKE, .reclaimed_pages = 32, .limit_bytes = 64 << 20
	};
	synth_send(s, e);
}

static void block_event(struct synth *s, int peer, int error, int64_t duration_ns)
{
	struct kw_event *e = synth_event(s, KW_KIND_block, VICTIM, peer, 600 * MS, duration_ns);
	struct kw_block *b = synth_payload(e);

	e->error = error;
	*b = (struct kw_block){
		.dev = 7 << 20, .bytes = 4096, .device_ns = (uint64_t)duration_ns, .inflight = 1, .disk = "loop0"
	};
	if (peer == SYNTH_NOBODY)
		b->alone_ns = (uint64_t)duration_ns;
	else
		b->other_ns = (uint64_t)duration_ns;
	synth_send(s, e);
}

static void io_neighbor(struct synth *s, enum variant v, int second)
{
	(void)second;
	synth_wait(s, VICTIM, KW_WAIT_BLOCK, 600 * MS, 200 * MS, 6);
	if (v == ALIKE) {
		synth_blame(s, KW_RES_BLOCK, VICTIM, SYNTH_NOBODY, KW_SINK_DEVICE, 550 * MS, 7 << 20);
		block_event(s, SYNTH_NOBODY, 0, 200 * MS);
	} else if (v == FAULT) {
		synth_blame(s, KW_RES_BLOCK, VICTIM, CULPRIT, KW_SINK_CONTAINER, 500 * MS, 7 << 20);
		block_event(s, CULPRIT, 0, 200 * MS);
	}
	synth_usage(s, VICTIM)->io_read_bytes = synth_usage(s, CULPRIT)->io_read_bytes = 0;
	synth_usage(s, VICTIM)->io_write_bytes = 1 << 20;
	synth_usage(s, CULPRIT)->io_write_bytes = 100 << 20;
}

static void io_error(struct synth *s, enum variant v, int second)
{
	if (second == 1 && v != MISSING)
		block_event(s, SYNTH_NOBODY, v == ALIKE ? 95 : 5, 3 * MS);
}

static void lock_event(struct synth *s, int holder, uint32_t freeze, int64_t duration_ns)
{
	struct kw_event *e = synth_event(s, KW_KIND_lock, VICTIM, holder, 700 * MS, duration_ns);

	*(struct kw_lock *)synth_payload(e) = (struct kw_lock){ .address = 0xffff8881,
								.type = freeze ? 6 : 3,
								.fs_freeze_level = freeze,
								.name = "inode",
								.place = "ext4_file_write",
								.dev = freeze ? 77 : 0 };
	synth_send(s, e);
}

static void lock_kernel(struct synth *s, enum variant v, int second)
{
	(void)second;
	if (v == ALIKE) {
		lock_event(s, SYNTH_NOBODY, 1, 900 * MS);
		return;
	}
	synth_wait(s, VICTIM, KW_WAIT_LOCK, 600 * MS, 200 * MS, 4);
	if (v == MISSING)
		return;
	synth_blame(s, KW_RES_LOCK, VICTIM, CULPRIT, KW_SINK_CONTAINER, 600 * MS, 0xffff8881);
	lock_event(s, CULPRIT, 0, 200 * MS);
}

static void retransmit(struct synth *s, int at_ms)
{
	struct kw_event *e = synth_event(s, KW_KIND_retransmit, VICTIM, SYNTH_NOBODY, at_ms * MS, 0);
	struct kw_retransmit *r = synth_payload(e);

	e->subject.pid = e->subject.tid = 0;
	*r = (struct kw_retransmit){
		.family = 2, .state = 1, .sport = 40000, .dport = 80, .netns = 4026532000u, .retransmits = 1
	};
	memcpy(r->daddr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x02", 16);
	synth_send(s, e);
}

static void drop_by(struct synth *s, int at_ms, const char *reason, const char *place, const char *class)
{
	struct kw_event *e = synth_event(s, KW_KIND_drop, SYNTH_NOBODY, SYNTH_NOBODY, at_ms * MS, 0);
	struct kw_drop *d = synth_payload(e);

	*d = (struct kw_drop){ .reason = 12,
			       .netns = 4026532001u,
			       .family = 2,
			       .protocol = 6,
			       .sport = 40000,
			       .dport = 80 };
	snprintf(d->reason_name, sizeof(d->reason_name), "%s", reason);
	snprintf(d->place, sizeof(d->place), "%s", place);
	snprintf(d->class, sizeof(d->class), "%s", class);
	memcpy(d->daddr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x02", 16);
	synth_send(s, e);
}

static void drop(struct synth *s, int at_ms)
{
	drop_by(s, at_ms, "NETFILTER_DROP", "nft_do_chain", "policy");
}

static void net_loss(struct synth *s, enum variant v, int second)
{
	(void)second;
	*synth_netstat(s, VICTIM) = (struct kw_netstat){
		.span_ns = SEC, .netns = 4026532000u, .tcp_out_segs = 100, .tcp_in_segs = 90, .tcp_retransmits = 4
	};
	for (int i = 0; i < 4; i++) {
		if (v == ALIKE)
			drop(s, 100 + 200 * i);
		retransmit(s, 200 + 200 * i);
	}
}

static void drop_policy(struct synth *s, enum variant v, int second)
{
	(void)second;
	for (int i = 0; i < 4; i++) {
		if (v == FAULT)
			drop(s, 100 + 200 * i);
		retransmit(s, 200 + 200 * i);
	}
}

static void drop_other(struct synth *s, enum variant v, int second)
{
	(void)second;
	for (int i = 0; i < 4; i++) {
		if (v == FAULT)
			drop_by(s, 100 + 200 * i, "IP_LOCAL_SOURCE", "ip_rcv_finish_core", "other");
		else if (v == ALIKE)
			drop(s, 100 + 200 * i);
		retransmit(s, 200 + 200 * i);
	}
}

static void killed(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	if (second != 1)
		return;
	e = synth_event(s, KW_KIND_signal, VICTIM, v == ALIKE ? VICTIM : CULPRIT, 500 * MS, 0);
	*(struct kw_signal *)synth_payload(e) = (struct kw_signal){ .signal = 15, .group = 1 };
	if (v != MISSING)
		synth_send(s, e);
	e = synth_event(s, KW_KIND_exit, VICTIM, SYNTH_NOBODY, 501 * MS, 0);
	*(struct kw_exit *)synth_payload(e) = (struct kw_exit){ .signal = 15, .lifetime_ns = 5 * SEC };
	synth_send(s, e);
}

static void fs_frozen(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	if (second == 0 && v == FAULT) {
		e = synth_event(s, KW_KIND_freeze, SYNTH_NOBODY, CULPRIT, 100 * MS, 0);
		*(struct kw_freeze *)synth_payload(e) = (struct kw_freeze){ .what = 3, .dev = 77, .target = "loop0" };
		synth_send(s, e);
	}
	if (v == ALIKE) {
		lock_kernel(s, FAULT, second);
		return;
	}
	e = synth_event(s, KW_KIND_offcpu, VICTIM, SYNTH_NOBODY, 990 * MS, 800 * MS + second * SEC);
	e->flags = KW_FLAG_PENDING;
	*(struct kw_offcpu *)synth_payload(e) = (struct kw_offcpu){
		.state = 2, .reason = KW_WAIT_FSFROZEN, .wait_class = "fs-freeze", .wait_place = "sb_start_write"
	};
	synth_send(s, e);
}

static void frozen(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	if (v == MISSING)
		synth_usage(s, VICTIM)->frozen = 1;
	if (second != 0 || v == MISSING)
		return;
	e = synth_event(s, KW_KIND_freeze, VICTIM, CULPRIT, 100 * MS, 0);
	*(struct kw_freeze *)synth_payload(e) = (struct kw_freeze){ .what = 1, .target = "/test/web" };
	synth_send(s, e);
	if (v != ALIKE)
		return;
	e = synth_event(s, KW_KIND_freeze, VICTIM, CULPRIT, 103 * MS, 0); /* a runtime that changes a limit */
	*(struct kw_freeze *)synth_payload(e) = (struct kw_freeze){ .what = 2, .target = "/test/web" };
	synth_send(s, e);
}

static const struct story stories[] = {
	{ "cpu.self", cpu_self, "runq", "/test/web", NULL, "info", "confirmed", "cpu.neighbor", "probable" },
	{ "cpu.throttled", cpu_throttled, "throttle", "/test/web", NULL, "warning", "confirmed",
	  "cpu.throttled.ancestor", NULL },
	{ "mem.oom.memcg", oom_memcg, "oom", "/test/web", NULL, "critical", "confirmed", "mem.oom.global", "possible" },
	{ "mem.reclaim.memcg", reclaim_memcg, "reclaim", "/test/web", NULL, "warning", "confirmed",
	  "mem.reclaim.global", NULL },
	{ "io.neighbor", io_neighbor, "block", "/test/batch", NULL, "warning", "confirmed", "io.device_slow", NULL },
	{ "io.device_error", io_error, "block", NULL, "disk:loop0", "critical", "confirmed", NULL, NULL },
	{ "lock.kernel", lock_kernel, "lock", "/test/batch", NULL, "warning", "confirmed", "fs.frozen", NULL },
	{ "net.loss", net_loss, "drop", NULL, "path", "warning", "probable", "net.drop.policy", "possible" },
	{ "net.drop.policy", drop_policy, "drop", NULL, "netfilter", "warning", "confirmed", "net.loss", NULL },
	{ "net.drop.other", drop_other, "drop", NULL, "kernel:ip_rcv_finish_core", "warning", "probable", "net.drop.policy",
	  NULL },
	{ "proc.killed", killed, "signal", "/test/batch", NULL, "critical", "confirmed", NULL, NULL },
	{ "fs.frozen", fs_frozen, "freeze", "/test/batch", NULL, "critical", "confirmed", "lock.kernel", "probable" },
	{ "proc.frozen", frozen, "freeze", "/test/batch", NULL, "critical", "confirmed", NULL, "probable" },
};

int main(void)
{
	return stories_run(stories, ARRAY_SIZE(stories), NULL);
}
