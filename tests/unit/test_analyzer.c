/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole way from records to reports over made-up hosts: each rule with a positive, a look-alike and missing data.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sqlite3.h>

#include "aggregate/aggregate.h" /* what the made-up host writes through */
#include "analyze/analyzer.h"
#include "tests/synth/host.h"
#include "tests/synth/synth.c" /* NOLINT(bugprone-suspicious-include): unit tests have no library of their own */

static void host_of_two(struct host *h, int *ret_web, int *ret_batch)
{
	host_new(h);
	*ret_web = synth_container(h->s, "web");
	*ret_batch = synth_container(h->s, "batch");
}

/* ---- cpu.neighbor ------------------------------------------------------------------------------------------------ */

/* One second of a victim that computes half the time and is kept waiting by a neighbour. */
static void neighbor_second(struct host *h, int victim, int culprit, int64_t wait_ns)
{
	if (wait_ns) {
		struct kw_event *e = synth_event(h->s, KW_KIND_runq, victim, culprit, 900 * MS, 40 * MS);
		struct kw_runq *q = synth_payload(e);

		*q = (struct kw_runq){ .other_ns = 40 * MS,
				       .occupants = 1,
				       .allowed_cpus = 2,
				       .occ1 = synth_cg(culprit),
				       .occ1_ns = 40 * MS };
		synth_send(h->s, e);
		synth_wait(h->s, victim, KW_WAIT_CPU, wait_ns, 40 * MS, 50);
		synth_blame(h->s, KW_RES_CPU, victim, culprit, KW_SINK_CONTAINER, wait_ns * 9 / 10, 0);
		synth_blame(h->s, KW_RES_CPU, victim, SYNTH_NOBODY, KW_SINK_UNKNOWN, wait_ns / 10, 0);
	}
	synth_usage(h->s, victim)->cpu_ns = wait_ns ? 300 * MS : 400 * MS;
	synth_usage(h->s, culprit)->cpu_ns = wait_ns ? 1500 * MS : 0;
	synth_tick(h->s);
}

/* state: of that probe; 0: as all others. */
static void neighbor_story_with(struct host *h, const char *probe, unsigned int state)
{
	int victim, culprit;

	host_of_two(h, &victim, &culprit);
	synth_container(h->s, "bystander");
	if (probe)
		synth_probe_state(h->s, probe, state);
	for (int i = 0; i < 5; i++)
		neighbor_second(h, victim, culprit, 0);
	for (int i = 0; i < 6; i++)
		neighbor_second(h, victim, culprit, 400 * MS);
	for (int i = 0; i < 14; i++)
		neighbor_second(h, victim, culprit, 0);
	analyse(h);
}

static void neighbor_story(struct host *h, const char *off)
{
	neighbor_story_with(h, off, SYNTH_FAILED);
}

static void test_cpu_neighbor(void **state)
{
	const json_t *report;
	struct host h;

	(void)state;
	neighbor_story(&h, NULL);
	report = newest(&h, "cpu.neighbor");
	assert_non_null(report);
	assert_string_equal(party_name(report, "victims", 0), "/test/web");
	assert_string_equal(party_name(report, "culprits", 0), "/test/batch");
	assert_string_equal(text(report, "severity"), "warning");
	assert_string_equal(text(report, "status"), "resolved");
	assert_string_equal(confidence(report), "confirmed");
	host_free(&h);
}

/* What to type fits the host: its version of cgroups, and whether there is a cgroup to type it for. */
static const char *remedy_of_neighbor(struct host *h, bool v1, bool by_host)
{
	int victim, culprit;

	host_of_two(h, &victim, &culprit);
	if (by_host)
		culprit = SYNTH_HOST;
	if (v1) {
		struct kw_event *e = synth_event(h->s, KW_KIND_cgroup, victim, SYNTH_NOBODY, 0, 0);
		struct kw_cgroup *c = synth_payload(e);

		*c = (struct kw_cgroup){ .op = 2, .hierarchy = 4, .id = 77, .path = "/test/web" };
		synth_send(h->s, e);
	}
	for (int i = 0; i < 16; i++)
		neighbor_second(h, victim, culprit, i < 5 ? 0 : 400 * MS);
	analyse(h);
	assert_non_null(newest(h, "cpu.neighbor"));
	return text(json_array_get(json_object_get(newest(h, "cpu.neighbor"), "remediation"), 0), "command");
}

