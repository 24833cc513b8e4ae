/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The alert rules at work: evaluates each group at its interval over the store and the open incidents, keeps the state
 * of every alert, applies silences, lets the alert of a root cause hold back the alerts of its victims, and puts what
 * is to be told into the outbox.  One thread.
 */
#ifndef KWHY_ANALYZE_ALERTING_H
#define KWHY_ANALYZE_ALERTING_H

#include <jansson.h>
#include <stdint.h>

#include "base/config.h"
#include "base/strbuf.h"

struct alerting;

struct alerting_options {
	const char *state_dir, *url; /* the UI's address, for links */
	const struct config *config; /* must outlive it */
};

int alerting_new(const struct alerting_options *options, struct alerting **ret_alerting, struct strbuf *ret_messages);
void alerting_free(struct alerting *a); /* NULL is fine */
/*
 * What is due at now_ns (wall clock).  Loads the rules again when their directory changed.  The number of groups
 * evaluated, or negative errno; a rule that fails is counted and said in *ret_messages, and harms no other.
 */
int alerting_run(struct alerting *a, int64_t now_ns, struct strbuf *ret_messages);

/*
 * One set of rules over the past, step by step, nothing stored or sent: a list of
 * {"ts_ns", "alert", "state", "labels", "value"} for every change of state.  For `kwhy rules eval`.
 */
int alerting_back_test(const char *state_dir, const char *rules_path, int64_t from_ns, int64_t to_ns,
		       json_t **ret_changes, struct strbuf *ret_messages);

#endif
