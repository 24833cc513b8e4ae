/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/perfclock.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fileutil.h"
#include "base/timeutil.h"
#include "collect/procparse.h"

#define ONLINE "/sys/devices/system/cpu/online"
#define ONLINE_MAX 4096 /* sysfs gives no more than a page */

struct perfclock {
	const struct bpf_program *program;
	unsigned int rate;
	char online[ONLINE_MAX]; /* as the file had it when the links were made; "" look again */
	unsigned int cpus; /* possible */
	struct bpf_link *links[]; /* NULL: not online */
};

static int clock_open(unsigned int cpu, unsigned int rate)
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
static int clock_attach(struct perfclock *c, unsigned int cpu)
{
	int fd = clock_open(cpu, c->rate), r;

	if (fd < 0)
		return fd;
	c->links[cpu] = bpf_program__attach_perf_event(c->program, fd);
	if (c->links[cpu])
		return 0;
	r = -errno;
	close(fd);
	return r;
}

/* Without the list every CPU is tried. */
static bool is_online(const struct perfclock *c, unsigned int cpu)
{
	return !c->online[0] || cpulist_has(c->online, cpu);
}

/* What is not quite there yet is tried again with the next look. */
static int clocks_settle(struct perfclock *c)
{
	for (unsigned int cpu = 0; cpu < c->cpus; cpu++) {
		int r = 0;

		if (!is_online(c, cpu)) {
			bpf_link__destroy(c->links[cpu]);
			c->links[cpu] = NULL;
		} else if (!c->links[cpu]) {
			r = clock_attach(c, cpu);
		}
		if (r == -ENODEV || r == -ENXIO)
			c->online[0] = '\0';
		else if (r < 0)
			return r;
	}
	return 0;
}

int perfclock_attach(const struct bpf_program *program, unsigned int rate, struct perfclock **ret_clock)
{
	int cpus = libbpf_num_possible_cpus(), r;
	struct perfclock *c;

	if (cpus < 0)
		return cpus;
	c = calloc(1, sizeof(*c) + (size_t)cpus * sizeof(struct bpf_link *)); /* NOLINT(bugprone-sizeof-expression) */
	if (!c)
		return -ENOMEM;
	c->program = program;
	c->rate = rate;
	c->cpus = (unsigned int)cpus;
	if (file_read(AT_FDCWD, ONLINE, c->online, sizeof(c->online)) < 0)
		c->online[0] = '\0';
	r = clocks_settle(c);
	if (r == 0 && !perfclock_count(c))
		r = -ENODEV;
	if (r < 0) {
		perfclock_free(c);
		return r;
	}
	*ret_clock = c;
	return 0;
}

void perfclock_follow(struct perfclock *c)
{
	char online[ONLINE_MAX];

	if (file_read(AT_FDCWD, ONLINE, online, sizeof(online)) <= 0 || !strcmp(online, c->online))
		return;
	memcpy(c->online, online, sizeof(c->online));
	clocks_settle(c);
}

unsigned int perfclock_count(const struct perfclock *c)
{
	unsigned int n = 0;

	for (unsigned int cpu = 0; cpu < c->cpus; cpu++)
		n += c->links[cpu] != NULL;
	return n;
}

void perfclock_free(struct perfclock *c)
{
	if (!c)
		return;
	for (unsigned int cpu = 0; cpu < c->cpus; cpu++)
		bpf_link__destroy(c->links[cpu]);
	free(c);
}