static void test_remedies_fit_the_host(void **state)
{
	struct host h;

	(void)state;
	assert_string_equal(remedy_of_neighbor(&h, false, false), "echo 50 > /sys/fs/cgroup/test/batch/cpu.weight");
	host_free(&h);
	assert_string_equal(remedy_of_neighbor(&h, true, false), "echo 512 > /sys/fs/cgroup/cpu/test/batch/cpu.shares");
	host_free(&h);
	assert_non_null(strstr(remedy_of_neighbor(&h, false, true), "systemctl set-property"));
	host_free(&h);
}

/* The little that everybody waits all the time is not the beginning of what came then. */
static void test_onset(void **state)
{
	int64_t begin_ns = SYNTH_BOOT_NS + SYNTH_WALL_OFFSET + 5 * SEC;
	const json_t *report;
	struct host h;
	int victim, culprit;

	(void)state;
	host_of_two(&h, &victim, &culprit);
	for (int i = 0; i < 25; i++)
		neighbor_second(&h, victim, culprit, i < 5 ? 30 * MS : i < 11 ? 400 * MS : 0);
	analyse(&h);
	report = newest(&h, "cpu.neighbor");
	assert_non_null(report);
	assert_true(strtoll(text(json_object_get(report, "window"), "onset_ns"), NULL, 10) >= begin_ns);
	host_free(&h);
}

/* One that uses its equal part of the CPUs is no victim, whatever it would like to have. */
static void test_fair_share(void **state)
{
	struct host h;
	int a, b;

	(void)state;
	host_new(&h);
	a = synth_container(h.s, "one");
	b = synth_container(h.s, "two");
	for (int i = 0; i < 20; i++) {
		for (int k = 0; k < 2; k++) {
			synth_wait(h.s, k ? a : b, KW_WAIT_CPU, 1000 * MS, 20 * MS, 100);
			synth_blame(h.s, KW_RES_CPU, k ? a : b, k ? b : a, KW_SINK_CONTAINER, 900 * MS, 0);
			synth_usage(h.s, k ? a : b)->cpu_ns = 980 * MS;
		}
		synth_tick(h.s);
	}
	analyse(&h);
	assert_int_equal(json_array_size(h.reports) > 0, 1);
	/* Both are told who ran there; nobody is woken for work that shares the CPUs fairly. */
	for (size_t i = 0; i < json_array_size(h.reports); i++)
		assert_string_equal(text(json_array_get(h.reports, i), "severity"), "info");
	host_free(&h);
}

/* What a container loses every day is usual for it. */
static void test_usual(void **state)
{
	struct host h;
	int victim, culprit;

	(void)state;
	host_of_two(&h, &victim, &culprit);
	/* Thirty seconds are needed before the past counts: they must be below the share. */
	for (int i = 0; i < 40; i++)
		neighbor_second(&h, victim, culprit, 30 * MS);
	for (int i = 0; i < 10; i++)
		neighbor_second(&h, victim, culprit, 60 * MS);
	analyse(&h);
	assert_int_equal(json_array_size(h.reports), 0);
	host_free(&h);
}

static void test_neighbor_without_probe(void **state)
{
	struct host h;

	(void)state;
	neighbor_story(&h, "runq");
	/* The sums are there all the same in this made-up host: seen is seen, but not how much was missed. */
	assert_string_equal(confidence(newest(&h, "cpu.neighbor")), "probable");
	host_free(&h);
}

/* What a probe that was held back for its cost has shown is worth less; what it has not shown is worth nothing. */
static void test_neighbor_with_probe_held_back(void **state)
{
	(void)state;
	for (unsigned int how = SYNTH_RAISED; how <= SYNTH_DETACHED; how++) {
		const json_t *report, *caps;
		struct host h;

		neighbor_story_with(&h, "runq", how);
		report = newest(&h, "cpu.neighbor");
		assert_non_null(report);
		assert_string_equal(confidence(report), "probable");
		caps = json_object_get(json_object_get(report, "confidence"), "capped_by");
		assert_true(json_array_size(caps) > 0);
		assert_non_null(strstr(json_string_value(json_array_get(caps, 0)), "runq ("));
		assert_true(json_array_size(json_object_get(json_object_get(report, "data_quality"), "missing")) > 0);
		host_free(&h);
	}
}

/* For a second, waiter waits twice for a kernel lock of holder. */
static void lock_second(struct host *h, int waiter, int holder)
{
	for (int i = 0; i < 2; i++) {
		struct kw_event *e = synth_event(h->s, KW_KIND_lock, waiter, holder, (350 + 400 * i) * MS, 300 * MS);

		*(struct kw_lock *)synth_payload(e) =
			(struct kw_lock){ .type = 3, .name = "inode", .place = "vfs_write" };
		synth_send(h->s, e);
	}
	synth_wait(h->s, waiter, KW_WAIT_LOCK, 600 * MS, 300 * MS, 2);
	synth_blame(h->s, KW_RES_LOCK, waiter, holder, KW_SINK_CONTAINER, 600 * MS, 1);
}

