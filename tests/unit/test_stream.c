/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "web/stream.h"

struct waiter {
	int slept, woken;
};

static void count_sleep(void *ctx)
{
	((struct waiter *)ctx)->slept++;
}

static void count_wake(void *ctx)
{
	((struct waiter *)ctx)->woken++;
}

static const char *take(struct stream_client *c, struct waiter *w, size_t size)
{
	const struct stream_sleep how = { count_sleep, count_wake, w };
	static char buf[64 * 1024];
	ssize_t n = stream_read(c, buf, MIN(size, sizeof(buf) - 1), &how);

	buf[n > 0 ? n : 0] = '\0';
	return n < 0 ? NULL : buf;
}

static struct stream_client *join(struct stream *s, uint64_t after)
{
	struct stream_client *c = NULL;

	assert_int_equal(stream_join(s, after, &c), 0);
	return c;
}

static void tells_what_comes(void **state)
{
	struct stream *s = stream_new(100);
	struct waiter w = { 0 };
	struct stream_client *c;

	(void)state;
	stream_post(s, "tick", "{}", 1);
	c = join(s, 0);
	assert_string_equal(take(c, &w, 1000), "");
	assert_int_equal(w.slept, 1);
	stream_post(s, "incident", "{\"id\":\"A\"}", 2);
	stream_post(s, "tick", "{}", 3);
	assert_int_equal(w.woken, 1); /* once for each sleep */
	assert_string_equal(take(c, &w, 1000),
			    "id: 101\nevent: incident\ndata: {\"id\":\"A\"}\n\nid: 102\nevent: tick\ndata: {}\n\n");
	stream_leave(c);
	stream_free(s);
}

/* A small buffer cuts messages anywhere; put together they are whole. */
static void cuts_messages(void **state)
{
	struct stream *s = stream_new(7);
	struct waiter w = { 0 };
	struct stream_client *c = join(s, 0);
	char all[200] = "";

	(void)state;
	stream_post(s, "tick", "{}", 1);
	stream_post(s, "tick", "{}", 2);
	for (const char *part = take(c, &w, 5); part && *part; part = take(c, &w, 5))
		strcat(all, part);
	assert_string_equal(all, "id: 7\nevent: tick\ndata: {}\n\nid: 8\nevent: tick\ndata: {}\n\n");
	stream_leave(c);
	stream_free(s);
}

static void goes_on_where_a_client_left(void **state)
{
	struct stream *s = stream_new(50);
	struct waiter w = { 0 };
	struct stream_client *c;

	(void)state;
	for (int i = 0; i < 3; i++)
		stream_post(s, "tick", "{}", i);
	c = join(s, 51);
	assert_string_equal(take(c, &w, 1000), "id: 52\nevent: tick\ndata: {}\n\n");
	stream_leave(c);
	/* Of an earlier run, or of none we know. */
	c = join(s, 3);
	assert_string_equal(take(c, &w, 1000), "\n\nevent: missed\ndata: {}\n\n");
	assert_non_null(strstr(take(c, &w, 1000), "id: 50\n"));
	stream_leave(c);
	c = join(s, UINT64_MAX);
	assert_string_equal(take(c, &w, 1000), "");
	stream_leave(c);
	stream_free(s);
}

static void forgets_for_the_slow(void **state)
{
	struct stream *s = stream_new(1);
	struct waiter w = { 0 };
	struct stream_client *c = join(s, 0);
	int n = 0;

	(void)state;
	stream_post(s, "tick", "{}", 0);
	assert_string_equal(take(c, &w, 4), "id: ");
	for (int i = 0; i < STREAM_KEPT + 10; i++)
		stream_post(s, "tick", "{}", i);
	assert_string_equal(take(c, &w, 1000), "\n\nevent: missed\ndata: {}\n\n");
	for (const char *part = take(c, &w, 40000); part && *part; part = take(c, &w, 40000))
		for (const char *p = part; (p = strstr(p, "event: tick")); p++)
			n++;
	assert_int_equal(n, STREAM_KEPT);
	stream_leave(c);
	stream_free(s);
}

static void bounds_its_clients(void **state)
{
	struct stream *s = stream_new(1);
	struct stream_client *all[STREAM_CLIENTS_MAX], *one = NULL;
	struct waiter w = { 0 };

	(void)state;
	for (int i = 0; i < STREAM_CLIENTS_MAX; i++)
		all[i] = join(s, 0);
	assert_int_equal(stream_join(s, 0, &one), -EBUSY);
	stream_leave(all[5]);
	all[5] = join(s, 0);
	assert_string_equal(take(all[5], &w, 100), "");
	stream_close(s);
	assert_int_equal(w.woken, 1);
	assert_null(take(all[5], &w, 100));
	assert_int_equal(w.slept, 1);
	assert_int_equal(stream_join(s, 0, &one), -ESHUTDOWN);
	for (int i = 0; i < STREAM_CLIENTS_MAX; i++)
		stream_leave(all[i]);
	stream_free(s);
}

static void breaks_a_long_silence(void **state)
{
	struct stream *s = stream_new(1);
	struct waiter w = { 0 };
	struct stream_client *c = join(s, 0);

	(void)state;
	stream_post(s, "tick", "{}", 10);
	take(c, &w, 1000);
	stream_keep_alive(s, 10 + STREAM_SILENCE_NS - 1);
	assert_string_equal(take(c, &w, 1000), "");
	stream_keep_alive(s, 10 + STREAM_SILENCE_NS);
	assert_string_equal(take(c, &w, 1000), ": nothing new\n\n");
	stream_leave(c);
	stream_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_what_comes),
		cmocka_unit_test(cuts_messages),
		cmocka_unit_test(goes_on_where_a_client_left),
		cmocka_unit_test(forgets_for_the_slow),
		cmocka_unit_test(bounds_its_clients),
		cmocka_unit_test(breaks_a_long_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
