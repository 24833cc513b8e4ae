/* SPDX-License-Identifier: Apache-2.0 */
/* A made-up host and what the analyzer says about it.  Included by tests once; everything is static. */
#ifndef KWHY_TESTS_SYNTH_HOST_H
#define KWHY_TESTS_SYNTH_HOST_H

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyze/analyzer.h"
#include "analyze/reports.h"
#include "base/cleanup.h"
#include "tests/synth/synth.h"

#define MS SYNTH_MS
#define SEC SYNTH_SEC

struct host {
	char dir[64];
	struct config *config;
	struct synth *s;
	json_t *reports; /* every revision, as written */
};

__attribute__((unused)) static void host_new(struct host *h)
{
	*h = (struct host){ 0 };
	snprintf(h->dir, sizeof(h->dir), "/tmp/kwhy-test-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	h->config = config_new();
	h->s = synth_new(h->dir, 2);
	h->reports = json_array();
}

__attribute__((unused)) static void remove_dir(const char *dir)
{
	char command[128];
	int r;

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	r = system(command);
	assert_int_equal(r, 0);
}

__attribute__((unused)) static void host_free(struct host *h)
{
	if (h->s)
		synth_free(h->s);
	config_free(h->config);
	json_decref(h->reports);
	remove_dir(h->dir);
}

__attribute__((unused)) static void keep(void *ctx, const json_t *report)
{
	json_array_append_new(ctx, json_deep_copy(report));
}

/* Ends the recording and analyses all of it. */
__attribute__((unused)) static void analyse(struct host *h)
{
	const struct analyzer_options options = { .state_dir = h->dir, .config = h->config };
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct analyzer *a;
	int r;

	synth_free(h->s);
	h->s = NULL;
	r = analyzer_new(&options, &a, &error);
	if (r < 0)
		fail_msg("%s", strbuf_str(&error));
	analyzer_on_report(a, keep, h->reports);
	assert_true(analyzer_run(a) > 0);
	assert_int_equal(analyzer_finish(a), 0);
	analyzer_free(a);
	if (getenv("KWHY_TEST_DUMP"))
		json_dumpf(h->reports, stdout, JSON_INDENT(1));
}

__attribute__((unused)) static const char *text(const json_t *o, const char *key)
{
	const char *t = json_string_value(json_object_get(o, key));

	return t ? t : "";
}

/* Newest revision of the incident with this cause, NULL: none. */
__attribute__((unused)) static const json_t *newest(const struct host *h, const char *cause)
{
	const json_t *found = NULL;
	json_t *report;
	size_t i;

	json_array_foreach(h->reports, i, report)
		if (!strcmp(text(report, "cause"), cause))
			found = report;
	return found;
}

__attribute__((unused)) static const char *party_name(const json_t *report, const char *list, size_t i)
{
	return text(json_object_get(json_array_get(json_object_get(report, list), i), "container"), "name");
}

__attribute__((unused)) static const char *confidence(const json_t *report)
{
	return text(json_object_get(report, "confidence"), "level");
}

#endif