/* For a second, its own quota stops a container; its first task only when told so. */
static void throttled_second(struct host *h, int container, bool first_task)
{
	for (int i = 0; i < 9; i++) {
		struct kw_event *e =
			synth_event(h->s, KW_KIND_throttle, container, container, (90 + 100 * i) * MS, 80 * MS);

		*(struct kw_throttle *)synth_payload(e) =
			(struct kw_throttle){ .quota_ns = 20 * MS, .period_ns = 100 * MS, .source = 1 };
		if (!first_task)
			e->subject.tid++;
		synth_send(h->s, e);
	}
	synth_wait(h->s, container, KW_WAIT_THROTTLED, 720 * MS, 80 * MS, 9);
	synth_usage(h->s, container)->cpu_throttled_periods = 9;
	synth_usage(h->s, container)->cpu_throttled_ns = 720 * MS;
	synth_usage(h->s, container)->cpu_quota_ns = 20 * MS;
	synth_usage(h->s, container)->cpu_period_ns = 100 * MS;
}

/* parties[0] waits for a lock of parties[1], which waits for one of parties[2], and so on; the last is throttled. */
static void chain_story(struct host *h, const int *parties, int count, bool first_task)
{
	for (int i = 0; i < 25; i++) {
		for (int k = 0; k < count; k++)
			synth_usage(h->s, parties[k])->cpu_ns = 100 * MS;
		for (int k = 0; k + 1 < count && i >= 5 && i < 10; k++)
			lock_second(h, parties[k], parties[k + 1]);
		if (i >= 5 && i < 10)
			throttled_second(h, parties[count - 1], first_task);
		synth_tick(h->s);
	}
	analyse(h);
}

static const json_t *edges_of(const json_t *report)
{
	return json_object_get(json_object_get(report, "chain"), "edges");
}

/* A holder that its quota stopped: the root is the quota, the lock is a hop. */
static void test_chain(void **state)
{
	const json_t *report, *edges;
	struct host h;
	int parties[2];

	(void)state;
	host_of_two(&h, &parties[0], &parties[1]);
	chain_story(&h, parties, 2, true);
	report = newest(&h, "cpu.throttled");
	assert_non_null(report);
	assert_null(newest(&h, "lock.kernel"));
	assert_string_equal(party_name(report, "culprits", 0), "/test/batch");
	assert_string_equal(confidence(report), "confirmed");
	assert_int_equal(json_array_size(json_object_get(report, "victims")), 2);
	edges = edges_of(report);
	assert_int_equal(json_array_size(edges), 2);
	assert_string_equal(text(json_array_get(edges, 0), "cause"), "lock.kernel");
	assert_string_equal(text(json_array_get(edges, 1), "cause"), "cpu.throttled");
	host_free(&h);
}

/* The blame passes on over several hops, and is one incident with all who suffered. */
static void test_long_chain(void **state)
{
	const json_t *report;
	struct host h;
	int parties[4];

	(void)state;
	host_of_two(&h, &parties[0], &parties[1]);
	parties[2] = synth_container(h.s, "third");
	parties[3] = synth_container(h.s, "fourth");
	chain_story(&h, parties, 4, true);
	report = newest(&h, "cpu.throttled");
	assert_non_null(report);
	assert_null(newest(&h, "lock.kernel"));
	assert_string_equal(party_name(report, "culprits", 0), "/test/fourth");
	assert_int_equal(json_array_size(json_object_get(report, "victims")), 4);
	assert_int_equal(json_array_size(edges_of(report)), 4);
	host_free(&h);
}

static int64_t statements_run;

static int count_statement(unsigned int what, void *ctx, void *stmt, void *ns)
{
	(void)what;
	(void)ctx;
	(void)stmt;
	(void)ns;
	statements_run++;
	return 0;
}

static int count_on(sqlite3 *db, char **ret_error, const struct sqlite3_api_routines *api)
{
	(void)ret_error;
	(void)api;
	return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, count_statement, NULL);
}

