/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of block devices and file systems, each with a fault, a look-alike, and without a probe. */
#include "aggregate/aggregate.h" /* what the made-up host writes through */
#include "analyze/analyzer.h"
#include "tests/synth/story.h"
#include "tests/synth/synth.c" /* NOLINT(bugprone-suspicious-include): unit tests have no library of their own */

#define LOOP0 (7 << 20)

static void request(struct synth *s, int peer, int64_t duration_ns)
{
	struct kw_event *e = synth_event(s, KW_KIND_block, VICTIM, peer, 600 * MS, duration_ns);
	struct kw_block *b = synth_payload(e);

	*b = (struct kw_block){
		.dev = LOOP0, .bytes = 4096, .device_ns = (uint64_t)duration_ns, .inflight = 8, .disk = "loop0"
	};
	if (peer == VICTIM)
		b->self_ns = (uint64_t)duration_ns;
	else
		b->other_ns = (uint64_t)duration_ns;
	synth_send(s, e);
}

static void io_self(struct synth *s, enum variant v, int second)
{
	int occupant = v == ALIKE ? CULPRIT : VICTIM;

	(void)second;
	synth_wait(s, VICTIM, KW_WAIT_BLOCK, 1600 * MS, 90 * MS, 20);
	synth_usage(s, VICTIM)->io_write_bytes = 1 << 20;
	synth_usage(s, CULPRIT)->io_write_bytes = 100 << 20;
	if (v == MISSING)
		return;
	synth_blame(s, KW_RES_BLOCK, VICTIM, occupant, KW_SINK_CONTAINER, 1500 * MS, LOOP0);
	request(s, occupant, 90 * MS);
}

/* Held back by a device of the device mapper; the disk below answers as ever, or in the look-alike stands in a queue. */
static void mapped_slow(struct synth *s, enum variant v, int second)
{
	(void)second;
	synth_wait(s, VICTIM, KW_WAIT_BLOCK, 900 * MS, 160 * MS, 6);
	synth_usage(s, VICTIM)->io_write_bytes = 1 << 20;
	synth_usage(s, CULPRIT)->io_write_bytes = 100 << 20;
	if (v == MISSING)
		return;
	for (int i = 0; i < 3; i++) {
		struct kw_event *e = synth_event(s, KW_KIND_block, VICTIM, SYNTH_NOBODY, (600 + 10 * i) * MS, 160 * MS);

		*(struct kw_block *)synth_payload(e) = (struct kw_block){
			.dev = 253 << 20, .bytes = 4096, .device_ns = 160 * MS, .alone_ns = 160 * MS, .stacked = 1, .disk = "dm-0"
		};
		synth_send(s, e);
	}
	if (v != ALIKE)
		return;
	synth_blame(s, KW_RES_BLOCK, VICTIM, CULPRIT, KW_SINK_CONTAINER, 800 * MS, LOOP0);
	request(s, CULPRIT, 150 * MS);
}

/* Asked once, and no answer yet. */
static void hung_disk(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	if (v == ALIKE) {
		io_self(s, ALIKE, second);
		return;
	}
	synth_wait(s, VICTIM, KW_WAIT_BLOCK, 990 * MS, 990 * MS, 1);
	if (v == MISSING)
		return;
	e = synth_event(s, KW_KIND_block, VICTIM, SYNTH_NOBODY, 990 * MS, (2 + second) * SEC);
	e->flags = KW_FLAG_PENDING;
	*(struct kw_block *)synth_payload(e) = (struct kw_block){
		.dev = LOOP0, .bytes = 4096, .device_ns = (uint64_t)(2 + second) * SEC, .disk = "loop0"
	};
	synth_send(s, e);
}

static void failed(struct synth *s, uint32_t stacked)
{
	struct kw_event *e = synth_event(s, KW_KIND_block, VICTIM, SYNTH_NOBODY, (500 + 10 * stacked) * MS, 3 * MS);
	struct kw_block *b = synth_payload(e);

	e->error = 5;
	*b = (struct kw_block){ .dev = LOOP0, .bytes = 4096, .stacked = stacked };
	snprintf(b->disk, sizeof(b->disk), "%s", stacked ? "dm-0" : "loop0");
	synth_send(s, e);
}

/* A mapped device fails, too, when the disk below it does; only when that is sound it is the one. */
static void mapped_error(struct synth *s, enum variant v, int second)
{
	if (second > 2 || v != FAULT)
		return;
	failed(s, 1);
}

