/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of one tick that are alike become one row, and the number of rows is bounded. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "collect/fold.h"
#include "schema/kinds.h"

struct sample {
	struct kw_event e;
	struct kw_profile p;
	uint64_t user; /* its one frame in user mode */
};

struct out {
	struct sample rows[8];
	unsigned int count;
};

static struct sample make(uint32_t pid, uint64_t stack, uint64_t user_stack)
{
	struct sample s = { .e = { .kind = KW_KIND_profile, .payload_size = sizeof(s.p), .stack = stack,
				   .subject = { .cg = { .v2 = 7 }, .pid = pid, .tid = pid,
									  .comm = "work" } },
			    .p = { .samples = 1, .ns = 90 }, .user = user_stack };

	return s;
}

static int add(struct fold *f, const struct sample *s)
{
	return fold_add(f, &s->e, &s->p, &s->user, 1);
}

static int take(void *ctx, struct kw_event *e, const uint64_t *user, unsigned int count)
{
	struct out *o = ctx;

	assert_int_equal(count, 1);
	assert_int_equal(e->peer_stack, 0);
	if (o->count < 8) {
		memcpy(&o->rows[o->count], e, sizeof(o->rows[0]));
		o->rows[o->count].user = user[0];
	}
	o->count++;
	return 0;
}

static void alike_samples_are_one_row(void **state)
{
	struct sample a = make(1, 10, 20), calls = make(1, 10, 21), thread = make(1, 10, 20), other = make(2, 10, 20), elsewhere = make(1, 11, 20);
	struct fold *f = fold_new();
	struct out out = { .count = 0 };

	(void)state;
	thread.e.subject.tid = 5;
	thread.e.subject.start_ns = 99;
	for (int i = 0; i < 3; i++)
		assert_int_equal(add(f, &a), 0);
	assert_int_equal(add(f, &thread), 0);
	assert_int_equal(add(f, &other), 0);
	assert_int_equal(add(f, &calls), 0);
	assert_int_equal(add(f, &elsewhere), 0);
	elsewhere.e.subject.comm[0] = 'W';
	assert_int_equal(add(f, &elsewhere), 0);
	elsewhere.e.subject.cg.v1 = 3;
	assert_int_equal(add(f, &elsewhere), 0);
	fold_flush(f, 1000, 100, take, &out);
	assert_int_equal(out.count, 6);
	assert_int_equal(out.rows[0].p.samples, 4);
	assert_int_equal(out.rows[0].p.ns, 360);
	assert_int_equal(out.rows[0].p.span_ns, 100);
	assert_int_equal(out.rows[0].e.ts_ns, 1000);
	assert_int_equal(out.rows[0].e.subject.tid, 1); /* the first one's */
	assert_int_equal(out.rows[1].e.subject.pid, 2);
	assert_int_equal(out.rows[1].p.samples, 1);
	assert_int_equal(out.rows[2].user, 21);
	/* The next tick begins anew. */
	out.count = 0;
	fold_flush(f, 2000, 100, take, &out);
	assert_int_equal(out.count, 0);
	assert_int_equal(add(f, &a), 0);
	fold_flush(f, 3000, 100, take, &out);
	assert_int_equal(out.count, 1);
	assert_int_equal(out.rows[0].p.samples, 1);
	fold_free(f);
}

static void rows_are_bounded(void **state)
{
	struct fold *f = fold_new();
	struct out out = { .count = 0 };
	struct sample s;

	(void)state;
	for (unsigned int i = 0; i < FOLD_ROWS_MAX; i++) {
		s = make(i + 1, i, 0);
		assert_int_equal(add(f, &s), 0);
	}
	s = make(99999, 0, 0);
	assert_int_equal(add(f, &s), -ENOSPC);
	s = make(1, 0, 0); /* one that is there already */
	assert_int_equal(add(f, &s), 0);
	fold_flush(f, 1, 1, take, &out);
	assert_int_equal(out.count, FOLD_ROWS_MAX);
	assert_int_equal(out.rows[0].p.samples, 2);
	fold_free(f);
}

static void refuses_other_payloads(void **state)
{
	struct fold *f = fold_new();
	struct sample s = make(1, 2, 3);

	(void)state;
	s.e.payload_size = 12;
	assert_int_equal(add(f, &s), -EINVAL);
	s.e.payload_size = 8;
	assert_int_equal(add(f, &s), -EINVAL);
	s.e.payload_size = 8 * (FOLD_NUMBERS_MAX + 2);
	assert_int_equal(add(f, &s), -EINVAL);
	fold_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alike_samples_are_one_row),
		cmocka_unit_test(rows_are_bounded),
		cmocka_unit_test(refuses_other_payloads),
	};

	return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}