/* What the analyzer runs over one who waits that long for a lock. */
static int64_t statements_of_hang(int seconds)
{
	struct host h;
	int waiter, holder;

	host_of_two(&h, &waiter, &holder);
	for (int i = 0; i < 5; i++)
		synth_tick(h.s);
	for (int i = 1; i <= seconds; i++) {
		struct kw_event *e = synth_event(h.s, KW_KIND_lock, waiter, holder, 999 * MS, i * SEC);

		*(struct kw_lock *)synth_payload(e) = (struct kw_lock){ .type = 3, .name = "inode", .place = "vfs_write" };
		e->flags |= KW_FLAG_PENDING;
		synth_send(h.s, e);
		synth_wait(h.s, waiter, KW_WAIT_LOCK, SEC, i * SEC, 1);
		synth_blame(h.s, KW_RES_LOCK, waiter, holder, KW_SINK_CONTAINER, SEC, 1);
		synth_tick(h.s);
	}
	assert_int_equal(sqlite3_auto_extension((void (*)(void))count_on), SQLITE_OK);
	statements_run = 0;
	analyse(&h);
	sqlite3_cancel_auto_extension((void (*)(void))count_on);
	assert_non_null(newest(&h, "lock.kernel"));
	host_free(&h);
	return statements_run;
}

/* Each second it has hung for longer than ever, and that is no news. */
static void test_long_hang(void **state)
{
	int64_t first = statements_of_hang(20), later = statements_of_hang(80) - statements_of_hang(60);

	(void)state;
	print_message("statements of a hang of 20 s: %lld, of 20 s more after a minute: %lld\n", (long long)first,
		      (long long)later);
	assert_true(later * 2 < first);
}

/* For a second, a server that accepts nothing drops connections. */
static void overflow_second(struct host *h, int server)
{
	struct kw_event *e = synth_event(h->s, KW_KIND_listen, server, SYNTH_NOBODY, SYNTH_SEC, 0);

	*(struct kw_listen *)synth_payload(e) = (struct kw_listen){
		.span_ns = SYNTH_SEC, .netns = 4026532001u, .overflows = 8, .port = 80, .queue = 9, .backlog = 8
	};
	synth_send(h->s, e);
}

/* A quota stops who has a lock, the lock a server, and the server's queue runs over: one incident, with its chain. */
static void test_cascade(void **state)
{
	const json_t *root, *hop;
	struct host h;
	int parties[2];

	(void)state;
	host_of_two(&h, &parties[0], &parties[1]);
	for (int i = 0; i < 25; i++) {
		struct kw_netstat *n = synth_netstat(h.s, parties[0]);

		*n = (struct kw_netstat){ .span_ns = SYNTH_SEC, .netns = 4026532001u,
					  .tcp_passive_opens = i >= 5 && i < 10 ? 9 : 40 };
		synth_usage(h.s, parties[0])->cpu_ns = 100 * MS;
		synth_usage(h.s, parties[1])->cpu_ns = 100 * MS;
		if (i >= 5 && i < 10) {
			lock_second(&h, parties[0], parties[1]);
			throttled_second(&h, parties[1], true);
		}
		if (i == 7 || i == 8)
			overflow_second(&h, parties[0]);
		synth_tick(h.s);
	}
	analyse(&h);
	root = newest(&h, "cpu.throttled");
	hop = newest(&h, "net.listen_overflow");
	assert_non_null(root);
	assert_string_equal(party_name(root, "culprits", 0), "/test/batch");
	if (hop)
		assert_string_equal(text(hop, "merged_into"), text(root, "id"));
	assert_int_equal(json_array_size(edges_of(root)), 3);
	assert_string_equal(text(json_array_get(edges_of(root), 0), "cause"), "net.listen_overflow");
	host_free(&h);
}

/*
 * The queue runs over in the very tick in which its owner is stopped, and never again: no root shows yet, so nothing is
 * sure; and once it does there is one incident.
 */
static void test_cascade_at_once(void **state)
{
	const json_t *root, *hop;
	struct host h;
	int parties[2];

	(void)state;
	host_of_two(&h, &parties[0], &parties[1]);
	for (int i = 0; i < 25; i++) {
		struct kw_netstat *n = synth_netstat(h.s, parties[0]);

		*n = (struct kw_netstat){ .span_ns = SYNTH_SEC, .netns = 4026532001u,
					  .tcp_passive_opens = i >= 5 && i < 10 ? 9 : 40 };
		synth_usage(h.s, parties[0])->cpu_ns = 100 * MS;
		synth_usage(h.s, parties[1])->cpu_ns = 100 * MS;
		if (i == 5) {
			synth_wait(h.s, parties[0], KW_WAIT_LOCK, 180 * MS, 180 * MS, 1);
			overflow_second(&h, parties[0]);
		}
		if (i > 5 && i < 10) {
			lock_second(&h, parties[0], parties[1]);
			throttled_second(&h, parties[1], true);
		}
		synth_tick(h.s);
	}
	analyse(&h);
	hop = json_array_get(h.reports, 0);
	assert_string_equal(text(hop, "cause"), "net.listen_overflow");
	assert_string_equal(confidence(hop), "probable");
	root = newest(&h, "cpu.throttled");
	assert_non_null(root);
	for (size_t i = 0; i < json_array_size(h.reports); i++) {
		const json_t *report = json_array_get(h.reports, i);

		if (strcmp(text(report, "cause"), "cpu.throttled") && !strcmp(text(report, "status"), "resolved"))
			assert_string_equal(text(report, "merged_into"), text(root, "id"));
	}
	assert_string_equal(text(json_array_get(edges_of(root), 0), "cause"), "net.listen_overflow");
	host_free(&h);
}

