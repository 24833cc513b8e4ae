/* SPDX-License-Identifier: Apache-2.0 */
/* What a run measured, as members of a JSON object; clocks. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/faults/sandbox.h"

int64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 * MS + ts.tv_nsec;
}

void nap_ns(int64_t ns)
{
	struct timespec ts = { .tv_sec = ns / (1000 * MS), .tv_nsec = ns % (1000 * MS) };

	if (ns > 0)
		nanosleep(&ts, NULL);
}

/* A request that the fault touched at either end is the fault's. */
static enum phase phase_of(enum phase began, enum phase ended)
{
	if (began == PHASE_FAULT || ended == PHASE_FAULT)
		return PHASE_FAULT;
	return began < PHASES ? began : PHASE_AFTER;
}

void tally_add(struct tally t[PHASES], enum phase began, enum phase ended, int64_t ns)
{
	struct tally *p = &t[phase_of(began, ended)];
	uint64_t max = atomic_load(&p->max_ns);

	atomic_fetch_add(&p->count, 1);
	atomic_fetch_add(&p->sum_ns, (uint64_t)ns);
	while ((uint64_t)ns > max && !atomic_compare_exchange_weak(&p->max_ns, &max, (uint64_t)ns))
		;
}

void tally_fail(struct tally t[PHASES], enum phase phase)
{
	atomic_fetch_add(&t[phase_of(phase, phase)].failed, 1);
}

uint64_t tally_mean(const struct tally *t)
{
	return t->count ? t->sum_ns / t->count : 0;
}

static void facts_addf(struct facts *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A member that does not fit is left out whole. */
static void facts_addf(struct facts *f, const char *fmt, ...)
{
	size_t room = sizeof(f->text) - f->len, comma = f->len > 0;
	va_list ap;
	int n;

	if (room < 2)
		return;
	va_start(ap, fmt);
	n = vsnprintf(f->text + f->len + comma, room - comma, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room - comma) {
		f->text[f->len] = '\0';
		return;
	}
	if (comma)
		f->text[f->len] = ',';
	f->len += comma + (size_t)n;
}

void facts_int(struct facts *f, const char *name, int64_t value)
{
	facts_addf(f, "\"%s\":%" PRId64, name, value);
}

void facts_ns(struct facts *f, const char *name, int64_t value)
{
	facts_addf(f, "\"%s\":\"%" PRId64 "\"", name, value);
}

void facts_str(struct facts *f, const char *name, const char *value)
{
	facts_addf(f, "\"%s\":\"%s\"", name, value);
}

void facts_tally(struct facts *f, const char *prefix, const struct tally t[PHASES])
{
	static const char *const names[PHASES] = { "before", "during", "after" };

	for (int i = 0; i < PHASES; i++) {
		facts_addf(f, "\"%s_%s\":{\"count\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"mean_ns\":\"%" PRIu64
			   "\",\"max_ns\":\"%" PRIu64 "\"}", prefix, names[i], (uint64_t)t[i].count,
			   (uint64_t)t[i].failed, tally_mean(&t[i]), (uint64_t)t[i].max_ns);
	}
}