static void error_below(struct synth *s, enum variant v, int second)
{
	if (second > 2 || v != FAULT)
		return;
	failed(s, 0);
	failed(s, 1);
}

static void held_back(struct synth *s)
{
	struct kw_event *e = synth_event(s, KW_KIND_iolimit, VICTIM, VICTIM, 500 * MS, 0);

	*(struct kw_iolimit *)synth_payload(e) = (struct kw_iolimit){
		.dev = LOOP0, .count = 30, .bytes = 30 << 14, .limit_bps = 1 << 19, .own_limit = 1, .disk = "loop0"
	};
	synth_send(s, e);
}

/* The look-alike has a limit, too, yet what it waits for is the neighbour in the device. */
static void io_throttled(struct synth *s, enum variant v, int second)
{
	(void)second;
	synth_wait(s, VICTIM, KW_WAIT_BLOCK, 900 * MS, 60 * MS, 30);
	synth_blame(s, KW_RES_BLOCK, VICTIM, v == ALIKE ? CULPRIT : SYNTH_NOBODY,
		    v == ALIKE ? KW_SINK_CONTAINER : KW_SINK_DEVICE, (v == ALIKE ? 800 : 30) * MS, LOOP0);
	synth_usage(s, VICTIM)->io_write_bytes = 1 << 20;
	synth_usage(s, CULPRIT)->io_write_bytes = 100 << 20;
	if (v == ALIKE)
		request(s, CULPRIT, 60 * MS);
	if (v != MISSING)
		held_back(s);
}

/* The look-alike asks for itself what the other made a kernel worker write. */
static void io_writeback(struct synth *s, enum variant v, int second)
{
	(void)second;
	synth_wait(s, VICTIM, KW_WAIT_BLOCK, 900 * MS, 300 * MS, 6);
	synth_usage(s, VICTIM)->io_write_bytes = 1 << 20;
	synth_usage(s, CULPRIT)->io_write_bytes = 100 << 20;
	synth_usage(s, CULPRIT)->memory_dirty_bytes = 50 << 20;
	if (v == MISSING)
		return;
	synth_blame(s, KW_RES_BLOCK, VICTIM, CULPRIT, v == ALIKE ? KW_SINK_CONTAINER : KW_SINK_WRITEBACK, 800 * MS,
		    LOOP0);
	request(s, CULPRIT, 300 * MS);
}

static void sync_of(struct synth *s, int by, int64_t at_ns, int64_t duration_ns)
{
	struct kw_event *e = synth_event(s, KW_KIND_sync, by, SYNTH_NOBODY, at_ns, duration_ns);

	*(struct kw_sync *)synth_payload(e) = (struct kw_sync){ .dev = LOOP0, .disk_dev = LOOP0, .disk = "loop0" };
	synth_send(s, e);
}

/* The look-alike's sync is long over when the requests are slow. */
static void fs_sync(struct synth *s, enum variant v, int second)
{
	io_writeback(s, FAULT, second);
	if (v == FAULT)
		sync_of(s, CULPRIT, 700 * MS, 500 * MS);
	else if (v == ALIKE)
		sync_of(s, CULPRIT, 120 * MS, 30 * MS);
}

static void slow_fsync(struct synth *s, int64_t journal_ns, int64_t own_ns)
{
	struct kw_event *e = synth_event(s, KW_KIND_fsync, VICTIM, CULPRIT, 600 * MS, journal_ns + own_ns);

	*(struct kw_fsync *)synth_payload(e) = (struct kw_fsync){ .dev = LOOP0,
								  .journal_ns = (uint64_t)journal_ns,
								  .commit_ns = (uint64_t)journal_ns,
								  .peer_ns = (uint64_t)journal_ns,
								  .disk = "loop0" };
	synth_send(s, e);
}

static void slept(struct synth *s, const char *class, uint32_t reason, int64_t ns)
{
	struct kw_event *e = synth_event(s, KW_KIND_offcpu, VICTIM, SYNTH_NOBODY, 700 * MS, ns);
	struct kw_offcpu *o = synth_payload(e);

	*o = (struct kw_offcpu){ .state = 2, .reason = reason };
	snprintf(o->wait_class, sizeof(o->wait_class), "%s", class);
	synth_send(s, e);
}