/* A hop that shows later: what was reported as the lock's holder becomes part of what stopped it. */
static void test_merged(void **state)
{
	const json_t *lock, *throttled;
	struct host h;
	int parties[2];

	(void)state;
	host_of_two(&h, &parties[0], &parties[1]);
	for (int i = 0; i < 35; i++) {
		synth_usage(h.s, parties[0])->cpu_ns = 100 * MS;
		synth_usage(h.s, parties[1])->cpu_ns = 100 * MS;
		if (i >= 5 && i < 18)
			lock_second(&h, parties[0], parties[1]);
		if (i >= 7 && i < 18)
			throttled_second(&h, parties[1], true);
		synth_tick(h.s);
	}
	analyse(&h);
	lock = newest(&h, "lock.kernel");
	throttled = newest(&h, "cpu.throttled");
	assert_non_null(lock);
	assert_non_null(throttled);
	assert_string_equal(text(lock, "status"), "resolved");
	assert_string_equal(text(lock, "merged_into"), text(throttled, "id"));
	assert_string_equal(text(throttled, "merged_into"), "");
	assert_int_equal(json_array_size(json_object_get(throttled, "victims")), 2);
	host_free(&h);
}

/* A neighbour that proves to be a storm of processes: the same incident, under its closer name, and told at once. */
static void test_closer_cause(void **state)
{
	const json_t *first, *last;
	struct host h;
	int victim, other;

	(void)state;
	host_of_two(&h, &victim, &other);
	for (int i = 0; i < 25; i++) {
		neighbor_second(&h, victim, other, i >= 5 && i < 12 ? 400 * MS : 0);
		if (i >= 6 && i < 11)
			synth_tally(h.s, other, "fork", 3000, 0, 0);
	}
	analyse(&h);
	first = json_array_get(h.reports, 0);
	last = newest(&h, "cpu.fork_storm");
	assert_string_equal(text(first, "cause"), "cpu.neighbor");
	assert_non_null(last);
	assert_string_equal(text(last, "id"), text(first, "id"));
	assert_string_equal(party_name(last, "culprits", 0), "/test/batch");
	host_free(&h);
}

/* Something else on top of what is explained: each has its incident, and none is part of the other. */
static void test_change(void **state)
{
	const json_t *first, *second;
	struct host h;
	int victim, other;

	(void)state;
	host_of_two(&h, &victim, &other);
	for (int i = 0; i < 45; i++) {
		synth_usage(h.s, victim)->cpu_ns = 200 * MS;
		synth_usage(h.s, other)->cpu_ns = i < 18 ? 50 * MS : 1700 * MS;
		if (i >= 5 && i < 30)
			synth_wait(h.s, victim, KW_WAIT_CPU, 900 * MS, 60 * MS, 30);
		if (i >= 5 && i < 18)
			synth_blame(h.s, KW_RES_CPU, victim, victim, KW_SINK_CONTAINER, 800 * MS, KW_CPU_FAIR);
		if (i >= 18 && i < 30)
			synth_blame(h.s, KW_RES_CPU, victim, other, KW_SINK_CONTAINER, 800 * MS, KW_CPU_FAIR);
		synth_tick(h.s);
	}
	analyse(&h);
	first = newest(&h, "cpu.self");
	second = newest(&h, "cpu.neighbor");
	assert_non_null(first);
	assert_non_null(second);
	assert_string_equal(text(first, "status"), "resolved");
	assert_string_equal(text(first, "merged_into"), "");
	assert_string_equal(text(second, "merged_into"), "");
	/* Long before the whole time of the first would tell. */
	assert_true(strtoll(text(json_object_get(second, "window"), "detected_ns"), NULL, 10) -
			    strtoll(text(json_object_get(first, "window"), "onset_ns"), NULL, 10) <= 22 * SYNTH_SEC);
	host_free(&h);
}

