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

static const struct story stories[] = {
	{ "io.self", io_self, "block", "/test/web", NULL, "info", "confirmed", "io.neighbor", NULL },
	{ "io.throttled", io_throttled, "iolimit", "/test/web", NULL, "warning", "confirmed", "io.neighbor", NULL },
};

int main(void)
{
	return stories_run(stories, ARRAY_SIZE(stories), NULL);
}
