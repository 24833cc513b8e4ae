/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests one rule against the evidence about one container in one window, and
 * chooses among the rules that a symptom makes candidates.  Knows no cause.
 */
#ifndef KWHY_ANALYZE_ENGINE_H
#define KWHY_ANALYZE_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "analyze/coverage.h"
#include "analyze/detect.h"
#include "analyze/rules.h"
#include "analyze/sql.h"

#define CULPRITS_MAX 8
#define CULPRIT_TASKS_MAX 8
#define EVIDENCE_ROWS_MAX 20
#define CANDIDATES_MAX 24
#define CHAIN_MAX 10 /* after wPerf (OSDI 2018): blame that was passed on ten times tells nothing */

struct window {
	int64_t from_ns, to_ns, onset_ns;
	int64_t baseline_from_ns, baseline_to_ns;
};

enum verdict { VERDICT_UNTESTABLE, VERDICT_RULED_OUT, VERDICT_SUPPORTED };
enum confidence { CONFIDENCE_INCONCLUSIVE, CONFIDENCE_POSSIBLE, CONFIDENCE_PROBABLE, CONFIDENCE_CONFIRMED };

const char *verdict_name(enum verdict verdict);
const char *confidence_name(enum confidence level);

struct culprit {
	bool is_container; /* else what names a sink */
	int64_t container;
	double share;      /* 0..1 */
	bool self;
	bool active;       /* to blame for what it did: what stopped it is no cause */
	char what[128];
	json_t *tasks;
};

/* One piece of evidence, tested.  holds: 1, 0, -1 untestable (why says for want of what). */
struct test {
	const struct evidence_def *def;
	int holds;
	json_t *row;  /* first row of its query, NULL: none */
	json_t *rows; /* array worth showing */
	char why[192];
	int64_t lost; /* records of its probes that were lost in the window */
	char governed[64]; /* which of its probes was held back for what it cost, and how far; "" none */
};

struct hypothesis {
	const struct rule *rule;
	int64_t victim;
	struct window window;
	enum verdict verdict;
	enum confidence level;
	json_t *basis, *capped_by; /* arrays of text */
	double weight;             /* share of the symptom it explains; 1 when its rule does not say */
	double stolen;             /* what of the CPUs a hypervisor took meanwhile, 0..1 */
	enum severity severity;
	const char *reason; /* of v_wait, what the symptom counts; NULL: it is no wait */
	/* Of a link of a chain: who waited for this victim, and why; else waiter_reason is NULL. */
	int64_t waiter;
	const char *waiter_reason;
	struct test tests[RULE_EVIDENCE_MAX + 1]; /* and the one that makes it a link */
	size_t test_count;
	struct culprit culprits[CULPRITS_MAX];
	size_t culprit_count;
	char resource_name[128];
	bool eligible; /* its rule lists the symptom; else it is only a look-alike */
};

void hypothesis_free(struct hypothesis *h); /* NULL is fine */

/* reason: of v_wait, what the symptom counts; NULL: it is no wait.  NULL when out of memory. */
struct hypothesis *engine_evaluate(struct sql *sql, const struct rule *rule, int64_t victim, const char *reason,
				   const struct window *window, const struct coverage *coverage);

/*
 * The decision of contract section 3 as a pure function: what the tests allow to say.  Fills verdict, level, basis and
 * capped_by; basis and capped_by must be arrays.
 */
void hypothesis_judge(struct hypothesis *h);

/* All that was thought about one symptom of one container. */
struct diagnosis {
	struct hypothesis *candidates[CANDIDATES_MAX];
	size_t count;
	struct hypothesis *best;            /* one of candidates; NULL: none is supported */
	struct hypothesis *chain[CHAIN_MAX]; /* what stopped the culprit, and what stopped that; owned */
	size_t depth;
};

void diagnosis_clear(struct diagnosis *d);
/* The root cause: end of the chain, or best; NULL when there is none. */
const struct hypothesis *diagnosis_root(const struct diagnosis *d);

/* The test of a link: its victim was itself stopped while it was waited for.  NULL: h is no link. */
const struct test *hypothesis_link(const struct hypothesis *h);

/* Sum of the waits of a container for one reason (name of enum kw_wait_reason) within (from, to], in ns. */
int64_t engine_waited(struct sql *sql, int64_t container, const char *reason, int64_t from_ns, int64_t to_ns);

int engine_diagnose(struct sql *sql, const struct rules *rules, const struct symptom *symptom, int64_t victim,
		    const struct window *window, const struct coverage *coverage, struct diagnosis *ret);

/*
 * For a diagnosis that explains nothing: the best of the rules that are a fallback becomes its answer, inconclusive, with
 * what kept the others from being it as capped_by.  0, also when there is no such rule.
 */
int engine_fall_back(struct sql *sql, const struct rules *rules, const struct symptom *symptom, int64_t victim,
		     const struct window *window, const struct coverage *coverage, struct diagnosis *d);

#endif