/* Waits that no rule knows are reported after some seconds: for information, inconclusive, with what was tried. */
static void test_unexplained(void **state)
{
	const json_t *report;
	struct host h;
	int victim, others[2];
	AUTO_FREE char *whole = NULL;

	(void)state;
	host_new(&h);
	victim = synth_container(h.s, "web");
	others[0] = synth_container(h.s, "cron");
	others[1] = synth_container(h.s, "mail");
	for (int i = 0; i < 40; i++) {
		synth_usage(h.s, victim)->cpu_ns = 100 * MS;
		if (i >= 5 && i < (i < 20 ? 8 : 32) && i != 19) {
			synth_wait(h.s, victim, KW_WAIT_LOCK, 500 * MS, 20 * MS, 30);
			synth_blame(h.s, KW_RES_LOCK, victim, others[0], KW_SINK_CONTAINER, 40 * MS, 0);
			synth_blame(h.s, KW_RES_LOCK, victim, others[1], KW_SINK_CONTAINER, 30 * MS, 0);
			synth_blame(h.s, KW_RES_LOCK, victim, SYNTH_NOBODY, KW_SINK_UNKNOWN, 430 * MS, 0);
		}
		synth_tick(h.s);
	}
	analyse(&h);
	/* Three seconds of it are too little, twelve are not. */
	assert_int_equal(json_array_size(h.reports), 2);
	report = newest(&h, "unexplained");
	assert_non_null(report);
	assert_string_equal(text(report, "severity"), "info");
	assert_string_equal(confidence(report), "inconclusive");
	assert_int_equal(json_array_size(json_object_get(report, "culprits")), 0);
	assert_true(json_array_size(json_object_get(json_object_get(report, "confidence"), "capped_by")) > 0);
	/* What is known of it is said, though it is too little. */
	whole = json_dumps(report, JSON_COMPACT);
	assert_non_null(strstr(whole, "of its lock waits, containers are known to have caused"));
	assert_non_null(strstr(whole, "cron the most with"));
	host_free(&h);
}

/* The same neighbour again, after the first incident is over: the second report knows of it. */
static void test_recurrence(void **state)
{
	const json_t *first, *last, *recurrence;
	struct host h;
	int victim, culprit;

	(void)state;
	host_of_two(&h, &victim, &culprit);
	for (int i = 0; i < 50; i++)
		neighbor_second(&h, victim, culprit, (i >= 5 && i < 10) || (i >= 35 && i < 40) ? 400 * MS : 0);
	analyse(&h);
	first = json_array_get(h.reports, 0);
	last = newest(&h, "cpu.neighbor");
	assert_string_not_equal(text(first, "id"), text(last, "id"));
	recurrence = json_object_get(last, "recurrence");
	assert_int_equal(json_integer_value(json_object_get(recurrence, "count")), 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(recurrence, "ids"), 0)), text(first, "id"));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(first, "recurrence"), "count")), 0);
	host_free(&h);
}

/* Another task of the holder's container was stopped, not the one that held the lock: no hop. */
static void test_chain_needs_the_task(void **state)
{
	const json_t *report;
	struct host h;
	int parties[2];

	(void)state;
	host_of_two(&h, &parties[0], &parties[1]);
	chain_story(&h, parties, 2, false);
	report = newest(&h, "lock.kernel");
	assert_non_null(report);
	assert_string_equal(party_name(report, "culprits", 0), "/test/batch");
	assert_int_equal(json_array_size(edges_of(report)), 1);
	host_free(&h);
}

/* Two that wait for each other: the walk ends. */
static void test_cycle(void **state)
{
	struct host h;
	int parties[3];

	(void)state;
	host_of_two(&h, &parties[0], &parties[1]);
	parties[2] = parties[0];
	for (int i = 0; i < 25; i++) {
		synth_usage(h.s, parties[0])->cpu_ns = 100 * MS;
		synth_usage(h.s, parties[1])->cpu_ns = 100 * MS;
		for (int k = 0; k < 2 && i >= 5 && i < 10; k++)
			lock_second(&h, parties[k], parties[k + 1]);
		synth_tick(h.s);
	}
	analyse(&h);
	assert_non_null(newest(&h, "lock.kernel"));
	assert_in_range(json_array_size(edges_of(newest(&h, "lock.kernel"))), 1, 2);
	host_free(&h);
}