static void commit_of(struct synth *s, int by, int64_t ns)
{
	struct kw_event *e = synth_event(s, KW_KIND_commit, SYNTH_NOBODY, by, 650 * MS, ns);

	*(struct kw_commit *)synth_payload(e) = (struct kw_commit){ .dev = LOOP0,
								    .count = 1,
								    .sum_ns = (uint64_t)ns,
								    .logging_ns = (uint64_t)ns,
								    .peer_ns = (uint64_t)ns,
								    .by1 = synth_cg(by),
								    .by1_ns = (uint64_t)ns,
								    .disk = "loop0" };
	synth_send(s, e);
}

/* The look-alike's commits are as long, but belong to somebody's sync. */
static void fs_journal(struct synth *s, enum variant v, int second)
{
	(void)second;
	synth_wait(s, VICTIM, KW_WAIT_OTHER, 700 * MS, 150 * MS, 6);
	slept(s, "journal", KW_WAIT_OTHER, 150 * MS);
	synth_blame(s, KW_RES_JOURNAL, VICTIM, CULPRIT, KW_SINK_CONTAINER, 650 * MS, LOOP0);
	slow_fsync(s, 150 * MS, 5 * MS);
	if (v == ALIKE)
		sync_of(s, CULPRIT, 600 * MS, 400 * MS);
	if (v != MISSING)
		commit_of(s, CULPRIT, 150 * MS);
}

/* Requests of who fills the journal are in the device, too; the look-alike's victim has no use for a journal. */
static void journal_and_requests(struct synth *s, enum variant v, int second)
{
	if (v == MISSING)
		return;
	if (v == FAULT)
		fs_journal(s, v, second);
	synth_wait(s, VICTIM, KW_WAIT_BLOCK, 400 * MS, 120 * MS, 6);
	synth_blame(s, KW_RES_BLOCK, VICTIM, CULPRIT, KW_SINK_CONTAINER, 350 * MS, LOOP0);
	synth_blame(s, KW_RES_BLOCK, VICTIM, SYNTH_NOBODY, KW_SINK_DEVICE, 30 * MS, LOOP0);
}

/* XFS, btrfs: changes wait for space in the log that another one filled; the look-alike waits for the disk itself. */
static void fs_log_full(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	if (v == ALIKE) {
		io_writeback(s, FAULT, second);
		return;
	}
	synth_wait(s, VICTIM, KW_WAIT_OTHER, 700 * MS, 150 * MS, 6);
	slept(s, "journal", KW_WAIT_OTHER, 150 * MS);
	if (v == MISSING)
		return;
	synth_blame(s, KW_RES_JOURNAL, VICTIM, CULPRIT, KW_SINK_CONTAINER, 650 * MS, LOOP0);
	e = synth_event(s, KW_KIND_logwait, VICTIM, CULPRIT, 700 * MS, 150 * MS);
	*(struct kw_logwait *)synth_payload(e) = (struct kw_logwait){ .dev = LOOP0,
								      .need_bytes = 180000,
								      .log_bytes = 10 << 20,
								      .peer_ns = 140 * MS,
								      .disk = "loop0" };
	synth_send(s, e);
}

static void refused(struct synth *s, int inodes, uint64_t count)
{
	struct kw_event *e = synth_event(s, KW_KIND_nospace, VICTIM, CULPRIT, 400 * MS, 0);

	e->error = 28;
	*(struct kw_nospace *)synth_payload(e) = (struct kw_nospace){ .dev = LOOP0,
								      .inodes = (uint32_t)inodes,
								      .total_bytes = 64 << 20,
								      .total_inodes = 1024,
								      .count = count,
								      .peer_bytes = inodes ? 900 : 60 << 20,
								      .taken_bytes = inodes ? 1000 : 62 << 20,
								      .disk = "loop0",
								      .type = "ext4" };
	synth_send(s, e);
}

static void fs_full(struct synth *s, enum variant v, int second)
{
	if (second == 1 && v != MISSING)
		refused(s, v == ALIKE, 7);
}

static void fs_inodes(struct synth *s, enum variant v, int second)
{
	if (second == 1 && v != MISSING)
		refused(s, v != ALIKE, 7);
}

