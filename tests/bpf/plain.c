/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects for older kernels (bpf/plain.bpf.h) on this one: a newer kernel takes them too, so that they are tried on
 * every machine and not in guests alone.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "collect/objects_run.h"
#include "schema/kernel_maps.h"
#include "schema/kinds.h"
#include "tests/bpf/check.h"

#define IMAGES_MAX 32
#define CPUS_MAX 1024
#define WAITS_MAX_NS (60 * NSEC_PER_SEC)

/* Plain images by the name of the ordinary one, and the probes they are for. */
struct plain {
	struct bpf_object_image images[IMAGES_MAX];
	const struct probe *probes[OBJECTS_PROBES_MAX + 1];
	char names[IMAGES_MAX][32];
	unsigned int image_count, probe_count;
};

static bool has_image(const struct plain *p, const char *name)
{
	for (unsigned int i = 0; name && i < p->image_count; i++)
		if (!strcmp(p->images[i].name, name))
			return true;
	return false;
}

static void find(struct plain *p)
{
	for (unsigned int i = 0; i < bpf_object_images_count && p->image_count < IMAGES_MAX; i++) {
		const char *name = bpf_object_images[i].name, *dot = strstr(name, ".plain");

		if (!dot)
			continue;
		snprintf(p->names[p->image_count], sizeof(p->names[0]), "%.*s", (int)(dot - name), name);
		p->images[p->image_count] = bpf_object_images[i];
		p->images[p->image_count].name = p->names[p->image_count];
		p->image_count++;
	}
	/* What a worker runs is known on newer kernels only: there is no plain program for iolimit. */
	for (unsigned int i = 0; probes[i]; i++)
		if (has_image(p, probes[i]->object) && strcmp(probes[i]->name, "iolimit"))
			p->probes[p->probe_count++] = probes[i];
}

static uint64_t emitted(const struct objects *o, uint32_t kind)
{
	static struct kw_books books[CPUS_MAX];
	uint32_t zero = 0;
	uint64_t sum = 0;

	if (objects_cpus(o) > CPUS_MAX || bpf_map_lookup_elem(objects_map_fd(o, SHARED_BOOKS), &zero, books) < 0)
		return 0;
	for (unsigned int i = 0; i < objects_cpus(o); i++)
		sum += books[i].kind[kind].emitted;
	return sum;
}

/* Whether the sums have a wait of that reason. */
static bool has_wait(const struct objects *o, uint32_t reason)
{
	int fd = objects_map_fd(o, SHARED_WAIT_SUMS);
	struct kw_wait_key key, *at = NULL;

	while (bpf_map_get_next_key(fd, at, &key) == 0) {
		if (key.reason == reason)
			return true;
		at = &key;
	}
	return false;
}

static void kill_one(void)
{
	pid_t pid = fork();

	if (!pid) {
		pause();
		_exit(0);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Two that want the same CPU all the time, until the sums have waits for it. */
static bool compete(const struct objects *o)
{
	int64_t end = time_boot_ns() + WAITS_MAX_NS;
	pid_t pids[2];
	cpu_set_t one;
	bool seen;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			sched_setaffinity(0, sizeof(one), &one);
			while (time_boot_ns() < end)
				;
			_exit(0);
		}
	}
	while (!(seen = has_wait(o, KW_WAIT_CPU)) && time_boot_ns() < end)
		usleep(10000);
	for (int i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	return seen;
}

static void run(struct checks *c, struct objects *o)
{
	const struct probe_run *run;

	objects_start(o);
	for (unsigned int i = 0; (run = objects_probe(o, i)); i++) {
		char name[64];

		snprintf(name, sizeof(name), "plain object: probe %s attaches", run->probe->name);
		check(c, run->state == PROBE_ATTACHED || run->state == PROBE_DEGRADED, name, "%s", run->why);
	}
	kill_one();
	check(c, emitted(o, KW_KIND_signal) > 0, "plain object: a kill is recorded", "no record");
	check(c, compete(o), "plain object: waits for a CPU are summed", "none within a minute");
	objects_run_iterators(o);
}

int main(void)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	static struct plain plain;
	struct config *config = config_new();
	struct objects *o = NULL;
	struct checks c = { 0 };
	int r;

	find(&plain);
	if (!config || !plain.image_count) {
		skip(&c, "plain objects", "built without BPF objects (NOBPF)");
		config_free(config);
		return 0;
	}
	r = objects_new(config, plain.probes, plain.images, plain.image_count, &o, &error);
	if (r == -EPERM || r == -EACCES)
		skip(&c, "plain objects", strbuf_str(&error));
	else if (r < 0)
		check(&c, false, "plain objects", "%s", strbuf_str(&error));
	else
		run(&c, o);
	objects_free(o);
	config_free(config);
	return c.failed != 0;
}