/* Another victim of the same culprit joins the incident, which ends ten seconds after the last. */
static void test_life_cycle(void **state)
{
	const json_t *first, *last;
	struct host h;
	int one, two, culprit;

	(void)state;
	host_new(&h);
	one = synth_container(h.s, "one");
	two = synth_container(h.s, "two");
	culprit = synth_container(h.s, "batch");
	for (int i = 0; i < 40; i++) {
		for (int v = one; v <= two; v++) {
			if (i < 5 || i >= 12 || (v == two && i < 8))
				continue;
			synth_wait(h.s, v, KW_WAIT_CPU, 400 * MS, 40 * MS, 50);
			synth_blame(h.s, KW_RES_CPU, v, culprit, KW_SINK_CONTAINER, 390 * MS, 0);
		}
		synth_usage(h.s, one)->cpu_ns = synth_usage(h.s, two)->cpu_ns = 200 * MS;
		synth_usage(h.s, culprit)->cpu_ns = 1500 * MS;
		synth_tick(h.s);
	}
	analyse(&h);
	assert_true(json_array_size(h.reports) >= 3);
	first = json_array_get(h.reports, 0);
	last = json_array_get(h.reports, json_array_size(h.reports) - 1);
	assert_string_equal(text(first, "id"), text(last, "id"));
	assert_int_equal(json_integer_value(json_object_get(first, "revision")), 1);
	assert_int_equal(json_integer_value(json_object_get(last, "revision")), json_array_size(h.reports));
	assert_string_equal(text(first, "status"), "open");
	assert_string_equal(text(last, "status"), "resolved");
	assert_int_equal(json_array_size(json_object_get(first, "victims")), 1);
	assert_int_equal(json_array_size(json_object_get(last, "victims")), 2);
	assert_true(atoll(text(last, "created_ns")) - atoll(text(json_object_get(last, "window"), "end_ns")) >
		    10 * SEC);
	host_free(&h);
}

/* The same evidence gives the same bytes, also when it is analysed tick by tick as it grows. */
static void test_deterministic(void **state)
{
	struct host a, b;
	char *x, *y;

	(void)state;
	neighbor_story(&a, NULL);
	neighbor_story(&b, NULL);
	x = json_dumps(a.reports, JSON_COMPACT);
	y = json_dumps(b.reports, JSON_COMPACT);
	assert_string_equal(x, y);
	free(x);
	free(y);
	host_free(&a);
	host_free(&b);
}

/* Weak waits that nothing explains, then the fault: the onset is the fault's. */
static void test_surge(void **state)
{
	const json_t *report;
	int64_t onset_ns, fault_ns;
	struct host h;
	int victim, culprit;

	(void)state;
	host_of_two(&h, &victim, &culprit);
	for (int i = 0; i < 10; i++) {
		synth_wait(h.s, victim, KW_WAIT_BLOCK, 60 * MS, 2 * MS, 30);
		synth_usage(h.s, victim)->cpu_ns = 20 * MS;
		synth_tick(h.s);
	}
	fault_ns = synth_wall(h.s);
	for (int i = 0; i < 5; i++) {
		synth_wait(h.s, victim, KW_WAIT_BLOCK, 700 * MS, 90 * MS, 10);
		synth_blame(h.s, KW_RES_BLOCK, victim, culprit, KW_SINK_CONTAINER, 680 * MS, 7 << 20);
		synth_tick(h.s);
	}
	analyse(&h);
	report = newest(&h, "io.neighbor");
	assert_non_null(report);
	onset_ns = atoll(text(json_object_get(report, "window"), "onset_ns"));
	assert_true(llabs(onset_ns - fault_ns) <= 100 * MS);
	host_free(&h);
}

/* ---- a collector that did not get to run ------------------------------------------------------------------------- */

static void starved_for(struct host *h, int seconds)
{
	int victim, other;
	struct kw_event *e;

	host_of_two(h, &victim, &other);
	for (int i = 0; i < 5; i++)
		neighbor_second(h, victim, other, 0);
	e = synth_event(h->s, KW_KIND_klog, victim, SYNTH_NOBODY, 2 * SYNTH_SEC, 0);
	*(struct kw_klog *)synth_payload(e) = (struct kw_klog){ .sign = "softlockup", .class = "kernel", .count = 1,
								.on_cpu = 1, .function = "spin_for_ever" };
	synth_send(h->s, e);
	synth_starve(h->s, seconds);
	for (int i = 0; i < 5; i++)
		neighbor_second(h, victim, other, 0);
	analyse(h);
}

/* What happened while nothing ran is found afterwards, up to a minute. */
static void test_starved(void **state)
{
	struct host h;

	(void)state;
	starved_for(&h, 15);
	assert_non_null(newest(&h, "kernel.softlockup"));
	host_free(&h);
	starved_for(&h, 90);
	assert_null(newest(&h, "kernel.softlockup"));
	host_free(&h);
}