/* The look-alike is a disk that fails, below a file system that says so as well. */
static void fs_error(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	if (second != 1 || v == MISSING)
		return;
	if (v == ALIKE) {
		e = synth_event(s, KW_KIND_block, VICTIM, SYNTH_NOBODY, 300 * MS, MS);
		e->error = 5;
		*(struct kw_block *)synth_payload(e) = (struct kw_block){ .dev = LOOP0, .disk = "loop0" };
		synth_send(s, e);
	}
	e = synth_event(s, KW_KIND_fserror, VICTIM, SYNTH_NOBODY, 400 * MS, 0);
	*(struct kw_fserror *)synth_payload(e) = (struct kw_fserror){
		.dev = LOOP0, .what = 1, .line = 5000, .function = "__ext4_iget", .disk = "loop0", .type = "ext4"
	};
	synth_send(s, e);
}

/* The look-alike waits for a disk. */
static void fs_remote_hang(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	if (v == ALIKE) {
		io_writeback(s, FAULT, second);
		return;
	}
	if (v == MISSING)
		return;
	synth_wait(s, VICTIM, KW_WAIT_REMOTE, 990 * MS, 990 * MS, 1);
	e = synth_event(s, KW_KIND_fuse, VICTIM, CULPRIT, 990 * MS, 800 * MS + second * SEC);
	e->flags = KW_FLAG_PENDING;
	*(struct kw_fuse *)synth_payload(e) = (struct kw_fuse){ .dev = 50, .opcode = 15, .fs = "fuse 0:50" };
	synth_send(s, e);
}

/* The look-alike reads, too, but not to copy. */
static void fs_copy_up(struct synth *s, enum variant v, int second)
{
	(void)second;
	synth_wait(s, VICTIM, KW_WAIT_BLOCK, 900 * MS, 90 * MS, 12);
	if (v == MISSING)
		return;
	synth_blame(s, KW_RES_BLOCK, VICTIM, v == ALIKE ? VICTIM : SYNTH_NOBODY,
		    v == ALIKE ? KW_SINK_CONTAINER : KW_SINK_DEVICE, 700 * MS, LOOP0);
	for (int i = 0; i < 3; i++)
		slept(s, v == ALIKE ? "io" : "copy-up", KW_WAIT_BLOCK, 90 * MS);
}

static const struct story stories[] = {
	{ "io.self", io_self, "block", "/test/web", NULL, "info", "confirmed", "io.neighbor", NULL },
	{ "io.device_slow", mapped_slow, "block", NULL, "disk:dm-0", "info", "probable", "io.neighbor", NULL },
	{ "io.device_slow", hung_disk, "block", NULL, "disk:loop0", "critical", "probable", "io.neighbor", NULL },
	{ "io.device_error", mapped_error, "block", NULL, "disk:dm-0", "critical", "confirmed", NULL, NULL },
	{ "io.device_error", error_below, "block", NULL, "disk:loop0", "critical", "confirmed", NULL, NULL },
	{ "io.throttled", io_throttled, "iolimit", "/test/web", NULL, "warning", "confirmed", "io.neighbor", NULL },
	{ "io.writeback", io_writeback, "block", "/test/batch", NULL, "warning", "confirmed", "io.neighbor", NULL },
	{ "fs.sync", fs_sync, "sync", "/test/batch", NULL, "warning", "confirmed", "io.writeback", NULL },
	{ "fs.journal", fs_journal, "journal", "/test/batch", NULL, "warning", "confirmed", "fs.sync", "confirmed" },
	{ "fs.journal", journal_and_requests, "journal", "/test/batch", NULL, "warning", "confirmed", "io.neighbor", NULL },
	{ "fs.journal", fs_log_full, "journal", "/test/batch", NULL, "warning", "confirmed", "io.writeback", NULL },
	{ "fs.full", fs_full, "nospace", "/test/batch", NULL, "critical", "confirmed", "fs.full.inodes", NULL },
	{ "fs.full.inodes", fs_inodes, "nospace", "/test/batch", NULL, "critical", "confirmed", "fs.full", NULL },
	{ "fs.error", fs_error, "fserror", NULL, "filesystem:loop0", "critical", "confirmed", "io.device_error", NULL },
	{ "fs.remote_hang", fs_remote_hang, "fuse", "/test/batch", NULL, "warning", "confirmed", "io.writeback", NULL },
	{ "fs.copy_up", fs_copy_up, "offcpu", "/test/web", NULL, "info", "confirmed", "io.self", NULL },
};

int main(void)
{
	return stories_run(stories, ARRAY_SIZE(stories), NULL);
}
