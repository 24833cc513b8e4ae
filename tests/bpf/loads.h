/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the governor and of storms share: a collector with its records looked at, cgroups, loads. */
#ifndef KWHY_TESTS_BPF_LOADS_H
#define KWHY_TESTS_BPF_LOADS_H

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fileutil.h"
#include "base/timeutil.h"
#include "collect/cgroups.h"
#include "collect/collect.h"
#include "collect/objects_run.h"
#include "collect/probe.h"
#include "collect/sampler.h"
#include "schema/kernel_maps.h"
#include "schema/kinds.h"
#include "tests/bpf/check.h"

/* For collect.disabled: all but those kept (loading every probe takes seconds).  Valid until the next call. */
__attribute__((unused)) static const char *all_but(const char *kept)
{
	static char list[1024];
	size_t n = 0;

	for (unsigned int i = 0; probes[i]; i++)
		if (!setting_lists(kept, probes[i]->name))
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s,", probes[i]->name);
	for (unsigned int i = 0; samplers[i]; i++)
		if (!setting_lists(kept, samplers[i]->name))
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s,", samplers[i]->name);
	return list;
}

struct load {
	pid_t pid;
};

/* A process that does step() again and again until it is ended. */
__attribute__((unused)) static struct load load_start(void (*step)(void))
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			step();
	}
	return (struct load){ pid };
}

__attribute__((unused)) static void load_stop(struct load *l)
{
	if (l->pid <= 0)
		return;
	kill(l->pid, SIGKILL);
	waitpid(l->pid, NULL, 0);
	l->pid = 0;
}

/* ---- cgroups of the default hierarchy -------------------------------------------------------------------------- */

__attribute__((unused)) static bool find_v2(char ret[256])
{
	AUTO_FCLOSE FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[1024];

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s / %255s", ret) == 1)
			return true;
	return false;
}

/* Its id, 0 when it cannot be made. */
__attribute__((unused)) static uint64_t make_cgroup(const char *path)
{
	struct stat st;

	return !mkdir(path, 0755) && !stat(path, &st) ? st.st_ino : 0;
}

/* Into a file of that folder. */
__attribute__((unused)) static bool put(const char *folder, const char *file, const char *text)
{
	char path[512];
	FILE *f;
	bool fine;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	f = fopen(path, "we");
	fine = f && fputs(text, f) >= 0;
	return f && fclose(f) == 0 && fine;
}

__attribute__((unused)) static void join_cgroup(const char *path)
{
	put(path, "cgroup.procs", "0");
}

/* times processes of that cgroup die by a signal, one after the other. */
__attribute__((unused)) static void die_in(const char *cgroup, unsigned int times)
{
	pid_t outer = fork();

	if (!outer) {
		join_cgroup(cgroup);
		for (unsigned int i = 0; i < times; i++) {
			pid_t pid = fork();

			if (!pid) {
				kill(getpid(), SIGKILL);
				_exit(1);
			}
			waitpid(pid, NULL, 0);
		}
		_exit(0);
	}
	waitpid(outer, NULL, 0);
}

/* ---- collector ------------------------------------------------------------------------------------------------- */

/* Made of key, value, key, value, NULL.  NULL: it could not start. */
__attribute__((unused)) static struct collect *collector_start(const char *const *settings, collect_fn fn, void *ctx,
							       struct config **ret_config)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct config *config = config_new();
	struct collect_options options = { .config = config, .fn = fn, .ctx = ctx };
	struct collect *c = NULL;

	for (; config && *settings; settings += 2)
		if (config_set(config, settings[0], settings[1], &error) < 0)
			break;
	if (*settings || collect_new(&options, &c, &error) < 0)
		c = NULL;
	if (!c)
		printf("# %s\n", strbuf_str(&error));
	*ret_config = config;
	return c;
}

__attribute__((unused)) static void poll_for(struct collect *c, int64_t ns)
{
	for (int64_t until = time_boot_ns() + ns; time_boot_ns() < until;)
		collect_poll(c, 20);
}

/* What was told against what another clock says: within a tenth and 10 ms. */
__attribute__((unused)) static bool near_time(uint64_t told_ns, uint64_t took_ns)
{
	uint64_t off = told_ns > took_ns ? told_ns - took_ns : took_ns - told_ns;

	return took_ns && off <= took_ns / 10 + 10 * NSEC_PER_MSEC;
}

/* Totals of the books, checked at each probe record. */
struct balance {
	uint64_t records, unbalanced;
	char under_way[32]; /* probe whose latest books had records that were counted and not yet sent */
	char text[200];
};

/* A CPU counts a record before it sends it: as many as there are CPUs may be between the two when the books are read. */
static inline bool balance_under_way(struct balance *b, const struct kw_probe *p)
{
	int64_t left = (int64_t)(p->emitted - p->stored - p->lost_ring - p->suppressed - p->lost_other);

	if (left > 0 && left <= sysconf(_SC_NPROCESSORS_ONLN)) {
		snprintf(b->under_way, sizeof(b->under_way), "%.31s", p->name);
		return true;
	}
	if (!left && !strcmp(b->under_way, p->name))
		b->under_way[0] = '\0';
	return !left;
}

__attribute__((unused)) static void balance_take(struct balance *b, const struct kw_probe *p)
{
	b->records++;
	if (balance_under_way(b, p))
		return;
	b->unbalanced++;
	snprintf(b->text, sizeof(b->text),
		 "%.32s: emitted %" PRIu64 " stored %" PRIu64 " ring %" PRIu64 " suppressed %" PRIu64 " other %" PRIu64,
		 p->name, (uint64_t)p->emitted, (uint64_t)p->stored, (uint64_t)p->lost_ring, (uint64_t)p->suppressed,
		 (uint64_t)p->lost_other);
}

__attribute__((unused)) static void balance_check(struct checks *k, const struct balance *b, const char *when)
{
	char name[96];

	snprintf(name, sizeof(name), "books balance: %s", when);
	check(k, b->records && !b->unbalanced && !b->under_way[0], name, "%" PRIu64 " of %" PRIu64 " times not: %s%s",
	      b->unbalanced, b->records, b->text, b->under_way);
}

#endif
