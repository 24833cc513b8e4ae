/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories for rules: a made-up host that has a fault, one that looks alike, and one where a probe is missing; and what
 * must be said of each.  Included by tests once, after tests/synth/host.h; everything is static.
 */
#ifndef KWHY_TESTS_SYNTH_STORY_H
#define KWHY_TESTS_SYNTH_STORY_H

#include "tests/unit/unit.h"

#include "base/embed.h"
#include "tests/synth/host.h"
#include "tests/synth/schema_check.h"

#define STORIES_MAX 64

enum variant { FAULT, ALIKE, MISSING };

/* What happens in one second of the fault; second counts from 0. */
typedef void (*second_fn)(struct synth *s, enum variant variant, int second);

enum { VICTIM = 1, CULPRIT = 2, OTHER = 3 };

struct story {
	const char *cause;
	second_fn second;
	const char *probe;       /* off in the MISSING variant */
	const char *culprit;     /* name of the first culprit's container; NULL: none or a sink */
	const char *what;        /* part of the first culprit's what, NULL: any */
	const char *severity;
	const char *level;
	const char *alike_cause; /* what the look-alike is, NULL: no incident at all */
	const char *missing_level; /* best that may be said without the probe; NULL: no such incident */
};

/* What several stories have in common. */
struct stage {
	void (*setup)(struct synth *s); /* makes the containers VICTIM, CULPRIT, OTHER and more */
	const char *victim;
	int seconds; /* length of the fault */
	void (*calm)(struct synth *s); /* in every second outside the fault; NULL: nothing */
};

/* One of the three tests of a story. */
struct telling {
	const struct story *story;
	const struct stage *stage;
};

static void usual_containers(struct synth *s)
{
	synth_container(s, "web");
	synth_container(s, "batch");
	synth_container(s, "other");
}

static const struct stage usual_stage = { usual_containers, "/test/web", 5, NULL };

static void tell(struct host *h, const struct telling *t, enum variant variant)
{
	const struct story *story = t->story;

	host_new(h);
	t->stage->setup(h->s);
	if (variant == MISSING)
		synth_probe_off(h->s, story->probe);
	for (int i = 0; i < 20 + t->stage->seconds; i++) {
		for (int c = VICTIM; c <= OTHER; c++)
			synth_usage(h->s, c)->cpu_ns = 100 * MS;
		if (i >= 5 && i < 5 + t->stage->seconds)
			story->second(h->s, variant, i - 5);
		else if (t->stage->calm)
			t->stage->calm(h->s);
		synth_tick(h->s);
	}
	analyse(h);
}

static void assert_only(const struct host *h, const char *cause)
{
	json_t *report;
	size_t i;

	json_array_foreach(h->reports, i, report)
		if (!cause || strcmp(text(report, "cause"), cause))
			fail_msg("unexpected %s: %s", text(report, "cause"), text(report, "headline"));
}

static void assert_budget_sums(const json_t *report)
{
	const json_t *window = json_object_get(report, "window");
	int64_t sum = 0, wall = atoll(text(window, "to_ns")) - atoll(text(window, "onset_ns"));
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(report, "budget"), i, entry)
		sum += atoll(text(entry, "ns"));
	assert_int_equal(sum, wall);
}

/* Every report says what the schema asks for, and no variable was left open. */
static void assert_well_formed(const struct host *h)
{
	const struct embedded_file *file = embedded_find("schema/report-v1.json");
	json_t *schema = json_loadb(file->data, file->size, 0, NULL), *report;
	size_t i;

	assert_non_null(schema);
	json_array_foreach(h->reports, i, report) {
		assert_true(schema_holds(schema, schema, report, "report"));
		if (strpbrk(text(report, "headline"), "{}?") || strstr(text(report, "headline"), "unknown"))
			fail_msg("%s", text(report, "headline"));
		assert_budget_sums(report);
		if (getenv("KWHY_TEST_HEADLINES"))
			printf("%s\n", text(report, "headline"));
	}
	json_decref(schema);
}

static void check_positive(const struct telling *t)
{
	const struct story *story = t->story;
	const json_t *report, *culprits;
	struct host h;

	tell(&h, t, FAULT);
	assert_only(&h, story->cause);
	report = newest(&h, story->cause);
	if (!report)
		fail_msg("%s: no incident", story->cause);
	culprits = json_object_get(report, "culprits");
	assert_string_equal(party_name(report, "victims", 0), t->stage->victim);
	assert_string_equal(text(report, "severity"), story->severity);
	if (story->culprit)
		assert_string_equal(party_name(report, "culprits", 0), story->culprit);
	else
		assert_true(!json_array_size(culprits) ||
			    json_is_null(json_object_get(json_array_get(culprits, 0), "container")));
	if (story->what)
		assert_non_null(strstr(text(json_array_get(culprits, 0), "what"), story->what));
	if (strcmp(confidence(report), story->level))
		fail_msg("%s is %s: %s", story->cause, confidence(report),
			 json_dumps(json_object_get(report, "confidence"), 0));
	assert_string_equal(text(report, "status"), "resolved");
	assert_well_formed(&h);
	host_free(&h);
}

static void check_alike(const struct telling *t)
{
	const struct story *story = t->story;
	struct host h;

	tell(&h, t, ALIKE);
	if (newest(&h, story->cause))
		fail_msg("%s was taken for %s", story->alike_cause, story->cause);
	if (story->alike_cause && !newest(&h, story->alike_cause))
		fail_msg("%s was not seen", story->alike_cause);
	assert_only(&h, story->alike_cause);
	assert_well_formed(&h);
	host_free(&h);
}

static void check_missing(const struct telling *t)
{
	const struct story *story = t->story;
	const json_t *report;
	struct host h;

	tell(&h, t, MISSING);
	report = newest(&h, story->cause);
	if (!story->missing_level != !report)
		fail_msg("%s without probe %s: %s", story->cause, story->probe,
			 report ? text(report, "headline") : "nothing");
	else if (report && strcmp(confidence(report), story->missing_level))
		fail_msg("%s without probe %s is %s", story->cause, story->probe, confidence(report));
	host_free(&h);
}

static void test_positive(void **state)
{
	check_positive(*state);
}

static void test_alike(void **state)
{
	check_alike(*state);
}

static void test_missing(void **state)
{
	check_missing(*state);
}

/* stage NULL: the usual one. */
static int stories_run(const struct story *stories, size_t count, const struct stage *stage)
{
	static const char *const kinds[] = { "fault", "look-alike", "probe missing" };
	static void (*const fns[])(void **state) = { test_positive, test_alike, test_missing };
	struct CMUnitTest tests[3 * STORIES_MAX];
	struct telling tellings[STORIES_MAX];
	char names[3 * STORIES_MAX][64];

	assert_true(count <= STORIES_MAX);
	for (size_t i = 0; i < 3 * count; i++) {
		tellings[i / 3] = (struct telling){ &stories[i / 3], stage ? stage : &usual_stage };
		snprintf(names[i], sizeof(names[i]), "%s: %s", stories[i / 3].cause, kinds[i % 3]);
		tests[i] = (struct CMUnitTest){ names[i], fns[i % 3], NULL, NULL, &tellings[i / 3] };
	}
	return _cmocka_run_group_tests("stories", tests, 3 * count, NULL, NULL);
}

#endif
