/* SPDX-License-Identifier: Apache-2.0 */
/* isolation OBJECT.o: what fails in one program, hook or probe takes nothing else down. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fileutil.h"
#include "collect/objects_run.h"
#include "tests/bpf/check.h"

static const struct attach_choice good_hooks[] = {
	{ "mkdir", "works", true, NULL },
	{ "not missed", "no_tracepoint", false, NULL },
	{ "as good", "no_tracepoint", false, "all" },
	{ "as good", "works_raw", false, NULL },
	{ 0 },
};
static const struct attach_choice second_hooks[] = {
	{ "mkdir", "no_tracepoint", true, "never" },
	{ "mkdir", "refused", true, NULL },
	{ "mkdir", "works_raw", true, "speed" },
	{ 0 },
};
static const struct attach_choice part_hooks[] = {
	{ "mkdir", "works", true, NULL },
	{ "rmdir", "refused", false, "ends" },
	{ "more", "no_field", false, "fields" },
	{ 0 },
};
static const struct attach_choice bad_hooks[] = {
	{ "other", "works_raw", false, NULL },
	{ "mkdir", "no_tracepoint", true, "everything" },
	{ "mkdir", "no_raw_tracepoint", true, NULL },
	{ "mkdir", "absent", true, NULL },
	{ 0 },
};
static const struct attach_choice nowhere_hooks[] = { { "mkdir", "works", true, NULL }, { 0 } };

static const struct probe good = { .name = "good", .object = "broken", .attach = good_hooks };
static const struct probe second = { .name = "second", .object = "broken", .attach = second_hooks };
static const struct probe part = { .name = "part", .object = "broken", .attach = part_hooks };
static const struct probe bad = { .name = "bad", .object = "broken", .attach = bad_hooks };
static const struct probe off = { .name = "off", .object = "broken", .attach = bad_hooks };
static const struct probe nowhere = { .name = "nowhere", .object = "missing", .attach = nowhere_hooks };
static const struct probe *const list[] = { &good, &second, &part, &bad, &off, &nowhere, NULL };

static void expect(struct checks *c, const struct objects *o, unsigned int i, enum probe_run_state state,
		   const char *attach, const char *why)
{
	const struct probe_run *run = objects_probe(o, i);

	char name[64];

	snprintf(name, sizeof(name), "probe %s: state, hooks and reason", run->probe->name);
	check(c,
	      run->state == state && !strcmp(run->attach, attach) &&
		      (why ? strstr(run->why, why) != NULL : !run->why[0]),
	      name, "state %d, attached \"%s\", why \"%s\"", run->state, run->attach, run->why);
}

static void run(struct checks *c, struct objects *o)
{
	unsigned int attached = objects_start(o);

	expect(c, o, 0, PROBE_ATTACHED, "tp_btf/cgroup_mkdir", NULL);
	expect(c, o, 1, PROBE_DEGRADED, "raw_tp/cgroup_mkdir", "mkdir: this kernel has no such tracepoint");
	check(c, !strcmp(objects_probe(o, 1)->lost, "speed"), "what the last choice costs is named", "%s",
	      objects_probe(o, 1)->lost);
	expect(c, o, 2, PROBE_DEGRADED, "tp_btf/cgroup_mkdir", "rmdir: verifier:");
	check(c, strstr(objects_probe(o, 2)->why, "more: this kernel lacks struct kernfs_node") != NULL,
	      "every missing hook is named", "%s", objects_probe(o, 2)->why);
	check(c, !strcmp(objects_probe(o, 2)->lost, "ends; fields"), "what is lost is named", "%s",
	      objects_probe(o, 2)->lost);
	expect(c, o, 3, PROBE_FAILED, "raw_tp/cgroup_mkdir", "no such tracepoint");
	expect(c, o, 4, PROBE_OFF, "", "collect.disabled");
	expect(c, o, 5, PROBE_FAILED, "", "built without BPF object missing");
	check(c, attached == 2, "programs that several probes list are attached once", "%u", attached);
}

int main(int argc, char **argv)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	struct bpf_object_image image = { .name = "broken" };
	struct config *config = config_new();
	struct objects *o = NULL;
	struct checks c = { 0 };
	char *data = NULL;
	int r;

	if (argc != 2 || file_read_alloc(AT_FDCWD, argv[1], 1 << 20, &data, &image.size) < 0 || !config ||
	    config_set(config, "collect.disabled", "x, off", &error) < 0) {
		fprintf(stderr, "usage: isolation OBJECT.o\n");
		return 2;
	}
	image.data = data;
	r = objects_new(config, list, &image, 1, &o, &error);
	if (r == -EPERM || r == -EACCES)
		skip(&c, "isolation", strbuf_str(&error));
	else if (r < 0)
		check(&c, false, "objects_new", "%s", strbuf_str(&error));
	else
		run(&c, o);
	objects_free(o);
	config_free(config);
	free(data);
	return c.failed != 0;
}
