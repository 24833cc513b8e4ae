/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/perfclock.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/timeutil.h"

struct perfclock {
	unsigned int count;
	struct bpf_link *links[];
};

static int clock_open(int cpu, unsigned int rate)
{
	/* A period and not a frequency: perf would adjust it, and a sample could not be counted as time. */
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = NSEC_PER_SEC / rate,
		.exclude_idle = 1,
	};
	int fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The link owns the event from then on. */
static int clock_attach(const struct bpf_program *program, int cpu, unsigned int rate, struct bpf_link **ret_link)
{
	int fd = clock_open(cpu, rate), r;
	struct bpf_link *link;

	if (fd < 0)
		return fd;
	link = bpf_program__attach_perf_event(program, fd);
	if (!link) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_link = link;
	return 0;
}

int perfclock_attach(const struct bpf_program *program, unsigned int rate, struct bpf_link **ret_link,
		     struct perfclock **ret_clock)
{
	int cpus = libbpf_num_possible_cpus(), r = 0;
	struct bpf_link *first = NULL;
	struct perfclock *c;

	if (cpus < 0)
		return cpus;
	c = calloc(1, sizeof(*c) + (size_t)cpus * sizeof(struct bpf_link *)); /* NOLINT(bugprone-sizeof-expression) */
	if (!c)
		return -ENOMEM;
	for (int cpu = 0; r == 0 && cpu < cpus; cpu++) {
		struct bpf_link *link = NULL;

		r = clock_attach(program, cpu, rate, &link);
		if (r == -ENODEV || r == -ENXIO)
			r = 0; /* possible, but not online */
		else if (r == 0 && !first)
			first = link;
		else if (r == 0)
			c->links[c->count++] = link;
	}
	if (r == 0 && !first)
		r = -ENODEV;
	if (r < 0) {
		bpf_link__destroy(first);
		perfclock_free(c);
		return r;
	}
	*ret_link = first;
	*ret_clock = c;
	return 0;
}

void perfclock_free(struct perfclock *c)
{
	if (!c)
		return;
	for (unsigned int i = 0; i < c->count; i++)
		bpf_link__destroy(c->links[i]);
	free(c);
}
