/* SPDX-License-Identifier: Apache-2.0 */
/* The driver: lists faults, runs one, prints its ground truth as JSON lines. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/faults/faults.h"

#define EXIT_CANNOT 77

static const struct fault *const faults[] = {
#define FAULT(name) &fault_##name,
#include "tests/faults/faults.def"
#undef FAULT
};

static int64_t wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 * MS + ts.tv_nsec;
}

static const struct fault *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		if (strcmp(faults[i]->name, name) == 0)
			return faults[i];
	return NULL;
}

static void print_quoted(const char *key, const char *value)
{
	if (value && *value)
		printf(",\"%s\":\"%s\"", key, value);
	else
		printf(",\"%s\":null", key);
}

static void list(bool json)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		const struct fault *f = faults[i];

		if (!json) {
			printf("%-16s %-18s %s [needs: %s; probes: %s]\n", f->name, f->cause ? f->cause : "-", f->text,
			       f->needs, f->probes);
			continue;
		}
		printf("{\"name\":\"%s\"", f->name);
		print_quoted("cause", f->cause);
		print_quoted("text", f->text);
		print_quoted("probes", f->probes);
		print_quoted("needs", f->needs);
		printf("}\n");
	}
}

static void print_setup(const struct fault *f, const struct sandbox *sb)
{
	printf("{\"event\":\"setup\",\"fault\":\"%s\"", f->name);
	print_quoted("cause", f->cause);
	print_quoted("victim", sb->victim ? sb->victim->path : NULL);
	print_quoted("culprit", sb->culprit ? sb->culprit->path : NULL);
	print_quoted("culprit_what", sb->culprit_what);
	print_quoted("bystander", sb->bystander ? sb->bystander->path : NULL);
	printf(",\"params\":{%s},\"seed\":%" PRIu64 "}\n", sb->params.text, sb->seed);
	fflush(stdout);
}

static void print_moment(const char *event)
{
	printf("{\"event\":\"%s\",\"wall_ns\":\"%" PRId64 "\"}\n", event, wall_ns());
	fflush(stdout);
}

/* The fault's time, cut short by over(), prolonged until enough(). */
static bool wait_fault(const struct fault *f, struct sandbox *sb)
{
	int64_t until = clock_ns() + sb->fault_ms * MS, latest = until + 2 * sb->fault_ms * MS, now;

	while ((now = clock_ns()) < until || (f->enough && now < latest && !f->enough(sb))) {
		if (f->over && f->over(sb))
			return true;
		if (!sandbox_sleep(sb, 20))
			return false;
	}
	return true;
}

static int play(const struct fault *f, struct sandbox *sb)
{
	int r = f->setup(sb);

	if (r < 0)
		return r;
	print_setup(f, sb);
	if (!sandbox_sleep(sb, sb->before_ms))
		return -EINTR;
	r = sandbox_child_error(sb);
	if (r < 0)
		return sandbox_fail(sb, r, "a process could not get into its container");
	sandbox_set_phase(sb, PHASE_FAULT);
	print_moment("onset");
	r = f->onset ? f->onset(sb) : 0;
	if (r < 0)
		return r;
	if (!wait_fault(f, sb))
		return -EINTR;
	sandbox_set_phase(sb, PHASE_AFTER);
	r = f->end ? f->end(sb) : 0;
	print_moment("end");
	if (r < 0)
		return r;
	if (!sandbox_sleep(sb, sb->after_ms))
		return -EINTR;
	sandbox_set_phase(sb, PHASE_STOP);
	sandbox_stop(sb, 2000);
	r = f->proof(sb);
	printf("{\"event\":\"proof\",\"real\":%s%s%s}\n", r < 0 ? "false" : "true", sb->proof.len ? "," : "",
	       sb->proof.text);
	fflush(stdout);
	return r < 0 ? sandbox_fail(sb, r, "the effect was not there") : 0;
}

static int run(const struct fault *f, uint64_t seed, int seconds)
{
	AUTO_FREE struct sandbox *sb = calloc(1, sizeof(*sb));
	int r;

	if (!sb)
		return 1;
	r = sandbox_open(sb, seed, seconds > 0 ? seconds * 1000 : f->fault_ms);
	if (r == 0)
		r = play(f, sb);
	sandbox_close(sb);
	if (r == 0)
		return 0;
	fprintf(stderr, "faults: %s: %s: %s\n", f->name, r == -EOPNOTSUPP ? "this host cannot" : strerror(-r),
		*sb->why ? sb->why : "stopped");
	return r == -EOPNOTSUPP ? EXIT_CANNOT : 1;
}

static int usage(void)
{
	fprintf(stderr, "usage: faults list [--json]\n"
			"       faults run NAME [--seed N] [--seconds S] [--json]\n  --seconds is how long the fault"
			" itself lasts (1 to 120); normal life before and after comes on top\n  exit status: 0 it"
			" ran, 77 this host cannot, 1 it failed, 2 usage\n");
	return 2;
}

static bool parse_number(const char *text, unsigned long min, unsigned long max, unsigned long *ret_value)
{
	char *end = NULL;
	unsigned long v;

	errno = 0;
	v = text ? strtoul(text, &end, 10) : 0;
	if (!text || errno || end == text || *end || v < min || v > max)
		return false;
	*ret_value = v;
	return true;
}

int main(int argc, char **argv)
{
	unsigned long seed = (unsigned long)wall_ns() / 1000 % UINT32_MAX, seconds = 0;
	const struct fault *f;
	bool json = false;
	int i;

	if (argc == 2 || argc == 3) {
		json = argc == 3 && strcmp(argv[2], "--json") == 0;
		if (strcmp(argv[1], "list") == 0 && (argc == 2 || json)) {
			list(json);
			return 0;
		}
	}
	if (argc < 3 || strcmp(argv[1], "run") != 0)
		return usage();
	for (i = 3; i < argc; i++) {
		if (strcmp(argv[i], "--seed") == 0 && parse_number(argv[i + 1], 0, UINT32_MAX, &seed))
			i++;
		else if (strcmp(argv[i], "--seconds") == 0 && parse_number(argv[i + 1], 1, 120, &seconds))
			i++;
		else if (strcmp(argv[i], "--json") != 0)
			return usage();
	}
	f = find(argv[2]);
	if (!f) {
		fprintf(stderr, "faults: no fault is called %s: see 'faults list'\n", argv[2]);
		return 2;
	}
	return run(f, seed, (int)seconds);
}