static int run_once(struct host *h, json_t *reports, bool finish)
{
	const struct analyzer_options options = { .state_dir = h->dir, .config = h->config };
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct analyzer *a;
	int ticks;

	assert_int_equal(analyzer_new(&options, &a, &error), 0);
	analyzer_on_report(a, keep, reports);
	ticks = analyzer_run(a);
	if (finish)
		assert_int_equal(analyzer_finish(a), 0);
	analyzer_free(a);
	return ticks;
}

/* An analyzer that was killed while an incident was open: the next one ends it, under the same id. */
static void test_taken_over(void **state)
{
	const json_t *first, *last;
	struct host h;
	int victim, culprit;

	(void)state;
	host_of_two(&h, &victim, &culprit);
	for (int i = 0; i < 10; i++)
		neighbor_second(&h, victim, culprit, i < 5 ? 0 : 400 * MS);
	assert_int_equal(run_once(&h, h.reports, false), 10);
	first = json_array_get(h.reports, 0);
	assert_string_equal(text(first, "status"), "open");
	for (int i = 0; i < 14; i++)
		neighbor_second(&h, victim, culprit, 0);
	assert_int_equal(run_once(&h, h.reports, false), 24);
	last = json_array_get(h.reports, json_array_size(h.reports) - 1);
	assert_string_equal(text(last, "id"), text(first, "id"));
	assert_string_equal(text(last, "status"), "resolved");
	host_free(&h);
}

static void why(struct host *h, const char *name, int64_t from_s, int64_t to_s, json_t **ret)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	int64_t start = SYNTH_BOOT_NS + SYNTH_WALL_OFFSET;
	int r = analyze_why(h->dir, h->config, name, start + from_s * SEC, start + to_s * SEC, ret, &error);

	if (r < 0)
		fail_msg("%s", strbuf_str(&error));
}

/* What happened before the window's end stands in the row of a tick after it. */
static void test_why_within_a_tick(void **state)
{
	int64_t start = SYNTH_BOOT_NS + SYNTH_WALL_OFFSET;
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	json_t *report;
	struct host h;
	int victim, culprit;

	(void)state;
	host_of_two(&h, &victim, &culprit);
	for (int i = 0; i < 12; i++)
		neighbor_second(&h, victim, culprit, i < 10 ? 0 : 400 * MS);
	assert_int_equal(run_once(&h, h.reports, true), 12);
	assert_int_equal(analyze_why(h.dir, h.config, "web", start + 10 * SEC + 50 * MS, start + 11 * SEC - 50 * MS, &report,
				     &error), 0);
	assert_string_equal(text(report, "cause"), "cpu.neighbor");
	json_decref(report);
	host_free(&h);
}

static void test_why(void **state)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	json_t *report;
	struct host h;

	(void)state;
	neighbor_story(&h, NULL);
	why(&h, "web", 0, 20, &report);
	assert_string_equal(text(report, "cause"), "cpu.neighbor");
	json_decref(report);
	why(&h, "/test/bystander", 0, 20, &report);
	assert_string_equal(text(report, "cause"), "none");
	assert_string_equal(confidence(report), "confirmed");
	assert_non_null(strstr(text(report, "headline"), "nothing was wrong in the kernel: /test/bystander"));
	json_decref(report);
	assert_int_equal(analyze_why(h.dir, h.config, "nobody", SYNTH_BOOT_NS + SYNTH_WALL_OFFSET,
				     SYNTH_BOOT_NS + SYNTH_WALL_OFFSET + 20 * SEC, &report, &error), -ENOENT);
	assert_int_equal(analyze_why(h.dir, h.config, "web", 1, 2, &report, &error), -ENODATA);
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu_neighbor),
		cmocka_unit_test(test_remedies_fit_the_host),
		cmocka_unit_test(test_onset),
		cmocka_unit_test(test_neighbor_without_probe),
		cmocka_unit_test(test_neighbor_with_probe_held_back),
		cmocka_unit_test(test_fair_share),
		cmocka_unit_test(test_usual),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_long_chain),
		cmocka_unit_test(test_long_hang),
		cmocka_unit_test(test_cascade),
		cmocka_unit_test(test_cascade_at_once),
		cmocka_unit_test(test_merged),
		cmocka_unit_test(test_closer_cause),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_unexplained),
		cmocka_unit_test(test_recurrence),
		cmocka_unit_test(test_chain_needs_the_task),
		cmocka_unit_test(test_cycle),
		cmocka_unit_test(test_life_cycle),
		cmocka_unit_test(test_deterministic),
		cmocka_unit_test(test_why),
		cmocka_unit_test(test_why_within_a_tick),
		cmocka_unit_test(test_surge),
		cmocka_unit_test(test_taken_over),
		cmocka_unit_test(test_starved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
