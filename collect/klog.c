/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/klog.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/timeutil.h"

#define TRIES_MAX 1000 /* places at which tags of one pattern are tried to end */

struct klog_sign {
	const char *sign, *class, *pattern;
};

#define KLOG_MORE(pattern)
#define KLOG_SIGN(sign, class, pattern) { #sign, #class, pattern },
static const struct klog_sign signs[] = {
#include "collect/klog.def"
};
#undef KLOG_SIGN
#undef KLOG_MORE

#define KLOG_SIGN(sign, class, pattern)
#define KLOG_MORE(pattern) pattern,
static const char *const more[] = {
#include "collect/klog.def"
};
#undef KLOG_SIGN
#undef KLOG_MORE

/* ---- values ------------------------------------------------------------------------------------------------------ */

static void keep(char *ret, size_t size, const char *text, size_t len)
{
	len = MIN(len, size - 1);
	memcpy(ret, text, len);
	memset(ret + len, 0, size - len);
}

static bool take_int(const char *text, size_t len, int32_t *ret)
{
	int32_t value = 0;

	if (!len || len > 9)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
		value = value * 10 + (text[i] - '0');
	}
	*ret = value;
	return true;
}

/* "comm:pid"; the comm may hold anything, colons included. */
static bool take_task(const char *text, size_t len, struct klog_task *ret)
{
	const char *colon = memrchr(text, ':', len);
	struct klog_task task = { 0 };

	if (!colon || !take_int(colon + 1, text + len - colon - 1, &task.pid))
		return false;
	keep(task.comm, sizeof(task.comm), text, colon - text);
	*ret = task;
	return true;
}

static bool is_word(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("_.:/#-", text[i]))
			return false;
	return len > 0;
}

/* What stands for %tag; false: it cannot be that. */
static bool take(char tag, const char *text, size_t len, struct klog_report *r)
{
	int32_t number;

	switch (tag) {
	case '*':
		return true;
	case '#':
		return take_int(text, len, &number);
	case 'C':
		return take_int(text, len, &r->p.on_cpu);
	case 'p':
		return take_int(text, len, &r->task.pid);
	case 'S':
		if (!take_int(text, len, &number))
			return false;
		r->p.stuck_ns = number * NSEC_PER_SEC;
		return true;
	case 't':
		return take_task(text, len, &r->task);
	case 'T':
		return take_task(text, len, &r->other);
	case 'n':
		keep(r->task.comm, sizeof(r->task.comm), text, len);
		return len > 0 && len < KW_COMM_LEN;
	case 'o':
		keep(r->p.object, sizeof(r->p.object), text, len);
		return is_word(text, len);
	case 'f':
		keep(r->p.function, sizeof(r->p.function), text, len);
		return is_word(text, len);
	case 'd':
		keep(r->p.detail, sizeof(r->p.detail), text, len);
		return len > 0;
	default:
		return false;
	}
}

/* ---- patterns ---------------------------------------------------------------------------------------------------- */

/* The literal text of a pattern up to its next tag. */
static size_t literal_len(const char *pattern)
{
	return strcspn(pattern, "%");
}

/*
 * A tag ends at an occurrence of the literal behind it, the nearest one with which the rest fits.  tries bounds what a
 * hostile line can cost.
 */
static bool fits(const char *pattern, const char *text, struct klog_report *r, unsigned int *tries)
{
	size_t literal = literal_len(pattern);
	const char *end = text + literal;
	char tag;

	if (strncmp(text, pattern, literal) != 0)
		return false;
	text = end;
	pattern += literal;
	if (!*pattern)
		return !*text;
	tag = pattern[1];
	pattern += 2;
	if (!*pattern)
		return take(tag, text, strlen(text), r);
	literal = literal_len(pattern);
	for (; (end = memmem(end, strlen(end), pattern, literal)) && *tries; end++, --*tries)
		if (take(tag, text, end - text, r) && fits(pattern, end, r, tries))
			return true;
	return false;
}

static bool line_fits(const char *pattern, const char *text, struct klog_report *r)
{
	unsigned int tries = TRIES_MAX;

	return fits(pattern, text, r, &tries);
}

bool klog_begins(const char *text, struct klog_report *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		struct klog_report r = { .p = { .on_cpu = -1, .stuck_ns = -1, .count = 1 } };

		if (!line_fits(signs[i].pattern, text, &r))
			continue;
		keep(r.p.sign, sizeof(r.p.sign), signs[i].sign, strlen(signs[i].sign));
		keep(r.p.class, sizeof(r.p.class), signs[i].class, strlen(signs[i].class));
		keep(r.p.text, sizeof(r.p.text), text, strlen(text));
		*ret = r;
		return true;
	}
	return false;
}

/* ---- reports ----------------------------------------------------------------------------------------------------- */

/* What the first line said stays: a later line may be of another CPU's backtrace. */
static void complete(struct klog_report *r, const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		struct klog_report m = { .p = { .on_cpu = -1 } };

		if (!line_fits(more[i], text, &m))
			continue;
		if (r->p.on_cpu < 0)
			r->p.on_cpu = m.p.on_cpu;
		if (m.task.pid && (!r->task.pid || (r->task.pid == m.task.pid && !r->task.comm[0])))
			r->task = m.task;
		if (!r->p.function[0])
			memcpy(r->p.function, m.p.function, sizeof(r->p.function));
		if (!r->p.object[0])
			memcpy(r->p.object, m.p.object, sizeof(r->p.object));
		return;
	}
}

/* Whether a dump of the task at hand follows (dump_stack()). */
static bool has_more(const struct klog_report *r)
{
	return !strcmp(r->p.class, "kernel") || !strcmp(r->p.sign, "alloc_fail");
}

static struct klog_report *find_equal(struct klog *k, const struct klog_report *r)
{
	for (unsigned int i = 0; i < k->count; i++) {
		struct klog_report *o = &k->open[i];

		if (!strcmp(o->p.sign, r->p.sign) && !strcmp(o->p.object, r->p.object) && o->task.pid == r->task.pid &&
		    o->p.on_cpu == r->p.on_cpu)
			return o;
	}
	return NULL;
}

void klog_line(struct klog *k, const char *text, uint32_t priority, uint64_t seq, uint64_t ts_ns)
{
	struct klog_report r, *equal;

	if (!klog_begins(text, &r)) {
		struct klog_report *newest = k->count ? &k->open[k->count - 1] : NULL;

		if (newest && k->lines++ < KLOG_BLOCK_LINES && has_more(newest))
			complete(newest, text);
		return;
	}
	equal = find_equal(k, &r);
	if (equal) {
		equal->p.count++;
		return;
	}
	if (k->count == KLOG_OPEN_MAX) {
		k->overflow++;
		return;
	}
	r.p.priority = priority;
	r.p.seq = seq;
	r.ts_ns = ts_ns;
	k->open[k->count++] = r;
	k->lines = 0;
}
