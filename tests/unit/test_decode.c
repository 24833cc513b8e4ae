/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "collect/decode.h"

struct bytes {
	struct kw_event e;
	struct kw_offcpu p;
	uint64_t stack[KW_STACK_FRAMES_MAX];
	uint64_t peer_stack[KW_STACK_FRAMES_MAX];
};

static struct bytes sample(void)
{
	struct bytes b = {
		.e = { .kind = KW_KIND_offcpu, .payload_size = sizeof(b.p), .frames = 3, .peer_frames = 2, .ts_ns = 99,
		       .stack = 7, .peer_stack = 8, .subject.pid = 5 },
		.p = { .state = 2, .reason = 8 },
		.stack = { 11, 12, 13, 14 },
		.peer_stack = { 21, 22, 23 },
	};

	return b;
}

static void takes_payload_and_frames_apart(void **state)
{
	struct bytes b = sample();
	struct record r;

	(void)state;
	assert_int_equal(record_decode(&b, sizeof(b), &r), 0);
	assert_int_equal(r.info->number, KW_KIND_offcpu);
	assert_int_equal(r.event.ts_ns, 99);
	assert_int_equal(r.event.subject.pid, 5);
	assert_ptr_equal(r.payload, &r.event + 1);
	assert_memory_equal(r.payload, &b.p, sizeof(b.p));
	assert_int_equal(r.frames, 3);
	assert_memory_equal(r.stack, b.stack, 3 * sizeof(uint64_t));
	assert_int_equal(r.peer_frames, 2);
	assert_memory_equal(r.peer_stack, b.peer_stack, 2 * sizeof(uint64_t));
	/* Frames are gone behind the collector, and only it knows content hashes. */
	assert_int_equal(r.event.frames + r.event.peer_frames, 0);
	assert_int_equal(r.event.stack + r.event.peer_stack, 0);
}

static void frames_end_at_the_first_zero(void **state)
{
	struct bytes b = sample();
	struct record r;

	(void)state;
	b.e.frames = 32;
	assert_int_equal(record_decode(&b, sizeof(b), &r), 0);
	assert_int_equal(r.frames, 4);
}

static void refuses(struct bytes b, size_t size, bool kind_known)
{
	struct record r;

	assert_int_equal(record_decode(&b, size, &r), -EBADMSG);
	assert_int_equal(r.info != NULL, kind_known);
}

static void refuses_what_does_not_fit(void **state)
{
	struct bytes b = sample();

	(void)state;
	refuses(b, 0, false);
	refuses(b, sizeof(b.e) - 1, false);
	refuses(b, sizeof(b.e) + sizeof(b.p) - 1, true);
	refuses(b, sizeof(b) - sizeof(b.peer_stack) + 8, true);
	b.e.frames = KW_STACK_FRAMES_MAX + 1;
	refuses(b, sizeof(b), true);
	b = sample();
	b.e.peer_frames = 65535;
	refuses(b, sizeof(b), true);
	b = sample();
	b.e.payload_size--;
	refuses(b, sizeof(b), true);
	b = sample();
	b.e.kind = 63;
	refuses(b, sizeof(b), false);
}

static void accepts_records_without_room_for_frames(void **state)
{
	struct bytes b = sample();
	struct record r;

	(void)state;
	b.e.frames = 0;
	b.e.peer_frames = 0;
	assert_int_equal(record_decode(&b, sizeof(b.e) + sizeof(b.p), &r), 0);
	assert_int_equal(r.frames, 0);
}

/* Otherwise a program could forge a heartbeat or its own books. */
static void refuses_kinds_of_the_collector(void **state)
{
	static const uint16_t refused[] = { KW_KIND_tick, KW_KIND_stack, KW_KIND_probe };
	uint64_t space[512] = { 0 };
	struct kw_event *e = (struct kw_event *)space;
	struct record r;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		e->kind = refused[i];
		e->payload_size = kw_kind_by_number(refused[i])->payload_size;
		assert_int_equal(record_decode(space, sizeof(space), &r), -EBADMSG);
	}
	e->kind = KW_KIND_cgroup;
	e->payload_size = sizeof(struct kw_cgroup);
	assert_int_equal(record_decode(space, sizeof(space), &r), 0);
}

static void every_payload_fits_a_record(void **state)
{
	(void)state;
	for (size_t i = 0; kw_kind_at(i); i++)
		assert_true(sizeof(struct kw_event) + kw_kind_at(i)->payload_size + 512 <= KW_RECORD_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_payload_and_frames_apart),
		cmocka_unit_test(frames_end_at_the_first_zero),
		cmocka_unit_test(refuses_what_does_not_fit),
		cmocka_unit_test(accepts_records_without_room_for_frames),
		cmocka_unit_test(refuses_kinds_of_the_collector),
		cmocka_unit_test(every_payload_fits_a_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
